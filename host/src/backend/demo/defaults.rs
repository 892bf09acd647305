//! What the server fills in where a client says nothing.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::custom;
use super::pods::qos;
use super::registry::Kind;
use super::store::{set, text};

/// Writes the defaults that the server would have filled in.
pub(super) fn fill_defaults(kind: &Kind, object: &mut Value, now: Timestamp) {
    let qos = object.get("spec").map_or("BestEffort", qos);
    let mut default = |path: &[&str], value: Value| fill(object, path, value);
    if kind.counts_generation() {
        default(&["metadata", "generation"], json!(1));
    }
    match (kind.group, kind.plural) {
        ("apps", _) => fill_workload(kind, object),
        ("", "namespaces") => {
            default(&["status", "phase"], json!("Active"));
            let name = text(object, "/metadata/name").to_owned();
            set(object, &["metadata", "labels", "kubernetes.io/metadata.name"], json!(name));
        }
        ("", "pods") => {
            default(&["status", "phase"], json!("Pending"));
            default(&["status", "qosClass"], json!(qos));
            fill_pod_spec(object);
        }
        ("", "services") => {
            default(&["spec", "type"], json!("ClusterIP"));
            default(&["spec", "sessionAffinity"], json!("None"));
            fill_ports(object);
        }
        ("", "persistentvolumeclaims") => {
            default(&["status", "phase"], json!("Pending"));
            default(&["spec", "volumeMode"], json!("Filesystem"));
        }
        ("", "persistentvolumes") => default(&["status", "phase"], json!("Available")),
        ("batch", "jobs") => {
            default(&["spec", "parallelism"], json!(1));
            default(&["spec", "completions"], json!(1));
            default(&["spec", "backoffLimit"], json!(6));
        }
        ("batch", "cronjobs") => {
            default(&["spec", "suspend"], json!(false));
            default(&["spec", "concurrencyPolicy"], json!("Allow"));
        }
        ("", "secrets") => encode_secret(object),
        ("apiextensions.k8s.io", _) => custom::establish(object, now),
        _ => {}
    }
}

/// The defaults of a pod's specification.
pub(super) fn fill_pod_spec(pod: &mut Value) {
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("serviceAccountName", json!("default")),
        ("schedulerName", json!("default-scheduler")),
        ("dnsPolicy", json!("ClusterFirst")),
        ("terminationGracePeriodSeconds", json!(30)),
    ] {
        fill(pod, &["spec", field], value);
    }
}

/// The defaults of what runs pods.
fn fill_workload(kind: &Kind, object: &mut Value) {
    let mut default = |path: &[&str], value: Value| fill(object, path, value);
    match kind.plural {
        "deployments" => {
            default(&["spec", "replicas"], json!(1));
            default(&["spec", "progressDeadlineSeconds"], json!(600));
            default(&["spec", "revisionHistoryLimit"], json!(10));
            let rolling = json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": "25%", "maxUnavailable": "25%" },
            });
            default(&["spec", "strategy"], rolling);
        }
        "statefulsets" => {
            default(&["spec", "replicas"], json!(1));
            default(&["spec", "podManagementPolicy"], json!("OrderedReady"));
            default(&["spec", "revisionHistoryLimit"], json!(10));
            let rolling = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } });
            default(&["spec", "updateStrategy"], rolling);
        }
        "daemonsets" => {
            default(&["spec", "revisionHistoryLimit"], json!(10));
            let rolling = json!({
                "type": "RollingUpdate",
                "rollingUpdate": { "maxSurge": 0, "maxUnavailable": 1 },
            });
            default(&["spec", "updateStrategy"], rolling);
        }
        _ => {}
    }
}

fn fill(object: &mut Value, path: &[&str], value: Value) {
    let pointer = format!("/{}", path.join("/"));
    if object.pointer(&pointer).is_none() {
        set(object, path, value);
    }
}

fn fill_ports(object: &mut Value) {
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    for port in ports.into_iter().flatten() {
        let own = port.get("port").cloned().unwrap_or_default();
        for (field, value) in [("protocol", json!("TCP")), ("targetPort", own)] {
            if port.get(field).is_none() {
                set(port, &[field], value);
            }
        }
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
