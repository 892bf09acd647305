//! Pods for which there is no node, and why.

use crate::facts::{Facts, condition, event};
use crate::finding::{Certainty, Finding};

/// A pod has no node.
pub(super) fn unschedulable(facts: &Facts) -> Vec<Finding> {
    let pending = facts.live().filter_map(|pod| {
        let scheduled = condition(pod, "PodScheduled").filter(|found| found.status != "True")?;
        Some((pod, scheduled))
    });
    let pending: Vec<_> = pending.collect();
    let Some((pod, scheduled)) = pending.first() else { return Vec::new() };
    let more = match pending.len() {
        1 => String::new(),
        n => format!(" (and {} other pods)", n - 1),
    };
    if scheduled.reason.as_deref() == Some("SchedulingGated") {
        let sentence = format!("pod `{}`{more} is held back by a scheduling gate", pod.name);
        let gated = Finding::new("scheduling_gated", Certainty::Certain, &sentence)
            .of(&pod.name, None)
            .seen(format!("condition PodScheduled {}", pod.name), &said(scheduled.message.as_ref()))
            .next("Find who set spec.schedulingGates with get_resource.");
        return vec![gated];
    }
    let failed = facts.events_of(&pod.name).find(|event| event.reason == "FailedScheduling");
    let message = scheduled.message.as_deref().or(failed.map(|event| event.message.as_str()));
    let Some(message) = message else { return Vec::new() };
    let reasons = reasons(message);
    let why = if reasons.is_empty() { "see the evidence".to_owned() } else { reasons.join("; ") };
    let sentence = format!("no node takes pod `{}`{more}: {why}", pod.name);
    let requests: Vec<String> = pod
        .containers
        .iter()
        .flat_map(|c| c.requests.iter().map(|r| format!("{} {} {}", c.name, r.resource, r.amount)))
        .collect();
    let finding = Finding::new("unschedulable", Certainty::Certain, &sentence)
        .of(&pod.name, None)
        .seen(format!("condition PodScheduled {}", pod.name), message)
        .all_seen(failed.filter(|event| event.message != message).map(event))
        .seen("requests of the pod", &requests.join(", "))
        .all_seen(facts.suspicion(pod))
        .next(
            "Compare with what nodes have left: get_node_status; lower requests, add nodes, or \
             correct selector, affinity or tolerations.",
        );
    vec![finding]
}

fn said(message: Option<&String>) -> String {
    message.cloned().unwrap_or_default()
}

/// What the scheduler says, sorted by kind: `0/3 nodes are available: 1 Insufficient cpu, ..`
pub(super) fn reasons(message: &str) -> Vec<String> {
    // What preemption would do repeats the same reasons.
    let message = message.split(" preemption:").next().unwrap_or(message);
    let (_, list) = message.split_once(": ").unwrap_or(("", message));
    let mut found = Vec::new();
    // A comma may also stand inside of a reason: "node(s) had taint {a: b}, that the pod ..".
    for part in list.split(", ") {
        let part = part.trim().trim_end_matches('.');
        let (count, text) = counted(part);
        let Some(kind) = kind_of(text) else { continue };
        let of = match count {
            Some(1) => " (1 node)".to_owned(),
            Some(n) => format!(" ({n} nodes)"),
            None => String::new(),
        };
        let reason = format!("{kind}{of}");
        if !found.contains(&reason) {
            found.push(reason);
        }
    }
    found
}

fn counted(part: &str) -> (Option<u64>, &str) {
    match part.split_once(' ') {
        Some((count, rest)) => match count.parse() {
            Ok(count) => (Some(count), rest),
            Err(_) => (None, part),
        },
        None => (None, part),
    }
}

fn kind_of(text: &str) -> Option<String> {
    if let Some(resource) = text.strip_prefix("Insufficient ") {
        return Some(format!("not enough {}", resource.trim_end_matches('.')));
    }
    let has = |word: &str| text.contains(word);
    let kind = if has("taint") {
        let taint = text.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        return Some(match taint {
            Some((taint, _)) => format!("taint `{}` is not tolerated", taint.trim()),
            None => "a taint is not tolerated".to_owned(),
        });
    } else if has("unbound") && has("PersistentVolumeClaim") {
        "a volume claim is not bound"
    } else if has("persistentvolumeclaim") && has("not found") {
        "a volume claim does not exist"
    } else if has("volume node affinity") || has("volume zone") || has("no available volume zone") {
        "its volume is bound to other nodes"
    } else if has("max volume count") {
        "no more volumes can be attached"
    } else if has("didn't find available persistent volumes") {
        "no volume fits its claim"
    } else if has("topology spread") {
        "topology spread constraints"
    } else if has("anti-affinity") || has("pod affinity") {
        "pod affinity or anti-affinity"
    } else if has("node affinity") || has("node selector") || has("nodeSelector") {
        "no node matches its node selector or affinity"
    } else if has("unschedulable") {
        "nodes are cordoned"
    } else if has("Too many pods") {
        "nodes have as many pods as they may"
    } else if has("free ports") {
        "its host port is taken"
    } else if has("not ready") {
        "nodes are not ready"
    } else {
        return None;
    };
    Some(kind.to_owned())
}
