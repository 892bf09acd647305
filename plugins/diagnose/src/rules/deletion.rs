//! Deletions that do not end.

use toolgate_sdk::object::{Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::facts::Facts;
use crate::finding::{Certainty, Finding};

/// How long a deletion may take: longer than nearly every grace period.
const DELETION_S: u64 = 600;

/// Something is being deleted for long.
pub(super) fn stuck(facts: &Facts) -> Vec<Finding> {
    let objects = std::iter::once((facts.kind.word(), &facts.object))
        .chain(facts.leaving.iter().map(|pod| ("Pod", pod)));
    let mut findings: Vec<Finding> =
        objects.filter_map(|(kind, object)| of_object(facts, kind, object)).collect();
    findings.dedup_by(|a, b| a.sentence == b.sentence);
    findings.truncate(3);
    findings
}

fn of_object(facts: &Facts, kind: &str, object: &Value) -> Option<Finding> {
    let since_s = facts.clock.age_s(object.text("metadata.deletionTimestamp"))?;
    if since_s <= DELETION_S {
        return None;
    }
    let name = object.text("metadata.name");
    let finalizers: Vec<String> = object.items("metadata.finalizers").iter().map(scalar).collect();
    let since = duration(since_s);
    if finalizers.is_empty() {
        let sentence =
            format!("{kind} `{name}` is being deleted for {since}, and no finalizer holds it");
        return Some(
            Finding::new("stuck_terminating", Certainty::Likely, &sentence)
                .seen(format!("metadata of {name}"), object.text("metadata.deletionTimestamp"))
                .next("A node that is gone, or a program that ignores SIGTERM: get_node_status."),
        );
    }
    let sentence = format!(
        "{kind} `{name}` is being deleted for {since} and waits for {}",
        finalizers.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
    );
    let finding = Finding::new("stuck_finalizer", Certainty::Certain, &sentence)
        .seen(format!("metadata.finalizers of {name}"), &finalizers.join(", "))
        .next("Find out whether the controller of the finalizer runs: list_failing_pods.");
    Some(finding)
}
