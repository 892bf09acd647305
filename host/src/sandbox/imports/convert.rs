//! Our words to the contract's. Pure.

use jiff::Timestamp;

use super::super::bindings::toolgate::plugin::kubernetes_read as wit;
use super::super::bindings::toolgate::plugin::types;
use crate::capability::kubernetes as port;
use crate::domain::write::WorkloadKind;
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// A text of the cluster: safe and bounded.
pub(super) fn clipped(text: &str) -> String {
    let mut text = make_safe(text).text;
    cut(&mut text, port::MESSAGE_BYTES_MAX);
    text
}

fn maybe(text: Option<&String>) -> Option<String> {
    text.map(|text| clipped(text))
}

pub(super) fn moment(at: Timestamp, now: Timestamp) -> types::Moment {
    let age_s = u64::try_from(now.as_second().saturating_sub(at.as_second())).unwrap_or(0);
    let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
    types::Moment { at: whole.to_string(), age_s }
}

pub(super) fn created(at: Option<Timestamp>, now: Timestamp) -> types::Moment {
    moment(at.unwrap_or(now), now)
}

fn labels(labels: &[(String, String)]) -> Vec<types::Label> {
    let label =
        |(key, value): &(String, String)| types::Label { key: clipped(key), value: clipped(value) };
    labels.iter().map(label).collect()
}

fn quantities(amounts: &[(String, String)]) -> Vec<wit::Quantity> {
    let one = |(resource, amount): &(String, String)| wit::Quantity {
        resource: clipped(resource),
        amount: clipped(amount),
    };
    amounts.iter().map(one).collect()
}

fn conditions(conditions: &[port::Condition], now: Timestamp) -> Vec<types::Condition> {
    let one = |c: &port::Condition| types::Condition {
        kind: clipped(&c.kind),
        status: clipped(&c.status),
        reason: maybe(c.reason.as_ref()),
        message: maybe(c.message.as_ref()),
        changed: c.changed.map(|at| moment(at, now)),
    };
    conditions.iter().map(one).collect()
}

fn terminated(ended: &port::Terminated, now: Timestamp) -> wit::Terminated {
    wit::Terminated {
        exit_code: ended.exit_code,
        signal: ended.signal,
        reason: clipped(&ended.reason),
        message: maybe(ended.message.as_ref()),
        started: ended.started.map(|at| moment(at, now)),
        finished: ended.finished.map(|at| moment(at, now)),
    }
}

fn container(c: &port::Container, now: Timestamp) -> wit::Container {
    let state = match &c.state {
        port::ContainerState::Waiting { reason, message } => {
            wit::ContainerState::Waiting(wit::Waiting {
                reason: clipped(reason),
                message: maybe(message.as_ref()),
            })
        }
        port::ContainerState::Running(since) => wit::ContainerState::Running(created(*since, now)),
        port::ContainerState::Terminated(ended) => {
            wit::ContainerState::Terminated(terminated(ended, now))
        }
        port::ContainerState::Unknown => wit::ContainerState::Unknown,
    };
    wit::Container {
        name: clipped(&c.name),
        image: clipped(&c.image),
        init: c.init,
        ready: c.ready,
        restart_count: c.restart_count,
        state,
        last_termination: c.last_termination.as_ref().map(|ended| terminated(ended, now)),
        requests: quantities(&c.requests),
        limits: quantities(&c.limits),
    }
}

pub(super) fn pod(pod: &port::Pod, now: Timestamp) -> wit::Pod {
    let owner =
        |(kind, name): &(String, String)| wit::Owner { kind: clipped(kind), name: clipped(name) };
    wit::Pod {
        namespace: clipped(&pod.namespace),
        name: clipped(&pod.name),
        uid: clipped(&pod.uid),
        labels: labels(&pod.labels),
        created: created(pod.created, now),
        deleting: pod.deleting,
        phase: clipped(&pod.phase),
        status: clipped(&pod.status),
        reason: maybe(pod.reason.as_ref()),
        message: maybe(pod.message.as_ref()),
        node: maybe(pod.node.as_ref()),
        pod_ip: maybe(pod.pod_ip.as_ref()),
        host_ip: maybe(pod.host_ip.as_ref()),
        qos_class: maybe(pod.qos_class.as_ref()),
        service_account: maybe(pod.service_account.as_ref()),
        owner: pod.owner.as_ref().map(owner),
        conditions: conditions(&pod.conditions, now),
        containers: pod.containers.iter().map(|c| container(c, now)).collect(),
    }
}

pub(super) fn deployment(d: &port::Deployment, now: Timestamp) -> wit::Deployment {
    wit::Deployment {
        namespace: clipped(&d.namespace),
        name: clipped(&d.name),
        uid: clipped(&d.uid),
        labels: labels(&d.labels),
        created: created(d.created, now),
        selector: clipped(&d.selector),
        images: d.images.iter().map(|image| clipped(image)).collect(),
        paused: d.paused,
        rollout: rollout(&d.rollout),
        conditions: conditions(&d.conditions, now),
    }
}

pub(super) fn node(node: &port::Node, now: Timestamp) -> wit::Node {
    wit::Node {
        name: clipped(&node.name),
        labels: labels(&node.labels),
        created: created(node.created, now),
        roles: node.roles.iter().map(|role| clipped(role)).collect(),
        unschedulable: node.unschedulable,
        taints: node.taints.iter().map(|taint| clipped(taint)).collect(),
        kubelet_version: clipped(&node.kubelet_version),
        os_image: clipped(&node.os_image),
        internal_ip: maybe(node.internal_ip.as_ref()),
        capacity: quantities(&node.capacity),
        allocatable: quantities(&node.allocatable),
        conditions: conditions(&node.conditions, now),
    }
}

pub(super) fn namespace(n: &port::NamespaceState, now: Timestamp) -> wit::Namespace {
    let created = created(n.created, now);
    wit::Namespace { name: clipped(&n.name), phase: clipped(&n.phase), created }
}

pub(super) fn rollout(rollout: &port::Rollout) -> types::Rollout {
    types::Rollout {
        kind: kind_out(rollout.kind),
        namespace: clipped(&rollout.namespace),
        name: clipped(&rollout.name),
        state: state(rollout.state),
        message: clipped(&rollout.message),
        generation: rollout.generation,
        observed_generation: rollout.observed_generation,
        desired: rollout.desired,
        updated: rollout.updated,
        ready: rollout.ready,
        available: rollout.available,
        revision: maybe(rollout.revision.as_ref()),
    }
}

pub(super) fn state(state: port::RolloutState) -> types::RolloutState {
    match state {
        port::RolloutState::Complete => types::RolloutState::Complete,
        port::RolloutState::Progressing => types::RolloutState::Progressing,
        port::RolloutState::Stuck => types::RolloutState::Stuck,
    }
}

pub(super) fn kind_in(kind: types::WorkloadKind) -> WorkloadKind {
    match kind {
        types::WorkloadKind::Deployment => WorkloadKind::Deployment,
        types::WorkloadKind::StatefulSet => WorkloadKind::StatefulSet,
        types::WorkloadKind::DaemonSet => WorkloadKind::DaemonSet,
    }
}

pub(super) fn kind_out(kind: WorkloadKind) -> types::WorkloadKind {
    match kind {
        WorkloadKind::Deployment => types::WorkloadKind::Deployment,
        WorkloadKind::StatefulSet => types::WorkloadKind::StatefulSet,
        WorkloadKind::DaemonSet => types::WorkloadKind::DaemonSet,
    }
}

/// About what labels and conditions weigh when they are handed over.
pub(super) fn weight_of(labels: &[types::Label], conditions: &[types::Condition]) -> usize {
    let label = |l: &types::Label| l.key.len() + l.value.len() + 16;
    let condition = |c: &types::Condition| 128 + c.message.as_ref().map_or(0, String::len);
    labels.iter().map(label).sum::<usize>() + conditions.iter().map(condition).sum::<usize>()
}

/// About what a list of pods weighs when it is handed over: its texts, and the records around them.
pub(super) fn weight(pods: &[wit::Pod]) -> usize {
    let container = |c: &wit::Container| {
        let ended = |t: &wit::Terminated| 128 + t.message.as_ref().map_or(0, String::len);
        let state = match &c.state {
            wit::ContainerState::Waiting(w) => {
                w.reason.len() + w.message.as_ref().map_or(0, String::len)
            }
            wit::ContainerState::Terminated(t) => ended(t),
            wit::ContainerState::Running(_) | wit::ContainerState::Unknown => 32,
        };
        256 + c.image.len() + state + c.last_termination.as_ref().map_or(0, ended)
    };
    let pod = |p: &wit::Pod| {
        512 + weight_of(&p.labels, &p.conditions)
            + p.message.as_ref().map_or(0, String::len)
            + p.containers.iter().map(container).sum::<usize>()
    };
    pods.iter().map(pod).sum()
}
