//! From the request of a write to its effect, with a person's answer between them.

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use tokio::time::Instant;
use toolgate::domain::name::ApprovalId;
use toolgate::domain::subject::Subject;
use toolgate::governance::approval::{ApprovalError, Status};
use toolgate::governance::audit::Stage;
use toolgate_tests::{House, Part, changes, grants, line};

fn config() -> String {
    let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
    format!("[mode]\nread_only = false\n{grants}")
}

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(10);

fn checkout() -> Value {
    json!({"namespace": "shop", "deployment_name": "checkout"})
}

async fn house() -> House {
    House::of(&["plugins/remediation"], &config()).await
}

async fn request(house: &House) -> ApprovalId {
    let answer = house.ask("alice", "restart_deployment", checkout()).await;
    assert!(answer.contains("approval"), "{answer}");
    let pending = house.operator().answers.pending().unwrap();
    pending.first().expect("a request").request.id.parse().unwrap()
}

/// What went to the cluster to change it: a rehearsal does not.
fn writes(house: &House) -> usize {
    changes(house.cluster("demo")).len()
}

/// How the request ended, once the host has noticed that it did.
async fn ended(house: &House, id: &ApprovalId) -> Status {
    let began = Instant::now();
    while house.inner.effects.has_open() {
        assert!(began.elapsed() < SOON, "it stays open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    house.operator().status(id)
}

#[tokio::test]
async fn a_write_waits_for_a_yes_and_happens_once() {
    let house = house().await;
    let id = request(&house).await;
    assert_eq!(request(&house).await, id, "the same question is the same request");
    assert_eq!(writes(&house), 0);
    house.operator().approve(&id, "olga");
    assert_eq!(ended(&house, &id).await, Status::Executed);
    assert_eq!(writes(&house), 1);
    let again = house.operator().answer(&id, true, "olga", None).unwrap_err();
    assert!(matches!(again, ApprovalError::Over { .. }), "an answer is final: {again}");
    let answer = house.ask("alice", "restart_deployment", checkout()).await;
    assert!(answer.starts_with("output: Performed"), "{answer}");
    assert_eq!(writes(&house), 1);
    let lines = house.record().settled().await;
    let stages: Vec<_> = lines.iter().map(|line| line.stage.as_str()).collect();
    expect![[r#"
        received
        admitted
        used
        approval-requested
        completed
        received
        admitted
        used
        completed
        approval-decided
        intent
        effect
        received
        admitted
        used
        completed"#]]
    .assert_eq(&stages.join("\n"));
}

#[tokio::test]
async fn a_no_is_told_with_its_reason_and_nothing_happens() {
    let house = house().await;
    let id = request(&house).await;
    house.operator().answer(&id, false, "olga", Some("not today")).unwrap();
    assert_eq!(ended(&house, &id).await, Status::Denied);
    let answer = house.ask("alice", "restart_deployment", checkout()).await;
    expect!["tool-error: denied: restart of deployment `shop/checkout`: the operator said no: not today. Nothing was changed."].assert_eq(&answer);
    assert_eq!(writes(&house), 0);
}

#[tokio::test]
async fn invariant_08_an_object_that_changed_after_the_yes_is_left_alone() {
    let house = house().await;
    let id = request(&house).await;
    scale(&house).await;
    let n_writes = writes(&house);
    house.operator().approve(&id, "olga");
    assert_eq!(ended(&house, &id).await, Status::Failed);
    let answer = house.ask("alice", "restart_deployment", checkout()).await;
    expect!["tool-error: denied: restart of deployment `shop/checkout`: deployment `checkout` was changed since the plan (generation 9 then, 10 now); ask again for a new plan. Nothing was changed."].assert_eq(&answer);
    let lines = house.record().settled().await;
    let effects = lines.iter().filter(|line| matches!(line.stage, Stage::Effect { .. }));
    let effects: Vec<_> = effects.map(|found| line(&found.stage)).collect();
    expect!["effect    restart demo:Deployment:shop/checkout for alice@os deployment `checkout` was changed since the plan (generation 9 then, 10 now); ask again for a new plan"].assert_eq(&effects.join("\n"));
    // What was sent carried what was approved, and the cluster refused it.
    assert!(writes(&house) <= n_writes + 1);
}

/// Somebody else changes the deployment.
async fn scale(house: &House) {
    let body = serde_json::to_vec(&json!({"spec": {"replicas": 5}})).unwrap();
    let request = http::Request::patch("/apis/apps/v1/namespaces/shop/deployments/checkout")
        .header("content-type", "application/merge-patch+json")
        .body(body)
        .unwrap();
    house.cluster("demo").client().request::<Value>(request).await.unwrap();
}

#[tokio::test]
async fn invariant_08_a_request_whose_file_was_changed_is_not_executed() {
    let house = house().await;
    let id = request(&house).await;
    let file = house.approvals_dir().join(format!("{id}.request.json"));
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("checkout", "frontend")).unwrap();
    // The person sees another deployment and agrees to that.
    house.operator().approve(&id, "olga");
    assert_eq!(ended(&house, &id).await, Status::Failed);
    assert_eq!(writes(&house), 0);
}

/// Reads one of the house's own resources, as `eve`.
async fn read(house: &House, uri: &str) -> String {
    house.get(Subject::Resource(uri.parse().unwrap()), json!({})).await
}

#[tokio::test]
async fn who_asked_reads_what_became_of_it_and_nobody_else_does() {
    let house = house().await;
    let foreign = request(&house).await;
    let scale = json!({"namespace": "shop", "deployment_name": "frontend", "replicas": 3});
    let asked = house.ask("eve", "scale_deployment", scale).await;
    assert!(asked.contains("Approval required"), "{asked}");
    let pending = house.operator().answers.pending().unwrap();
    let own = pending.iter().find(|a| a.request.principal == "eve@os").unwrap();
    let id: ApprovalId = own.request.id.parse().unwrap();
    let uri = format!("toolgate://approvals/{id}");

    let told = read(&house, &uri).await;
    assert!(!told.contains(&own.request_sha256), "nothing to answer with: {told}");
    let told: Value = serde_json::from_str(told.strip_prefix("content: ").unwrap()).unwrap();
    let expected = json!({
        "id": id.as_str(), "status": "pending", "tool": "scale_deployment", "verb": "scale",
        "replicas": 3, "revision": null, "cluster": "demo", "kind": "Deployment",
        "namespace": "shop", "name": "frontend", "requested": own.request.requested,
        "expires": own.request.expires, "answers": [], "outcome": null,
        "needs": {"rule": "writes-need-approval:15", "approvers": 1, "missing": 1,
                  "reason_required": false, "you_may_approve": true},
    });
    assert_eq!(told, expected);

    let list = read(&house, "toolgate://approvals").await;
    assert!(list.contains(id.as_str()) && !list.contains(foreign.as_str()), "{list}");
    // Another's, none, and no name are one answer.
    let other = read(&house, &format!("toolgate://approvals/{foreign}")).await;
    let nobody = read(&house, "toolgate://approvals/nobody22nobody22").await;
    assert_eq!(other.replace(foreign.as_str(), "<id>"), nobody.replace("nobody22nobody22", "<id>"));
    assert!(other.starts_with("not-found"), "{other}");
    let elsewhere = read(&house, "toolgate://approvals/..%2f..").await;
    assert!(!elsewhere.starts_with("content"), "{elsewhere}");

    for id in [&id, &foreign] {
        house.operator().answer(id, false, "olga", Some("not\u{202e} today")).unwrap();
    }
    assert_eq!(ended(&house, &id).await, Status::Denied);
    let told = read(&house, &uri).await;
    let told: Value = serde_json::from_str(told.strip_prefix("content: ").unwrap()).unwrap();
    assert_eq!(told["status"], "denied");
    assert_eq!(told["answers"][0]["by"], "olga@os");
    assert_eq!(told["answers"][0]["reason"], "not today");
}

#[tokio::test]
async fn invariant_04_an_approved_write_without_a_record_does_not_happen() {
    let house = house().await;
    let id = request(&house).await;
    house.record().settled().await;
    std::fs::remove_dir_all(house.audit_dir()).unwrap();
    house.operator().approve(&id, "olga");
    assert_eq!(ended(&house, &id).await, Status::Failed);
    assert_eq!(writes(&house), 0);
}

#[tokio::test]
async fn invariant_09_no_tool_answers_a_request() {
    let grants = "
        [grants.pods.kubernetes-read]
        namespaces = [\"*\"]
        [grants.pods.kubernetes-events]
        namespaces = [\"*\"]
        [grants.logs.kubernetes-logs]
        namespaces = [\"*\"]
        [grants.events.kubernetes-events]
        namespaces = [\"*\"]
        [grants.workloads.kubernetes-read]
        namespaces = [\"*\"]
        [grants.workloads.kubernetes-events]
        namespaces = [\"*\"]
        [grants.nodes.kubernetes-read]
        namespaces = [\"*\"]
    ";
    let sources = ["events", "logs", "nodes", "pods", "remediation", "workloads"];
    let sources = sources.map(|name| format!("plugins/{name}"));
    let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
    let house = House::of(&sources, &(config() + grants)).await;
    let sandbox = house.gateway().sandbox();
    let tools: Vec<_> = sandbox
        .tools()
        .map(|tool| {
            let uses: Vec<_> = tool.offer.uses.iter().map(|used| used.as_str()).collect();
            let (name, tier) = (tool.listing.name.as_str(), tool.listing.tier.as_str());
            format!("{name:<20} {tier:<10} {}", uses.join(", "))
        })
        .collect();
    expect![[r#"
        describe_pod         read       kubernetes-events, kubernetes-read
        find_recent_changes  read       kubernetes-events, kubernetes-read
        get_node_status      read       kubernetes-read
        get_pod_logs         read       kubernetes-logs
        get_pod_status       read       kubernetes-read
        get_recent_events    read       kubernetes-events
        get_workload_logs    read       kubernetes-logs
        list_deployments     read       kubernetes-read
        list_failing_pods    read       kubernetes-read
        list_pods            read       kubernetes-read
        pause_deployment     reversible kubernetes-pause
        restart_deployment   reversible kubernetes-restart
        restart_pod          destructive kubernetes-delete-pod
        rollback_deployment  reversible kubernetes-rollback
        rollout_status       read       kubernetes-read
        scale_deployment     reversible kubernetes-scale"#]]
    .assert_eq(&tools.join("\n"));
}

#[tokio::test]
async fn invariant_10_a_tool_that_calls_itself_harmless_can_do_no_harm() {
    let mut part = Part::find("plugins/remediation");
    let honest = "uses = [\"kubernetes-restart\"]";
    assert!(part.manifest.contains(honest));
    part.manifest = part.manifest.replace(honest, "uses = []");
    let house = House::builder().with_part(part).config(&config()).build().await;
    let answer = house.ask("alice", "restart_deployment", checkout()).await;
    expect!["tool-error: denied: the tool `restart_deployment` does not list `kubernetes-restart` under `uses` in its plugin's manifest"].assert_eq(&answer);
    assert!(house.cluster("demo").requests().is_empty());
}
