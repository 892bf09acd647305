//! Ports: what the host can do, in our words, and how it can fail.
//!
//! Owns: traits and their errors. Must not: have an implementation, know wasmtime or kube. Each port
//! has three doors: the trait here (what), `sandbox/imports` (who may) and `backend` (how). Read
//! [`kubernetes::Kubernetes`] first.

pub mod access;
pub mod clock;
pub mod error;
pub mod history;
pub mod journal;
pub mod kubernetes;
pub mod logs;
pub mod metrics;
pub mod objects;
pub mod origin;
pub mod outbox;
pub mod progress;
pub mod writer;
pub mod writes;

pub use access::{Access, Rights};
pub use clock::Clock;
pub use error::CapabilityError;
pub use history::History;
pub use journal::Journal;
pub use kubernetes::Kubernetes;
pub use metrics::Metrics;
pub use objects::Objects;
pub use outbox::Outbox;
pub use progress::ProgressSink;
pub use writer::{Progress, Writer};
pub use writes::{WriteOutcome, WriteRequest, WriteRequests};
