//! Diagnostics: to standard error, always. Standard output is the protocol's.

use std::borrow::Cow;
use std::io;

use tracing_subscriber::EnvFilter;

use crate::governance::redact::redact;
use crate::governance::text::clean_cow;

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// What went wrong: for commands that answer and end.
    Quiet,
    /// And what happens: for servers.
    Server,
}

/// Starts diagnostics; `verbose` says more.
pub fn start(level: Level, verbose: u8, ansi: bool) {
    let steps = match level {
        Level::Quiet => 0,
        Level::Server => 1,
    };
    let filter = match steps + verbose {
        // What takes more than a second says so, in commands too.
        0 => "error,progress=info",
        // The protocol's library reports clients that leave as warnings and errors.
        1 => "info,rmcp=off",
        2 => "debug,rmcp=info,hyper=info,h2=info,cranelift=info,wasmtime=info",
        _ => "trace",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(|| Redacted)
        .with_ansi(ansi)
        .finish();
    // Set already only where an embedding program did it; then its own stands.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Standard error, without secrets: whatever a library or a cluster put into a message. A record
/// comes in one piece.
struct Redacted;

impl io::Write for Redacted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        io::stderr().lock().write_all(told(&text).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What may be said of a record. Colours stand between a name and its value, and right before a
/// token, where they keep rules from matching: so it is searched without them, and a record that
/// holds a secret, or anything that is no colour, loses them.
fn told(record: &str) -> Cow<'_, str> {
    let (plain, _) = clean_cow(record);
    let (safe, n) = redact(&plain);
    if n == 0 && plain == without_colours(record) {
        return Cow::Borrowed(record);
    }
    Cow::Owned(safe.into_owned())
}

/// Without sequences that only choose a colour or a weight.
fn without_colours(record: &str) -> String {
    let mut plain = String::with_capacity(record.len());
    let mut parts = record.split("\u{1b}[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let digits = |c: char| c.is_ascii_digit() || c == ';';
        match part.trim_start_matches(digits).strip_prefix('m') {
            Some(rest) => plain.push_str(rest),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_hide_no_secret() {
        let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
        for record in [
            format!("\u{1b}[33m WARN\u{1b}[0m \u{1b}[3mtoken\u{1b}[0m\u{1b}[2m=\u{1b}[0m{token}\n"),
            format!("\u{1b}[3mpassword\u{1b}[0m\u{1b}[2m=\u{1b}[0m\"{}\"\n", "correct-horse-7x"),
            format!("half of {}\u{1b}[0m{}\n", &token[..12], &token[12..]),
        ] {
            let told = told(&record);
            assert!(told.contains("[redacted:") && !told.contains('\u{1b}'), "{told}");
            assert!(!told.contains("mN1pQ3sT5") && !told.contains("horse"), "{told}");
        }
    }

    #[test]
    fn what_is_only_coloured_stays_as_it_is() {
        for (record, expected) in [
            ("\u{1b}[32m INFO\u{1b}[0m served \u{1b}[1;4mx\u{1b}[0m\n", None),
            ("plain\n", None),
            ("\u{1b}[32m INFO\u{1b}[0m \u{1b}]52;c;x\u{7}y\n", Some(" INFO y\n")),
            ("\u{1b}[2Jgone\n", Some("gone\n")),
            ("a\u{202e}b\n", Some("ab\n")),
        ] {
            assert_eq!(told(record), expected.unwrap_or(record), "{record:?}");
        }
    }
}
