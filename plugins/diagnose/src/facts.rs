//! What was gathered about a workload, and ways to ask it.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::{
    Container, ContainerState, Pod, Revision, Terminated, Waiting,
};
use toolgate_sdk::object::{Clock, Fields as _};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::{Condition, Rollout, RolloutState};

use crate::leftover::is_leftover;

/// How long after a revision a pod may begin and still be counted to its rollout.
const ROLLOUT_S: u64 = 900;
/// How long after its last end a container that runs again is still taken to be crashing: a crash
/// loop waits up to five minutes between runs, and looks healthy meanwhile.
pub(crate) const RESTART_RECENT_S: u64 = 900;
/// One or two restarts happen; from here on they are a pattern.
pub(crate) const RESTARTS_MANY: u32 = 3;
/// Log lines shown as evidence.
const LOG_LINES: usize = 4;

#[arguments]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    Job,
    Pod,
}

impl Kind {
    /// As Kubernetes writes it.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Job => "Job",
            Self::Pod => "Pod",
        }
    }
}

/// The last lines of one run of a container.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) pod: String,
    pub(crate) container: String,
    pub(crate) previous: bool,
    pub(crate) lines: Vec<String>,
}

/// Everything that rules may look at.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) kind: Kind,
    pub(crate) namespace: String,
    pub(crate) name: String,
    pub(crate) clock: Clock,
    /// The object itself: the workload, or the pod.
    pub(crate) object: Value,
    /// The pods' specification: of the template, or of the pod.
    pub(crate) spec: Value,
    /// The pods' labels.
    pub(crate) labels: Value,
    pub(crate) rollout: Option<Rollout>,
    /// Newest first.
    pub(crate) history: Vec<Revision>,
    pub(crate) pods: Vec<Pod>,
    /// The metadata of pods that are being deleted.
    pub(crate) leaving: Vec<Value>,
    /// About the workload, its replica sets and its pods, newest first.
    pub(crate) events: Vec<Event>,
    pub(crate) logs: Vec<Log>,
    pub(crate) services: Vec<Value>,
    pub(crate) slices: Vec<Value>,
    pub(crate) claims: Vec<Value>,
    pub(crate) quotas: Vec<Value>,
    /// What could not be read, and why.
    pub(crate) gaps: Vec<(String, String)>,
}

impl Facts {
    /// Pods that are meant to run: not those that ended well, are being deleted or were replaced.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Pod> {
        self.pods
            .iter()
            .filter(|pod| pod.phase != "Succeeded" && !pod.deleting && !self.is_leftover(pod))
    }

    /// Whether the pod failed and the workload goes on without it.
    pub(crate) fn is_leftover(&self, pod: &Pod) -> bool {
        is_leftover(self.kind, &self.object, &self.pods, pod)
    }

    /// Whether nothing is missing for want of a pod that failed or leaves.
    pub(crate) fn is_replaced(&self, pod: &Pod) -> bool {
        match self.kind {
            Kind::Pod => false,
            Kind::Job => has_condition(&self.object, "Complete") || self.is_leftover(pod),
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => self.rolled_out(),
        }
    }

    /// Containers of these pods.
    pub(crate) fn containers(&self) -> impl Iterator<Item = (&Pod, &Container)> {
        self.live().flat_map(|pod| pod.containers.iter().map(move |container| (pod, container)))
    }

    /// Events about a pod, newest first.
    pub(crate) fn events_of<'a>(&'a self, pod: &'a str) -> impl Iterator<Item = &'a Event> {
        self.events
            .iter()
            .filter(move |event| event.involved_kind == "Pod" && event.involved_name == pod)
    }

    /// Whether the cluster says that the rollout is complete.
    pub(crate) fn rolled_out(&self) -> bool {
        let state = self.rollout.as_ref().map(|rollout| rollout.state);
        matches!(state, Some(RolloutState::Complete))
    }

    /// Whether the cluster has given the rollout up.
    pub(crate) fn is_stuck(&self) -> bool {
        let state = self.rollout.as_ref().map(|rollout| rollout.state);
        matches!(state, Some(RolloutState::Stuck))
    }

    /// How many replicas there should be, where that is known.
    pub(crate) fn desired(&self) -> Option<u32> {
        self.rollout.as_ref().map(|rollout| rollout.desired)
    }

    /// Log lines as evidence: the last of the run that crashed, or else of the present one.
    pub(crate) fn log_of(&self, pod: &str, container: &str) -> Vec<(String, String)> {
        let logs = || self.logs.iter().filter(|l| l.pod == pod && l.container == container);
        let Some(log) = logs().find(|log| log.previous && !log.lines.is_empty()).or(logs().next())
        else {
            return Vec::new();
        };
        let run = if log.previous { ", previous run" } else { "" };
        let source = format!("log {pod}/{container}{run}");
        let skipped = log.lines.len().saturating_sub(LOG_LINES);
        log.lines.iter().skip(skipped).map(|line| (source.clone(), line.clone())).collect()
    }

    /// The revision that a pod belongs to, if the pod began with its rollout or pods of an older
    /// revision still work: then what the revision changed is under suspicion.
    pub(crate) fn suspect(&self, pod: &Pod) -> Option<&Revision> {
        let current = self.history.iter().find(|revision| revision.current)?;
        let is_first = self.history.iter().all(|revision| revision.number >= current.number);
        if is_first || !belongs(pod, current) {
            return None;
        }
        let with_rollout = pod.created.age_s.saturating_add(ROLLOUT_S) >= current.created.age_s;
        let older_works = self.live().any(|other| !belongs(other, current) && works(other));
        (with_rollout || older_works).then_some(current)
    }

    /// The suspected revision as evidence.
    pub(crate) fn suspicion(&self, pod: &Pod) -> Vec<(String, String)> {
        let Some(revision) = self.suspect(pod) else { return Vec::new() };
        let source = format!("revision {}, {} ago", revision.number, age(&revision.created));
        revision.changes.iter().take(4).map(|change| (source.clone(), changed(change))).collect()
    }
}

/// `spec.containers[0].image: web:1 -> web:2`
pub(crate) fn changed(change: &types::Change) -> String {
    let shown = |value: &Option<String>| {
        value.as_deref().map_or_else(|| "nothing".to_owned(), |text| cut(&one_line(text), 100))
    };
    let path = change.path.strip_prefix("spec.template.").unwrap_or(&change.path);
    format!("{path}: {} -> {}", shown(&change.before), shown(&change.after))
}

/// Whether the pod was made from this revision.
fn belongs(pod: &Pod, revision: &Revision) -> bool {
    let owned = pod.owner.as_ref().is_some_and(|owner| owner.name == revision.kept_by);
    let hashed = pod.labels.iter().any(|label| {
        label.key == "controller-revision-hash"
            && !label.value.is_empty()
            && revision.kept_by.ends_with(&label.value)
    });
    owned || hashed
}

/// Whether the pod is ready: its containers are, and the cluster says so of the pod itself. That of
/// the containers was said by their node, which may be gone since.
pub(crate) fn works(pod: &Pod) -> bool {
    are_ready(pod) && condition(pod, "Ready").is_none_or(|ready| ready.status == "True")
}

/// Whether all containers of the pod are ready, as its node said last.
pub(crate) fn are_ready(pod: &Pod) -> bool {
    let mut main = pod.containers.iter().filter(|container| !container.init).peekable();
    main.peek().is_some() && main.all(|container| container.ready)
}

/// A condition of the pod.
pub(crate) fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<&'a Condition> {
    pod.conditions.iter().find(|condition| condition.kind == kind)
}

/// A condition of an object, by its type.
pub(crate) fn condition_of<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object.items("status.conditions").iter().find(|condition| condition.text("type") == kind)
}

/// Whether an object has a condition, and it is true.
pub(crate) fn has_condition(object: &Value, kind: &str) -> bool {
    condition_of(object, kind).is_some_and(|condition| condition.text("status") == "True")
}

/// Why the container waits.
pub(crate) fn waiting(container: &Container) -> Option<&Waiting> {
    match &container.state {
        ContainerState::Waiting(waiting) => Some(waiting),
        ContainerState::Running(_) | ContainerState::Terminated(_) | ContainerState::Unknown => {
            None
        }
    }
}

/// Whether the pod's volumes are there: only then the kubelet turns to its containers. That mounting
/// failed before is over.
pub(crate) fn has_volumes(pod: &Pod) -> bool {
    pod.containers.iter().any(|container| {
        let waits = waiting(container).map(|waiting| waiting.reason.as_str());
        let is_next = matches!(waits, Some("ContainerCreating" | "PodInitializing"));
        container.restart_count > 0 || !is_next
    })
}

/// For how long it runs.
pub(crate) fn running_s(container: &Container) -> Option<u64> {
    match &container.state {
        ContainerState::Running(since) => Some(since.age_s),
        ContainerState::Waiting(_) | ContainerState::Terminated(_) | ContainerState::Unknown => {
            None
        }
    }
}

/// How the container ended, if it ended and does not work since.
pub(crate) fn crashed(container: &Container) -> Option<&Terminated> {
    match &container.state {
        ContainerState::Terminated(ended) => (ended.exit_code != 0).then_some(ended),
        ContainerState::Waiting(waiting) if waiting.reason == "CrashLoopBackOff" => {
            container.last_termination.as_ref()
        }
        ContainerState::Running(since) => container.last_termination.as_ref().filter(|ended| {
            let ended_s = ended.finished.as_ref().map_or(since.age_s, |at| at.age_s);
            container.restart_count >= RESTARTS_MANY && ended_s <= RESTART_RECENT_S
        }),
        ContainerState::Waiting(_) | ContainerState::Unknown => None,
    }
}

/// `exit code 137 (OOMKilled) 3m ago`
pub(crate) fn ending(ended: &Terminated) -> String {
    let mut text = format!("exit code {}", ended.exit_code);
    if !ended.reason.is_empty() {
        text = format!("{text} ({})", ended.reason);
    }
    match &ended.finished {
        Some(finished) => format!("{text} {} ago", age(finished)),
        None => text,
    }
}

/// Where a container's state is told, as a source of evidence.
pub(crate) fn status_of(pod: &Pod, container: &Container) -> String {
    format!("status {}/{}", pod.name, container.name)
}

/// An event as evidence.
pub(crate) fn event(event: &Event) -> (String, String) {
    let source = format!(
        "event {}, {} ago, {} {}",
        event.reason,
        age(&event.last_seen),
        event.involved_kind.to_lowercase(),
        event.involved_name
    );
    let times = if event.count > 1 { format!(" ({} times)", event.count) } else { String::new() };
    (source, format!("{}{times}", event.message))
}
