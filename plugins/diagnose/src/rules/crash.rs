//! Containers that end when they should not.

use toolgate_sdk::kubernetes_read::{Container, Pod, Terminated};
use toolgate_sdk::prelude::*;

use crate::facts::{Facts, changed, crashed, ending, running_s, status_of, waiting};
use crate::finding::{Certainty, Finding};
use crate::rules::one_each;

/// How long an init container may run before it is taken to wait for something.
const INIT_S: u64 = 300;
const START_ERRORS: [&str; 4] =
    ["CreateContainerError", "RunContainerError", "StartError", "ContainerCannotRun"];
/// 128 and the number of SIGKILL.
const KILLED: i32 = 137;
const NEXT: &str =
    "Read more of the run that crashed: get_workload_logs, or get_pod_logs with `previous`.";
const NEXT_KILLED: &str = "Look at the node for memory that ran out: get_node_status, and \
                           describe_node for its events; then at the run that ended: get_pod_logs \
                           with `previous`.";

/// The program cannot even be started.
pub(super) fn cannot_start(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter_map(|(pod, container)| {
        let waits = waiting(container).map(|w| (w.reason.as_str(), w.message.as_deref()));
        let ended = crashed(container).map(|e| (e.reason.as_str(), e.message.as_deref()));
        let (reason, message) = [waits, ended]
            .into_iter()
            .flatten()
            .find(|(reason, _)| START_ERRORS.contains(reason))?;
        let message = message.unwrap_or_default();
        let missing = message.contains("executable file not found")
            || message.contains("no such file or directory");
        let why = match (missing, message.contains("permission denied")) {
            (true, _) => "its command is not in the image",
            (_, true) => "its command may not be executed",
            _ => "see the evidence",
        };
        let sentence = format!("container `{}` cannot be started: {why}", container.name);
        Some(
            Finding::new("container_cannot_start", Certainty::Certain, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(status_of(pod, container), &format!("{reason}: {message}"))
                .all_seen(facts.suspicion(pod))
                .next("Compare command and image with get_resource and rollout_status."),
        )
    }))
}

/// An init container fails or does not end, and holds the pod up.
pub(super) fn init_fails(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter(|(_, c)| c.init).filter_map(|(pod, container)| {
        let (certainty, what, seen) = match (failure(container), running_s(container)) {
            (Some(ended), _) => (Certainty::Certain, "fails".to_owned(), ending(ended)),
            (None, Some(age_s)) if age_s > INIT_S && pod.phase == "Pending" && !container.ready => {
                let what = format!("does not end since {}", duration(age_s));
                (Certainty::Likely, what, "running".to_owned())
            }
            _ => return None,
        };
        let sentence = format!(
            "init container `{}` {what}, so the others of pod `{}` do not start",
            container.name, pod.name
        );
        Some(
            Finding::new("init_container", certainty, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(
                    status_of(pod, container),
                    &format!("{seen}; restarts: {}", container.restart_count),
                )
                .all_seen(facts.suspicion(pod))
                .all_seen(facts.log_of(&pod.name, &container.name))
                .next("See what it does or waits for with get_pod_logs and `container`."),
        )
    }))
}

/// Containers crash since a newer revision.
pub(super) fn after_deploy(facts: &Facts) -> Vec<Finding> {
    one_each(crashing(facts).filter_map(|(pod, container, ended)| {
        let revision = facts.suspect(pod)?;
        let what = match revision.changes.as_slice() {
            [] => String::new(),
            [first, ..] => format!(", which changed {}", changed(first)),
        };
        let sentence = format!(
            "container `{}` crashes since revision {} ({} ago){what}",
            container.name,
            revision.number,
            age(&revision.created)
        );
        Some(
            Finding::new("crash_after_deploy", Certainty::Likely, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(status_of(pod, container), &told(container, ended))
                .all_seen(facts.suspicion(pod))
                .all_seen(facts.log_of(&pod.name, &container.name))
                .next(
                    "Read the log lines; to go back to the revision before, rollback_deployment, \
                     after rollout_status.",
                ),
        )
    }))
}

/// Containers crash, and nothing else says why.
pub(super) fn loops(facts: &Facts) -> Vec<Finding> {
    one_each(crashing(facts).map(|(pod, container, ended)| {
        let sentence = format!("container `{}` crashes: {}", container.name, meaning(ended));
        let killed = ended.exit_code == KILLED;
        let node = pod.node.as_deref().filter(|_| killed).unwrap_or_default();
        let next = if killed { NEXT_KILLED } else { NEXT };
        Finding::new("crash_loop", Certainty::Certain, &sentence)
            .of(&pod.name, Some(&container.name))
            .seen(status_of(pod, container), &told(container, ended))
            .seen(format!("node of {}", pod.name), node)
            .all_seen(facts.log_of(&pod.name, &container.name))
            .next(next)
    }))
}

fn crashing(facts: &Facts) -> impl Iterator<Item = (&Pod, &Container, &Terminated)> {
    let main = facts.containers().filter(|(_, container)| !container.init);
    main.filter_map(|(pod, container)| Some((pod, container, crashed(container)?)))
}

/// How an init container failed. One that is restarted has ended before.
fn failure(container: &Container) -> Option<&Terminated> {
    crashed(container).filter(|ended| ended.exit_code != 0)
}

fn told(container: &Container, ended: &Terminated) -> String {
    let message = ended.message.as_deref().unwrap_or_default();
    format!("last run: {}; restarts: {} {message}", ending(ended), container.restart_count)
}

/// What an exit code means.
fn meaning(ended: &Terminated) -> String {
    let code = ended.exit_code;
    match code {
        0 => "it ends without an error, but is meant to go on".to_owned(),
        126 => "exit code 126, its command cannot be executed".to_owned(),
        127 => "exit code 127, a command is not found".to_owned(),
        134 => "exit code 134, it aborted".to_owned(),
        // Who killed it is not told: the runtime may miss what the kernel did, or tell it later.
        KILLED => "exit code 137, it was killed (SIGKILL), and the runtime told of no \
                   out-of-memory kill: its node may have run out of memory, or a grace period ran out"
            .to_owned(),
        139 => "exit code 139, a segmentation fault".to_owned(),
        143 => "exit code 143, it was asked to end".to_owned(),
        _ => format!("exit code {code}"),
    }
}
