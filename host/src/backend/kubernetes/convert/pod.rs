//! Pods and their containers.

use k8s_openapi::api::core::v1::{
    Container as SpecContainer, ContainerState as State, ContainerStateTerminated, ContainerStatus,
    Pod as Object, PodCondition,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use super::{condition, count, pairs, pod_status, quantities, text, time};
use crate::capability::kubernetes::{Condition, Container, ContainerState, Pod, Terminated};

/// What Kubernetes says of a container that has no reason for waiting.
const NO_REASON: &str = "Unknown";

/// A pod.
pub(in crate::backend::kubernetes) fn pod(object: &Object) -> Pod {
    let Object { metadata, spec, status } = object;
    let spec = spec.as_ref();
    let status = status.as_ref();
    let name = |name: Option<&String>| name.map(|name| text::message(name)).unwrap_or_default();
    Pod {
        namespace: name(metadata.namespace.as_ref()),
        name: name(metadata.name.as_ref()),
        uid: name(metadata.uid.as_ref()),
        labels: pairs(metadata.labels.as_ref()),
        created: time(metadata.creation_timestamp.as_ref()),
        deleting: metadata.deletion_timestamp.is_some(),
        phase: status
            .and_then(|status| text::some(status.phase.as_ref()))
            .unwrap_or_else(|| "Unknown".to_owned()),
        status: pod_status::word(object),
        reason: status.and_then(|status| text::some(status.reason.as_ref())),
        message: status.and_then(|status| text::some(status.message.as_ref())),
        node: spec.and_then(|spec| text::some(spec.node_name.as_ref())),
        pod_ip: status.and_then(|status| text::some(status.pod_ip.as_ref())),
        host_ip: status.and_then(|status| text::some(status.host_ip.as_ref())),
        qos_class: status.and_then(|status| text::some(status.qos_class.as_ref())),
        service_account: spec.and_then(|spec| text::some(spec.service_account_name.as_ref())),
        owner: controller(metadata)
            .map(|owner| (text::message(&owner.kind), text::message(&owner.name))),
        conditions: status
            .and_then(|status| status.conditions.as_deref())
            .unwrap_or_default()
            .iter()
            .map(pod_condition)
            .collect(),
        containers: containers(object),
    }
}

/// The owner that controls the object: the others only keep it from being collected.
pub(in crate::backend::kubernetes) fn controller(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

fn pod_condition(from: &PodCondition) -> Condition {
    condition(
        &from.type_,
        &from.status,
        from.reason.as_ref(),
        from.message.as_ref(),
        from.last_transition_time.as_ref(),
    )
}

fn containers(object: &Object) -> Vec<Container> {
    let Some(spec) = &object.spec else { return Vec::new() };
    let status = object.status.as_ref();
    let init_statuses = status.and_then(|status| status.init_container_statuses.as_deref());
    let statuses = status.and_then(|status| status.container_statuses.as_deref());
    let init = spec.init_containers.iter().flatten().map(|spec| (spec, init_statuses, true));
    let main = spec.containers.iter().map(|spec| (spec, statuses, false));
    init.chain(main)
        .map(|(spec, statuses, init)| {
            let statuses = statuses.unwrap_or_default();
            container(spec, statuses.iter().find(|status| status.name == spec.name), init)
        })
        .collect()
}

fn container(spec: &SpecContainer, status: Option<&ContainerStatus>, init: bool) -> Container {
    let resources = spec.resources.as_ref();
    Container {
        name: text::message(&spec.name),
        image: text::message(spec.image.as_deref().unwrap_or_default()),
        init,
        ready: status.is_some_and(|status| status.ready),
        restart_count: count(status.map(|status| status.restart_count)),
        state: state(status.and_then(|status| status.state.as_ref())),
        last_termination: status
            .and_then(|status| status.last_state.as_ref()?.terminated.as_ref())
            .map(terminated),
        requests: quantities(resources.and_then(|resources| resources.requests.as_ref())),
        limits: quantities(resources.and_then(|resources| resources.limits.as_ref())),
    }
}

fn state(from: Option<&State>) -> ContainerState {
    match from {
        Some(State { terminated: Some(ended), .. }) => {
            ContainerState::Terminated(terminated(ended))
        }
        Some(State { running: Some(running), .. }) => {
            ContainerState::Running(time(running.started_at.as_ref()))
        }
        Some(State { waiting: Some(waiting), .. }) => ContainerState::Waiting {
            reason: text::some(waiting.reason.as_ref()).unwrap_or_else(|| NO_REASON.to_owned()),
            message: text::some(waiting.message.as_ref()),
        },
        Some(_) | None => ContainerState::Unknown,
    }
}

fn terminated(from: &ContainerStateTerminated) -> Terminated {
    Terminated {
        exit_code: from.exit_code,
        signal: from.signal.filter(|signal| *signal != 0),
        reason: text::some(from.reason.as_ref())
            .unwrap_or_else(|| if from.exit_code == 0 { "Completed" } else { "Error" }.to_owned()),
        message: text::some(from.message.as_ref()),
        started: time(from.started_at.as_ref()),
        finished: time(from.finished_at.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::object;
    use super::*;
    use crate::capability::kubernetes::MESSAGE_BYTES_MAX;

    #[test]
    fn takes_what_an_operator_needs() {
        let pod = pod(&object(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "namespace": "shop", "name": "web-5d4f-x", "uid": "u1",
                "labels": { "b": "2", "a": "1" },
                "creationTimestamp": "2026-11-21T02:00:00Z",
                "ownerReferences": [
                    { "apiVersion": "v1", "kind": "ConfigMap", "name": "keeper", "uid": "u2" },
                    { "apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f",
                      "uid": "u3", "controller": true },
                ],
            },
            "spec": {
                "serviceAccountName": "web", "nodeName": "n1",
                "initContainers": [{ "name": "proxy", "image": "proxy:1", "restartPolicy": "Always" }],
                "containers": [{
                    "name": "web", "image": "web:2",
                    "env": [{ "name": "PASSWORD", "value": "hunter2" }],
                    "resources": { "requests": { "memory": "64Mi", "cpu": "10m" } },
                }],
            },
            "status": {
                "phase": "Running", "qosClass": "Burstable", "podIP": "10.0.0.7",
                "message": "x".repeat(5_000),
                "containerStatuses": [{
                    "name": "web", "ready": false, "restartCount": 7,
                    "state": { "waiting": { "reason": "CrashLoopBackOff" } },
                    "lastState": { "terminated": { "exitCode": 137, "reason": "OOMKilled",
                        "finishedAt": "2026-11-21T02:10:00Z" } },
                }],
            },
        })));
        assert_eq!(pod.status, "CrashLoopBackOff");
        assert_eq!(pod.owner, Some(("ReplicaSet".to_owned(), "web-5d4f".to_owned())));
        assert_eq!(pod.labels.first(), Some(&("a".to_owned(), "1".to_owned())));
        assert_eq!(pod.message.as_ref().map(String::len), Some(MESSAGE_BYTES_MAX));
        let [proxy, web]: &[Container; 2] = pod.containers.as_slice().try_into().unwrap();
        assert!(proxy.init && !web.init);
        assert!(matches!(proxy.state, ContainerState::Unknown));
        assert_eq!(web.restart_count, 7);
        assert_eq!(web.last_termination.as_ref().map(|ended| ended.exit_code), Some(137));
        assert_eq!(web.requests.first(), Some(&("cpu".to_owned(), "10m".to_owned())));
        assert!(!format!("{pod:?}").contains("hunter2"));
    }

    #[test]
    fn survives_an_empty_pod() {
        let pod = pod(&object(json!({})));
        assert_eq!((pod.phase.as_str(), pod.status.as_str()), ("Unknown", "Unknown"));
    }
}
