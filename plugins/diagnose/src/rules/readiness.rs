//! Pods that are not ready although all their containers are: the node is gone, or a gate is shut.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::Pod;
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::Condition;

use crate::facts::{Facts, are_ready, condition, event};
use crate::finding::{Certainty, Finding};

/// How long a gate may be shut: load balancers need a while to know a new pod.
const READY_S: u64 = 60;
/// The event may come before or after the condition.
const EVENT_S: u64 = 60;
const NODES_SHOWN: usize = 3;

/// The node of a pod does not report any more, and what is known of its containers is old.
pub(super) fn node_lost(facts: &Facts) -> Vec<Finding> {
    let lost: Vec<_> = unready(facts).filter(|(pod, ready)| is_lost(facts, pod, ready)).collect();
    let mut findings: Vec<Finding> = Vec::new();
    let mut nodes: Vec<&str> = Vec::new();
    for (pod, ready) in &lost {
        let node = node_of(pod);
        if nodes.contains(&node) || nodes.len() == NODES_SHOWN {
            continue;
        }
        nodes.push(node);
        let n_pods = lost.iter().filter(|(other, _)| node_of(other) == node).count();
        let told = told(facts, pod, ready);
        // A pod that leaves, and that others stand in for, is no trouble of today.
        let certainty = match (pod.deleting && facts.is_replaced(pod), told) {
            (true, _) => Certainty::Possible,
            (false, Some(_)) => Certainty::Certain,
            (false, None) => Certainty::Likely,
        };
        let what = if pod.deleting { "being deleted and not ready" } else { "not ready" };
        let sentence = format!(
            "node `{node}` does not report any more: pod `{}`{} is {what}, and what is said of \
             its containers is old",
            pod.name,
            and_others(n_pods)
        );
        let finding = Finding::new("node_lost", certainty, &sentence)
            .of(&pod.name, None)
            .seen(format!("condition Ready {}", pod.name), &said(ready))
            .all_seen(told.map(event))
            .seen(format!("node of {}", pod.name), node)
            .next(
                "See whether the node is ready: get_node_status with `node_name`, and describe_node \
                 for its events.",
            );
        findings.push(finding);
    }
    findings
}

/// The node reports, all containers are ready, and the pod is not: mostly a readiness gate.
pub(super) fn held_back(facts: &Facts) -> Vec<Finding> {
    let held = unready(facts).filter(|(pod, ready)| {
        !pod.deleting && !is_lost(facts, pod, ready) && since_s(pod, ready) > READY_S
    });
    let held: Vec<_> = held.collect();
    let Some((pod, ready)) = held.first() else { return Vec::new() };
    let gate = ready.reason.as_deref() == Some("ReadinessGatesNotReady");
    let why = if gate { "a readiness gate holds it back" } else { "see the evidence" };
    let sentence = format!(
        "all containers of pod `{}`{} are ready, the pod is not, for {}: {why}",
        pod.name,
        and_others(held.len()),
        duration(since_s(pod, ready))
    );
    let finding = Finding::new("pod_not_ready", Certainty::Certain, &sentence)
        .of(&pod.name, None)
        .seen(format!("condition Ready {}", pod.name), &said(ready))
        .seen(format!("node of {}", pod.name), node_of(pod))
        .next(
            "Find what has to open spec.readinessGates with get_resource; get_node_status for the \
             node.",
        );
    vec![finding]
}

/// Pods whose containers are ready and who are not, those that are being deleted among them.
fn unready(facts: &Facts) -> impl Iterator<Item = (&Pod, &Condition)> {
    facts.pods.iter().filter(|pod| are_ready(pod)).filter_map(|pod| {
        let ready = condition(pod, "Ready").filter(|ready| ready.status != "True")?;
        Some((pod, ready))
    })
}

/// Whether others than the node said that the pod is not ready: a node gives a reason with it.
fn is_lost(facts: &Facts, pod: &Pod, ready: &Condition) -> bool {
    let reason = ready.reason.as_deref().unwrap_or_default();
    reason.is_empty()
        || pod.reason.as_deref() == Some("NodeLost")
        || told(facts, pod, ready).is_some()
}

/// The event that tells it, of the same time as the condition: an older one is of a node that came
/// back.
fn told<'a>(facts: &'a Facts, pod: &'a Pod, ready: &Condition) -> Option<&'a Event> {
    let since_s = since_s(pod, ready).saturating_add(EVENT_S);
    facts
        .events_of(&pod.name)
        .find(|event| event.reason == "NodeNotReady" && event.last_seen.age_s <= since_s)
}

fn since_s(pod: &Pod, ready: &Condition) -> u64 {
    ready.changed.as_ref().unwrap_or(&pod.created).age_s
}

fn node_of(pod: &Pod) -> &str {
    pod.node.as_deref().unwrap_or("unknown")
}

fn and_others(n_pods: usize) -> String {
    match n_pods {
        0 | 1 => String::new(),
        2 => " (and 1 other pod)".to_owned(),
        n => format!(" (and {} other pods)", n - 1),
    }
}

/// `False since 5m: ReadinessGatesNotReady: ..`
fn said(ready: &Condition) -> String {
    let since = ready.changed.as_ref().map(|at| format!(" since {}", age(at)));
    let parts = [ready.reason.as_deref(), ready.message.as_deref()].into_iter().flatten();
    let parts = parts.filter(|part| !part.is_empty()).map(|part| format!(": {part}"));
    format!("{}{}{}", ready.status, since.unwrap_or_default(), parts.collect::<String>())
}
