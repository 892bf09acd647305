//! Holding the rollouts of a deployment, and letting them go on.

use serde_json::json;

use super::super::workload::{self, Workload};
use crate::capability::CapabilityError;
use crate::domain::write::{Body, Verb, WorkloadKind, WorkloadRef};

pub(super) fn body(kind: WorkloadKind, paused: bool) -> Result<Body, CapabilityError> {
    if kind != WorkloadKind::Deployment {
        let why = format!("a {} cannot be paused: only a deployment can", workload::word(kind));
        return Err(CapabilityError::InvalidArgument(why));
    }
    // `null` takes the field away, which is how a deployment that is not paused is stored.
    let paused = paused.then_some(true);
    Ok(Body::new(&json!({ "spec": { "paused": paused } }).to_string()))
}

/// Refuses what would wait for somebody to resume the deployment, as `kubectl` does: it would be
/// told as done, and roll out with whatever else has been held back, at a time that nobody planned.
pub(super) fn refuse(
    verb: Verb,
    target: &WorkloadRef,
    workload: &Workload,
) -> Result<(), CapabilityError> {
    if matches!(verb, Verb::Restart | Verb::Rollback { .. }) && workload.is_paused() {
        let (kind, name, verb) = (workload::word(target.kind), &target.name, verb.as_str());
        let why = format!("{kind} `{name}` is paused, which holds back a {verb}: resume it first");
        return Err(CapabilityError::InvalidArgument(why));
    }
    Ok(())
}
