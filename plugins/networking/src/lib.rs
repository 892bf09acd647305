//! Where traffic ends that should not: services, ingresses, network policies.
//!
//! This room owns what makes a service or ingress lead nowhere. It sends no packet: what is said
//! follows from the objects alone.

mod ingresses;
mod policies;
mod services;

use toolgate_sdk::object;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::Error;

/// Objects of one kind that are looked at.
const OBJECTS_MAX: usize = 2_000;

toolgate_sdk::plugin! {
    tool(
        "check_services",
        "Check services",
        "Services without a ready endpoint, and why: no pod matches the selector, pods are not \
         ready, or the port is none of theirs.",
        services::check_services
    ),
    tool(
        "list_ingresses",
        "List ingresses",
        "Ingresses with hosts, paths and backends, and which backends or ports do not exist. \
         Those with a problem come first.",
        ingresses::list_ingresses
    ),
    tool(
        "explain_network_policies",
        "Explain network policies",
        "Which network policies select a pod, and what they let in and out. Without one, all \
         traffic is allowed.",
        policies::explain_network_policies
    ),
}

/// All objects of a kind, and whether there are more.
fn list(
    cluster: Option<&str>,
    kind: &str,
    namespace: Option<&str>,
    fields: &[&str],
) -> Result<(Vec<Value>, bool), Error> {
    object::list(cluster, kind, namespace, fields, OBJECTS_MAX)
}

/// That a list was cut at its bound, and what to do about it.
fn more(what: &str, within: Option<&str>) -> String {
    let hint = if within.is_none() { ": name a `namespace`" } else { "" };
    format!("There are more {what} than the {OBJECTS_MAX} that were looked at{hint}.")
}

#[cfg(test)]
mod tests {
    use toolgate_sdk::Guest as _;

    use super::*;

    #[test]
    fn offers_these_definitions() {
        expect_test::expect_file!["../definitions.txt"]
            .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
    }
}
