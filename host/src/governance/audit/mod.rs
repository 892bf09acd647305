//! The audit log: what is about to happen is on record before it happens.
//!
//! A log of its own, not a layer of the diagnostics: nothing filters, samples or reorders it. One
//! writer thread appends JSON Lines; a record is acknowledged when it is in the file, and a durable
//! one when `fdatasync` has returned.

mod record;
mod trail;
mod writer;

pub use record::{
    ApprovalRecord, AuditLine, CallRecord, Decision, OutcomeRecord, SCHEMA, Stage, SubjectRecord,
    TargetRecord, UseRecord,
};
pub use trail::{Arguments, AuditLog, Trail};
pub use writer::{AuditError, FILE};
