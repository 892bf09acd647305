//! Deployments.

use k8s_openapi::api::apps::v1::Deployment as Object;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;

use super::{condition, pairs, rollout, text, time};
use crate::capability::kubernetes::Deployment;

/// A deployment.
pub(in crate::backend::kubernetes) fn deployment(object: &Object) -> Deployment {
    let Object { metadata, spec, status } = object;
    let spec = spec.as_ref();
    let name = |name: Option<&String>| name.map(|name| text::message(name)).unwrap_or_default();
    let containers = spec.and_then(|spec| spec.template.spec.as_ref());
    let conditions = status.as_ref().and_then(|status| status.conditions.as_deref());
    Deployment {
        namespace: name(metadata.namespace.as_ref()),
        name: name(metadata.name.as_ref()),
        uid: name(metadata.uid.as_ref()),
        labels: pairs(metadata.labels.as_ref()),
        created: time(metadata.creation_timestamp.as_ref()),
        selector: spec.map(|spec| selector(&spec.selector)).unwrap_or_default(),
        images: containers
            .map(|spec| spec.containers.as_slice())
            .unwrap_or_default()
            .iter()
            .map(|container| text::message(container.image.as_deref().unwrap_or_default()))
            .collect(),
        paused: spec.is_some_and(|spec| spec.paused == Some(true)),
        rollout: rollout::deployment(object),
        conditions: conditions
            .unwrap_or_default()
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

/// A selector as a list takes it. Empty where the API server would not have stored it: then it
/// says nothing, and is never used to list.
pub(in crate::backend::kubernetes) fn selector(from: &LabelSelector) -> String {
    Selector::try_from(from.clone()).map(|selector| selector.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object;
    use super::*;

    #[test]
    fn writes_the_selector_as_a_list_takes_it() {
        for (from, expected) in [
            (json!({ "matchLabels": { "tier": "front", "app": "web" } }), "app=web,tier=front"),
            (
                json!({ "matchLabels": { "app": "web" }, "matchExpressions": [
                    { "key": "track", "operator": "NotIn", "values": ["canary"] },
                    { "key": "blue", "operator": "DoesNotExist" },
                ] }),
                "app=web,track notin (canary),!blue",
            ),
            (json!({ "matchExpressions": [{ "key": "a", "operator": "Like" }] }), ""),
        ] {
            assert_eq!(selector(&object(from.clone())), expected, "{from}");
        }
    }

    #[test]
    fn takes_images_and_the_pause() {
        let deployment = deployment(&object(json!({
            "metadata": { "namespace": "shop", "name": "web", "uid": "u" },
            "spec": {
                "paused": true, "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
                "template": { "spec": { "containers": [{ "name": "a", "image": "web:1" }] } },
            },
        })));
        assert!(deployment.paused);
        assert_eq!(deployment.images, ["web:1"]);
    }
}
