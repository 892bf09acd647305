//! Text of others on our pages: what a caller, a plugin or a cluster wrote is shown letter by
//! letter, and is markup nowhere. What a reader would not see, or would see elsewhere than it
//! stands, is spelt out.

use maud::{Markup, Render, html};

use crate::governance::text::is_forbidden;

/// Text of others in one line.
pub(super) struct Foreign<'a>(pub(super) &'a str);

impl Render for Foreign<'_> {
    fn render_to(&self, page: &mut String) {
        // Letters that are written from right to left stay among themselves.
        page.push_str("<bdi>");
        for c in self.0.chars() {
            put(page, c, false);
        }
        page.push_str("</bdi>");
    }
}

/// Text of others whose lines stay.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl Render for Lines<'_> {
    fn render_to(&self, page: &mut String) {
        page.push_str("<bdi>");
        for c in self.0.chars() {
            put(page, c, true);
        }
        page.push_str("</bdi>");
    }
}

fn put(page: &mut String, c: char, keeps_lines: bool) {
    match c {
        '<' => page.push_str("&lt;"),
        '>' => page.push_str("&gt;"),
        '&' => page.push_str("&amp;"),
        '"' => page.push_str("&quot;"),
        '\'' => page.push_str("&#39;"),
        '\n' | '\t' if keeps_lines => page.push(c),
        c if is_hidden(c) => {
            use std::fmt::Write as _;
            // Writing to a string does not fail.
            let _ = write!(page, "<b class=\"odd\">U+{:04X}</b>", u32::from(c));
        }
        c => page.push(c),
    }
}

/// What has no look of its own: control, invisible and bidirectional characters, spaces that are
/// none, marks that pile up on the letter before.
fn is_hidden(c: char) -> bool {
    let is_plain = matches!(c, ' '..='~');
    !is_plain
        && (is_forbidden(c) || c.is_whitespace() || c.is_control() || c.escape_debug().len() > 1)
}

/// Somebody's own words.
pub(super) fn quoted(text: &str) -> Markup {
    html! { q { "“" (Foreign(text)) "”" } }
}

/// A word and how many of it.
pub(super) fn counted(n: impl Into<u64>, what: &str) -> String {
    let n = n.into();
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// A time of a record, in UTC: the hour of a day that is today, the day too of another.
pub(super) fn time(at: &str, now: jiff::Timestamp) -> Markup {
    let now = now.to_string();
    let (day, hour) = (at.get(..10), at.get(11..19));
    html! {
        @match (day, hour) {
            (Some(day), Some(hour)) => {
                time datetime=(at) title=(at) {
                    @if now.get(..10) != Some(day) { (Foreign(day)) " " }
                    (Foreign(hour))
                }
            }
            _ => { (Foreign(at)) }
        }
    }
}

/// How long until then, or since then: `4 min`.
pub(super) fn distance(at: &str, now: jiff::Timestamp) -> Option<(bool, String)> {
    let at: jiff::Timestamp = at.parse().ok()?;
    let seconds = at.as_second() - now.as_second();
    let text = match seconds.unsigned_abs() {
        s @ 0..60 => format!("{s} s"),
        s @ 60..3_600 => format!("{} min", s / 60),
        s @ 3_600..86_400 => format!("{} h", s / 3_600),
        s => format!("{} d", s / 86_400),
    };
    Some((seconds > 0, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let page = Foreign(text).render().into_string();
        page.strip_prefix("<bdi>").unwrap().strip_suffix("</bdi>").unwrap().to_owned()
    }

    #[test]
    fn no_character_becomes_markup_or_hides() {
        for c in (0..=u32::from(char::MAX)).filter_map(char::from_u32) {
            for page in [shown(&c.to_string()), Lines(&c.to_string()).render().into_string()] {
                let page = page.replace("<bdi>", "").replace("</bdi>", "");
                let spelt = format!("<b class=\"odd\">U+{:04X}</b>", u32::from(c));
                let entity = page.starts_with('&') && page.ends_with(';') && page.len() < 8;
                let itself = page.chars().eq([c]) && !matches!(c, '<' | '>' | '&' | '"' | '\'');
                assert!(page == spelt || entity || itself, "{c:?} is {page}");
                assert!(!itself || matches!(c, '\n' | '\t') || !is_forbidden(c), "{c:?}");
            }
        }
    }

    #[test]
    fn letters_of_people_stay() {
        for text in ["Grüße", "日本語", "שלום", "naïve — “quoted” …", "emoji 🚀"]
        {
            assert_eq!(shown(text), text);
        }
        assert_eq!(
            shown("a\u{202e}b\nc"),
            "a<b class=\"odd\">U+202E</b>b<b class=\"odd\">U+000A</b>c"
        );
        assert_eq!(shown("<img src=x onerror='x'>"), "&lt;img src=x onerror=&#39;x&#39;&gt;");
    }

    #[test]
    fn distances_are_rounded_down() {
        let now = "2026-01-02T03:04:05Z".parse().unwrap();
        for (at, expected) in [
            ("2026-01-02T03:13:59Z", (true, "9 min")),
            ("2026-01-02T03:04:05Z", (false, "0 s")),
            ("2026-01-01T03:04:05Z", (false, "1 d")),
            ("2026-01-02T00:04:06Z", (false, "2 h")),
        ] {
            assert_eq!(distance(at, now), Some((expected.0, expected.1.to_owned())), "{at}");
        }
        assert_eq!(distance("soon", now), None);
    }
}
