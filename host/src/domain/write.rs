//! Writes, as typed requests: what a person approves and the host executes.

use super::capability::Tier;
use super::name::{ClusterName, Namespace, ObjectName};

/// A kind of workload that rolls out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WorkloadKind {
    /// `apps/v1 Deployment`
    Deployment,
    /// `apps/v1 StatefulSet`
    StatefulSet,
    /// `apps/v1 DaemonSet`
    DaemonSet,
}

impl WorkloadKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    /// The Kubernetes kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

/// The workload that a write is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkloadRef {
    /// Already resolved.
    pub cluster: ClusterName,
    /// What it is.
    pub kind: WorkloadKind,
    /// Where it is.
    pub namespace: Namespace,
    /// Its name.
    pub name: ObjectName,
}

impl std::fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cluster, kind, namespace, name } = self;
        write!(f, "{} {namespace}/{name} in {cluster}", kind.as_str())
    }
}

/// The change that a write makes. One variant for each verb that a capability can request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// A rolling restart.
    Restart,
}

impl Verb {
    /// The word for people and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
        }
    }

    /// What it does to the world. A destructive verb asks a person, whatever is configured.
    pub fn tier(self) -> Tier {
        match self {
            Self::Restart => Tier::Reversible,
        }
    }
}

/// One field that a write changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where: `spec.template.metadata.annotations[..]`.
    pub path: String,
    /// The value now.
    pub before: Option<String>,
    /// The value afterwards.
    pub after: Option<String>,
}

/// What a write would do, from the cluster's own answers. The facts that a person approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The change.
    pub verb: Verb,
    /// The object.
    pub target: WorkloadRef,
    /// The object's identity: a namesake made later is another object.
    pub uid: String,
    /// The object's specification, by number: another number at execution means that somebody
    /// changed it after the yes.
    pub generation: i64,
    /// The fields that change.
    pub changes: Vec<Change>,
    /// The pods that would be replaced, at most [`PLAN_PODS_MAX`].
    pub pods: Vec<String>,
    /// How many pods would be replaced.
    pub pods_total: u32,
    /// What a careful operator would want to know first.
    pub warnings: Vec<String>,
}

/// Pods that a plan names; beyond that only their number matters.
pub const PLAN_PODS_MAX: usize = 50;
