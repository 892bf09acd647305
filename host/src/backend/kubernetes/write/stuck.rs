//! What no waiting ends: pods that cannot start, and sets that wait for one. The status of a
//! stateful set or of a daemon set does not say so, as a deployment's progress deadline does.

use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use super::super::about::About;
use super::super::connect::Link;
use super::super::convert;
use super::super::convert::count;
use super::super::convert::deployment::selector;
use super::super::workload::Workload;
use super::delete::is_ready;
use super::pods::{PODS_CHUNK, PODS_MAX, ordinal};
use crate::domain::write::WorkloadRef;

/// States of a pod that no waiting ends.
const STUCK: [&str; 7] = [
    "CrashLoopBackOff",
    "ImagePullBackOff",
    "ErrImagePull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// On a stateful set's pod, the name of its revision.
const REVISION: &str = "controller-revision-hash";

/// On a daemon set's pod, which of its templates it was made from; and on the set, which is the
/// newest. The revision that every pod is marked with as well could only be told from others by one
/// more list, for one more permission.
const MADE_FROM: &str = "pod-template-generation";
const NEWEST: &str = "deprecated.daemonset.template.generation";

/// That a pod cannot start, and why, where it is so.
pub(super) fn pod(pod: &Pod) -> Option<String> {
    if is_ready(pod) {
        return None;
    }
    let pod = convert::pod::pod(pod);
    // An init container's state comes as `Init:CrashLoopBackOff`.
    let is_stuck = STUCK.contains(&pod.status.rsplit(':').next().unwrap_or_default());
    is_stuck.then(|| format!("pod `{}` cannot start: {}", pod.name, pod.status))
}

/// A pod that holds up the rollout of a stateful set or of a daemon set. Where the pods cannot be
/// read, the set's own word has to do.
pub(super) async fn set(link: &Link, target: &WorkloadRef, workload: &Workload) -> Option<String> {
    match workload {
        // Its own status tells, by its progress deadline.
        Workload::Deployment(_) => return None,
        Workload::DaemonSet(object) => newest_template(object).map(drop)?,
        Workload::StatefulSet(_) => {}
    }
    let labels = workload.selector().map(selector).filter(|labels| !labels.is_empty())?;
    let about = About::list("pod", Some(target.namespace.as_str()));
    let params = ListParams::default().labels(&labels).limit(PODS_CHUNK);
    let of = |pod: &Pod| Some((holds_up(workload, pod)?, self::pod(pod)?));
    match link.all(&about, params, PODS_MAX, of).await {
        // What is new comes first: it is what the write brought.
        Ok(all) => {
            let (holds, why) = all.items.into_iter().min_by_key(|(holds, _)| *holds)?;
            Some(match holds {
                Holds::New => why,
                Holds::Old => format!(
                    "{why}; it is of an older revision, and its controller waits for it until \
                     somebody deletes it"
                ),
            })
        }
        Err(failure) => {
            tracing::debug!(failure = %about.explain(failure), "no pods of a set");
            None
        }
    }
}

/// A pod that a rollout does not get past while it is not ready.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    /// Of the newest revision.
    New,
    /// Of an older one, where the controller goes pod by pod.
    Old,
}

fn holds_up(workload: &Workload, pod: &Pod) -> Option<Holds> {
    if !workload.owns(pod) || pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let label = |key| pod.metadata.labels.as_ref().and_then(|labels| labels.get(key));
    match workload {
        Workload::Deployment(_) => None,
        Workload::StatefulSet(object) => {
            let ordinals = object.spec.as_ref().and_then(|spec| spec.ordinals.as_ref());
            let first = count(ordinals.and_then(|ordinals| ordinals.start));
            let end = first.saturating_add(workload.rollout().desired);
            if ordinal(pod.metadata.name.as_deref()?) >= end {
                return None; // It ends in any case.
            }
            let newest = object.status.as_ref()?.update_revision.as_ref()?;
            if label(REVISION) == Some(newest) {
                return Some(Holds::New);
            }
            workload.waits_for_each_pod().then_some(Holds::Old)
        }
        Workload::DaemonSet(object) => {
            (label(MADE_FROM)? == newest_template(object)?).then_some(Holds::New)
        }
    }
}

fn newest_template(object: &DaemonSet) -> Option<&String> {
    object.metadata.annotations.as_ref()?.get(NEWEST)
}
