//! Writes to workloads. Only `effects.rs` holds this port: no guest's import executes anything.

use async_trait::async_trait;

use super::error::CapabilityError;
use crate::domain::write::{Plan, Verb, WorkloadRef};

/// Plans and executes writes.
#[async_trait]
pub trait Workloads: Send + Sync + 'static {
    /// What the write would do: reads the object and its pods, and has the API server try the
    /// change without keeping it.
    async fn plan(&self, verb: Verb, target: &WorkloadRef) -> Result<Plan, CapabilityError>;

    /// Executes exactly what was planned. Refuses with [`CapabilityError::Conflict`] where the
    /// object is not the one of the plan any more (UID or generation). Never retried.
    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError>;
}
