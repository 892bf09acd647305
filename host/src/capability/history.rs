//! The revisions of a workload that a cluster keeps.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::CapabilityError;
use crate::domain::write::{Change, WorkloadRef};

/// Changes of one revision that are told.
pub const CHANGES_MAX: usize = 50;

/// Revisions that are told: the newest ones. Kubernetes keeps ten unless it is told otherwise.
pub const REVISIONS_MAX: usize = 100;

/// Reads revisions.
#[async_trait]
pub trait History: Send + Sync + 'static {
    /// Newest first, at most [`REVISIONS_MAX`].
    async fn revisions(&self, workload: &WorkloadRef) -> Result<Vec<Revision>, CapabilityError>;
}

/// A revision of a workload's template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revision {
    /// Counted up by the controller.
    pub number: u64,
    /// When the object that keeps it was made.
    pub created: Option<Timestamp>,
    /// Whether the workload's template is this one.
    pub current: bool,
    /// The replica set or controller revision.
    pub kept_by: String,
    /// Replicas that run it, where a replica set keeps it.
    pub replicas: Option<u32>,
    /// Of its containers.
    pub images: Vec<String>,
    /// In somebody's words.
    pub change_cause: Option<String>,
    /// What differs from the revision before, at most [`CHANGES_MAX`].
    pub changes: Vec<Change>,
}
