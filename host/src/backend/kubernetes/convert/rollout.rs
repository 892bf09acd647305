//! How far a rollout is, by the rules of `kubectl rollout status`.

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{count, text};
use crate::capability::kubernetes::{Rollout, RolloutState};
use crate::domain::write::WorkloadKind;

/// Where the deployment controller writes the revision.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// The strategy under which nothing rolls out by itself.
pub(in crate::backend::kubernetes) const ON_DELETE: &str = "OnDelete";

const UNSEEN: &str = "the controller has not seen the newest specification yet";

/// Of a deployment.
pub(in crate::backend::kubernetes) fn deployment(object: &Deployment) -> Rollout {
    let status = object.status.clone().unwrap_or_default();
    let spec = object.spec.as_ref();
    let replicas = count(status.replicas);
    let mut rollout = Rollout {
        observed_generation: status.observed_generation.unwrap_or(0),
        desired: desired(spec.and_then(|spec| spec.replicas)),
        updated: count(status.updated_replicas),
        ready: count(status.ready_replicas),
        available: count(status.available_replicas),
        revision: text::some(object.metadata.annotations.as_ref().and_then(|a| a.get(REVISION))),
        ..empty(WorkloadKind::Deployment, &object.metadata)
    };
    let Rollout { desired, updated, available, .. } = rollout;
    let is_late = status.conditions.iter().flatten().any(|condition| {
        condition.type_ == "Progressing"
            && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
    });
    let is_paused = spec.is_some_and(|spec| spec.paused == Some(true));
    let rest = if rollout.generation > rollout.observed_generation {
        Some(UNSEEN.to_owned())
    } else if updated < desired {
        Some(format!("{updated} of {desired} new replicas have been made"))
    } else if replicas > updated {
        Some(format!("{} old replicas are yet to end", replicas - updated))
    } else if available < updated {
        Some(format!("{available} of {updated} new replicas are available"))
    } else {
        None
    };
    // The deadline is checked before the counts, but not for a specification that is unseen.
    (rollout.state, rollout.message) = match rest {
        _ if is_late && rollout.generation <= rollout.observed_generation => (
            RolloutState::Stuck,
            match rest {
                Some(rest) => format!("the progress deadline has passed: {rest}"),
                None => "the progress deadline has passed".to_owned(),
            },
        ),
        Some(rest) if is_paused => {
            (RolloutState::Progressing, format!("paused until somebody resumes it: {rest}"))
        }
        Some(rest) => (RolloutState::Progressing, rest),
        None => {
            (RolloutState::Complete, format!("all {desired} replicas are up to date and available"))
        }
    };
    rollout
}

/// Of a stateful set.
pub(in crate::backend::kubernetes) fn stateful_set(object: &StatefulSet) -> Rollout {
    let status = object.status.clone().unwrap_or_default();
    let spec = object.spec.as_ref();
    let strategy = spec.and_then(|spec| spec.update_strategy.as_ref());
    let mut rollout = Rollout {
        observed_generation: status.observed_generation.unwrap_or(0),
        desired: desired(spec.and_then(|spec| spec.replicas)),
        updated: count(status.updated_replicas),
        ready: count(status.ready_replicas),
        available: count(status.available_replicas),
        revision: text::some(status.update_revision.as_ref()),
        ..empty(WorkloadKind::StatefulSet, &object.metadata)
    };
    let Rollout { desired, updated, ready, .. } = rollout;
    let is_on_delete = strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE));
    let partition = partition(object);
    let due = desired.saturating_sub(partition);
    // Once every pod has the new revision the controller makes it the current one.
    let is_settled = status.update_revision == status.current_revision;
    let rest = if rollout.observed_generation == 0
        || rollout.generation > rollout.observed_generation
    {
        Some(UNSEEN.to_owned())
    } else if ready < desired {
        Some(format!("{ready} of {desired} pods are ready"))
    } else if partition > 0 {
        (updated < due)
            .then(|| format!("{updated} of {due} pods above the partition have been replaced"))
    } else if is_settled {
        None
    } else if is_on_delete {
        Some(format!(
            "{updated} of {desired} pods have been replaced; the others wait to be deleted by hand"
        ))
    } else {
        Some(format!("{updated} of {desired} pods have been replaced"))
    };
    (rollout.state, rollout.message) = match rest {
        Some(rest) => (RolloutState::Progressing, rest),
        None if partition > 0 => {
            (RolloutState::Complete, format!("all {due} pods above the partition are up to date"))
        }
        None => (RolloutState::Complete, format!("all {desired} pods are up to date and ready")),
    };
    rollout
}

/// The ordinal below which the pods of a stateful set keep the old revision.
pub(in crate::backend::kubernetes) fn partition(object: &StatefulSet) -> u32 {
    let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let rolling = strategy
        .filter(|strategy| strategy.type_.as_deref() != Some(ON_DELETE))
        .and_then(|strategy| strategy.rolling_update.as_ref());
    count(rolling.and_then(|rolling| rolling.partition))
}

/// Of a daemon set.
pub(in crate::backend::kubernetes) fn daemon_set(object: &DaemonSet) -> Rollout {
    let status = object.status.clone().unwrap_or_default();
    let strategy = object.spec.as_ref().and_then(|spec| spec.update_strategy.as_ref());
    let mut rollout = Rollout {
        observed_generation: status.observed_generation.unwrap_or(0),
        desired: count(Some(status.desired_number_scheduled)),
        updated: count(status.updated_number_scheduled),
        ready: count(Some(status.number_ready)),
        available: count(status.number_available),
        ..empty(WorkloadKind::DaemonSet, &object.metadata)
    };
    let Rollout { desired, updated, available, .. } = rollout;
    let is_on_delete = strategy.is_some_and(|s| s.type_.as_deref() == Some(ON_DELETE));
    let rest = if rollout.generation > rollout.observed_generation {
        Some(UNSEEN.to_owned())
    } else if updated < desired && is_on_delete {
        Some(format!(
            "{updated} of {desired} pods have been replaced; the others wait to be deleted by hand"
        ))
    } else if updated < desired {
        Some(format!("{updated} of {desired} pods have been replaced"))
    } else if available < desired {
        Some(format!("{available} of {desired} pods are available"))
    } else {
        None
    };
    (rollout.state, rollout.message) = match rest {
        Some(rest) => (RolloutState::Progressing, rest),
        None => {
            (RolloutState::Complete, format!("all {desired} pods are up to date and available"))
        }
    };
    rollout
}

fn empty(kind: WorkloadKind, metadata: &ObjectMeta) -> Rollout {
    let name = |name: Option<&String>| name.map(|name| text::message(name)).unwrap_or_default();
    Rollout {
        kind,
        namespace: name(metadata.namespace.as_ref()),
        name: name(metadata.name.as_ref()),
        state: RolloutState::Progressing,
        message: String::new(),
        generation: metadata.generation.unwrap_or(0),
        observed_generation: 0,
        desired: 0,
        updated: 0,
        ready: 0,
        available: 0,
        revision: None,
    }
}

/// A missing number of replicas means one.
fn desired(replicas: Option<i32>) -> u32 {
    replicas.map_or(1, |replicas| count(Some(replicas)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::object;
    use super::*;

    fn workload(generation: i64, spec: &Value, status: &Value) -> Value {
        json!({
            "metadata": { "namespace": "shop", "name": "web", "generation": generation },
            "spec": spec, "status": status,
        })
    }

    fn deployment_status(updated: u32, replicas: u32, available: u32) -> Value {
        json!({ "observedGeneration": 2, "updatedReplicas": updated, "replicas": replicas,
                "availableReplicas": available, "readyReplicas": available })
    }

    #[test]
    fn a_deployment() {
        use RolloutState::{Complete, Progressing, Stuck};
        let three = json!({ "replicas": 3 });
        let late = json!([{ "type": "Progressing", "status": "False",
                            "reason": "ProgressDeadlineExceeded" }]);
        let mut stuck = deployment_status(1, 4, 3);
        stuck["conditions"] = late;
        for (state, message, from) in [
            (Progressing, UNSEEN, workload(3, &three, &deployment_status(3, 3, 3))),
            (Progressing, UNSEEN, workload(3, &three, &stuck)),
            (
                Progressing,
                "1 of 3 new replicas have been made",
                workload(2, &three, &deployment_status(1, 4, 3)),
            ),
            (
                Progressing,
                "2 old replicas are yet to end",
                workload(2, &three, &deployment_status(3, 5, 3)),
            ),
            (
                Progressing,
                "2 of 3 new replicas are available",
                workload(2, &three, &deployment_status(3, 3, 2)),
            ),
            (
                Complete,
                "all 3 replicas are up to date and available",
                workload(2, &three, &deployment_status(3, 3, 3)),
            ),
            (
                Stuck,
                "the progress deadline has passed: 1 of 3 new replicas have been made",
                workload(2, &three, &stuck),
            ),
            (
                Progressing,
                "paused until somebody resumes it: 0 of 3 new replicas have been made",
                workload(2, &json!({ "replicas": 3, "paused": true }), &deployment_status(0, 3, 3)),
            ),
            (
                Complete,
                "all 3 replicas are up to date and available",
                workload(2, &json!({ "replicas": 3, "paused": true }), &deployment_status(3, 3, 3)),
            ),
            (
                Complete,
                "all 0 replicas are up to date and available",
                workload(2, &json!({ "replicas": 0 }), &deployment_status(0, 0, 0)),
            ),
            (
                Progressing,
                "0 of 1 new replicas have been made",
                workload(0, &json!({}), &json!({})),
            ),
        ] {
            let rollout = deployment(&object(from.clone()));
            assert_eq!((rollout.state, rollout.message.as_str()), (state, message), "{from}");
        }
    }

    #[test]
    fn a_stateful_set() {
        use RolloutState::{Complete, Progressing};
        let three = json!({ "replicas": 3 });
        let partitioned =
            json!({ "replicas": 3, "updateStrategy": { "rollingUpdate": { "partition": 1 } } });
        let by_hand = json!({ "replicas": 3, "updateStrategy": { "type": "OnDelete" } });
        let status = |ready: u32, updated: u32, current: &str| {
            json!({ "observedGeneration": 2, "readyReplicas": ready, "updatedReplicas": updated,
                    "currentRevision": current, "updateRevision": "r2" })
        };
        for (state, message, from) in [
            (Progressing, UNSEEN, workload(1, &three, &json!({}))),
            (Progressing, "2 of 3 pods are ready", workload(2, &three, &status(2, 3, "r1"))),
            (
                Progressing,
                "1 of 3 pods have been replaced",
                workload(2, &three, &status(3, 1, "r1")),
            ),
            (
                Complete,
                "all 3 pods are up to date and ready",
                workload(2, &three, &status(3, 0, "r2")),
            ),
            (
                Progressing,
                "1 of 2 pods above the partition have been replaced",
                workload(2, &partitioned, &status(3, 1, "r1")),
            ),
            (
                Complete,
                "all 2 pods above the partition are up to date",
                workload(2, &partitioned, &status(3, 2, "r1")),
            ),
            (
                Progressing,
                "0 of 3 pods have been replaced; the others wait to be deleted by hand",
                workload(2, &by_hand, &status(3, 0, "r1")),
            ),
        ] {
            let rollout = stateful_set(&object(from.clone()));
            assert_eq!((rollout.state, rollout.message.as_str()), (state, message), "{from}");
        }
    }

    #[test]
    fn a_daemon_set() {
        use RolloutState::{Complete, Progressing};
        let status = |updated: u32, available: u32| {
            json!({ "observedGeneration": 2, "desiredNumberScheduled": 3, "currentNumberScheduled": 3,
                    "numberMisscheduled": 0, "numberReady": available,
                    "updatedNumberScheduled": updated, "numberAvailable": available })
        };
        for (state, message, from) in [
            (Progressing, UNSEEN, workload(3, &json!({}), &status(3, 3))),
            (Progressing, "1 of 3 pods have been replaced", workload(2, &json!({}), &status(1, 3))),
            (Progressing, "2 of 3 pods are available", workload(2, &json!({}), &status(3, 2))),
            (
                Complete,
                "all 3 pods are up to date and available",
                workload(2, &json!({}), &status(3, 3)),
            ),
        ] {
            let rollout = daemon_set(&object(from.clone()));
            assert_eq!((rollout.state, rollout.message.as_str()), (state, message), "{from}");
        }
    }
}
