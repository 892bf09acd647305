//! What the documents say.

use std::collections::BTreeMap;

use toolgate_sdk::kubernetes_read::{
    Container, ContainerState, Deployment, Namespace, Pod, Quantity, Terminated,
};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::{Condition, Label, Rollout};

#[output]
pub(crate) struct Namespaces {
    namespaces: Vec<NamespaceRow>,
}

#[output]
struct NamespaceRow {
    name: String,
    phase: String,
    created: String,
}

impl Namespaces {
    pub(crate) fn of(found: Vec<Namespace>) -> Self {
        let row = |namespace: Namespace| NamespaceRow {
            name: namespace.name,
            phase: namespace.phase,
            created: namespace.created.at,
        };
        Self { namespaces: found.into_iter().map(row).collect() }
    }
}

#[output]
pub(crate) struct WorkloadRow {
    #[serde(flatten)]
    status: Status,
    images: Vec<String>,
    selector: String,
    paused: bool,
    created: String,
}

impl WorkloadRow {
    pub(crate) fn of(deployment: Deployment) -> Self {
        Self {
            status: Status::of(deployment.rollout),
            images: deployment.images,
            selector: deployment.selector,
            paused: deployment.paused,
            created: deployment.created.at,
        }
    }
}

#[output]
pub(crate) struct Status {
    kind: &'static str,
    namespace: String,
    name: String,
    state: &'static str,
    message: String,
    generation: i64,
    observed_generation: i64,
    desired: u32,
    updated: u32,
    ready: u32,
    available: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    revision: Option<String>,
}

impl Status {
    pub(crate) fn of(rollout: Rollout) -> Self {
        Self {
            kind: rollout.kind.word(),
            namespace: rollout.namespace,
            name: rollout.name,
            state: rollout.state.word(),
            message: rollout.message,
            generation: rollout.generation,
            observed_generation: rollout.observed_generation,
            desired: rollout.desired,
            updated: rollout.updated,
            ready: rollout.ready,
            available: rollout.available,
            revision: rollout.revision,
        }
    }
}

#[output]
pub(crate) struct PodFacts {
    namespace: String,
    name: String,
    uid: String,
    labels: BTreeMap<String, String>,
    created: String,
    deleting: bool,
    phase: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod_ip: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    qos_class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_account: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    conditions: Vec<ConditionFacts>,
    containers: Vec<ContainerFacts>,
}

#[output]
struct ConditionFacts {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
}

#[output]
struct ContainerFacts {
    name: String,
    image: String,
    init: bool,
    ready: bool,
    restart_count: u32,
    state: StateFacts,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_termination: Option<EndFacts>,
    requests: BTreeMap<String, String>,
    limits: BTreeMap<String, String>,
}

#[output]
#[serde(rename_all = "snake_case")]
enum StateFacts {
    Waiting { reason: String, message: Option<String> },
    Running { since: String },
    Terminated(EndFacts),
    Unknown,
}

#[output]
struct EndFacts {
    reason: String,
    exit_code: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    started: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished: Option<String>,
}

impl PodFacts {
    pub(crate) fn of(pod: Pod) -> Self {
        let label = |label: Label| (label.key, label.value);
        Self {
            namespace: pod.namespace,
            name: pod.name,
            uid: pod.uid,
            labels: pod.labels.into_iter().map(label).collect(),
            created: pod.created.at,
            deleting: pod.deleting,
            phase: pod.phase,
            status: pod.status,
            message: pod.message,
            node: pod.node,
            pod_ip: pod.pod_ip,
            qos_class: pod.qos_class,
            service_account: pod.service_account,
            owner: pod.owner.map(|owner| format!("{}/{}", owner.kind, owner.name)),
            conditions: pod.conditions.into_iter().map(condition).collect(),
            containers: pod.containers.into_iter().map(container).collect(),
        }
    }
}

fn condition(condition: Condition) -> ConditionFacts {
    ConditionFacts {
        kind: condition.kind,
        status: condition.status,
        reason: condition.reason,
        message: condition.message,
        since: condition.changed.map(|changed| changed.at),
    }
}

fn container(container: Container) -> ContainerFacts {
    let amounts = |quantities: Vec<Quantity>| {
        quantities.into_iter().map(|quantity| (quantity.resource, quantity.amount)).collect()
    };
    ContainerFacts {
        name: container.name,
        image: container.image,
        init: container.init,
        ready: container.ready,
        restart_count: container.restart_count,
        state: match container.state {
            ContainerState::Waiting(waiting) => {
                StateFacts::Waiting { reason: waiting.reason, message: waiting.message }
            }
            ContainerState::Running(since) => StateFacts::Running { since: since.at },
            ContainerState::Terminated(end) => StateFacts::Terminated(ending(end)),
            ContainerState::Unknown => StateFacts::Unknown,
        },
        last_termination: container.last_termination.map(ending),
        requests: amounts(container.requests),
        limits: amounts(container.limits),
    }
}

fn ending(end: Terminated) -> EndFacts {
    EndFacts {
        reason: end.reason,
        exit_code: end.exit_code,
        started: end.started.map(|moment| moment.at),
        finished: end.finished.map(|moment| moment.at),
    }
}
