//! Each verb, from the request to its end as the cluster tells it, with one change on its record.

use std::collections::BTreeSet;

use kube::api::ListParams;
use serde_json::{Value, json};

use super::{Write, ask, changes, deployment, finish, hollow_node, house, revised};
use crate::cluster::wait_for;
use crate::space::{Named, Space};
use crate::workloads::{deployed, deployment_of, rolled_out};

const OF_DEPLOYMENT: &str = "patch /apis/apps/v1/namespaces/<space>/deployments/web 200";
const OF_SCALE: &str = "patch /apis/apps/v1/namespaces/<space>/deployments/web/scale 200";
const OF_SET: &str = "patch /apis/apps/v1/namespaces/<space>/statefulsets/web 200";

async fn pods(space: &Space) -> BTreeSet<String> {
    space.pods("app=web").await.into_iter().map(|pod| pod.metadata.uid.unwrap()).collect()
}

/// Waits until the pods are this many, and none of those before.
async fn replaced(space: &Space, before: &BTreeSet<String>, n_pods: usize) {
    wait_for("the old pods are gone", async || {
        let now = pods(space).await;
        (now.is_disjoint(before) && now.len() == n_pods).then_some(())
    })
    .await;
}

async fn spec(space: &Space, (api_version, kind, name): Named<'_>) -> Value {
    let objects = space.objects(api_version, kind).await;
    objects.get(name).await.unwrap().data["spec"].clone()
}

fn script(spec: &Value) -> &Value {
    &spec["template"]["spec"]["containers"][0]["args"][0]
}

#[tokio::test]
async fn a_restart_is_seen_to_its_end() {
    let space = Space::open("restart").await;
    deployed(&space, "web", 2, "exec sleep 3600").await;
    let before = pods(&space).await;
    let house = house(&space, space.cluster.house()).await;
    let restart = Write::of_deployment("restart_deployment", &space, "web", json!({}));
    finish(&house, &space, &restart).await;
    rolled_out(&space, "web").await;
    replaced(&space, &before, 2).await;
    assert_eq!(changes(&space), [OF_DEPLOYMENT]);
}

#[tokio::test]
async fn a_scale_up_and_down_is_seen_to_its_end() {
    let space = Space::open("scale").await;
    deployed(&space, "web", 1, "exec sleep 3600").await;
    let house = house(&space, space.cluster.house()).await;
    for (replicas, n_changes) in [(3, 1), (1, 2)] {
        let more = json!({ "replicas": replicas });
        let scale = Write::of_deployment("scale_deployment", &space, "web", more);
        finish(&house, &space, &scale).await;
        assert_eq!(spec(&space, deployment("web")).await["replicas"], replicas);
        let running = space.pods("app=web").await.into_iter();
        let running = running.filter(|pod| pod.metadata.deletion_timestamp.is_none()).count();
        assert_eq!(running, replicas, "complete means that they are there, and no others");
        assert_eq!(changes(&space), vec![OF_SCALE; n_changes]);
    }
}

#[tokio::test]
async fn a_rollback_is_seen_to_its_end() {
    let space = Space::open("rollback").await;
    revised(&space, "web", 2).await;
    let before = pods(&space).await;
    let house = house(&space, space.cluster.house()).await;
    let back = Write::of_deployment("rollback_deployment", &space, "web", json!({}));
    finish(&house, &space, &back).await;
    replaced(&space, &before, 2).await;
    let now = spec(&space, deployment("web")).await;
    assert_eq!(script(&now), "echo one; exec sleep 3600");
    // Revision 1 came back as 3, in the replica set that it had: nothing but the template differs.
    let sets = space.objects("apps/v1", "ReplicaSet").await.list(&ListParams::default()).await;
    assert_eq!(sets.unwrap().items.len(), 2);
    let now = rolled_out(&space, "web").await;
    assert_eq!(now["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(changes(&space), [OF_DEPLOYMENT]);
}

/// Its revisions are objects of another kind, and it is not the deployment's controller that acts.
#[tokio::test]
async fn a_stateful_set_goes_back_and_starts_anew() {
    const SET: Named<'_> = ("apps/v1", "StatefulSet", "web");
    let space = Space::open("stateful").await;
    for script in ["echo one; exec sleep 3600", "echo two; exec sleep 3600"] {
        let mut set = deployment_of(&space, "web", 1, &json!({ "args": [script] }));
        set["kind"] = json!("StatefulSet");
        set["spec"]["serviceName"] = json!("web");
        space.apply(&set.to_string()).await;
        let is_done = |set: &Value| {
            let status = &set["status"];
            status["observedGeneration"] == set["metadata"]["generation"]
                && status["currentRevision"] == status["updateRevision"]
                && status["readyReplicas"] == 1
        };
        space.wait(SET, "is rolled out", is_done).await;
    }
    let house = house(&space, space.cluster.house()).await;
    let set = || json!({ "kind": "statefulset" });
    for tool in ["rollback_deployment", "restart_deployment"] {
        let before = pods(&space).await;
        finish(&house, &space, &Write::of_deployment(tool, &space, "web", set())).await;
        replaced(&space, &before, 1).await;
        let now = spec(&space, SET).await;
        assert_eq!(script(&now), "echo one; exec sleep 3600", "{tool}");
    }
    assert_eq!(changes(&space), [OF_SET, OF_SET]);
}

#[tokio::test]
async fn a_pause_holds_a_rollout_until_it_is_resumed() {
    let space = Space::open("pause").await;
    deployed(&space, "web", 1, "echo one; exec sleep 3600").await;
    let before = pods(&space).await;
    let house = house(&space, space.cluster.house()).await;
    let pause = |paused: bool| {
        Write::of_deployment("pause_deployment", &space, "web", json!({ "paused": paused }))
    };
    finish(&house, &space, &pause(true)).await;
    assert_eq!(spec(&space, deployment("web")).await["paused"], true);
    let label = json!({ "spec": { "template": { "metadata": { "labels": { "two": "2" } } } } });
    space.change(deployment("web"), label).await;
    let observed = |web: &Value| {
        web["status"]["observedGeneration"] == web["metadata"]["generation"]
            && web["status"]["updatedReplicas"].is_null()
    };
    space.wait(deployment("web"), "is held back", observed).await;
    assert_eq!(pods(&space).await, before);
    for tool in ["restart_deployment", "rollback_deployment"] {
        let refused = ask(&house, &Write::of_deployment(tool, &space, "web", json!({}))).await;
        let why = refused.unwrap_err();
        assert!(why.contains("is paused") && why.contains("resume it first"), "{tool}: {why}");
    }
    finish(&house, &space, &pause(false)).await;
    replaced(&space, &before, 1).await;
    assert_eq!(changes(&space), [OF_DEPLOYMENT, OF_DEPLOYMENT]);
}

#[tokio::test]
async fn a_pod_is_followed_to_its_successor() {
    let space = Space::open("pod").await;
    deployed(&space, "web", 1, "exec sleep 3600").await;
    let before = pods(&space).await;
    let name = space.pods("app=web").await.remove(0).metadata.name.unwrap();
    let house = house(&space, space.cluster.house()).await;
    let arguments = json!({ "namespace": space.name, "pod_name": name });
    finish(&house, &space, &Write { tool: "restart_pod", arguments }).await;
    replaced(&space, &before, 1).await;
    let deletion = format!("delete /api/v1/namespaces/<space>/pods/{name} 200");
    assert_eq!(changes(&space), [deletion]);
}

#[tokio::test]
async fn a_node_is_cordoned_and_let_in_again() {
    let space = Space::open("cordon").await;
    hollow_node(&space).await;
    let house = house(&space, space.cluster.house()).await;
    for cordon in [true, false] {
        let arguments = json!({ "node_name": space.name, "cordon": cordon });
        finish(&house, &space, &Write { tool: "cordon_node", arguments }).await;
        let now = spec(&space, ("v1", "Node", &space.name)).await;
        assert_eq!(now["unschedulable"] == true, cordon, "{now}");
        // The cluster's own controller taints it, and that is a change as well: the next plan waits.
        wait_for("the taint is that of the node", async || {
            let now = spec(&space, ("v1", "Node", &space.name)).await;
            let is_tainted = now["taints"].to_string().contains("node.kubernetes.io/unschedulable");
            (is_tainted == cordon).then_some(())
        })
        .await;
    }
    assert_eq!(changes(&space), ["patch /api/v1/nodes/<space> 200"; 2]);
}
