//! Approvals under attack, from the request to the effect: replayed, for another caller, redeemed by
//! thousands at once, and dropped as files by scripts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use toolgate::backend::demo::DemoCluster;
use toolgate::backend::kubernetes::{Clusters, Connection};
use toolgate::capability::kubernetes::RolloutState;
use toolgate::capability::{
    CapabilityError, Clock, Progress, WriteOutcome, WriteRequests as _, Writer,
};
use toolgate::domain::mode::Mode;
use toolgate::domain::name::ApprovalId;
use toolgate::domain::write::{Plan, Verb, WriteTarget};
use toolgate::effects::{Effects, Parts, Requests};
use toolgate::governance::approval::{ApprovalError, Desk, Status};
use toolgate::governance::policy::{Approvals, Policy};
use toolgate_tests::{Operator, ample_budget, patient_log};

use crate::desk::{plan, request};
use crate::program::ANSWERED_WITHIN;

/// As shipped.
const SHIPPED: Approvals = Approvals { required: true, expires_after: Duration::from_mins(10) };

/// A cluster that counts what is done to each object, and takes its time about it.
#[derive(Default)]
struct Counter {
    done: Mutex<BTreeMap<String, usize>>,
}

#[async_trait::async_trait]
impl Writer for Counter {
    async fn plan(&self, _: Verb, target: &WriteTarget) -> Result<Plan, CapabilityError> {
        Ok(plan(&request("nobody", target.name().as_str())))
    }

    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError> {
        *self.done.lock().unwrap().entry(plan.target.name().to_string()).or_default() += 1;
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn progress(&self, _: &Plan) -> Result<Progress, CapabilityError> {
        // For as long as it is under way, who asks again is told of the same approval.
        Ok(Progress {
            state: RolloutState::Progressing,
            message: "under way".to_owned(),
            rollout: None,
        })
    }
}

/// One process of several over the same folder.
struct Replica {
    requests: Requests,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Replica {
    fn start(state: &Path, name: &str, writer: Arc<dyn Writer>) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
        let cluster = DemoCluster::builtin().unwrap();
        let connections = [("demo".parse().unwrap(), Connection::Client(cluster.client()))];
        let clusters =
            Clusters::new(connections.into(), &BTreeMap::new(), Arc::clone(&clock)).unwrap();
        let audit = state.join(format!("audit-{name}"));
        let audit = patient_log(&audit, name, &clock);
        let desk = Desk::open(&state.join("approvals"), name.to_owned(), Arc::clone(&clock));
        let effects = Arc::new(Effects::new(Parts {
            writer,
            kubernetes: Arc::new(clusters),
            desk: desk.unwrap(),
            audit,
            mode: Mode { read_only: false, ..Mode::default() },
            policy: Arc::new(Policy::shipped(SHIPPED).unwrap()),
            budget: ample_budget(),
            clock,
        }));
        let stop = CancellationToken::new();
        let running = tokio::spawn(Arc::clone(&effects).run(stop.clone()));
        Self { requests: Requests(effects), stop, running }
    }

    async fn ask(&self, who: &str, name: &str) -> WriteOutcome {
        self.requests.request(request(who, name)).await.unwrap()
    }

    async fn submit(&self, who: &str, name: &str) -> ApprovalId {
        let told = self.ask(who, name).await;
        let WriteOutcome::ApprovalRequired { id, .. } = told else { panic!("{told:?}") };
        id
    }

    /// What comes of it, once it is not open any more.
    async fn outcome(&self, who: &str, name: &str) -> WriteOutcome {
        let look = async {
            loop {
                let told = self.ask(who, name).await;
                if !matches!(told, WriteOutcome::ApprovalRequired { .. }) {
                    return told;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(ANSWERED_WITHIN, look).await.expect("something comes of it")
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }
}

/// Some time of the folder's life, with one process.
struct Scene {
    state: tempfile::TempDir,
    counter: Arc<Counter>,
    operator: Operator,
    replica: Replica,
}

impl Scene {
    fn new() -> Self {
        let (state, counter) = (tempfile::tempdir().unwrap(), Arc::new(Counter::default()));
        let replica = Replica::start(state.path(), "one", counter.clone());
        let operator = Operator::at(&state.path().join("approvals"));
        Self { state, counter, operator, replica }
    }

    fn n_done(&self) -> usize {
        self.counter.done.lock().unwrap().values().sum()
    }

    fn folder(&self, name: &str) -> std::path::PathBuf {
        self.state.path().join("approvals").join(name)
    }
}

#[tokio::test]
async fn a_yes_that_was_used_is_of_no_use_for_anything_else() {
    let scene = Scene::new();
    let first = scene.replica.submit("ada", "web").await;
    scene.operator.approve(&first, "eve");
    let told = scene.replica.outcome("ada", "web").await;
    assert!(matches!(told, WriteOutcome::Performed { .. }), "{told:?}");
    // For another object, and for the same object by another caller.
    for (who, name) in [("ada", "api"), ("mallory", "web")] {
        let id = scene.replica.submit(who, name).await;
        assert_ne!(id, first, "{who} {name}");
        let (from, to) = (format!("{first}.answers"), format!("{id}.answers"));
        std::fs::create_dir(scene.folder(&to)).unwrap();
        for file in std::fs::read_dir(scene.folder(&from)).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), scene.folder(&to).join(file.file_name())).unwrap();
        }
        let told = scene.replica.outcome(who, name).await;
        let WriteOutcome::Denied(why) = told else { panic!("{told:?}") };
        assert_eq!(why, "the approval does not belong to this request");
        assert_eq!(scene.operator.status(&id), Status::Failed);
    }
    assert_eq!(scene.n_done(), 1);
    scene.replica.end().await;
}

/// Processes over one folder.
const REPLICAS: usize = 3;

/// Approvals of each.
const APPROVALS: usize = 34;

/// Attempts at each: half of them answers, half of them callers who come back for the effect.
const ATTEMPTS: usize = 100;

/// 10,200 attempts to redeem 102 approvals.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_thousand_that_redeem_at_once_one_does_for_each_approval() {
    let (state, counter) = (tempfile::tempdir().unwrap(), Arc::new(Counter::default()));
    let replicas: Vec<_> = (0..REPLICAS)
        .map(|n| Arc::new(Replica::start(state.path(), &format!("replica{n}"), counter.clone())))
        .collect();
    let operator = Arc::new(Operator::at(&state.path().join("approvals")));
    let mut approvals = Vec::new();
    for (n, replica) in replicas.iter().enumerate() {
        for m in 0..APPROVALS {
            let name = format!("web-{n}-{m}");
            approvals.push((Arc::clone(replica), replica.submit("ada", &name).await, name));
        }
    }
    let (taken, refused) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut attempts = JoinSet::new();
    for n in 0..ATTEMPTS {
        for (replica, id, name) in &approvals {
            let (replica, id, name) = (Arc::clone(replica), id.clone(), name.clone());
            let (operator, taken, refused) = (operator.clone(), taken.clone(), refused.clone());
            if n % 2 == 0 {
                attempts.spawn_blocking(move || {
                    match operator.answer(&id, true, &format!("eve{}", n % 10), None) {
                        Ok(_) => taken.fetch_add(1, Ordering::SeqCst),
                        Err(ApprovalError::Over { .. } | ApprovalError::AlreadyAnswered { .. }) => {
                            refused.fetch_add(1, Ordering::SeqCst)
                        }
                        Err(other) => panic!("{other}"),
                    };
                });
            } else {
                attempts.spawn(async move {
                    let told = replica.ask("ada", &name).await;
                    match told {
                        WriteOutcome::ApprovalRequired { id: again, .. } => assert_eq!(again, id),
                        WriteOutcome::Performed { approval, .. } => assert_eq!(approval, Some(id)),
                        other @ (WriteOutcome::Planned(_) | WriteOutcome::Denied(_)) => {
                            panic!("{other:?}")
                        }
                    }
                });
            }
        }
    }
    while let Some(done) = attempts.join_next().await {
        done.unwrap();
    }
    for (replica, id, name) in &approvals {
        let told = replica.outcome("ada", name).await;
        assert!(matches!(told, WriteOutcome::Performed { .. }), "{told:?}");
        assert_eq!(operator.status(id), Status::Executed);
    }
    let done = counter.done.lock().unwrap().clone();
    assert_eq!(done.len(), REPLICAS * APPROVALS);
    assert!(done.values().all(|n_done| *n_done == 1), "{done:?}");
    let (taken, refused) = (taken.load(Ordering::SeqCst), refused.load(Ordering::SeqCst));
    assert_eq!(taken + refused, REPLICAS * APPROVALS * ATTEMPTS / 2);
    eprintln!("{taken} answers taken, {refused} refused, {} effects", done.len());
    drop(approvals);
    for replica in replicas {
        Arc::into_inner(replica).expect("nobody else holds it").end().await;
    }
}

fn dropped(scene: &Scene, name: &str, text: &str) {
    // As a script does: whole under a name that is passed over, then renamed.
    let draft = scene.folder("drop").join(format!(".{name}.tmp"));
    std::fs::write(&draft, text).unwrap();
    std::fs::rename(draft, scene.folder("drop").join(name)).unwrap();
}

fn answer_to(scene: &Scene, id: &ApprovalId) -> Value {
    let digest = scene.operator.answers.find(id).unwrap().request_sha256;
    json!({"id": id.as_str(), "request_sha256": digest, "approve": true,
           "by": "bridge@tickets", "reason": "CHG-42"})
}

async fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let look = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(ANSWERED_WITHIN, look).await.unwrap_or_else(|_| panic!("not {what}"));
}

#[tokio::test]
async fn a_script_answers_with_a_file() {
    let scene = Scene::new();
    let id = scene.replica.submit("ada", "web").await;
    dropped(&scene, "CHG-42.json", &answer_to(&scene, &id).to_string());
    let told = scene.replica.outcome("ada", "web").await;
    assert!(matches!(told, WriteOutcome::Performed { .. }), "{told:?}");
    let approval = scene.operator.answers.find(&id).unwrap();
    assert_eq!(approval.answers[0].by.as_str(), "bridge@tickets");
    assert_eq!(approval.answers[0].reason.as_deref(), Some("CHG-42"));
    let left: Vec<_> = std::fs::read_dir(scene.folder("drop")).unwrap().collect();
    assert_eq!(left.len(), 1, "but for the folder of what was refused: {left:?}");
    // The same file again says nothing new.
    dropped(&scene, "CHG-42.json", &answer_to(&scene, &id).to_string());
    let why = scene.folder("drop/rejected/CHG-42.json.reason.txt");
    wait_for("refused", || why.exists()).await;
    assert_eq!(scene.n_done(), 1);
    scene.replica.end().await;
}

#[tokio::test]
async fn a_file_that_is_no_answer_is_put_aside_with_the_reason() {
    let scene = Scene::new();
    let id = scene.replica.submit("ada", "web").await;
    let good = answer_to(&scene, &id);
    let with = |key: &str, value: Value| {
        let mut answer = good.clone();
        answer[key] = value;
        answer.to_string()
    };
    let without = |key: &str| {
        let mut answer = good.clone();
        answer.as_object_mut().unwrap().remove(key);
        answer.to_string()
    };
    let twice = good.to_string().replacen('{', "{\"approve\":false,", 1);
    let cases = [
        ("empty", String::new()),
        ("half", good.to_string()[..60].to_owned()),
        ("more", format!("{good}{good}")),
        ("twice", twice),
        ("unknown-member", with("force", json!(true))),
        ("unknown-id", with("id", json!("nobody22nobody22"))),
        ("other-folder", with("id", json!("../../../etc/passwd"))),
        ("no-digest", without("request_sha256")),
        ("other-digest", with("request_sha256", json!("0".repeat(64)))),
        ("no-name", without("by")),
        ("invisible-name", with("by", json!("bob\u{200b}@os"))),
        ("word", with("approve", json!("yes"))),
        ("control", with("reason", json!("\u{1b}[2J"))),
        ("large", with("reason", json!("x".repeat(20_000)))),
    ];
    for (name, text) in &cases {
        dropped(&scene, &format!("{name}.json"), text);
    }
    // What is no file is not opened: a pipe would wait for its other end.
    std::fs::create_dir(scene.folder("drop/folder.json")).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("/etc/passwd", scene.folder("drop/link.json")).unwrap();
    let rejected = scene.folder("drop/rejected");
    let n_refused = || {
        let names = std::fs::read_dir(&rejected).unwrap().map(|file| file.unwrap().file_name());
        names.filter(|name| name.to_str().unwrap().ends_with(".reason.txt")).count()
    };
    let n_cases = cases.len() + if cfg!(unix) { 2 } else { 1 };
    wait_for("all refused", || n_refused() == n_cases).await;
    let mut told = String::new();
    for (name, _) in &cases {
        let why = std::fs::read_to_string(rejected.join(format!("{name}.json.reason.txt")));
        told += &format!("{name}: {}", why.unwrap().replace(id.as_str(), "<id>"));
    }
    expect_test::expect![[r#"
        empty: EOF while parsing a value at line 1 column 0
        half: EOF while parsing a string at line 1 column 60
        more: trailing characters at line 1 column 165
        twice: duplicate field `approve` at line 1 column 134
        unknown-member: unknown field `force`, expected one of `id`, `request_sha256`, `approve`, `by`, `reason` at line 1 column 171
        unknown-id: there is no approval `nobody22nobody22`
        other-folder: `id`: `../../../etc/passwd` is not a valid approval id: 8 to 64 lower-case letters and digits
        no-digest: missing field `request_sha256` at line 1 column 80
        other-digest: approval `<id>` is another request than the one that was shown
        no-name: missing field `by` at line 1 column 142
        invisible-name: `by`: an approver is named like `alice@os`: visible characters around one `@` or more
        word: invalid type: string "yes", expected a boolean at line 1 column 124
        control: the reason is not one line of 1 to 500 characters
        large: it is no file of at most 16384 bytes
    "#]].assert_eq(&told);
    assert_eq!(scene.operator.status(&id), Status::Pending, "none of them counts");
    assert_eq!(scene.n_done(), 0);
    scene.replica.end().await;
}

/// What ended long ago is removed, and never what waits.
#[tokio::test]
async fn old_approvals_are_removed_and_open_ones_are_not() {
    let scene = Scene::new();
    let ended = scene.replica.submit("ada", "web").await;
    scene.operator.answer(&ended, false, "eve", None).unwrap();
    scene.replica.outcome("ada", "web").await;
    let open = scene.replica.submit("ada", "api").await;
    let clock: Arc<dyn Clock> =
        Arc::new(|| jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * 30));
    let folder = scene.folder("");
    let desk = Desk::open(&folder, "later".to_owned(), clock).unwrap();
    assert!(desk.sweep().is_empty(), "the other process lives");
    let ids: BTreeSet<_> =
        scene.operator.answers.list().unwrap().into_iter().map(|a| a.request.id).collect();
    assert_eq!(ids, BTreeSet::from([open.to_string()]));
    let names = std::fs::read_dir(&folder).unwrap().map(|f| f.unwrap().file_name());
    let left: Vec<_> = names.filter(|n| n.to_str().unwrap().contains(ended.as_str())).collect();
    assert!(left.is_empty(), "{left:?}");
    scene.replica.end().await;
}
