//! Secrets in text: known formats, and values that a name beside them calls secret.
//!
//! This is the tier that is always on. It lowers what leaks by accident; it is no promise against a
//! program that hides a secret on purpose, which is why no plugin has a network.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use super::text::clean_cow;

/// A text that may leave the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safe {
    /// The text.
    pub text: String,
    /// Characters that were removed.
    pub removed: u32,
    /// Secrets that were replaced.
    pub redacted: u32,
}

/// Removes what must not be seen, then replaces secrets. In this order, so that no invisible
/// character inside of a secret hides it from the second step.
pub fn make_safe(text: &str) -> Safe {
    let (clean, removed) = clean_cow(text);
    let (text, redacted) = redact(&clean);
    Safe { text: text.into_owned(), removed, redacted }
}

/// Makes every string of a JSON value safe, keys included.
pub fn make_json_safe(value: serde_json::Value) -> (serde_json::Value, u32) {
    use serde_json::Value;
    match value {
        Value::String(text) => {
            let safe = make_safe(&text);
            (Value::String(safe.text), safe.redacted)
        }
        Value::Array(items) => {
            let mut redacted = 0;
            let safe = |item| {
                let (item, n) = make_json_safe(item);
                redacted += n;
                item
            };
            (Value::Array(items.into_iter().map(safe).collect()), redacted)
        }
        Value::Object(map) => {
            let mut redacted = 0;
            let safe = |(key, item): (String, Value)| {
                let (item, n) = make_json_safe(item);
                redacted += n;
                (make_safe(&key).text, item)
            };
            (Value::Object(map.into_iter().map(safe).collect()), redacted)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (value, 0),
    }
}

const PRIVATE_KEY: &str = "private-key";

/// What every line about a private key ends with; a text without it need not be searched for one.
pub(super) const PRIVATE_KEY_MARK: &str = "PRIVATE KEY-----";

/// Formats that say themselves what they are. ASCII only: Unicode classes would cost twenty times
/// the speed for nothing.
const FORMATS: &[(&str, &str)] = &[
    // Up to its end, or to the end of the text: each line may begin with a time of its own.
    (
        PRIVATE_KEY,
        r"(?s)-----BEGIN [A-Z ]{0,24}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,24}PRIVATE KEY-----|\z)",
    ),
    // The rest of one whose beginning was cut off: lines that end in base64, and the end.
    (PRIVATE_KEY, r"(?:[^\n]*[A-Za-z0-9+/=]{16,}\n)+[^\n]*-----END [A-Z ]{0,24}PRIVATE KEY-----"),
    ("jwt", r"(?-u)\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("aws-access-key", r"(?-u)\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"),
    ("github-token", r"(?-u)\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{60,})"),
    ("gitlab-token", r"(?-u)\bglpat-[A-Za-z0-9_-]{20,}"),
    ("slack-token", r"(?-u)\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("google-key", r"(?-u)\bAIza[A-Za-z0-9_-]{35}"),
    ("stripe-key", r"(?-u)\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
    ("npm-token", r"(?-u)\bnpm_[A-Za-z0-9]{36}"),
    ("anthropic-key", r"(?-u)\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("openai-key", r"(?-u)\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}"),
];

/// What a text must hold for any rule to find something in it. Most texts do not, and one search
/// costs a tenth of fourteen.
const HINTS: &str = concat!(
    r"(?i-u)-----BEGIN|eyJ|AKIA|ASIA|ABIA|ACCA|gh[pousr]_|github_pat_|glpat-|xox|AIza|[rs]k_|npm_",
    r"|sk-|://|bearer|basic|passw|passphrase|secret|token|key|credential",
);

struct Rules {
    hints: Regex,
    formats: Vec<(&'static str, Regex)>,
    /// `scheme://user:PASSWORD@host`
    userinfo: Regex,
    /// `Authorization: Bearer VALUE`
    bearer: Regex,
    /// `db_password = "VALUE"`
    named: Regex,
}

#[expect(clippy::expect_used, reason = "the patterns are constants, compiled by the test below")]
static RULES: LazyLock<Rules> = LazyLock::new(|| {
    Rules {
    hints: Regex::new(HINTS).expect("a constant pattern"),
    formats: FORMATS
        .iter()
        .map(|(name, pattern)| (*name, Regex::new(pattern).expect("a constant pattern")))
        .collect(),
    userinfo: Regex::new(r"((?-u:\b[a-zA-Z][a-zA-Z0-9+.-]{1,30}://)[^\s:/?#@]{0,128}:)([^\s@/]{1,256})@")
        .expect("a constant pattern"),
    bearer: Regex::new(r"(?i-u)\b(bearer|basic)( +)([A-Za-z0-9._~+/=-]{12,})")
        .expect("a constant pattern"),
    named: Regex::new(concat!(
        r#"((?i-u:(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key(?:[_-]?id)?"#,
        r#"|private[_-]?key|credentials?))\\{0,3}["']?)(\s{0,2}(?:=|:)\s{0,2})"#,
        r#"(?:(\\{0,3}["'])([^"'\\\n]{4,512})|([^\s"',;&<>\\]{4,512}))"#,
    ))
    .expect("a constant pattern"),
}
});

/// Compiles the rules now, so that the first call does not wait for it.
pub fn prepare() {
    LazyLock::force(&RULES);
}

/// Replaces secrets. Idempotent.
pub fn redact(text: &str) -> (Cow<'_, str>, u32) {
    let rules = &*RULES;
    if !rules.hints.is_match(text) {
        return (Cow::Borrowed(text), 0);
    }
    let mut n = 0;
    let mut text = Cow::Borrowed(text);
    let has_key = text.contains(PRIVATE_KEY_MARK);
    for (name, pattern) in rules.formats.iter().filter(|(name, _)| has_key || *name != PRIVATE_KEY)
    {
        replace(&mut text, pattern, &mut n, |_| Some((0, name)));
    }
    replace(&mut text, &rules.userinfo, &mut n, userinfo);
    replace(&mut text, &rules.bearer, &mut n, |found| {
        let (word, secret) = found.split_once(' ')?;
        let gap = secret.len() - secret.trim_start_matches(' ').len();
        Some((word.len() + 1 + gap, "authorization"))
    });
    replace(&mut text, &rules.named, &mut n, named);
    (text, n)
}

/// Where a secret begins in what was found, up to its end or one `@`, and what it is.
type Secret = (usize, &'static str);

/// `scheme://user:PASSWORD@`: neither a scheme nor a user has a colon.
fn userinfo(found: &str) -> Option<Secret> {
    let user = found.find("://")? + 3;
    let secret = user + found.get(user..)?.find(':')? + 1;
    (!is_redacted(found.get(secret..)?)).then_some((secret, "password"))
}

/// `NAME` and a quote, `=` or `:` and white space about it, perhaps a quote, `VALUE`: only the sign
/// itself is one of these two characters.
fn named(found: &str) -> Option<Secret> {
    let sign = found.find(['=', ':'])?;
    let is_colon = found.get(sign..)?.starts_with(':');
    let quoted = found.get(sign + 1..)?.trim_start();
    let value = quoted.trim_start_matches('\\');
    let is_quoted = value.starts_with(['"', '\'']);
    let value = value.get(usize::from(is_quoted)..)?;
    let secret = !is_redacted(value) && (is_quoted || is_secret(is_colon, value));
    secret.then_some((found.len() - value.len(), "named"))
}

/// Replaces the secret in everything that is found. Captures would say where it is, at ten times the
/// time.
fn replace(
    text: &mut Cow<'_, str>,
    pattern: &Regex,
    n: &mut u32,
    secret: impl Fn(&str) -> Option<(usize, &'static str)>,
) {
    let mut replaced = String::new();
    let mut kept = 0;
    for found in pattern.find_iter(text) {
        let Some((begin, name)) = secret(found.as_str()) else { continue };
        if replaced.capacity() == 0 {
            replaced.reserve(text.len());
        }
        replaced.push_str(text.get(kept..found.start() + begin).unwrap_or_default());
        replaced.push_str("[redacted:");
        replaced.push_str(name);
        replaced.push(']');
        // Of an address, what ends the password stays.
        kept = found.end() - usize::from(name == "password");
        *n = n.saturating_add(1);
    }
    if kept > 0 {
        replaced.push_str(text.get(kept..).unwrap_or_default());
        *text = Cow::Owned(replaced);
    }
}

/// What stands where a secret could, and is none.
const NOTHING: [&str; 6] = ["null", "none", "true", "false", "nil", "undefined"];

fn is_redacted(value: &str) -> bool {
    value.starts_with("[redacted:")
}

/// `password=hunter2` is one; `token: expired` and `secret=null` are prose.
fn is_secret(is_colon: bool, value: &str) -> bool {
    let word = value.trim_end_matches(['.', ')', ']']);
    if NOTHING.iter().any(|nothing| nothing.eq_ignore_ascii_case(word)) {
        return false;
    }
    !is_colon || word.bytes().any(|b| !b.is_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_secrets_and_leaves_prose() {
        for (text, safe, n) in [
            ("all is well", "all is well", 0),
            ("login password=hunter2 ok", "login password=[redacted:named] ok", 1),
            (r#"{"db_password": "correct horse"}"#, r#"{"db_password": "[redacted:named]"}"#, 1),
            (r#"{\"token\":\"abc123\"}"#, r#"{\"token\":\"[redacted:named]\"}"#, 1),
            (r#"{"db_password": "swordfish"}"#, r#"{"db_password": "[redacted:named]"}"#, 1),
            ("token: expired", "token: expired", 0),
            ("secret=null", "secret=null", 0),
            ("id AKIAIOSFODNN7EXAMPLE used", "id [redacted:aws-access-key] used", 1),
            ("postgres://app:s3cr3t@db:5432/x", "postgres://app:[redacted:password]@db:5432/x", 1),
            (
                "Authorization: Bearer abcdefghijklmnop",
                "Authorization: Bearer [redacted:authorization]",
                1,
            ),
            ("see http://host:8080/path", "see http://host:8080/path", 0),
        ] {
            assert_eq!(redact(text), (safe.into(), n), "{text}");
            assert_eq!(redact(safe).1, 0, "again: {safe}");
        }
    }

    #[test]
    fn every_format_is_found() {
        let (short, long) = ("a1B2c3D4".repeat(4), "a1B2c3D4".repeat(8));
        let samples = [
            ("private-key", "-----BEGIN PRIVATE KEY-----\nAAAA".to_owned()),
            ("jwt", format!("eyJ{short}.eyJ{short}.{short}")),
            ("aws-access-key", "ASIAIOSFODNN7EXAMPLE".to_owned()),
            ("github-token", format!("ghp_{long}")),
            ("github-token", format!("github_pat_{long}")),
            ("gitlab-token", format!("glpat-{short}")),
            ("slack-token", format!("xoxb-{short}")),
            ("google-key", format!("AIza{short}123")),
            ("stripe-key", format!("rk_live_{short}")),
            ("npm-token", format!("npm_{short}1234")),
            ("anthropic-key", format!("sk-ant-{short}")),
            ("openai-key", format!("sk-proj-{long}")),
        ];
        for (name, _) in FORMATS {
            assert!(samples.iter().any(|(sample, _)| sample == name), "no sample of {name}");
        }
        for (name, sample) in samples {
            assert_eq!(redact(&sample), (format!("[redacted:{name}]").into(), 1), "{sample}");
        }
    }

    #[test]
    fn an_invisible_character_hides_no_secret() {
        let safe = make_safe("pass\u{200b}word=hunt\u{1b}[0mer2");
        assert_eq!(safe.text, "password=[redacted:named]");
        assert!(safe.removed > 0);
    }

    #[test]
    fn a_private_key_goes_with_its_body() {
        let safe = make_safe(
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow\nAAAA\n-----END RSA PRIVATE KEY-----\nnext",
        );
        assert_eq!(safe.text, "[redacted:private-key]\nnext");
    }

    #[test]
    fn a_private_key_goes_where_each_line_has_a_time_and_where_its_ends_are_cut() {
        let time = "2026-11-21T02:13:07Z";
        let body = "MIIEowIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVW7tVqzKnWqkKq8p9X2H";
        let (begin, end) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");
        for text in [
            format!("{time} {begin}\n{time} {body}\n{time} {body}\n{time} {end}\n{time} next"),
            format!("{time} before\n{time} {body}\n{time} {body}\n{time} {end}\n{time} next"),
            format!("{time} before\n{time} {begin}\n{time} {body}\n{time} {body}"),
        ] {
            let safe = make_safe(&text);
            assert!(!safe.text.contains("MIIE") && safe.redacted == 1, "{}", safe.text);
        }
    }

    #[test]
    fn json_is_made_safe_throughout() {
        let (value, n) =
            make_json_safe(serde_json::json!({"a\u{200b}": ["password=hunter2", 1, {"b": "ok"}]}));
        assert_eq!(value, serde_json::json!({"a": ["password=[redacted:named]", 1, {"b": "ok"}]}));
        assert_eq!(n, 1);
    }
}
