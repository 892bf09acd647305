//! Holding the rollouts of a deployment, and letting them go on.

use serde_json::json;

use super::super::workload;
use crate::capability::CapabilityError;
use crate::domain::write::{Body, WorkloadKind};

pub(super) fn body(kind: WorkloadKind, paused: bool) -> Result<Body, CapabilityError> {
    if kind != WorkloadKind::Deployment {
        let why = format!("a {} cannot be paused: only a deployment can", workload::word(kind));
        return Err(CapabilityError::InvalidArgument(why));
    }
    // `null` takes the field away, which is how a deployment that is not paused is stored.
    let paused = paused.then_some(true);
    Ok(Body::new(&json!({ "spec": { "paused": paused } }).to_string()))
}
