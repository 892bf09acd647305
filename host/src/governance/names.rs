//! Names that say that what they name is secret. The names themselves are data: `redact/rules.toml`.

use std::sync::LazyLock;

use super::redact::rules::{RULES, RawNames};

/// The longest name that is looked at: longer, it is a text.
const NAME_BYTES_MAX: usize = 253;

struct Names {
    /// Ends, in small letters and without anything between them.
    ends: Vec<String>,
    not: Vec<String>,
    numbers: Vec<String>,
    nothing: Vec<String>,
}

static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let RawNames { ends, always: _, full: _, numbers, not, nothing } = &RULES.names;
    let words = |list: &[String]| list.iter().map(|name| word(name)).collect();
    Names { ends: words(ends), not: words(not), numbers: words(numbers), nothing: nothing.clone() }
});

/// `password`, `db-password`, `DB_PASSWORD`, `tls.privateKey`
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = word(name);
    ends_in(&name, &NAMES.ends) && !ends_in(&name, &NAMES.not)
}

/// Numbers are seldom secret: `maxTokens` counts.
pub(super) fn is_secret_number(name: &str) -> bool {
    ends_in(&word(name), &NAMES.numbers)
}

/// What stands where a secret could, and is none: `null`, `expired`.
pub(super) fn is_nothing(value: &[u8]) -> bool {
    let end =
        value.iter().rposition(|b| !matches!(b, b'.' | b')' | b']' | b'!')).map_or(0, |at| at + 1);
    let word = value.get(..end).unwrap_or_default();
    NAMES.nothing.iter().any(|nothing| nothing.as_bytes().eq_ignore_ascii_case(word))
}

/// `env`, `extraEnv`, `env_vars`, `environment`
pub(super) fn is_env_name(name: &str) -> bool {
    let name = word(name);
    ["env", "envs", "envvars", "environment", "environmentvariables"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn ends_in(name: &str, ends: &[String]) -> bool {
    ends.iter().any(|end| name.ends_with(end.as_str()))
}

fn word(name: &str) -> String {
    if name.len() > NAME_BYTES_MAX {
        return String::new();
    }
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_names_of_secrets_from_names_of_references() {
        for (name, is_secret) in [
            ("password", true),
            ("DB_PASSWORD", true),
            ("db-password", true),
            ("spring.datasource.password", true),
            ("clientSecret", true),
            ("api_key", true),
            ("bearerToken", true),
            ("--token", true),
            ("client-key-data", true),
            ("secretName", false),
            ("existingSecret", false),
            ("continue_token", false),
            ("tokenUrl", false),
            ("key", false),
            ("name", false),
            ("", false),
        ] {
            assert_eq!(is_secret_name(name), is_secret, "{name}");
        }
        assert!(is_env_name("env") && is_env_name("extraEnv") && is_env_name("env_vars"));
        assert!(!is_env_name("envFrom") && !is_env_name("environmentName"));
        assert!(is_secret_number("DB_PASSWORD") && !is_secret_number("maxToken"));
        assert!(is_nothing(b"Expired.") && !is_nothing(b"hunter2"));
    }

    #[test]
    fn a_word_of_each_name_is_looked_for_in_texts() {
        let RawNames { ends, always, full, .. } = &RULES.names;
        for end in ends {
            assert!(always.iter().chain(full).any(|word| end.contains(word.as_str())), "{end}");
        }
    }
}
