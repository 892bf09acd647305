//! What a careful operator would want to know before a restart. Each warning is a fact that was
//! read, never a guess, and names nothing outside the workload's namespace.

use k8s_openapi::api::apps::v1::{Deployment, RollingUpdateDeployment, StatefulSet};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::core::{Selector, SelectorExt};

use super::convert::rollout::{ON_DELETE, partition};
use super::convert::{count, text};
use super::plan::{Pods, plural};
use super::workload::Workload;
use crate::capability::kubernetes::{Rollout, RolloutState};

/// Disruption budgets that are named.
const BUDGETS_NAMED_MAX: usize = 5;

/// Kubernetes' own default of both bounds of a rolling update.
const QUARTER: &str = "25%";

/// The disruption budgets of the workload's namespace.
pub(super) enum Budgets {
    Read(Vec<PodDisruptionBudget>),
    Unreadable,
}

/// The warnings, most serious first.
pub(super) fn warnings(workload: &Workload, pods: &Pods, budgets: &Budgets) -> Vec<String> {
    let mut warnings = Vec::new();
    let rollout = workload.rollout();
    match workload {
        Workload::Deployment(object) => of_deployment(object, &mut warnings),
        Workload::StatefulSet(object) => of_stateful_set(object, &mut warnings),
        Workload::DaemonSet(object) => {
            let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
            let surge = strategy
                .and_then(|s| s.rolling_update.as_ref()?.max_surge.as_ref())
                .map_or(0, |surge| resolve(surge, rollout.desired, true));
            if strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE)) {
                warnings.push(on_delete());
            } else if surge == 0 && pods.total > 0 {
                warnings.push("each node is without its pod while that is replaced".to_owned());
            }
        }
    }
    match rollout.state {
        RolloutState::Complete => {}
        // To `kubectl` a finished rollout whose pods crash later is one that goes on.
        RolloutState::Progressing if is_rolled_out(workload, &rollout) => {
            warnings.push(format!("not every pod is available now: {}", rollout.message));
        }
        RolloutState::Progressing => {
            warnings.push(format!("a rollout is already under way: {}", rollout.message));
        }
        RolloutState::Stuck => {
            warnings.push(format!("the last rollout is stuck: {}", rollout.message));
        }
    }
    of_budgets(workload.template(), budgets, &mut warnings);
    if pods.of_jobs > 0 {
        warnings.push(format!(
            "{} pod{} of jobs under the same labels would not be restarted",
            pods.of_jobs,
            plural(pods.of_jobs)
        ));
    }
    if pods.truncated {
        warnings.push("there are more pods than were counted".to_owned());
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

fn of_deployment(object: &Deployment, warnings: &mut Vec<String>) {
    let Some(spec) = &object.spec else { return };
    if spec.paused == Some(true) {
        warnings.push("the deployment is paused: nothing restarts until it is resumed".to_owned());
    }
    let replicas = spec.replicas.map_or(1, |replicas| count(Some(replicas)));
    let strategy = spec.strategy.as_ref();
    if replicas == 0 {
        warnings.push("there are no replicas, so nothing to restart".to_owned());
    } else if strategy.is_some_and(|s| s.type_.as_deref() == Some("Recreate")) {
        warnings.push(
            "strategy `Recreate`: all pods end before the first new one starts, an outage"
                .to_owned(),
        );
    } else if replicas == 1 {
        let goes_first = !surges(strategy.and_then(|s| s.rolling_update.as_ref()), replicas);
        warnings.push(single_replica(goes_first, is_probed(&spec.template)));
    }
}

fn of_stateful_set(object: &StatefulSet, warnings: &mut Vec<String>) {
    let Some(spec) = &object.spec else { return };
    let strategy = spec.update_strategy.as_ref();
    let partition = partition(object);
    if strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE)) {
        warnings.push(on_delete());
    } else if partition > 0 {
        warnings
            .push(format!("partition {partition}: pods with a smaller ordinal are not restarted"));
    }
    match spec.replicas.map_or(1, |replicas| count(Some(replicas))) {
        0 => warnings.push("there are no replicas, so nothing to restart".to_owned()),
        // A stateful set never runs two pods of one name.
        1 => warnings.push(single_replica(true, true)),
        _ => {}
    }
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

/// Whether a new pod comes before an old one goes.
fn surges(rolling: Option<&RollingUpdateDeployment>, replicas: u32) -> bool {
    let quarter = IntOrString::String(QUARTER.to_owned());
    let bound = |bound: Option<&IntOrString>, up| resolve(bound.unwrap_or(&quarter), replicas, up);
    let surge = bound(rolling.and_then(|rolling| rolling.max_surge.as_ref()), true);
    let unavailable = bound(rolling.and_then(|rolling| rolling.max_unavailable.as_ref()), false);
    surge > 0 && unavailable == 0
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

fn of_budgets(template: Option<&PodTemplateSpec>, budgets: &Budgets, warnings: &mut Vec<String>) {
    let Budgets::Read(budgets) = budgets else {
        warnings.push("disruption budgets could not be read".to_owned());
        return;
    };
    let labels = template.and_then(|template| template.metadata.as_ref()?.labels.clone());
    let labels = labels.unwrap_or_default();
    let spent: Vec<String> = budgets
        .iter()
        .filter(|budget| {
            let is_spent = budget.status.as_ref().is_some_and(|s| s.disruptions_allowed <= 0);
            // No selector selects nothing, an empty one everything.
            let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            is_spent && selector.is_some_and(|selector| selector.matches(&labels))
        })
        .filter_map(|budget| budget.metadata.name.as_ref())
        .take(BUDGETS_NAMED_MAX)
        .map(|name| format!("`{}`", text::message(name)))
        .collect();
    if !spent.is_empty() {
        warnings.push(format!(
            "disruption budget {} allows no disruption now, and a rolling restart does not ask it",
            spent.join(", ")
        ));
    }
}

/// The number that a stateful set's pod ends in; of any other pod the highest, since a partition
/// never holds it back.
pub(super) fn ordinal(name: &str) -> u32 {
    name.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::convert::object;
    use super::*;

    fn deployment(spec: &Value) -> Workload {
        let mut object_json = json!({
            "metadata": { "name": "web", "generation": 1 },
            "spec": { "template": { "metadata": { "labels": { "app": "web" } } } },
            "status": { "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
                        "availableReplicas": 1 },
        });
        for (key, value) in spec.as_object().unwrap() {
            object_json["spec"][key] = value.clone();
        }
        Workload::Deployment(object(object_json))
    }

    fn probed() -> Value {
        json!({ "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{ "name": "web", "readinessProbe": {} }] } })
    }

    fn pods(total: u32) -> Pods {
        Pods { named: Vec::new(), total, of_jobs: 0, truncated: false }
    }

    fn check(workload: &Workload, expected: &[&str]) {
        assert_eq!(warnings(workload, &pods(1), &Budgets::Read(Vec::new())), expected);
    }

    #[test]
    fn a_single_replica() {
        let fast = json!({ "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 1 } });
        check(
            &deployment(&json!({ "replicas": 1, "strategy": fast })),
            &["single replica: it ends before its successor is ready, expect a brief outage"],
        );
        check(
            &deployment(&json!({})),
            &["single replica without a readiness probe: its successor gets requests as soon as \
               it runs, expect a brief outage"],
        );
        check(
            &deployment(&json!({ "template": probed() })),
            &["single replica: nothing else serves if its successor fails"],
        );
        check(
            &deployment(&json!({ "strategy": { "type": "Recreate" } })),
            &["strategy `Recreate`: all pods end before the first new one starts, an outage"],
        );
        check(
            &Workload::StatefulSet(object(json!({
                "metadata": { "generation": 1 }, "spec": { "replicas": 1 },
                "status": { "observedGeneration": 1, "readyReplicas": 1, "replicas": 1 },
            }))),
            &["single replica: it ends before its successor is ready, expect a brief outage"],
        );
    }

    #[test]
    fn a_rollout_that_is_under_way_or_held() {
        check(
            &deployment(&json!({ "paused": true, "replicas": 2 })),
            &[
                "the deployment is paused: nothing restarts until it is resumed",
                "a rollout is already under way: paused until somebody resumes it: 1 of 2 new \
                 replicas have been made",
            ],
        );
        let crashing = json!({
            "metadata": { "generation": 1 }, "spec": { "replicas": 3 },
            "status": { "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3,
                        "availableReplicas": 1 },
        });
        check(
            &Workload::Deployment(object(crashing)),
            &["not every pod is available now: 1 of 3 new replicas are available"],
        );
        let ending = json!({
            "metadata": { "generation": 1 }, "spec": { "replicas": 3 },
            "status": { "observedGeneration": 1, "replicas": 4, "updatedReplicas": 3 },
        });
        check(
            &Workload::Deployment(object(ending)),
            &["a rollout is already under way: 1 old replicas are yet to end"],
        );
        let partitioned = json!({ "rollingUpdate": { "partition": 2 } });
        check(
            &Workload::StatefulSet(object(json!({
                "metadata": { "generation": 1 },
                "spec": { "replicas": 3, "updateStrategy": partitioned },
                "status": { "observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3,
                            "replicas": 3 },
            }))),
            &["partition 2: pods with a smaller ordinal are not restarted"],
        );
    }

    #[test]
    fn a_daemon_set_without_surge() {
        let status = json!({ "desiredNumberScheduled": 3, "updatedNumberScheduled": 3,
                             "numberAvailable": 3, "numberReady": 3,
                             "currentNumberScheduled": 3, "numberMisscheduled": 0 });
        let daemon_set = |strategy: Value| {
            Workload::DaemonSet(object(
                json!({ "spec": { "updateStrategy": strategy }, "status": status }),
            ))
        };
        check(&daemon_set(json!({})), &["each node is without its pod while that is replaced"]);
        check(&daemon_set(json!({ "rollingUpdate": { "maxSurge": "10%" } })), &[]);
        check(
            &daemon_set(json!({ "type": "OnDelete" })),
            &["strategy `OnDelete`: a pod is replaced only when somebody deletes it"],
        );
    }

    #[test]
    fn budgets_that_select_the_pods_and_are_spent() {
        let budget = |name: &str, selector: Value, allowed: i32| {
            object::<PodDisruptionBudget>(json!({
                "metadata": { "name": name }, "spec": { "selector": selector },
                "status": { "disruptionsAllowed": allowed, "currentHealthy": 1,
                            "desiredHealthy": 1, "expectedPods": 1 },
            }))
        };
        let web = json!({ "matchLabels": { "app": "web" } });
        let budgets = Budgets::Read(vec![
            budget("spent", web.clone(), 0),
            budget("free", web, 1),
            budget("other", json!({ "matchLabels": { "app": "db" } }), 0),
            budget("all", json!({}), 0),
            budget("none", Value::Null, 0),
        ]);
        let workload = deployment(&json!({ "template": probed() }));
        let warnings_of = |budgets| warnings(&workload, &pods(1), budgets);
        assert_eq!(
            warnings_of(&budgets).last().map(String::as_str),
            Some(
                "disruption budget `spent`, `all` allows no disruption now, and a rolling restart \
                 does not ask it"
            )
        );
        assert_eq!(
            warnings_of(&Budgets::Unreadable).last().map(String::as_str),
            Some("disruption budgets could not be read")
        );
    }

    #[test]
    fn a_share_is_rounded_as_the_controllers_do() {
        let share = |text: &str| IntOrString::String(text.to_owned());
        for (bound, replicas, up, expected) in [
            (share("25%"), 1, true, 1),
            (share("25%"), 1, false, 0),
            (share("25%"), 4, false, 1),
            (share("100%"), 3, false, 3),
            (share("many"), 3, true, 0),
            (share("18446744073709551615%"), 3, true, u32::MAX),
            (IntOrString::Int(-1), 3, true, 0),
        ] {
            assert_eq!(resolve(&bound, replicas, up), expected, "{bound:?} of {replicas}");
        }
    }
}
