//! Writes to a cluster. Only `effects.rs` holds this port: no guest's import executes anything.

use async_trait::async_trait;

use super::error::CapabilityError;
use super::kubernetes::{Rollout, RolloutState};
use crate::domain::write::{Plan, Verb, WriteTarget};

/// How far what was written has come.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Complete where nothing is to be waited for.
    pub state: RolloutState,
    /// In one sentence.
    pub message: String,
    /// What rolls out.
    pub rollout: Option<Rollout>,
}

/// Plans and executes writes.
#[async_trait]
pub trait Writer: Send + Sync + 'static {
    /// What the write would do: reads the object and its surroundings, and has the API server try
    /// the change without keeping it.
    async fn plan(&self, verb: Verb, target: &WriteTarget) -> Result<Plan, CapabilityError>;

    /// Executes exactly what was planned. Refuses with [`CapabilityError::Conflict`] where the
    /// object is not the one of the plan any more (UID or version). Never retried.
    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError>;

    /// How far it is, of a plan that was executed.
    async fn progress(&self, plan: &Plan) -> Result<Progress, CapabilityError>;
}
