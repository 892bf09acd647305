//! The word in the STATUS column of `kubectl get pods`.
//!
//! A pod's phase says little: a pod that crashes in a loop is `Running`. The printed word comes
//! from the containers, by rules that live in the API server's table printer; operators know
//! those words by heart, so ours must be the same ones.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStateTerminated, ContainerStatus, Pod, PodCondition,
    PodSpec, PodStatus,
};

use super::text;

/// The word.
pub(super) fn word(pod: &Pod) -> String {
    let none = PodStatus::default();
    let status = pod.status.as_ref().unwrap_or(&none);
    let phase = status.phase.as_deref().unwrap_or("Unknown");
    let reason = status.reason.as_deref().unwrap_or_default();
    if pod.metadata.deletion_timestamp.is_some() {
        if reason == "NodeLost" {
            return "Unknown".to_owned();
        }
        if !matches!(phase, "Succeeded" | "Failed") {
            return "Terminating".to_owned();
        }
    }
    let mut word = if reason.is_empty() { phase } else { reason }.to_owned();
    let conditions = status.conditions.as_deref().unwrap_or_default();
    if conditions.iter().any(is_gated) {
        "SchedulingGated".clone_into(&mut word);
    }
    let initializing = initializing(pod.spec.as_ref(), status);
    let is_initialized = is_true(conditions, "Initialized");
    if let Some(initializing) = &initializing {
        word.clone_from(initializing);
    }
    if initializing.is_none() || is_initialized {
        let containers = status.container_statuses.as_deref().unwrap_or_default();
        if let Some(of_containers) = of_containers(containers) {
            word = of_containers;
        }
        if word == "Completed" && containers.iter().any(is_serving) {
            let word_now = if is_true(conditions, "Ready") { "Running" } else { "NotReady" };
            word_now.clone_into(&mut word);
        }
    }
    text::message(&word)
}

/// Whether an init container stays beside the others instead of ending before them (a sidecar).
fn is_sidecar(container: &Container) -> bool {
    container.restart_policy.as_deref() == Some("Always")
}

fn is_gated(condition: &PodCondition) -> bool {
    condition.type_ == "PodScheduled" && condition.reason.as_deref() == Some("SchedulingGated")
}

fn is_true(conditions: &[PodCondition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

/// What the first init container that is not done does; none where all are.
fn initializing(spec: Option<&PodSpec>, status: &PodStatus) -> Option<String> {
    let specs = spec.and_then(|spec| spec.init_containers.as_deref()).unwrap_or_default();
    let sidecar = |name: &str| specs.iter().any(|c| c.name == name && is_sidecar(c));
    let is_done = |container: &ContainerStatus| {
        let ended_well = terminated(container).is_some_and(|ended| ended.exit_code == 0);
        ended_well || (sidecar(&container.name) && container.started == Some(true))
    };
    let statuses = status.init_container_statuses.as_deref().unwrap_or_default();
    let (done, container) =
        statuses.iter().enumerate().find(|(_, container)| !is_done(container))?;
    Some(match (terminated(container), waiting(container)) {
        (Some(ended), _) => format!("Init:{}", ended_as(ended)),
        (None, Some(reason)) if reason != "PodInitializing" => format!("Init:{reason}"),
        (None, _) => format!("Init:{done}/{}", specs.len()),
    })
}

/// The word of the first container that has one: it is the one printed.
fn of_containers(containers: &[ContainerStatus]) -> Option<String> {
    containers.iter().find_map(|container| match (waiting(container), terminated(container)) {
        (Some(reason), _) => Some(reason.to_owned()),
        (None, Some(ended)) => Some(ended_as(ended)),
        (None, None) => None,
    })
}

fn is_serving(container: &ContainerStatus) -> bool {
    let state = container.state.as_ref();
    container.ready && state.is_some_and(|s| s.running.is_some() && s.terminated.is_none())
}

fn ended_as(ended: &ContainerStateTerminated) -> String {
    match (ended.reason.as_deref(), ended.signal) {
        (Some(reason), _) if !reason.is_empty() => reason.to_owned(),
        (_, Some(signal)) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", ended.exit_code),
    }
}

fn terminated(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    container.state.as_ref().and_then(|state: &ContainerState| state.terminated.as_ref())
}

/// The reason of waiting; none where it is empty, since then it is not printed.
fn waiting(container: &ContainerStatus) -> Option<&str> {
    let reason = container.state.as_ref()?.waiting.as_ref()?.reason.as_deref()?;
    (!reason.is_empty()).then_some(reason)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::object;
    use super::*;

    fn running(name: &str) -> Value {
        json!({ "name": name, "ready": true, "started": true, "state": { "running": {} } })
    }

    fn waits(reason: &str) -> Value {
        json!({ "name": "c", "state": { "waiting": { "reason": reason } } })
    }

    fn ended(terminated: &Value) -> Value {
        json!({ "name": "c", "state": { "terminated": terminated } })
    }

    fn pod(status: &Value) -> Value {
        json!({ "metadata": {}, "spec": { "containers": [] }, "status": status })
    }

    fn initialising(containers: &[Value], status: &Value) -> Value {
        let mut pod = pod(status);
        pod["spec"]["initContainers"] = json!(containers);
        pod
    }

    fn deleted(mut pod: Value) -> Value {
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-21T02:00:00Z");
        pod
    }

    fn check(cases: &[(&str, Value)]) {
        for (expected, pod) in cases {
            assert_eq!(word(&object(pod.clone())), *expected, "{pod}");
        }
    }

    #[test]
    fn looks_at_the_containers() {
        let done = json!({ "exitCode": 0, "reason": "Completed" });
        check(&[
            ("Unknown", json!({})),
            ("Pending", pod(&json!({ "phase": "Pending" }))),
            ("Evicted", pod(&json!({ "phase": "Failed", "reason": "Evicted" }))),
            ("NodeLost", pod(&json!({ "phase": "Running", "reason": "NodeLost" }))),
            ("Running", pod(&json!({ "phase": "Running", "containerStatuses": [running("c")] }))),
            (
                "CrashLoopBackOff",
                pod(&json!({
                    "phase": "Running",
                    "containerStatuses": [running("c"), waits("CrashLoopBackOff")],
                })),
            ),
            (
                "ImagePullBackOff",
                pod(&json!({
                    "phase": "Pending",
                    "containerStatuses": [waits("ImagePullBackOff"), waits("ErrImagePull")],
                })),
            ),
            (
                "OOMKilled",
                pod(&json!({
                    "phase": "Running",
                    "containerStatuses": [ended(&json!({ "exitCode": 137, "reason": "OOMKilled" }))],
                })),
            ),
            (
                "ExitCode:3",
                pod(&json!({
                    "phase": "Failed", "containerStatuses": [ended(&json!({ "exitCode": 3 }))],
                })),
            ),
            (
                "Signal:9",
                pod(&json!({
                    "phase": "Failed",
                    "containerStatuses": [ended(&json!({ "exitCode": 137, "signal": 9 }))],
                })),
            ),
            (
                "Completed",
                pod(&json!({ "phase": "Succeeded", "containerStatuses": [ended(&done)] })),
            ),
            (
                "NotReady",
                pod(&json!({
                    "phase": "Running", "containerStatuses": [ended(&done), running("d")],
                })),
            ),
            (
                "Running",
                pod(&json!({
                    "phase": "Running",
                    "conditions": [{ "type": "Ready", "status": "True" }],
                    "containerStatuses": [ended(&done), running("d")],
                })),
            ),
            (
                "SchedulingGated",
                pod(&json!({
                    "phase": "Pending",
                    "conditions": [
                        { "type": "PodScheduled", "status": "False", "reason": "SchedulingGated" },
                    ],
                })),
            ),
        ]);
    }

    #[test]
    fn looks_at_the_init_containers_first() {
        let two = [json!({ "name": "c" }), json!({ "name": "d" })];
        let sidecar = [json!({ "name": "c", "restartPolicy": "Always" }), json!({ "name": "d" })];
        let done = ended(&json!({ "exitCode": 0, "reason": "Completed" }));
        let failed = ended(&json!({ "exitCode": 1, "reason": "Error" }));
        let after = |first: &Value, second: &Value| {
            json!({
                "phase": "Pending",
                "initContainerStatuses": [first, second],
                "containerStatuses": [waits("PodInitializing")],
            })
        };
        let waiting = waits("PodInitializing");
        check(&[
            ("Init:0/2", initialising(&two, &after(&running("c"), &waiting))),
            ("Init:1/2", initialising(&two, &after(&done, &waiting))),
            ("Init:Error", initialising(&two, &after(&failed, &waiting))),
            (
                "Init:ExitCode:2",
                initialising(&two, &after(&done, &ended(&json!({ "exitCode": 2 })))),
            ),
            (
                "Init:Signal:15",
                initialising(&two, &after(&ended(&json!({ "exitCode": 1, "signal": 15 })), &done)),
            ),
            (
                "Init:CrashLoopBackOff",
                initialising(&two, &after(&waits("CrashLoopBackOff"), &waiting)),
            ),
            // A sidecar that has started is done with starting, not with running.
            ("Init:1/2", initialising(&sidecar, &after(&running("c"), &waiting))),
            ("PodInitializing", initialising(&sidecar, &after(&running("c"), &done))),
        ]);
    }

    #[test]
    fn an_initialized_pod_is_judged_by_its_containers_even_where_an_init_container_runs_again() {
        let two = [json!({ "name": "c" }), json!({ "name": "d" })];
        check(&[(
            "CrashLoopBackOff",
            initialising(
                &two,
                &json!({
                    "phase": "Running",
                    "conditions": [{ "type": "Initialized", "status": "True" }],
                    "initContainerStatuses": [running("c")],
                    "containerStatuses": [waits("CrashLoopBackOff")],
                }),
            ),
        )]);
    }

    #[test]
    fn a_deleted_pod_terminates_unless_it_has_ended_or_its_node_is_lost() {
        let lost = json!({ "phase": "Running", "reason": "NodeLost" });
        check(&[
            ("Terminating", deleted(pod(&json!({ "phase": "Running" })))),
            ("Terminating", deleted(pod(&json!({ "phase": "Pending" })))),
            ("Unknown", deleted(pod(&lost))),
            ("Failed", deleted(pod(&json!({ "phase": "Failed" })))),
        ]);
    }
}
