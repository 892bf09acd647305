//! The chain: what makes a line of the log depend on every line before it.
//!
//! `prev` of a record is the `hash` of its instance's record before it, and 64 zeros in the first.
//! `hash` stands last in the line, and is SHA-256 over the line's bytes before `,"hash":`. So no
//! byte of a line is outside of it, and no other way of writing the same JSON passes for the line.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::record::SCHEMA;

/// A SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// What the first record of an instance follows.
    pub const ZERO: Self = Self([0; 32]);

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// From 64 small hexadecimal digits, and nothing else.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        let mut bytes = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return None };
            *byte = digit(*high)? << 4 | digit(*low)?;
        }
        Some(Self(bytes))
    }

    fn write_hex(&self, into: &mut Vec<u8>) {
        const DIGITS: [u8; 16] = *b"0123456789abcdef";
        for byte in self.0 {
            for nibble in [byte >> 4, byte & 15] {
                into.extend(DIGITS.get(usize::from(nibble)));
            }
        }
    }
}

fn digit(c: u8) -> Option<u8> {
    match c {
        b'0'..=b'9' => Some(c - b'0'),
        b'a'..=b'f' => Some(c - b'a' + 10),
        _ => None,
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = Vec::with_capacity(64);
        self.write_hex(&mut text);
        f.write_str(&String::from_utf8_lossy(&text))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where an instance's chain has got to.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    /// The process that writes it.
    pub(super) instance: String,
    /// The number of the last record.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) head: Hash,
}

impl Chain {
    /// One without a record.
    pub(super) fn new(instance: &str) -> Self {
        Self { instance: instance.to_owned(), seq: 0, head: Hash::ZERO }
    }

    /// Appends the next record's line. `body` is the record as a JSON object, without what the
    /// chain itself says.
    pub(super) fn seal(&mut self, body: &[u8], into: &mut Vec<u8>) {
        let start = into.len();
        self.seq += 1;
        into.extend_from_slice(b"{\"schema\":\"");
        into.extend_from_slice(SCHEMA.as_bytes());
        into.extend_from_slice(b"\",\"instance\":\"");
        // Hexadecimal digits, in every house; a suite's own name needs no escapes either.
        into.extend(self.instance.bytes().filter(|b| b.is_ascii_alphanumeric() || *b == b'-'));
        into.extend_from_slice(b"\",\"seq\":");
        into.extend_from_slice(self.seq.to_string().as_bytes());
        into.extend_from_slice(b",\"prev\":\"");
        self.head.write_hex(into);
        into.extend_from_slice(b"\",");
        into.extend_from_slice(body.get(1..body.len().saturating_sub(1)).unwrap_or_default());
        self.head = Hash::of(into.get(start..).unwrap_or_default());
        into.extend_from_slice(MARK);
        self.head.write_hex(into);
        into.extend_from_slice(b"\"}\n");
    }
}

/// What stands between the bytes that the hash is over and the hash.
const MARK: &[u8] = b",\"hash\":\"";

/// Bytes of a line after those that the hash is over, without the line feed.
const END_BYTES: usize = MARK.len() + 64 + 2;

/// The hash that a line, without its line feed, ends with, and whether it is the line's.
pub(super) fn hash_of(line: &[u8]) -> Option<(Hash, bool)> {
    let (bytes, end) = line.split_at_checked(line.len().checked_sub(END_BYTES)?)?;
    let text = end.strip_prefix(MARK)?.strip_suffix(b"\"}")?;
    let said = Hash::parse(std::str::from_utf8(text).ok()?)?;
    Some((said, Hash::of(bytes) == said))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_json_object_that_carries_its_hash() {
        let mut chain = Chain::new("0123456789abcdef");
        let mut bytes = Vec::new();
        chain.seal(br#"{"at":"now","stage":"abandoned"}"#, &mut bytes);
        let first = chain.head;
        chain.seal(br#"{"at":"then","stage":"abandoned"}"#, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for line in &lines {
            assert!(hash_of(line.as_bytes()).unwrap().1, "{line}");
        }
        let second: serde_json::Value = serde_json::from_str(lines[1]).unwrap();
        assert_eq!(second["seq"], 2);
        assert_eq!(second["prev"], first.to_string());
        assert_eq!(second["hash"], chain.head.to_string());
        assert_eq!(second["stage"], "abandoned");
    }

    #[test]
    fn what_is_no_hash_is_not_taken_for_one() {
        let zeros = "0".repeat(64);
        assert_eq!(Hash::parse(&zeros), Some(Hash::ZERO));
        for text in ["", "00", &"0".repeat(63), &"0".repeat(65), &"A".repeat(64), &"é".repeat(32)]
        {
            assert_eq!(Hash::parse(text), None, "{text}");
        }
        assert_eq!(hash_of(b""), None);
        assert_eq!(hash_of(zeros.as_bytes()), None);
    }
}
