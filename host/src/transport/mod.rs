//! The MCP edge: stdio and Streamable HTTP, both protocol eras on one endpoint.
//!
//! Owns everything that only a protocol knows: JSON-RPC, eras, sessions, headers, and the words that
//! leave the house (`convert.rs`, the one place where they are made). The only room that may name
//! rmcp or axum. It must not decide who may call what, nor run anything: it sees the house
//! through [`Tools`](crate::gateway::Tools) alone. Read `server.rs` first.

mod ask;
mod confirm;
mod convert;
mod elicit;
mod facts;
mod fence;
mod gate;
mod http;
mod jsonrpc;
mod listener;
mod offers;
mod origin;
mod progress;
mod sealed;
mod server;
mod sessions;
mod stdio;
mod subscriptions;
mod tasks;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;

pub use self::http::{HttpConfig, serve_http};
pub use self::listener::Listener;
pub use self::stdio::{serve_io, serve_stdio};
pub use self::subscriptions::REREAD_EVERY;

/// Why the edge cannot serve.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The address can be reached from elsewhere, and anybody there could call every tool.
    #[error(
        "refusing to listen on `{0}`: other machines can reach it, and nothing authenticates \
         callers; listen on a loopback address such as `127.0.0.1:{port}`, or configure \
         authentication",
        port = .0.port()
    )]
    Unauthenticated(SocketAddr),
    /// The address cannot be listened on.
    #[error("cannot listen on `{addr}`: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The client's messages cannot be read; not that they ended.
    #[error("cannot read the client's messages: {0}")]
    Read(std::io::Error),
    /// An entry of the list of allowed hosts.
    #[error("`{0}` is not a host; write `name` or `name:port`")]
    AllowedHost(String),
    /// An entry of the list of allowed origins.
    #[error("`{0}` is not an origin; write `https://name` or `https://name:port`")]
    AllowedOrigin(String),
}

/// The most that one message may weigh. Arguments are held to
/// [`ARGUMENTS_BYTES_MAX`](crate::domain::limits::ARGUMENTS_BYTES_MAX); the rest is room for what
/// clients put beside them.
const MESSAGE_BYTES_MAX: usize = 4 << 20;
