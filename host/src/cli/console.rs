//! Where answers go: in colours where somebody looks at them, plain where a program reads them.

use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use serde_json::Value;

use super::args::{Color, Globals};
use super::complaint::Complaint;
use super::table::Table;

/// The terminal, or what stands in its place.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    color: ColorChoice,
    json: bool,
}

impl Console {
    /// As the command line wants it.
    pub fn new(globals: &Globals) -> Self {
        let color = match globals.color {
            Color::Auto => ColorChoice::Auto,
            Color::Always => ColorChoice::Always,
            Color::Never => ColorChoice::Never,
        };
        Self { color, json: globals.json }
    }

    /// Whether answers are to be JSON.
    pub fn is_json(self) -> bool {
        self.json
    }

    /// Whether complaints may have colours.
    pub fn is_colored(self) -> bool {
        match self.color {
            ColorChoice::Always | ColorChoice::AlwaysAnsi => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => AutoStream::choice(&io::stderr()) != ColorChoice::Never,
        }
    }

    /// For answers. Drops colours where they are not wanted: `NO_COLOR`, `CLICOLOR` and
    /// `CLICOLOR_FORCE` count.
    pub fn out(self) -> impl Write {
        AutoStream::new(io::stdout(), self.color)
    }

    /// For complaints and whatever else is no answer.
    pub fn err(self) -> impl Write {
        AutoStream::new(io::stderr(), self.color)
    }

    /// The columns of the terminal that answers go to; `None` where they go to a program.
    pub fn width(self) -> Option<usize> {
        if !io::stdout().is_terminal() {
            return None;
        }
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(usize::from(width.0))
    }

    /// Answers with a table.
    ///
    /// # Errors
    /// Nobody takes the answer.
    pub fn table(self, table: &Table) -> io::Result<()> {
        self.out().write_all(table.render(self.width()).as_bytes())
    }

    /// Answers with JSON, in one line, so that answers can follow each other.
    ///
    /// # Errors
    /// Nobody takes the answer.
    pub fn json(self, value: &Value) -> io::Result<()> {
        writeln!(self.out(), "{value}")
    }

    /// Complains: to programs in JSON, to people in words, always on standard error.
    ///
    /// # Errors
    /// Nobody takes the complaint.
    pub fn complain(self, complaint: &Complaint) -> io::Result<()> {
        let Complaint { text, hint } = complaint;
        if self.json {
            return writeln!(self.err(), "{}", serde_json::json!({"error": text, "hint": hint}));
        }
        complaint.write(&mut self.err())
    }
}
