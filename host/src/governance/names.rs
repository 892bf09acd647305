//! Names that say that what they name is secret.

/// What the name of a secret value ends with, in small letters and without anything between them.
const ENDS: [&str; 17] = [
    "password",
    "passwd",
    "pwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "accesskeyid",
    "secretkey",
    "privatekey",
    "signingkey",
    "encryptionkey",
    "credential",
    "credentials",
    "connectionstring",
    "authorization",
];

/// Fields that hold the name of a `Secret`, by the custom of charts.
const REFERENCES: [&str; 2] = ["existingsecret", "imagepullsecret"];

/// The longest name that is looked at: longer, it is a text.
const NAME_BYTES_MAX: usize = 253;

/// `password`, `db-password`, `DB_PASSWORD`, `tls.privateKey`
pub(super) fn is_secret_name(name: &str) -> bool {
    let name = word(name);
    ENDS.iter().any(|end| name.ends_with(end)) && !REFERENCES.iter().any(|r| name.ends_with(r))
}

/// Numbers are seldom secret: `maxTokens` counts.
pub(super) fn is_secret_number(name: &str) -> bool {
    let name = word(name);
    ["password", "passwd", "passphrase"].iter().any(|end| name.ends_with(end))
}

/// `env`, `extraEnv`, `env_vars`, `environment`
pub(super) fn is_env_name(name: &str) -> bool {
    let name = word(name);
    ["env", "envs", "envvars", "environment", "environmentvariables"]
        .iter()
        .any(|end| name.ends_with(end))
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
            ("secretName", false),
            ("existingSecret", false),
            ("tokenUrl", false),
            ("key", false),
            ("name", false),
            ("", false),
        ] {
            assert_eq!(is_secret_name(name), is_secret, "{name}");
        }
        assert!(is_env_name("env") && is_env_name("extraEnv") && is_env_name("env_vars"));
        assert!(!is_env_name("envFrom") && !is_env_name("environmentName"));
    }
}
