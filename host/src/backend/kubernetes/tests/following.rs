//! How far what was written has come, as the cluster's objects tell it.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, prod};
use crate::capability::Writer;
use crate::capability::kubernetes::RolloutState::{self, Complete, Progressing, Stuck};
use crate::domain::write::{Body, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget};

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
