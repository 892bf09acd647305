//! Probes: those that kill, and those that keep a pod out of its services.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::Container;
use toolgate_sdk::object::Fields as _;
use toolgate_sdk::prelude::*;

use crate::facts::{Facts, event, running_s, status_of};
use crate::finding::{Certainty, Finding};
use crate::rules::one_each;

/// Older events are about a trouble that may be over.
const RECENT_S: u64 = 1_800;
/// How long a container may run before being unready is a trouble: probes need a few periods.
const READY_S: u64 = 60;

const NEXT: &str = "See what the program waits for with get_workload_logs; compare path and port of \
                    the probe with get_resource.";
const NEXT_AFTER_DEPLOY: &str = "See what the program waits for with get_workload_logs; to go back to \
                                 the revision before, rollback_deployment, after rollout_status.";

/// A liveness or startup probe has its container killed.
pub(super) fn kills(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter_map(|(pod, container)| {
        let events = || facts.events_of(&pod.name).filter(|e| e.last_seen.age_s <= RECENT_S);
        let killing = events().find(|event| {
            event.reason == "Killing"
                && event.message.contains(&format!("ontainer {} failed ", container.name))
                && event.message.contains("probe")
        });
        let failed = |kind| events().find(|event| is_failure(event, kind));
        let (probe, failed) = [("startup", "Startup"), ("liveness", "Liveness")]
            .into_iter()
            .find_map(|(word, kind)| Some((word, failed(kind)?)))?;
        let kind = format!("{probe}Probe");
        if container.restart_count == 0 || probe_of(facts, container, &kind).is_none() {
            return None;
        }
        let certainty = if killing.is_some() { Certainty::Certain } else { Certainty::Likely };
        let sentence = format!(
            "the {probe} probe of container `{}` fails and has it restarted",
            container.name
        );
        let restarts = format!("restarts: {}", container.restart_count);
        Some(
            Finding::new("liveness_probe", certainty, &sentence)
                .of(&pod.name, Some(&container.name))
                .all_seen([event(failed)])
                .all_seen(killing.map(event))
                .seen(status_of(pod, container), &restarts)
                .seen(kind.clone(), &settings(facts, container, &kind))
                .all_seen(facts.suspicion(pod))
                .all_seen(facts.log_of(&pod.name, &container.name))
                .next(
                    "Compare the probe with what the program serves: get_resource for the probe, \
                     get_workload_logs for the program; give it more time or another path or port.",
                ),
        )
    }))
}

/// A readiness probe keeps a running container unready.
pub(super) fn unready(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter_map(|(pod, container)| {
        let running_s = running_s(container).filter(|_| !container.ready && !container.init)?;
        let probe = probe_of(facts, container, "readinessProbe")?;
        let failed = facts
            .events_of(&pod.name)
            .find(|event| event.last_seen.age_s <= RECENT_S && is_failure(event, "Readiness"));
        // Give the first probes their time, unless the cluster itself has waited long enough.
        let is_first_run = container.restart_count == 0;
        let given_up = facts.is_stuck() && (failed.is_some() || is_first_run);
        let waited = running_s > READY_S || given_up;
        if !waited || (failed.is_none() && probe.is_empty()) {
            return None;
        }
        let certainty = if failed.is_some() { Certainty::Certain } else { Certainty::Likely };
        let (since, next) = match facts.suspect(pod) {
            Some(revision) => {
                let (number, age) = (revision.number, age(&revision.created));
                (format!(", since revision {number} ({age} ago)"), NEXT_AFTER_DEPLOY)
            }
            None => (String::new(), NEXT),
        };
        let sentence = format!(
            "container `{}` runs for {} and its readiness probe does not pass{since}",
            container.name,
            duration(running_s)
        );
        Some(
            Finding::new("readiness_probe", certainty, &sentence)
                .of(&pod.name, Some(&container.name))
                .all_seen(failed.map(event))
                .seen("readinessProbe", &probe)
                .all_seen(facts.suspicion(pod))
                .all_seen(facts.log_of(&pod.name, &container.name))
                .next(next),
        )
    }))
}

fn is_failure(event: &Event, kind: &str) -> bool {
    event.reason == "Unhealthy" && event.message.starts_with(&format!("{kind} probe"))
}

/// The probe's settings, where the container has that probe.
fn probe_of(facts: &Facts, container: &Container, kind: &str) -> Option<String> {
    let list = if container.init { "initContainers" } else { "containers" };
    // Without a specification, events decide alone.
    if facts.spec.items(list).is_empty() {
        return Some(String::new());
    }
    let spec = facts.spec.items(list).iter().find(|spec| spec.text("name") == container.name)?;
    let probe = spec.at(kind);
    (!probe.is_null()).then(|| probe.to_string())
}

fn settings(facts: &Facts, container: &Container, kind: &str) -> String {
    probe_of(facts, container, kind).unwrap_or_default()
}
