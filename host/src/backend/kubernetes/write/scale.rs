//! Another number of replicas, through the `scale` subresource.

use serde_json::{Value, json};

use crate::capability::CapabilityError;
use crate::domain::write::{Body, REPLICAS_MAX, WorkloadKind};

pub(super) fn body(kind: WorkloadKind, replicas: u32) -> Result<Body, CapabilityError> {
    if kind == WorkloadKind::DaemonSet {
        let why = "a daemonset has no replicas: it runs one pod on each node that it selects";
        return Err(CapabilityError::InvalidArgument(why.to_owned()));
    }
    if replicas > REPLICAS_MAX {
        let why = format!("{replicas} replicas are more than {REPLICAS_MAX}");
        return Err(CapabilityError::InvalidArgument(why));
    }
    Ok(Body::new(&json!({ "spec": { "replicas": replicas } }).to_string()))
}

/// The object as it would be: the subresource answers with its scale alone.
pub(super) fn after(before: &Value, scale: &Value) -> Value {
    let mut after = before.clone();
    if let Some(spec) = after.get_mut("spec").and_then(Value::as_object_mut) {
        // Go leaves a zero out.
        let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
        spec.insert("replicas".to_owned(), replicas);
    }
    after
}
