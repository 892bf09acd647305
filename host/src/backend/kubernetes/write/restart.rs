//! A rolling restart, as `kubectl rollout restart` does it.

use jiff::Timestamp;
use serde_json::json;

use crate::domain::write::Body;

/// The annotation of the pod template that `kubectl rollout restart` writes as well.
pub(in super::super) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

pub(super) fn body(now: Timestamp) -> Body {
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let annotations = json!({ RESTARTED_AT: at });
    let patch = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
    Body::new(&patch.to_string())
}
