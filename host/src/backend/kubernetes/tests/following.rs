//! How far what was written has come, as the cluster's objects tell it.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::capability::Writer;
use crate::capability::kubernetes::RolloutState::{self, Complete, Progressing, Stuck};
use crate::domain::write::{
    Body, Owner, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget,
};

const WEB: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";

fn workload(kind: WorkloadKind) -> WriteTarget {
    let (namespace, name) = ("shop".parse().unwrap(), "web".parse().unwrap());
    WorkloadRef { cluster: prod(), kind, namespace, name }.into()
}

/// A plan that was executed.
fn plan(verb: Verb, target: WriteTarget) -> Plan {
    Plan {
        verb,
        target,
        uid: "u1".to_owned(),
        version: Version::Generation(3),
        changes: Vec::new(),
        pods: Vec::new(),
        pods_total: 0,
        replicas_left: None,
        budgets: Vec::new(),
        warnings: Vec::new(),
        owner: None,
        body: Body::new("{}"),
    }
}

async fn check(fake: Fake, plan: Plan, expected: (RolloutState, &str)) {
    let told = fake.serve(|clusters| async move { clusters.progress(&plan).await }).await.unwrap();
    assert_eq!((told.state, told.message.as_str()), expected);
}

fn deployment(uid: &str, replicas: u32, there: u32) -> Value {
    json!({
        "metadata": { "name": "web", "uid": uid, "generation": 4 },
        "spec": { "replicas": replicas },
        "status": { "observedGeneration": 4, "replicas": replicas, "updatedReplicas": there,
                    "availableReplicas": there, "readyReplicas": there },
    })
}

#[tokio::test]
async fn a_scale_that_was_undone_is_not_complete() {
    let three = plan(Verb::Scale { replicas: 3 }, workload(WorkloadKind::Deployment));
    let undone =
        |n: u32| format!("replicas were set to {n} instead of 3, by somebody or by an autoscaler");
    for (found, expected) in [
        (deployment("u1", 5, 5), (Stuck, undone(5).as_str())),
        (deployment("u1", 2, 2), (Stuck, undone(2).as_str())),
        (deployment("u1", 5, 3), (Stuck, undone(5).as_str())),
        (deployment("u1", 3, 3), (Complete, "all 3 replicas are up to date and available")),
        (deployment("u1", 3, 5), (Progressing, "2 replicas are yet to end")),
        (deployment("u1", 3, 1), (Progressing, "1 of 3 new replicas have been made")),
    ] {
        check(Fake::default().expect(WEB, Reply::Json(200, found)), three.clone(), expected).await;
    }
}

#[tokio::test]
async fn a_namesake_is_not_what_was_written() {
    for verb in [
        Verb::Restart,
        Verb::Scale { replicas: 3 },
        Verb::Rollback { revision: Some(2) },
        Verb::Pause,
        Verb::Resume,
    ] {
        let fake = Fake::default().expect(WEB, Reply::Json(200, deployment("u2", 3, 3)));
        let expected = (Stuck, "deployment `web` was replaced by another of the same name");
        check(fake, plan(verb, workload(WorkloadKind::Deployment)), expected).await;
    }
}

const POD: &str = "GET /api/v1/namespaces/shop/pods/web-1";
const SET: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/web-5d4f";
const PODS: &str = "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=250";

/// The deletion of a pod, of a replica set that had this one besides.
fn deletion(other: &str) -> Plan {
    let (namespace, name) = ("shop".parse().unwrap(), "web-1".parse().unwrap());
    let mut plan = plan(Verb::Delete, WriteTarget::Pod { cluster: prod(), namespace, name });
    plan.owner = Some(Owner {
        kind: "ReplicaSet".to_owned(),
        name: "web-5d4f".to_owned(),
        uid: "o1".to_owned(),
        node: None,
        had: vec![other.to_owned()],
    });
    plan
}

/// A pod that is ready, or waits for this reason.
fn pod(uid: &str, owner: &Value, waits: Option<&str>) -> Value {
    let ready = if waits.is_none() { "True" } else { "False" };
    let state = waits.map(|reason| json!({ "waiting": { "reason": reason } }));
    json!({
        "metadata": { "name": format!("web-{uid}"), "uid": uid, "ownerReferences": [owner] },
        "status": {
            "phase": "Running",
            "conditions": [{ "type": "Ready", "status": ready }],
            "containerStatuses": [{ "name": "web", "image": "", "imageID": "", "restartCount": 0,
                                    "ready": waits.is_none(), "state": state }],
        },
    })
}

fn owner(kind: &str, uid: &str) -> Value {
    json!({ "apiVersion": "apps/v1", "kind": kind, "name": "web", "uid": uid, "controller": true })
}

#[tokio::test]
async fn a_pod_is_followed_by_its_successor_and_not_by_its_siblings() {
    let of = |uid: &str, waits: Option<&str>| pod(uid, &owner("ReplicaSet", "o1"), waits);
    let (crashes, starts) = (Some("CrashLoopBackOff"), Some("ContainerCreating"));
    let mut evicted = of("new", None);
    evicted["status"] = json!({ "phase": "Failed", "reason": "Evicted" });
    let yet = "the pod is gone, its successor is yet to be made";
    for (wanted, pods, expected) in [
        // The other one is no better than it was, and is not asked about.
        (2, vec![of("old", crashes)], (Progressing, yet)),
        (2, vec![of("old", None)], (Progressing, yet)),
        (2, vec![of("old", None), evicted], (Progressing, yet)),
        (
            2,
            vec![of("old", crashes), of("new", starts)],
            (Progressing, "the pod is gone, its successor `web-new` is not ready yet"),
        ),
        (
            2,
            vec![of("old", crashes), of("new", None)],
            (Complete, "the pod is gone and its successor is ready"),
        ),
        (
            2,
            vec![of("old", None), of("new", crashes)],
            (Stuck, "pod `web-new` cannot start: CrashLoopBackOff"),
        ),
        (
            1,
            vec![of("old", None)],
            (
                Complete,
                "the pod is gone, and ReplicaSet `web-5d4f` has as many as it wants without another",
            ),
        ),
    ] {
        let set = json!({ "metadata": { "name": "web-5d4f", "uid": "o1" },
                          "spec": { "replicas": wanted,
                                    "selector": { "matchLabels": { "app": "web" } } } });
        let fake = Fake::default()
            .expect(POD, status(404, "gone"))
            .expect(SET, Reply::Json(200, set))
            .expect(PODS, list(&pods, ""));
        check(fake, deletion("old"), expected).await;
    }
}
