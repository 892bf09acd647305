//! Whether a pod fails, and why: from the states of its containers, not from its phase.
//!
//! A pod in a crash loop has the phase `Running`, and so has one that is never ready.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_read::{Container, ContainerState, Pod, Terminated, Waiting};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::{Condition, Moment};

/// How long a pod may take to be scheduled, pull its images and mount its volumes.
const START_S: u64 = 300;
/// How long a running container may be unready: probes need a few periods, and pods roll.
const READY_S: u64 = 60;
/// How long a container that ran out of memory stays suspicious.
const OOM_RECENT_S: u64 = 3_600;
/// A crash loop waits up to five minutes between runs, which is also when it looks healthy.
const RESTART_RECENT_S: u64 = 900;
/// One or two restarts happen; from here on they are a pattern.
const RESTARTS_MANY: u32 = 3;
/// How long deletion may take after the containers ended.
const DELETION_S: u64 = 600;
const MESSAGE_CHARS_MAX: usize = 240;

/// Why a pod fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// One word: `CrashLoopBackOff`, `OOMKilled`, `Unschedulable`, `NotReady`.
    pub reason: String,
    /// The container that is to blame.
    pub container: Option<String>,
    /// The evidence, in a sentence.
    pub detail: String,
}

/// What to report first, when several containers have a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Broken,
    Dying,
    Unready,
    Slow,
}

/// Why the pod fails; none if it does not.
#[must_use]
pub fn diagnose(pod: &Pod) -> Option<Finding> {
    match pod.phase.as_str() {
        "Succeeded" => None,
        _ if pod.deleting => stuck_deletion(pod),
        "Failed" => Some(failed(pod)),
        "Unknown" => Some(Finding {
            reason: "Unknown".to_owned(),
            container: None,
            detail: said(pod.message.as_deref(), "the node does not report the pod's state"),
        }),
        _ => unscheduled(pod).or_else(|| worst_container(pod)).or_else(|| unready(pod)),
    }
}

/// The condition of this kind.
#[must_use]
pub fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a Condition> {
    pod.conditions.iter().find(|condition| condition.kind == kind)
}

/// The most recent end of a container, of those that were started again.
#[must_use]
pub fn last_termination(pod: &Pod) -> Option<&Terminated> {
    let ended = pod.containers.iter().filter_map(|container| container.last_termination.as_ref());
    ended.min_by_key(|ended| ended.finished.as_ref().map_or(u64::MAX, |at| at.age_s))
}

/// How a run ended: `exit code 137 (OOMKilled) 3m ago`.
#[must_use]
pub fn ending(ended: &Terminated) -> String {
    let mut text = format!("exit code {}", ended.exit_code);
    if let Some(signal) = ended.signal.filter(|&signal| signal != 0) {
        let _ = write!(text, ", signal {signal}");
    }
    if !ended.reason.is_empty() {
        let _ = write!(text, " ({})", ended.reason);
    }
    if let Some(finished) = &ended.finished {
        let _ = write!(text, " {} ago", age(finished));
    }
    text
}

fn stuck_deletion(pod: &Pod) -> Option<Finding> {
    // The records do not say since when it is being deleted, but since when nothing runs in it.
    let ready = condition(pod, "Ready").filter(|ready| ready.status != "True")?;
    let since_s = ready.changed.as_ref()?.age_s;
    (since_s > DELETION_S).then(|| Finding {
        reason: "StuckTerminating".to_owned(),
        container: None,
        detail: format!(
            "is being deleted and has not been ready for {}: a finalizer, or a node that is gone",
            duration(since_s)
        ),
    })
}

fn failed(pod: &Pod) -> Finding {
    let culprit = pod.containers.iter().find_map(|container| match &container.state {
        ContainerState::Terminated(ended) if ended.exit_code != 0 => Some((container, ended)),
        ContainerState::Terminated(_)
        | ContainerState::Waiting(_)
        | ContainerState::Running(_)
        | ContainerState::Unknown => None,
    });
    let of_culprit = culprit.map(|(container, ended)| ended_badly(container, ended));
    match (pod.reason.as_deref().filter(|reason| !reason.is_empty()), of_culprit) {
        (None, Some(finding)) => finding,
        (reason, culprit) => Finding {
            reason: reason.unwrap_or("Failed").to_owned(),
            detail: said(
                pod.message.as_deref(),
                culprit.as_ref().map_or("the pod ended in failure", |finding| &finding.detail),
            ),
            container: culprit.and_then(|finding| finding.container),
        },
    }
}

fn unscheduled(pod: &Pod) -> Option<Finding> {
    let scheduled = condition(pod, "PodScheduled").filter(|found| found.status != "True")?;
    let reason = scheduled.reason.as_deref().unwrap_or("Pending");
    // A gate is put there on purpose, and taken away by someone.
    if reason == "SchedulingGated" && pod.created.age_s <= START_S {
        return None;
    }
    Some(Finding {
        reason: reason.to_owned(),
        container: None,
        detail: format!(
            "not scheduled for {}: {}",
            age(&pod.created),
            said(scheduled.message.as_deref(), "the scheduler says nothing")
        ),
    })
}

fn worst_container(pod: &Pod) -> Option<Finding> {
    let findings = pod.containers.iter().filter_map(|container| of_container(pod, container));
    findings.min_by_key(|(rank, _)| *rank).map(|(_, finding)| finding)
}

fn of_container(pod: &Pod, container: &Container) -> Option<(Rank, Finding)> {
    match &container.state {
        ContainerState::Waiting(waiting) => of_waiting(pod, container, waiting),
        ContainerState::Terminated(ended) if ended.exit_code != 0 => {
            Some((Rank::Broken, ended_badly(container, ended)))
        }
        ContainerState::Terminated(_) => None,
        ContainerState::Running(started) => of_running(pod, container, started),
        ContainerState::Unknown => {
            let since_s = since_scheduled_s(pod);
            (since_s > START_S).then(|| {
                let detail = format!("no state of the container for {}", duration(since_s));
                (Rank::Slow, blamed(container, "Pending", &detail))
            })
        }
    }
}

fn of_waiting(pod: &Pod, container: &Container, waiting: &Waiting) -> Option<(Rank, Finding)> {
    if matches!(waiting.reason.as_str(), "" | "ContainerCreating" | "PodInitializing") {
        // While init containers run, those that wait for them are not the news.
        let since_s = since_scheduled_s(pod);
        let blocked = waiting.reason == "PodInitializing" && !container.init;
        return (since_s > START_S && !blocked).then(|| {
            let reason = if waiting.reason.is_empty() { "Waiting" } else { &waiting.reason };
            let stuck = format!("has not started for {}; the events say why", duration(since_s));
            (Rank::Slow, blamed(container, reason, &said(waiting.message.as_deref(), &stuck)))
        });
    }
    let mut detail = said(waiting.message.as_deref(), "it cannot start");
    if let Some(ended) = &container.last_termination {
        detail = format!("last run: {}; {detail}", ending(ended));
    }
    Some((Rank::Broken, blamed(container, &waiting.reason, &detail)))
}

fn of_running(pod: &Pod, container: &Container, started: &Moment) -> Option<(Rank, Finding)> {
    if let Some(ended) = &container.last_termination {
        let ended_s = ended.finished.as_ref().map_or(started.age_s, |at| at.age_s);
        if ended.reason == "OOMKilled" && ended_s <= OOM_RECENT_S {
            let detail = format!("restarts: {}, last {}", container.restart_count, ending(ended));
            return Some((Rank::Dying, blamed(container, "OOMKilled", &detail)));
        }
        if container.restart_count >= RESTARTS_MANY && ended_s <= RESTART_RECENT_S {
            let detail = format!("restarts: {}, last {}", container.restart_count, ending(ended));
            return Some((Rank::Dying, blamed(container, "Restarting", &detail)));
        }
    }
    if container.ready {
        return None;
    }
    if container.init {
        // A sidecar is ready once it runs; what is not holds the pod up.
        return (pod.phase == "Pending" && started.age_s > START_S).then(|| {
            let detail = format!("still running after {}", age(started));
            (Rank::Slow, blamed(container, "Running", &detail))
        });
    }
    let unready_s = condition(pod, "Ready")
        .filter(|ready| ready.status != "True")
        .and_then(|ready| ready.changed.as_ref())
        .map_or(started.age_s, |changed| changed.age_s.min(started.age_s));
    (unready_s > READY_S).then(|| {
        let detail =
            format!("runs for {} but has not been ready for {}", age(started), duration(unready_s));
        (Rank::Unready, blamed(container, "NotReady", &detail))
    })
}

/// All containers are ready and the pod is not: a readiness gate, or a node that is gone.
fn unready(pod: &Pod) -> Option<Finding> {
    let ready = condition(pod, "Ready").filter(|ready| ready.status != "True")?;
    let of_containers: Vec<&Container> = pod.containers.iter().filter(|c| !c.init).collect();
    let all_ready = !of_containers.is_empty() && of_containers.iter().all(|c| c.ready);
    let since_s = ready.changed.as_ref().map_or(pod.created.age_s, |changed| changed.age_s);
    (pod.phase == "Running" && all_ready && since_s > READY_S).then(|| Finding {
        reason: "NotReady".to_owned(),
        container: None,
        detail: format!(
            "all containers are ready, the pod is not, for {}: {}",
            duration(since_s),
            said(ready.message.as_deref(), ready.reason.as_deref().unwrap_or("no reason given"))
        ),
    })
}

fn ended_badly(container: &Container, ended: &Terminated) -> Finding {
    let reason = if ended.reason.is_empty() { "Error" } else { &ended.reason };
    let mut detail = ending(ended);
    if let Some(message) = &ended.message {
        detail = format!("{detail}: {}", cut(&one_line(message), MESSAGE_CHARS_MAX));
    }
    blamed(container, reason, &detail)
}

fn blamed(container: &Container, reason: &str, detail: &str) -> Finding {
    let (prefix, word) =
        if container.init { ("Init:", "init container") } else { ("", "container") };
    Finding {
        reason: format!("{prefix}{reason}"),
        container: Some(container.name.clone()),
        detail: format!("{word} `{}`: {detail}", container.name),
    }
}

fn since_scheduled_s(pod: &Pod) -> u64 {
    let scheduled = condition(pod, "PodScheduled").and_then(|found| found.changed.as_ref());
    scheduled.unwrap_or(&pod.created).age_s
}

/// The message, in one line and not too long, or what to say where there is none.
fn said(message: Option<&str>, otherwise: &str) -> String {
    let message = message.map(one_line).filter(|text| !text.is_empty());
    cut(message.as_deref().unwrap_or(otherwise), MESSAGE_CHARS_MAX)
}

#[cfg(test)]
mod tests;
