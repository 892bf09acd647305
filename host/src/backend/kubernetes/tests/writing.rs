//! Every verb, from its plan to its end, against the embedded cluster.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use expect_test::{Expect, expect};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::super::{Clusters, Connection};
use super::fake::{clusters, prod};
use crate::backend::demo::DemoCluster;
use crate::capability::kubernetes::RolloutState;
use crate::capability::{CapabilityError, Progress, Writer};
use crate::domain::write::{Owner, Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};

fn start() -> (DemoCluster, Clusters) {
    let demo = DemoCluster::builtin().unwrap();
    let clusters = clusters(BTreeMap::from([(prod(), Connection::Client(demo.client()))]));
    (demo, clusters)
}

fn workload(kind: WorkloadKind, namespace: &str, name: &str) -> WriteTarget {
    let (namespace, name) = (namespace.parse().unwrap(), name.parse().unwrap());
    WorkloadRef { cluster: prod(), kind, namespace, name }.into()
}

fn deployment(name: &str) -> WriteTarget {
    workload(WorkloadKind::Deployment, "shop", name)
}

fn pod(name: &str) -> WriteTarget {
    let namespace = "shop".parse().unwrap();
    WriteTarget::Pod { cluster: prod(), namespace, name: name.parse().unwrap() }
}

fn node(name: &str) -> WriteTarget {
    WriteTarget::Node { cluster: prod(), name: name.parse().unwrap() }
}

/// What a person decides by.
fn shown(plan: &Plan) -> String {
    let mut text = format!("{:?}\n", plan.verb);
    for change in &plan.changes {
        let value = |value: &Option<String>| value.clone().unwrap_or("nothing".to_owned());
        let (before, after) = (value(&change.before), value(&change.after));
        let _ = writeln!(text, "{}: {before} -> {after}", change.path);
    }
    let _ = writeln!(text, "pods {} {:?}", plan.pods_total, plan.pods);
    let _ = writeln!(text, "left {:?}", plan.replicas_left);
    for budget in &plan.budgets {
        let _ = writeln!(text, "{budget:?}");
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "! {warning}");
    }
    text
}

async fn plan(clusters: &Clusters, verb: Verb, target: &WriteTarget, expected: Expect) -> Plan {
    let plan = clusters.plan(verb, target).await.unwrap();
    expected.assert_eq(&shown(&plan));
    plan
}

/// Executes it once, sees a second execution refused, and waits for its end.
async fn carry_out(demo: &DemoCluster, clusters: &Clusters, plan: &Plan) -> Progress {
    let before = written(demo);
    clusters.execute(plan).await.unwrap();
    assert_eq!(written(demo), before + 1, "one request");
    for _ in 0..600 {
        let progress = clusters.progress(plan).await.unwrap();
        if progress.state != RolloutState::Progressing {
            return progress;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("it does not end: {:?}", clusters.progress(plan).await);
}

/// Requests that changed something.
fn written(demo: &DemoCluster) -> usize {
    let is_write = |method: &str, query: &str| method != "GET" && !query.contains("dryRun=All");
    demo.requests().iter().filter(|request| is_write(&request.method, &request.query)).count()
}

async fn is_conflict(clusters: &Clusters, plan: &Plan) {
    let refused = clusters.execute(plan).await.unwrap_err();
    assert!(matches!(refused, CapabilityError::Conflict(_)), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn scales_a_deployment_down_and_up() {
    let (demo, clusters) = start();
    let target = deployment("frontend");
    let down = plan(
        &clusters,
        Verb::Scale { replicas: 1 },
        &target,
        expect![[r#"
        Scale { replicas: 1 }
        spec.replicas: 2 -> 1
        pods 1 []
        left Some(1)
        Budget { name: "frontend", allowed: 1, healthy: 2, desired_healthy: 1 }
        ! a single replica is left: nothing else serves if it fails
        ! autoscaler `frontend` sets the number of replicas itself (2 to 6) and may undo this
    "#]],
    )
    .await;
    let done = carry_out(&demo, &clusters, &down).await;
    assert_eq!((done.state, done.rollout.unwrap().desired), (RolloutState::Complete, 1));
    is_conflict(&clusters, &down).await;
    let up = plan(
        &clusters,
        Verb::Scale { replicas: 3 },
        &target,
        expect![[r#"
        Scale { replicas: 3 }
        spec.replicas: 1 -> 3
        pods 0 []
        left Some(1)
        ! autoscaler `frontend` sets the number of replicas itself (2 to 6) and may undo this
    "#]],
    )
    .await;
    let done = carry_out(&demo, &clusters, &up).await;
    assert_eq!((done.state, done.rollout.unwrap().available), (RolloutState::Complete, 3));
    plan(
        &clusters,
        Verb::Scale { replicas: 3 },
        &target,
        expect![[r#"
        Scale { replicas: 3 }
        pods 0 []
        left Some(3)
        ! autoscaler `frontend` sets the number of replicas itself (2 to 6) and may undo this
        ! nothing would change: it is so already
    "#]],
    )
    .await;
    let none = clusters.plan(Verb::Scale { replicas: 1_001 }, &target).await.unwrap_err();
    assert!(matches!(none, CapabilityError::InvalidArgument(_)), "{none:?}");
    let daemons = workload(WorkloadKind::DaemonSet, "kube-system", "kube-proxy");
    let none = clusters.plan(Verb::Scale { replicas: 1 }, &daemons).await.unwrap_err();
    assert!(matches!(none, CapabilityError::InvalidArgument(_)), "{none:?}");
}

#[tokio::test(start_paused = true)]
async fn rolls_a_deployment_back_and_pods_follow() {
    let (demo, clusters) = start();
    let target = deployment("checkout");
    let verb = Verb::Rollback { revision: None };
    let plan = plan(&clusters, verb, &target, expect![[r#"
        Rollback { revision: Some(6) }
        spec.template.spec.containers[0].env[CART_CACHE].name: CART_CACHE -> nothing
        spec.template.spec.containers[0].env[CART_CACHE].value: (a text of 9 bytes) -> nothing
        spec.template.spec.containers[0].image: registry.example/shop/checkout:v2.14.0 -> registry.example/shop/checkout:v2.13.2
        metadata.annotations[kubernetes.io/change-cause]: (a text of 37 bytes) -> (a text of 24 bytes)
        pods 3 ["checkout-7d9f8b6c54-mk4zq", "checkout-7d9f8b6c54-qp7rj", "checkout-7d9f8b6c54-x2v8k"]
        left Some(1)
        Budget { name: "checkout", allowed: 0, healthy: 1, desired_healthy: 1 }
        ! not every pod is available now: 1 of 3 new replicas are available
        ! disruption budget `checkout` allows no disruption now, and a rollback does not ask it
    "#]]).await;
    let done = carry_out(&demo, &clusters, &plan).await;
    let rollout = done.rollout.unwrap();
    assert_eq!((done.state, rollout.revision.as_deref()), (RolloutState::Complete, Some("8")));
    let api: Api<Deployment> = Api::namespaced(demo.client(), "shop");
    let now = api.get("checkout").await.unwrap();
    let template = now.spec.unwrap().template;
    let labels = template.metadata.unwrap().labels.unwrap();
    assert!(!labels.contains_key("pod-template-hash"), "{labels:?}");
    let image = template.spec.unwrap().containers[0].image.clone();
    assert_eq!(image.as_deref(), Some("registry.example/shop/checkout:v2.13.2"));
    let missing = clusters.plan(Verb::Rollback { revision: Some(2) }, &target).await.unwrap_err();
    expect!["deployment `checkout` has no revision 2; those that it has are 8, 7"]
        .assert_eq(&missing.caller_text());
}

#[tokio::test(start_paused = true)]
async fn holds_rollouts_and_lets_them_go_on() {
    let (demo, clusters) = start();
    let target = deployment("frontend");
    let pause = plan(
        &clusters,
        Verb::Pause,
        &target,
        expect![[r#"
        Pause
        spec.paused: nothing -> true
        pods 0 []
        left Some(2)
    "#]],
    )
    .await;
    let done = carry_out(&demo, &clusters, &pause).await;
    assert_eq!(done.state, RolloutState::Complete);
    let api: Api<Deployment> = Api::namespaced(demo.client(), "shop");
    assert_eq!(api.get("frontend").await.unwrap().spec.unwrap().paused, Some(true));
    tokio::time::sleep(Duration::from_secs(5)).await;
    for (verb, expected) in [
        (
            Verb::Restart,
            "deployment `frontend` is paused, which holds back a restart: resume it first",
        ),
        (
            Verb::Rollback { revision: None },
            "deployment `frontend` is paused, which holds back a rollback: resume it first",
        ),
    ] {
        let refused = clusters.plan(verb, &target).await.unwrap_err();
        assert_eq!(refused, CapabilityError::InvalidArgument(expected.to_owned()));
    }
    let resume = plan(
        &clusters,
        Verb::Resume,
        &target,
        expect![[r#"
            Resume
            spec.paused: true -> nothing
            pods 0 []
            left Some(2)
        "#]],
    )
    .await;
    carry_out(&demo, &clusters, &resume).await;
    assert_eq!(api.get("frontend").await.unwrap().spec.unwrap().paused, None);
    plan(
        &clusters,
        Verb::Resume,
        &target,
        expect![[r#"
        Resume
        pods 0 []
        left Some(2)
        ! nothing would change: it is so already
    "#]],
    )
    .await;
    let sets = workload(WorkloadKind::StatefulSet, "shop", "cart-db");
    let none = clusters.plan(Verb::Pause, &sets).await.unwrap_err();
    expect!["a statefulset cannot be paused: only a deployment can"].assert_eq(&none.caller_text());
}

#[tokio::test(start_paused = true)]
async fn deletes_a_pod_and_waits_for_its_successor() {
    let (demo, clusters) = start();
    let list = kube::api::ListParams::default().labels("app=frontend");
    let api: Api<k8s_openapi::api::core::v1::Pod> = Api::namespaced(demo.client(), "shop");
    let pods = api.list(&list).await.unwrap().items;
    let name = pods[0].metadata.name.clone().unwrap();
    let plan = clusters.plan(Verb::Delete, &pod(&name)).await.unwrap();
    expect![[r#"
        Delete
        pods 1 ["<pod>"]
        left Some(1)
        Budget { name: "frontend", allowed: 1, healthy: 2, desired_healthy: 1 }
    "#]]
    .assert_eq(&shown(&plan).replace(&name, "<pod>"));
    let had = pods[1].metadata.uid.clone().unwrap();
    let of_replicas = |owner: &Owner| owner.kind == "ReplicaSet" && owner.had == [had];
    assert!(plan.owner.as_ref().is_some_and(of_replicas), "{plan:?}");
    let done = carry_out(&demo, &clusters, &plan).await;
    expect!["the pod is gone and its successor is ready"].assert_eq(&done.message);
    assert_eq!(done.state, RolloutState::Complete);
    // The namesake is gone, so nothing is left that the plan could hold for.
    let gone = clusters.execute(&plan).await.unwrap_err();
    assert!(matches!(gone, CapabilityError::NotFound(_)), "{gone:?}");
    let pods_now = api.list(&list).await.unwrap().items;
    assert_eq!(pods_now.len(), pods.len());
}

#[tokio::test(start_paused = true)]
async fn closes_a_node_and_opens_it_again() {
    let (demo, clusters) = start();
    let target = node("node-1");
    let cordon = plan(
        &clusters,
        Verb::Cordon,
        &target,
        expect![[r#"
        Cordon
        spec.unschedulable: nothing -> true
        pods 0 []
        left None
    "#]],
    )
    .await;
    let done = carry_out(&demo, &clusters, &cordon).await;
    expect!["node `node-1` takes no new pods"].assert_eq(&done.message);
    is_conflict(&clusters, &cordon).await;
    let uncordon = plan(
        &clusters,
        Verb::Uncordon,
        &target,
        expect![[r#"
        Uncordon
        spec.unschedulable: true -> nothing
        pods 0 []
        left None
    "#]],
    )
    .await;
    carry_out(&demo, &clusters, &uncordon).await;
    plan(
        &clusters,
        Verb::Uncordon,
        &target,
        expect![[r#"
        Uncordon
        pods 0 []
        left None
        ! nothing would change: it is so already
    "#]],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_was_changed_after_the_plan_is_left_alone() {
    for verb in [
        Verb::Restart,
        Verb::Scale { replicas: 1 },
        Verb::Rollback { revision: None },
        Verb::Pause,
        Verb::Resume,
    ] {
        let (demo, clusters) = start();
        let plan = clusters.plan(verb, &deployment("checkout")).await.unwrap();
        let api: Api<Deployment> = Api::namespaced(demo.client(), "shop");
        let change = json!({ "spec": { "minReadySeconds": 7 } });
        let params = PatchParams::default();
        api.patch("checkout", &params, &Patch::Merge(change)).await.unwrap();
        let before = written(&demo);
        is_conflict(&clusters, &plan).await;
        assert_eq!(written(&demo), before, "{verb:?}");
    }
}

#[tokio::test]
async fn a_verb_is_only_for_what_it_fits() {
    let (_demo, clusters) = start();
    for (verb, target) in [
        (Verb::Delete, deployment("checkout")),
        (Verb::Cordon, deployment("checkout")),
        (Verb::Restart, node("node-1")),
        (Verb::Scale { replicas: 1 }, pod("checkout-7d9f8b6c54-mk4zq")),
    ] {
        let error = clusters.plan(verb, &target).await.unwrap_err();
        assert!(matches!(error, CapabilityError::InvalidArgument(_)), "{error:?}");
    }
}
