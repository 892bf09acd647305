//! Pods that the API server does not let be created.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::object::Fields as _;
use toolgate_sdk::serde_json::Value;

use crate::facts::{Facts, Kind, condition_of, event, has_condition};
use crate::finding::{Certainty, Finding};

/// How long an attempt counts: controllers try again within minutes.
const RECENT_S: u64 = 3_600;

/// The controller may not create the pods that are missing.
pub(super) fn refused(facts: &Facts) -> Vec<Finding> {
    let condition = condition_of(&facts.object, "ReplicaFailure")
        .filter(|condition| condition.text("status") == "True");
    let failed = facts.events.iter().find(|event| {
        matches!(event.reason.as_str(), "FailedCreate" | "FailedCreatePod")
            && event.involved_kind != "Pod"
            && event.last_seen.age_s <= RECENT_S
    });
    // All pods are there: it was refused before, and is not any more.
    let missing = match facts.kind {
        Kind::Job => {
            is_waiting(&facts.object) && failed.is_some_and(|event| is_newest(facts, event))
        }
        Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet | Kind::Pod => {
            facts.desired().is_none_or(|desired| facts.live().count() < desired as usize)
        }
    };
    if !missing && condition.is_none() {
        return Vec::new();
    }
    let message = condition
        .map(|condition| condition.text("message"))
        .filter(|message| !message.is_empty())
        .or(failed.map(|event| event.message.as_str()));
    let Some(message) = message else { return Vec::new() };
    let (cause, why, next) = judge(message);
    let finding =
        Finding::new(cause, Certainty::Certain, &format!("no new pods are created: {why}"))
            .seen(
                format!("condition ReplicaFailure of {}", facts.name),
                condition.map_or("", |condition| condition.text("message")),
            )
            .all_seen(failed.map(event))
            .all_seen(if cause == "quota" { quotas(facts) } else { Vec::new() })
            .next(next);
    vec![finding]
}

/// Whether a job has fewer pods than it should have now, by its own numbers.
fn is_waiting(job: &Value) -> bool {
    if has_condition(job, "Complete") || job.flag("spec.suspend") {
        return false;
    }
    let number = |path| job.int(path).unwrap_or_default();
    let succeeded = number("status.succeeded");
    // It gave up: that matters if none of its pods ever came.
    if has_condition(job, "Failed") {
        return succeeded == 0 && number("status.failed") == 0;
    }
    let at_once = job.int("spec.parallelism").unwrap_or(1);
    let wanted = match job.int("spec.completions") {
        Some(completions) => at_once.min(completions - succeeded),
        // The first pod that ends well ends the work.
        None if succeeded > 0 => 0,
        None => at_once,
    };
    number("status.active") < wanted
}

/// Whether no pod came after the event: what is missing then waits for another try.
fn is_newest(facts: &Facts, event: &Event) -> bool {
    facts.pods.iter().all(|pod| pod.created.age_s >= event.last_seen.age_s)
}

fn judge(message: &str) -> (&'static str, String, &'static str) {
    if let Some((before, _)) = message.split_once("exceeded quota: ").map(|(_, rest)| {
        let end = rest.find(", requested").unwrap_or(rest.len());
        rest.split_at(end)
    }) {
        let next = "Raise the quota or ask for less: get_resource on the ResourceQuota.";
        return ("quota", format!("the quota `{before}` is used up"), next);
    }
    if message.contains("failed quota") {
        let next = "Set requests and limits for what the quota counts: get_resource on the \
                    ResourceQuota.";
        return (
            "quota",
            "a quota demands requests or limits that pods do not have".to_owned(),
            next,
        );
    }
    if message.contains("violates PodSecurity") {
        let next = "Change the pods' security context, or the namespace's level: get_resource.";
        return ("creation_refused", "they violate the namespace's pod security".to_owned(), next);
    }
    if message.contains("serviceaccount") && message.contains("not found") {
        let next = "Create the service account, or name another one: get_resource.";
        return ("creation_refused", "their service account does not exist".to_owned(), next);
    }
    let next = "An admission rule refuses them: read the evidence, then get_resource.";
    ("creation_refused", "the API server refuses them".to_owned(), next)
}

fn quotas(facts: &Facts) -> Vec<(String, String)> {
    let shown = facts.quotas.iter().map(|quota| {
        let rows = quota.entries("status.hard").map(|(resource, hard)| {
            let used = quota.at("status.used").key(resource);
            format!(
                "{resource} {}/{}",
                toolgate_sdk::object::scalar(used),
                toolgate_sdk::object::scalar(hard)
            )
        });
        let text = rows.collect::<Vec<_>>().join(", ");
        (format!("quota {}", quota.text("metadata.name")), text)
    });
    shown.take(3).collect()
}
