//! Diagnostics: to standard error, always. Standard output is the protocol's.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::governance::redact::redact;

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
        let (safe, _) = redact(&text);
        io::stderr().lock().write_all(safe.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
