//! Plans and their execution.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::capability::{CapabilityError, Writer};
use crate::domain::write::{
    Body, Change, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget,
};

const GET: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";
const TRY: &str =
    "PATCH /apis/apps/v1/namespaces/shop/deployments/web?dryRun=All&fieldManager=toolgate";
const PATCH: &str = "PATCH /apis/apps/v1/namespaces/shop/deployments/web?fieldManager=toolgate";
const PODS: &str = "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=250";
const BUDGETS: &str = "GET /apis/policy/v1/namespaces/shop/poddisruptionbudgets?&limit=500";
const AT: &str = "2026-11-21T02:13:07Z";
const PATH: &str = "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]";

fn target() -> WriteTarget {
    WriteTarget::Workload(WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    })
}

fn deployment(uid: &str, generation: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "namespace": "shop", "name": "web", "uid": uid, "generation": generation,
                      "resourceVersion": "77" },
        "spec": { "replicas": 2, "selector": { "matchLabels": { "app": "web" } },
                  "template": { "metadata": { "labels": { "app": "web" } } } },
        "status": { "observedGeneration": generation, "replicas": 2, "updatedReplicas": 2,
                    "availableReplicas": 2, "readyReplicas": 2 },
    })
}

fn restarted(mut deployment: Value) -> Value {
    deployment["spec"]["template"]["metadata"]["annotations"] =
        json!({ "kubectl.kubernetes.io/restartedAt": AT });
    deployment["metadata"]["generation"] = json!(4);
    deployment
}

fn patch() -> Value {
    json!({
        "metadata": { "uid": "u1", "resourceVersion": "77" },
        "spec": { "template": { "metadata": { "annotations": {
            "kubectl.kubernetes.io/restartedAt": AT,
        } } } },
    })
}

fn pod(name: &str, owner_kind: &str, owner: &str, phase: &str) -> Value {
    let hash = owner.rsplit('-').next();
    json!({
        "metadata": { "name": name, "labels": { "pod-template-hash": hash }, "ownerReferences": [
            { "apiVersion": "v1", "kind": owner_kind, "name": owner, "uid": "o", "controller": true },
        ] },
        "status": { "phase": phase },
    })
}

fn plan_of(uid: &str, generation: i64) -> Plan {
    let annotations = json!({ "kubectl.kubernetes.io/restartedAt": AT });
    let body = json!({ "spec": { "template": { "metadata": { "annotations": annotations } } } });
    Plan {
        uid: uid.to_owned(),
        version: Version::Generation(generation),
        replicas_left: Some(2),
        body: Body::new(&body.to_string()),
        ..Plan::bare(Verb::Restart, target())
    }
}

async fn execute(fake: Fake, plan: Plan) -> Result<(), CapabilityError> {
    fake.serve(|clusters| async move { clusters.execute(&plan).await }).await
}

#[tokio::test]
async fn plans_from_the_clusters_own_answers() {
    let pods = [
        pod("web-b", "ReplicaSet", "web-5d4f", "Running"),
        pod("web-a", "ReplicaSet", "web-5d4f", "Pending"),
        pod("web-old", "ReplicaSet", "web-5d4f", "Failed"),
        pod("web-api-a", "ReplicaSet", "web-api-5d4f", "Running"),
        pod("web-migrate", "Job", "web-migrate", "Running"),
    ];
    let plan = Fake::default()
        .expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect_body(TRY, patch(), Reply::Json(200, restarted(deployment("u1", 3))))
        .expect(PODS, list(&pods, ""))
        .expect(BUDGETS, status(403, "no"))
        .serve(|clusters| async move { clusters.plan(Verb::Restart, &target()).await })
        .await
        .unwrap();
    assert_eq!(
        plan,
        Plan {
            changes: vec![Change {
                path: PATH.to_owned(),
                before: None,
                after: Some(AT.to_owned())
            }],
            pods: vec!["web-a".to_owned(), "web-b".to_owned()],
            pods_total: 2,
            warnings: vec![
                "disruption budgets could not be read".to_owned(),
                "1 pod of jobs under the same labels would not be restarted".to_owned(),
            ],
            ..plan_of("u1", 3)
        }
    );
}

#[tokio::test]
async fn a_plan_names_fifty_pods_and_counts_all() {
    let pods: Vec<Value> =
        (0..60).map(|n| pod(&format!("web-{n:02}"), "ReplicaSet", "web-5d4f", "Running")).collect();
    let plan = Fake::default()
        .expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect(TRY, Reply::Json(200, restarted(deployment("u1", 3))))
        .expect(PODS, list(&pods, ""))
        .expect(BUDGETS, list(&[], ""))
        .serve(|clusters| async move { clusters.plan(Verb::Restart, &target()).await })
        .await
        .unwrap();
    assert_eq!((plan.pods.len(), plan.pods_total, plan.warnings.len()), (50, 60, 0));
}

#[tokio::test]
async fn refuses_to_plan_for_an_object_without_identity_or_selector() {
    let mut anonymous = deployment("u1", 3);
    anonymous["metadata"]["resourceVersion"] = Value::Null;
    let mut everything = deployment("u1", 3);
    everything["spec"]["selector"] = json!({});
    let tried = Reply::Json(200, everything.clone());
    for fake in [
        Fake::default().expect(GET, Reply::Json(200, anonymous)),
        Fake::default().expect(GET, Reply::Json(200, everything)).expect(TRY, tried),
    ] {
        let planned =
            fake.serve(|clusters| async move { clusters.plan(Verb::Restart, &target()).await });
        let error = planned.await.unwrap_err();
        assert!(matches!(error, CapabilityError::Unavailable { .. }), "{error:?}");
    }
}

#[tokio::test]
async fn executes_with_one_patch_that_holds_only_for_the_object_it_looked_at() {
    let fake = Fake::default().expect(GET, Reply::Json(200, deployment("u1", 3))).expect_body(
        PATCH,
        patch(),
        Reply::Json(200, json!({})),
    );
    execute(fake, plan_of("u1", 3)).await.unwrap();
}

#[tokio::test]
async fn refuses_to_execute_what_was_not_planned() {
    for (found, expected) in [
        (deployment("u2", 3), "was deleted and made anew since the plan"),
        (deployment("u1", 4), "was changed since the plan (generation 3 then, 4 now)"),
    ] {
        let fake = Fake::default().expect(GET, Reply::Json(200, found));
        let error = execute(fake, plan_of("u1", 3)).await.unwrap_err();
        assert!(matches!(error, CapabilityError::Conflict(_)), "{error:?}");
        assert!(error.caller_text().contains(expected), "{error}");
    }
}

/// A patch that came too late for the version that was looked at.
fn too_late(fake: Fake) -> Fake {
    fake.expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect(PATCH, status(409, "the object has been modified"))
}

#[tokio::test(start_paused = true)]
async fn a_report_of_its_state_that_slips_in_between_costs_an_attempt() {
    let fake = too_late(too_late(Fake::default()))
        .expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect(PATCH, Reply::Json(200, json!({})));
    execute(fake, plan_of("u1", 3)).await.unwrap();
    let tried = restarted(deployment("u1", 3));
    let fake = Fake::default()
        .expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect(TRY, status(409, "the object has been modified"))
        .expect(GET, Reply::Json(200, deployment("u1", 3)))
        .expect(TRY, Reply::Json(200, tried))
        .expect(PODS, list(&[], ""))
        .expect(BUDGETS, list(&[], ""));
    let planned =
        fake.serve(|clusters| async move { clusters.plan(Verb::Restart, &target()).await });
    assert_eq!(planned.await.unwrap().version, Version::Generation(3));
}

#[tokio::test(start_paused = true)]
async fn a_change_that_slips_in_between_is_a_conflict() {
    let fake = too_late(Fake::default()).expect(GET, Reply::Json(200, deployment("u1", 4)));
    let error = execute(fake, plan_of("u1", 3)).await.unwrap_err();
    assert!(matches!(error, CapabilityError::Conflict(_)), "{error:?}");
    assert!(error.caller_text().contains("(generation 3 then, 4 now)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_never_stands_still_is_a_conflict() {
    let fake = (0..5).fold(Fake::default(), |fake, _| too_late(fake));
    let error = execute(fake, plan_of("u1", 3)).await.unwrap_err();
    assert_eq!(
        error,
        CapabilityError::Conflict(
            "deployment `web` changed while this was under way, so nothing was done; ask again"
                .to_owned()
        )
    );
}

#[tokio::test(start_paused = true)]
async fn never_repeats_a_write_and_says_when_nobody_knows_what_became_of_it() {
    let unknown = "the cluster did not confirm the change, which may or may not have been made; \
                   look at the workload before asking again";
    let busy = "the cluster is too busy and did nothing; try again later";
    for (reply, expected) in [
        (Reply::Reset, unknown),
        (Reply::Silence, unknown),
        (status(500, "oops"), unknown),
        (Reply::Text(503, String::new()), unknown),
        (Reply::Busy("0"), busy),
    ] {
        let fake =
            Fake::default().expect(GET, Reply::Json(200, deployment("u1", 3))).expect(PATCH, reply);
        let error = execute(fake, plan_of("u1", 3)).await.unwrap_err();
        assert_eq!(error.caller_text(), expected);
    }
}
