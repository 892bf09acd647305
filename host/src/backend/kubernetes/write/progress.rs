//! How far what was written has come: for a workload its rollout, for a pod its successor.

use k8s_openapi::api::apps::v1::{DaemonSet, ReplicaSet};
use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use super::super::about::About;
use super::super::ask::Failure;
use super::super::connect::Link;
use super::super::convert;
use super::super::convert::deployment::selector;
use super::super::convert::pod::controller;
use super::super::workload::{self, Workload};
use super::delete::is_ready;
use super::pods::{PODS_CHUNK, PODS_MAX};
use super::stuck;
use crate::capability::kubernetes::RolloutState;
use crate::capability::{CapabilityError, Progress};
use crate::domain::name::Namespace;
use crate::domain::write::{Owner, Plan, Verb, WorkloadRef, WriteTarget};

pub(super) async fn of(link: &Link, plan: &Plan) -> Result<Progress, CapabilityError> {
    match &plan.target {
        WriteTarget::Workload(target) => Box::pin(of_workload(link, plan, target)).await,
        WriteTarget::Pod { namespace, .. } => Box::pin(of_pod(link, plan, namespace)).await,
        WriteTarget::Node { name, .. } => {
            let takes = if plan.verb == Verb::Cordon { "takes no new pods" } else { "takes pods" };
            Ok(complete(format!("node `{name}` {takes}")))
        }
    }
}

async fn of_workload(
    link: &Link,
    plan: &Plan,
    target: &WorkloadRef,
) -> Result<Progress, CapabilityError> {
    let taken = link.workload(target).await;
    let workload = taken
        .and_then(|taken| Workload::decode(target.kind, &taken))
        .map_err(|failure| workload::about(target).explain(failure))?;
    if workload.metadata().uid.as_deref() != Some(plan.uid.as_str()) {
        let (kind, name) = (workload::word(target.kind), &target.name);
        return Ok(stuck(format!("{kind} `{name}` was replaced by another of the same name")));
    }
    let rollout = workload.rollout();
    let (state, message) = match plan.verb {
        Verb::Pause => (
            RolloutState::Complete,
            format!("rollouts of {} are held until it is resumed", target.name),
        ),
        // The number was written, so it has been written again since.
        Verb::Scale { replicas } if rollout.desired != replicas => (
            RolloutState::Stuck,
            format!(
                "replicas were set to {} instead of {replicas}, by somebody or by an autoscaler",
                rollout.desired
            ),
        ),
        // By the rules of a rollout, pods that are too many do not count.
        Verb::Scale { replicas } if rollout.state == RolloutState::Complete => {
            let there = rollout.updated.max(rollout.ready);
            if there > replicas {
                let ending = there - replicas;
                (RolloutState::Progressing, format!("{ending} replicas are yet to end"))
            } else {
                (RolloutState::Complete, rollout.message.clone())
            }
        }
        Verb::Restart
        | Verb::Scale { .. }
        | Verb::Rollback { .. }
        | Verb::Resume
        | Verb::Delete
        | Verb::Cordon
        | Verb::Uncordon => (rollout.state, rollout.message.clone()),
    };
    // Before the controller has seen what was written, its pods are those of before.
    if state == RolloutState::Progressing
        && rollout.observed_generation >= rollout.generation
        && let Some(why) = stuck::set(link, target, &workload).await
    {
        return Ok(Progress { rollout: Some(rollout), ..stuck(why) });
    }
    Ok(Progress { state, message, rollout: Some(rollout) })
}

fn complete(message: String) -> Progress {
    Progress { state: RolloutState::Complete, message, rollout: None }
}

fn progressing(message: String) -> Progress {
    Progress { state: RolloutState::Progressing, message, rollout: None }
}

fn stuck(message: String) -> Progress {
    Progress { state: RolloutState::Stuck, message, rollout: None }
}

async fn of_pod(
    link: &Link,
    plan: &Plan,
    namespace: &Namespace,
) -> Result<Progress, CapabilityError> {
    let name = plan.target.name();
    let about = About::object("pod", Some(namespace.as_str()), name.as_str());
    let found: Result<Pod, Failure> =
        link.object::<Pod>(&about).await.and_then(|taken| taken.decode());
    let namesake = match found {
        Ok(pod) if pod.metadata.uid.as_deref() == Some(plan.uid.as_str()) => {
            return Ok(progressing(format!("pod `{name}` is ending")));
        }
        Ok(pod) => Some(pod),
        Err(Failure::Answered(answer)) if answer.code == 404 => None,
        Err(failure) => return Err(about.explain(failure)),
    };
    let Some(owner) = &plan.owner else {
        return Ok(complete(format!("pod `{name}` is gone; it has no controller to make another")));
    };
    match owner.kind.as_str() {
        "StatefulSet" => Ok(namesake.map_or_else(
            || progressing(format!("pod `{name}` is gone, its successor is yet to be made")),
            |pod| of_successors(&[pod]),
        )),
        "ReplicaSet" => {
            let about = About::object("replicaset", Some(namespace.as_str()), &owner.name);
            let set: ReplicaSet = match object_of(link, &about, owner).await? {
                Some(set) => set,
                None => return Ok(without(owner)),
            };
            let wanted = set.spec.as_ref().map_or(0, |spec| spec.replicas.unwrap_or(1));
            let labels = set.spec.as_ref().map(|spec| selector(&spec.selector));
            let mut pods = siblings(link, namespace, &labels.unwrap_or_default(), owner).await?;
            let has_enough = pods.len() >= convert::count(Some(wanted)) as usize;
            // How the others are is no matter of this pod's: they were so before.
            pods.retain(|pod| pod.metadata.uid.as_ref().is_some_and(|u| !owner.had.contains(u)));
            if pods.is_empty() && has_enough {
                return Ok(complete(format!(
                    "the pod is gone, and {} `{}` has as many as it wants without another",
                    owner.kind, owner.name
                )));
            }
            Ok(of_successors(&pods))
        }
        "DaemonSet" => {
            let about = About::object("daemonset", Some(namespace.as_str()), &owner.name);
            let set: DaemonSet = match object_of(link, &about, owner).await? {
                Some(set) => set,
                None => return Ok(without(owner)),
            };
            let labels = set.spec.as_ref().map(|spec| selector(&spec.selector));
            let mut pods = siblings(link, namespace, &labels.unwrap_or_default(), owner).await?;
            let node = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
            pods.retain(|pod| node(pod) == owner.node);
            Ok(of_successors(&pods))
        }
        kind => Ok(complete(format!(
            "pod `{name}` is gone; whether another comes is up to {kind} `{}`",
            owner.name
        ))),
    }
}

/// The controller; none where it is gone, or another of its name has come.
async fn object_of<K>(
    link: &Link,
    about: &About<'_>,
    owner: &Owner,
) -> Result<Option<K>, CapabilityError>
where
    K: kube::Resource<DynamicType = ()> + serde::de::DeserializeOwned,
{
    match link.object::<K>(about).await.and_then(|taken| taken.decode::<K>()) {
        Ok(found) if found.meta().uid.as_ref() == Some(&owner.uid) => Ok(Some(found)),
        Ok(_) => Ok(None),
        Err(Failure::Answered(answer)) if answer.code == 404 => Ok(None),
        Err(failure) => Err(about.explain(failure)),
    }
}

fn without(owner: &Owner) -> Progress {
    complete(format!(
        "the pod is gone, and so is {} `{}`, which would make another",
        owner.kind, owner.name
    ))
}

/// The controller's pods that are neither leaving nor at their end: those it replaces anyway.
async fn siblings(
    link: &Link,
    namespace: &Namespace,
    labels: &str,
    owner: &Owner,
) -> Result<Vec<Pod>, CapabilityError> {
    let about = About::list("pod", Some(namespace.as_str()));
    if labels.is_empty() {
        let why = "a controller without a selector that can be read".to_owned();
        return Err(about.explain(Failure::Garbage(why)));
    }
    let params = ListParams::default().labels(labels).limit(PODS_CHUNK);
    let ours = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        let is_over = matches!(phase, Some("Succeeded" | "Failed"));
        let is_ours = controller(&pod.metadata).is_some_and(|of| of.uid == owner.uid);
        let stays = pod.metadata.deletion_timestamp.is_none() && !is_over;
        (is_ours && stays).then(|| pod.clone())
    };
    let all = link.all(&about, params, PODS_MAX, ours).await;
    Ok(all.map_err(|failure| about.explain(failure))?.items)
}

/// How far the pods are that have come since; one that is ready is enough.
fn of_successors(pods: &[Pod]) -> Progress {
    if pods.iter().any(is_ready) {
        return complete("the pod is gone and its successor is ready".to_owned());
    }
    if let Some(why) = pods.iter().find_map(stuck::pod) {
        return stuck(why);
    }
    progressing(match pods.first().map(convert::pod::pod) {
        Some(pod) => format!("the pod is gone, its successor `{}` is not ready yet", pod.name),
        None => "the pod is gone, its successor is yet to be made".to_owned(),
    })
}
