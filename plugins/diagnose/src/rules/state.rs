//! Workloads that do nothing because they are told so, and jobs that gave up.

use toolgate_sdk::object::Fields as _;

use crate::facts::{Facts, Kind, condition_of};
use crate::finding::{Certainty, Finding};

/// Scaled to nothing, paused or suspended.
pub(super) fn stopped(facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    let scaled = matches!(facts.kind, Kind::Deployment | Kind::StatefulSet);
    if scaled && facts.object.int("spec.replicas") == Some(0) {
        let finding = Finding::new(
            "scaled_to_zero",
            Certainty::Certain,
            "it is scaled to zero, so nothing runs",
        )
        .seen("spec.replicas", "0")
        .next("See who did it with find_recent_changes; scale_deployment brings it back.");
        findings.push(finding);
    }
    let behind = facts.rollout.as_ref().is_some_and(|rollout| rollout.updated < rollout.desired);
    if facts.kind == Kind::Deployment && facts.object.flag("spec.paused") && behind {
        let finding = Finding::new(
            "rollout_paused",
            Certainty::Certain,
            "its rollout is paused, so that what was changed is not rolled out",
        )
        .seen("spec.paused", "true")
        .next("Someone paused it on purpose: ask who with find_recent_changes.");
        findings.push(finding);
    }
    if facts.kind == Kind::Job && facts.object.flag("spec.suspend") {
        let finding = Finding::new("suspended", Certainty::Certain, "the job is suspended")
            .seen("spec.suspend", "true")
            .next("Someone suspended it on purpose: get_resource.");
        findings.push(finding);
    }
    findings
}

/// A job that ended in failure.
pub(super) fn job_failed(facts: &Facts) -> Vec<Finding> {
    let failed = condition_of(&facts.object, "Failed")
        .filter(|condition| facts.kind == Kind::Job && condition.text("status") == "True");
    let Some(failed) = failed else { return Vec::new() };
    let why = match failed.text("reason") {
        "DeadlineExceeded" => "it took longer than its deadline",
        "BackoffLimitExceeded" => "its pods failed too often",
        _ => "see the evidence",
    };
    let finding = Finding::new("job_failed", Certainty::Certain, &format!("the job failed: {why}"))
        .seen(format!("condition Failed, {}", failed.text("reason")), failed.text("message"))
        .next("Read the logs of its pods: get_workload_logs.");
    vec![finding]
}
