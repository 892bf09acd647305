//! From the API server's objects to our records. Pure, and total: whatever is missing, negative or
//! enormous becomes something that a record can hold.

pub(super) mod deployment;
pub(super) mod event;
pub(super) mod node;
pub(super) mod pod;
mod pod_status;
pub(super) mod rollout;
pub(super) mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use crate::capability::kubernetes::{Condition, NamespaceState};

/// A namespace.
pub(super) fn namespace(object: &Namespace) -> NamespaceState {
    let phase = object.status.as_ref().and_then(|status| status.phase.as_ref());
    NamespaceState {
        name: text::message(object.metadata.name.as_deref().unwrap_or_default()),
        phase: phase.map_or_else(|| "Unknown".to_owned(), |phase| text::message(phase)),
        created: time(object.metadata.creation_timestamp.as_ref()),
    }
}

/// Pairs in order of key.
fn pairs(map: Option<&BTreeMap<String, String>>) -> Vec<(String, String)> {
    map.into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn quantities(map: Option<&BTreeMap<String, Quantity>>) -> Vec<(String, String)> {
    map.into_iter().flatten().map(|(key, Quantity(amount))| (key.clone(), amount.clone())).collect()
}

fn time(time: Option<&Time>) -> Option<Timestamp> {
    time.map(|Time(at)| *at)
}

/// A count that the API types as signed.
pub(super) fn count(n: Option<i32>) -> u32 {
    n.and_then(|n| u32::try_from(n).ok()).unwrap_or(0)
}

fn condition(
    kind: &str,
    status: &str,
    reason: Option<&String>,
    message: Option<&String>,
    changed: Option<&Time>,
) -> Condition {
    Condition {
        kind: text::message(kind),
        status: text::message(status),
        reason: text::some(reason),
        message: text::some(message),
        changed: time(changed),
    }
}

/// An object of a test, as the API server would write it.
#[cfg(test)]
pub(super) fn object<T: serde::de::DeserializeOwned>(json: serde_json::Value) -> T {
    serde_json::from_value(json).expect("the test's object is of its kind")
}
