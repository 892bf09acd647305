//! The audit log: what is about to happen is on record before it happens.
//!
//! A log of its own, not a layer of the diagnostics: nothing filters, samples or reorders it. JSON
//! Lines, each a link of its process's chain (`chain.rs`); a record is acknowledged when it is in
//! the file, and a durable one when `fdatasync` has returned. Checkpoints are signed (`key.rs`), and
//! whoever reads the log can tell whether it is what was written (`verify.rs`).
//!
//! Must not: decide about a call, or let anything go on that it did not take.

mod arguments;
mod chain;
mod disk;
pub mod files;
mod health;
mod key;
mod ledger;
mod record;
mod sink;
#[cfg(test)]
mod tests;
mod trail;
pub mod verify;
mod writer;

pub use arguments::{Arguments, fingerprint_in};
pub use chain::Hash;
pub use disk::{CHECKPOINTS_FILE, FILE, retired_name, retired_number};
pub use health::{Ailment, Ailments, Part};
pub use key::{Checkpoint, PUBLIC_KEY_FILE, PublicKey};
pub use ledger::Rotation;
pub use record::{
    ApprovalRecord, AuditLine, CallRecord, CheckpointRecord, Decision, OpenedRecord, OutcomeRecord,
    SCHEMA, Stage, SubjectRecord, TargetRecord, UseRecord,
};
pub use sink::Sink;
pub use trail::{AuditLog, Places, Settings, StreamName, Trail};
pub use writer::AuditError;
