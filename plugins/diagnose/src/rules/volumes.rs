//! Volumes that are not there, or cannot be mounted.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::Pod;
use toolgate_sdk::object::Fields as _;
use toolgate_sdk::serde_json::Value;

use crate::facts::{Facts, condition, event, has_volumes};
use crate::finding::{Certainty, Finding};
use crate::rules::{config, scheduling};

/// A volume cannot be attached or mounted.
pub(super) fn not_mounted(facts: &Facts) -> Vec<Finding> {
    let found = facts.live().find_map(|pod| {
        let scheduled = condition(pod, "PodScheduled").is_some_and(|c| c.status == "True");
        if has_volumes(pod) || !scheduled {
            return None;
        }
        let failed = facts.events_of(&pod.name).find(|event| {
            matches!(event.reason.as_str(), "FailedMount" | "FailedAttachVolume" | "FailedMapVolume")
                && config::absent(&event.message).is_none()
        })?;
        let elsewhere = failed.message.contains("Multi-Attach");
        let why = if elsewhere {
            "it is attached to another node and only one may have it"
        } else {
            "see the evidence"
        };
        let sentence = format!("a volume of pod `{}` cannot be mounted: {why}", pod.name);
        let finding = Finding::new("volume_not_mounted", Certainty::Certain, &sentence)
            .of(&pod.name, None)
            .all_seen([event(failed)])
            .next(
                "Look at the claim and its volume with get_resource, and at the events of the claim \
                 with get_recent_events.",
            );
        // Configuration that is missing is a cause of its own; the timeout is what follows.
        let missing = facts
            .events_of(&pod.name)
            .any(|event| event.reason == "FailedMount" && config::absent(&event.message).is_some());
        (!missing).then_some(finding)
    });
    found.into_iter().collect()
}

/// A claim of the workload is not bound.
pub(super) fn unbound(facts: &Facts) -> Vec<Finding> {
    let pending_pod = facts.live().find(|pod| pod.phase == "Pending");
    let claims = facts.claims.iter().filter(|claim| match claim.text("status.phase") {
        "Pending" => !waits_for_pod(facts, claim),
        phase => phase == "Lost",
    });
    let Some(pod) = pending_pod else { return Vec::new() };
    let elsewhere = is_refused_otherwise(pod);
    let findings = claims.map(|claim| {
        let (name, phase) = (claim.text("metadata.name"), claim.text("status.phase"));
        let class = claim.text("spec.storageClassName");
        let class = if class.is_empty() { "none" } else { class };
        let phase_low = phase.to_lowercase();
        // Which of both waits for the other is not told.
        let (certainty, what) = if phase == "Pending" && elsewhere {
            (Certainty::Possible, "which may be because its pods have no node")
        } else {
            (Certainty::Certain, "so its pods wait")
        };
        let sentence = format!("the volume claim `{name}` is {phase_low}, {what}");
        Finding::new("volume_unbound", certainty, &sentence)
            .of(&pod.name, None)
            .seen(
                format!("status of claim {name}"),
                &format!("phase {phase}, storage class {class}"),
            )
            .all_seen(events_of(facts, name).take(2).map(event))
            .next("Look at the claim with get_resource, and at storage classes and volumes.")
    });
    findings.take(2).collect()
}

/// Whether the claim waits for a node to be chosen for its pod, as its storage class wants it: then
/// the pod is not held up by the claim.
fn waits_for_pod(facts: &Facts, claim: &Value) -> bool {
    let newest = events_of(facts, claim.text("metadata.name")).next();
    newest.is_some_and(|event| {
        matches!(event.reason.as_str(), "WaitForFirstConsumer" | "WaitForPodScheduled")
    })
}

/// Whether the scheduler refuses the pod, and for nothing that has to do with volumes.
fn is_refused_otherwise(pod: &Pod) -> bool {
    let scheduled = condition(pod, "PodScheduled").filter(|found| found.status != "True");
    let message = scheduled.and_then(|found| found.message.as_deref()).unwrap_or_default();
    let reasons = scheduling::reasons(message);
    !reasons.is_empty() && !reasons.iter().any(|reason| reason.contains("volume"))
}

/// Events about a claim, newest first.
fn events_of<'a>(facts: &'a Facts, claim: &'a str) -> impl Iterator<Item = &'a Event> {
    facts.events.iter().filter(move |event| {
        event.involved_kind == "PersistentVolumeClaim" && event.involved_name == claim
    })
}
