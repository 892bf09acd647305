//! Disks that are full, and nodes that throw pods out.

use toolgate_sdk::kubernetes_read::Pod;

use crate::facts::Facts;
use crate::finding::{Certainty, Finding};
use crate::leftover::failed_s;
use crate::rules::one_each;

/// How long ago an eviction may be to explain the present.
const RECENT_S: u64 = 86_400;

/// A node had to get rid of a pod.
pub(super) fn evicted(facts: &Facts) -> Vec<Finding> {
    let counts = |pod: &Pod| !facts.is_leftover(pod) || failed_s(pod) <= RECENT_S;
    let pod = facts
        .pods
        .iter()
        .find(|pod| !pod.deleting && pod.reason.as_deref() == Some("Evicted") && counts(pod));
    let Some(pod) = pod else { return Vec::new() };
    let message = pod.message.as_deref().unwrap_or_default();
    let low = message.to_lowercase();
    let disk = ["ephemeral-storage", "ephemeral local storage", "disk", "inodes", "emptydir"];
    let (cause, why, next) = if disk.iter().any(|word| low.contains(word)) {
        (
            "disk_full",
            "for want of disk",
            "Find what fills the disk; set requests and limits for ephemeral-storage: get_resource, \
             get_node_status.",
        )
    } else {
        (
            "evicted",
            "for want of resources on its node",
            "Compare requests with what the node has: get_node_status.",
        )
    };
    // What is left of a pod that was replaced is no trouble of today.
    let replaced = facts.is_replaced(pod);
    let certainty = if replaced { Certainty::Possible } else { Certainty::Certain };
    let then = if replaced { ", and has been replaced" } else { "" };
    let sentence = format!("pod `{}` was evicted {why}{then}", pod.name);
    let finding = Finding::new(cause, certainty, &sentence)
        .of(&pod.name, None)
        .seen(format!("status {}", pod.name), message)
        .next(next);
    vec![finding]
}

/// A program says that it cannot write.
pub(super) fn no_space(facts: &Facts) -> Vec<Finding> {
    one_each(facts.logs.iter().filter_map(|log| {
        // What a pod wrote that was replaced is no trouble of today.
        facts.live().find(|pod| pod.name == log.pod)?;
        let line = log.lines.iter().rev().find(|line| is_full(line))?;
        let run = if log.previous { ", previous run" } else { "" };
        let sentence = format!("container `{}` says that its disk is full", log.container);
        Some(
            Finding::new("disk_full", Certainty::Likely, &sentence)
                .of(&log.pod, Some(&log.container))
                .seen(format!("log {}/{}{run}", log.pod, log.container), line)
                .next(
                    "Find the volume that is full: get_resource for its volumes, get_node_status.",
                ),
        )
    }))
}

fn is_full(line: &str) -> bool {
    let line = line.to_lowercase();
    let full = ["no space left on device", "enospc", "disk quota exceeded", "errno 28"];
    // The kernel answers the same when it has no more watches or locks.
    let other = ["inotify", "watch", "epoll", "flock", "shared memory"];
    full.iter().any(|word| line.contains(word)) && !other.iter().any(|word| line.contains(word))
}
