//! The process is killed at every step from a request to its end, and at random moments besides:
//! at most one effect for each approval, none without its record, and nothing left to redeem.
//!
//! The process is a child with the real folder, log and client; the API server lives here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use toolgate::backend::demo::DemoCluster;
use toolgate::backend::kubernetes::{Clusters, Connection};
use toolgate::capability::{Clock, WriteOutcome, WriteRequests as _};
use toolgate::domain::mode::Mode;
use toolgate::domain::name::ApprovalId;
use toolgate::effects::{Effects, Parts, Requests};
use toolgate::governance::approval::{ApprovalError, Desk, Status};
use toolgate::governance::audit::{AuditLine, FILE, Stage};
use toolgate::governance::policy::{Approvals, Policy};
use toolgate_tests::{Operator, Served, ample_budget, changes, patient_log};

use crate::desk::{Dice, request};

/// As shipped.
const APPROVALS: Approvals = Approvals { required: true, expires_after: Duration::from_mins(10) };

/// Where the child finds its state: set by the tests below, by nobody else.
const STATE: &str = "TOOLGATE_TEST_STATE";

/// The step at which the child stops and waits to be killed.
const STEP: &str = "TOOLGATE_TEST_STEP";

/// The steps, in order, and whether the effect has happened by then.
const STEPS: [(&str, Status, usize); 10] = [
    ("shown", Status::Expired, 0),
    ("requested", Status::Expired, 0),
    ("answered", Status::Expired, 0),
    ("decided", Status::Interrupted, 0),
    ("decision-recorded", Status::Interrupted, 0),
    ("intended", Status::Interrupted, 0),
    ("executed", Status::Interrupted, 1),
    ("effect-recorded", Status::Interrupted, 1),
    ("ended", Status::Executed, 1),
    ("nowhere", Status::Executed, 1),
];

/// Stops for good where the log says that a step is reached.
struct Halt {
    step: String,
}

impl tracing::Subscriber for Halt {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "toolgate::approval"
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Step(Option<String>);
        impl tracing::field::Visit for Step {
            fn record_debug(&mut self, _: &tracing::field::Field, _: &dyn std::fmt::Debug) {}

            fn record_str(&mut self, field: &tracing::field::Field, value: &str) {
                if field.name() == "step" {
                    self.0 = Some(value.to_owned());
                }
            }
        }
        let mut found = Step(None);
        event.record(&mut found);
        if found.0.as_deref() == Some(&self.step) {
            say("reached");
            loop {
                std::thread::park();
            }
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// Past the capture of the test's output.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n> {line}").and_then(|()| out.flush()).expect("the parent listens");
}

/// The child; in a run of the tests it is no child and does nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "a parent's word to its child")]
async fn child() {
    let Ok(state) = std::env::var(STATE) else { return };
    let step = std::env::var(STEP).unwrap();
    tracing::subscriber::set_global_default(Halt { step }).unwrap();
    let state = Path::new(&state);
    let instance = format!("child{}", std::process::id());
    let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
    let path = Some(state.join("kubeconfig"));
    let connection = Connection::Kubeconfig { path, context: None };
    let connections = [("demo".parse().unwrap(), connection)].into();
    let clusters = Clusters::new(connections, &BTreeMap::new(), Arc::clone(&clock)).unwrap();
    let clusters = Arc::new(clusters);
    let audit = state.join("audit");
    let audit = patient_log(&audit, &instance, &clock);
    let desk = Desk::open(&state.join("approvals"), instance, Arc::clone(&clock)).unwrap();
    let effects = Arc::new(Effects::new(Parts {
        writer: clusters.clone(),
        kubernetes: clusters,
        desk,
        audit,
        mode: Mode { read_only: false, ..Mode::default() },
        policy: Arc::new(Policy::shipped(APPROVALS).unwrap()),
        budget: ample_budget(),
        clock,
    }));
    tokio::spawn(Arc::clone(&effects).run(CancellationToken::new()));
    let requests = Requests(effects);
    let mut known = None;
    loop {
        match requests.request(request("ada", "checkout")).await {
            Ok(WriteOutcome::ApprovalRequired { id, .. }) if known.as_ref() != Some(&id) => {
                say(&format!("asks {id}"));
                known = Some(id);
            }
            Ok(WriteOutcome::ApprovalRequired { .. }) => {}
            Ok(WriteOutcome::Performed { .. }) => {
                say("performed");
                // Only a signal ends it.
                std::future::pending::<()>().await;
            }
            other => say(&format!("other {other:?}")),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Refusals, 10 ms apart, after which no success is expected any more.
const REFUSALS_MAX: u32 = 2_000;

/// The request that a child says it holds.
fn asked(said: &str) -> Option<ApprovalId> {
    said.strip_prefix("asks ").map(|id| id.parse().unwrap())
}

/// A child that runs, and the socket that it reaches the cluster by.
struct Server {
    child: Child,
    lines: BufReader<ChildStdout>,
    cluster: Option<Served>,
}

impl Server {
    fn start(scene: &Scene, step: &str) -> Self {
        let cluster = scene.runtime.block_on(Served::start(&scene.cluster));
        let state = scene.state.path();
        std::fs::write(state.join("kubeconfig"), cluster.kubeconfig()).unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["killed::child", "--exact", "--nocapture", "--test-threads=1"])
            .env(STATE, state)
            .env(STEP, step)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, cluster: Some(cluster) }
    }

    /// What it says next.
    fn next(&mut self) -> String {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the child ended by itself");
            if let Some(said) = line.strip_prefix("> ") {
                return said.trim().to_owned();
            }
        }
    }

    /// What it says next that is no refusal. What a change that is under way or a busy disk refuses is
    /// asked for anew; anything but an error or a refusal with its reason is returned.
    fn says(&mut self) -> String {
        for _ in 0..REFUSALS_MAX {
            let said = self.next();
            if !said.starts_with("other Err") && !said.starts_with("other Ok(Denied") {
                return said;
            }
            eprintln!("{said}");
        }
        panic!("it is refused for ever");
    }

    /// The request that it holds.
    fn asks(&mut self) -> ApprovalId {
        let said = self.says();
        asked(&said).unwrap_or_else(|| panic!("{said}"))
    }

    /// Approves what it asks for until it says so, and gives the request that led there, where it
    /// could be asked for.
    fn approved_until(&mut self, expected: &str, operator: &Operator) -> Option<ApprovalId> {
        let mut last = None;
        for _ in 0..REFUSALS_MAX {
            let said = self.says();
            let Some(id) = asked(&said) else {
                assert_eq!(said, expected);
                return last;
            };
            operator.approve(&id, "eve");
            last = Some(id);
        }
        panic!("it was never `{expected}`");
    }

    /// SIGKILL: it cannot do anything about it. What it had sent by then is done.
    fn kill(mut self, scene: &Scene) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        scene.runtime.block_on(self.cluster.take().unwrap().drain());
    }
}

impl Drop for Server {
    /// Also where a test fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A cluster in this process, and the state that outlives the children.
struct Scene {
    state: tempfile::TempDir,
    cluster: DemoCluster,
    operator: Operator,
    runtime: Handle,
}

impl Scene {
    fn new() -> Self {
        let state = tempfile::tempdir().unwrap();
        let cluster = DemoCluster::builtin().unwrap();
        let operator = Operator::at(&state.path().join("approvals"));
        Self { state, cluster, operator, runtime: Handle::current() }
    }

    /// Changes to the cluster.
    fn effects(&self) -> usize {
        changes(&self.cluster).len()
    }

    /// The approvals under which something was intended, by id: the log as it is on the disk.
    fn intents(&self) -> BTreeMap<String, usize> {
        let text = std::fs::read_to_string(self.state.path().join("audit").join(FILE));
        let mut intents = BTreeMap::new();
        for line in text.unwrap_or_default().lines() {
            // A process that is killed may leave half a line.
            let Ok(line) = serde_json::from_str::<AuditLine>(line) else { continue };
            if let Stage::Intent(write) = line.stage {
                *intents.entry(write.approval.unwrap()).or_default() += 1;
            }
        }
        intents
    }

    /// At most one effect for each approval, and none without its record.
    fn check(&self) {
        let intents = self.intents();
        assert!(intents.values().all(|n_intents| *n_intents == 1), "{intents:?}");
        let (n_effects, n_intents) = (self.effects(), intents.len());
        assert!(n_effects <= n_intents, "{n_effects} effects of {n_intents} intents");
    }

    fn start(&self, step: &str) -> Server {
        Server::start(self, step)
    }

    /// A server that is not killed: a new request, answered and performed. Gives how long that
    /// took from the first yes on.
    fn carry_through(&self, not: Option<&ApprovalId>) -> Duration {
        let n_effects = self.effects();
        let mut server = self.start("nowhere");
        let mut id = server.asks();
        self.operator.approve(&id, "eve");
        let approved = Instant::now();
        id = server.approved_until("performed", &self.operator).unwrap_or(id);
        let whole = approved.elapsed();
        assert_ne!(Some(&id), not, "what was asked before is over");
        assert_eq!(self.effects(), n_effects + 1);
        server.kill(self);
        assert_eq!(self.operator.status(&id), Status::Executed);
        whole
    }
}

/// Waits where other tests go on: the children are waited for with blocking reads.
async fn blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_08_killed_at_any_step_an_approval_has_at_most_one_effect() {
    for (step, status, n_effects) in STEPS {
        let scene = Scene::new();
        blocking(move || {
            let mut server = scene.start(step);
            let expected = if step == "nowhere" { "performed" } else { "reached" };
            let first = server.approved_until(expected, &scene.operator);
            server.kill(&scene);
            assert_eq!(scene.effects(), n_effects, "{step}");
            scene.check();
            let first = first.unwrap_or_else(|| only(&scene));
            // Whoever answers now learns that nobody is there to act on it.
            let late = scene.operator.answer(&first, true, "olga", None).unwrap_err();
            assert!(
                matches!(late, ApprovalError::Expired(_) | ApprovalError::Over { .. }),
                "{step}: {late}"
            );
            scene.carry_through(Some(&first));
            assert_eq!(scene.operator.status(&first), status, "{step}");
            assert_eq!(scene.effects(), n_effects + 1, "{step}");
            scene.check();
        })
        .await;
    }
}

/// The one approval that nobody acts on any more.
fn only(scene: &Scene) -> ApprovalId {
    let mut all = scene.operator.answers.list().unwrap();
    all.retain(|approval| approval.status == Status::Expired);
    assert_eq!(all.len(), 1);
    all[0].request.id.parse().unwrap()
}

/// How many times a server is killed at a random moment.
const KILLS: u32 = 40;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn invariant_04_killed_at_random_no_effect_is_without_its_record() {
    let scene = Scene::new();
    blocking(move || {
        let (mut dice, mut n_performed) = (Dice(11), 0);
        let whole = scene.carry_through(None);
        let begun_with = scene.effects();
        for _ in 0..KILLS {
            let mut server = scene.start("nowhere");
            let id = server.asks();
            scene.operator.approve(&id, "eve");
            // Half of the moments lie before the end, whatever the machine is busy with.
            let (told, tells) = std::sync::mpsc::channel::<()>();
            let _ = tells.recv_timeout(whole * u32::try_from(dice.roll(200)).unwrap() / 100);
            drop(told);
            server.kill(&scene);
            let n_effects = scene.effects() - begun_with;
            n_performed += usize::from(n_effects > n_performed);
            assert_eq!(n_effects, n_performed, "one for each, at most");
            scene.check();
        }
        assert!(n_performed > 0, "some are done before the kill");
        assert!(n_performed < KILLS as usize, "and some are not");
        scene.carry_through(None);
        let open = [Status::Pending, Status::Approved, Status::Executing];
        let all = scene.operator.answers.list().unwrap();
        assert!(all.iter().all(|approval| !open.contains(&approval.status)));
    })
    .await;
}
