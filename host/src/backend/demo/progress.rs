//! What deployments and replica sets say of themselves: counters, conditions, progress.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::{after, seconds};
use super::pods::{Scene, condition, kind_of, owned};
use super::rollout::{Allowance, Set, sets};
use super::store::{number, set, text, unset};

/// The condition of a set that could not create a pod.
const FAILURE: &str = "ReplicaFailure";

/// Writes the status of a replica set; `refused` is why it could not have all its pods.
pub(super) fn report_set(scene: &mut Scene<'_>, of: &Set, refused: Option<&str>) -> Option<()> {
    let kind = kind_of("apps", "replicasets")?;
    let (namespace, name) = (text(&of.object, "/metadata/namespace"), of.name());
    let of = Set {
        object: (*scene.store.read(kind, namespace, name)?).clone(),
        pods: owned(scene.store, kind_of("", "pods")?, &of.object),
    };
    let mut told = of.object.clone();
    let generation = number(&told, "/metadata/generation").unwrap_or(1);
    set(
        &mut told,
        &["status"],
        json!({
            "replicas": of.alive(),
            "fullyLabeledReplicas": of.alive(),
            "readyReplicas": of.ready(),
            "availableReplicas": of.ready(),
            "observedGeneration": generation,
        }),
    );
    drop_zeroes(&mut told);
    if let Some(why) = refused {
        let known = condition(&of.object, FAILURE);
        // The name that the pod would have had is another each time.
        let same = known.is_some_and(|k| after_name(text(k, "/message")) == after_name(why));
        let condition = match known {
            Some(known) if same => known.clone(),
            _ => json!({
                "type": FAILURE,
                "status": "True",
                "reason": "FailedCreate",
                "message": why,
                "lastTransitionTime": seconds(scene.now),
            }),
        };
        set(&mut told, &["status", "conditions"], json!([condition]));
        if !same {
            scene.tell(&of.object, true, "FailedCreate", &format!("Error creating: {why}"));
        }
    }
    scene.store.write_changed(kind, told);
    Some(())
}

/// The server leaves counters out that are zero, but for `replicas` of a replica set.
fn drop_zeroes(object: &mut Value) {
    if let Some(Value::Object(status)) = object.get_mut("status") {
        status.retain(|name, value| name == "replicas" || *value != json!(0));
    }
}

/// Writes the status of a deployment; the answer is whether its rollout is complete.
pub(super) fn report(
    scene: &mut Scene<'_>,
    deployment: &Value,
    new: &str,
    allowance: &Allowance,
    refused: Option<&str>,
) -> Option<bool> {
    let kind = kind_of("apps", "deployments")?;
    let sets = sets(scene, deployment)?;
    let updated = sets.iter().find(|set| set.name() == new).map_or(0, Set::alive);
    let replicas: i64 = sets.iter().map(Set::alive).sum();
    let ready: i64 = sets.iter().map(Set::ready).sum();
    let done = updated == allowance.desired && replicas == updated && ready >= allowance.desired;
    let object = scene.store.read(
        kind,
        text(deployment, "/metadata/namespace"),
        text(deployment, "/metadata/name"),
    )?;
    let mut told = (*object).clone();
    let generation = number(&told, "/metadata/generation").unwrap_or(1);
    let at = seconds(scene.now);
    let enough = ready >= allowance.desired - allowance.missing;
    let available = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.".to_owned())
    } else {
        (
            "False",
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.".to_owned(),
        )
    };
    let counted = |pointer: &str| number(&object, pointer).unwrap_or(0);
    // Anything but standing still is progress, and the clock starts anew.
    let moved = updated > counted("/status/updatedReplicas")
        || ready > counted("/status/readyReplicas")
        || replicas - updated < counted("/status/replicas") - counted("/status/updatedReplicas")
        || generation != counted("/status/observedGeneration");
    let progressing = progressing(scene, &object, new, done, moved);
    let mut conditions = vec![told_condition(&object, "Available", &available, &at, false)];
    if let Some(progressing) = &progressing {
        conditions.push(told_condition(&object, "Progressing", progressing, &at, moved));
    } else {
        conditions.extend(condition(&object, "Progressing").cloned());
    }
    if let Some(why) = refused {
        let known = condition(&object, FAILURE);
        let same = known.is_some_and(|k| after_name(text(k, "/message")) == after_name(why));
        let failure = ("True", "FailedCreate", why.to_owned());
        match known {
            Some(known) if same => conditions.push(known.clone()),
            _ => conditions.push(told_condition(&object, FAILURE, &failure, &at, false)),
        }
    }
    set(
        &mut told,
        &["status"],
        json!({
            "observedGeneration": generation,
            "replicas": replicas,
            "updatedReplicas": updated,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "unavailableReplicas": (allowance.desired.max(replicas) - ready).max(0),
            "conditions": conditions,
        }),
    );
    drop_zeroes(&mut told);
    if replicas == 0 {
        unset(&mut told, &["status", "replicas"]);
    }
    scene.store.write_changed(kind, told);
    Some(done)
}

type Told = (&'static str, &'static str, String);

/// What is to be said of the rollout; `None` if what was said still holds.
fn progressing(
    scene: &Scene<'_>,
    object: &Value,
    new: &str,
    done: bool,
    moved: bool,
) -> Option<Told> {
    let was = condition(object, "Progressing");
    let reason = was.map_or("", |was| text(was, "/reason"));
    if object.pointer("/spec/paused") == Some(&json!(true)) {
        return Some(("Unknown", "DeploymentPaused", "Deployment is paused".to_owned()));
    }
    if done {
        let message = format!("ReplicaSet \"{new}\" has successfully progressed.");
        return Some(("True", "NewReplicaSetAvailable", message));
    }
    // A rollout that was complete stays so while pods merely come and go.
    let complete = was.is_some_and(|was| {
        text(was, "/reason") == "NewReplicaSetAvailable"
            && text(was, "/message").contains(&format!("\"{new}\""))
    });
    if complete {
        return None;
    }
    if !moved && deadline(object).is_some_and(|deadline| deadline <= scene.now) {
        let message = format!("ReplicaSet \"{new}\" has timed out progressing.");
        return Some(("False", "ProgressDeadlineExceeded", message));
    }
    if reason == "ProgressDeadlineExceeded" && !moved {
        return None;
    }
    Some(("True", "ReplicaSetUpdated", format!("ReplicaSet \"{new}\" is progressing.")))
}

/// When a rollout that does not move is given up; `None` if it is not under way.
pub(super) fn deadline(deployment: &Value) -> Option<Timestamp> {
    let was = condition(deployment, "Progressing")?;
    if text(was, "/reason") != "ReplicaSetUpdated" {
        return None;
    }
    let since: Timestamp = text(was, "/lastUpdateTime").parse().ok()?;
    let seconds = number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(600);
    Some(after(since, Duration::from_secs(seconds.max(0).unsigned_abs())))
}

/// A refusal without the name of the pod that was not made.
fn after_name(message: &str) -> &str {
    message.split_once(" is forbidden").map_or(message, |(_, why)| why)
}

/// A condition whose times move only when what it says moves.
fn told_condition(
    object: &Value,
    name: &str,
    (status, reason, message): &Told,
    at: &str,
    moved: bool,
) -> Value {
    let was = condition(object, name);
    let same = |field: &str, value: &str| was.is_some_and(|was| text(was, field) == value);
    let keep = |field: &str, same: bool| match was {
        Some(was) if same => text(was, field).to_owned(),
        _ => at.to_owned(),
    };
    let unchanged = same("/status", status) && same("/reason", reason) && same("/message", message);
    json!({
        "type": name,
        "status": status,
        "reason": reason,
        "message": message,
        "lastUpdateTime": keep("/lastUpdateTime", unchanged && !moved),
        "lastTransitionTime": keep("/lastTransitionTime", same("/status", status)),
    })
}
