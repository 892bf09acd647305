//! The exact requests of each verb, and what a server that is older or forbids things answers.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::capability::{CapabilityError, Writer};
use crate::domain::write::{Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};

const GET: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";
const PODS: &str = "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb&limit=250";
const BUDGETS: &str = "GET /apis/policy/v1/namespaces/shop/poddisruptionbudgets?&limit=500";
const OLD_BUDGETS: &str =
    "GET /apis/policy/v1beta1/namespaces/shop/poddisruptionbudgets?&limit=500";
const AUTOSCALERS: &str =
    "GET /apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers?&limit=500";
const POD: &str = "/api/v1/namespaces/shop/pods/web-1";

fn web() -> WriteTarget {
    WriteTarget::Workload(WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    })
}

fn web_1() -> WriteTarget {
    let (namespace, name) = ("shop".parse().unwrap(), "web-1".parse().unwrap());
    WriteTarget::Pod { cluster: prod(), namespace, name }
}

fn deployment(replicas: u32) -> Value {
    json!({
        "metadata": { "name": "web", "uid": "u1", "generation": 3, "resourceVersion": "77" },
        "spec": { "replicas": replicas, "selector": { "matchLabels": { "app": "web" } },
                  "template": { "metadata": { "labels": { "app": "web" } } } },
        "status": { "observedGeneration": 3, "replicas": replicas, "updatedReplicas": replicas,
                    "availableReplicas": replicas, "readyReplicas": replicas },
    })
}

fn pod(owner: &Value) -> Value {
    json!({
        "metadata": { "name": "web-1", "uid": "p1", "resourceVersion": "8",
                      "labels": { "app": "web" }, "ownerReferences": [owner] },
        "spec": { "nodeName": "node-1", "containers": [] },
        "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] },
    })
}

async fn plan(fake: Fake, verb: Verb, target: WriteTarget) -> Plan {
    fake.serve(|clusters| async move { clusters.plan(verb, &target).await }).await.unwrap()
}

#[tokio::test]
async fn scales_through_the_subresource_and_says_who_would_undo_it() {
    let scale = "/apis/apps/v1/namespaces/shop/deployments/web/scale";
    let body =
        json!({ "metadata": { "uid": "u1", "resourceVersion": "77" }, "spec": { "replicas": 5 } });
    let autoscaler = json!({
        "metadata": { "name": "web" },
        "spec": { "minReplicas": 2, "maxReplicas": 10,
                  "scaleTargetRef": { "kind": "Deployment", "name": "web" } },
    });
    let planned = plan(
        Fake::default()
            .expect(GET, Reply::Json(200, deployment(2)))
            .expect_body(
                &format!("PATCH {scale}?dryRun=All&fieldManager=toolgate"),
                body.clone(),
                Reply::Json(200, json!({ "kind": "Scale", "spec": { "replicas": 5 } })),
            )
            .expect(AUTOSCALERS, list(&[autoscaler], "")),
        Verb::Scale { replicas: 5 },
        web(),
    )
    .await;
    assert_eq!(
        planned.warnings,
        ["autoscaler `web` sets the number of replicas itself (2 to 10) and may undo this"]
    );
    assert_eq!((planned.pods_total, planned.replicas_left), (0, Some(2)));
    Fake::default()
        .expect(GET, Reply::Json(200, deployment(2)))
        .expect_body(
            &format!("PATCH {scale}?fieldManager=toolgate"),
            body,
            Reply::Json(200, json!({})),
        )
        .serve(|clusters| async move { clusters.execute(&planned).await })
        .await
        .unwrap();
}

#[tokio::test]
async fn asks_an_older_server_for_budgets_as_it_has_them() {
    let budget = |name: &str, selector: Value| {
        json!({ "metadata": { "name": name }, "spec": { "selector": selector },
                "status": { "disruptionsAllowed": 0, "currentHealthy": 2, "desiredHealthy": 2,
                            "expectedPods": 2 } })
    };
    let budgets =
        [budget("web", json!({ "matchLabels": { "app": "web" } })), budget("none", json!({}))];
    let mut replica = pod(&json!({ "kind": "ReplicaSet", "name": "web-5d4f", "uid": "o1",
                                   "apiVersion": "apps/v1", "controller": true }));
    replica["metadata"]["labels"]["pod-template-hash"] = json!("5d4f");
    let planned = plan(
        Fake::default()
            .expect(GET, Reply::Json(200, deployment(2)))
            .expect(
                "PATCH /apis/apps/v1/namespaces/shop/deployments/web/scale?dryRun=All&\
                 fieldManager=toolgate",
                Reply::Json(200, json!({ "spec": {} })),
            )
            .expect(PODS, list(&[replica], ""))
            .expect(BUDGETS, status(404, "the server could not find the requested resource"))
            .expect(OLD_BUDGETS, list(&budgets, ""))
            .expect(AUTOSCALERS, status(403, "no")),
        Verb::Scale { replicas: 0 },
        web(),
    )
    .await;
    assert_eq!(planned.changes[0].after.as_deref(), Some("0"));
    assert_eq!(
        planned.warnings,
        [
            "no replicas: nothing serves until it is scaled up again",
            "disruption budget `web` allows no disruption now, and scaling down does not ask it",
            "autoscalers could not be read",
        ]
    );
    assert_eq!(planned.budgets.iter().map(|b| b.name.as_str()).collect::<Vec<_>>(), ["web"]);
}

#[tokio::test]
async fn deletes_with_preconditions_and_the_pods_own_grace_period() {
    let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f",
                        "uid": "o1", "controller": true });
    let held = json!({ "uid": "p1", "resourceVersion": "8" });
    let mut tried = json!({ "preconditions": held });
    tried["dryRun"] = json!(["All"]);
    let planned = plan(
        Fake::default()
            .expect(&format!("GET {POD}"), Reply::Json(200, pod(&owner)))
            .expect_body(&format!("DELETE {POD}?dryRun=All"), tried, Reply::Json(200, pod(&owner)))
            .expect(PODS, list(&[pod(&owner)], ""))
            .expect(BUDGETS, list(&[], "")),
        Verb::Delete,
        web_1(),
    )
    .await;
    assert_eq!(planned.replicas_left, Some(0));
    assert_eq!(
        planned.warnings,
        ["no other pod of its controller is ready: expect an outage until its successor is"]
    );
    let executed = planned.clone();
    Fake::default()
        .expect(&format!("GET {POD}"), Reply::Json(200, pod(&owner)))
        .expect_body(
            &format!("DELETE {POD}"),
            json!({ "preconditions": held }),
            Reply::Json(200, json!({})),
        )
        .serve(|clusters| async move { clusters.execute(&executed).await })
        .await
        .unwrap();
    // A namesake is another pod.
    let mut twin = pod(&owner);
    twin["metadata"]["uid"] = json!("p2");
    let refused = Fake::default()
        .expect(&format!("GET {POD}"), Reply::Json(200, twin))
        .serve(|clusters| async move { clusters.execute(&planned).await })
        .await
        .unwrap_err();
    assert!(matches!(refused, CapabilityError::Conflict(_)), "{refused:?}");
}

#[tokio::test]
async fn a_pod_is_the_same_while_only_its_state_changes() {
    let owner = json!({ "apiVersion": "batch/v1", "kind": "Job", "name": "migrate", "uid": "o1",
                        "controller": true });
    let planned = plan(
        Fake::default()
            .expect(&format!("GET {POD}"), Reply::Json(200, pod(&owner)))
            .expect(&format!("DELETE {POD}?dryRun=All"), Reply::Json(200, pod(&owner)))
            .expect(BUDGETS, list(&[], "")),
        Verb::Delete,
        web_1(),
    )
    .await;
    let mut later = pod(&owner);
    later["metadata"]["resourceVersion"] = json!("9");
    later["status"]["phase"] = json!("Failed");
    let held = json!({ "preconditions": { "uid": "p1", "resourceVersion": "9" } });
    let executed = planned.clone();
    Fake::default()
        .expect(&format!("GET {POD}"), Reply::Json(200, later.clone()))
        .expect_body(&format!("DELETE {POD}"), held, Reply::Json(200, json!({})))
        .serve(|clusters| async move { clusters.execute(&executed).await })
        .await
        .unwrap();
    later["spec"]["nodeName"] = json!("node-2");
    let refused = Fake::default()
        .expect(&format!("GET {POD}"), Reply::Json(200, later))
        .serve(|clusters| async move { clusters.execute(&planned).await })
        .await
        .unwrap_err();
    assert_eq!(
        refused.caller_text(),
        "pod `web-1` was changed since the plan; ask again for a new plan"
    );
}

#[tokio::test]
async fn warns_where_no_other_node_takes_pods() {
    let node = |name: &str, spec: Value, ready: &str| {
        json!({ "metadata": { "name": name, "uid": name, "resourceVersion": "5" }, "spec": spec,
                "status": { "conditions": [{ "type": "Ready", "status": ready }] } })
    };
    let nodes = [
        node("node-1", json!({}), "True"),
        node("node-2", json!({}), "Unknown"),
        node("node-3", json!({ "unschedulable": true }), "True"),
        node("node-4", json!({ "taints": [{ "key": "gpu", "effect": "NoSchedule" }] }), "True"),
    ];
    let patch = json!({ "metadata": { "uid": "node-1", "resourceVersion": "5" },
                        "spec": { "unschedulable": true } });
    let target = WriteTarget::Node { cluster: prod(), name: "node-1".parse().unwrap() };
    let planned = plan(
        Fake::default()
            .expect("GET /api/v1/nodes/node-1", Reply::Json(200, nodes[0].clone()))
            .expect_body(
                "PATCH /api/v1/nodes/node-1?dryRun=All&fieldManager=toolgate",
                patch,
                Reply::Json(200, node("node-1", json!({ "unschedulable": true }), "True")),
            )
            .expect("GET /api/v1/nodes?&limit=100", list(&nodes, "")),
        Verb::Cordon,
        target,
    )
    .await;
    assert_eq!(planned.changes[0].path, "spec.unschedulable");
    assert_eq!(
        planned.warnings,
        ["no other node takes ordinary pods now: pods that end have nowhere to go"]
    );
}

#[tokio::test]
async fn rolls_a_stateful_set_back_to_what_its_revision_holds() {
    let place = "/apis/apps/v1/namespaces/shop";
    let mut set = deployment(1);
    set["spec"]["updateStrategy"] = json!({ "type": "RollingUpdate" });
    let held = |number: u64, uid: &str, image: &str| {
        json!({ "metadata": { "name": format!("web-{number}"), "ownerReferences": [
                    { "apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": uid,
                      "controller": true } ] },
                "revision": number,
                "data": { "spec": { "template": { "$patch": "replace",
                    "spec": { "containers": [{ "name": "web", "image": image }] } } } } })
    };
    let revisions = [
        held(1, "u1", "web:1"),
        held(2, "u1", "web:2"),
        held(3, "other", "web:3"),
        held(4, "u1", "web:4"),
    ];
    let patch = json!({
        "metadata": { "uid": "u1", "resourceVersion": "77" },
        "spec": { "template": { "$patch": "replace",
                  "spec": { "containers": [{ "name": "web", "image": "web:2" }] } } },
    });
    let mut after = set.clone();
    after["spec"]["template"]["spec"] =
        json!({ "containers": [{ "name": "web", "image": "web:2" }] });
    let target = WriteTarget::Workload(WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::StatefulSet,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    });
    let planned = plan(
        Fake::default()
            .expect(&format!("GET {place}/statefulsets/web"), Reply::Json(200, set))
            .expect(
                &format!("GET {place}/controllerrevisions?&labelSelector=app%3Dweb&limit=500"),
                list(&revisions, ""),
            )
            .expect_body(
                &format!("PATCH {place}/statefulsets/web?dryRun=All&fieldManager=toolgate"),
                patch,
                Reply::Json(200, after),
            )
            .expect(PODS, list(&[], ""))
            .expect(BUDGETS, list(&[], "")),
        Verb::Rollback { revision: None },
        target,
    )
    .await;
    assert_eq!(planned.verb, Verb::Rollback { revision: Some(2) });
    assert!(planned.changes.iter().all(|c| c.path.starts_with("spec.template")), "{planned:?}");
}

#[tokio::test]
async fn what_somebody_wrote_on_one_pod_hides_no_sibling() {
    let owner = json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f",
                        "uid": "o1", "controller": true });
    let mut marked = pod(&owner);
    marked["metadata"]["labels"] =
        json!({ "app": "web", "debug": "yes", "pod-template-hash": "5d4f" });
    let mut other = pod(&owner);
    other["metadata"]["uid"] = json!("p2");
    let planned = plan(
        Fake::default()
            .expect(&format!("GET {POD}"), Reply::Json(200, marked.clone()))
            .expect(&format!("DELETE {POD}?dryRun=All"), Reply::Json(200, marked))
            .expect(
                "GET /api/v1/namespaces/shop/pods?&labelSelector=pod-template-hash%3D5d4f&limit=250",
                list(&[other], ""),
            )
            .expect(BUDGETS, list(&[], "")),
        Verb::Delete,
        web_1(),
    )
    .await;
    assert_eq!((planned.replicas_left, planned.warnings.len()), (Some(1), 0));
    assert_eq!(planned.owner.unwrap().had, ["p2"]);
}

/// What is specified now may have no revision yet, and then the newest but one is one too far.
#[tokio::test(start_paused = true)]
async fn rolls_back_only_from_what_the_controller_has_seen() {
    let mut unseen = deployment(2);
    unseen["metadata"]["generation"] = json!(4);
    for revision in [None, Some(2)] {
        // It is looked at again, since a moment may be enough.
        let fake = (0..5)
            .fold(Fake::default(), |fake, _| fake.expect(GET, Reply::Json(200, unseen.clone())));
        let refused = fake.serve(|clusters| async move {
            clusters.plan(Verb::Rollback { revision }, &web()).await
        });
        assert_eq!(
            refused.await.unwrap_err(),
            CapabilityError::Conflict(
                "deployment `web` was changed, and its controller has not seen that yet; try again \
                 in a moment"
                    .to_owned()
            )
        );
    }
}
