//! What tests put into their namespaces.

use serde_json::Value;

use crate::space::Space;

/// A deployment's manifest: pods that run a shell script, and go at once when they are told to.
pub(crate) fn deployment(space: &Space, name: &str, replicas: u32, script: &str) -> String {
    let image = &space.cluster.box_image;
    let script = Value::from(script);
    format!(
        "
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, labels: {{app: {name}}}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: main
        image: {image}
        command: [/bin/sh, -c]
        args: [{script}]
"
    )
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
