//! The deletion of one pod.

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use super::super::about::About;
use super::super::connect::Link;
use super::super::convert::pod::controller;
use super::super::convert::text;
use super::super::workload::TEMPLATE_HASH;
use super::budgets::{self, Budgets, Ends};
use super::pods::{PODS_CHUNK, PODS_MAX};
use super::{Seen, fetch, try_out};
use crate::capability::CapabilityError;
use crate::domain::name::{Namespace, ObjectName};
use crate::domain::write::{Body, Owner, Plan, Verb, WriteTarget};

/// Labels that tell the pods of one controller apart.
const OWN_LABELS: [&str; 4] = [
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "controller-revision-hash",
];

/// On the image, in the API server, of a pod that only its node knows.
const MIRROR: &str = "kubernetes.io/config.mirror";

pub(super) async fn plan(
    link: &Link,
    target: &WriteTarget,
    namespace: &Namespace,
    name: &ObjectName,
) -> Result<Plan, CapabilityError> {
    let about = About::object("pod", Some(namespace.as_str()), name.as_str());
    let explain = |failure| about.explain(failure);
    let taken = fetch(link, target).await.map_err(explain)?;
    let Seen { identity, .. } = Seen::of(target, &taken).map_err(explain)?;
    let pod: Pod = taken.decode().map_err(explain)?;
    // The grace period is the pod's own.
    let body = Body::new("{}");
    try_out(link, Verb::Delete, target, &body, &identity).await.map_err(explain)?;

    let mut owner = controller(&pod.metadata).map(|owner| Owner {
        kind: text::message(&owner.kind),
        name: text::message(&owner.name),
        uid: owner.uid.clone(),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        had: Vec::new(),
    });
    let mut others = None;
    if let Some(owner) = owner.as_mut().filter(|owner| is_of_replicas(owner))
        && let Some(found) = siblings(link, namespace, &pod, owner).await?
    {
        let ready = found.iter().filter(|sibling| sibling.is_ready).count();
        others = Some(u32::try_from(ready).unwrap_or(u32::MAX));
        if owner.kind == "ReplicaSet" {
            owner.had = found.into_iter().map(|sibling| sibling.uid).collect();
        }
    }
    let mut warnings = warnings(&pod, owner.as_ref(), others);
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    let covering = Budgets::read(link, namespace).await.covering(&labels);
    match &covering {
        Some(covering) => budgets::warn(covering, Ends::All(1), "a deletion", &mut warnings),
        None => warnings.push("disruption budgets could not be read".to_owned()),
    }
    Ok(Plan {
        verb: Verb::Delete,
        target: target.clone(),
        uid: identity.uid,
        version: identity.version,
        changes: Vec::new(),
        pods: vec![name.to_string()],
        pods_total: 1,
        replicas_left: others,
        budgets: covering.unwrap_or_default(),
        warnings,
        owner,
        body,
    })
}

/// Whether the pods of the controller stand in for one another.
fn is_of_replicas(owner: &Owner) -> bool {
    matches!(owner.kind.as_str(), "ReplicaSet" | "StatefulSet" | "ReplicationController")
}

/// Another pod of the same controller.
struct Sibling {
    uid: String,
    is_ready: bool,
}

/// The controller's other pods; none where nothing tells them from the rest. They are found by the
/// labels that they share, so that the controller itself need not be read.
async fn siblings(
    link: &Link,
    namespace: &Namespace,
    pod: &Pod,
    owner: &Owner,
) -> Result<Option<Vec<Sibling>>, CapabilityError> {
    let labels = pod.metadata.labels.clone().unwrap_or_default();
    // A deployment's mark is enough, and whatever else somebody wrote on this one pod finds none.
    let is_marked = labels.contains_key(TEMPLATE_HASH);
    let is_shared = |key: &str| {
        if is_marked { key == TEMPLATE_HASH } else { !OWN_LABELS.contains(&key) }
    };
    let shared = labels.iter().filter(|(key, _)| is_shared(key));
    let selector: Vec<String> = shared.map(|(key, value)| format!("{key}={value}")).collect();
    if selector.is_empty() {
        return Ok(None);
    }
    let about = About::list("pod", Some(namespace.as_str()));
    let params = ListParams::default().labels(&selector.join(",")).limit(PODS_CHUNK);
    let sibling = |other: &Pod| {
        let is_other = other.metadata.uid != pod.metadata.uid;
        let is_sibling = controller(&other.metadata).is_some_and(|of| of.uid == owner.uid);
        let uid = other.metadata.uid.clone().filter(|_| is_other && is_sibling)?;
        Some(Sibling { uid, is_ready: is_ready(other) })
    };
    let all = link
        .all(&about, params, PODS_MAX, sibling)
        .await
        .map_err(|failure| about.explain(failure))?;
    Ok(Some(all.items))
}

/// Ready, and not leaving.
pub(super) fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_deref());
    pod.metadata.deletion_timestamp.is_none()
        && conditions
            .unwrap_or_default()
            .iter()
            .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What the pod itself says, the most serious first.
fn warnings(pod: &Pod, owner: Option<&Owner>, others: Option<u32>) -> Vec<String> {
    let mut warnings = Vec::new();
    let annotations = pod.metadata.annotations.as_ref();
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if annotations.is_some_and(|annotations| annotations.contains_key(MIRROR)) {
        warnings.push(
            "a static pod of its node: deleting its image in the cluster ends nothing".to_owned(),
        );
    } else {
        match owner {
            None => warnings
                .push("the pod has no controller: nothing makes it again, it is gone".to_owned()),
            Some(owner) if owner.kind == "Job" && phase == Some("Running") => {
                warnings.push(format!(
                    "it is at work for job `{}`: what it has done so far may be lost, and the job \
                     may count it as a failure",
                    owner.name
                ));
            }
            Some(owner) if owner.kind == "DaemonSet" => {
                warnings.push("its node is without it until its successor is ready".to_owned());
            }
            Some(_) => {}
        }
    }
    if pod.metadata.deletion_timestamp.is_some() {
        warnings.push("it is being deleted already".to_owned());
    } else if others == Some(0) && is_ready(pod) {
        warnings.push(
            "no other pod of its controller is ready: expect an outage until its successor is"
                .to_owned(),
        );
    }
    let volumes = pod.spec.as_ref().and_then(|spec| spec.volumes.as_deref()).unwrap_or_default();
    let kept_nowhere = volumes.iter().filter(|volume| volume.empty_dir.is_some());
    let names: Vec<String> =
        kept_nowhere.take(5).map(|volume| format!("`{}`", text::message(&volume.name))).collect();
    if !names.is_empty() {
        warnings.push(format!("what is in its `emptyDir` {} is lost", names.join(", ")));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::super::convert::object;
    use super::*;

    fn check(pod: Value, owner: Option<&str>, others: Option<u32>, expected: &[&str]) {
        let owner = owner.map(|kind| Owner {
            kind: kind.to_owned(),
            name: "web".to_owned(),
            uid: "o".to_owned(),
            node: None,
            had: Vec::new(),
        });
        assert_eq!(warnings(&object(pod), owner.as_ref(), others), expected);
    }

    #[test]
    fn says_what_does_not_come_back() {
        let ready = json!({ "phase": "Running",
                            "conditions": [{ "type": "Ready", "status": "True" }] });
        let running = json!({ "metadata": {}, "status": ready });
        check(running.clone(), Some("ReplicaSet"), Some(2), &[]);
        check(
            running.clone(),
            Some("StatefulSet"),
            Some(0),
            &["no other pod of its controller is ready: expect an outage until its successor is"],
        );
        check(
            running.clone(),
            None,
            None,
            &["the pod has no controller: nothing makes it again, it is gone"],
        );
        check(
            running.clone(),
            Some("Job"),
            None,
            &["it is at work for job `web`: what it has done so far may be lost, and the job may \
               count it as a failure"],
        );
        check(
            running,
            Some("DaemonSet"),
            None,
            &["its node is without it until its successor is ready"],
        );
        check(
            json!({ "metadata": { "annotations": { MIRROR: "x" } }, "status": {} }),
            Some("Node"),
            None,
            &["a static pod of its node: deleting its image in the cluster ends nothing"],
        );
        check(
            json!({ "metadata": { "deletionTimestamp": "2026-11-21T02:00:00Z" },
                    "spec": { "containers": [], "volumes": [{ "name": "cache", "emptyDir": {} }] },
                    "status": { "phase": "Running" } }),
            Some("ReplicaSet"),
            Some(0),
            &["it is being deleted already", "what is in its `emptyDir` `cache` is lost"],
        );
    }
}
