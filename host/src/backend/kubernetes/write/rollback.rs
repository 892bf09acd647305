//! An older revision of a workload's template, as `kubectl rollout undo` finds it.

use k8s_openapi::api::apps::v1::{ControllerRevision, ReplicaSet};
use kube::api::ListParams;
use serde_json::{Map, Value, json};

use super::super::about::About;
use super::super::ask::Failure;
use super::super::connect::Link;
use super::super::convert::deployment::selector;
use super::super::convert::pod::controller;
use super::super::fetch::All;
use super::super::workload::{self, TEMPLATE_HASH, Workload};
use crate::capability::CapabilityError;
use crate::domain::write::{Body, WorkloadKind, WorkloadRef};

/// Where the deployment controller writes the revision, on its deployment and on its replica sets.
const REVISION: &str = "deployment.kubernetes.io/revision";

/// Why somebody made a revision. `kubectl` brings it back with the template, and so it does here;
/// the other annotations that it also brings back are somebody's later work.
pub(super) const CHANGE_CAUSE: &str = "kubernetes.io/change-cause";

/// Revisions of one workload that are looked at: `revisionHistoryLimit` is 10 by default.
const REVISIONS_MAX: usize = 500;

/// Revisions that an error names.
const NAMED_MAX: usize = 20;

/// What a rollback sends.
pub(super) struct Found {
    pub(super) revision: u64,
    pub(super) body: Body,
}

/// A revision: its number, and the object that holds it.
struct Revision<T> {
    number: u64,
    held: T,
}

pub(super) async fn find(
    link: &Link,
    target: &WorkloadRef,
    workload: &Workload,
    wanted: Option<u64>,
) -> Result<Found, CapabilityError> {
    let rollout = workload.rollout();
    if rollout.observed_generation < rollout.generation {
        // What is specified now may have no revision yet, and then the newest is the one before.
        return Err(CapabilityError::Conflict(format!(
            "{} was changed, and its controller has not seen that yet; try again in a moment",
            named(target)
        )));
    }
    match target.kind {
        WorkloadKind::Deployment => of_deployment(link, target, workload, wanted).await,
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            of_others(link, target, workload, wanted).await
        }
    }
}

async fn of_deployment(
    link: &Link,
    target: &WorkloadRef,
    workload: &Workload,
    wanted: Option<u64>,
) -> Result<Found, CapabilityError> {
    let about = About::list("replicaset", Some(target.namespace.as_str()));
    let revisions = link
        .all(&about, of_selector(target, workload)?, REVISIONS_MAX, |set: &ReplicaSet| {
            let owner = controller(&set.metadata)?;
            let number = set.metadata.annotations.as_ref()?.get(REVISION)?.parse().ok()?;
            let is_ours = Some(&owner.uid) == workload.metadata().uid.as_ref();
            is_ours.then(|| set.metadata.name.clone().map(|held| Revision { number, held }))?
        })
        .await
        .map_err(|failure| about.explain(failure))?;
    let Revision { number, held } = pick(target, revisions, wanted)?;
    // As it is stored, whole: what this program's own types leave out would be lost by the patch.
    let about = About::object("replicaset", Some(target.namespace.as_str()), &held);
    let explain = |failure| about.explain(failure);
    let set: Value = link
        .object::<ReplicaSet>(&about)
        .await
        .and_then(|taken| taken.decode())
        .map_err(explain)?;
    let template = set.pointer("/spec/template").and_then(Value::as_object).cloned();
    let mut template = template.ok_or_else(|| explain(without_template()))?;
    // The controller's own mark: in a deployment's template it would split its replica sets.
    if let Some(labels) = template
        .get_mut("metadata")
        .and_then(|metadata| metadata.get_mut("labels"))
        .and_then(Value::as_object_mut)
    {
        labels.remove(TEMPLATE_HASH);
    }
    let cause = |annotations: Option<&Value>| annotations?.get(CHANGE_CAUSE).cloned();
    let cause_then = cause(set.pointer("/metadata/annotations"));
    let annotations = workload.metadata().annotations.as_ref();
    let has_cause = annotations.is_some_and(|annotations| annotations.contains_key(CHANGE_CAUSE));
    let mut patch = json!({ "spec": { "template": replacing(template) } });
    if (cause_then.is_some() || has_cause)
        && let Some(fields) = patch.as_object_mut()
    {
        let annotations = json!({ "annotations": { CHANGE_CAUSE: cause_then } });
        fields.insert("metadata".to_owned(), annotations);
    }
    Ok(Found { revision: number, body: Body::new(&patch.to_string()) })
}

async fn of_others(
    link: &Link,
    target: &WorkloadRef,
    workload: &Workload,
    wanted: Option<u64>,
) -> Result<Found, CapabilityError> {
    let about = About::list("controllerrevision", Some(target.namespace.as_str()));
    let revisions = link
        .all(&about, of_selector(target, workload)?, REVISIONS_MAX, |held: &ControllerRevision| {
            let owner = controller(&held.metadata)?;
            let number = u64::try_from(held.revision).ok()?;
            let is_ours = Some(&owner.uid) == workload.metadata().uid.as_ref();
            let template = held.data.as_ref()?.0.pointer("/spec/template")?.as_object()?.clone();
            is_ours.then_some(Revision { number, held: template })
        })
        .await
        .map_err(|failure| about.explain(failure))?;
    let Revision { number, held } = pick(target, revisions, wanted)?;
    let patch = json!({ "spec": { "template": replacing(held) } });
    Ok(Found { revision: number, body: Body::new(&patch.to_string()) })
}

/// A template that takes the place of the one that is there, instead of being merged into it.
fn replacing(mut template: Map<String, Value>) -> Value {
    template.insert("$patch".to_owned(), json!("replace"));
    Value::Object(template)
}

fn of_selector(target: &WorkloadRef, workload: &Workload) -> Result<ListParams, CapabilityError> {
    let labels = workload.selector().map(selector).unwrap_or_default();
    if labels.is_empty() {
        let why = "a workload without a selector that can be read".to_owned();
        return Err(workload::about(target).explain(Failure::Garbage(why)));
    }
    Ok(ListParams::default().labels(&labels))
}

fn without_template() -> Failure {
    Failure::Garbage("a revision without a template".to_owned())
}

fn named(target: &WorkloadRef) -> String {
    format!("{} `{}`", workload::word(target.kind), target.name)
}

/// The revision that is wanted, or the newest but one: the newest is what is specified now, which
/// the controller has seen.
fn pick<T>(
    target: &WorkloadRef,
    revisions: All<Revision<T>>,
    wanted: Option<u64>,
) -> Result<Revision<T>, CapabilityError> {
    let All { items: mut revisions, truncated } = revisions;
    if truncated {
        return Err(CapabilityError::LimitExceeded(format!(
            "{} shares its labels with so much that not all of its revisions were found: more than \
             {REVISIONS_MAX} are not looked at",
            named(target)
        )));
    }
    revisions.sort_by_key(|revision| std::cmp::Reverse(revision.number));
    let numbers: Vec<String> =
        revisions.iter().take(NAMED_MAX).map(|r| r.number.to_string()).collect();
    let found = match wanted {
        Some(wanted) => revisions.into_iter().find(|revision| revision.number == wanted),
        None => revisions.into_iter().nth(1),
    };
    found.ok_or_else(|| {
        let what = named(target);
        CapabilityError::InvalidArgument(match (wanted, numbers.is_empty()) {
            (_, true) => format!("{what} has no revisions"),
            (None, false) => format!("{what} has no revision before the current one"),
            (Some(wanted), false) => format!(
                "{what} has no revision {wanted}; those that it has are {}",
                numbers.join(", ")
            ),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picks_the_newest_but_one_or_what_is_wanted() {
        let target = WorkloadRef {
            cluster: "prod".parse().unwrap(),
            kind: WorkloadKind::Deployment,
            namespace: "shop".parse().unwrap(),
            name: "web".parse().unwrap(),
        };
        let of = |numbers: &[u64], wanted, truncated| {
            let items = numbers.iter().map(|&number| Revision { number, held: () }).collect();
            pick(&target, All { items, truncated }, wanted)
                .map(|found| found.number)
                .map_err(|error| error.caller_text())
        };
        assert_eq!(of(&[3, 11, 5], None, false), Ok(5));
        assert_eq!(of(&[3, 11, 5], Some(3), false), Ok(3));
        for (numbers, wanted, expected) in [
            (&[][..], None, "deployment `web` has no revisions"),
            (&[4], None, "deployment `web` has no revision before the current one"),
            (&[4, 5], Some(2), "deployment `web` has no revision 2; those that it has are 5, 4"),
        ] {
            assert_eq!(of(numbers, wanted, false), Err(expected.to_owned()));
        }
        // The one that is missing may be the newest but one.
        for wanted in [None, Some(3)] {
            let refused = of(&[3, 11, 5], wanted, true).unwrap_err();
            assert!(refused.starts_with("deployment `web` shares its labels with"), "{refused}");
        }
    }
}
