//! Volumes that are not there, or cannot be mounted.

use toolgate_sdk::object::Fields as _;

use crate::facts::{Facts, condition, event, has_volumes};
use crate::finding::{Certainty, Finding};
use crate::rules::config;

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
    let claims = facts
        .claims
        .iter()
        .filter(|claim| matches!(claim.text("status.phase"), "Pending" | "Lost"));
    let Some(pod) = pending_pod else { return Vec::new() };
    let findings = claims.map(|claim| {
        let (name, phase) = (claim.text("metadata.name"), claim.text("status.phase"));
        let class = claim.text("spec.storageClassName");
        let class = if class.is_empty() { "none" } else { class };
        let sentence =
            format!("the volume claim `{name}` is {}, so its pods wait", phase.to_lowercase());
        let events = facts.events.iter().filter(|event| {
            event.involved_kind == "PersistentVolumeClaim" && event.involved_name == name
        });
        Finding::new("volume_unbound", Certainty::Certain, &sentence)
            .of(&pod.name, None)
            .seen(
                format!("status of claim {name}"),
                &format!("phase {phase}, storage class {class}"),
            )
            .all_seen(events.take(2).map(event))
            .next("Look at the claim with get_resource, and at storage classes and volumes.")
    });
    findings.take(2).collect()
}
