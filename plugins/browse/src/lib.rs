//! The cluster as documents with URIs, which a client can list, read and subscribe to.
//!
//! This room owns what is in each document. It leaves out ages and everything else that changes by
//! itself: a subscriber is told of whatever reads differently.

mod diagram;
mod facts;
mod workloads;

use toolgate_sdk::kubernetes_logs::LogQuery;
use toolgate_sdk::object;
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::WorkloadKind;

use crate::facts::{Namespaces, PodFacts, Status};

/// Rows of one document.
const ROWS_MAX: usize = 500;

/// Lines of a pod's log: what fits an answer at 400 bytes each.
const LOG_LINES: u32 = 500;

#[arguments]
struct InCluster {
    cluster: String,
}

#[arguments]
struct InNamespace {
    cluster: String,
    namespace: String,
}

#[arguments]
struct OfWorkload {
    cluster: String,
    namespace: String,
    kind: String,
    workload: String,
}

#[arguments]
struct OfPod {
    cluster: String,
    namespace: String,
    pod: String,
}

toolgate_sdk::resources! {
    resource(
        "namespaces",
        "k8s://{cluster}/namespaces",
        "Namespaces",
        "The namespaces of a cluster that you may see.",
        "application/json",
        namespaces,
        complete::kubernetes
    ),
    resource(
        "workloads",
        "k8s://{cluster}/namespaces/{namespace}/workloads",
        "Workloads of a namespace",
        "Deployments with their replicas, images and the state of their rollouts; stateful sets, \
         daemon sets, jobs and cron jobs with their counts. Kinds that are not granted are named \
         under `left_out`.",
        "application/json",
        workloads::read,
        complete::kubernetes
    ),
    resource(
        "workload",
        "k8s://{cluster}/namespaces/{namespace}/workloads/{kind}/{workload}",
        "Status of a workload",
        "How far the rollout of a deployment, statefulset or daemonset is. Subscribe to it to follow \
         a restart.",
        "application/json",
        workload,
        complete::kubernetes
    ),
    resource(
        "ownership",
        "k8s://{cluster}/namespaces/{namespace}/workloads/{kind}/{workload}/ownership",
        "Ownership of a workload",
        "A workload, what it owns and the pods at the end, as a Mermaid diagram.",
        "text/vnd.mermaid",
        ownership,
        complete::kubernetes
    ),
    resource(
        "pod",
        "k8s://{cluster}/namespaces/{namespace}/pods/{pod}",
        "Pod",
        "One pod: labels, owner, conditions, and its containers with images, resources and states. \
         The values of its environment are not in it, and secrets are masked.",
        "application/json",
        pod,
        complete::kubernetes
    ),
    resource(
        "pod-manifest",
        "k8s://{cluster}/namespaces/{namespace}/pods/{pod}/manifest",
        "Manifest of a pod",
        "A pod's metadata and specification, as the API server has them, without its status. The \
         values of its environment and secrets are masked.",
        "application/json",
        pod_manifest,
        complete::kubernetes
    ),
    resource(
        "pod-log",
        "k8s://{cluster}/namespaces/{namespace}/pods/{pod}/log",
        "Log of a pod",
        "The last 500 lines of a pod's log, oldest first, with times. Secrets are masked.",
        "text/plain",
        pod_log,
        complete::kubernetes
    ),
}

fn namespaces(place: InCluster) -> Result<Content, ResourceError> {
    let InCluster { cluster } = place;
    let mut found = kubernetes_read::list_namespaces(Some(&cluster))?;
    let truncated = found.len() > ROWS_MAX;
    found.truncate(ROWS_MAX);
    Ok(Content::json(&Namespaces::of(found))?.truncated(truncated))
}

fn workload(of: OfWorkload) -> Result<Content, ResourceError> {
    let OfWorkload { cluster, namespace, kind, workload } = of;
    let found =
        kubernetes_read::rollout_status(Some(&cluster), kind_of(&kind)?, &namespace, &workload)?;
    Content::json(&Status::of(found))
}

fn ownership(of: OfWorkload) -> Result<Content, ResourceError> {
    let OfWorkload { cluster, namespace, kind, workload } = of;
    let kind = kind_of(&kind)?;
    // Says whether there is one: a workload without pods has a diagram too.
    kubernetes_read::rollout_status(Some(&cluster), kind, &namespace, &workload)?;
    let query = pages::query(Some(cluster), Some(namespace), None);
    let mut pods = pages::pods(query, pages::OBJECTS_MAX);
    let all = pods.by_ref().collect::<Result<Vec<_>, _>>()?;
    let drawn = diagram::draw(kind, &workload, all);
    let truncated = drawn.left_out > 0 || pods.unread().is_some();
    Ok(Content::text(drawn.text).truncated(truncated))
}

fn pod(of: OfPod) -> Result<Content, ResourceError> {
    let OfPod { cluster, namespace, pod } = of;
    Content::json(&PodFacts::of(kubernetes_read::get_pod(Some(&cluster), &namespace, &pod)?))
}

fn pod_manifest(of: OfPod) -> Result<Content, ResourceError> {
    let OfPod { cluster, namespace, pod } = of;
    let fields = ["apiVersion", "metadata", "spec"].map(str::to_owned);
    let found =
        kubernetes_read::get_object(Some(&cluster), "Pod", Some(&namespace), &pod, &fields)?;
    Content::json(&manifest(object::parse(&found)?))
}

/// Counts up whenever the status changes, which is not in it.
fn manifest(mut pod: Value) -> Value {
    if let Some(metadata) = pod.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    pod
}

fn pod_log(of: OfPod) -> Result<Content, ResourceError> {
    let OfPod { cluster, namespace, pod } = of;
    let log = kubernetes_logs::read(&LogQuery {
        cluster: Some(cluster),
        namespace,
        pod,
        container: None,
        previous: false,
        tail_lines: Some(LOG_LINES),
        since_s: None,
        timestamps: true,
    })?;
    Ok(Content::text(log.lines.join("\n")).truncated(log.truncated))
}

/// A kind that is none names nothing.
fn kind_of(text: &str) -> Result<WorkloadKind, ResourceError> {
    match text {
        "deployment" => Ok(WorkloadKind::Deployment),
        "statefulset" => Ok(WorkloadKind::StatefulSet),
        "daemonset" => Ok(WorkloadKind::DaemonSet),
        _ => Err(ResourceError::NotFound(
            "the kind of a workload is deployment, statefulset or daemonset".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests;
