//! Secrets that a line's end breaks: a terminal, a logger or a mail wraps what is long.
//!
//! A word that ends with its line is also tried together with the first words of the lines below,
//! without what stands before them: white space, and a log's time.

use std::ops::Range;

/// Lines of one secret, and bytes of it.
const LINES_MAX: usize = 64;
const BYTES_MAX: usize = 8 << 10;

/// A word is wrapped where a line is full: shorter ones end by themselves.
const FULL_LINE_BYTES_MIN: usize = 60;

/// What is left of a secret on the last line may be short, but is no word of prose.
const REST_BYTES_MIN: usize = 4;

/// The secret in the word at `hit`, where it only is one with the lines below: one piece for each.
pub(super) fn pieces(
    bytes: &[u8],
    hit: usize,
    find: impl Fn(&[u8]) -> Option<Range<usize>>,
) -> Option<Vec<Range<usize>>> {
    let first = hit..hit + word(bytes, hit);
    if bytes.get(first.end) != Some(&b'\n') {
        return None;
    }
    let mut joined = bytes.get(first.clone())?.to_vec();
    let mut words = vec![first];
    // With no more lines than it takes: the next one begins with a word of its own.
    let found = loop {
        let next = words.last().and_then(|last| below(bytes, last.end))?;
        joined.extend_from_slice(bytes.get(next.clone())?);
        words.push(next);
        if let Some(found) = find(&joined) {
            break found;
        }
        if words.len() >= LINES_MAX || joined.len() >= BYTES_MAX {
            return None;
        }
    };
    let mut begin = 0;
    let mut pieces = Vec::new();
    for word in words {
        let end = begin + word.len();
        let (from, to) = (found.start.max(begin), found.end.min(end));
        if from < to {
            pieces.push(word.start + (from - begin)..word.start + (to - begin));
        }
        begin = end;
    }
    // On one line it was no secret, so that it is none of this kind.
    (pieces.len() > 1).then_some(pieces)
}

/// The lines below on which a secret goes on that ends with its line: those of one word each.
pub(super) fn rest(bytes: &[u8], hit: usize, end: usize) -> Vec<Range<usize>> {
    let mut rest = Vec::new();
    let before = bytes.get(..hit).unwrap_or_default();
    let begin = memchr::memrchr(b'\n', before).map_or(0, |at| at + 1);
    let mut last = end;
    while rest.len() < LINES_MAX && (last - begin >= FULL_LINE_BYTES_MIN || !rest.is_empty()) {
        let Some(next) = below(bytes, last) else { break };
        let line = bytes.get(next.clone()).unwrap_or_default();
        let is_all = matches!(bytes.get(next.end), None | Some(b'\n' | b'"' | b'\''));
        // `done`, `Next`: what follows a secret by itself.
        let is_word = line.iter().skip(1).all(|b| b.is_ascii_lowercase() || *b == b'-');
        if !is_all || line.len() < REST_BYTES_MIN || is_word {
            break;
        }
        last = next.end;
        rest.push(next);
    }
    rest
}

/// The last word of a line, if it ends with it.
pub(super) fn last_word(line: &[u8]) -> &[u8] {
    let len = line.iter().rev().take(BYTES_MAX).take_while(|b| is_token(**b)).count();
    line.get(line.len() - len..).unwrap_or_default()
}

/// The first word of the line below, where a line ends at `end`.
fn below(bytes: &[u8], end: usize) -> Option<Range<usize>> {
    if bytes.get(end) != Some(&b'\n') {
        return None;
    }
    let mut at = end + 1 + spaces(bytes, end + 1);
    at += time(bytes, at);
    at += spaces(bytes, at);
    let len = word(bytes, at);
    (len > 0).then_some(at..at + len)
}

fn word(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take(BYTES_MAX).take_while(|b| is_token(**b)).count()
}

fn spaces(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().take(64).take_while(|b| matches!(b, b' ' | b'\t' | b'|' | b'>')).count()
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'-' | b'.' | b'+' | b'/' | b'=' | b'~' | b'%')
}

/// `2026-11-21T02:13:07.123456789Z`, as a log is read with times.
pub(super) fn time(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = rest.iter().take(40).take_while(|b| !b.is_ascii_whitespace()).count();
    let word = rest.get(..len).unwrap_or_default();
    let is_time = len >= 19
        && word.get(10) == Some(&b'T')
        && word.get(4) == Some(&b'-')
        && word.get(13) == Some(&b':')
        && rest.get(len).is_some_and(|b| *b == b' ');
    if is_time { len } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(joined: &[u8]) -> Option<Range<usize>> {
        (joined.len() >= 40).then_some(0..40)
    }

    #[test]
    fn a_word_goes_on_in_the_lines_below() {
        let text =
            b"x tok_aaaaaaaaaaaaaaaa\n  bbbbbbbbbbbbbbbb\n2026-11-21T02:13:07.5Z cccccccccc next\n";
        let pieces = pieces(text, 2, long).unwrap();
        let shown: Vec<_> =
            pieces.iter().map(|p| std::str::from_utf8(&text[p.clone()]).unwrap()).collect();
        assert_eq!(shown, ["tok_aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccc"]);
    }

    #[test]
    fn a_word_that_ends_within_its_line_does_not() {
        assert_eq!(
            pieces(b"tok_aaaa and\nbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb", 0, long),
            None
        );
        assert_eq!(pieces(b"tok_aaaa\n", 0, long), None);
    }

    #[test]
    fn only_a_full_line_is_wrapped() {
        let text = format!("{}\nAb1{}\nplain words", "a".repeat(70), "c".repeat(9));
        assert_eq!(rest(text.as_bytes(), 0, 70).first(), Some(&(71..83)));
        assert!(rest(b"aaaaaaaa\nAb1ccccc\n", 0, 8).is_empty());
    }
}
