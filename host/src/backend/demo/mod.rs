//! The embedded cluster: a Kubernetes API in memory, for demonstrations, tests and benchmarks.
//!
//! It owns objects, versions, watches, logs and the few controllers that make a rollout move. It
//! answers as a real API server does, in the same words, behind a real [`kube::Client`] or on a
//! loopback port. It must not know anything of tools, grants or callers, and no client reaches
//! past it to the network or the disk. Read [`DemoCluster`] first, then `api`.

mod alias;
mod api;
mod budgets;
mod builtin;
mod clock;
mod custom;
mod defaults;
mod delete;
mod discovery;
mod endpoints;
mod fates;
mod identity;
mod kinds;
mod list;
mod logs;
mod ordered;
mod patch;
mod pods;
mod progress;
mod quantity;
mod quotas;
mod registry;
mod request;
mod reviews;
mod rollout;
mod scale;
mod scenario;
mod scheduling;
mod select;
mod serve;
mod settle;
mod status;
mod store;
mod table;
mod validate;
mod watch;
mod write;

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, VecDeque},
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::{net::TcpListener, sync::Semaphore};

pub use self::scenario::ScenarioError;
use self::{
    clock::Clock,
    pods::{Scene, kind_of},
    registry::Kind,
    scenario::Scenario,
    store::{Store, text},
};

/// How many requests are remembered for tests to look at.
const REQUESTS_MAX: usize = 1_000;

/// How long a controller waits between two steps: a rollout of three pods takes some ten seconds.
const DEFAULT_STEP: Duration = Duration::from_millis(1_200);

/// A Kubernetes cluster in memory. Clones are handles on the same cluster.
#[derive(Clone)]
pub struct DemoCluster {
    shared: Arc<Shared>,
    latency: Duration,
}

/// A request that reached the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedRequest {
    /// The HTTP method, such as `PATCH`.
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query as sent, without the question mark; empty if there was none.
    pub query: String,
    /// The media type of the body, if one was named.
    pub content_type: Option<String>,
    /// The body of a write, up to a bound; empty for reads.
    pub body: String,
    /// The HTTP status it was answered with; none while it is under way.
    pub status: Option<u16>,
}

/// The most recent requests, oldest first.
#[derive(Default)]
struct Requests {
    kept: VecDeque<RecordedRequest>,
    n_dropped: usize,
}

/// What all handles, watches and controllers of one cluster share.
struct Shared {
    me: Weak<Shared>,
    store: Mutex<Store>,
    logs: logs::Logs,
    clock: Clock,
    scenario: Scenario,
    step_ms: AtomicU64,
    requests: Mutex<Requests>,
    streams: Arc<Semaphore>,
    /// Workloads that a controller task is at work on.
    busy: Mutex<BTreeSet<Task>>,
    /// Rollouts whose deadline is waited for.
    watched: Mutex<BTreeSet<Task>>,
}

/// What one controller task brings to its goal: a workload, or a pod without one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Task {
    plural: &'static str,
    namespace: String,
    name: String,
}

impl DemoCluster {
    /// Loads the scenario in a directory: `scenario.yaml`, `objects/` and `logs/`.
    pub fn load(dir: &Path) -> Result<Self, ScenarioError> {
        Self::from_files(&scenario::read(dir)?)
    }

    /// The scenario that is part of the program: `checkout` in `shop` runs out of memory.
    pub fn builtin() -> Result<Self, ScenarioError> {
        Self::named(builtin::DEFAULT)
    }

    /// A scenario that is part of the program.
    pub fn named(name: &str) -> Result<Self, ScenarioError> {
        let unknown = || {
            let known: Vec<String> = builtin::names().map(|name| format!("`{name}`")).collect();
            ScenarioError::Unknown { name: name.to_owned(), known: known.join(", ") }
        };
        Self::from_files(&builtin::files(name).ok_or_else(unknown)?)
    }

    /// The scenario in a directory, or, where there is no such directory, the one of its name that
    /// is part of the program.
    pub fn find(place: &Path) -> Result<Self, ScenarioError> {
        let name = place.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if builtin::names().any(|known| known == name) && !place.is_dir() {
            return Self::named(name);
        }
        Self::load(place)
    }

    fn from_files(files: &[(String, String)]) -> Result<Self, ScenarioError> {
        let clock = Clock::started_at(Timestamp::now());
        let loaded = scenario::build(files, clock.loaded())?;
        let shared = Arc::new_cyclic(|me| Shared {
            me: me.clone(),
            store: Mutex::new(loaded.store),
            logs: loaded.logs,
            clock,
            scenario: loaded.scenario,
            step_ms: AtomicU64::new(0),
            requests: Mutex::default(),
            streams: Arc::new(Semaphore::new(watch::STREAMS_MAX)),
            busy: Mutex::new(BTreeSet::new()),
            watched: Mutex::new(BTreeSet::new()),
        });
        Ok(Self { shared, latency: Duration::ZERO }.with_step(DEFAULT_STEP))
    }

    /// Makes every request through this handle and its clones take at least `latency`.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// Sets the time between two steps of a controller, for all handles on this cluster.
    #[must_use]
    pub fn with_step(self, step: Duration) -> Self {
        let step_ms = u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1);
        self.shared.step_ms.store(step_ms, Ordering::Relaxed);
        self
    }

    /// A client whose requests are answered in this process, without a socket.
    pub fn client(&self) -> kube::Client {
        let cluster = self.clone();
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let cluster = cluster.clone();
            async move { Ok::<_, Infallible>(cluster.respond(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// Serves the API over plain HTTP until `shutdown` resolves. Nothing authenticates the
    /// clients, so `listener` should be on the loopback interface.
    pub async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        serve::run(self, listener, shutdown).await;
    }

    /// The text of a kubeconfig that leads to a cluster served at `address`.
    pub fn kubeconfig(address: SocketAddr) -> String {
        serve::kubeconfig(address)
    }

    /// The most recent requests, oldest first.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        lock(&self.shared.requests).kept.iter().cloned().collect()
    }
}

/// A lock whose holder panicked still guards sound data: every write to it is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    /// Gives the request's number, by which its answer is told.
    fn record(&self, request: RecordedRequest) -> usize {
        let mut requests = lock(&self.requests);
        if requests.kept.len() >= REQUESTS_MAX {
            requests.kept.pop_front();
            requests.n_dropped += 1;
        }
        requests.kept.push_back(request);
        requests.n_dropped + requests.kept.len() - 1
    }

    fn answered(&self, number: usize, status: u16) {
        let mut requests = lock(&self.requests);
        let place = number.checked_sub(requests.n_dropped);
        if let Some(request) = place.and_then(|place| requests.kept.get_mut(place)) {
            request.status = Some(status);
        }
    }

    /// Sets a controller on whatever a change of `object` concerns. The caller holds the store, so
    /// a task that is about to end has either seen the change or has not ended yet.
    fn wake(&self, store: &Store, kind: &Kind, object: &Value) {
        for task in Task::concerned(store, kind, object) {
            self.begin(task);
        }
    }

    fn begin(&self, task: Task) {
        if !lock(&self.busy).insert(task.clone()) {
            return;
        }
        let me = self.me.clone();
        tokio::spawn(async move {
            // The first step comes soon: a client that waits for a generation should see it.
            let mut wait = first_wait(&me);
            while let Some(pause) = wait {
                tokio::time::sleep(pause).await;
                wait = me.upgrade().and_then(|shared| shared.step(&task));
            }
        });
    }

    fn step_length(&self) -> Duration {
        Duration::from_millis(self.step_ms.load(Ordering::Relaxed))
    }

    /// Takes one step and says how long to wait for the next, if one is needed.
    fn step(&self, task: &Task) -> Option<Duration> {
        let mut store = self.store();
        let before = store.version();
        let outcome = self.scenario.outcome(&task.namespace, &task.name);
        let mut scene = Scene {
            store: &mut store,
            now: self.clock.now(),
            tells: true,
            outcome,
            images: &self.scenario.images,
        };
        task.step(&mut scene);
        endpoints::sync(&mut scene, &task.namespace);
        budgets::sync(&mut scene, &task.namespace);
        quotas::sync(&mut scene, &task.namespace);
        if store.version() != before {
            return Some(self.step_length());
        }
        lock(&self.busy).remove(task);
        self.await_deadline(&store, task);
        None
    }

    /// A rollout that stands still is looked at again when its time is up.
    fn await_deadline(&self, store: &Store, task: &Task) {
        let deployments = kind_of("apps", "deployments").filter(|kind| kind.plural == task.plural);
        let deployment = deployments.and_then(|k| store.read(k, &task.namespace, &task.name));
        let deadline = deployment.as_deref().and_then(progress::deadline);
        let Some(deadline) = deadline else { return };
        if !lock(&self.watched).insert(task.clone()) {
            return;
        }
        let wait = deadline.duration_since(self.clock.now()).max(SignedDuration::ZERO);
        // The clock of the wire has whole seconds: the last of them is waited out.
        let wait = wait.unsigned_abs() + Duration::from_secs(1);
        let (me, task) = (self.me.clone(), task.clone());
        tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            if let Some(shared) = me.upgrade() {
                lock(&shared.watched).remove(&task);
                shared.begin(task);
            }
        });
    }
}

fn first_wait(shared: &Weak<Shared>) -> Option<Duration> {
    Some(shared.upgrade()?.step_length() / 10)
}

impl Task {
    /// The tasks that a change of `object` calls for.
    fn concerned(store: &Store, kind: &Kind, object: &Value) -> Vec<Self> {
        if kind.is("", "nodes") {
            // A node that takes pods again, or no longer, concerns those that wait for one.
            let pods = kind_of("", "pods").into_iter().flat_map(|pods| store.all(pods, None));
            return pods
                .filter(|(_, pod)| text(pod, "/spec/nodeName").is_empty() && !pods::is_over(pod))
                .filter_map(|(_, pod)| Self::of(store, kind_of("", "pods")?, pod))
                .collect();
        }
        Self::of(store, kind, object).into_iter().collect()
    }

    fn of(store: &Store, kind: &Kind, object: &Value) -> Option<Self> {
        let namespace = text(object, "/metadata/namespace");
        let task = |plural, name: &str| {
            Some(Self { plural, namespace: namespace.to_owned(), name: name.to_owned() })
        };
        let owner = text(object, "/metadata/ownerReferences/0/name");
        match (kind.group, kind.plural) {
            ("apps", "deployments" | "statefulsets" | "daemonsets") => {
                task(kind.plural, text(object, "/metadata/name"))
            }
            ("apps", "replicasets") if !owner.is_empty() => task("deployments", owner),
            ("policy", _) | ("", "services" | "resourcequotas") => task(kind.plural, ""),
            ("", "pods") => match text(object, "/metadata/ownerReferences/0/kind") {
                "ReplicaSet" => {
                    let set = store.read(kind_of("apps", "replicasets")?, namespace, owner)?;
                    task("deployments", text(&set, "/metadata/ownerReferences/0/name"))
                }
                "StatefulSet" => task("statefulsets", owner),
                "DaemonSet" => task("daemonsets", owner),
                _ => task("pods", text(object, "/metadata/name")),
            },
            _ => None,
        }
    }

    fn step(&self, scene: &mut Scene<'_>) -> Option<()> {
        match self.plural {
            "deployments" => rollout::step(scene, &self.namespace, &self.name),
            "pods" => {
                let pod = scene.store.read(kind_of("", "pods")?, &self.namespace, &self.name)?;
                scene.advance(&pod);
                Some(())
            }
            // What follows from a namespace's pods is brought in line after every step.
            "services" | "resourcequotas" | "poddisruptionbudgets" => Some(()),
            plural => ordered::step(scene, kind_of("apps", plural)?, &self.namespace, &self.name),
        }
    }
}
