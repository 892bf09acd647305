//! What does not come to its end by itself: sets of the real controllers that wait for a pod that
//! cannot start.

use serde_json::{Value, json};

use super::{Write, approve, ask, finish, house, requested};
use crate::cluster::wait_for;
use crate::space::Space;
use crate::workloads::deployment_of;
use toolgate_tests::House;

/// One pod with this script, of a set of this kind.
async fn apply(space: &Space, kind: &str, script: &str) {
    let mut set = deployment_of(space, "web", 1, &json!({ "args": [script] }));
    set["kind"] = json!(kind);
    let spec = set["spec"].as_object_mut().unwrap();
    if kind == "StatefulSet" {
        spec.insert("serviceName".to_owned(), json!("web"));
    } else {
        spec.remove("replicas");
    }
    space.apply(&set.to_string()).await;
}

async fn is_ready(space: &Space) {
    wait_for("the pod is ready", async || {
        let pods = space.pods("app=web").await;
        let ready = pods.iter().filter(|pod| {
            let status = pod.status.as_ref();
            let statuses = status.and_then(|status| status.container_statuses.as_deref());
            let statuses = statuses.unwrap_or_default();
            pod.metadata.deletion_timestamp.is_none()
                && !statuses.is_empty()
                && statuses.iter().all(|container| container.ready)
        });
        (ready.count() == 1).then_some(())
    })
    .await;
}

async fn crashes(space: &Space) {
    wait_for("the pod crashes", async || {
        let pods = space.pods("app=web").await;
        pods.iter()
            .any(|pod| json!(pod.status).to_string().contains("CrashLoopBackOff"))
            .then_some(())
    })
    .await;
}

fn of_set(tool: &'static str, space: &Space, kind: &str) -> Write {
    Write::of_deployment(tool, space, "web", json!({ "kind": kind }))
}

/// Asks until it is told to be stuck.
async fn is_stuck(house: &House, write: &Write) {
    wait_for("it is stuck", async || {
        let told = ask(house, write).await.unwrap();
        assert_eq!(told["outcome"], "performed", "{told}");
        assert_ne!(told["state"], "complete", "{told}");
        (told["state"] == "stuck").then_some(())
    })
    .await;
}

/// What Kubernetes calls a forced rollback: the template is right again, and nothing happens until
/// somebody deletes the pod.
#[tokio::test]
async fn a_stateful_set_that_went_back_waits_for_its_broken_pod() {
    let space = Space::open("broken-set").await;
    apply(&space, "StatefulSet", "echo one; exec sleep 3600").await;
    is_ready(&space).await;
    apply(&space, "StatefulSet", "exit 1").await;
    crashes(&space).await;
    let house = house(&space, space.cluster.house()).await;
    let back = of_set("rollback_deployment", &space, "statefulset");
    let asked = ask(&house, &back).await.unwrap();
    let warned = asked["warnings"].to_string();
    assert!(warned.contains("pod `web-0` is not ready"), "{warned}");
    approve(&house, &requested(&house, &back).await);
    is_stuck(&house, &back).await;
    let arguments = json!({ "namespace": space.name, "pod_name": "web-0" });
    finish(&house, &space, &Write { tool: "restart_pod", arguments }).await;
    is_ready(&space).await;
    let pod = json!(space.pods("app=web").await.remove(0));
    assert_eq!(script(&pod), "echo one; exec sleep 3600");
}

fn script(pod: &Value) -> &Value {
    &pod["spec"]["containers"][0]["args"][0]
}

#[tokio::test]
async fn a_daemon_set_whose_pods_cannot_start_is_stuck() {
    let space = Space::open("broken-agent").await;
    apply(&space, "DaemonSet", "exit 1").await;
    crashes(&space).await;
    let house = house(&space, space.cluster.house()).await;
    let restart = of_set("restart_deployment", &space, "daemonset");
    approve(&house, &requested(&house, &restart).await);
    is_stuck(&house, &restart).await;
}
