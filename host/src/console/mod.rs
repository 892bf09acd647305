//! The operator's own listener: a web console to answer requests and to look at what happened.
//!
//! Owns: the console's socket, its sessions, its pages and every header they carry. Server-rendered;
//! with the one script switched off everything still works. Must not: be reached over the protocol's
//! listener, run a call, decide whether a write may happen, or render as markup what a plugin, a
//! cluster or a caller wrote ([`text`]). An answer goes through `governance/approval`, as one from
//! the command line does. Read `site.rs` first.

mod answers;
mod call;
mod door;
mod events;
mod form;
mod gate;
mod history;
mod layout;
mod ledger;
mod limits;
mod login;
mod plugins;
mod records;
mod request;
mod requests;
mod serve;
mod sessions;
mod site;
mod text;
mod trail;
mod watch;

use std::net::SocketAddr;

pub use self::door::{CODE_LIVES, CONSOLE_DIR, Key};
pub use self::serve::{Console, Listener};
pub use self::site::Parts;

/// Why there is no console.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Other machines could reach it.
    #[error("refusing to serve the console on `{0}`: other machines can reach it")]
    Reachable(SocketAddr),
    /// The address cannot be listened on.
    #[error("the console cannot listen on `{addr}`: {source}")]
    Bind {
        /// The address.
        addr: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// Nobody could enter.
    #[error("the console cannot leave its key in the state folder: {0}")]
    Door(std::io::Error),
    /// There is nothing to show.
    #[error(transparent)]
    Approvals(#[from] crate::governance::approval::ApprovalError),
}

impl ConsoleError {
    /// Whether another process has the address.
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Bind { source, .. } if source.kind() == std::io::ErrorKind::AddrInUse)
    }
}
