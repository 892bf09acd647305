//! Pods for tests: a healthy one, and words to break it with.

use toolgate_sdk::kubernetes_read::{Container, ContainerState, Pod, Terminated, Waiting};
use toolgate_sdk::types::{Condition, Moment};

pub(crate) fn ago(age_s: u64) -> Moment {
    Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s }
}

pub(crate) fn container(name: &str, state: ContainerState) -> Container {
    Container {
        name: name.to_owned(),
        image: format!("example.org/{name}:1"),
        init: false,
        ready: matches!(state, ContainerState::Running(_)),
        restart_count: 0,
        state,
        last_termination: None,
        requests: Vec::new(),
        limits: Vec::new(),
    }
}

pub(crate) fn init(name: &str, state: ContainerState) -> Container {
    Container { init: true, ready: false, ..container(name, state) }
}

pub(crate) fn running(age_s: u64) -> ContainerState {
    ContainerState::Running(ago(age_s))
}

pub(crate) fn waiting(reason: &str, message: Option<&str>) -> ContainerState {
    ContainerState::Waiting(Waiting {
        reason: reason.to_owned(),
        message: message.map(str::to_owned),
    })
}

pub(crate) fn ended(exit_code: i32, reason: &str, age_s: u64) -> Terminated {
    Terminated {
        exit_code,
        signal: None,
        reason: reason.to_owned(),
        message: None,
        started: None,
        finished: Some(ago(age_s)),
    }
}

pub(crate) fn restarted(container: Container, count: u32, last: Terminated) -> Container {
    Container { restart_count: count, last_termination: Some(last), ..container }
}

pub(crate) fn condition(kind: &str, status: &str, reason: &str, age_s: u64) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: (!reason.is_empty()).then(|| reason.to_owned()),
        message: None,
        changed: Some(ago(age_s)),
    }
}

/// A pod that is an hour old and was scheduled at once.
pub(crate) fn pod(phase: &str, containers: Vec<Container>) -> Pod {
    Pod {
        namespace: "shop".to_owned(),
        name: "web-7d9c5b7f6-x2x4q".to_owned(),
        uid: "2b0a1d1c-0000-4000-8000-000000000001".to_owned(),
        labels: Vec::new(),
        created: ago(3_600),
        deleting: false,
        phase: phase.to_owned(),
        status: phase.to_owned(),
        reason: None,
        message: None,
        node: Some("node-1".to_owned()),
        pod_ip: None,
        host_ip: None,
        qos_class: None,
        service_account: None,
        owner: None,
        conditions: vec![condition("PodScheduled", "True", "", 3_600)],
        containers,
    }
}
