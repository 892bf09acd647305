//! Nodes.

use k8s_openapi::api::core::v1::{Node as Object, Taint};

use super::{condition, pairs, quantities, text, time};
use crate::capability::kubernetes::Node;

/// Every label of this prefix names a role.
const ROLE_PREFIX: &str = "node-role.kubernetes.io/";

/// The label of clusters from before the prefix.
const ROLE_LABEL: &str = "kubernetes.io/role";

/// A node.
pub(in crate::backend::kubernetes) fn node(object: &Object) -> Node {
    let Object { metadata, spec, status } = object;
    let spec = spec.as_ref();
    let status = status.as_ref();
    let info = status.and_then(|status| status.node_info.as_ref());
    let addresses = status.and_then(|status| status.addresses.as_deref()).unwrap_or_default();
    let conditions = status.and_then(|status| status.conditions.as_deref()).unwrap_or_default();
    let labels = pairs(metadata.labels.as_ref());
    Node {
        name: text::message(metadata.name.as_deref().unwrap_or_default()),
        roles: labels.iter().filter_map(role).collect(),
        labels,
        created: time(metadata.creation_timestamp.as_ref()),
        unschedulable: spec.is_some_and(|spec| spec.unschedulable == Some(true)),
        taints: spec
            .and_then(|spec| spec.taints.as_deref())
            .unwrap_or_default()
            .iter()
            .map(taint)
            .collect(),
        kubelet_version: text::message(info.map_or("", |info| &info.kubelet_version)),
        os_image: text::message(info.map_or("", |info| &info.os_image)),
        internal_ip: addresses
            .iter()
            .find(|address| address.type_ == "InternalIP")
            .map(|address| text::message(&address.address)),
        capacity: quantities(status.and_then(|status| status.capacity.as_ref())),
        allocatable: quantities(status.and_then(|status| status.allocatable.as_ref())),
        conditions: conditions
            .iter()
            .map(|from| {
                condition(
                    &from.type_,
                    &from.status,
                    from.reason.as_ref(),
                    from.message.as_ref(),
                    from.last_transition_time.as_ref(),
                )
            })
            .collect(),
    }
}

fn role((key, value): &(String, String)) -> Option<String> {
    match key.strip_prefix(ROLE_PREFIX) {
        Some(role) if !role.is_empty() => Some(role.to_owned()),
        _ => (key == ROLE_LABEL && !value.is_empty()).then(|| value.clone()),
    }
}

fn taint(taint: &Taint) -> String {
    let Taint { key, value, effect, .. } = taint;
    let value = value.as_deref().filter(|value| !value.is_empty());
    let shown = match value {
        Some(value) => format!("{key}={value}:{effect}"),
        None => format!("{key}:{effect}"),
    };
    text::message(&shown)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object;
    use super::*;

    #[test]
    fn takes_roles_taints_and_the_internal_address() {
        let node = node(&object(json!({
            "metadata": { "name": "n1", "labels": {
                "node-role.kubernetes.io/control-plane": "",
                "kubernetes.io/role": "old",
                "zone": "a",
            } },
            "spec": { "unschedulable": true, "taints": [
                { "key": "dedicated", "value": "gpu", "effect": "NoSchedule" },
                { "key": "node.kubernetes.io/unreachable", "effect": "NoExecute" },
            ] },
            "status": {
                "addresses": [
                    { "type": "Hostname", "address": "n1" },
                    { "type": "InternalIP", "address": "10.0.0.1" },
                ],
                "capacity": { "cpu": "4" },
                "conditions": [{ "type": "Ready", "status": "Unknown", "reason": "NodeStatusUnknown" }],
            },
        })));
        assert_eq!(node.roles, ["old", "control-plane"]);
        assert_eq!(
            node.taints,
            ["dedicated=gpu:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]
        );
        assert_eq!(node.internal_ip.as_deref(), Some("10.0.0.1"));
        assert!(node.unschedulable);
        assert_eq!(node.conditions.first().map(|c| c.status.as_str()), Some("Unknown"));
    }
}
