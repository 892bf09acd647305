//! Characters that must not leave the host: what moves a terminal's cursor, hides, or reorders text.

use std::borrow::Cow;

use crate::domain::withheld::Removed;

/// A text without them, and what went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clean {
    /// What is left.
    pub text: String,
    /// What was removed.
    pub removed: Removed,
}

/// Removes escape sequences as a whole, control characters but tab and line feed, and invisible and
/// bidirectional characters. Idempotent; never makes a text longer.
pub fn clean(text: &str) -> Clean {
    let (text, removed) = clean_cow(text);
    Clean { text: text.into_owned(), removed }
}

/// As [`clean`]; what is clean already is not copied.
pub fn clean_cow(text: &str) -> (Cow<'_, str>, Removed) {
    let mut kept = String::new();
    let mut removed = Removed::default();
    let (mut from, mut at) = (0, 0);
    while let Some(odd) = next_odd(text.as_bytes(), at) {
        let mut rest = Rest(text.get(odd..).unwrap_or_default());
        let Some(c) = rest.next() else { break };
        let is_gone = take(c, &mut rest, &mut removed);
        at = text.len() - rest.0.len();
        if is_gone {
            if kept.capacity() == 0 {
                kept.reserve(text.len());
            }
            kept.push_str(text.get(from..odd).unwrap_or_default());
            from = at;
        }
    }
    if from == 0 {
        return (Cow::Borrowed(text), removed);
    }
    kept.push_str(text.get(from..).unwrap_or_default());
    (Cow::Owned(kept), removed)
}

/// Counts a character that has to go, with what belongs to it.
fn take(c: char, rest: &mut Rest<'_>, removed: &mut Removed) -> bool {
    let (class, n) = match c {
        '\u{1b}' => (&mut removed.escapes, 1 + skip_escape(rest)),
        '\u{9b}' => (&mut removed.escapes, 1 + skip_csi(rest)),
        '\u{90}' | '\u{98}' | '\u{9d}'..='\u{9f}' => (&mut removed.escapes, 1 + skip_string(rest)),
        c if !is_forbidden(c) => return false,
        '\0'..='\u{9f}' => (&mut removed.controls, 1),
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            (&mut removed.bidi, 1)
        }
        '\u{e0000}'..='\u{e007f}' => (&mut removed.tags, 1),
        _ => (&mut removed.invisible, 1),
    };
    *class = class.saturating_add(n);
    true
}

/// Bytes that are looked at together. What is plain costs a few instructions for all of them.
const LOOK_BYTES: usize = 32;

/// Bytes that are looked at one by one before.
const NEAR_BYTES: usize = 8;

/// Where the next character begins that is perhaps forbidden.
fn next_odd(bytes: &[u8], from: usize) -> Option<usize> {
    let mut at = from;
    let mut rest = bytes.get(from..)?;
    // Where one is, the next is often near.
    if let Some((near, behind)) = rest.split_first_chunk::<NEAR_BYTES>() {
        if let Some(odd) = near.iter().position(|b| is_odd(*b)) {
            return Some(at + odd);
        }
        (at, rest) = (at + NEAR_BYTES, behind);
    }
    // Without an early end, so that the compiler can use wide registers.
    let is_plain = |look: &[u8; LOOK_BYTES]| {
        look.iter().fold(true, |plain, b| plain & matches!(b, b'\t' | b'\n' | b' '..=b'~'))
    };
    while let Some((look, behind)) = rest.split_first_chunk::<LOOK_BYTES>() {
        if !is_plain(look)
            && let Some(odd) = look.iter().position(|b| is_odd(*b))
        {
            return Some(at + odd);
        }
        (at, rest) = (at + LOOK_BYTES, behind);
    }
    rest.iter().position(|b| is_odd(*b)).map(|odd| at + odd)
}

fn is_odd(byte: u8) -> bool {
    ODD.get(usize::from(byte)).is_none_or(|odd| *odd)
}

/// The first bytes, in UTF-8, of the characters that are forbidden, and of some others. The test of
/// all characters holds the two together.
const ODD: [bool; 256] = {
    let mut odd = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::indexing_slicing, reason = "computed by the compiler")]
        {
            odd[byte] = matches!(
                byte,
                0..=0x08 | 0x0b..=0x1f | 0x7f
                    | 0xc2 | 0xcd | 0xd8 | 0xe1 | 0xe2 | 0xe3 | 0xef | 0xf0 | 0xf3
            );
        }
        byte += 1;
    }
    odd
};

/// What is still to be read of a text.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    fn peek(&self) -> Option<char> {
        self.0.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        self.next_if(|_| true)
    }

    fn next_if(&mut self, wanted: impl Fn(char) -> bool) -> Option<char> {
        let c = self.peek().filter(|c| wanted(*c))?;
        self.0 = self.0.get(c.len_utf8()..).unwrap_or_default();
        Some(c)
    }
}

/// The longest string sequence (OSC, DCS) that is skipped as one: an opened one that never ends must
/// not swallow the rest of a log.
const STRING_SEQUENCE_CHARS_MAX: u32 = 4_096;

fn skip_escape(rest: &mut Rest<'_>) -> u32 {
    match rest.peek() {
        Some('[') => {
            rest.next();
            1 + skip_csi(rest)
        }
        Some(']' | 'P' | 'X' | '^' | '_') => {
            rest.next();
            1 + skip_string(rest)
        }
        Some('(' | ')' | '*' | '+' | '#' | '%' | ' ') => {
            rest.next();
            1 + u32::from(rest.next_if(|c| !is_line_end(c)).is_some())
        }
        Some('0'..='~') => {
            rest.next();
            1
        }
        _ => 0,
    }
}

/// Parameters and intermediates, then one final character (ECMA-48, 5.4).
fn skip_csi(rest: &mut Rest<'_>) -> u32 {
    let mut skipped = 0;
    while rest.next_if(|c| matches!(c, ' '..='?')).is_some() {
        skipped += 1;
    }
    skipped + u32::from(rest.next_if(|c| matches!(c, '@'..='~')).is_some())
}

/// Up to the string terminator (`ESC \`, 9C or BEL). A line's end ends it too: a log line cannot
/// hide the lines behind it.
fn skip_string(rest: &mut Rest<'_>) -> u32 {
    let mut skipped = 0;
    while skipped < STRING_SEQUENCE_CHARS_MAX {
        match rest.next_if(|c| !is_line_end(c)) {
            None => break,
            Some('\u{7}' | '\u{9c}') => return skipped + 1,
            Some('\u{1b}') => {
                return skipped + 1 + u32::from(rest.next_if(|c| c == '\\').is_some());
            }
            Some(_) => skipped += 1,
        }
    }
    skipped
}

fn is_line_end(c: char) -> bool {
    c == '\n'
}

pub(crate) fn is_forbidden(c: char) -> bool {
    match c {
        '\t' | '\n' => false,
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' // C0, DEL, C1.
        | '\u{ad}' // Soft hyphen.
        | '\u{34f}' // Combining grapheme joiner.
        | '\u{61c}' // Arabic letter mark.
        | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' // Hangul fillers: blank letters.
        | '\u{17b4}' | '\u{17b5}' // Khmer inherent vowels: invisible.
        | '\u{180b}'..='\u{180f}' // Mongolian selectors and separator.
        | '\u{200b}'..='\u{200f}' // Zero width, marks of direction.
        | '\u{2028}'..='\u{202e}' // Separators, embeddings, overrides.
        | '\u{2060}'..='\u{206f}' // Joiners, invisible operators, isolates.
        | '\u{fe00}'..='\u{fe0f}' // Variation selectors.
        | '\u{feff}' // Byte order mark.
        | '\u{fff0}'..='\u{fffb}' // Interlinear annotation.
        | '\u{1bca0}'..='\u{1bca3}' // Shorthand format controls.
        | '\u{1d173}'..='\u{1d17a}' // Musical format controls.
        | '\u{e0000}'..='\u{e0fff}' // Tags and supplementary selectors.
        => true,
        _ => false,
    }
}

/// What a text that was cut ends with.
pub const CUT: &str = " … [cut]";

/// Cuts a text to a number of bytes, on a character, and says so.
pub fn cut(text: &mut String, bytes_max: usize) -> bool {
    if text.len() <= bytes_max {
        return false;
    }
    let end = text.floor_char_boundary(bytes_max.saturating_sub(CUT.len()));
    text.truncate(end);
    text.push_str(CUT);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removes_what_moves_hides_or_reorders() {
        for (dirty, kept) in [
            ("plain\ttext\n", "plain\ttext\n"),
            ("grün 日本 🎉", "grün 日本 🎉"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("\u{1b}]52;c;aGk=\u{7}clip", "clip"),
            ("\u{9b}2Jgone", "gone"),
            ("\u{1b}]open string\nnext line", "\nnext line"),
            ("a\u{200b}b\u{202e}c\u{e0041}d\u{feff}", "abcd"),
            ("one\r\ntwo\rthree", "one\ntwothree"),
            ("\u{1b}", ""),
            ("\u{1b}[", ""),
        ] {
            let clean = clean(dirty);
            assert_eq!(clean.text, kept, "{dirty:?}");
            assert_eq!(clean.removed.total() > 0, dirty != kept, "{dirty:?}");
        }
    }

    #[test]
    fn no_forbidden_character_survives_and_once_is_enough() {
        let all: String = (0..=0x10_ffff).filter_map(char::from_u32).collect();
        let mut embedded = String::new();
        for c in all.chars() {
            embedded.push('a');
            embedded.push(c);
        }
        for text in [all, embedded] {
            let once = clean(&text).text;
            assert!(!once.chars().any(is_forbidden));
            assert_eq!(clean(&once), Clean { text: once.clone(), removed: Removed::default() });
        }
    }

    #[test]
    fn every_character_alone_is_left_or_gone_for_good() {
        for c in (0..=0x10_ffff).filter_map(char::from_u32) {
            let mut bytes = [0; 4];
            let (kept, removed) = clean_cow(c.encode_utf8(&mut bytes));
            let is_kept = !is_forbidden(c);
            assert_eq!(kept.chars().eq([c]), is_kept, "{c:?}");
            assert_eq!(
                (kept.is_empty(), removed.total()),
                (!is_kept, u32::from(!is_kept)),
                "{c:?}"
            );
        }
    }

    #[test]
    fn what_went_is_counted_by_its_kind() {
        let text = "\u{1b}[31ma\u{7}\u{202e}\u{2066}\u{200b}\u{e0041}\u{e0100}";
        let expected = Removed { escapes: 5, controls: 1, bidi: 2, invisible: 2, tags: 1 };
        assert_eq!(clean(text), Clean { text: "a".to_owned(), removed: expected });
    }

    #[test]
    fn a_cut_says_so_and_keeps_characters_whole() {
        let mut text = "ä".repeat(100);
        assert!(cut(&mut text, 51));
        assert!(text.len() <= 51 && text.ends_with("… [cut]"));
        assert!(!cut(&mut "short".to_owned(), 51));
    }
}
