//! A log on its way out, piece by piece: as safe as if it were made safe as one text, in bounded
//! memory.
//!
//! Bytes are collected to blocks of whole lines, and each block is made safe as a whole: one search
//! over 64 KiB costs a fraction of one per line, and most secrets over several lines lie in one block.
//! What may lie in two is kept together (a name and its value) or remembered (a private key).

use std::collections::VecDeque;

use memchr::{memchr, memrchr};

use super::names::is_secret_name;
use super::redact::whole::key_edges;
use super::redact::{may_go_on as word_may_go_on, redact};
use super::text::{CUT, clean_cow};
use crate::domain::withheld::Removed;

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
    pub removed: Removed,
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
        self.removed += removed;
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
        let edges = key_edges(text);
        let mut edges = edges.into_iter();
        let mut behind = text;
        if let Some(hidden) = self.key {
            let end = edges.by_ref().find(|(_, opens)| !opens);
            let Some((end, _)) = end else {
                let hidden = hidden.saturating_add(text.len());
                self.key = (hidden < KEY_BYTES_MAX).then_some(hidden);
                return None;
            };
            self.key = None;
            behind = text.get(end.end..)?;
            behind = behind.strip_prefix('\n').unwrap_or(behind);
        }
        if let Some((last, true)) = edges.last() {
            self.key = Some(text.len().saturating_sub(last.start));
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
        if whole == 0 {
            return 0;
        }
    }
    end
}

/// The longest name that is looked for at the end of a line.
const NAME_BYTES_MAX: usize = 128;

/// Whether a secret may begin in this line and go on in the next: it ends in a name, in what stands
/// between a name and its value, or in the beginning of a token. A strange character at the end may
/// hide either.
fn may_go_on(line: &[u8]) -> bool {
    let mut line = line.trim_ascii_end();
    if word_may_go_on(line) {
        return true;
    }
    while let [head @ .., b'"' | b'\'' | b'\\' | b','] = line {
        line = head;
    }
    match line.last() {
        None | Some(b':' | b'=' | 0..=0x1f | 0x7f..) => true,
        Some(_) => {
            let is_name = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            let len = line.iter().rev().take(NAME_BYTES_MAX).take_while(is_name).count();
            let name = line.get(line.len() - len..).unwrap_or_default();
            std::str::from_utf8(name).is_ok_and(is_secret_name)
        }
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
