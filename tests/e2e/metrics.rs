//! metrics.k8s.io is served, as the tools that read it expect.

use serde_json::Value;

use crate::cluster::wait_for;
use crate::space::Space;
use crate::workloads::deployed;

#[tokio::test]
async fn a_pod_is_measured() {
    let space = Space::open("metrics").await;
    deployed(&space, "busy", 1, "while true; do :; done").await;
    let path = format!(
        "/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods?labelSelector=app%3Dbusy",
        space.name
    );
    let measured = wait_for("the pod is measured", async || {
        let request = http::Request::get(&path).body(Vec::new()).unwrap();
        let list: Value = space.cluster.client.request(request).await.expect("a list");
        list["items"].as_array().and_then(|items| items.first()).cloned()
    })
    .await;
    let usage = &measured["containers"][0]["usage"];
    let is_quantity = |text: &Value| text.as_str().is_some_and(|t| t.starts_with(char::is_numeric));
    assert!(is_quantity(&usage["cpu"]) && is_quantity(&usage["memory"]), "{measured}");
}
