//! Reading from Kubernetes.
//!
//! The records hold what an operator needs to diagnose a workload and leave out the rest: no
//! values of environment variables, annotations or secrets pass this door.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::CapabilityError;
use super::logs::{LogQuery, OpenLog};
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::write::{WorkloadKind, WorkloadRef};

/// Reads from the clusters of the operator's configuration.
#[async_trait]
pub trait Kubernetes: Send + Sync + 'static {
    /// One page of pods.
    async fn pods(&self, list: &List) -> Result<Page<Pod>, CapabilityError>;
    /// One pod.
    async fn pod(
        &self,
        cluster: &ClusterName,
        namespace: &Namespace,
        name: &ObjectName,
    ) -> Result<Pod, CapabilityError>;
    /// One page of deployments.
    async fn deployments(&self, list: &List) -> Result<Page<Deployment>, CapabilityError>;
    /// One page of nodes; `list.namespace` is ignored.
    async fn nodes(&self, list: &List) -> Result<Page<Node>, CapabilityError>;
    /// Every namespace, in order of name.
    async fn namespaces(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<NamespaceState>, CapabilityError>;
    /// One namespace.
    async fn namespace(
        &self,
        cluster: &ClusterName,
        name: &Namespace,
    ) -> Result<NamespaceState, CapabilityError>;
    /// How far a workload's rollout is.
    async fn rollout(&self, workload: &WorkloadRef) -> Result<Rollout, CapabilityError>;
    /// The label selector of a workload's pods.
    async fn pod_selector(&self, workload: &WorkloadRef) -> Result<String, CapabilityError>;
    /// A container's log, as the container wrote it: not sanitised yet.
    async fn open_log(&self, query: &LogQuery) -> Result<OpenLog, CapabilityError>;
    /// Every event that matches, up to [`EVENTS_MAX`], in no order.
    async fn events(&self, query: &EventQuery) -> Result<Events, CapabilityError>;
}

/// The most events that one listing reads: the API server keeps an hour of them by default.
pub const EVENTS_MAX: usize = 10_000;

/// Bytes of one free text (a message, a reason) that a record carries.
pub const MESSAGE_BYTES_MAX: usize = 1_024;

/// What to list.
#[derive(Debug, Clone)]
pub struct List {
    /// Where.
    pub cluster: ClusterName,
    /// `None` lists all namespaces.
    pub namespace: Option<Namespace>,
    /// A Kubernetes label selector.
    pub label_selector: Option<String>,
    /// Objects in the page.
    pub limit: u32,
    /// The API server's token of the page before.
    pub continue_token: Option<String>,
}

/// Part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In the API server's order.
    pub items: Vec<T>,
    /// For the next page.
    pub continue_token: Option<String>,
    /// How many follow, where the server says.
    pub remaining: Option<u64>,
}

/// A Kubernetes condition.
#[derive(Debug, Clone)]
pub struct Condition {
    /// `Ready`, `MemoryPressure`.
    pub kind: String,
    /// `True`, `False`, `Unknown`.
    pub status: String,
    /// One word.
    pub reason: Option<String>,
    /// A sentence.
    pub message: Option<String>,
    /// The last transition.
    pub changed: Option<Timestamp>,
}

/// What a container does now, or did last.
#[derive(Debug, Clone)]
pub enum ContainerState {
    /// Not started, or not again yet.
    Waiting {
        /// `CrashLoopBackOff`.
        reason: String,
        /// A sentence.
        message: Option<String>,
    },
    /// Since when.
    Running(Option<Timestamp>),
    /// Ended.
    Terminated(Terminated),
    /// Not reported.
    Unknown,
}

/// How a container's run ended.
#[derive(Debug, Clone)]
pub struct Terminated {
    /// 137 is SIGKILL.
    pub exit_code: i32,
    /// The signal, where the runtime says.
    pub signal: Option<i32>,
    /// `OOMKilled`.
    pub reason: String,
    /// A sentence.
    pub message: Option<String>,
    /// Its beginning.
    pub started: Option<Timestamp>,
    /// Its end.
    pub finished: Option<Timestamp>,
}

/// A container of a pod.
#[derive(Debug, Clone)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image, as the specification says.
    pub image: String,
    /// Whether it runs before the others.
    pub init: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// How often it was restarted.
    pub restart_count: u32,
    /// Now.
    pub state: ContainerState,
    /// The run before.
    pub last_termination: Option<Terminated>,
    /// `("memory", "128Mi")`
    pub requests: Vec<(String, String)>,
    /// `("memory", "256Mi")`
    pub limits: Vec<(String, String)>,
}

/// A pod.
#[derive(Debug, Clone)]
pub struct Pod {
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// In order of key.
    pub labels: Vec<(String, String)>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// `Running`; says little.
    pub phase: String,
    /// What `kubectl get pods` prints.
    pub status: String,
    /// `Evicted`.
    pub reason: Option<String>,
    /// A sentence.
    pub message: Option<String>,
    /// Where it runs.
    pub node: Option<String>,
    /// Its address.
    pub pod_ip: Option<String>,
    /// Its node's address.
    pub host_ip: Option<String>,
    /// `Burstable`.
    pub qos_class: Option<String>,
    /// The account that it runs as.
    pub service_account: Option<String>,
    /// `("ReplicaSet", "web-5d4f")`
    pub owner: Option<(String, String)>,
    /// As reported.
    pub conditions: Vec<Condition>,
    /// Init containers first.
    pub containers: Vec<Container>,
}

/// A deployment.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// In order of key.
    pub labels: Vec<(String, String)>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// A label selector for its pods.
    pub selector: String,
    /// The images of its containers.
    pub images: Vec<String>,
    /// Whether rollouts are held.
    pub paused: bool,
    /// How far it is.
    pub rollout: Rollout,
    /// As reported.
    pub conditions: Vec<Condition>,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// In order of key.
    pub labels: Vec<(String, String)>,
    /// When it joined.
    pub created: Option<Timestamp>,
    /// From `node-role.kubernetes.io/`.
    pub roles: Vec<String>,
    /// Whether new pods are kept away.
    pub unschedulable: bool,
    /// `key=value:Effect`
    pub taints: Vec<String>,
    /// `v1.34.1`
    pub kubelet_version: String,
    /// `Debian GNU/Linux 13`
    pub os_image: String,
    /// Its address.
    pub internal_ip: Option<String>,
    /// What it has.
    pub capacity: Vec<(String, String)>,
    /// What pods may take.
    pub allocatable: Vec<(String, String)>,
    /// As reported.
    pub conditions: Vec<Condition>,
}

/// A namespace.
#[derive(Debug, Clone)]
pub struct NamespaceState {
    /// Its name.
    pub name: String,
    /// `Active` or `Terminating`.
    pub phase: String,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// How far a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RolloutState {
    /// Done.
    Complete,
    /// On its way.
    Progressing,
    /// The progress deadline passed, or the newest pods cannot start.
    Stuck,
}

/// The state of a rollout, computed as `kubectl rollout status` does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// What rolls out.
    pub kind: WorkloadKind,
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// In one word.
    pub state: RolloutState,
    /// In one sentence.
    pub message: String,
    /// Of the specification.
    pub generation: i64,
    /// That the controller has seen.
    pub observed_generation: i64,
    /// Replicas wanted.
    pub desired: u32,
    /// Replicas with the newest template.
    pub updated: u32,
    /// Replicas ready.
    pub ready: u32,
    /// Replicas available.
    pub available: u32,
    /// The revision, where the kind has one.
    pub revision: Option<String>,
}

/// Which events to list.
#[derive(Debug, Clone)]
pub struct EventQuery {
    /// Where.
    pub cluster: ClusterName,
    /// `None` lists all namespaces.
    pub namespace: Option<Namespace>,
    /// Only about this kind.
    pub involved_kind: Option<String>,
    /// Only about this name.
    pub involved_name: Option<ObjectName>,
    /// Leave out `Normal`.
    pub warnings_only: bool,
}

/// What was listed.
#[derive(Debug, Clone)]
pub struct Events {
    /// In no order.
    pub events: Vec<Event>,
    /// Whether the listing ended at [`EVENTS_MAX`].
    pub truncated: bool,
}

/// An event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Where.
    pub namespace: String,
    /// `Normal` or `Warning`.
    pub severity: String,
    /// `BackOff`.
    pub reason: String,
    /// A sentence.
    pub message: String,
    /// `Pod`.
    pub involved_kind: String,
    /// Its name.
    pub involved_name: String,
    /// How often.
    pub count: u32,
    /// The series' last time, else `eventTime`, else `lastTimestamp`, else the creation.
    pub last_seen: Option<Timestamp>,
    /// The first time, where the event says.
    pub first_seen: Option<Timestamp>,
    /// `kubelet`.
    pub source: String,
}
