//! The rules as they are kept, in `rules.toml` and in the operator's configuration, and how one is
//! tried on a text.

use std::sync::{LazyLock, OnceLock};

use regex::bytes::{Regex, RegexBuilder};
use serde::Deserialize;

use crate::domain::redaction::{COMPILED_BYTES_MAX, OwnRule, REACH_BYTES};

/// The reviewed rules.
const FILE: &str = include_str!("rules.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::governance) struct File {
    pub(in crate::governance) rule: Vec<RawRule>,
    pub(in crate::governance) names: RawNames,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "keys of a file")]
pub(in crate::governance) struct RawRule {
    name: String,
    #[serde(default)]
    always: bool,
    keywords: Vec<String>,
    pattern: String,
    #[serde(default)]
    loose: bool,
    #[serde(default)]
    inside: bool,
    #[serde(default = "yes")]
    words: bool,
    #[serde(default)]
    entropy: f64,
    #[serde(default)]
    reach: usize,
    /// For the tests alone, which make secrets of it.
    #[serde(rename = "hit")]
    _hit: String,
    #[serde(rename = "miss")]
    _miss: String,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::governance) struct RawNames {
    pub(in crate::governance) ends: Vec<String>,
    pub(in crate::governance) always: Vec<String>,
    pub(in crate::governance) full: Vec<String>,
    pub(in crate::governance) numbers: Vec<String>,
    pub(in crate::governance) not: Vec<String>,
    pub(in crate::governance) nothing: Vec<String>,
}

/// The file, read.
#[expect(
    clippy::expect_used,
    reason = "a part of the program, which every test of this room reads"
)]
pub(in crate::governance) static RULES: LazyLock<File> =
    LazyLock::new(|| toml::from_str(FILE).expect("the rules of redaction can be read"));

/// One rule, ready to be tried.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "as the file has them")]
pub(super) struct Rule {
    pub(super) name: Box<str>,
    pub(super) always: bool,
    pub(super) keywords: Vec<String>,
    pub(super) loose: bool,
    /// Found inside of a longer word too.
    pub(super) inside: bool,
    pub(super) reach: usize,
    words: bool,
    entropy: f64,
    pattern: String,
    /// At the keyword, or within its reach.
    near: OnceLock<Option<Regex>>,
    /// Anywhere.
    far: OnceLock<Option<Regex>>,
}

impl Rule {
    pub(super) fn of(raw: &RawRule) -> Self {
        Self {
            name: raw.name.as_str().into(),
            always: raw.always,
            keywords: raw.keywords.clone(),
            loose: raw.loose,
            inside: raw.inside,
            reach: raw.reach,
            words: raw.words,
            entropy: raw.entropy,
            pattern: raw.pattern.clone(),
            near: OnceLock::new(),
            far: OnceLock::new(),
        }
    }

    pub(super) fn own(own: &OwnRule) -> Self {
        Self {
            name: own.name.as_str().into(),
            always: true,
            keywords: own.keywords.clone(),
            loose: true,
            inside: true,
            reach: REACH_BYTES,
            words: true,
            entropy: 0.0,
            pattern: own.pattern.clone(),
            near: OnceLock::new(),
            far: OnceLock::new(),
        }
    }

    /// Compiles the pattern now, so that no call waits for it.
    pub(super) fn prepare(&self) {
        self.near();
    }

    pub(super) fn near(&self) -> Option<&Regex> {
        self.near
            .get_or_init(|| match self.reach {
                0 => compiled(&format!(r"\A(?:{})", self.pattern)),
                _ => compiled(&self.pattern),
            })
            .as_ref()
    }

    pub(super) fn far(&self) -> Option<&Regex> {
        let begin = if self.inside || self.reach > 0 { "" } else { r"\b" };
        self.far.get_or_init(|| compiled(&format!("{begin}(?:{})", self.pattern))).as_ref()
    }

    /// Whether what stands where a secret could is one.
    pub(super) fn accepts(&self, secret: &[u8]) -> bool {
        !is_marked(secret)
            && !is_reference(secret)
            && (self.words || !is_prose(secret))
            && (self.entropy <= 0.0 || entropy(secret) >= self.entropy)
    }
}

fn compiled(pattern: &str) -> Option<Regex> {
    let built =
        RegexBuilder::new(pattern).unicode(false).size_limit(4 * COMPILED_BYTES_MAX).build();
    built.inspect_err(|error| tracing::error!(%error, "a rule of redaction is left out")).ok()
}

/// What stands in place of a secret that is gone already.
pub(in crate::governance) fn is_marked(value: &[u8]) -> bool {
    value.starts_with(b"[redacted") || value.starts_with(b"***")
}

/// `${DB_PASSWORD}`, `$(cat token)`, `{{ .Values.token }}`, `<token>`: where a secret comes from.
pub(super) fn is_reference(value: &[u8]) -> bool {
    value.starts_with(b"${")
        || value.starts_with(b"$(")
        || value.starts_with(b"{{")
        || (value.starts_with(b"<") && value.ends_with(b">"))
}

/// The longest word in small letters that is still taken for prose.
const WORD_BYTES_MAX: usize = 15;

/// Words in small letters, perhaps joined: a secret has digits or capitals, or is longer.
pub(super) fn is_prose(value: &[u8]) -> bool {
    let mut words = value.split(|b| matches!(b, b'-' | b'_' | b' ' | b'.' | b',' | b':' | b'/'));
    words.all(|word| word.len() <= WORD_BYTES_MAX && word.iter().all(u8::is_ascii_lowercase))
}

/// Bits for each byte, by how often each occurs.
fn entropy(bytes: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for byte in bytes {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let total: u32 = counts.iter().sum();
    let share = |count: &u32| f64::from(*count) / f64::from(total.max(1));
    counts.iter().filter(|count| **count > 0).map(share).map(|p| -p * p.log2()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_is_read_and_compiles() {
        let file: File = toml::from_str(FILE).unwrap();
        let mut kinds: Vec<&str> = file.rule.iter().map(|rule| rule.name.as_str()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert!(kinds.len() >= 90, "{}", kinds.len());
        for raw in &file.rule {
            let rule = Rule::of(raw);
            assert!(rule.near().is_some() && rule.far().is_some(), "{}", rule.name);
            assert!(!rule.keywords.is_empty(), "{}", rule.name);
            let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(rule.name.chars().all(is_name), "{}", rule.name);
            for keyword in &rule.keywords {
                assert!(keyword.len() >= 2 && keyword.is_ascii(), "{}: {keyword}", rule.name);
            }
        }
    }

    #[test]
    fn entropy_tells_random_from_repeated() {
        assert!(entropy(b"aaaaaaaaaaaaaaaa") < 0.1);
        assert!((entropy(b"abababab") - 1.0).abs() < 1e-9);
        assert!((entropy(b"0123456789abcdef") - 4.0).abs() < 1e-9);
        assert!(entropy(b"").abs() < 1e-9);
    }

    #[test]
    fn prose_and_references_are_no_secrets() {
        for (value, prose) in [
            ("required", true),
            ("not-configured", true),
            ("hunter2", false),
            ("Required", false),
            ("abcdefghijklmnop", false),
        ] {
            assert_eq!(is_prose(value.as_bytes()), prose, "{value}");
        }
        assert!(is_reference(b"${X}") && is_reference(b"<token>") && !is_reference(b"$ecret"));
    }
}
