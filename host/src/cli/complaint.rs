//! How a command says that it failed: what is wrong, an empty line, what to do.

use std::fmt;
use std::io::{self, Write};

use super::table::{Tone, printable};
use crate::config::ConfigError;

/// A failure in words for the person at the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

impl Complaint {
    /// A complaint from its two halves.
    pub fn new(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { text: text.into(), hint: hint.into() }
    }

    /// A command line that cannot be read. `--help` and `--version` come as errors as well, and
    /// are none: those are for `clap` to print.
    pub fn of_command_line(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        let text = text.split("\n\nFor more information").next().unwrap_or(text).trim_end();
        match text.split_once("\n\nhint: ") {
            Some((text, hint)) => Self::new(text, hint),
            None => Self::new(text, "`--help` after a command says what it takes, with examples"),
        }
    }

    /// Writes it for a terminal. Lines stay; what a terminal would obey does not.
    ///
    /// # Errors
    /// The stream takes no more.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let lines: Vec<_> = self.text.lines().map(printable).collect();
        writeln!(out, "{} {}", Tone::Bad.paint("error:"), lines.join("\n"))?;
        writeln!(out, "\n{} {}", Tone::Good.paint("hint:"), printable(&self.hint))
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n\nhint: {}", self.text, self.hint)
    }
}

impl std::error::Error for Complaint {}

impl From<ConfigError> for Complaint {
    fn from(error: ConfigError) -> Self {
        // A report has a hint for each problem; what remains to say is how to look again.
        let hint = error.hint().unwrap_or("`toolgate check` looks again, and runs nothing");
        Self::new(error.to_string(), hint)
    }
}
