//! Aligned columns. Cells are foreign text: whatever a terminal would obey is taken out of them.

use std::borrow::Cow;

use anstyle::{AnsiColor, Style};

/// What a colour means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// A title.
    Strong,
    /// Well, allowed.
    Good,
    /// Look at it.
    Warning,
    /// Failed, refused.
    Bad,
    /// Beside the point.
    Faint,
}

impl Tone {
    fn style(self) -> Style {
        match self {
            Self::Plain => Style::new(),
            Self::Strong => Style::new().bold(),
            Self::Good => AnsiColor::Green.on_default(),
            Self::Warning => AnsiColor::Yellow.on_default(),
            Self::Bad => AnsiColor::Red.on_default().bold(),
            Self::Faint => Style::new().dimmed(),
        }
    }

    /// The text in its colour; the stream decides whether the colour is shown.
    pub fn paint(self, text: &str) -> String {
        let style = self.style();
        format!("{style}{text}{style:#}")
    }
}

/// One cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell with a meaning.
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: printable(&text.into()), tone }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Rows under headers.
#[derive(Debug, Clone)]
pub struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<Cell>>,
}

/// Between columns.
const GAP: usize = 2;

/// A column is not cut below this: less of it says nothing.
const COLUMN_CHARS_MIN: usize = 8;

impl Table {
    /// A table without rows.
    pub fn new<const N: usize>(headers: [&'static str; N]) -> Self {
        Self { headers: headers.to_vec(), rows: Vec::new() }
    }

    /// Adds a row. Cells beyond the headers are not shown.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into_iter().take(self.headers.len()).collect());
    }

    /// Whether there is nothing under the headers.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The table as text. Where it is wider than `width`, the widest columns are cut; `None` cuts
    /// nothing.
    pub fn render(&self, width: Option<usize>) -> String {
        let widths = self.widths(width);
        let headers: Vec<_> = self.headers.iter().map(|h| Cell::new(*h, Tone::Strong)).collect();
        let mut text = String::new();
        for row in [&headers].into_iter().chain(&self.rows) {
            let last = row.iter().rposition(|cell| !cell.text.is_empty()).unwrap_or_default();
            for (idx, (cell, width)) in row.iter().zip(&widths).enumerate().take(last + 1) {
                let shown = cut(&cell.text, *width);
                text.push_str(&cell.tone.paint(&shown));
                if idx < last {
                    let gap = width.saturating_sub(chars(&shown)) + GAP;
                    text.extend(std::iter::repeat_n(' ', gap));
                }
            }
            text.push('\n');
        }
        text
    }

    fn widths(&self, total: Option<usize>) -> Vec<usize> {
        let widest = |(idx, header): (usize, &&str)| {
            let cells = self.rows.iter().filter_map(|row| row.get(idx));
            cells.map(|cell| chars(&cell.text)).max().unwrap_or_default().max(chars(header))
        };
        let mut widths: Vec<usize> = self.headers.iter().enumerate().map(widest).collect();
        let Some(total) = total else { return widths };
        let gaps = GAP * widths.len().saturating_sub(1);
        loop {
            let excess = (widths.iter().sum::<usize>() + gaps).saturating_sub(total);
            let second = {
                let mut sorted = widths.clone();
                sorted.sort_unstable_by(|a, b| b.cmp(a));
                sorted.get(1).copied().unwrap_or_default().max(COLUMN_CHARS_MIN)
            };
            let Some(widest) = widths.iter_mut().max() else { return widths };
            if excess == 0 || *widest <= COLUMN_CHARS_MIN {
                return widths;
            }
            // Down to the next widest at once, then in turns.
            let least = if *widest > second { second } else { *widest - 1 };
            *widest = widest.saturating_sub(excess).max(least);
        }
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if chars(text) <= width {
        return Cow::Borrowed(text);
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    Cow::Owned(format!("{}…", kept.trim_end()))
}

/// The text in one line, without anything that a terminal would obey or an eye would miss.
pub fn printable(text: &str) -> String {
    let shown = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\'' | '"' | '\\' => c,
        c if c.escape_debug().len() > 1 => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(width: Option<usize>, expected: &Expect) {
        let mut table = Table::new(["TOOL", "TIER", "DESCRIPTION"]);
        table.row([
            "list_pods".into(),
            Cell::new("read", Tone::Good),
            "List the pods of a namespace, with their state".into(),
        ]);
        table.row(["restart_deployment".into(), "reversible".into(), "Ask for a restart".into()]);
        table.row(["quiet".into(), "read".into(), "".into()]);
        let text = anstream::adapter::strip_str(&table.render(width)).to_string();
        assert!(text.lines().all(|line| line.trim_end() == line), "{text}");
        expected.assert_eq(&text);
    }

    #[test]
    fn aligns_columns() {
        check(
            None,
            &expect![[r"
            TOOL                TIER        DESCRIPTION
            list_pods           read        List the pods of a namespace, with their state
            restart_deployment  reversible  Ask for a restart
            quiet               read
        "]],
        );
    }

    #[test]
    fn cuts_the_widest_column_first() {
        check(
            Some(60),
            &expect![[r"
            TOOL                TIER        DESCRIPTION
            list_pods           read        List the pods of a namespac…
            restart_deployment  reversible  Ask for a restart
            quiet               read
        "]],
        );
        check(
            Some(40),
            &expect![[r"
            TOOL           TIER        DESCRIPTION
            list_pods      read        List the pod…
            restart_depl…  reversible  Ask for a re…
            quiet          read
        "]],
        );
    }

    #[test]
    fn a_narrow_terminal_gets_the_least() {
        check(
            Some(3),
            &expect![[r"
            TOOL      TIER      DESCRIP…
            list_po…  read      List th…
            restart…  reversi…  Ask for…
            quiet     read
        "]],
        );
    }

    #[test]
    fn a_cell_cannot_steer_the_terminal() {
        let mut table = Table::new(["A", "B"]);
        table.row(["\u{1b}[2Jgone\n\u{202e}fed".into(), "caf\u{e9} 'x'".into()]);
        let text = anstream::adapter::strip_str(&table.render(None)).to_string();
        expect![[r"
            A              B
            �[2Jgone �fed  café 'x'
        "]]
        .assert_eq(&text);
    }

    #[test]
    fn colours_say_what_they_mean() {
        assert_eq!(Tone::Plain.paint("x"), "x");
        assert_eq!(Tone::Bad.paint("x"), "\u{1b}[1m\u{1b}[31mx\u{1b}[0m");
    }
}
