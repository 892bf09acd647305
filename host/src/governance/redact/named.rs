//! Values in a text that the name beside them calls secret: `db_password = "VALUE"`, `TOKEN=VALUE`,
//! `<secret>VALUE</secret>`, `name: API_KEY, value: VALUE`.
//!
//! By hand and not by a pattern: this is tried wherever a text says `key`, which is everywhere.

use std::ops::Range;

use super::super::names;
use super::rules::{is_marked, is_reference};
use super::wrapped;

/// The longest name, and how far after a keyword one may go on.
const NAME_BYTES_MAX: usize = 128;

/// White space between a sign and its value, at most.
const GAP_BYTES_MAX: usize = 32;

/// What is shorter, and in no password's place, is a word or a number.
const VALUE_BYTES_MIN: usize = 4;

/// Digits alone, up to so many, count something.
const COUNT_BYTES_MAX: usize = 5;

/// The value of the name in which the keyword at `hit` stands.
pub(super) fn value(text: &[u8], hit: usize) -> Option<Range<usize>> {
    let end = hit + run(text, hit, NAME_BYTES_MAX, is_name);
    let begin = {
        let before = text.get(hit.saturating_sub(NAME_BYTES_MAX)..hit).unwrap_or_default();
        hit - before.iter().rev().take_while(|b| is_name(**b)).count()
    };
    let name = text.get(begin..end)?;
    // The most frequent one by far, and no secret's.
    if name.eq_ignore_ascii_case(b"key") {
        return None;
    }
    let at = Cursor { text, at: end };
    let assigned = at.clone().assigned().or_else(|| at.paired());
    let (sign, mut at) = match assigned {
        Some(found) => found,
        None if text.get(end) == Some(&b'>') => {
            let opens = begin.checked_sub(1).and_then(|before| text.get(before)) == Some(&b'<');
            (opens.then_some(Sign::Tag)?, Cursor { text, at: end + 1 })
        }
        None => return None,
    };
    let name = std::str::from_utf8(name).ok()?;
    if !names::is_secret_name(name) {
        return None;
    }
    let quote = at.opening();
    let value = match quote {
        Some(quote) => at.at..at.at + at.quoted(quote),
        None => at.at..at.at + at.bare(sign),
    };
    let secret = text.get(value.clone())?;
    let is_password = names::is_secret_number(name);
    let bytes_min =
        if is_password && (quote.is_some() || sign == Sign::Tag) { 1 } else { VALUE_BYTES_MIN };
    let is_secret = secret.len() >= bytes_min
        && !is_marked(secret)
        && !is_reference(secret)
        && !names::is_nothing(secret)
        && (is_password || !is_count(secret))
        && (sign != Sign::Below || is_alone(text, &value))
        && (quote.is_some() || !reads_like_prose(sign, is_password, secret))
        && !(name.eq_ignore_ascii_case("secret") && is_object_name(secret))
        && !(name.to_ascii_lowercase().ends_with("pwd") && secret.starts_with(b"/"));
    is_secret.then_some(value)
}

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    Equals,
    Colon,
    /// A colon or an equals sign, and the value on another line.
    Below,
    /// `%3D`, in an address within an address.
    Encoded,
    /// `<name>`
    Tag,
}

/// `\"`, `"` or `'`, and how many backslashes it has.
#[derive(Debug, Clone, Copy)]
struct Quote {
    mark: u8,
    slashes: usize,
}

#[derive(Clone)]
struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip(&mut self, max: usize, wanted: impl Fn(u8) -> bool) -> usize {
        let n = run(self.text, self.at, max, wanted);
        self.at += n;
        n
    }

    fn skip_word(&mut self, word: &[u8]) -> bool {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_there = rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word));
        self.at += if is_there { word.len() } else { 0 };
        is_there
    }

    fn closing(&mut self) {
        self.skip(3, |b| b == b'\\');
        self.skip(1, |b| matches!(b, b'"' | b'\'' | b'`'));
        self.skip(1, |b| b == b']');
    }

    /// White space, with the times that lines of a log begin with; and how many lines end in it.
    fn gap(&mut self) -> usize {
        let mut n_lines = 0;
        loop {
            let from = self.at;
            self.skip(GAP_BYTES_MAX, |b| b.is_ascii_whitespace());
            let gap = self.text.get(from..self.at).unwrap_or_default();
            let ends = memchr::memchr_iter(b'\n', gap).count();
            n_lines += ends;
            let time = if ends > 0 { wrapped::time(self.text, self.at) } else { 0 };
            self.at += time;
            if time == 0 || n_lines > 2 {
                return n_lines;
            }
        }
    }

    /// `"] = `, `: `, `=> `, `%3D`: behind it begins the value.
    fn assigned(mut self) -> Option<(Sign, Self)> {
        if self.skip_word(b"%3d") {
            return Some((Sign::Encoded, self));
        }
        self.closing();
        self.skip(2, |b| b.is_ascii_whitespace());
        let sign = match self.peek()? {
            b'=' => Sign::Equals,
            b':' => Sign::Colon,
            _ => return None,
        };
        self.at += 1;
        match (sign, self.peek()) {
            // `token::Kind` is a path.
            (Sign::Colon, Some(b':')) => return None,
            (Sign::Colon, Some(b'=')) | (Sign::Equals, Some(b'=' | b'>')) => self.at += 1,
            _ => {}
        }
        let n_lines = self.gap();
        match n_lines {
            0 => Some((sign, self)),
            1 | 2 => Some((Sign::Below, self)),
            _ => None,
        }
    }

    /// `name: API_KEY` and then `value: ..`, as environments have it.
    fn paired(mut self) -> Option<(Sign, Self)> {
        self.closing();
        let from = self.at;
        self.skip(1, |b| b == b',');
        self.gap();
        if self.at == from {
            return None;
        }
        self.closing();
        if !self.skip_word(b"value") {
            return None;
        }
        self.closing();
        self.skip(2, |b| b == b' ');
        if self.skip(1, |b| matches!(b, b':' | b'=')) == 0 {
            return None;
        }
        self.skip(GAP_BYTES_MAX, |b| b == b' ');
        Some((Sign::Equals, self))
    }

    fn opening(&mut self) -> Option<Quote> {
        let before = self.at;
        let slashes = self.skip(3, |b| b == b'\\');
        if let Some(mark @ (b'"' | b'\'' | b'`')) = self.peek() {
            self.at += 1;
            return Some(Quote { mark, slashes });
        }
        self.at = before;
        None
    }

    /// Up to the quote that closes it, or the end of the line.
    fn quoted(&self, quote: Quote) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let mut len = 0;
        while let Some(byte) = rest.get(len) {
            match byte {
                b'\n' => return len,
                b'\\' => {
                    let slashes = run(rest, len, usize::MAX, |b| b == b'\\');
                    let ends = rest.get(len + slashes) == Some(&quote.mark);
                    if ends && (slashes <= quote.slashes || slashes % 2 == 0) {
                        return len;
                    }
                    len += slashes + 1;
                }
                byte if *byte == quote.mark => return len,
                _ => len += 1,
            }
        }
        rest.len()
    }

    fn bare(&self, sign: Sign) -> usize {
        let ends = |b: u8| match b {
            b'"' | b'\'' | b'`' | b'<' | b'>' | b'\\' => true,
            b',' | b';' | b'&' => sign != Sign::Tag,
            b'%' => sign == Sign::Encoded,
            b => b.is_ascii_whitespace() && (sign != Sign::Tag || b == b'\n'),
        };
        let len = run(self.text, self.at, usize::MAX, |b| !ends(b));
        let value = self.text.get(self.at..self.at + len).unwrap_or_default();
        len - value.iter().rev().take_while(|b| matches!(b, b')' | b']' | b'}')).count()
    }
}

fn run(text: &[u8], from: usize, max: usize, wanted: impl Fn(u8) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.iter().take(max).take_while(|b| wanted(**b)).count()
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

fn is_count(value: &[u8]) -> bool {
    value.len() <= COUNT_BYTES_MAX && value.iter().all(u8::is_ascii_digit)
}

/// `token: expired` and `Secret: Missing` are prose, `password=hunter` and `token: f00` are not.
fn reads_like_prose(sign: Sign, is_password: bool, value: &[u8]) -> bool {
    let word = value.strip_suffix(b".").unwrap_or(value);
    let is_small = word.iter().all(u8::is_ascii_lowercase);
    let is_word = || {
        let rest = word.get(1..).unwrap_or_default();
        let capitals = word.iter().filter(|b| b.is_ascii_uppercase()).count();
        word.len() <= 15
            && word.iter().all(u8::is_ascii_alphabetic)
            && (capitals == word.len() || rest.iter().any(u8::is_ascii_lowercase))
    };
    match sign {
        Sign::Colon | Sign::Below => is_small || (!is_password && is_word()),
        Sign::Equals | Sign::Encoded | Sign::Tag => false,
    }
}

/// A value below its name fills its line, and opens nothing.
fn is_alone(text: &[u8], value: &Range<usize>) -> bool {
    let secret = text.get(value.clone()).unwrap_or_default();
    let rest = text.get(value.end..).unwrap_or_default();
    let behind = rest.iter().find(|b| !matches!(b, b' ' | b'\t' | b'"' | b'\'' | b','));
    matches!(behind, None | Some(b'\n')) && !secret.ends_with(b":") && !secret.starts_with(b"-")
}

/// `shop/web-tls`, `web-tls`: how controllers name a `Secret` in what they log.
fn is_object_name(value: &[u8]) -> bool {
    let is_label = |part: &[u8]| {
        let plain =
            |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
        !part.is_empty() && part.len() <= 253 && part.iter().all(plain)
    };
    let mut parts = value.split(|b| *b == b'/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(namespace), Some(name), None) => is_label(namespace) && is_label(name),
        (Some(name), None, None) => {
            is_label(name) && name.contains(&b'-') && !name.iter().any(u8::is_ascii_digit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<&str> {
        let hit = [
            "pass", "Pass", "PASS", "secret", "Secret", "token", "TOKEN", "ey", "EY", "pwd", "PWD",
        ]
        .iter()
        .filter_map(|word| text.find(word))
        .min()?;
        value(text.as_bytes(), hit).and_then(|range| text.get(range))
    }

    #[test]
    fn values_are_found_however_they_are_assigned() {
        for (text, secret) in [
            ("password=hunter2 ok", "hunter2"),
            ("db.password : 'correct horse'", "correct horse"),
            (r#"{"password":"ab\"cd","x":1}"#, r#"ab\"cd"#),
            (r#"{\"token\":\"abc123\"}"#, "abc123"),
            (r#"{\\\"token\\\":\\\"abc123\\\"}"#, "abc123"),
            ("ClientSecret => 'x1y2z3'", "x1y2z3"),
            ("token:=abc123", "abc123"),
            ("?access_token=abc123&x=1", "abc123"),
            ("u%3Ftoken%3Dabc123%26x", "abc123"),
            ("<password>a b</password>", "a b"),
            ("config['secret_key'] = 'abcd'", "abcd"),
            ("password:\n  hunter22\n", "hunter22"),
            ("- name: DB_PASSWORD\n  value: hunter2", "hunter2"),
            (r#"{"name":"API_TOKEN","value":"abc123"}"#, "abc123"),
            ("- name: DB_PASSWORD\n2026-11-21T02:13:07.5Z   value: hunter2", "hunter2"),
            ("password:\n2026-11-21T02:13:07.5Z   hunter22\n", "hunter22"),
            ("(password=hunter2)", "hunter2"),
            ("password=$ecret1", "$ecret1"),
            (r#""password":"x""#, "x"),
            ("Password: Swordfish", "Swordfish"),
        ] {
            assert_eq!(found(text), Some(secret), "{text}");
        }
    }

    #[test]
    fn prose_references_and_names_stay() {
        for text in [
            "token: expired",
            "Unexpected token: RBRACE",
            "secret=null",
            "password: ${DB_PASSWORD}",
            "secretName: web-tls",
            "secret:\n  secretName: web-tls",
            "token:\n2026-11-21T02:13:07Z INFO next",
            "token::Kind",
            "key=value1",
            "primary key: id_42",
            "max_token: 4096",
            "tokens=12345678",
            r#"secret="shop/web-tls""#,
            "PWD=/usr/src/app1",
            "password=[redacted:named]",
            "password=***",
            "continue_token=abc123",
            "the password",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
