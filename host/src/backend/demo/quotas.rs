//! Resource quotas: what a namespace uses, and which pod is one too many.

use std::sync::Arc;

use serde_json::{Value, json};

use super::pods::{Scene, kind_of};
use super::quantity::{milli, print};
use super::scheduling::amount;
use super::store::{Store, set, text};

/// What one pod counts for under a quota's name; `None` for what no pod uses.
fn share(pod: &Value, name: &str) -> Option<i128> {
    match name {
        "pods" | "count/pods" => Some(1_000),
        "cpu" | "memory" => Some(amount(pod, "requests", name)),
        _ => {
            let (list, resource) = name.split_once('.')?;
            let known = matches!((list, resource), ("requests" | "limits", "cpu" | "memory"));
            known.then(|| amount(pod, list, resource))
        }
    }
}

fn used(store: &Store, namespace: &str, name: &str) -> i128 {
    let Some(pods) = kind_of("", "pods") else { return 0 };
    store
        .all(pods, Some(namespace))
        .filter(|(_, pod)| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .filter_map(|(_, pod)| share(pod, name))
        .sum()
}

fn hard(quota: &Value) -> impl Iterator<Item = (&str, i128)> {
    let hard = quota.pointer("/spec/hard").and_then(Value::as_object);
    let amount = |value: &Value| match value {
        Value::Number(number) => i128::from(number.as_i64().unwrap_or(0)) * 1_000,
        Value::String(text) => milli(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => 0,
    };
    hard.into_iter().flatten().map(move |(name, value)| (name.as_str(), amount(value)))
}

fn quotas(store: &Store, namespace: &str) -> Vec<Arc<Value>> {
    let Some(kind) = kind_of("", "resourcequotas") else { return Vec::new() };
    store.all(kind, Some(namespace)).map(|(_, quota)| quota.clone()).collect()
}

/// Why a quota of the namespace does not admit one more such pod.
pub(super) fn refusal(store: &Store, namespace: &str, pod: &Value) -> Option<String> {
    quotas(store, namespace).iter().find_map(|quota| {
        let over: Vec<(&str, i128, i128, i128)> = hard(quota)
            .filter_map(|(name, limit)| {
                let (wants, used) = (share(pod, name)?, used(store, namespace, name));
                (wants > 0 && used + wants > limit).then_some((name, wants, used, limit))
            })
            .collect();
        let list = |pick: fn(&(&str, i128, i128, i128)) -> i128| {
            let parts: Vec<String> =
                over.iter().map(|entry| format!("{}={}", entry.0, print(pick(entry)))).collect();
            parts.join(",")
        };
        (!over.is_empty()).then(|| {
            format!(
                "exceeded quota: {}, requested: {}, used: {}, limited: {}",
                text(quota, "/metadata/name"),
                list(|entry| entry.1),
                list(|entry| entry.2),
                list(|entry| entry.3)
            )
        })
    })
}

/// Brings the status of a namespace's quotas in line with its pods.
pub(super) fn sync(scene: &mut Scene<'_>, namespace: &str) -> Option<()> {
    let kind = kind_of("", "resourcequotas")?;
    for quota in quotas(scene.store, namespace) {
        let mut told = (*quota).clone();
        let limits = quota.pointer("/spec/hard").cloned().unwrap_or(json!({}));
        set(&mut told, &["status", "hard"], limits);
        for (name, _) in hard(&quota) {
            let counted = share(&json!({}), name).is_some();
            if counted {
                let used = print(used(scene.store, namespace, name));
                set(&mut told, &["status", "used", name], json!(used));
            }
        }
        scene.store.write_changed(kind, told);
    }
    Some(())
}
