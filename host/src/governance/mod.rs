//! Decides and records; never acts.
//!
//! Owns: admission, policy, approvals, the audit log, notices, redaction. Must not: perform an
//! effect; know rmcp, wasmtime or kube. Read [`admission::Governor`] first.

pub mod admission;
pub mod answers;
pub mod approval;
pub mod audit;
mod defang;
mod documents;
pub mod guard;
pub mod lines;
mod names;
pub mod notices;
pub mod objects;
pub mod policy;
pub mod rate_limit;
pub mod redact;
pub mod state;
pub mod text;
