//! A log on its way out, piece by piece: as safe as if it were made safe as one text, in bounded
//! memory.
//!
//! Bytes are collected to blocks of whole lines, and each block is made safe as a whole: one search
//! over 64 KiB costs a fraction of one per line, and most secrets over several lines lie in one block.
//! What may lie in two is kept together (a name and its value) or remembered (a private key).

use std::collections::VecDeque;
use std::sync::LazyLock;

use memchr::{memchr, memrchr};
use regex::Regex;

use super::redact::{PRIVATE_KEY_MARK, redact};
use super::text::{CUT, clean_cow};

/// Bytes that are made safe together. Larger blocks are no faster and take longer to come.
const BLOCK_BYTES: usize = 64 << 10;

/// Of a longer line, the rest is dropped: it is a dump, not a line.
const LONG_LINE_BYTES: usize = 64 << 10;

/// Of a line that is cut, so much of its end may be the beginning of a secret. No format is longer
/// but a private key, which needs no end to be found.
const BROKEN_TOKEN_BYTES: usize = 8 << 10;

/// Where a private key without an end ends: the longest in use has 13 KB, with a time before each
/// line 20 KB. What pretends to be one shall not hide the rest of a log.
const KEY_BYTES_MAX: usize = 64 << 10;

/// How many lines the end of a block may step back for what belongs together.
const HELD_BACK_LINES_MAX: usize = 8;

/// What opens and what closes a private key.
#[expect(clippy::expect_used, reason = "a constant pattern, compiled by every test of this file")]
static KEY_EDGE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new("-----(?:(BEGIN)|END) [A-Z ]{0,24}PRIVATE KEY-----").expect("a constant pattern")
});

/// Makes a stream of bytes safe, line by line: bytes in, [`SafeLines::next_block`] out.
#[derive(Debug, Default)]
pub struct SafeLines {
    /// Not made safe yet.
    pending: Vec<u8>,
    /// Whether the line that comes is one whose beginning was already taken: its rest is dropped.
    dropping: bool,
    /// Bytes that are hidden so far of a private key that has not ended.
    key: Option<usize>,
    has_given: bool,
    /// Safe, and not fetched yet.
    ready: VecDeque<String>,
    /// Secrets that were replaced.
    pub redacted: u64,
    /// Characters that were removed.
    pub removed: u64,
    /// Whether the rest of a line was dropped.
    pub has_dropped: bool,
}

impl SafeLines {
    /// Takes bytes, and gives the lines that are complete and safe. At most [`BLOCK_BYTES`] twice
    /// stay behind, and not for long: the more bytes, the longer this takes, so give it little.
    pub fn push(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.dropping {
                let Some(end) = memchr(b'\n', bytes) else { return };
                self.dropping = false;
                bytes = bytes.get(end + 1..).unwrap_or_default();
                continue;
            }
            let room = (2 * BLOCK_BYTES).saturating_sub(self.pending.len());
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.pending.extend_from_slice(now);
            bytes = later;
            if self.pending.len() >= BLOCK_BYTES {
                self.take_block();
            }
        }
    }

    /// Gives the complete lines that wait for a block to be full: nothing has come for a while. What
    /// may belong to what has not come yet stays.
    pub fn idle(&mut self) {
        let Some(end) = memrchr(b'\n', &self.pending) else { return };
        let end = whole_end(&self.pending, end + 1);
        let lines = self.pending.get(..end).unwrap_or_default();
        // Of a private key that began before the first line, only its end will tell.
        if self.has_given || !ends_like_a_key(lines) {
            self.give(end, "");
        }
    }

    /// Gives all that is left.
    pub fn finish(&mut self) {
        self.give(self.pending.len(), "");
    }

    /// Whole lines that are safe; call it until there are none.
    pub fn next_block(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn take_block(&mut self) {
        if let Some(end) = memrchr(b'\n', &self.pending) {
            let end = match whole_end(&self.pending, end + 1) {
                0 => end + 1,
                whole => whole,
            };
            self.give(end, "");
        }
        if self.pending.len() >= LONG_LINE_BYTES && !self.pending.contains(&b'\n') {
            let end = broken_end(&self.pending);
            self.pending.truncate(end);
            (self.dropping, self.has_dropped) = (true, true);
            self.give(end, CUT);
        }
    }

    /// Makes the first `end` bytes safe and gives their lines; `marker` ends the last one.
    fn give(&mut self, end: usize, marker: &str) {
        if end == 0 {
            return;
        }
        self.has_given = true;
        let mut block = std::mem::take(&mut self.pending);
        let rest = block.split_off(end.min(block.len()));
        self.pending = rest;
        let text = String::from_utf8_lossy(&block);
        let (text, removed) = clean_cow(&text);
        self.removed = self.removed.saturating_add(u64::from(removed));
        let Some(text) = self.behind_key(&text) else { return };
        let (safe, redacted) = redact(text);
        self.redacted = self.redacted.saturating_add(u64::from(redacted));
        if !safe.is_empty() || !marker.is_empty() {
            self.ready.push_back(format!("{safe}{marker}"));
        }
    }

    /// What of a text lies behind the private key that began before it; and whether another one is
    /// open at its end.
    fn behind_key<'a>(&mut self, text: &'a str) -> Option<&'a str> {
        let has_mark = text.contains(PRIVATE_KEY_MARK);
        let mut edges = has_mark.then(|| KEY_EDGE.captures_iter(text)).into_iter().flatten();
        let mut behind = text;
        if let Some(hidden) = self.key {
            let end =
                edges.by_ref().find(|edge| edge.get(1).is_none()).and_then(|edge| edge.get(0));
            let Some(end) = end else {
                let hidden = hidden.saturating_add(text.len());
                self.key = (hidden < KEY_BYTES_MAX).then_some(hidden);
                return None;
            };
            self.key = None;
            behind = text.get(end.end()..)?;
            behind = behind.strip_prefix('\n').unwrap_or(behind);
        }
        if let Some(last) = edges.last()
            && last.get(1).is_some()
        {
            let begin = last.get(0).map_or(0, |edge| edge.start());
            self.key = Some(text.len().saturating_sub(begin));
        }
        Some(behind)
    }
}

/// Where whole lines end, before those at the end that may go on in the next one.
fn whole_end(bytes: &[u8], end: usize) -> usize {
    let mut whole = end;
    for _ in 0..HELD_BACK_LINES_MAX {
        let lines = bytes.get(..whole.saturating_sub(1)).unwrap_or_default();
        let begin = memrchr(b'\n', lines).map_or(0, |at| at + 1);
        if !may_go_on(lines.get(begin..).unwrap_or_default()) {
            return whole;
        }
        whole = begin;
    }
    end
}

/// Words that a name of a secret ends in: see the rule `named`.
const NAMES: [&str; 11] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "key",
    "key_id",
    "key-id",
    "keyid",
    "credential",
    "credentials",
];

/// Whether a secret may begin in this line and go on in the next: it ends in a name, or in what
/// stands between a name and its value. A strange character at the end may hide either.
fn may_go_on(line: &[u8]) -> bool {
    let mut line = line.trim_ascii_end();
    while let [head @ .., b'"' | b'\'' | b'\\'] = line {
        line = head;
    }
    let ends_in = |name: &&str| {
        let from = line.len().checked_sub(name.len());
        from.and_then(|from| line.get(from..))
            .is_some_and(|e| e.eq_ignore_ascii_case(name.as_bytes()))
    };
    match line.last() {
        None | Some(b':' | b'=' | 0..=0x1f | 0x7f..) => true,
        Some(_) => NAMES.iter().any(ends_in),
    }
}

/// Whether the last word looks like a line of a private key. Those have 64 characters but the last.
fn ends_like_a_key(lines: &[u8]) -> bool {
    let lines = lines.trim_ascii_end();
    let is_base64 = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    lines.iter().rev().take_while(is_base64).count() >= 40
}

/// Where a line is cut that is too long: before a secret that the cut may have broken.
fn broken_end(line: &[u8]) -> usize {
    let least = line.len().saturating_sub(BROKEN_TOKEN_BYTES);
    let end = line.get(least..).unwrap_or_default();
    least + end.iter().rposition(u8::is_ascii_whitespace).unwrap_or(0)
}

#[cfg(test)]
mod tests;
