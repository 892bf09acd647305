//! Images that cannot be pulled.

use crate::facts::{Facts, event, status_of, waiting};
use crate::finding::{Certainty, Finding};
use crate::rules::one_each;

const REASONS: [&str; 6] = [
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

/// An image does not come.
pub(super) fn pull_fails(facts: &Facts) -> Vec<Finding> {
    one_each(facts.containers().filter_map(|(pod, container)| {
        let waiting = waiting(container).filter(|w| REASONS.contains(&w.reason.as_str()))?;
        let failed = facts.events_of(&pod.name).find(|event| {
            event.reason == "Failed"
                && event.message.contains(&container.image)
                && event.message.starts_with("Failed to pull")
        });
        let said = waiting.message.as_deref().unwrap_or_default();
        let both = format!("{said} {}", failed.map_or("", |event| event.message.as_str()));
        let why = why(&waiting.reason, &both);
        let sentence = format!(
            "the image `{}` of container `{}` cannot be pulled: {why}",
            container.image, container.name
        );
        Some(
            Finding::new("image_pull", Certainty::Certain, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(status_of(pod, container), &format!("{}: {said}", waiting.reason))
                .all_seen(failed.map(event))
                .all_seen(facts.suspicion(pod))
                .next(
                    "Correct the image or the pull secret; if a rollout brought it, go back: \
                     rollout_status shows the revisions.",
                ),
        )
    }))
}

fn why(reason: &str, message: &str) -> &'static str {
    let message = message.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| message.contains(word));
    match reason {
        "InvalidImageName" => return "the name is not one of an image",
        "ErrImageNeverPull" => return "it is not on the node, and the policy is never to pull",
        _ => {}
    }
    // Registries answer so for what is private and for what is not there.
    if has(&["may require", "insufficient_scope"]) {
        "there is no such repository, or no permission to pull it"
    } else if has(&["unauthorized", "authentication required", "403 forbidden", "denied"]) {
        "the registry refuses the credentials"
    } else if has(&["no such host", "i/o timeout", "connection refused", "deadline exceeded"]) {
        "the registry cannot be reached"
    } else if has(&["x509", "certificate"]) {
        "the registry's certificate is not trusted"
    } else if has(&["too many requests", "toomanyrequests"]) {
        "the registry limits the rate of pulls"
    } else if has(&["not found", "manifest unknown", "does not exist"]) {
        "there is no such image or tag"
    } else {
        "see the evidence"
    }
}
