//! A restart, from the request to the rollout's end, as the cluster itself tells it.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use toolgate::domain::call::Outcome;
use toolgate::governance::approval::{Folder, Status};
use toolgate_tests::House;

use crate::cluster::{NAME, wait_for};
use crate::space::Space;
use crate::workloads::{deployed, rolled_out};

/// Earlier than every request of these tests lapses.
const NOW: &str = "2020-01-01T00:00:00Z";

async fn pods(space: &Space) -> BTreeSet<String> {
    space.pods("app=web").await.into_iter().map(|pod| pod.metadata.uid.unwrap()).collect()
}

async fn house(space: &Space) -> House {
    let name = &space.name;
    let grants: String = ["restart", "scale", "rollback", "pause", "delete-pod"]
        .iter()
        .map(|verb| format!("[grants.remediation.kubernetes-{verb}]\nnamespaces = [\"{name}\"]\n"))
        .collect();
    let config = format!("[mode]\nread_only = false\n{grants}");
    space.cluster.house().with("plugins/remediation").config(&config).build().await
}

async fn ask(house: &House, space: &Space) -> Value {
    let of = json!({"namespace": space.name, "deployment_name": "web", "reason": "it leaks"});
    let outcome = house.call("alice", "restart_deployment", of).await;
    let outcome = outcome.expect("the call is admitted");
    let Outcome::Output(output) = outcome else { panic!("{outcome:?}") };
    output.structured.expect("an object")
}

/// What the API server recorded of changes that Toolgate asked for, rehearsals included.
fn patches(space: &Space) -> Vec<Value> {
    space.cluster.audited(|event| {
        event["verb"] == "patch"
            && event["objectRef"]["resource"] == "deployments"
            && event["objectRef"]["namespace"] == space.name.as_str()
            && event["requestURI"]
                .as_str()
                .is_some_and(|uri| uri.ends_with("fieldManager=toolgate"))
    })
}

#[tokio::test]
async fn a_restart_that_was_approved_is_seen_to_its_end() {
    let space = Space::open("restart").await;
    deployed(&space, "web", 2, "exec sleep 3600").await;
    let before = pods(&space).await;
    let house = house(&space).await;

    let asked = ask(&house, &space).await;
    assert_eq!(asked["outcome"], "approval_required", "{asked}");
    assert_eq!(pods(&space).await, before, "nothing happens before the answer");

    let approvals = Folder::open(&house.approvals_dir()).unwrap();
    let id = asked["approval_id"].as_str().unwrap().parse().unwrap();
    approvals.answer(&id, true, "olga", None, NOW).unwrap();
    let done = wait_for("the rollout is complete", async || {
        let answer = ask(&house, &space).await;
        (answer["state"] == "complete").then_some(answer)
    })
    .await;
    assert_eq!(done["outcome"], "performed", "{done}");
    assert_eq!(approvals.show(&id, NOW).unwrap().1, Status::Executed);

    rolled_out(&space, "web").await;
    let after = wait_for("the old pods are gone", async || {
        Some(pods(&space).await).filter(|pods| pods.is_disjoint(&before))
    })
    .await;
    assert_eq!(after.len(), 2);
}

#[tokio::test]
async fn the_api_server_saw_one_change_for_one_approval() {
    let space = Space::open("once").await;
    deployed(&space, "web", 1, "exec sleep 3600").await;
    let house = house(&space).await;
    let asked = ask(&house, &space).await;
    let approvals = Folder::open(&house.approvals_dir()).unwrap();
    let id = asked["approval_id"].as_str().unwrap().parse().unwrap();
    approvals.answer(&id, true, "olga", None, NOW).unwrap();
    wait_for("the restart is performed", async || {
        (ask(&house, &space).await["outcome"] == "performed").then_some(())
    })
    .await;
    let changes = wait_for("the API server records the change", async || {
        Some(patches(&space)).filter(|found| found.iter().any(|event| !is_rehearsal(event)))
    })
    .await;
    let n_changes = changes.iter().filter(|event| !is_rehearsal(event)).count();
    assert_eq!(n_changes, 1, "in `{NAME}`: {changes:?}");
}

fn is_rehearsal(event: &Value) -> bool {
    event["requestURI"].as_str().is_some_and(|uri| uri.contains("dryRun=All"))
}
