//! How far what was written has come, as the cluster's objects tell it.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::capability::Writer;
use crate::capability::kubernetes::RolloutState::{self, Complete, Progressing, Stuck};
use crate::domain::write::{Owner, Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};

const WEB: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";

fn workload(kind: WorkloadKind) -> WriteTarget {
    let (namespace, name) = ("shop".parse().unwrap(), "web".parse().unwrap());
    WorkloadRef { cluster: prod(), kind, namespace, name }.into()
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
    let three = Plan::bare(Verb::Scale { replicas: 3 }, workload(WorkloadKind::Deployment));
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
        check(fake, Plan::bare(verb, workload(WorkloadKind::Deployment)), expected).await;
    }
}

const POD: &str = "GET /api/v1/namespaces/shop/pods/web-1";
const SET: &str = "GET /apis/apps/v1/namespaces/shop/replicasets/web-5d4f";
const PODS: &str = "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=250";

/// The deletion of a pod, of a replica set that had this one besides.
fn deletion(other: &str) -> Plan {
    let (namespace, name) = ("shop".parse().unwrap(), "web-1".parse().unwrap());
    let mut plan = Plan::bare(Verb::Delete, WriteTarget::Pod { cluster: prod(), namespace, name });
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

/// A pod with this name and these labels, that waits for this reason.
fn of_set(name: &str, kind: &str, marks: &Value, waits: Option<&str>) -> Value {
    let mut pod = pod(name, &owner(kind, "u1"), waits);
    pod["metadata"]["name"] = json!(name);
    pod["metadata"]["labels"] = marks.clone();
    pod
}

const CRASHES: Option<&str> = Some("CrashLoopBackOff");

#[tokio::test]
async fn a_stateful_set_that_waits_for_a_broken_pod_is_stuck() {
    const SET: &str = "GET /apis/apps/v1/namespaces/shop/statefulsets/web";
    let set = |policy: &str, observed: u32| {
        json!({
            "metadata": { "name": "web", "uid": "u1", "generation": 4 },
            "spec": { "replicas": 3, "podManagementPolicy": policy, "serviceName": "web",
                      "selector": { "matchLabels": { "app": "web" } } },
            "status": { "observedGeneration": observed, "replicas": 3, "readyReplicas": 2,
                        "updatedReplicas": 1, "currentRevision": "web-1",
                        "updateRevision": "web-2" },
        })
    };
    let of = |name: &str, revision: &str, waits| {
        let marks = json!({ "controller-revision-hash": revision });
        of_set(name, "StatefulSet", &marks, waits)
    };
    let (old, new) = (of("web-0", "web-1", CRASHES), of("web-2", "web-2", CRASHES));
    let starting = of("web-2", "web-2", Some("ContainerCreating"));
    let surplus = of("web-3", "web-1", CRASHES);
    let mut foreign = of("web-2", "web-2", CRASHES);
    foreign["metadata"]["ownerReferences"] = json!([owner("StatefulSet", "u2")]);
    let goes_on = (Progressing, "2 of 3 pods are ready");
    let new_is_broken = (Stuck, "pod `web-2` cannot start: CrashLoopBackOff");
    let old_is_broken = (
        Stuck,
        "pod `web-0` cannot start: CrashLoopBackOff; it is of an older revision, and its \
         controller waits for it until somebody deletes it",
    );
    for (policy, pods, expected) in [
        ("OrderedReady", vec![old.clone(), new], new_is_broken),
        ("OrderedReady", vec![old.clone(), starting.clone()], old_is_broken),
        ("OrderedReady", vec![starting.clone(), surplus, foreign], goes_on),
        ("Parallel", vec![old, starting], goes_on),
    ] {
        let fake = Fake::default()
            .expect(SET, Reply::Json(200, set(policy, 4)))
            .expect(PODS, list(&pods, ""));
        let target = workload(WorkloadKind::StatefulSet);
        check(fake, Plan::bare(Verb::Rollback { revision: Some(1) }, target), expected).await;
    }
    // What the controller has not seen has no pods yet; and who cannot read pods knows no better.
    let target = || workload(WorkloadKind::StatefulSet);
    let fake = Fake::default().expect(SET, Reply::Json(200, set("OrderedReady", 3)));
    let unseen = "the controller has not seen the newest specification yet";
    check(fake, Plan::bare(Verb::Restart, target()), (Progressing, unseen)).await;
    let fake = Fake::default()
        .expect(SET, Reply::Json(200, set("OrderedReady", 4)))
        .expect(PODS, status(403, "no"));
    check(fake, Plan::bare(Verb::Restart, target()), goes_on).await;
}

#[tokio::test]
async fn a_daemon_set_whose_new_pod_is_broken_is_stuck() {
    const SET: &str = "GET /apis/apps/v1/namespaces/shop/daemonsets/web";
    let set = |annotations: Value| {
        json!({
            "metadata": { "name": "web", "uid": "u1", "generation": 4, "annotations": annotations },
            "spec": { "selector": { "matchLabels": { "app": "web" } } },
            "status": { "observedGeneration": 4, "desiredNumberScheduled": 3,
                        "currentNumberScheduled": 3, "numberMisscheduled": 0, "numberReady": 2,
                        "numberAvailable": 2, "updatedNumberScheduled": 1 },
        })
    };
    let of = |made_from: &str, waits| {
        let marks = json!({ "pod-template-generation": made_from });
        of_set("web-x", "DaemonSet", &marks, waits)
    };
    let marked = || set(json!({ "deprecated.daemonset.template.generation": "7" }));
    let goes_on = (Progressing, "1 of 3 pods have been replaced");
    let target = || workload(WorkloadKind::DaemonSet);
    for (pods, expected) in [
        (vec![of("7", CRASHES)], (Stuck, "pod `web-x` cannot start: CrashLoopBackOff")),
        (vec![of("7", None), of("7", Some("ContainerCreating"))], goes_on),
        // It is replaced by and by.
        (vec![of("6", CRASHES)], goes_on),
    ] {
        let fake =
            Fake::default().expect(SET, Reply::Json(200, marked())).expect(PODS, list(&pods, ""));
        check(fake, Plan::bare(Verb::Restart, target()), expected).await;
    }
    let fake = Fake::default().expect(SET, Reply::Json(200, set(json!({}))));
    check(fake, Plan::bare(Verb::Restart, target()), goes_on).await;
}
