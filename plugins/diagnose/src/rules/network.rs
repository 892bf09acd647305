//! Services that lead nowhere.

use toolgate_sdk::object::{Fields as _, scalar};
use toolgate_sdk::serde_json::Value;

use crate::facts::{Facts, works};
use crate::finding::{Certainty, Finding};

/// A service of the workload has no ready endpoints.
pub(super) fn without_endpoints(facts: &Facts) -> Vec<Finding> {
    // Nothing is meant to run: that is told elsewhere.
    if facts.desired() == Some(0) || facts.pods.is_empty() {
        return Vec::new();
    }
    let findings = facts.services.iter().filter_map(|service| of_service(facts, service));
    findings.take(3).collect()
}

fn of_service(facts: &Facts, service: &Value) -> Option<Finding> {
    let name = service.text("metadata.name");
    let selector: Vec<(&str, &Value)> = service.entries("spec.selector").collect();
    if selector.is_empty() || service.text("spec.type") == "ExternalName" {
        return None;
    }
    let shown: Vec<String> = selector.iter().map(|(k, v)| format!("{k}={}", scalar(v))).collect();
    let shown = shown.join(",");
    let matches = selector.iter().all(|(key, value)| facts.labels.key(key) == *value);
    if !matches {
        // Of the same name, and nothing behind it: it was meant for this workload.
        return (name == facts.name && ready(facts, name) == Some(0)).then(|| {
            let sentence =
                format!("service `{name}` selects `{shown}`, which the pods do not have");
            Finding::new("service_without_endpoints", Certainty::Likely, &sentence)
                .seen(format!("selector of service {name}"), &shown)
                .seen("labels of the pods", &facts.labels.to_string())
                .next("Correct the selector of the service, or the labels of the pods: check_services.")
        });
    }
    if ready(facts, name)? > 0 {
        return None;
    }
    if let Some(port) = unknown_port(facts, service) {
        let sentence = format!(
            "service `{name}` leads to the port `{port}`, which no container of the pods names"
        );
        return Some(
            Finding::new("service_without_endpoints", Certainty::Certain, &sentence)
                .seen(format!("targetPort of service {name}"), &port)
                .next("Correct targetPort of the service or the names of the container ports."),
        );
    }
    let any_works = facts.live().any(works);
    let certainty = if any_works { Certainty::Likely } else { Certainty::Possible };
    let why = if any_works { "although pods are ready" } else { "because no pod is ready" };
    let sentence = format!("service `{name}` has no ready endpoint, {why}");
    Some(
        Finding::new("service_without_endpoints", certainty, &sentence)
            .seen(format!("endpoint slices of {name}"), "0 ready endpoints")
            .next("First make the pods ready; then check_services."),
    )
}

/// Ready endpoints of a service; none where its slices could not be read.
fn ready(facts: &Facts, service: &str) -> Option<usize> {
    if facts.gaps.iter().any(|(what, _)| what == "EndpointSlice") {
        return None;
    }
    let slices = facts
        .slices
        .iter()
        .filter(|slice| slice.at("metadata.labels").key("kubernetes.io/service-name") == service);
    let endpoints = slices.flat_map(|slice| slice.items("endpoints"));
    Some(endpoints.filter(|e| e.at("conditions.ready").as_bool().unwrap_or(true)).count())
}

/// A named target port that no container has.
fn unknown_port(facts: &Facts, service: &Value) -> Option<String> {
    let containers = facts.spec.items("containers");
    let named = |name: &str| {
        containers
            .iter()
            .flat_map(|container| container.items("ports"))
            .any(|port| port.text("name") == name)
    };
    let targets = service.items("spec.ports").iter().map(|port| port.text("targetPort"));
    if containers.is_empty() {
        return None;
    }
    targets.filter(|name| !name.is_empty()).find(|name| !named(name)).map(str::to_owned)
}
