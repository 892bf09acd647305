//! What the person at the terminal sees: numbered steps on stderr, results on stdout.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "talking to the person who typed the command is what this module is for"
)]

use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Numbered steps of one command.
pub(crate) struct Steps {
    total: usize,
    started: usize,
    colour: bool,
}

/// A step that is under way; [`Steps::end`] says how long it took.
pub(crate) struct Step {
    label: String,
    since: Instant,
}

impl Steps {
    pub(crate) fn new(total: usize) -> Self {
        Self { total, started: 0, colour: std::io::stderr().is_terminal() }
    }

    /// Announces work before it begins, so that a long step is never a silent one.
    pub(crate) fn begin(&mut self, what: &str) -> Step {
        let label = self.next_label();
        eprintln!("{} {what} …", self.bold(&label));
        Step { label, since: Instant::now() }
    }

    pub(crate) fn end(&self, step: &Step) {
        eprintln!("{} done in {}", self.bold(&step.label), seconds(step.since.elapsed()));
    }

    /// A step with nothing left to do takes one line.
    pub(crate) fn fresh(&mut self, what: &str) {
        let label = self.next_label();
        eprintln!("{} {what}", self.bold(&label));
    }

    fn next_label(&mut self) -> String {
        self.started += 1;
        label(self.started, self.total)
    }

    fn bold(&self, text: &str) -> String {
        if self.colour { format!("\u{1b}[1;32m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// A detail of the step that is under way.
pub(crate) fn note(what: &str) {
    eprintln!("      {what}");
}

/// What the command was asked for.
pub(crate) fn result(text: &str) {
    println!("{text}");
}

pub(crate) fn failure(error: &anyhow::Error) {
    let head = if std::io::stderr().is_terminal() { "\u{1b}[1;31merror\u{1b}[0m" } else { "error" };
    eprintln!("{head}: {error:#}");
}

fn label(started: usize, total: usize) -> String {
    format!("[{started}/{total}]")
}

fn seconds(time: Duration) -> String {
    let whole = time.as_secs();
    if whole >= 60 {
        format!("{} min {:02} s", whole / 60, whole % 60)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

/// `1234567` as `1205.6 KB`, padded by the caller.
pub(crate) fn kilobytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1024);
    format!("{}.{} KB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_times_as_a_person_would() {
        let table = [(120, "0.1 s"), (3_140, "3.1 s"), (59_900, "59.9 s"), (61_000, "1 min 01 s")];
        for (time_ms, text) in table {
            assert_eq!(seconds(Duration::from_millis(time_ms)), text);
        }
    }

    #[test]
    fn says_sizes_in_kilobytes() {
        for (bytes, text) in [(0, "0.0 KB"), (1, "0.1 KB"), (1024, "1.0 KB"), (54_170, "53.0 KB")] {
            assert_eq!(kilobytes(bytes), text);
        }
    }

    #[test]
    fn counts_every_step_once() {
        let mut steps = Steps { total: 2, started: 0, colour: false };
        assert_eq!(steps.next_label(), "[1/2]");
        assert_eq!(steps.next_label(), "[2/2]");
        assert_eq!(steps.bold("x"), "x");
    }
}
