//! Tables of text: aligned, bounded, and safe against what is written in a cell.

use std::fmt::{self, Write as _};

/// How wide a cell may be. A name in Kubernetes has at most 253 characters, nearly all below 60.
const CELL_CHARS_MAX: usize = 80;
/// The last column is not padded, so it may be prose.
const LAST_CELL_CHARS_MAX: usize = 300;
/// What a table shows unless it is told otherwise: a few screens.
const ROWS_MAX: usize = 200;
const GAP: &str = "   ";

/// A table as `kubectl` prints it: columns padded with spaces, the last one ragged.
///
/// Rows beyond the bound are counted and not kept; [`Table::left_out`] says how many, and the
/// printed table ends with that and with [what to do](Table::narrow_by) about it.
#[derive(Debug)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    rows_max: usize,
    n_left_out: u64,
    hint: String,
}

impl Table {
    /// An empty table that keeps 200 rows.
    #[must_use]
    pub fn new(header: &[&str]) -> Self {
        Self {
            header: header.iter().map(|&name| name.to_owned()).collect(),
            rows: Vec::new(),
            rows_max: ROWS_MAX,
            n_left_out: 0,
            hint: String::new(),
        }
    }

    /// Keeps at most so many rows.
    #[must_use]
    pub fn keep(mut self, rows_max: usize) -> Self {
        self.rows_max = rows_max;
        self
    }

    /// What a reader can do to see the rest: narrow with a namespace.
    #[must_use]
    pub fn narrow_by(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Adds a row and says whether it was kept. Missing cells are empty, surplus ones dropped.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) -> bool {
        if self.rows.len() >= self.rows_max {
            self.n_left_out = self.n_left_out.saturating_add(1);
            return false;
        }
        let columns = self.header.len();
        let mut row: Vec<String> = cells.into_iter().map(Into::into).take(columns).collect();
        for (column, cell) in row.iter_mut().enumerate() {
            let last = column + 1 == columns;
            *cell = cut(&one_line(cell), if last { LAST_CELL_CHARS_MAX } else { CELL_CHARS_MAX });
        }
        row.resize(columns, String::new());
        self.rows.push(row);
        true
    }

    /// Counts rows that were never made: the rest of a list that was not read.
    pub fn leave_out(&mut self, n_rows: u64) {
        self.n_left_out = self.n_left_out.saturating_add(n_rows);
    }

    /// How many rows are missing.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.n_left_out
    }

    /// Whether there is no row at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.header.iter().map(|name| name.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths();
        for (i, row) in std::iter::once(&self.header).chain(&self.rows).enumerate() {
            let mut line = String::new();
            for (cell, &width) in row.iter().zip(&widths) {
                let _ = write!(line, "{cell:<width$}{GAP}");
            }
            if i > 0 {
                writeln!(f)?;
            }
            f.write_str(line.trim_end())?;
        }
        if self.n_left_out > 0 {
            write!(f, "\n… {} more", self.n_left_out)?;
            if !self.hint.is_empty() {
                write!(f, ": {}", self.hint)?;
            }
        }
        Ok(())
    }
}

/// The text in one line: line breaks, tabs and other control characters become single spaces.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.split(|c: char| c.is_whitespace() || c.is_control())
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// At most so many characters; what was longer ends in `…`.
#[must_use]
pub fn cut(text: &str, chars_max: usize) -> String {
    if text.chars().nth(chars_max).is_none() {
        return text.to_owned();
    }
    let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn aligns_columns() {
        let mut table = Table::new(&["NAME", "STATUS", "AGE"]);
        table.row(["web-1", "CrashLoopBackOff", "3m12s"]);
        table.row(["größe-ü", "Running", ""]);
        expect![[r#"
            NAME      STATUS             AGE
            web-1     CrashLoopBackOff   3m12s
            größe-ü   Running"#]]
        .assert_eq(&table.to_string());
    }

    #[test]
    fn counts_what_it_leaves_out_and_says_what_to_do() {
        let mut table = Table::new(&["NAME"]).keep(2).narrow_by("narrow with `namespace`");
        let kept = (0..5).filter(|i| table.row([format!("pod-{i}")])).count();
        table.leave_out(10);
        assert_eq!((kept, table.left_out()), (2, 13));
        expect![[r#"
            NAME
            pod-0
            pod-1
            … 13 more: narrow with `namespace`"#]]
        .assert_eq(&table.to_string());
    }

    #[test]
    fn does_not_let_a_cell_break_the_table() {
        let mut table = Table::new(&["NAME", "MESSAGE"]);
        table.row(["a\nb\tc\u{1b}[31m".to_owned(), "x".repeat(1_000)]);
        table.row(vec!["only", "two", "kept"]);
        table.row(["short"]);
        let printed = table.to_string();
        assert_eq!(printed.lines().count(), 4);
        assert!(printed.contains("a b c [31m   xxx") && printed.contains('…'));
        assert!(!printed.contains("kept"));
    }

    #[test]
    fn cuts_at_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("a", 0), "…");
        assert_eq!(cut("", 0), "");
    }
}
