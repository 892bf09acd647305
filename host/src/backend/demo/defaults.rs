//! What the server fills in where a client says nothing.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::custom;
use super::registry::Kind;
use super::store::{set, text};

/// Writes the defaults that the server would have filled in.
pub(super) fn fill_defaults(kind: &Kind, object: &mut Value, now: Timestamp) {
    let mut default = |path: &[&str], value: Value| {
        let pointer = format!("/{}", path.join("/"));
        if object.pointer(&pointer).is_none() {
            set(object, path, value);
        }
    };
    if kind.counts_generation() {
        default(&["metadata", "generation"], json!(1));
    }
    match (kind.group, kind.plural) {
        ("apps", "deployments") => {
            default(&["spec", "replicas"], json!(1));
            default(&["spec", "progressDeadlineSeconds"], json!(600));
            default(&["spec", "revisionHistoryLimit"], json!(10));
            let rolling = json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
            });
            default(&["spec", "strategy"], rolling);
        }
        ("apps", "statefulsets") => {
            default(&["spec", "replicas"], json!(1));
            let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } });
            default(&["spec", "updateStrategy"], rolling);
        }
        ("apps", "daemonsets") => {
            let rolling = json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 },
            });
            default(&["spec", "updateStrategy"], rolling);
        }
        ("", "namespaces") => {
            default(&["status", "phase"], json!("Active"));
            let name = text(object, "/metadata/name").to_owned();
            set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], json!(name));
        }
        ("", "secrets") => encode_secret(object),
        ("apiextensions.k8s.io", _) => custom::establish(object, now),
        _ => {}
    }
}

/// Moves readable `stringData` to `data`, as the server does on a write.
fn encode_secret(secret: &mut Value) {
    let plain = secret.as_object_mut().and_then(|map| map.remove("stringData"));
    for (key, value) in plain.as_ref().and_then(Value::as_object).into_iter().flatten() {
        let encoded = BASE64_STANDARD.encode(value.as_str().unwrap_or_default());
        set(secret, &["data", key], json!(encoded));
    }
    if secret.get("type").is_none() {
        set(secret, &["type"], json!("Opaque"));
    }
}
