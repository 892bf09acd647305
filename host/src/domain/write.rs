//! Writes, as typed requests: what a person approves and the host executes.

use std::fmt;
use std::sync::Arc;

use super::capability::{Capability, Tier};
use super::name::{ClusterName, Namespace, ObjectName};
use super::scope::Target;

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

impl fmt::Display for WorkloadRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cluster, kind, namespace, name } = self;
        write!(f, "{} {namespace}/{name} in {cluster}", kind.as_str())
    }
}

/// The object that a write is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WriteTarget {
    /// A workload.
    Workload(WorkloadRef),
    /// A pod.
    Pod {
        /// Already resolved.
        cluster: ClusterName,
        /// Where it is.
        namespace: Namespace,
        /// Its name.
        name: ObjectName,
    },
    /// A node.
    Node {
        /// Already resolved.
        cluster: ClusterName,
        /// Its name.
        name: ObjectName,
    },
}

impl WriteTarget {
    /// Where it is.
    pub fn cluster(&self) -> &ClusterName {
        match self {
            Self::Workload(workload) => &workload.cluster,
            Self::Pod { cluster, .. } | Self::Node { cluster, .. } => cluster,
        }
    }

    /// Where it is; nodes are outside of namespaces.
    pub fn namespace(&self) -> Option<&Namespace> {
        match self {
            Self::Workload(workload) => Some(&workload.namespace),
            Self::Pod { namespace, .. } => Some(namespace),
            Self::Node { .. } => None,
        }
    }

    /// Its name.
    pub fn name(&self) -> &ObjectName {
        match self {
            Self::Workload(workload) => &workload.name,
            Self::Pod { name, .. } | Self::Node { name, .. } => name,
        }
    }

    /// The Kubernetes kind.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Workload(workload) => workload.kind.as_str(),
            Self::Pod { .. } => "Pod",
            Self::Node { .. } => "Node",
        }
    }
}

impl From<&WriteTarget> for Target {
    fn from(written: &WriteTarget) -> Self {
        Self {
            cluster: written.cluster().clone(),
            namespace: written.namespace().cloned(),
            kind: written.kind().into(),
            name: Some(written.name().to_string()),
        }
    }
}

impl From<WorkloadRef> for WriteTarget {
    fn from(workload: WorkloadRef) -> Self {
        Self::Workload(workload)
    }
}

/// The most replicas that can be asked for: more is a slip of the finger or an attack.
pub const REPLICAS_MAX: u32 = 1_000;

/// The change that a write makes, with its parameters: another number is another request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// A rolling restart.
    Restart,
    /// Another number of replicas.
    Scale {
        /// At most [`REPLICAS_MAX`].
        replicas: u32,
    },
    /// An older revision of the template.
    Rollback {
        /// None means the one before the current. A plan has always one.
        revision: Option<u64>,
    },
    /// Hold the rollouts of a deployment.
    Pause,
    /// Let them go on.
    Resume,
    /// Delete a pod.
    Delete,
    /// Keep new pods away from a node.
    Cordon,
    /// Let them in again.
    Uncordon,
}

impl Verb {
    /// The word for people and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Scale { .. } => "scale",
            Self::Rollback { .. } => "rollback",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Delete => "delete",
            Self::Cordon => "cordon",
            Self::Uncordon => "uncordon",
        }
    }

    /// What it does to the world. A destructive verb asks a person, whatever is configured.
    pub fn tier(self) -> Tier {
        match self {
            Self::Restart
            | Self::Scale { .. }
            | Self::Rollback { .. }
            | Self::Pause
            | Self::Resume
            | Self::Cordon
            | Self::Uncordon => Tier::Reversible,
            Self::Delete => Tier::Destructive,
        }
    }

    /// The authority that it needs.
    pub fn capability(self) -> Capability {
        match self {
            Self::Restart => Capability::KubernetesRestart,
            Self::Scale { .. } => Capability::KubernetesScale,
            Self::Rollback { .. } => Capability::KubernetesRollback,
            Self::Pause | Self::Resume => Capability::KubernetesPause,
            Self::Delete => Capability::KubernetesDeletePod,
            Self::Cordon | Self::Uncordon => Capability::KubernetesCordon,
        }
    }

    /// The number of replicas that it asks for.
    pub fn replicas(self) -> Option<u32> {
        if let Self::Scale { replicas } = self { Some(replicas) } else { None }
    }

    /// The revision that it asks for.
    pub fn revision(self) -> Option<u64> {
        if let Self::Rollback { revision } = self { revision } else { None }
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

/// Which state of an object a plan was made from: another at execution means that somebody changed
/// it after the yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Version {
    /// The API server counts the changes of the specification.
    Generation(i64),
    /// It does not, for this kind, and its resource version changes with every report of a state:
    /// SHA-256 of the specification.
    Content(String),
}

impl Version {
    /// The count, where there is one.
    pub fn generation(&self) -> Option<i64> {
        if let Self::Generation(generation) = self { Some(*generation) } else { None }
    }

    /// The digest, where there is one.
    pub fn content(&self) -> Option<&str> {
        if let Self::Content(digest) = self { Some(digest) } else { None }
    }
}

/// A disruption budget that covers pods of a plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Pods that may be disrupted now.
    pub allowed: u32,
    /// Pods that are healthy now.
    pub healthy: u32,
    /// Pods that have to be.
    pub desired_healthy: u32,
}

/// Who makes the successor of a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// `ReplicaSet`
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its identity.
    pub uid: String,
    /// Where the pod runs: a daemon set puts the successor there again.
    pub node: Option<String>,
    /// Of a replica set, the UIDs of the pods that it had: none of them is the successor.
    pub had: Vec<String>,
}

/// What is sent: tried in the dry run, and kept for the execution, so that a yes holds for nothing
/// else. It may hold a template with secrets in it, so nobody is shown it.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(Arc<str>);

impl Body {
    /// A request's body, as JSON.
    pub fn new(json: &str) -> Self {
        Self(json.into())
    }

    /// The JSON.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// What a write would do, from the cluster's own answers. The facts that a person approves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The change, with everything that the request left open.
    pub verb: Verb,
    /// The object.
    pub target: WriteTarget,
    /// The object's identity: a namesake made later is another object.
    pub uid: String,
    /// The object's state.
    pub version: Version,
    /// The fields that change.
    pub changes: Vec<Change>,
    /// The pods that would end or be replaced, at most [`PLAN_PODS_MAX`].
    pub pods: Vec<String>,
    /// How many pods would end or be replaced.
    pub pods_total: u32,
    /// Replicas that serve meanwhile, at the least.
    pub replicas_left: Option<u32>,
    /// The disruption budgets that cover those pods.
    pub budgets: Vec<Budget>,
    /// What a careful operator would want to know first.
    pub warnings: Vec<String>,
    /// Of a pod, who makes its successor.
    pub owner: Option<Owner>,
    /// What is sent.
    pub body: Body,
}

/// Pods that a plan names; beyond that only their number matters.
pub const PLAN_PODS_MAX: usize = 50;

#[cfg(test)]
impl Plan {
    /// Of nothing but a verb and an object: what a test does not say of a plan.
    pub(crate) fn bare(verb: Verb, target: WriteTarget) -> Self {
        Self {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Verb; 8] = [
        Verb::Restart,
        Verb::Scale { replicas: 3 },
        Verb::Rollback { revision: Some(2) },
        Verb::Pause,
        Verb::Resume,
        Verb::Delete,
        Verb::Cordon,
        Verb::Uncordon,
    ];

    #[test]
    fn only_what_cannot_be_undone_is_destructive() {
        let words = |tier| {
            let of_tier = ALL.into_iter().filter(|verb| verb.tier() == tier);
            of_tier.map(Verb::as_str).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(words(Tier::Destructive), "delete");
        assert_eq!(words(Tier::Reversible), "restart scale rollback pause resume cordon uncordon");
        assert!(ALL.iter().all(|verb| verb.tier() == verb.capability().tier()));
    }

    #[test]
    fn another_number_is_another_request() {
        assert_ne!(Verb::Scale { replicas: 3 }, Verb::Scale { replicas: 30 });
        assert_ne!(Verb::Rollback { revision: None }, Verb::Rollback { revision: Some(1) });
    }

    #[test]
    fn what_is_sent_is_not_printed() {
        let body = Body::new(r#"{"password":"hunter2"}"#);
        assert_eq!(format!("{body:?}"), "Body(22 bytes)");
    }
}
