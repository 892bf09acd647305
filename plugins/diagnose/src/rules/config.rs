//! Config maps, secrets and keys in them that are not there.

use crate::facts::{Facts, event, has_volumes, status_of, waiting};
use crate::finding::{Certainty, Finding};
use crate::rules::one_each;
use toolgate_sdk::one_line;

const NEXT: &str = "Create it, or correct the reference: list_resources shows what config maps and \
                    secrets there are, with their keys.";

/// A container or volume refers to configuration that is not there.
pub(super) fn missing(facts: &Facts) -> Vec<Finding> {
    let of_containers = facts.containers().filter_map(|(pod, container)| {
        let waiting = waiting(container).filter(|w| w.reason == "CreateContainerConfigError")?;
        let said = waiting.message.as_deref().unwrap_or_default();
        let what = absent(said).unwrap_or_else(|| one_line(said));
        let sentence = format!("container `{}` cannot be configured: {what}", container.name);
        Some(
            Finding::new("missing_config", Certainty::Certain, &sentence)
                .of(&pod.name, Some(&container.name))
                .seen(status_of(pod, container), &format!("{}: {said}", waiting.reason))
                .all_seen(facts.suspicion(pod))
                .next(NEXT),
        )
    });
    let of_volumes = facts.live().filter_map(|pod| {
        if has_volumes(pod) {
            return None;
        }
        let (found, what) = facts
            .events_of(&pod.name)
            .filter(|event| event.reason == "FailedMount")
            .find_map(|event| Some((event, absent(&event.message)?)))?;
        let sentence = format!("a volume of pod `{}` cannot be filled: {what}", pod.name);
        Some(
            Finding::new("missing_config", Certainty::Certain, &sentence)
                .of(&pod.name, None)
                .all_seen([event(found)])
                .all_seen(facts.suspicion(pod))
                .next(NEXT),
        )
    });
    one_each(of_containers.chain(of_volumes))
}

/// What is missing, from what the kubelet says.
pub(super) fn absent(message: &str) -> Option<String> {
    for kind in ["configmap", "secret"] {
        // `configmap "web" not found`
        if let Some((_, rest)) = message.split_once(&format!("{kind} \""))
            && let Some((name, rest)) = rest.split_once('"')
            && rest.trim_start().starts_with("not found")
        {
            return Some(format!("there is no {} `{name}`", word(kind)));
        }
    }
    // `couldn't find key port in ConfigMap shop/web`
    if let Some((_, rest)) = message.split_once("couldn't find key ") {
        let (key, rest) = rest.split_once(" in ")?;
        let (kind, name) = rest.split_once(' ')?;
        let name = name.split_whitespace().next().unwrap_or(name);
        return Some(format!("there is no key `{key}` in {} `{name}`", word(&kind.to_lowercase())));
    }
    // `references non-existent config key: port`
    let (_, rest) = message.split_once("references non-existent ")?;
    let (kind, key) = rest.split_once(" key: ")?;
    let kind = if kind.contains("secret") { "secret" } else { "configmap" };
    let key = key.split_whitespace().next().unwrap_or(key);
    Some(format!("there is no key `{key}` in its {}", word(kind)))
}

fn word(kind: &str) -> &'static str {
    if kind == "secret" { "secret" } else { "config map" }
}
