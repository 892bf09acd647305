//! What is answered to whom: discovery, and the metrics of nodes and pods. The API server chooses
//! which objects a selector means; here they are joined with what was measured of them.
#![expect(clippy::indexing_slicing, reason = "a JSON value without such a key answers with null")]

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};
use hyper::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::upstream::Upstream;

const GROUP: &str = "metrics.k8s.io";
const VERSION: &str = "metrics.k8s.io/v1beta1";
/// How far two measurements of the kubelet lie apart.
const WINDOW: &str = "10s";

type Answer = (StatusCode, Value);

/// What a path asks for.
#[derive(Debug, PartialEq, Eq)]
enum Question<'a> {
    Groups,
    Group,
    Resources,
    /// Every one, or the one of that name.
    Nodes(Option<&'a str>),
    /// In all namespaces, or in one; every one, or the one of that name.
    Pods(Option<&'a str>, Option<&'a str>),
}

impl<'a> Question<'a> {
    fn read(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        match parts.as_slice() {
            ["apis"] => Some(Self::Groups),
            ["apis", GROUP] => Some(Self::Group),
            ["apis", GROUP, "v1beta1", rest @ ..] => match rest {
                [] => Some(Self::Resources),
                ["nodes"] => Some(Self::Nodes(None)),
                ["nodes", name] => Some(Self::Nodes(Some(name))),
                ["pods"] => Some(Self::Pods(None, None)),
                ["namespaces", namespace, "pods"] => Some(Self::Pods(Some(namespace), None)),
                ["namespaces", namespace, "pods", name] => {
                    Some(Self::Pods(Some(namespace), Some(name)))
                }
                _ => None,
            },
            _ => None,
        }
    }
}

pub(crate) async fn answer(upstream: &Upstream, method: &Method, uri: &Uri) -> Result<Answer> {
    let Some(question) = Question::read(uri.path()) else {
        let message = "the server could not find the requested resource";
        return Ok(status(StatusCode::NOT_FOUND, "NotFound", message));
    };
    let query = uri.query().unwrap_or_default();
    if method != Method::GET
        || query.split('&').any(|pair| matches!(pair, "watch=1" | "watch=true"))
    {
        let message = "the server does not allow this method on the requested resource";
        return Ok(status(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message));
    }
    match question {
        Question::Groups => {
            Ok(ok(json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [group()]})))
        }
        Question::Group => {
            let mut answer = group();
            merge(&mut answer, &json!({"kind": "APIGroup", "apiVersion": "v1"}));
            Ok(ok(answer))
        }
        Question::Resources => Ok(ok(resources())),
        Question::Nodes(name) => {
            let path = object_path("/api/v1/nodes", name, query);
            let (code, found) = upstream.get(&path).await?;
            if !code.is_success() {
                return Ok((code, in_our_group(found, "nodes")));
            }
            let items = objects(&found);
            let measured =
                measure(upstream, &items.iter().map(|node| name_of(node)).collect()).await?;
            Ok(shown("NodeMetrics", name, items.iter().map(|node| node_metrics(node, &measured))))
        }
        Question::Pods(namespace, name) => {
            let list = match namespace {
                Some(namespace) => format!("/api/v1/namespaces/{namespace}/pods"),
                None => "/api/v1/pods".to_owned(),
            };
            let (code, found) = upstream.get(&object_path(&list, name, query)).await?;
            if !code.is_success() {
                return Ok((code, in_our_group(found, "pods")));
            }
            let items = objects(&found);
            let nodes = items.iter().filter_map(|pod| pod["spec"]["nodeName"].as_str()).collect();
            let measured = measure(upstream, &nodes).await?;
            Ok(shown("PodMetrics", name, items.iter().map(|pod| pod_metrics(pod, &measured))))
        }
    }
}

pub(crate) fn unavailable() -> Answer {
    let message = "what the kubelets measure could not be read; see the log of the metrics server";
    status(StatusCode::SERVICE_UNAVAILABLE, "ServiceUnavailable", message)
}

/// A name narrows by itself; the query of a list is the API server's own.
fn object_path(list: &str, name: Option<&str>, query: &str) -> String {
    match name {
        Some(name) => format!("{list}/{name}"),
        None if query.is_empty() => list.to_owned(),
        None => format!("{list}?{query}"),
    }
}

/// What the kubelets of these nodes say. One that is gone, or never was, has measured nothing.
async fn measure(upstream: &Upstream, nodes: &BTreeSet<&str>) -> Result<Vec<Value>> {
    let mut measured = Vec::new();
    for node in nodes {
        let path = format!("/api/v1/nodes/{node}/proxy/stats/summary");
        match upstream.get(&path).await? {
            (StatusCode::OK, summary) => measured.push(summary),
            (StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED, refused) => {
                bail!("`{path}`: {}", refused["message"]);
            }
            _ => {}
        }
    }
    Ok(measured)
}

fn objects(found: &Value) -> Vec<&Value> {
    match found["items"].as_array() {
        Some(items) => items.iter().collect(),
        None => vec![found],
    }
}

fn name_of(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// One answer or a list of them; what was not measured is not there.
fn shown(kind: &str, name: Option<&str>, items: impl Iterator<Item = Option<Value>>) -> Answer {
    let mut items: Vec<Value> = items.flatten().collect();
    let Some(name) = name else {
        let list = format!("{kind}List");
        return ok(json!({"kind": list, "apiVersion": VERSION, "metadata": {}, "items": items}));
    };
    if let Some(mut item) = items.pop() {
        merge(&mut item, &json!({"kind": kind, "apiVersion": VERSION}));
        return ok(item);
    }
    let resource = if kind == "NodeMetrics" { "nodes" } else { "pods" };
    let message = format!("{resource}.{GROUP} \"{name}\" not found");
    status(StatusCode::NOT_FOUND, "NotFound", &message)
}

fn node_metrics(node: &Value, measured: &[Value]) -> Option<Value> {
    let name = name_of(node);
    let own = measured.iter().map(|summary| &summary["node"]);
    let own = own.into_iter().find(|own| own["nodeName"] == name)?;
    Some(json!({
        "metadata": metadata(node),
        "timestamp": seconds(&own["cpu"]["time"])?,
        "window": WINDOW,
        "usage": usage(own)?,
    }))
}

/// A pod is measured when each of its containers is.
fn pod_metrics(pod: &Value, measured: &[Value]) -> Option<Value> {
    let uid = pod["metadata"]["uid"].as_str()?;
    let pods = measured.iter().filter_map(|summary| summary["pods"].as_array()).flatten();
    let own = pods.into_iter().find(|own| own["podRef"]["uid"] == uid)?;
    let mut containers = BTreeMap::new();
    let mut newest = None;
    for container in own["containers"].as_array()? {
        let name = container["name"].as_str()?;
        containers.insert(name, json!({"name": name, "usage": usage(container)?}));
        newest = newest.max(container["cpu"]["time"].as_str());
    }
    Some(json!({
        "metadata": metadata(pod),
        "timestamp": seconds(&json!(newest?))?,
        "window": WINDOW,
        "containers": containers.into_values().collect::<Vec<_>>(),
    }))
}

fn metadata(object: &Value) -> Value {
    let mut metadata = json!({
        "name": object["metadata"]["name"],
        "creationTimestamp": object["metadata"]["creationTimestamp"],
    });
    for key in ["namespace", "labels"] {
        if !object["metadata"][key].is_null() {
            metadata[key] = object["metadata"][key].clone();
        }
    }
    metadata
}

/// As quantities: billionths of a processor, and whole kilobytes.
fn usage(measured: &Value) -> Option<Value> {
    let cpu = measured["cpu"]["usageNanoCores"].as_u64()?;
    let memory = measured["memory"]["workingSetBytes"].as_u64()?;
    Some(json!({"cpu": format!("{cpu}n"), "memory": format!("{}Ki", memory / 1024)}))
}

/// The kubelet says fractions of seconds; times of objects have none.
fn seconds(time: &Value) -> Option<String> {
    let time: jiff::Timestamp = time.as_str()?.parse().ok()?;
    jiff::Timestamp::from_second(time.as_second()).ok().map(|time| time.to_string())
}

fn group() -> Value {
    let version = json!({"groupVersion": VERSION, "version": "v1beta1"});
    json!({"name": GROUP, "versions": [version], "preferredVersion": version})
}

fn resources() -> Value {
    let resource = |name: &str, kind: &str, namespaced: bool| {
        json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced,
            "verbs": ["get", "list"]})
    };
    json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": VERSION, "resources": [
        resource("nodes", "NodeMetrics", false),
        resource("pods", "PodMetrics", true),
    ]})
}

/// A refusal speaks of the resource that was asked for, not of the one that it was looked up by.
fn in_our_group(mut refused: Value, resource: &str) -> Value {
    if let Some(message) = refused["message"].as_str() {
        let ours =
            message.replacen(&format!("{resource} \""), &format!("{resource}.{GROUP} \""), 1);
        refused["message"] = json!(ours);
    }
    if refused["details"].is_object() {
        refused["details"]["group"] = json!(GROUP);
    }
    refused
}

fn ok(body: Value) -> Answer {
    (StatusCode::OK, body)
}

fn status(code: StatusCode, reason: &str, message: &str) -> Answer {
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code.as_u16()});
    (code, body)
}

fn merge(into: &mut Value, from: &Value) {
    if let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) {
        into.extend(from.iter().map(|(key, value)| (key.clone(), value.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(cpu: &Value, memory: u64) -> Value {
        json!({"cpu": {"time": "2026-01-02T03:04:05.678Z", "usageNanoCores": cpu},
            "memory": {"workingSetBytes": memory}})
    }

    fn container(name: &str, cpu: &Value) -> Value {
        let mut container = measured(cpu, 2_097_152);
        container["name"] = json!(name);
        container
    }

    fn pod() -> Value {
        json!({"metadata": {"name": "web-1", "namespace": "shop", "uid": "u1",
            "creationTimestamp": "2026-01-02T00:00:00Z", "labels": {"app": "web"}}})
    }

    fn summary(containers: &[Value]) -> Vec<Value> {
        vec![json!({"node": {"nodeName": "n"}, "pods": [
            {"podRef": {"uid": "u0"}, "containers": []},
            {"podRef": {"uid": "u1"}, "containers": containers},
        ]})]
    }

    #[test]
    fn reads_what_a_path_asks_for() {
        let table = [
            ("/apis/metrics.k8s.io/v1beta1", Some(Question::Resources)),
            ("/apis/metrics.k8s.io/v1beta1/nodes/a", Some(Question::Nodes(Some("a")))),
            ("/apis/metrics.k8s.io/v1beta1/pods", Some(Question::Pods(None, None))),
            (
                "/apis/metrics.k8s.io/v1beta1/namespaces/a/pods/b",
                Some(Question::Pods(Some("a"), Some("b"))),
            ),
            ("/apis/metrics.k8s.io/v1/pods", None),
            ("/api/v1/secrets", None),
            ("/", None),
        ];
        for (path, question) in table {
            assert_eq!(Question::read(path), question, "{path}");
        }
    }

    #[test]
    fn shows_a_pod_as_it_was_measured() {
        let containers = [container("web", &json!(1_500_000)), container("proxy", &json!(10))];
        let shown = pod_metrics(&pod(), &summary(&containers)).unwrap();
        assert_eq!(shown["timestamp"], "2026-01-02T03:04:05Z");
        assert_eq!(shown["metadata"]["labels"], json!({"app": "web"}));
        assert_eq!(shown["containers"][0]["name"], "proxy");
        assert_eq!(shown["containers"][1]["usage"], json!({"cpu": "1500000n", "memory": "2048Ki"}));
    }

    #[test]
    fn a_pod_of_which_a_part_is_not_measured_is_not_there() {
        let halves = [container("web", &json!(1)), container("proxy", &Value::Null)];
        for containers in [halves.as_slice(), &[]] {
            assert_eq!(pod_metrics(&pod(), &summary(containers)), None);
        }
        assert_eq!(pod_metrics(&pod(), &[json!({})]), None);
    }

    #[test]
    fn shows_a_node_as_it_was_measured() {
        let mut own = measured(&json!(250), 1_048_576);
        own["nodeName"] = json!("n");
        let node = json!({"metadata": {"name": "n"}});
        let shown = node_metrics(&node, &[json!({"node": own})]).unwrap();
        assert_eq!(shown["usage"], json!({"cpu": "250n", "memory": "1024Ki"}));
        assert_eq!(node_metrics(&json!({"metadata": {"name": "m"}}), &[]), None);
    }

    #[test]
    fn a_list_keeps_the_query_of_whoever_asked() {
        let query = "labelSelector=app%3Dweb";
        assert_eq!(object_path("/api/v1/pods", None, query), format!("/api/v1/pods?{query}"));
        assert_eq!(object_path("/api/v1/pods", Some("a"), query), "/api/v1/pods/a");
    }
}
