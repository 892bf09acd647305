//! The ways in which a restart does not happen: nobody answered, somebody said no, somebody said yes
//! to something else, too late, or to a process that is gone. The cluster sees no write in any.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use expect_test::expect;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use toolgate::backend::demo::DemoCluster;
use toolgate::backend::kubernetes::{Clusters, Connection};
use toolgate::capability::{
    CapabilityError, Progress, WriteOutcome, WriteRequest, WriteRequests as _, Writer,
};
use toolgate::domain::call::Outcome;
use toolgate::domain::mode::Mode;
use toolgate::domain::principal::Principal;
use toolgate::domain::scope::{Patterns, Scope};
use toolgate::domain::write::{Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};
use toolgate::effects::{Effects, Parts};
use toolgate::governance::approval::{ApprovalError, Desk, Status};
use toolgate::governance::policy::{Approvals, Policy};
use toolgate_tests::{House, Operator, ample_budget, changes, grants, patient_log, shown};

use crate::program::ANSWERED_WITHIN;

/// A house that may ask for restarts in `shop`.
fn config() -> String {
    let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
    format!("[mode]\nread_only = false\n[approvals]\nrequired = true\n{grants}")
}

async fn house() -> House {
    House::of(&["plugins/remediation"], &config()).await
}

async fn restart(house: &House) -> Result<Value, String> {
    let arguments = json!({"namespace": "shop", "deployment_name": "checkout"});
    let came_of_it = house.call("ada", "restart_deployment", arguments).await;
    match came_of_it {
        Ok(Outcome::Output(output)) => Ok(output.structured.expect("structured output")),
        other => Err(shown(&other)),
    }
}

/// Asks for a restart and gives the approval's id.
async fn ask(house: &House) -> String {
    let asked = restart(house).await.unwrap();
    assert_eq!(asked["outcome"], "approval_required");
    asked["approval_id"].as_str().unwrap().to_owned()
}

fn answer(house: &House, id: &str, approve: bool, reason: Option<&str>) {
    house.operator().answer(&id.parse().unwrap(), approve, "eve", reason).unwrap();
}

fn status(house: &House, id: &str) -> Status {
    house.operator().status(&id.parse().unwrap())
}

/// Asks again until the answer is another than that somebody has to answer.
async fn outcome(house: &House) -> Result<Value, String> {
    let look = async {
        loop {
            let answer = restart(house).await;
            if !matches!(&answer, Ok(content) if content["outcome"] == "approval_required") {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(ANSWERED_WITHIN, look).await.expect("something comes of it")
}

/// The restarts that the cluster took. A plan is one, too, that the server does not carry out.
fn restarts(cluster: &DemoCluster) -> Vec<String> {
    let changes = changes(cluster).into_iter();
    let ours = changes.filter(|request| request.body.contains("restartedAt"));
    ours.map(|request| request.path).collect()
}

fn deployments(house: &House) -> Api<Deployment> {
    Api::namespaced(house.cluster("demo").client(), "shop")
}

/// The records that tell of the write.
async fn told(house: &House) -> String {
    let text = house.record().text().await;
    let of_write =
        |line: &&str| ["approval", "intent", "effect"].iter().any(|word| line.starts_with(word));
    text.lines().filter(of_write).map(|line| format!("{line}\n")).collect()
}

#[tokio::test]
async fn what_a_person_denied_is_not_done_and_the_caller_learns_why() {
    let house = house().await;
    let id = ask(&house).await;
    answer(&house, &id, false, Some("not during the sale"));
    expect!["tool-error: denied: restart of deployment `shop/checkout`: the operator said no: not during the sale. Nothing was changed."].assert_eq(&outcome(&house).await.unwrap_err());
    assert_eq!(status(&house, &id), Status::Denied);
    expect![[r#"
        approval-requested restart demo:Deployment:shop/checkout for ada@os
        approval-decided restart demo:Deployment:shop/checkout for ada@os denied by eve@os not during the sale
    "#]].assert_eq(&told(&house).await);
    // The caller has learnt the end of that request; the next one is a new one.
    assert_ne!(ask(&house).await, id);
    assert_eq!(restarts(house.cluster("demo")), [""; 0]);
}

#[tokio::test]
async fn a_yes_does_not_hold_for_an_object_that_was_changed_since() {
    let house = house().await;
    let id = ask(&house).await;
    let image = json!({"spec": {"template": {"spec": {"containers": [
        {"name": "checkout", "image": "registry.example/shop/checkout:v2.14.1"},
    ]}}}});
    let patched = deployments(&house)
        .patch("checkout", &PatchParams::default(), &Patch::Strategic(image))
        .await
        .unwrap();
    assert_eq!(patched.metadata.generation, Some(10));
    answer(&house, &id, true, None);
    expect!["tool-error: denied: restart of deployment `shop/checkout`: deployment `checkout` was changed since the plan (generation 9 then, 10 now); ask again for a new plan. Nothing was changed."].assert_eq(&outcome(&house).await.unwrap_err());
    assert_eq!(status(&house, &id), Status::Failed);
    expect![[r#"
        approval-requested restart demo:Deployment:shop/checkout for ada@os
        approval-decided restart demo:Deployment:shop/checkout for ada@os approved by eve@os
        intent    restart demo:Deployment:shop/checkout for ada@os
        effect    restart demo:Deployment:shop/checkout for ada@os deployment `checkout` was changed since the plan (generation 9 then, 10 now); ask again for a new plan
    "#]].assert_eq(&told(&house).await);
    assert_eq!(restarts(house.cluster("demo")), [""; 0]);
}

#[tokio::test]
async fn a_yes_does_not_hold_for_another_object_of_the_same_name() {
    let house = house().await;
    let id = ask(&house).await;
    let api = deployments(&house);
    let mut twin = api.get("checkout").await.unwrap();
    api.delete("checkout", &DeleteParams::default()).await.unwrap();
    twin.metadata = kube::api::ObjectMeta {
        name: Some("checkout".to_owned()),
        labels: twin.metadata.labels,
        ..kube::api::ObjectMeta::default()
    };
    twin.status = None;
    api.create(&PostParams::default(), &twin).await.unwrap();
    answer(&house, &id, true, None);
    expect!["tool-error: denied: restart of deployment `shop/checkout`: deployment `checkout` was deleted and made anew since the plan; ask again for a new plan. Nothing was changed."].assert_eq(&outcome(&house).await.unwrap_err());
    assert_eq!(restarts(house.cluster("demo")), [""; 0]);
}

#[tokio::test]
async fn a_yes_to_a_file_that_was_edited_is_a_yes_to_nothing() {
    let house = house().await;
    let id = ask(&house).await;
    let file = house.approvals_dir().join(format!("{id}.request.json"));
    let shown = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, shown.replace("checkout", "catalog")).unwrap();
    answer(&house, &id, true, None);
    expect!["tool-error: denied: restart of deployment `shop/checkout`: the approval does not belong to this request. Nothing was changed."].assert_eq(&outcome(&house).await.unwrap_err());
    assert_eq!(status(&house, &id), Status::Failed);
    assert_eq!(restarts(house.cluster("demo")), [""; 0]);
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_answer() {
    let house = house().await;
    let id = ask(&house).await;
    let folder = house.approvals_dir().join(format!("{id}.answers"));
    std::fs::create_dir(&folder).unwrap();
    // The name says who: `ada@os`.
    let file = folder.join("yes.c8b7b473f9cbcd756fe4db93223319d8.json");
    for text in ["", "{}", "yes", r#"{"approve": true}"#, "\u{0}", "[[[[[["] {
        std::fs::write(&file, text).unwrap();
        assert_eq!(ask(&house).await, id, "{text}");
    }
    let forged = json!({
        "approve": true, "by": "ada@os", "channel": "file", "at": "2030-01-01T00:00:00Z", "request_sha256": "0".repeat(64),
    });
    std::fs::write(&file, forged.to_string()).unwrap();
    expect!["tool-error: denied: restart of deployment `shop/checkout`: the approval does not belong to this request. Nothing was changed."].assert_eq(&outcome(&house).await.unwrap_err());
    assert_eq!(restarts(house.cluster("demo")), [""; 0]);
}

#[tokio::test]
async fn a_request_ends_with_the_process_that_holds_it() {
    let state = tempfile::tempdir().unwrap();
    let build = || {
        let builder = House::builder().with("plugins/remediation").config(&config());
        builder.state_dir(state.path()).build()
    };
    let first = build().await;
    let id = ask(&first).await;
    first.inner.close().await;
    let second = build().await;
    // Nobody is left to act on an answer, so none is taken.
    let late = second.operator().answer(&id.parse().unwrap(), true, "eve", None).unwrap_err();
    assert!(matches!(late, ApprovalError::Expired(_)), "{late}");
    expect![[r#"
        approval-requested restart demo:Deployment:shop/checkout for ada@os
        approval-decided restart demo:Deployment:shop/checkout for ada@os expired by nobody the server that held the request ended
    "#]].assert_eq(&told(&second).await);
    // What is asked here is a request of this process, with an id of its own.
    assert_ne!(ask(&second).await, id);
    assert_eq!(restarts(second.cluster("demo")), [""; 0]);
}

/// How long requests wait for an answer.
const LAPSE: Duration = Duration::from_mins(10);

/// A cluster that does what it is told, and then does not answer.
struct Unconfirmed(Arc<Clusters>);

#[async_trait::async_trait]
impl Writer for Unconfirmed {
    async fn plan(&self, verb: Verb, target: &WriteTarget) -> Result<Plan, CapabilityError> {
        self.0.plan(verb, target).await
    }

    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError> {
        self.0.execute(plan).await?;
        let internal = "connection reset".to_owned();
        Err(CapabilityError::Unavailable { caller: "it may or may not be done", internal })
    }

    async fn progress(&self, plan: &Plan) -> Result<Progress, CapabilityError> {
        self.0.progress(plan).await
    }
}

/// The room that writes, with a clock that the test turns.
struct Room {
    effects: Arc<Effects>,
    operator: Operator,
    cluster: DemoCluster,
    now: Arc<AtomicI64>,
    _state: tempfile::TempDir,
}

impl Room {
    fn new() -> Self {
        Self::with(true)
    }

    fn with(confirms: bool) -> Self {
        let state = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_800_000_000));
        let seconds = Arc::clone(&now);
        let clock: Arc<dyn toolgate::capability::Clock> =
            Arc::new(move || Timestamp::from_second(seconds.load(Ordering::SeqCst)).unwrap());
        let cluster = DemoCluster::builtin().unwrap();
        let connections = [("demo".parse().unwrap(), Connection::Client(cluster.client()))];
        let clusters =
            Clusters::new(connections.into(), &BTreeMap::new(), Arc::clone(&clock)).unwrap();
        let clusters = Arc::new(clusters);
        let writer: Arc<dyn Writer> =
            if confirms { clusters.clone() } else { Arc::new(Unconfirmed(clusters.clone())) };
        let folder = state.path().join("approvals");
        let operator = Operator::with_clock(&folder, Arc::clone(&clock));
        let audit = state.path().join("audit");
        let audit = patient_log(&audit, "suite", &clock);
        let effects = Arc::new(Effects::new(Parts {
            writer,
            kubernetes: clusters,
            desk: Desk::open(&folder, "suite".to_owned(), Arc::clone(&clock)).unwrap(),
            audit,
            mode: Mode { read_only: false, ..Mode::default() },
            policy: Arc::new(
                Policy::shipped(Approvals { required: true, expires_after: LAPSE }).unwrap(),
            ),
            budget: ample_budget(),
            clock,
        }));
        Self { effects, operator, cluster, now, _state: state }
    }

    async fn ask(&self) -> Result<WriteOutcome, CapabilityError> {
        let request = WriteRequest {
            call: "call000000000001".parse().unwrap(),
            principal: Principal::local("ada"),
            on_behalf_of: None,
            plugin: "remediation".parse().unwrap(),
            digest: "0".repeat(64),
            tool: "restart_deployment".parse().unwrap(),
            verb: Verb::Restart,
            target: WriteTarget::Workload(WorkloadRef {
                cluster: "demo".parse().unwrap(),
                kind: WorkloadKind::Deployment,
                namespace: "shop".parse().unwrap(),
                name: "checkout".parse().unwrap(),
            }),
            scope: Scope {
                clusters: Patterns::all(),
                namespaces: Patterns::all(),
                kinds: Patterns::all(),
                names: Patterns::all(),
            },
            reason: None,
            resumes: false,
        };
        toolgate::effects::Requests(self.effects.clone()).request(request).await
    }

    async fn submit(&self) -> toolgate::domain::name::ApprovalId {
        let told = self.ask().await.unwrap();
        let WriteOutcome::ApprovalRequired { id, .. } = told else { panic!("{told:?}") };
        id
    }

    /// What came of the request, once the room has looked.
    async fn settled(&self) -> Result<WriteOutcome, CapabilityError> {
        let stop = tokio_util::sync::CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&self.effects).run(stop.clone()));
        let look = async {
            while self.effects.has_open() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(ANSWERED_WITHIN, look).await.expect("it is settled");
        stop.cancel();
        running.await.unwrap();
        self.ask().await
    }

    fn turn_clock_by(&self, seconds: i64) {
        self.now.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_nobody_answered_in_time_is_not_done() {
    let room = Room::new();
    let id = room.submit().await;
    room.turn_clock_by(600);
    let late = room.operator.answer(&id, true, "eve", None).unwrap_err();
    assert!(matches!(late, ApprovalError::Expired(_)), "{late}");
    let WriteOutcome::Denied(why) = room.settled().await.unwrap() else { panic!("it lapsed") };
    expect!["nobody answered the request in time; ask again to make a new one"].assert_eq(&why);
    assert_eq!(room.operator.status(&id), Status::Expired);
    assert_eq!(restarts(&room.cluster), [""; 0]);
}

#[tokio::test]
async fn a_yes_in_time_that_is_seen_too_late_is_too_late() {
    let room = Room::new();
    let id = room.submit().await;
    room.turn_clock_by(599);
    room.operator.approve(&id, "eve");
    room.turn_clock_by(1);
    assert!(matches!(room.settled().await, Ok(WriteOutcome::Denied(_))));
    assert_eq!(restarts(&room.cluster), [""; 0]);
}

#[tokio::test]
async fn a_yes_in_time_is_done_once() {
    let room = Room::new();
    let id = room.submit().await;
    room.turn_clock_by(599);
    room.operator.approve(&id, "eve");
    for _ in 0..3 {
        assert!(matches!(room.settled().await, Ok(WriteOutcome::Performed { .. })));
    }
    assert_eq!(restarts(&room.cluster).len(), 1);
    let twice = room.operator.answer(&id, true, "eve", None).unwrap_err();
    assert!(matches!(twice, ApprovalError::Over { status: Status::Executed, .. }), "{twice}");
}

#[tokio::test]
async fn what_was_not_confirmed_is_never_told_as_not_done() {
    let room = Room::with(false);
    let id = room.submit().await;
    room.turn_clock_by(1);
    room.operator.approve(&id, "eve");
    let told = room.settled().await;
    // `Denied` would say that nothing was changed.
    let Err(CapabilityError::Unavailable { caller, .. }) = told else { panic!("{told:?}") };
    assert_eq!(caller, "it may or may not be done");
    assert_eq!(restarts(&room.cluster).len(), 1);
    // Asked again, it is a new request, with a plan that shows what there is now.
    assert_ne!(room.submit().await, id);
}
