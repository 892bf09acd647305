//! Every tool that changes something: asked for, approved, executed, and seen finished.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use toolgate::capability::ProgressSink;
use toolgate::domain::call::Outcome;
use toolgate::domain::write::PLAN_PODS_MAX;
use toolgate::governance::approval::Status;
use toolgate::governance::audit::Stage;
use toolgate_tests::{House, changes, grants, shown};

/// Longer than a rollout of the embedded cluster takes.
const FINISHED_WITHIN: Duration = Duration::from_mins(2);

async fn house(settings: &str, namespaces: &str) -> House {
    let grants = grants("plugins/remediation", &format!("namespaces = [\"{namespaces}\"]"));
    House::of(&["plugins/remediation"], &format!("{settings}\n{grants}")).await
}

const ASKS: &str = "[mode]\nread_only = false\n[approvals]\nrequired = true";

/// Each tool once, so that each can be asked for after those before it.
fn requests(pod: &str) -> Vec<(&'static str, Value)> {
    let frontend = |mut more: Value| {
        more["namespace"] = json!("shop");
        more["deployment_name"] = json!("frontend");
        more
    };
    vec![
        ("restart_pod", json!({"namespace": "shop", "pod_name": pod})),
        ("scale_deployment", frontend(json!({"replicas": 3}))),
        ("pause_deployment", frontend(json!({"paused": true}))),
        ("pause_deployment", frontend(json!({"paused": false}))),
        ("restart_deployment", frontend(json!({}))),
        ("rollback_deployment", json!({"namespace": "shop", "deployment_name": "checkout"})),
    ]
}

async fn call(house: &House, tool: &str, arguments: &Value) -> Value {
    match house.call("alice", tool, arguments.clone()).await {
        Ok(Outcome::Output(output)) => output.structured.expect("structured output"),
        other => panic!("{tool}: {}", shown(&other)),
    }
}

/// What went to the cluster to change it.
fn writes(house: &House) -> Vec<String> {
    let changes = changes(house.cluster("demo")).into_iter();
    changes.map(|request| format!("{} {}", request.method, request.path)).collect()
}

/// A pod of the deployment that is well.
async fn pod(house: &House) -> String {
    let request = http::Request::get("/api/v1/namespaces/shop/pods?labelSelector=app%3Dfrontend");
    let client = house.cluster("demo").client();
    let pods: Value = client.request(request.body(Vec::new()).unwrap()).await.unwrap();
    pods["items"][0]["metadata"]["name"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_is_approved_done_once_and_seen_finished() {
    let house = house(ASKS, "shop").await;
    let operator = house.operator();
    let pod = pod(&house).await;
    for (n_done, (tool, arguments)) in requests(&pod).into_iter().enumerate() {
        let asked = call(&house, tool, &arguments).await;
        assert_eq!(asked["outcome"], "approval_required", "{tool}");
        assert_eq!(writes(&house).len(), n_done, "{tool}: nothing before the yes");
        let id = asked["approval_id"].as_str().unwrap().parse().unwrap();
        operator.approve(&id, "olga");
        // The first call after the yes tells what came of it, and never that a yes is needed.
        let look = async {
            loop {
                let told = call(&house, tool, &arguments).await;
                assert_eq!(told["outcome"], "performed", "{tool}: {told}");
                assert_eq!(told["approval_id"].as_str(), Some(id.as_str()), "{tool}");
                if told["state"] == "complete" {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let finished = tokio::time::timeout(FINISHED_WITHIN, look).await;
        finished.unwrap_or_else(|_| panic!("{tool} does not end"));
        assert_eq!(operator.status(&id), Status::Executed);
        assert_eq!(writes(&house).len(), n_done + 1, "{tool}: once");
    }
    let written = writes(&house).join("\n").replace(&pod, "<pod>");
    expect![[r#"
        DELETE /api/v1/namespaces/shop/pods/<pod>
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend/scale
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend
        PATCH /apis/apps/v1/namespaces/shop/deployments/checkout"#]]
    .assert_eq(&written);
}

/// What a client is told while a call goes on.
#[derive(Default)]
struct Said(Mutex<Vec<(u32, String)>>);

impl ProgressSink for Said {
    fn report(&self, done: u32, _total: Option<u32>, message: &str) {
        self.0.lock().unwrap().push((done, message.to_owned()));
    }
}

#[tokio::test]
async fn what_was_executed_is_followed_to_its_end_in_one_call() {
    let house = house("[mode]\nread_only = false\n[approvals]\nrequired = false", "shop").await;
    let said = Arc::new(Said::default());
    let frontend = json!({"namespace": "shop", "deployment_name": "frontend"});
    let sink = Arc::<Said>::clone(&said);
    let outcome = house.call_reporting("alice", "restart_deployment", frontend, sink).await;
    let Ok(Outcome::Output(output)) = outcome else { panic!("{}", shown(&outcome)) };
    let told = output.structured.unwrap();
    assert_eq!((&told["outcome"], &told["state"]), (&json!("performed"), &json!("complete")));
    assert_eq!(writes(&house), ["PATCH /apis/apps/v1/namespaces/shop/deployments/frontend"]);
    let said = std::mem::take(&mut *said.0.lock().unwrap());
    assert!(said.len() > 1, "how far it is, and that it is done: {said:?}");
    assert!(
        said.iter().map(|(done, _)| *done).eq(1..=u32::try_from(said.len()).unwrap()),
        "{said:?}"
    );
    assert!(said.iter().all(|(_, text)| text.starts_with("restart of Deployment `frontend`: ")));
}

/// Ours and theirs: the record of what was sent, and what the cluster says it was sent.
#[tokio::test]
async fn what_the_cluster_was_asked_is_what_is_on_record() {
    let house = house(ASKS, "shop").await;
    let operator = house.operator();
    let arguments = json!({"namespace": "shop", "deployment_name": "frontend", "replicas": 3});
    let asked = call(&house, "scale_deployment", &arguments).await;
    let id = asked["approval_id"].as_str().unwrap().parse().unwrap();
    operator.approve(&id, "olga");
    call(&house, "scale_deployment", &arguments).await;
    house.record().settled().await;
    let seen = house.cluster("demo").requests();
    let seen: Vec<String> = seen
        .iter()
        .map(|request| {
            let mark = if request.query.is_empty() { "" } else { "?" };
            format!("{} {}{mark}{}", request.method, request.path, request.query)
        })
        .collect();
    let lines = house.record().requests();
    assert!(lines.iter().all(|line| line.call.is_some()), "each has its call: {lines:?}");
    let noted: Vec<String> = lines
        .iter()
        .map(|line| {
            let Stage::Request { method, path, .. } = &line.stage else { panic!("{line:?}") };
            format!("{method} {path}")
        })
        .collect();
    assert_eq!(noted, seen);
    // The end is looked for again and again.
    let mut noted = noted;
    noted.dedup();
    expect![[r#"
        GET /apis/apps/v1/namespaces/shop/deployments/frontend
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend/scale?dryRun=All&fieldManager=toolgate
        GET /apis/autoscaling/v1/namespaces/shop/horizontalpodautoscalers?&limit=500
        GET /apis/apps/v1/namespaces/shop/deployments/frontend
        PATCH /apis/apps/v1/namespaces/shop/deployments/frontend/scale?fieldManager=toolgate
        GET /apis/apps/v1/namespaces/shop/deployments/frontend"#]].assert_eq(&noted.join("\n"));
}

#[tokio::test]
async fn a_dry_run_shows_the_plan_and_does_nothing() {
    let house = house("[mode]\nread_only = false\ndry_run = true", "shop").await;
    let pod = pod(&house).await;
    for (tool, arguments) in requests(&pod) {
        let planned = call(&house, tool, &arguments).await;
        assert_eq!(planned["outcome"], "planned", "{tool}");
        assert!(planned["pods_total"].as_u64().unwrap() <= PLAN_PODS_MAX as u64);
    }
    assert_eq!(writes(&house), [""; 0]);
}

#[tokio::test]
async fn what_cannot_be_undone_always_asks() {
    let house = house("[mode]\nread_only = false\n[approvals]\nrequired = false", "shop").await;
    let frontend = json!({"namespace": "shop", "deployment_name": "frontend", "replicas": 3});
    let scaled = call(&house, "scale_deployment", &frontend).await;
    assert_eq!(scaled["outcome"], "performed");
    let arguments = json!({"namespace": "shop", "pod_name": pod(&house).await});
    let asked = call(&house, "restart_pod", &arguments).await;
    assert_eq!(asked["outcome"], "approval_required");
    assert_eq!(writes(&house), ["PATCH /apis/apps/v1/namespaces/shop/deployments/frontend/scale"]);
}

#[tokio::test]
async fn another_number_is_another_request_and_another_reason_is_not() {
    let house = house(ASKS, "shop").await;
    let scale = |replicas: u32, reason: &str| {
        json!({"namespace": "shop", "deployment_name": "frontend", "replicas": replicas,
               "reason": reason})
    };
    let first = call(&house, "scale_deployment", &scale(3, "a sale")).await;
    let again = call(&house, "scale_deployment", &scale(3, "a bigger sale")).await;
    let other = call(&house, "scale_deployment", &scale(30, "a sale")).await;
    assert_eq!(first["approval_id"], again["approval_id"]);
    assert_ne!(first["approval_id"], other["approval_id"]);
    let said = again["next_step"].as_str().unwrap();
    assert!(said.ends_with("; they see the reason of the first call"), "{said}");
    assert!(!first["next_step"].as_str().unwrap().contains("reason"));
}

#[tokio::test]
async fn a_plan_names_namespaces_that_look_alike_where_they_are_granted() {
    let arguments = json!({"namespace": "shop", "deployment_name": "frontend", "replicas": 3});
    let alike = "this is namespace `shop`; there is also `shop-staging`";
    for (granted, expected) in [("*", true), ("shop*", true), ("shop", false)] {
        let house = house(ASKS, granted).await;
        let asked = call(&house, "scale_deployment", &arguments).await;
        assert_eq!(asked["warnings"][0] == alike, expected, "{granted}: {asked}");
    }
}

#[tokio::test]
async fn what_is_not_granted_looks_like_what_is_not_there() {
    let house = house(ASKS, "shop").await;
    for (tool, arguments) in [
        ("restart_pod", json!({"namespace": "payments", "pod_name": "ledger-debug"})),
        ("restart_pod", json!({"namespace": "shop", "pod_name": "nobody"})),
        (
            "scale_deployment",
            json!({"namespace": "payments", "deployment_name": "ledger", "replicas": 0}),
        ),
        ("rollback_deployment", json!({"namespace": "payments", "deployment_name": "ledger"})),
        (
            "pause_deployment",
            json!({"namespace": "payments", "deployment_name": "ledger", "paused": true}),
        ),
    ] {
        let answer = house.ask("alice", tool, arguments).await;
        assert!(answer.contains("not found"), "{tool}: {answer}");
    }
    assert_eq!(writes(&house), [""; 0]);
}
