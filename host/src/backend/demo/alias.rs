//! Kinds that are kept in another kind's form: the older autoscaler and the newer event.

use serde_json::{Value, json};

use super::registry::Alias;
use super::store::{number, set, text};

/// `autoscaling/v1` of what is kept as `autoscaling/v2`.
pub(super) static AUTOSCALER_V1: Alias =
    Alias { group: "autoscaling", show: autoscaler_v1, keep: autoscaler_v2 };

/// `events.k8s.io/v1` of what is kept as a core event.
pub(super) static NEW_EVENT: Alias = Alias { group: "", show: new_event, keep: core_event };

/// Where the older version keeps what it has no fields for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const UTILIZATION: &str = "/resource/target/averageUtilization";

fn is_cpu(metric: &Value) -> bool {
    text(metric, "/resource/name") == "cpu" && number(metric, UTILIZATION).is_some()
}

fn autoscaler_v1(kept: &Value) -> Value {
    let mut spec = picked(kept, "/spec", &["scaleTargetRef", "minReplicas", "maxReplicas"]);
    let metrics = kept.pointer("/spec/metrics").and_then(Value::as_array);
    let (cpu, others): (Vec<&Value>, Vec<&Value>) =
        metrics.into_iter().flatten().partition(|metric| is_cpu(metric));
    if let Some(percent) = cpu.first().and_then(|metric| number(metric, UTILIZATION)) {
        set(&mut spec, &["targetCPUUtilizationPercentage"], json!(percent));
    }
    let counters = ["observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"];
    let mut status = picked(kept, "/status", &counters);
    let current = kept.pointer("/status/currentMetrics").and_then(Value::as_array);
    let current = current.into_iter().flatten().find(|m| text(m, "/resource/name") == "cpu");
    if let Some(percent) = current.and_then(|m| number(m, "/resource/current/averageUtilization")) {
        set(&mut status, &["currentCPUUtilizationPercentage"], json!(percent));
    }
    let mut shown = json!({
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v1",
        "metadata": kept.get("metadata"),
        "spec": spec,
        "status": status,
    });
    let note = |shown: &mut Value, name: &str, value: Value| {
        set(shown, &["metadata", "annotations", name], json!(value.to_string()));
    };
    if !others.is_empty() {
        note(&mut shown, METRICS, json!(others));
    }
    for (name, pointer) in [(CONDITIONS, "/status/conditions"), (BEHAVIOR, "/spec/behavior")] {
        if let Some(value) = kept.pointer(pointer) {
            note(&mut shown, name, value.clone());
        }
    }
    shown
}

fn autoscaler_v2(shown: &Value) -> Value {
    let mut kept = json!({
        "kind": "HorizontalPodAutoscaler",
        "apiVersion": "autoscaling/v2",
        "metadata": shown.get("metadata"),
        "spec": picked(shown, "/spec", &["scaleTargetRef", "minReplicas", "maxReplicas"]),
    });
    let mut noted = |name: &str| -> Option<Value> {
        let annotations = kept.pointer_mut("/metadata/annotations")?.as_object_mut()?;
        serde_json::from_str(annotations.remove(name)?.as_str()?).ok()
    };
    let (metrics, conditions, behavior) = (noted(METRICS), noted(CONDITIONS), noted(BEHAVIOR));
    let mut all = Vec::new();
    if let Some(percent) = number(shown, "/spec/targetCPUUtilizationPercentage") {
        let target = json!({ "type": "Utilization", "averageUtilization": percent });
        all.push(json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } }));
    }
    if let Some(Value::Array(others)) = metrics {
        all.extend(others);
    }
    if !all.is_empty() {
        set(&mut kept, &["spec", "metrics"], json!(all));
    }
    if let Some(behavior) = behavior {
        set(&mut kept, &["spec", "behavior"], behavior);
    }
    if shown.get("status").is_some() {
        let counters =
            ["observedGeneration", "lastScaleTime", "currentReplicas", "desiredReplicas"];
        set(&mut kept, &["status"], picked(shown, "/status", &counters));
        if let Some(percent) = number(shown, "/status/currentCPUUtilizationPercentage") {
            let current = json!({ "averageUtilization": percent });
            let metric = json!({
                "type": "Resource",
                "resource": { "name": "cpu", "current": current },
            });
            set(&mut kept, &["status", "currentMetrics"], json!([metric]));
        }
        if let Some(conditions) = conditions {
            set(&mut kept, &["status", "conditions"], conditions);
        }
    }
    kept
}

fn picked(object: &Value, pointer: &str, fields: &[&str]) -> Value {
    let mut some = json!({});
    for field in fields {
        if let Some(value) = object.pointer(&format!("{pointer}/{field}")) {
            set(&mut some, &[field], value.clone());
        }
    }
    some
}

/// The fields of an event that have another name in each of the two groups.
const EVENT_FIELDS: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
];

fn renamed(event: &Value, api_version: &str, name: impl Fn(&str) -> Option<&'static str>) -> Value {
    let fields = event.as_object().into_iter().flatten();
    let mut renamed: serde_json::Map<String, Value> = fields
        .map(|(field, value)| (name(field).unwrap_or(field).to_owned(), value.clone()))
        .collect();
    renamed.insert("apiVersion".to_owned(), json!(api_version));
    renamed.insert("kind".to_owned(), json!("Event"));
    Value::Object(renamed)
}

fn new_event(kept: &Value) -> Value {
    renamed(kept, "events.k8s.io/v1", |field| {
        EVENT_FIELDS.iter().find(|(old, _)| *old == field).map(|(_, new)| *new)
    })
}

fn core_event(shown: &Value) -> Value {
    renamed(shown, "v1", |field| {
        EVENT_FIELDS.iter().find(|(_, new)| *new == field).map(|(old, _)| *old)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_autoscaler_survives_the_way_to_its_older_version_and_back() {
        let kept = json!({
            "kind": "HorizontalPodAutoscaler",
            "apiVersion": "autoscaling/v2",
            "metadata": { "name": "web", "annotations": { "a": "b" } },
            "spec": {
                "scaleTargetRef": { "kind": "Deployment", "name": "web" },
                "minReplicas": 2,
                "maxReplicas": 6,
                "metrics": [
                    { "type": "Resource", "resource": { "name": "cpu",
                        "target": { "type": "Utilization", "averageUtilization": 70 } } },
                    { "type": "Resource", "resource": { "name": "memory",
                        "target": { "type": "AverageValue", "averageValue": "1Gi" } } },
                ],
            },
            "status": { "currentReplicas": 2, "desiredReplicas": 3, "conditions": [] },
        });
        let shown = autoscaler_v1(&kept);
        assert_eq!(shown["spec"]["targetCPUUtilizationPercentage"], 70);
        assert!(shown["metadata"]["annotations"][METRICS].as_str().unwrap().contains("memory"));
        assert_eq!(autoscaler_v2(&shown), kept);
    }

    #[test]
    fn an_event_has_both_groups_names() {
        let kept = json!({
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": { "name": "e" },
            "involvedObject": { "name": "p" },
            "message": "m",
            "count": 2,
            "type": "Normal",
        });
        let shown = new_event(&kept);
        assert_eq!((&shown["regarding"]["name"], &shown["note"]), (&json!("p"), &json!("m")));
        assert_eq!(shown["deprecatedCount"], 2);
        assert_eq!(core_event(&shown), kept);
    }
}
