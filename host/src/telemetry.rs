//! Diagnostics: to standard error, always. Standard output is the protocol's.

use tracing_subscriber::EnvFilter;

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
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .finish();
    // Set already only where an embedding program did it; then its own stands.
    let _ = tracing::subscriber::set_global_default(subscriber);
}
