//! What counts as a change, and how it is known: from revisions, events and the times of objects.

use std::collections::BTreeMap;

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::Revision;
use toolgate_sdk::object::{Clock, Fields as _};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::rollout::change_line;

/// A write that follows the creation so soon is still part of it.
const CREATION_S: u64 = 10;
/// Changed fields named in one line.
const FIELDS_MAX: usize = 4;

/// Something that was changed, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recent {
    pub(crate) at: String,
    pub(crate) age_s: u64,
    pub(crate) namespace: String,
    /// `Deployment/web`
    pub(crate) object: String,
    /// deployed, restarted, rolled back, scaled, pods made, pods replaced, paused, resumed, created,
    /// edited, being deleted, cordoned, uncordoned
    pub(crate) what: &'static str,
    pub(crate) detail: String,
}

/// A workload by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Workload {
    pub(crate) kind: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

/// The workloads that own a replica set or controller revision which is not older than the window.
pub(crate) fn rolled(templates: &[Value], clock: &Clock, window_s: u64) -> Vec<Workload> {
    let mut workloads: Vec<Workload> = templates
        .iter()
        .filter(|template| {
            let created = clock.age_s(template.text("metadata.creationTimestamp"));
            created.is_some_and(|age_s| age_s <= window_s)
        })
        .filter_map(|template| {
            let owner = template.items("metadata.ownerReferences").first()?;
            Some(Workload {
                kind: owner.text("kind").to_owned(),
                namespace: template.text("metadata.namespace").to_owned(),
                name: owner.text("name").to_owned(),
            })
        })
        .filter(|owner| matches!(owner.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet"))
        .collect();
    workloads.sort();
    workloads.dedup();
    workloads
}

/// The revisions of a workload that were made in the window.
pub(crate) fn revisions(of: &Workload, history: &[Revision], window_s: u64) -> Vec<Recent> {
    let oldest = history.iter().map(|revision| revision.number).min();
    let recent = history.iter().filter(|revision| revision.created.age_s <= window_s);
    recent
        .map(|revision| {
            let restart = !revision.changes.is_empty()
                && revision.changes.iter().all(|change| change.path.contains("restartedAt"));
            let first = revision.changes.is_empty() && oldest == Some(revision.number);
            let what = match (restart, first) {
                (true, _) => "restarted",
                (_, true) => "created",
                _ => "deployed",
            };
            let replaced = if revision.current { "" } else { ", not current any more" };
            let fields = if restart { String::new() } else { fields(revision) };
            Recent {
                at: revision.created.at.clone(),
                age_s: revision.created.age_s,
                namespace: of.namespace.clone(),
                object: format!("{}/{}", of.kind, of.name),
                what,
                detail: format!("revision {}{replaced}{fields}", revision.number),
            }
        })
        .collect()
}

fn fields(revision: &Revision) -> String {
    if revision.changes.is_empty() {
        return format!(": {}", revision.images.join(", "));
    }
    // Images first: they are what people ask for.
    let (images, others): (Vec<_>, Vec<_>) =
        revision.changes.iter().partition(|change| change.path.rsplit('.').next() == Some("image"));
    let lines: Vec<String> =
        images.into_iter().chain(others).take(FIELDS_MAX).map(change_line).collect();
    let n_more = revision.changes.len().saturating_sub(FIELDS_MAX);
    let more = if n_more > 0 { format!("; … {n_more} more") } else { String::new() };
    format!(": {}{more}", lines.join("; "))
}

/// How old the objects that keep templates are, by namespace and name.
pub(crate) type Ages = BTreeMap<(String, String), u64>;

pub(crate) fn ages(templates: &[Value], clock: &Clock) -> Ages {
    let age = |template: &Value| {
        let key = (template.text("metadata.namespace"), template.text("metadata.name"));
        let age_s = clock.age_s(template.text("metadata.creationTimestamp"))?;
        Some(((key.0.to_owned(), key.1.to_owned()), age_s))
    };
    templates.iter().filter_map(age).collect()
}

/// What the events of deployments and autoscalers say that no revision does: scaling, going back.
/// `rolled` are the workloads of which there is a new revision: theirs are part of the rollout.
pub(crate) fn scaled(
    events: &[Event],
    rolled: &[Workload],
    ages: &Ages,
    window_s: u64,
) -> Vec<Recent> {
    let mut by_object: BTreeMap<(&str, &str, &str), Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.last_seen.age_s <= window_s) {
        let scales = matches!(event.reason.as_str(), "ScalingReplicaSet" | "SuccessfulRescale");
        let part_of_rollout = rolled.iter().any(|workload| {
            (workload.kind.as_str(), workload.namespace.as_str(), workload.name.as_str())
                == (&event.involved_kind, &event.namespace, &event.involved_name)
        });
        if scales && !part_of_rollout {
            let key = (&*event.namespace, &*event.involved_kind, &*event.involved_name);
            by_object.entry(key).or_default().push(event);
        }
    }
    by_object.into_values().filter_map(|events| scaling(&events, ages)).collect()
}

/// What one object's scaling events amount to.
fn scaling(events: &[&Event], ages: &Ages) -> Option<Recent> {
    let newest = events.iter().min_by_key(|event| event.last_seen.age_s)?;
    let named = |direction: &str| {
        events.iter().find_map(|event| {
            let rest = event.message.strip_prefix(direction)?;
            rest.split_whitespace().next().map(str::to_owned)
        })
    };
    let (up, down) = (named("Scaled up replica set "), named("Scaled down replica set "));
    let age_s = |name: &str| ages.get(&(newest.namespace.clone(), name.to_owned()));
    // One replica set grows and another shrinks, and none of them is new: an older one is back, or
    // the rollout began before the window.
    let (what, detail) = match (up, down) {
        (Some(up), Some(down))
            if age_s(&up).zip(age_s(&down)).is_some_and(|(up, down)| up < down) =>
        {
            (
                "deployed",
                format!(
                    "from replica set {down} to {up}, which is newer, and older than the window"
                ),
            )
        }
        (Some(up), Some(down)) if up != down => {
            ("rolled back", format!("from replica set {down} to the older {up}"))
        }
        _ => ("scaled", one_line(&newest.message)),
    };
    Some(Recent {
        at: newest.last_seen.at.clone(),
        age_s: newest.last_seen.age_s,
        namespace: newest.namespace.clone(),
        object: format!("{}/{}", newest.involved_kind, newest.involved_name),
        what,
        detail,
    })
}

/// Whether a deployment was paused or resumed in the window. That it was resumed its controller
/// forgets with the next rollout that is complete.
pub(crate) fn paused(object: &Value, clock: &Clock, window_s: u64) -> Option<Recent> {
    let conditions = object.items("status.conditions").iter();
    let progressing = conditions.into_iter().find(|c| c.text("type") == "Progressing")?;
    let what = match (progressing.text("reason"), object.flag("spec.paused")) {
        ("DeploymentPaused", true) => "paused",
        ("DeploymentResumed", false) => "resumed",
        _ => return None,
    };
    recent("Deployment", object, progressing.text("lastUpdateTime"), what, clock, window_s)
}

/// Whether a node was cordoned in the window: its controller marks it then.
pub(crate) fn cordoned(node: &Value, clock: &Clock, window_s: u64) -> Option<Recent> {
    let mut taints = node.items("spec.taints").iter();
    let mark = taints.find(|taint| taint.text("key") == "node.kubernetes.io/unschedulable")?;
    let at = Some(mark.text("timeAdded")).filter(|_| node.flag("spec.unschedulable"))?;
    recent("Node", node, at, "cordoned", clock, window_s)
}

/// Nodes that take pods again: the event of the node's own agent.
pub(crate) fn uncordoned(events: &[Event], window_s: u64) -> Vec<Recent> {
    let open =
        |event: &&Event| event.reason == "NodeSchedulable" && event.last_seen.age_s <= window_s;
    let told = |event: &Event| Recent {
        at: event.last_seen.at.clone(),
        age_s: event.last_seen.age_s,
        namespace: String::new(),
        object: format!("Node/{}", event.involved_name),
        what: "uncordoned",
        detail: String::new(),
    };
    events.iter().filter(open).map(told).collect()
}

/// What was done to an object at this time, unless that is too long ago.
fn recent(
    kind: &str,
    object: &Value,
    at: &str,
    what: &'static str,
    clock: &Clock,
    window_s: u64,
) -> Option<Recent> {
    let age_s = clock.age_s(at).filter(|age_s| *age_s <= window_s)?;
    Some(Recent {
        at: at.to_owned(),
        age_s,
        namespace: object.text("metadata.namespace").to_owned(),
        object: format!("{kind}/{}", object.text("metadata.name")),
        what,
        detail: String::new(),
    })
}

/// Whether an object was created, edited or deleted in the window, by its own times.
pub(crate) fn touched(kind: &str, object: &Value, clock: &Clock, window_s: u64) -> Option<Recent> {
    // What a controller keeps is not what someone did.
    if object.items("metadata.ownerReferences").iter().any(|owner| owner.flag("controller")) {
        return None;
    }
    let made = |at: &str, what, detail| {
        let made = recent(kind, object, at, what, clock, window_s)?;
        Some(Recent { detail, ..made })
    };
    let deleted = object.text("metadata.deletionTimestamp");
    if !deleted.is_empty() {
        return made(deleted, "being deleted", String::new());
    }
    let created = object.text("metadata.creationTimestamp");
    let created_s = clock.age_s(created)?;
    // Where the host tells when fields were written, other than by reporting a status.
    let written = object.items("metadata.managedFields").iter().filter(|entry| {
        entry.text("subresource").is_empty() && clock.age_s(entry.text("time")).is_some()
    });
    let newest = written.min_by_key(|entry| clock.age_s(entry.text("time")));
    if let Some(entry) = newest
        && clock.age_s(entry.text("time")).is_some_and(|age_s| age_s + CREATION_S < created_s)
    {
        return made(entry.text("time"), "edited", format!("by {}", entry.text("manager")));
    }
    made(created, "created", String::new())
}

#[cfg(test)]
mod tests {
    use toolgate_sdk::serde_json::json;
    use toolgate_sdk::types::{Change, Moment};

    use super::*;

    const HOUR: u64 = 3_600;

    fn clock() -> Clock {
        Clock::at("2026-11-21T02:13:07Z").unwrap()
    }

    fn workload() -> Workload {
        Workload {
            kind: "Deployment".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        }
    }

    fn revision(number: u64, age_s: u64, paths: &[&str]) -> Revision {
        let change = |path: &&str| Change {
            path: (*path).to_owned(),
            before: Some("a".to_owned()),
            after: Some("b".to_owned()),
        };
        Revision {
            number,
            created: Moment { at: String::new(), age_s },
            current: number == 4,
            kept_by: String::new(),
            replicas: None,
            images: vec!["web:1".to_owned()],
            change_cause: None,
            changes: paths.iter().map(change).collect(),
        }
    }

    fn event(reason: &str, message: &str, age_s: u64) -> Event {
        Event {
            namespace: "shop".to_owned(),
            severity: "Normal".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            involved_kind: "Deployment".to_owned(),
            involved_name: "web".to_owned(),
            count: 1,
            last_seen: Moment { at: String::new(), age_s },
            first_seen: None,
            source: String::new(),
        }
    }

    fn shown(changes: &[Recent]) -> Vec<String> {
        changes.iter().map(|c| format!("{} {}: {}", c.what, c.object, c.detail)).collect()
    }

    #[test]
    fn finds_workloads_by_their_new_templates() {
        let template = |created: &str, kind: &str| {
            json!({"metadata": {"namespace": "shop", "creationTimestamp": created,
                "ownerReferences": [{"kind": kind, "name": "web"}]}})
        };
        let templates = [
            template("2026-11-21T02:03:07Z", "Deployment"),
            template("2026-11-21T02:04:07Z", "Deployment"),
            template("2026-11-21T01:03:07Z", "StatefulSet"),
            template("2026-11-21T02:03:07Z", "Rollout"),
            json!({"metadata": {"creationTimestamp": "2026-11-21T02:03:07Z"}}),
            json!({}),
        ];
        assert_eq!(rolled(&templates, &clock(), HOUR), [workload()]);
    }

    #[test]
    fn tells_deployments_from_restarts() {
        let history = [
            revision(
                4,
                60,
                &["spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]"],
            ),
            revision(3, 120, &["x", "y", "z", "w", "spec.template.spec.containers[0].image"]),
            revision(2, HOUR + 1, &["x"]),
        ];
        assert_eq!(
            shown(&revisions(&workload(), &history, HOUR)),
            [
                "restarted Deployment/web: revision 4",
                "deployed Deployment/web: revision 3, not current any more: \
                 spec.containers[0].image: a -> b; x: a -> b; y: a -> b; z: a -> b; … 1 more",
            ]
        );
        assert_eq!(
            shown(&revisions(&workload(), &[revision(1, 5, &[])], HOUR)),
            ["created Deployment/web: revision 1, not current any more: web:1"]
        );
    }

    #[test]
    fn tells_scaling_from_going_back() {
        let up = event("ScalingReplicaSet", "Scaled up replica set web-old to 3", 50);
        let down = event("ScalingReplicaSet", "Scaled down replica set web-new to 0", 40);
        let other = event("Killing", "Scaled up", 1);
        let old = event("ScalingReplicaSet", "Scaled up replica set web-older to 3", HOUR + 1);
        let events = [up.clone(), down, other, old];
        assert_eq!(
            shown(&scaled(&events, &[], &Ages::new(), HOUR)),
            ["rolled back Deployment/web: from replica set web-new to the older web-old"]
        );
        assert_eq!(
            shown(&scaled(&[up], &[], &Ages::new(), HOUR)),
            ["scaled Deployment/web: Scaled up replica set web-old to 3"]
        );
        let rolled = scaled(&events, &[workload()], &Ages::new(), HOUR);
        assert!(rolled.is_empty(), "part of the rollout");
    }

    #[test]
    fn a_rollout_that_began_before_is_no_way_back() {
        let template = |name: &str, created: &str| json!({"metadata": {"namespace": "shop", "name": name, "creationTimestamp": created}});
        let templates =
            [template("web-b", "2026-11-21T01:00:07Z"), template("web-a", "2026-11-20T02:13:07Z")];
        let up = event("ScalingReplicaSet", "Scaled up replica set web-b from 2 to 3", 50);
        let down = event("ScalingReplicaSet", "Scaled down replica set web-a from 1 to 0", 40);
        assert_eq!(
            shown(&scaled(&[up, down], &[], &ages(&templates, &clock()), HOUR)),
            [
                "deployed Deployment/web: from replica set web-a to web-b, which is newer, and older than the window"
            ]
        );
    }

    #[test]
    fn sees_deployments_being_paused_and_nodes_being_cordoned() {
        let (recent, old) = ("2026-11-21T02:03:07Z", "2026-11-20T02:03:07Z");
        let deployment = |paused: bool, reason: &str, at: &str| {
            let conditions = json!([{"type": "Available"},
                {"type": "Progressing", "reason": reason, "lastUpdateTime": at}]);
            let object = json!({"metadata": {"namespace": "shop", "name": "web"},
                "spec": {"paused": paused}, "status": {"conditions": conditions}});
            shown(&Vec::from_iter(super::paused(&object, &clock(), HOUR)))
        };
        assert_eq!(deployment(true, "DeploymentPaused", recent), ["paused Deployment/web: "]);
        assert_eq!(deployment(false, "DeploymentResumed", recent), ["resumed Deployment/web: "]);
        for (paused, reason, at) in [
            (true, "DeploymentPaused", old),
            (false, "DeploymentPaused", recent),
            (false, "NewReplicaSetAvailable", recent),
        ] {
            assert!(deployment(paused, reason, at).is_empty(), "{paused} {reason} {at}");
        }
        let node = |closed: bool, at: &str| {
            let taints = json!([{"key": "dedicated"},
                {"key": "node.kubernetes.io/unschedulable", "timeAdded": at}]);
            let object = json!({"metadata": {"name": "n1"},
                "spec": {"unschedulable": closed, "taints": taints}});
            shown(&Vec::from_iter(cordoned(&object, &clock(), HOUR)))
        };
        assert_eq!(node(true, recent), ["cordoned Node/n1: "]);
        assert!(node(true, old).is_empty() && node(false, recent).is_empty());
        let events = [event("NodeSchedulable", "", 9), event("NodeNotSchedulable", "", 9)];
        assert_eq!(shown(&uncordoned(&events, HOUR)), ["uncordoned Node/web: "]);
    }

    #[test]
    fn reads_the_times_of_objects() {
        let object = |metadata: Value| {
            let found = touched("ConfigMap", &json!({"metadata": metadata}), &clock(), HOUR);
            found.map(|change| format!("{} {}", change.what, change.detail).trim().to_owned())
        };
        let (recent, old) = ("2026-11-21T02:03:07Z", "2026-11-20T02:03:07Z");
        let fields = |subresource: &str, at: &str| json!([{"manager": "kubectl-edit", "time": at, "subresource": subresource}]);
        for (metadata, expected) in [
            (json!({"creationTimestamp": recent}), Some("created")),
            (json!({"creationTimestamp": old}), None),
            (json!({"creationTimestamp": old, "deletionTimestamp": recent}), Some("being deleted")),
            (
                json!({"creationTimestamp": recent,
                       "ownerReferences": [{"kind": "CronJob", "controller": true}]}),
                None,
            ),
            (
                json!({"creationTimestamp": old, "managedFields": fields("", recent)}),
                Some("edited by kubectl-edit"),
            ),
            (json!({"creationTimestamp": old, "managedFields": fields("status", recent)}), None),
            (
                json!({"creationTimestamp": recent, "managedFields": fields("", recent)}),
                Some("created"),
            ),
            (json!({}), None),
        ] {
            assert_eq!(object(metadata.clone()).as_deref(), expected, "{metadata}");
        }
    }
}
