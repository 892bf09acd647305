//! What is wrong with a file, and where: collected, so that one look shows everything.

use std::fmt;
use std::io;
use std::path::PathBuf;

pub(crate) use crate::domain::similar::similar;

/// How many problems one report holds. More of them have one cause, and nobody reads on.
pub const PROBLEMS_MAX: usize = 50;

/// How much of a wrong value a problem repeats.
const SHOWN_CHARS_MAX: usize = 64;

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key: `grants.pods.kubernetes-read.namespaces[1]`. Empty for the file as a whole.
    pub path: String,
    /// The line of the file, from 1, where there is one.
    pub line: Option<usize>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{}\n  hint: {}", self.text, self.hint)
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No file was named, and none lies where one is looked for.
    #[error("there is no configuration: looked for {}", quoted(.looked))]
    NotFound {
        /// Where it was looked for, in order.
        looked: Vec<PathBuf>,
    },
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`: {source}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The file can be read and does not hold.
    #[error("{}", report(.origin, .problems, *.left_out))]
    Invalid {
        /// The file, in words.
        origin: String,
        /// What is wrong, in order of the file; never empty.
        problems: Vec<Problem>,
        /// How many more there are.
        left_out: usize,
    },
}

impl ConfigError {
    /// What to do about it; problems of a file carry their own hints.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::NotFound { .. } => Some(
                "name one with `--config FILE` or TOOLGATE_CONFIG; `toolgate demo` needs none and \
                 shows what Toolgate does",
            ),
            Self::Unreadable { .. } => Some("check the path and who may read the file"),
            Self::Invalid { .. } => None,
        }
    }
}

fn quoted(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|p| format!("`{}`", p.display())).collect();
    paths.join(", ")
}

fn report(origin: &str, problems: &[Problem], left_out: usize) -> String {
    let count = problems.len().saturating_add(left_out);
    let noun = if count == 1 { "problem" } else { "problems" };
    let mut text = format!("{origin} has {count} {noun}");
    for problem in problems {
        text.push_str("\n\n");
        text.push_str(&problem.to_string());
    }
    if left_out > 0 {
        text.extend(["\n\nand ", &left_out.to_string(), " more"]);
    }
    text
}

/// A foreign text, short and without anything that a terminal would obey.
pub(crate) fn shown(text: &str) -> String {
    let mut shown: String =
        text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push_str("..");
    }
    shown.replace("\\'", "'").replace("\\\"", "\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_word_that_was_meant() {
        let known = ["kubernetes-read", "kubernetes-logs", "log"];
        for (word, meant) in [
            ("kubernetes-reed", Some("kubernetes-read")),
            ("kubernetes_logs", Some("kubernetes-logs")),
            ("Log", Some("log")),
            ("secrets", None),
            ("", None),
        ] {
            assert_eq!(similar(word, known), meant, "{word}");
        }
    }

    #[test]
    fn shows_little_and_escapes_it() {
        let text = format!("\u{1b}[31m{}", "x".repeat(10_000));
        let shown = shown(&text);
        assert!(shown.len() < 100, "{shown}");
        assert!(!shown.contains('\u{1b}'));
    }
}
