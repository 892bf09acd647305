//! What the tools read is what the cluster has.

use serde_json::json;
use toolgate_tests::House;

use crate::cluster::wait_for;
use crate::space::Space;
use crate::workloads::deployed;

const PLUGINS: [&str; 3] = ["plugins/pods", "plugins/logs", "plugins/events"];

/// A house that may read pods, logs and events of one namespace.
async fn house(space: &Space) -> House {
    let name = &space.name;
    let builder = space.cluster.house().config(&format!(
        "[grants.pods.kubernetes-read]\nnamespaces = [\"{name}\"]\nkinds = [\"Pod\"]\n\
         [grants.pods.kubernetes-events]\nnamespaces = [\"{name}\"]\n\
         [grants.logs.kubernetes-logs]\nnamespaces = [\"{name}\"]\n\
         [grants.events.kubernetes-events]\nnamespaces = [\"{name}\"]\n"
    ));
    PLUGINS.into_iter().fold(builder, toolgate_tests::Builder::with).build().await
}

#[tokio::test]
async fn pods_logs_and_events_are_those_of_the_cluster() {
    let space = Space::open("reading").await;
    deployed(&space, "web", 2, "echo the shop is open; exec sleep 3600").await;
    let house = house(&space).await;
    let pods = space.pods("app=web").await;
    let names: Vec<String> = pods.into_iter().map(|pod| pod.metadata.name.unwrap()).collect();
    assert_eq!(names.len(), 2);

    let place = json!({"namespace": space.name, "label_selector": "app=web"});
    let listed = house.ask("alice", "list_pods", place).await;
    for name in &names {
        assert!(listed.contains(name.as_str()), "{name}: {listed}");
        let of = json!({"namespace": space.name, "pod_name": name});
        let log = wait_for("the log of a pod", async || {
            let log = house.ask("alice", "get_pod_logs", of.clone()).await;
            log.contains("the shop is open").then_some(log)
        });
        assert!(log.await.starts_with("output"));
        let about = json!({"namespace": space.name, "involved_name": name});
        // A kubelet tells of what it did when it gets to it.
        let events = wait_for("the events of a pod", async || {
            let events = house.ask("alice", "get_recent_events", about.clone()).await;
            events.contains("Started").then_some(events)
        });
        assert!(events.await.contains(name.as_str()));
    }
}

#[tokio::test]
async fn the_log_of_the_run_before_tells_why_a_pod_crashed() {
    let space = Space::open("crash").await;
    space
        .apply(&format!(
            "
apiVersion: v1
kind: Pod
metadata: {{name: till}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - name: main
    image: {}
    command: [/bin/sh, -c, 'echo no change left in the till; exit 3']
",
            space.cluster.box_image
        ))
        .await;
    let of_status = "/status/containerStatuses/0";
    let again = |pod: &serde_json::Value| {
        pod.pointer(of_status).is_some_and(|status| status["restartCount"].as_u64() >= Some(1))
    };
    space.wait(("v1", "Pod", "till"), "was started again", again).await;
    let house = house(&space).await;
    let before = json!({"namespace": space.name, "pod_name": "till", "previous": true});
    let log = house.ask("alice", "get_pod_logs", before).await;
    assert!(log.contains("no change left in the till"), "{log}");
    // While it runs once more, before it ends again, it does not fail.
    let failing = wait_for("a failing pod", async || {
        let place = json!({"namespace": space.name});
        let failing = house.ask("alice", "list_failing_pods", place).await;
        failing.contains("till").then_some(failing)
    });
    assert!(failing.await.starts_with("output"));
}

#[tokio::test]
async fn a_namespace_that_is_not_granted_is_not_asked_for() {
    let space = Space::open("outside").await;
    let house = house(&space).await;
    let answer = house.ask("alice", "list_pods", json!({"namespace": "kube-system"})).await;
    assert!(!answer.starts_with("output"), "{answer}");
    let answer = house.ask("alice", "list_pods", json!({"namespace": space.name})).await;
    assert!(answer.starts_with("output"), "{answer}");
}
