//! Secrets of several lines: private keys, and the data of `Secret` objects that somebody printed.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::wrapped;

/// What every line about a private key holds; a text without it need not be searched for one.
pub(in crate::governance) const PRIVATE_KEY_MARK: &str = "PRIVATE KEY";

/// What stands in the marker of one.
pub(super) const PRIVATE_KEY: &str = "private-key";

/// How an object says that it is a `Secret`.
pub(super) const SECRET_MARKS: [&str; 3] = [r#""Secret""#, r#"\"Secret\""#, YAML_MARK];
const YAML_MARK: &str = "kind: Secret";

/// What opens a private key, and what closes one.
macro_rules! edge {
    ($word:literal) => {
        concat!("-{4,5} ?", $word, " [A-Z0-9 ]{0,24}PRIVATE KEY(?: BLOCK)? ?-{4,5}")
    };
}

struct Patterns {
    keys: [Regex; 2],
    edge: Regex,
    data: Regex,
}

#[expect(clippy::expect_used, reason = "the patterns are constants, compiled by the tests below")]
static PATTERNS: LazyLock<Patterns> = LazyLock::new(|| {
    let regex = |pattern: &str| Regex::new(pattern).expect("a constant pattern");
    Patterns {
        keys: [
            // Up to its end, or to the end of the text: each line may begin with a time of its own.
            regex(concat!("(?s)", edge!("BEGIN"), ".*?(?:", edge!("END"), r"|\z)")),
            // The rest of one whose beginning was cut off: lines that end in base64, and the end.
            regex(concat!(
                r"(?:(?:[^\n]*[A-Za-z0-9+/=]{16,}\n)+[^\n]*|(?:[A-Za-z0-9+/=]{16,}\\{1,3}n)+)",
                edge!("END")
            )),
        ],
        edge: regex(concat!("(", edge!("BEGIN"), ")|", edge!("END"))),
        data: regex(r#"\\{0,3}"(?:data|stringData)\\{0,3}"\s{0,16}:\s{0,16}\{([^{}]+)\}"#),
    }
});

pub(super) fn prepare() {
    LazyLock::force(&PATTERNS);
}

/// Every private key.
pub(super) fn private_keys(text: &str) -> Vec<Range<usize>> {
    PATTERNS.keys.iter().flat_map(|key| key.find_iter(text).map(|found| found.range())).collect()
}

/// Where private keys begin (`true`) and end, in order.
pub(in crate::governance) fn key_edges(text: &str) -> Vec<(Range<usize>, bool)> {
    if !text.contains(PRIVATE_KEY_MARK) {
        return Vec::new();
    }
    let edge = |edge: regex::Captures<'_>| Some((edge.get(0)?.range(), edge.get(1).is_some()));
    PATTERNS.edge.captures_iter(text).filter_map(edge).collect()
}

/// How far from the word `Secret` its data may stand.
const OBJECT_BYTES_MAX: usize = 64 << 10;

/// The values of the `Secret` objects in a text: of JSON within the line, of YAML in the document.
pub(super) fn secret_objects(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut done = 0;
    for mark in SECRET_MARKS {
        let is_yaml = mark == YAML_MARK;
        for (at, _) in text.match_indices(mark) {
            // What else is called so is none.
            let before = text.get(..at).unwrap_or_default();
            if !is_yaml && !is_kind(before) {
                continue;
            }
            // Within what was looked at already, for the same mark, there is nothing new.
            if at < done {
                continue;
            }
            let around = if is_yaml { document(text, at) } else { object(text, at) };
            done = around.end;
            let part = text.get(around.clone()).unwrap_or_default();
            let ranges = if is_yaml { yaml(part) } else { json(part) };
            let moved = |range: Range<usize>| around.start + range.start..around.start + range.end;
            found.extend(ranges.into_iter().map(moved));
        }
        done = 0;
    }
    found
}

/// `"kind": `, up to its value.
fn is_kind(before: &str) -> bool {
    let name = before.trim_end().strip_suffix(':').unwrap_or_default().trim_end();
    name.trim_end_matches(['"', '\\']).ends_with("kind")
}

/// Everything up to a blank line, about: an object that was printed with line breaks has none.
fn object(text: &str, at: usize) -> Range<usize> {
    between(text, at, "\n\n")
}

fn document(text: &str, at: usize) -> Range<usize> {
    between(text, at, "\n---")
}

fn between(text: &str, at: usize, end: &str) -> Range<usize> {
    let least = text.ceil_char_boundary(at.saturating_sub(OBJECT_BYTES_MAX));
    let most = text.floor_char_boundary(text.len().min(at.saturating_add(OBJECT_BYTES_MAX)));
    let before = text.get(least..at).unwrap_or_default();
    let behind = text.get(at..most).unwrap_or_default();
    let begin = before.rfind(end).map_or(least, |found| least + found);
    begin..behind.find(end).map_or(most, |found| at + found)
}

fn json(part: &str) -> Vec<Range<usize>> {
    let data = PATTERNS.data.captures_iter(part).filter_map(|found| found.get(1));
    let is_open = |data: &&regex::Match<'_>| {
        let text = data.as_str();
        !text.trim_start().starts_with("[redacted") && text.contains(':')
    };
    data.filter(|data| is_open(&data)).map(|data| data.range()).collect()
}

/// The lines below `data:` that are indented more, from their values on.
fn yaml(part: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut of_data: Option<usize> = None;
    let mut begin = 0;
    for line in part.split_inclusive('\n') {
        // As a log is read with times.
        let time = wrapped::time(line.as_bytes(), 0);
        let time = if time > 0 { time + 1 } else { 0 };
        let at = begin + time;
        begin += line.len();
        let line = line.get(time..).unwrap_or_default();
        let words = line.trim();
        let indent = line.len() - line.trim_start().len();
        if of_data.is_some_and(|of_data| indent > of_data) && !words.is_empty() {
            let value = match line.find(": ") {
                Some(sign) => sign + 2,
                // A key whose value is a block below, or a line of such a block.
                None if words.ends_with(':') => continue,
                None => indent,
            };
            let value = at + value..at + line.trim_end().len();
            let text = part.get(value.clone()).unwrap_or_default();
            let says_nothing = matches!(text, "|" | "|-" | ">" | ">-" | "");
            if !says_nothing && !text.starts_with("[redacted") && !is_described(words) {
                found.push(value);
            }
            continue;
        }
        of_data = matches!(words, "data:" | "stringData:").then_some(indent);
    }
    found
}

/// What stands in the place of a value that was described already.
fn is_described(line: &str) -> bool {
    match line.split_once(": ") {
        Some(("size_bytes", n)) => n.bytes().all(|b| b.is_ascii_digit()),
        Some(("fingerprint", hex)) => {
            let hex = hex.trim_matches(['"', '\'']);
            hex.len() == 8 && hex.bytes().all(|b| b.is_ascii_hexdigit())
        }
        Some(_) | None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<&str> {
        secret_objects(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn the_data_of_printed_secrets_is_found() {
        let json = r#"applied {"apiVersion":"v1","data":{"a":"YQ=="},"kind":"Secret","stringData":{"b":"c"}} ok"#;
        assert_eq!(shown(json), [r#""a":"YQ==""#, r#""b":"c""#]);
        let escaped = r#"{\"kind\":\"Secret\",\"data\":{\"a\":\"YQ==\"}}"#;
        assert_eq!(shown(escaped), [r#"\"a\":\"YQ==\""#]);
        let yaml = "kind: Secret\ndata:\n  a: YQ==\n  b: |\n    Yg==\nmetadata:\n  name: x\n";
        assert_eq!(shown(yaml), ["YQ==", "Yg=="]);
        let time = "2026-11-21T02:13:07.123456789Z ";
        let timed: String = yaml.lines().map(|line| format!("{time}{line}\n")).collect();
        assert_eq!(shown(&timed), ["YQ==", "Yg=="]);
        let described = "data:\n  a:\n    fingerprint: 3fa90b1c\n    size_bytes: 5\nkind: Secret\n";
        assert!(shown(described).is_empty());
        let other = r#"{"kind":"ConfigMap","data":{"a":"b"}}"#;
        assert!(shown(other).is_empty() && shown("kind: Secretary\n").is_empty());
    }

    #[test]
    fn private_keys_are_found_in_every_dress() {
        for key in [
            "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----",
            "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
            "-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOY\n-----END PGP PRIVATE KEY BLOCK-----",
            "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nP2/5\n---- END SSH2 ENCRYPTED PRIVATE KEY ----",
            r"-----BEGIN EC PRIVATE KEY-----\nMHcC\n-----END EC PRIVATE KEY-----",
            "MIIEowIBAAKCAQEAx4Ub\n-----END RSA PRIVATE KEY-----",
            r"MIIEowIBAAKCAQEAx4Ub\nMIIEowIBAAKCAQEAx4Ub\n-----END RSA PRIVATE KEY-----",
        ] {
            assert_eq!(private_keys(key).first(), Some(&(0..key.len())), "{key}");
        }
        assert!(private_keys("-----BEGIN CERTIFICATE-----\nMIIE").is_empty());
    }
}
