//! Ports: what the host can do, in our words, and how it can fail.
//!
//! Owns: traits and their errors. Must not: have an implementation, know wasmtime or kube. Each port
//! has three doors: the trait here (what), `sandbox/imports` (who may) and `backend` (how). Read
//! [`kubernetes::Kubernetes`] first.

pub mod clock;
pub mod error;
pub mod kubernetes;
pub mod logs;
pub mod progress;
pub mod workloads;
pub mod writes;

pub use clock::Clock;
pub use error::CapabilityError;
pub use kubernetes::Kubernetes;
pub use progress::ProgressSink;
pub use workloads::Workloads;
pub use writes::{WriteOutcome, WriteRequest, WriteRequests};
