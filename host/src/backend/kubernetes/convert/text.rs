//! Free texts of a cluster, made short. What they say stays hostile: the sandbox sanitises it.

use crate::capability::kubernetes::MESSAGE_BYTES_MAX;

const CUT: &str = " … [cut]";

/// The longest beginning that fits and ends between two characters.
pub(in crate::backend::kubernetes) fn prefix(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

/// The text, or its beginning with a mark; never longer than `bytes_max`.
pub(in crate::backend::kubernetes) fn cut(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    format!("{}{CUT}", prefix(text, bytes_max.saturating_sub(CUT.len())))
}

/// A message or a reason as a record carries it.
pub(in crate::backend::kubernetes) fn message(text: &str) -> String {
    cut(text, MESSAGE_BYTES_MAX)
}

/// The same; none where there is nothing to say.
pub(super) fn some(text: Option<&String>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(|text| message(text))
}

/// A message for an error's text, which nobody sanitises later: one line, in which nothing hides.
pub(in crate::backend::kubernetes) fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    message(line.trim())
}

/// Characters without width, and those that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_between_characters_and_never_beyond_the_bound() {
        for (text, bytes_max, expected) in [
            ("short", 16, "short"),
            ("exactly sixteen!", 16, "exactly sixteen!"),
            ("seventeen letters", 16, "sevent … [cut]"),
            ("ééééééééé", 17, "ééé … [cut]"),
            ("anything", 4, " … [cut]"),
        ] {
            let cut = cut(text, bytes_max);
            assert_eq!(cut, expected);
            assert!(cut.len() <= bytes_max.max(CUT.len()), "{cut}");
        }
        assert_eq!(message(&"x".repeat(5_000)).len(), MESSAGE_BYTES_MAX);
    }

    #[test]
    fn an_error_text_is_one_line() {
        assert_eq!(one_line("a\nb\u{1b}[31m\r\n\u{202e}"), "a b [31m");
    }
}
