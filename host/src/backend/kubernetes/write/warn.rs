//! What a careful operator would want to know before a write to a workload. Each warning is a fact
//! that was read, never a guess, and names nothing outside the workload's namespace.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, RollingUpdateDeployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::super::connect::Link;
use super::super::convert::count;
use super::super::convert::rollout::{ON_DELETE, partition};
use super::super::workload::Workload;
use super::autoscaler;
use super::budgets::{self, Budgets, Ends};
use super::diff::plural;
use super::pods::{Pods, ordinal};
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{Rollout, RolloutState};
use crate::domain::write::{Budget, Verb, WorkloadRef};

/// Kubernetes' own default of both bounds of a rolling update.
const QUARTER: &str = "25%";

/// Pods that are not ready, of those that are named.
const UNREADY_NAMED_MAX: usize = 5;

/// What a write to a workload meets.
pub(super) struct Met {
    pub(super) pods: Pods,
    pub(super) budgets: Vec<Budget>,
    pub(super) replicas_left: u32,
    /// The most serious first.
    pub(super) warnings: Vec<String>,
}

impl Met {
    pub(super) async fn of(
        link: &Link,
        verb: Verb,
        target: &WorkloadRef,
        workload: &Workload,
    ) -> Result<Self, CapabilityError> {
        let pods = if ends_pods(verb, workload) {
            chosen(verb, workload, Pods::read(link, target, workload).await?)
        } else {
            Pods::default()
        };
        let is_harmless = pods.total == 0 && !rolls(verb);
        let budgets = if is_harmless {
            Budgets::Read(Vec::new())
        } else {
            Budgets::read(link, &target.namespace).await
        };
        let mut met = Self::from_parts(verb, workload, pods, &budgets);
        if let Some(replicas) = verb.replicas() {
            met.warnings.extend(autoscaler::warning(link, target, replicas).await);
        }
        Ok(met)
    }

    fn from_parts(verb: Verb, workload: &Workload, pods: Pods, budgets: &Budgets) -> Self {
        let mut warnings = warnings(verb, workload, &pods);
        let labels = workload.template().and_then(|t| t.metadata.as_ref()?.labels.clone());
        let covering = budgets.covering(&labels.unwrap_or_default());
        let at_once = Ends::InTurn(at_once(verb, workload, &pods));
        let (does, ends) = match verb {
            Verb::Scale { .. } => ("scaling down", Ends::All(pods.total)),
            Verb::Rollback { .. } => ("a rollback", at_once),
            Verb::Resume => ("a rollout", at_once),
            Verb::Restart | Verb::Pause | Verb::Delete | Verb::Cordon | Verb::Uncordon => {
                ("a rolling restart", at_once)
            }
        };
        match &covering {
            Some(covering) => budgets::warn(covering, ends, does, &mut warnings),
            None => warnings.push("disruption budgets could not be read".to_owned()),
        }
        if pods.of_jobs > 0 && rolls(verb) {
            warnings.push(format!(
                "{} pod{} of jobs under the same labels would not be {}",
                pods.of_jobs,
                plural(pods.of_jobs),
                if verb == Verb::Restart { "restarted" } else { "replaced" },
            ));
        }
        if pods.truncated {
            warnings.push("there are more pods than were counted".to_owned());
        }
        let replicas_left = left(verb, workload, &pods);
        Self { pods: pods.cut(), budgets: covering.unwrap_or_default(), replicas_left, warnings }
    }
}

/// Whether it makes the pods roll.
fn rolls(verb: Verb) -> bool {
    matches!(verb, Verb::Restart | Verb::Rollback { .. })
}

fn ends_pods(verb: Verb, workload: &Workload) -> bool {
    match verb {
        Verb::Restart | Verb::Rollback { .. } => true,
        Verb::Scale { replicas } => replicas < workload.rollout().desired,
        Verb::Resume => {
            let rollout = workload.rollout();
            workload.is_paused() && !is_rolled_out(workload, &rollout)
        }
        Verb::Pause | Verb::Delete | Verb::Cordon | Verb::Uncordon => false,
    }
}

/// Those of the workload's pods that would end or be replaced.
fn chosen(verb: Verb, workload: &Workload, mut pods: Pods) -> Pods {
    match (verb, workload) {
        (Verb::Scale { replicas }, Workload::StatefulSet(object)) => {
            let ordinals = object.spec.as_ref().and_then(|spec| spec.ordinals.as_ref());
            let first = count(ordinals.and_then(|ordinals| ordinals.start));
            pods.keep(|name| ordinal(name) >= first.saturating_add(replicas));
        }
        (Verb::Scale { replicas }, _) if replicas > 0 => {
            // Which of them, the controller chooses.
            pods.named.clear();
            pods.total = pods.total.saturating_sub(replicas);
        }
        (Verb::Restart | Verb::Rollback { .. } | Verb::Resume, _) => {
            let partition = workload.partition();
            pods.keep(|name| ordinal(name) >= partition);
        }
        (Verb::Scale { .. } | Verb::Pause | Verb::Delete | Verb::Cordon | Verb::Uncordon, _) => {}
    }
    pods
}

/// Replicas that serve meanwhile, at the least.
fn left(verb: Verb, workload: &Workload, pods: &Pods) -> u32 {
    let Rollout { desired, available, ready, .. } = workload.rollout();
    let serving = match workload {
        Workload::StatefulSet(_) => ready,
        Workload::Deployment(_) | Workload::DaemonSet(_) => available,
    };
    match verb {
        Verb::Scale { replicas } => serving.min(replicas),
        Verb::Pause | Verb::Delete | Verb::Cordon | Verb::Uncordon => serving,
        Verb::Restart | Verb::Rollback { .. } | Verb::Resume if pods.total == 0 => serving,
        Verb::Restart | Verb::Rollback { .. } | Verb::Resume => {
            serving.min(desired.saturating_sub(at_once(verb, workload, pods)))
        }
    }
}

/// How many of these pods are away at once while the write has them replaced, at the most.
fn at_once(verb: Verb, workload: &Workload, pods: &Pods) -> u32 {
    match verb {
        Verb::Restart | Verb::Rollback { .. } if workload.is_paused() => 0,
        Verb::Restart | Verb::Rollback { .. } | Verb::Resume => {
            missing_at_once(workload, workload.rollout().desired).min(pods.total)
        }
        Verb::Scale { .. } | Verb::Pause | Verb::Delete | Verb::Cordon | Verb::Uncordon => 0,
    }
}

/// How many pods a rolling update takes away at once, at the most.
fn missing_at_once(workload: &Workload, desired: u32) -> u32 {
    match workload {
        Workload::Deployment(object) => {
            let strategy = object.spec.as_ref().and_then(|spec| spec.strategy.as_ref());
            if strategy.is_some_and(|s| s.type_.as_deref() == Some("Recreate")) {
                return desired;
            }
            let (surge, unavailable) =
                bounds(strategy.and_then(|s| s.rolling_update.as_ref()), desired);
            // With both at 0 nothing could go on: the controller takes one then.
            if surge == 0 { unavailable.max(1) } else { unavailable }
        }
        Workload::StatefulSet(object) => {
            let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
            let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
            match strategy.and_then(|strategy| strategy.type_.as_deref()) {
                Some(ON_DELETE) => 0,
                _ => rolling
                    .and_then(|rolling| rolling.max_unavailable.as_ref())
                    .map_or(1, |bound| resolve(bound, desired, true).max(1)),
            }
        }
        Workload::DaemonSet(object) => {
            let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
            let rolling = strategy.and_then(|strategy| strategy.rolling_update.as_ref());
            match strategy.and_then(|strategy| strategy.type_.as_deref()) {
                Some(ON_DELETE) => 0,
                _ if surge_of(object, desired) > 0 => 0,
                _ => rolling
                    .and_then(|rolling| rolling.max_unavailable.as_ref())
                    .map_or(1, |bound| resolve(bound, desired, true).max(1)),
            }
        }
    }
}

fn surge_of(object: &DaemonSet, desired: u32) -> u32 {
    let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    strategy
        .and_then(|s| s.rolling_update.as_ref()?.max_surge.as_ref())
        .map_or(0, |surge| resolve(surge, desired, true))
}

/// What the workload itself says, the most serious first.
fn warnings(verb: Verb, workload: &Workload, pods: &Pods) -> Vec<String> {
    let mut warnings = Vec::new();
    let rollout = workload.rollout();
    match (verb, workload) {
        (Verb::Restart | Verb::Rollback { .. }, Workload::Deployment(object)) => {
            of_deployment(verb, object, &mut warnings);
        }
        (Verb::Resume, Workload::Deployment(object)) if pods.total > 0 => {
            of_deployment(verb, object, &mut warnings);
        }
        (Verb::Restart | Verb::Rollback { .. }, Workload::StatefulSet(object)) => {
            if workload.waits_for_each_pod() && !pods.unready.is_empty() {
                warnings.push(waited_for(&pods.unready));
            }
            of_stateful_set(verb, object, &mut warnings);
        }
        (Verb::Restart | Verb::Rollback { .. }, Workload::DaemonSet(object)) => {
            let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
            if strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE)) {
                warnings.push(on_delete());
            } else if surge_of(object, rollout.desired) == 0 && pods.total > 0 {
                warnings.push("each node is without its pod while that is replaced".to_owned());
            }
        }
        (Verb::Scale { replicas: 0 }, _) if rollout.desired > 0 => {
            warnings.push("no replicas: nothing serves until it is scaled up again".to_owned());
        }
        (Verb::Scale { replicas: 1 }, _) if rollout.desired > 1 => {
            warnings.push("a single replica is left: nothing else serves if it fails".to_owned());
        }
        (Verb::Scale { .. }, _) if workload.is_paused() => {
            warnings.push("the deployment is paused; it is scaled all the same".to_owned());
        }
        _ => {}
    }
    match rollout.state {
        RolloutState::Complete => {}
        // What resumes is paused, and says so by its state.
        _ if verb == Verb::Resume => {}
        // To `kubectl` a finished rollout whose pods crash later is one that goes on.
        RolloutState::Progressing if is_rolled_out(workload, &rollout) => {
            warnings.push(format!("not every pod is available now: {}", rollout.message));
        }
        RolloutState::Progressing if verb == Verb::Pause && !workload.is_paused() => {
            warnings.push(format!(
                "a rollout is under way and would stay half done: {}",
                rollout.message
            ));
        }
        RolloutState::Progressing => {
            warnings.push(format!("a rollout is already under way: {}", rollout.message));
        }
        RolloutState::Stuck => {
            warnings.push(format!("the last rollout is stuck: {}", rollout.message));
        }
    }
    warnings
}

/// Whether all pods have the newest template, available or not, and no others are left.
fn is_rolled_out(workload: &Workload, rollout: &Rollout) -> bool {
    let pods = match workload {
        Workload::Deployment(object) => count(object.status.as_ref().and_then(|s| s.replicas)),
        Workload::StatefulSet(_) | Workload::DaemonSet(_) => rollout.desired,
    };
    rollout.observed_generation >= rollout.generation
        && rollout.updated >= pods.max(rollout.desired)
}

fn of_deployment(verb: Verb, object: &Deployment, warnings: &mut Vec<String>) {
    let Some(spec) = &object.spec else { return };
    let replicas = spec.replicas.map_or(1, |replicas| count(Some(replicas)));
    let strategy = spec.strategy.as_ref();
    if replicas == 0 {
        warnings.push(no_replicas(verb));
    } else if strategy.is_some_and(|s| s.type_.as_deref() == Some("Recreate")) {
        warnings.push(
            "strategy `Recreate`: all pods end before the first new one starts, an outage"
                .to_owned(),
        );
    } else if replicas == 1 {
        let (surge, unavailable) =
            bounds(strategy.and_then(|s| s.rolling_update.as_ref()), replicas);
        let goes_first = !(surge > 0 && unavailable == 0);
        warnings.push(single_replica(goes_first, is_probed(&spec.template)));
    }
}

fn no_replicas(verb: Verb) -> String {
    let what = if verb == Verb::Restart { "restart" } else { "replace" };
    format!("there are no replicas, so nothing to {what}")
}

fn of_stateful_set(verb: Verb, object: &StatefulSet, warnings: &mut Vec<String>) {
    let Some(spec) = &object.spec else { return };
    let strategy = spec.update_strategy.as_ref();
    let partition = partition(object);
    if strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE)) {
        warnings.push(on_delete());
    } else if partition > 0 {
        let done = if verb == Verb::Restart { "restarted" } else { "replaced" };
        warnings.push(format!("partition {partition}: pods with a smaller ordinal are not {done}"));
    }
    match spec.replicas.map_or(1, |replicas| count(Some(replicas))) {
        0 => warnings.push(no_replicas(verb)),
        // A stateful set never runs two pods of one name.
        1 => warnings.push(single_replica(true, true)),
        _ => {}
    }
}

fn waited_for(unready: &[String]) -> String {
    let named = unready.iter().take(UNREADY_NAMED_MAX).map(|name| format!("`{name}`"));
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match unready.len().saturating_sub(UNREADY_NAMED_MAX) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let (are, they) = if unready.len() == 1 { ("is", "it has") } else { ("are", "they have") };
    format!(
        "pod{} {named}{more} {are} not ready, and the controller replaces none meanwhile: where \
         that lasts, {they} to be deleted by hand after this",
        plural(unready.len())
    )
}

fn on_delete() -> String {
    "strategy `OnDelete`: a pod is replaced only when somebody deletes it".to_owned()
}

fn single_replica(goes_first: bool, is_probed: bool) -> String {
    match (goes_first, is_probed) {
        (true, _) => "single replica: it ends before its successor is ready, expect a brief outage",
        (false, false) => {
            "single replica without a readiness probe: its successor gets requests as soon as it \
             runs, expect a brief outage"
        }
        (false, true) => "single replica: nothing else serves if its successor fails",
    }
    .to_owned()
}

/// How many pods more than wanted a rolling update makes, and how many fewer it leaves.
fn bounds(rolling: Option<&RollingUpdateDeployment>, replicas: u32) -> (u32, u32) {
    let quarter = IntOrString::String(QUARTER.to_owned());
    let bound = |bound: Option<&IntOrString>, up| resolve(bound.unwrap_or(&quarter), replicas, up);
    let surge = bound(rolling.and_then(|rolling| rolling.max_surge.as_ref()), true);
    let unavailable = bound(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), false);
    (surge, unavailable)
}

/// A number of pods; a share is rounded as the controllers do.
fn resolve(bound: &IntOrString, replicas: u32, up: bool) -> u32 {
    match bound {
        IntOrString::Int(n) => count(Some(*n)),
        IntOrString::String(share) => {
            let percent: u64 =
                share.strip_suffix('%').and_then(|number| number.parse().ok()).unwrap_or(0);
            let hundredths = u64::from(replicas).saturating_mul(percent);
            let pods = if up { hundredths.div_ceil(100) } else { hundredths / 100 };
            u32::try_from(pods).unwrap_or(u32::MAX)
        }
    }
}

fn is_probed(template: &PodTemplateSpec) -> bool {
    let containers = template.spec.as_ref().map(|spec| spec.containers.as_slice());
    containers.unwrap_or_default().iter().any(|container| container.readiness_probe.is_some())
}

#[cfg(test)]
mod tests;
