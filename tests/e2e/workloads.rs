//! What tests put into their namespaces.

use serde_json::{Value, json};

use crate::space::Space;

/// A deployment's manifest: pods that run a shell script, and go at once when they are told to.
pub(crate) fn deployment(space: &Space, name: &str, replicas: u32, script: &str) -> String {
    deployment_of(space, name, replicas, &json!({ "args": [script] })).to_string()
}

/// A deployment's manifest, with a container that is as `container` says. Where that has no
/// command, its `args` are a script.
pub(crate) fn deployment_of(space: &Space, name: &str, replicas: u32, container: &Value) -> Value {
    let mut whole = json!({
        "name": "main",
        "image": space.cluster.box_image,
        "command": ["/bin/sh", "-c"],
    });
    for (key, value) in container.as_object().expect("a container is an object") {
        whole[key] = value.clone();
    }
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": { "name": name, "labels": labels },
        "spec": {
            "replicas": replicas,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": { "terminationGracePeriodSeconds": 0, "containers": [whole] },
            },
        },
    })
}

/// Applies a deployment and waits until each of its pods is there.
pub(crate) async fn deployed(space: &Space, name: &str, replicas: u32, script: &str) {
    space.apply(&deployment(space, name, replicas, script)).await;
    rolled_out(space, name).await;
}

/// Waits until a deployment's rollout is complete, as `kubectl rollout status` judges it.
pub(crate) async fn rolled_out(space: &Space, name: &str) -> Value {
    space.wait(("apps/v1", "Deployment", name), "is rolled out", is_rolled_out).await
}

pub(crate) fn is_rolled_out(deployment: &Value) -> bool {
    let status = &deployment["status"];
    let replicas = &deployment["spec"]["replicas"];
    let all = ["replicas", "updatedReplicas", "availableReplicas"];
    status["observedGeneration"] == deployment["metadata"]["generation"]
        && all.iter().all(|key| &status[*key] == replicas)
}
