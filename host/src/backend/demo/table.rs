use jiff::Timestamp;
use serde_json::{Value, json};

use super::list::Page;
use super::registry::Kind;
use super::request::Form;
use super::store::{number, text};

/// Shapes a list as the client wants it.
pub(super) fn list(form: Form, kind: &Kind, page: &Page, now: Timestamp) -> Value {
    match form {
        Form::Plain => {
            // A typed list names its kind once, not in every item.
            // The store of custom kinds keeps what is in it as it came.
            let items = page.items.iter().map(|item| kind.shown(item));
            let items: Vec<Value> =
                items.map(|item| if kind.custom { item } else { untyped(item) }).collect();
            json!({
                "kind": format!("{}List", kind.kind),
                "apiVersion": kind.api_version(),
                "metadata": page.metadata,
                "items": items,
            })
        }
        Form::Metadata => {
            let items: Vec<Value> = page.items.iter().map(|item| metadata_only(item)).collect();
            json!({
                "kind": "PartialObjectMetadataList",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": page.metadata,
                "items": items,
            })
        }
        Form::Table | Form::FullTable => {
            let rows: Vec<Value> =
                page.items.iter().map(|item| row(form, kind, item, now)).collect();
            table(kind, &page.metadata, &rows, true)
        }
    }
}

/// Shapes one object as the client wants it; a watch has its table headed only once.
pub(super) fn one(form: Form, kind: &Kind, object: &Value, now: Timestamp, headed: bool) -> Value {
    match form {
        Form::Plain => kind.shown(object),
        Form::Metadata => metadata_only(object),
        Form::Table | Form::FullTable => {
            let version = object.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
            let metadata = json!({ "resourceVersion": version });
            table(kind, &metadata, &[row(form, kind, object, now)], headed)
        }
    }
}

fn untyped(mut object: Value) -> Value {
    if let Value::Object(map) = &mut object {
        map.remove("kind");
        map.remove("apiVersion");
    }
    object
}

fn metadata_only(object: &Value) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": object.get("metadata").cloned().unwrap_or(json!({})),
    })
}

fn table(kind: &Kind, metadata: &Value, rows: &[Value], headed: bool) -> Value {
    let columns: Option<Vec<Value>> = headed.then(|| {
        columns(kind)
            .iter()
            .map(|(name, priority)| {
                json!({
                    "name": name,
                    "type": "string",
                    "format": if *name == "Name" { "name" } else { "" },
                    "description": "",
                    "priority": priority,
                })
            })
            .collect()
    });
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": columns,
        "rows": rows,
    })
}

fn row(form: Form, kind: &Kind, object: &Value, now: Timestamp) -> Value {
    let shown = if form == Form::FullTable { object.clone() } else { metadata_only(object) };
    json!({ "cells": cells(kind, object, now), "object": shown })
}

type Column = (&'static str, u8);

/// The columns of a kind; those with a priority are shown with `-o wide` only.
fn columns(kind: &Kind) -> &'static [Column] {
    match (kind.group, kind.plural) {
        ("", "pods") => &[
            ("Name", 0),
            ("Ready", 0),
            ("Status", 0),
            ("Restarts", 0),
            ("Age", 0),
            ("IP", 1),
            ("Node", 1),
            ("Nominated Node", 1),
            ("Readiness Gates", 1),
        ],
        ("apps", "deployments") => &[
            ("Name", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
            ("Containers", 1),
            ("Images", 1),
            ("Selector", 1),
        ],
        ("apps", "replicasets") => {
            &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)]
        }
        ("apps", "statefulsets") => {
            &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)]
        }
        ("apps", "daemonsets") => &[
            ("Name", 0),
            ("Desired", 0),
            ("Current", 0),
            ("Ready", 0),
            ("Up-to-date", 0),
            ("Available", 0),
            ("Age", 0),
        ],
        ("batch", "jobs") => {
            &[("Name", 0), ("Status", 0), ("Completions", 0), ("Duration", 0), ("Age", 0)]
        }
        ("", "events") => {
            &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Message", 0)]
        }
        ("", "nodes") => &[
            ("Name", 0),
            ("Status", 0),
            ("Roles", 0),
            ("Age", 0),
            ("Version", 0),
            ("Internal-IP", 1),
        ],
        ("", "namespaces") => &[("Name", 0), ("Status", 0), ("Age", 0)],
        ("", "services") => &[
            ("Name", 0),
            ("Type", 0),
            ("Cluster-IP", 0),
            ("External-IP", 0),
            ("Port(s)", 0),
            ("Age", 0),
            ("Selector", 1),
        ],
        ("networking.k8s.io", "networkpolicies") => &[("Name", 0), ("Pod-Selector", 0), ("Age", 0)],
        _ => &[("Name", 0), ("Age", 0)],
    }
}

fn cells(kind: &Kind, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text(object, "/metadata/name"));
    let age = json!(age(text(object, "/metadata/creationTimestamp"), now));
    let n = |pointer: &str| json!(number(object, pointer).unwrap_or(0));
    let of = |part: &str, whole: &str| {
        let count = |pointer: &str| number(object, pointer).unwrap_or(0);
        json!(format!("{}/{}", count(part), count(whole)))
    };
    match (kind.group, kind.plural) {
        ("", "pods") => pod_cells(object, age, now),
        ("apps", "deployments") => vec![
            name,
            of("/status/readyReplicas", "/spec/replicas"),
            n("/status/updatedReplicas"),
            n("/status/availableReplicas"),
            age,
            json!(joined(object, "/spec/template/spec/containers", "/name")),
            json!(joined(object, "/spec/template/spec/containers", "/image")),
            json!(selector(object)),
        ],
        ("apps", "replicasets") => {
            vec![name, n("/spec/replicas"), n("/status/replicas"), n("/status/readyReplicas"), age]
        }
        ("apps", "statefulsets") => {
            vec![
                name,
                of("/status/readyReplicas", "/spec/replicas"),
                age,
                json!(joined(object, "/spec/template/spec/containers", "/name")),
                json!(joined(object, "/spec/template/spec/containers", "/image")),
            ]
        }
        ("apps", "daemonsets") => vec![
            name,
            n("/status/desiredNumberScheduled"),
            n("/status/currentNumberScheduled"),
            n("/status/numberReady"),
            n("/status/updatedNumberScheduled"),
            n("/status/numberAvailable"),
            age,
        ],
        ("batch", "jobs") => {
            let (start, end) = (text(object, "/status/startTime"), object);
            let end = text(end, "/status/completionTime").parse().unwrap_or(now);
            let done = super::pods::condition(object, "Complete").is_some();
            let status = if done { "Complete" } else { "Running" };
            let completions = of("/status/succeeded", "/spec/completions");
            vec![name, json!(status), completions, json!(self::age(start, end)), age]
        }
        ("", "events") => event_cells(object, now),
        ("", "nodes") => node_cells(object, age),
        ("", "namespaces") => vec![name, json!(text(object, "/status/phase")), age],
        ("", "services") => service_cells(object, age),
        ("networking.k8s.io", "networkpolicies") => {
            let chosen = pairs(object.pointer("/spec/podSelector/matchLabels"));
            vec![name, json!(or_none(&chosen)), age]
        }
        _ => vec![name, age],
    }
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "<none>" } else { text }
}

fn joined(object: &Value, list: &str, field: &str) -> String {
    let items = object.pointer(list).and_then(Value::as_array);
    let texts: Vec<&str> = items.into_iter().flatten().map(|item| text(item, field)).collect();
    texts.join(",")
}

fn selector(object: &Value) -> String {
    pairs(object.pointer("/spec/selector/matchLabels"))
}

fn pairs(labels: Option<&Value>) -> String {
    let pairs: Vec<String> = labels
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(",")
}

/// The `READY`, `STATUS` and `RESTARTS` that a pod is known by.
fn pod_summary(pod: &Value, now: Timestamp) -> (String, String, String) {
    let statuses: Vec<&Value> = pod
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .collect();
    let total = pod.pointer("/spec/containers").and_then(Value::as_array).map_or(0, Vec::len);
    let ready = statuses.iter().filter(|s| s.get("ready") == Some(&json!(true))).count();
    let mut status = match text(pod, "/status/reason") {
        "" => text(pod, "/status/phase"),
        reason => reason,
    };
    for container in statuses.iter().rev() {
        for state in ["/state/waiting/reason", "/state/terminated/reason"] {
            let reason = text(container, state);
            if !reason.is_empty() {
                status = reason;
            }
        }
    }
    if super::pods::is_going(pod) {
        status = "Terminating";
    }
    let restarts: i64 = statuses.iter().filter_map(|s| number(s, "/restartCount")).sum();
    let last = statuses.iter().map(|s| text(s, "/lastState/terminated/finishedAt")).max();
    let restarts = match last.filter(|last| restarts > 0 && !last.is_empty()) {
        Some(last) => format!("{restarts} ({} ago)", age(last, now)),
        None => restarts.to_string(),
    };
    (format!("{ready}/{total}"), status.to_owned(), restarts)
}

fn event_cells(event: &Value, now: Timestamp) -> Vec<Value> {
    let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"];
    let last = times.iter().map(|at| text(event, at)).find(|at| !at.is_empty());
    let count = number(event, "/series/count").or_else(|| number(event, "/count")).unwrap_or(1);
    let first = match text(event, "/firstTimestamp") {
        "" => text(event, "/eventTime"),
        first => first,
    };
    let mut seen = age(last.unwrap_or_default(), now);
    if count > 1 {
        seen = format!("{seen} (x{count} over {})", age(first, now));
    }
    let object = format!(
        "{}/{}",
        text(event, "/involvedObject/kind").to_lowercase(),
        text(event, "/involvedObject/name")
    );
    vec![
        json!(seen),
        json!(text(event, "/type")),
        json!(text(event, "/reason")),
        json!(object),
        json!(text(event, "/message").trim()),
    ]
}

fn service_cells(object: &Value, age: Value) -> Vec<Value> {
    let name = json!(text(object, "/metadata/name"));
    let ports = object.pointer("/spec/ports").and_then(Value::as_array);
    let ports: Vec<String> = ports
        .into_iter()
        .flatten()
        .map(|port| {
            let protocol = match text(port, "/protocol") {
                "" => "TCP",
                other => other,
            };
            format!("{}/{protocol}", number(port, "/port").unwrap_or(0))
        })
        .collect();
    let (of_type, ip) = (text(object, "/spec/type"), text(object, "/spec/clusterIP"));
    let outside = match text(object, "/status/loadBalancer/ingress/0/ip") {
        "" if of_type == "LoadBalancer" => "<pending>",
        outside => or_none(outside),
    };
    vec![
        name,
        json!(of_type),
        json!(or_none(ip)),
        json!(outside),
        json!(ports.join(",")),
        age,
        json!(or_none(&pairs(object.pointer("/spec/selector")))),
    ]
}

fn pod_cells(object: &Value, age: Value, now: Timestamp) -> Vec<Value> {
    let name = json!(text(object, "/metadata/name"));
    let (ready, status, restarts) = pod_summary(object, now);
    let ip = or_none(text(object, "/status/podIP"));
    let node = or_none(text(object, "/spec/nodeName"));
    let nominated = or_none(text(object, "/status/nominatedNodeName"));
    let gates = object.pointer("/spec/readinessGates").and_then(Value::as_array);
    let gates = gates.map_or("<none>".to_owned(), |gates| gates.len().to_string());
    let summary = [ready, status, restarts];
    let mut cells = vec![name];
    cells.extend(summary.map(Value::String));
    cells.extend([age, json!(ip), json!(node), json!(nominated), json!(gates)]);
    cells
}

fn node_cells(node: &Value, age: Value) -> Vec<Value> {
    let mut status = if super::pods::is_ready(node) { "Ready" } else { "NotReady" }.to_owned();
    if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
        status.push_str(",SchedulingDisabled");
    }
    let labels = node.pointer("/metadata/labels").and_then(Value::as_object);
    let roles: Vec<&str> = labels
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let addresses = node.pointer("/status/addresses").and_then(Value::as_array);
    let inside = addresses.into_iter().flatten().find(|a| text(a, "/type") == "InternalIP");
    vec![
        json!(text(node, "/metadata/name")),
        json!(status),
        json!(or_none(&roles.join(","))),
        age,
        json!(text(node, "/status/nodeInfo/kubeletVersion")),
        json!(or_none(inside.map_or("", |address| text(address, "/address")))),
    ]
}

/// A length of time as kubectl prints it: at most two units, the second only where it matters.
fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else { return "<unknown>".to_owned() };
    let s = now.duration_since(since).as_secs().max(0);
    let (m, h, d) = (s / 60, s / 3_600, s / 86_400);
    let two = |big: i64, unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{unit}") } else { format!("{big}{unit}{small}{small_unit}") }
    };
    match s {
        0..120 => format!("{s}s"),
        120..600 => two(m, "m", s % 60, "s"),
        600..10_800 => format!("{m}m"),
        10_800..28_800 => two(h, "h", m % 60, "m"),
        28_800..172_800 => format!("{h}h"),
        172_800..691_200 => two(d, "d", h % 24, "h"),
        691_200..63_072_000 => format!("{d}d"),
        _ => two(d / 365, "y", d % 365, "d"),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        for (seconds, expected) in [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (200, "3m20s"),
            (900, "15m"),
            (10_860, "3h1m"),
            (90_000, "25h"),
            (180_000, "2d2h"),
            (900_000, "10d"),
        ] {
            let since = super::super::clock::before(now, Duration::from_secs(seconds));
            assert_eq!(age(&since.to_string(), now), expected);
        }
        assert_eq!(age("", now), "<unknown>");
    }
}
