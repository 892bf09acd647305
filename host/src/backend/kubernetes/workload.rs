//! A deployment, stateful set or daemon set, where it does not matter which.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use kube::Resource;

use super::about::About;
use super::ask::{Failure, Taken};
use super::connect::Link;
use super::convert::{pod, rollout};
use crate::capability::kubernetes::Rollout;
use crate::domain::write::{WorkloadKind, WorkloadRef};

/// The label of a pod that repeats what its replica set's name ends in.
pub(super) const TEMPLATE_HASH: &str = "pod-template-hash";

/// A workload.
pub(super) enum Workload {
    Deployment(Box<Deployment>),
    StatefulSet(Box<StatefulSet>),
    DaemonSet(Box<DaemonSet>),
}

/// The word that people use with `kubectl`.
pub(super) fn word(kind: WorkloadKind) -> &'static str {
    match kind {
        WorkloadKind::Deployment => "deployment",
        WorkloadKind::StatefulSet => "statefulset",
        WorkloadKind::DaemonSet => "daemonset",
    }
}

/// What a request for the workload is about.
pub(super) fn about(target: &WorkloadRef) -> About<'_> {
    About::object(word(target.kind), Some(target.namespace.as_str()), target.name.as_str())
}

/// Where the workload's kind lives in its namespace.
pub(super) fn url_path(target: &WorkloadRef) -> String {
    let namespace = Some(target.namespace.as_str());
    match target.kind {
        WorkloadKind::Deployment => Deployment::url_path(&(), namespace),
        WorkloadKind::StatefulSet => StatefulSet::url_path(&(), namespace),
        WorkloadKind::DaemonSet => DaemonSet::url_path(&(), namespace),
    }
}

impl Link {
    /// The workload's answer, for [`Workload::decode`].
    pub(super) async fn workload(&self, target: &WorkloadRef) -> Result<Taken, Failure> {
        let about = about(target);
        match target.kind {
            WorkloadKind::Deployment => self.object::<Deployment>(&about).await,
            WorkloadKind::StatefulSet => self.object::<StatefulSet>(&about).await,
            WorkloadKind::DaemonSet => self.object::<DaemonSet>(&about).await,
        }
    }
}

impl Workload {
    pub(super) fn decode(kind: WorkloadKind, taken: &Taken) -> Result<Self, Failure> {
        Ok(match kind {
            WorkloadKind::Deployment => Self::Deployment(taken.decode()?),
            WorkloadKind::StatefulSet => Self::StatefulSet(taken.decode()?),
            WorkloadKind::DaemonSet => Self::DaemonSet(taken.decode()?),
        })
    }

    pub(super) fn metadata(&self) -> &ObjectMeta {
        match self {
            Self::Deployment(object) => &object.metadata,
            Self::StatefulSet(object) => &object.metadata,
            Self::DaemonSet(object) => &object.metadata,
        }
    }

    pub(super) fn selector(&self) -> Option<&LabelSelector> {
        match self {
            Self::Deployment(object) => object.spec.as_ref().map(|spec| &spec.selector),
            Self::StatefulSet(object) => object.spec.as_ref().map(|spec| &spec.selector),
            Self::DaemonSet(object) => object.spec.as_ref().map(|spec| &spec.selector),
        }
    }

    pub(super) fn template(&self) -> Option<&PodTemplateSpec> {
        match self {
            Self::Deployment(object) => object.spec.as_ref().map(|spec| &spec.template),
            Self::StatefulSet(object) => object.spec.as_ref().map(|spec| &spec.template),
            Self::DaemonSet(object) => object.spec.as_ref().map(|spec| &spec.template),
        }
    }

    pub(super) fn rollout(&self) -> Rollout {
        match self {
            Self::Deployment(object) => rollout::deployment(object),
            Self::StatefulSet(object) => rollout::stateful_set(object),
            Self::DaemonSet(object) => rollout::daemon_set(object),
        }
    }

    /// Whether its rollouts are held.
    pub(super) fn is_paused(&self) -> bool {
        let Self::Deployment(object) = self else { return false };
        object.spec.as_ref().is_some_and(|spec| spec.paused == Some(true))
    }

    /// Whether its controller replaces no pod while another is not ready, even one that the change
    /// would mend. Kubernetes documents this of stateful sets as forced rollback.
    pub(super) fn waits_for_each_pod(&self) -> bool {
        let Self::StatefulSet(object) = self else { return false };
        let Some(spec) = &object.spec else { return false };
        let strategy = spec.update_strategy.as_ref();
        spec.pod_management_policy.as_deref() != Some("Parallel")
            && strategy.is_none_or(|s| s.type_.as_deref() != Some(rollout::ON_DELETE))
    }

    /// The ordinal below which pods are not replaced.
    pub(super) fn partition(&self) -> u32 {
        match self {
            Self::StatefulSet(object) => rollout::partition(object),
            Self::Deployment(_) | Self::DaemonSet(_) => 0,
        }
    }

    /// Whether the pod is one of the workload's: a selector alone also matches the pods of a job
    /// or of another workload with the same labels.
    pub(super) fn owns(&self, pod: &Pod) -> bool {
        let Some(owner) = pod::controller(&pod.metadata) else { return false };
        match self {
            // Between the two stands a replica set, named after both. Its own owner would say the
            // same, for one more permission and one more list.
            Self::Deployment(object) => {
                let hash = pod.metadata.labels.as_ref().and_then(|l| l.get(TEMPLATE_HASH));
                owner.kind == "ReplicaSet"
                    && hash.is_some_and(|hash| {
                        let name = object.metadata.name.as_deref().unwrap_or_default();
                        owner.name.strip_suffix(hash.as_str()).and_then(|n| n.strip_suffix('-'))
                            == Some(name)
                    })
            }
            Self::StatefulSet(_) | Self::DaemonSet(_) => {
                Some(&owner.uid) == self.metadata().uid.as_ref()
            }
        }
    }
}
