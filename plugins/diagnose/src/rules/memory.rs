//! Containers that need more memory than they may have.

use crate::facts::{Facts, crashed, ending, status_of};
use crate::finding::{Certainty, Finding};
use crate::rules::one_each;
use toolgate_sdk::kubernetes_read::{Container, Terminated};

/// How long a container that ran out of memory stays suspicious while it runs again.
const RECENT_S: u64 = 3_600;
const OOM: &str = "OOMKilled";

/// The kernel killed a container because of its limit.
pub(super) fn oom_killed(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter_map(|(pod, container)| {
        let ended = killed(container)?;
        let limit = container.limits.iter().find(|limit| limit.resource == "memory");
        let of_limit = limit.map_or_else(
            || "it has no limit, so the node was out of memory".to_owned(),
            |limit| format!("its limit is {}", limit.amount),
        );
        let sentence =
            format!("container `{}` is killed for want of memory: {of_limit}", container.name);
        Some(
            Finding::new("oom_killed", Certainty::Certain, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(
                    status_of(pod, container),
                    &format!("{}; restarts: {}", ending(ended), container.restart_count),
                )
                .all_seen(facts.suspicion(pod))
                .all_seen(facts.log_of(&pod.name, &container.name))
                .next(
                    "Raise limits.memory of the container, or find the leak: get_workload_logs, \
                     rollout_status for what changed.",
                ),
        )
    }))
}

fn killed(container: &Container) -> Option<&Terminated> {
    let oom = |ended: &&Terminated| ended.reason == OOM;
    let recent = |ended: &&Terminated| {
        oom(ended) && ended.finished.as_ref().is_none_or(|at| at.age_s <= RECENT_S)
    };
    crashed(container).filter(oom).or(container.last_termination.as_ref().filter(recent))
}
