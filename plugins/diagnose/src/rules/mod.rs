//! The causes: a table of rules, each a pure function of the facts.

mod config;
mod crash;
mod creation;
mod deletion;
mod disk;
mod failed;
mod image;
mod memory;
mod network;
mod probes;
mod readiness;
mod scheduling;
mod state;
mod volumes;

use crate::facts::Facts;
use crate::finding::Finding;

/// Findings in one report.
const FINDINGS_MAX: usize = 8;

type Rule = fn(&Facts) -> Vec<Finding>;

/// In the order in which causes of equal certainty are reported: what explains others first.
const RULES: &[Rule] = &[
    memory::oom_killed,
    disk::evicted,
    disk::no_space,
    failed::pods,
    image::pull_fails,
    config::missing,
    crash::cannot_start,
    scheduling::unschedulable,
    volumes::not_mounted,
    volumes::unbound,
    creation::refused,
    readiness::node_lost,
    probes::kills,
    probes::unready,
    readiness::held_back,
    crash::init_fails,
    crash::after_deploy,
    crash::loops,
    deletion::stuck,
    state::stopped,
    state::job_failed,
    network::without_endpoints,
];

/// A crash is only reported as such where nothing says why.
const EXPLAINS_CRASH: &[&str] = &[
    "oom_killed",
    "liveness_probe",
    "container_cannot_start",
    "crash_after_deploy",
    "disk_full",
    "evicted",
    "pod_failed",
];
/// What follows from pods that do not work is not a cause of its own.
const FOLLOWS: &[&str] = &["service_without_endpoints", "job_failed"];

/// All causes that the facts show, most certain first.
pub(crate) fn diagnose(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = RULES.iter().flat_map(|rule| rule(facts)).collect();
    let found: Vec<(&str, Option<String>, Option<String>)> = findings
        .iter()
        .map(|finding| (finding.cause, finding.pod.clone(), finding.container.clone()))
        .collect();
    // What befell a whole pod explains the crashes in that pod only.
    let explained = |finding: &Finding| {
        found.iter().any(|(cause, pod, of)| {
            *cause != finding.cause
                && EXPLAINS_CRASH.contains(cause)
                && (of == &finding.container || (of.is_none() && pod == &finding.pod))
        })
    };
    findings.retain(|finding| match finding.cause {
        // Out of memory after a deployment stays out of memory, with the revision as evidence.
        "crash_loop" | "crash_after_deploy" => !explained(finding),
        _ => true,
    });
    let has_root = findings.iter().any(|finding| !FOLLOWS.contains(&finding.cause));
    findings.retain(|finding| finding.cause != "job_failed" || !has_root);
    findings.sort_by_key(|finding| (finding.certainty, FOLLOWS.contains(&finding.cause)));
    findings.truncate(FINDINGS_MAX);
    findings
}

/// One finding for each container name: replicas fail alike.
fn one_each(findings: impl IntoIterator<Item = Finding>) -> Vec<Finding> {
    let mut kept: Vec<Finding> = Vec::new();
    for finding in findings {
        let seen = |other: &Finding| {
            (other.cause, &other.container) == (finding.cause, &finding.container)
        };
        if !kept.iter().any(seen) {
            kept.push(finding);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
