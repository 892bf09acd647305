//! Facts for tests: a deployment of two pods that works, and ways to break it.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::{
    Container, ContainerState, Owner, Pod, Quantity, Revision, Terminated, Waiting,
};
use toolgate_sdk::object::Clock;
use toolgate_sdk::serde_json::{Value, json};
use toolgate_sdk::types::{Change, Condition, Label, Moment, Rollout, RolloutState, WorkloadKind};

use crate::facts::{Facts, Kind, Log};

pub(crate) fn ago(age_s: u64) -> Moment {
    Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s }
}

/// A deployment that works: two pods of revision 2, which is a day old.
pub(crate) fn healthy() -> Facts {
    Facts {
        kind: Kind::Deployment,
        namespace: "shop".to_owned(),
        name: "web".to_owned(),
        clock: Clock::at("2026-11-21T02:13:07Z").unwrap(),
        object: json!({"metadata": {"name": "web"}, "spec": {"replicas": 2}}),
        spec: json!({"containers": [{
            "name": "app",
            "ports": [{"name": "http", "containerPort": 80}],
            "livenessProbe": {"httpGet": {"path": "/live", "port": 80}},
            "readinessProbe": {"httpGet": {"path": "/ready", "port": 80}},
        }]}),
        labels: json!({"app": "web"}),
        rollout: Some(Rollout {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            state: RolloutState::Complete,
            message: "successfully rolled out".to_owned(),
            generation: 2,
            observed_generation: 2,
            desired: 2,
            updated: 2,
            ready: 2,
            available: 2,
            revision: Some("2".to_owned()),
        }),
        history: vec![revision(2, 86_400, true), revision(1, 864_000, false)],
        pods: vec![pod("web-2-a", 80_000), pod("web-2-b", 7_200)],
        leaving: Vec::new(),
        events: Vec::new(),
        logs: Vec::new(),
        services: Vec::new(),
        slices: Vec::new(),
        claims: Vec::new(),
        quotas: Vec::new(),
        gaps: Vec::new(),
    }
}

/// The same, with a first pod that is as `change` makes it, and a rollout that is not complete.
pub(crate) fn broken(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = healthy();
    if let Some(rollout) = &mut facts.rollout {
        rollout.state = RolloutState::Progressing;
        rollout.message = "1 of 2 updated replicas are available".to_owned();
        rollout.ready = 1;
        rollout.available = 1;
    }
    change(&mut facts);
    facts
}

/// The first container of the first pod.
pub(crate) fn first(facts: &mut Facts) -> &mut Container {
    facts.pods[0].containers[0].ready = false;
    &mut facts.pods[0].containers[0]
}

pub(crate) fn revision(number: u64, age_s: u64, current: bool) -> Revision {
    Revision {
        number,
        created: ago(age_s),
        current,
        kept_by: format!("web-{number}"),
        replicas: None,
        images: vec![format!("example.org/web:{number}")],
        change_cause: None,
        changes: vec![Change {
            path: "spec.template.spec.containers[0].image".to_owned(),
            before: Some(format!("example.org/web:{}", number - 1)),
            after: Some(format!("example.org/web:{number}")),
        }],
    }
}

/// A pod of revision 2 that works.
pub(crate) fn pod(name: &str, age_s: u64) -> Pod {
    let condition = |kind: &str| Condition {
        kind: kind.to_owned(),
        status: "True".to_owned(),
        reason: None,
        message: None,
        changed: Some(ago(age_s)),
    };
    Pod {
        namespace: "shop".to_owned(),
        name: name.to_owned(),
        uid: name.to_owned(),
        labels: vec![Label { key: "app".to_owned(), value: "web".to_owned() }],
        created: ago(age_s),
        deleting: false,
        phase: "Running".to_owned(),
        status: "Running".to_owned(),
        reason: None,
        message: None,
        node: Some("node-1".to_owned()),
        pod_ip: None,
        host_ip: None,
        qos_class: None,
        service_account: None,
        owner: Some(Owner { kind: "ReplicaSet".to_owned(), name: "web-2".to_owned() }),
        conditions: vec![condition("PodScheduled"), condition("Ready")],
        containers: vec![container("app", ContainerState::Running(ago(age_s)))],
    }
}

pub(crate) fn container(name: &str, state: ContainerState) -> Container {
    Container {
        name: name.to_owned(),
        image: "example.org/web:2".to_owned(),
        init: false,
        ready: true,
        restart_count: 0,
        state,
        last_termination: None,
        requests: Vec::new(),
        limits: vec![Quantity { resource: "memory".to_owned(), amount: "64Mi".to_owned() }],
    }
}

pub(crate) fn waiting(reason: &str, message: &str) -> ContainerState {
    ContainerState::Waiting(Waiting {
        reason: reason.to_owned(),
        message: Some(message.to_owned()),
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

/// A container in a crash loop.
pub(crate) fn crashing(container: &mut Container, exit_code: i32, reason: &str) {
    container.ready = false;
    container.restart_count = 7;
    container.state = waiting("CrashLoopBackOff", "back-off 5m0s");
    container.last_termination = Some(ended(exit_code, reason, 120));
}

/// An event about the first pod, a minute ago.
pub(crate) fn event(reason: &str, message: &str) -> Event {
    Event {
        namespace: "shop".to_owned(),
        severity: "Warning".to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        involved_kind: "Pod".to_owned(),
        involved_name: "web-2-a".to_owned(),
        count: 3,
        last_seen: ago(60),
        first_seen: None,
        source: "kubelet".to_owned(),
    }
}

pub(crate) fn about(kind: &str, name: &str, event: Event) -> Event {
    Event { involved_kind: kind.to_owned(), involved_name: name.to_owned(), ..event }
}

pub(crate) fn log(previous: bool, lines: &[&str]) -> Log {
    Log {
        pod: "web-2-a".to_owned(),
        container: "app".to_owned(),
        previous,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
    }
}

/// A pod that was not scheduled.
pub(crate) fn pending(pod: &mut Pod, reason: &str, message: &str) {
    pod.phase = "Pending".to_owned();
    pod.conditions = vec![Condition {
        kind: "PodScheduled".to_owned(),
        status: "False".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        changed: None,
    }];
    for container in &mut pod.containers {
        container.ready = false;
        container.state = ContainerState::Unknown;
    }
}

/// A pod that is not ready, although its containers are.
pub(crate) fn unready(pod: &mut Pod, reason: Option<&str>, since_s: u64) {
    let ready = pod.conditions.iter_mut().find(|condition| condition.kind == "Ready").unwrap();
    ready.status = "False".to_owned();
    ready.reason = reason.map(str::to_owned);
    ready.changed = Some(ago(since_s));
}

/// A pod that ended in failure so many seconds ago.
pub(crate) fn failed(pod: &mut Pod, exit_code: i32, reason: &str, age_s: u64) {
    pod.phase = "Failed".to_owned();
    unready(pod, Some("PodFailed"), age_s);
    for container in &mut pod.containers {
        container.ready = false;
        container.state = ContainerState::Terminated(ended(exit_code, reason, age_s));
    }
}

/// A pod that ended well so many seconds ago.
pub(crate) fn succeeded(pod: &mut Pod, age_s: u64) {
    failed(pod, 0, "Completed", age_s);
    pod.phase = "Succeeded".to_owned();
}

/// A job with these pods: their names, and how long ago they were made.
pub(crate) fn job(condition: Option<&str>, pods: &[(&str, u64)]) -> Facts {
    let mut facts = healthy();
    facts.kind = Kind::Job;
    facts.rollout = None;
    facts.history.clear();
    facts.pods = pods.iter().map(|(name, age_s)| pod(name, *age_s)).collect();
    facts.object["spec"] = json!({"parallelism": 1, "completions": 1});
    if let Some(kind) = condition {
        facts.object["status"]["conditions"] = json!([{"type": kind, "status": "True",
            "lastTransitionTime": "2026-11-21T02:03:07Z"}]);
    }
    facts
}

/// A pod whose containers wait for their volumes.
pub(crate) fn creating(pod: &mut Pod) {
    pod.phase = "Pending".to_owned();
    for container in &mut pod.containers {
        container.ready = false;
        container.state = waiting("ContainerCreating", "");
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `json!` makes it")]
pub(crate) fn service(selector: Value) -> Value {
    json!({"metadata": {"name": "web"}, "spec": {
        "selector": selector, "ports": [{"port": 80, "targetPort": "http"}]}})
}

pub(crate) fn slice(ready: bool) -> Value {
    json!({"metadata": {"labels": {"kubernetes.io/service-name": "web"}},
        "endpoints": [{"conditions": {"ready": ready}}]})
}
