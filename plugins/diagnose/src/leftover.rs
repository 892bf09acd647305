//! Pods that failed and that others stand in for: they stay until someone deletes them, and say
//! nothing about the present.

use toolgate_sdk::kubernetes_read::{Container, ContainerState, Pod, Terminated};
use toolgate_sdk::serde_json::Value;

use crate::facts::{Kind, RESTART_RECENT_S, RESTARTS_MANY, has_condition, works};

/// Whether the pod failed and its workload goes on without it.
pub(crate) fn is_leftover(kind: Kind, object: &Value, pods: &[Pod], pod: &Pod) -> bool {
    if pod.phase != "Failed" {
        return false;
    }
    match kind {
        Kind::Pod => false,
        // Their controllers do not count what failed, and make another pod.
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => true,
        Kind::Job if has_condition(object, "Complete") => true,
        Kind::Job => !has_condition(object, "Failed") && is_retried(pods, pod),
    }
}

/// Whether a newer pod of the job does better, and failures are no pattern yet.
fn is_retried(pods: &[Pod], pod: &Pod) -> bool {
    let is_good = |pod: &&Pod| pod.phase == "Succeeded" || works(pod);
    let good = || pods.iter().filter(is_good);
    let lately = pods
        .iter()
        .filter(|pod| pod.phase == "Failed" && failed_s(pod) <= RESTART_RECENT_S)
        .count();
    let is_pattern = lately >= RESTARTS_MANY as usize && lately > good().count();
    !is_pattern && good().any(|other| other.created.age_s < pod.created.age_s)
}

/// How long ago the pod failed, as far as it is known.
pub(crate) fn failed_s(pod: &Pod) -> u64 {
    let ends = pod.containers.iter().filter_map(ended).filter_map(|ended| ended.finished.as_ref());
    let unready = pod.conditions.iter().filter(|c| c.kind == "Ready" && c.status != "True");
    let times = ends.chain(unready.filter_map(|condition| condition.changed.as_ref()));
    times.chain([&pod.created]).map(|at| at.age_s).min().unwrap_or_default()
}

/// How the container ended, where that is what it did last.
pub(crate) fn ended(container: &Container) -> Option<&Terminated> {
    match &container.state {
        ContainerState::Terminated(ended) => Some(ended),
        ContainerState::Waiting(_) | ContainerState::Running(_) | ContainerState::Unknown => None,
    }
}
