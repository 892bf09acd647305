//! What is said about a pod as data. The text is made from the same values.
//!
//! Doc comments here become descriptions in every client's context: most names need none.

use toolgate_sdk::kubernetes_read::{Container, ContainerState, Pod, Terminated};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types;

use crate::diagnosis::{self, Finding};

// The end of a container's run.
#[output]
pub(crate) struct Ending {
    pub(crate) reason: String,
    pub(crate) exit_code: i32,
    pub(crate) finished: Option<String>,
}

// One container, as its state says.
#[output]
pub(crate) struct ContainerFacts {
    name: String,
    init: bool,
    image: String,
    ready: bool,
    restart_count: u32,
    /// waiting, running, terminated, unknown
    state: &'static str,
    reason: Option<String>,
    message: Option<String>,
    exit_code: Option<i32>,
    since: Option<String>,
    last_termination: Option<Ending>,
}

// One condition.
#[output]
pub(crate) struct ConditionFacts {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    since: Option<String>,
}

// One pod.
#[output]
pub(crate) struct PodFacts {
    namespace: String,
    name: String,
    phase: String,
    status: String,
    pub(crate) failing: bool,
    problem: Option<String>,
    node: Option<String>,
    created: String,
    conditions: Vec<ConditionFacts>,
    containers: Vec<ContainerFacts>,
}

impl PodFacts {
    pub(crate) fn new(pod: &Pod, finding: Option<&Finding>) -> Self {
        Self {
            namespace: pod.namespace.clone(),
            name: pod.name.clone(),
            phase: pod.phase.clone(),
            status: pod.status.clone(),
            failing: finding.is_some(),
            problem: finding.map(problem),
            node: pod.node.clone(),
            created: pod.created.at.clone(),
            conditions: pod.conditions.iter().map(ConditionFacts::new).collect(),
            containers: pod.containers.iter().map(ContainerFacts::new).collect(),
        }
    }
}

impl ConditionFacts {
    fn new(condition: &types::Condition) -> Self {
        Self {
            kind: condition.kind.clone(),
            status: condition.status.clone(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            since: condition.changed.as_ref().map(|moment| moment.at.clone()),
        }
    }
}

impl ContainerFacts {
    fn new(container: &Container) -> Self {
        let mut facts = Self {
            name: container.name.clone(),
            init: container.init,
            image: container.image.clone(),
            ready: container.ready,
            restart_count: container.restart_count,
            state: "unknown",
            reason: None,
            message: None,
            exit_code: None,
            since: None,
            last_termination: container.last_termination.as_ref().map(Ending::new),
        };
        match &container.state {
            ContainerState::Waiting(waiting) => {
                facts.state = "waiting";
                facts.reason = Some(waiting.reason.clone());
                facts.message.clone_from(&waiting.message);
            }
            ContainerState::Running(started) => {
                facts.state = "running";
                facts.since = Some(started.at.clone());
            }
            ContainerState::Terminated(ended) => {
                facts.state = "terminated";
                facts.reason = Some(ended.reason.clone());
                facts.message.clone_from(&ended.message);
                facts.exit_code = Some(ended.exit_code);
                facts.since = ended.finished.as_ref().map(|moment| moment.at.clone());
            }
            ContainerState::Unknown => {}
        }
        facts
    }
}

impl Ending {
    pub(crate) fn new(ended: &Terminated) -> Self {
        Self {
            reason: ended.reason.clone(),
            exit_code: ended.exit_code,
            finished: ended.finished.as_ref().map(|moment| moment.at.clone()),
        }
    }
}

/// The finding in one line.
pub(crate) fn problem(finding: &Finding) -> String {
    format!("{}: {}", finding.reason, finding.detail)
}

/// `1/2`: as `kubectl` counts, without init containers.
pub(crate) fn ready(pod: &Pod) -> String {
    let main = || pod.containers.iter().filter(|container| !container.init);
    format!("{}/{}", main().filter(|container| container.ready).count(), main().count())
}

/// Restarts of all containers.
pub(crate) fn restarts(pod: &Pod) -> u32 {
    pod.containers.iter().fold(0, |sum, container| sum.saturating_add(container.restart_count))
}

/// `12 (3m12s ago)`
pub(crate) fn restarts_text(pod: &Pod) -> String {
    let count = restarts(pod);
    match diagnosis::last_termination(pod).and_then(|ended| ended.finished.as_ref()) {
        Some(finished) if count > 0 => format!("{count} ({} ago)", age(finished)),
        _ => count.to_string(),
    }
}
