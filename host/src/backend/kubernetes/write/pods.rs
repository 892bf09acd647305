//! The pods that a write meets.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use super::super::about::About;
use super::super::ask::Failure;
use super::super::connect::Link;
use super::super::convert::deployment::selector;
use super::super::convert::{pod, text};
use super::super::workload::{self, Workload};
use super::delete::is_ready;
use crate::capability::CapabilityError;
use crate::domain::write::{PLAN_PODS_MAX, WorkloadRef};

/// Pods that a plan looks at. Who restarts more than this at once has other worries than a count.
pub(super) const PODS_MAX: usize = 5_000;

/// Pods in one answer. They are the largest objects that we list: 250 are about 4 MiB.
pub(super) const PODS_CHUNK: u32 = 250;

/// A pod that matched the workload's selector.
pub(super) enum PodSeen {
    /// It is the workload's.
    Ours { name: String, is_ready: bool },
    /// It runs for a job, and stays.
    OfJob,
}

impl PodSeen {
    /// None for a pod that has ended, is leaving anyway, or is nobody's concern here.
    fn of(workload: &Workload, object: &Pod) -> Option<Self> {
        let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
        let is_leaving = object.metadata.deletion_timestamp.is_some();
        if is_leaving || matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let name = object.metadata.name.as_ref()?;
        if workload.owns(object) {
            return Some(Self::Ours { name: text::message(name), is_ready: is_ready(object) });
        }
        let owner = pod::controller(&object.metadata)?;
        (owner.kind == "Job").then_some(Self::OfJob)
    }
}

/// The pods that a write meets.
#[derive(Default)]
pub(super) struct Pods {
    /// In order of name, at most [`PLAN_PODS_MAX`].
    pub(super) named: Vec<String>,
    /// That would end or be replaced.
    pub(super) total: u32,
    /// Of all the workload's, those that are not ready, in order of name.
    pub(super) unready: Vec<String>,
    /// That run for jobs under the same labels.
    pub(super) of_jobs: usize,
    /// Whether there are more than were looked at.
    pub(super) truncated: bool,
}

impl Pods {
    pub(super) async fn read(
        link: &Link,
        target: &WorkloadRef,
        workload: &Workload,
    ) -> Result<Self, CapabilityError> {
        let about = About::list("pod", Some(target.namespace.as_str()));
        let labels = workload.selector().map(selector).unwrap_or_default();
        if labels.is_empty() {
            // An empty selector would list, and count, every pod of the namespace.
            let why = "a workload without a selector that can be read".to_owned();
            return Err(workload::about(target).explain(Failure::Garbage(why)));
        }
        let params = ListParams::default().labels(&labels).limit(PODS_CHUNK);
        let all = link
            .all(&about, params, PODS_MAX, |pod: &Pod| PodSeen::of(workload, pod))
            .await
            .map_err(|failure| about.explain(failure))?;
        let (mut named, mut unready, mut of_jobs) = (Vec::new(), Vec::new(), 0);
        for pod in all.items {
            match pod {
                PodSeen::Ours { name, is_ready } => {
                    if !is_ready {
                        unready.push(name.clone());
                    }
                    named.push(name);
                }
                PodSeen::OfJob => of_jobs += 1,
            }
        }
        named.sort();
        unready.sort();
        let total = u32::try_from(named.len()).unwrap_or(u32::MAX);
        Ok(Self { named, total, unready, of_jobs, truncated: all.truncated })
    }

    /// Only those that are meant.
    pub(super) fn keep(&mut self, is_meant: impl Fn(&str) -> bool) {
        self.named.retain(|name| is_meant(name));
        self.total = u32::try_from(self.named.len()).unwrap_or(u32::MAX);
    }

    /// No more names than a plan carries.
    pub(super) fn cut(mut self) -> Self {
        self.named.truncate(PLAN_PODS_MAX);
        self
    }
}

/// The number that a stateful set's pod ends in; of any other pod the highest, since a partition
/// never holds it back.
pub(super) fn ordinal(name: &str) -> u32 {
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}
