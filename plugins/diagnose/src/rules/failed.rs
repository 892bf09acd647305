//! Pods that ended in failure as a whole: their node shut down, others needed the place, a deadline.

use toolgate_sdk::kubernetes_read::Pod;
use toolgate_sdk::prelude::*;

use crate::facts::{Facts, ending};
use crate::finding::{Certainty, Finding};
use crate::leftover::{ended, failed_s};

/// How long ago a failure may be to be worth a word.
const RECENT_S: u64 = 86_400;

/// Pods failed for a reason of their own, or are left of what was tried before.
pub(super) fn pods(facts: &Facts) -> Vec<Finding> {
    // Evictions are a cause of their own, and so are crashes of what still counts.
    let counts = |pod: &Pod| {
        if facts.is_leftover(pod) { failed_s(pod) <= RECENT_S } else { !reason(pod).is_empty() }
    };
    let is_told = |pod: &&Pod| {
        pod.phase == "Failed" && !pod.deleting && reason(pod) != "Evicted" && counts(pod)
    };
    let mut failed: Vec<&Pod> = facts.pods.iter().filter(is_told).collect();
    failed.sort_by_key(|pod| (facts.is_leftover(pod), failed_s(pod)));
    let Some(pod) = failed.first() else { return Vec::new() };
    let replaced = facts.is_replaced(pod);
    let missing = facts.desired().is_some_and(|desired| facts.live().count() < desired as usize);
    let certainty = match (facts.is_leftover(pod), replaced) {
        (false, _) => Certainty::Certain,
        (true, false) if missing => Certainty::Likely,
        (true, _) => Certainty::Possible,
    };
    let more = match failed.len() {
        1 => String::new(),
        2 => " (and 1 other pod)".to_owned(),
        n => format!(" (and {} other pods)", n - 1),
    };
    let then = if replaced { ", and has been replaced" } else { "" };
    let sentence = format!("pod `{}`{more} failed {} ago{then}", pod.name, duration(failed_s(pod)));
    let message = pod.message.as_deref().unwrap_or_default();
    let ends = pod.containers.iter().filter_map(|container| {
        let ended = ended(container).filter(|ended| ended.exit_code != 0)?;
        Some((format!("status {}/{}", pod.name, container.name), ending(ended)))
    });
    let finding = Finding::new("pod_failed", certainty, &sentence)
        .of(&pod.name, None)
        .seen(
            format!("status {}", pod.name),
            [reason(pod), message].join(": ").trim_matches([':', ' ']),
        )
        .all_seen(ends)
        .seen(format!("node of {}", pod.name), pod.node.as_deref().unwrap_or_default())
        .next(
            "Look at its node with get_node_status, and at its log with get_pod_logs; what is left \
             of pods that were replaced may be deleted.",
        );
    vec![finding]
}

fn reason(pod: &Pod) -> &str {
    pod.reason.as_deref().unwrap_or_default()
}
