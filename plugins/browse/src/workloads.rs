//! The workloads of a namespace, of every kind that the grant covers.

use toolgate_sdk::object::{self, Fields as _};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::Error;

use crate::facts::WorkloadRow;
use crate::{InNamespace, ROWS_MAX};

/// A kind beside deployments: its word, how the host is asked for it, and the fields of a row.
const KINDS: [(&str, &str, &[&str], Read); 4] = [
    (
        "StatefulSet",
        "StatefulSet.apps",
        &["spec.replicas", "spec.template.spec.containers.image", "status"],
        stateful,
    ),
    ("DaemonSet", "DaemonSet.apps", &["spec.template.spec.containers.image", "status"], daemon),
    (
        "Job",
        "Job.batch",
        &["spec.completions", "spec.suspend", "spec.template.spec.containers.image", "status"],
        job,
    ),
    (
        "CronJob",
        "CronJob.batch",
        &[
            "spec.schedule",
            "spec.suspend",
            "spec.jobTemplate.spec.template.spec.containers.image",
            "status",
        ],
        cron,
    ),
];

type Read = fn(&Value, Row) -> Row;

#[output]
pub(crate) struct Workloads {
    workloads: Vec<Workload>,
    /// Kinds that the grant does not cover.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<&'static str>,
}

#[output]
#[serde(untagged)]
enum Workload {
    Deployment(WorkloadRow),
    Other(Row),
}

/// What is known of the others; what a kind has no word for is not there.
#[output]
#[derive(Default)]
struct Row {
    kind: &'static str,
    namespace: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    desired: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ready: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    active: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    succeeded: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_scheduled: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    images: Vec<String>,
    created: String,
}

/// Reads every kind, and says which are not granted. Where none is, there is no such place.
pub(crate) fn read(place: InNamespace) -> Result<Content, ResourceError> {
    let InNamespace { cluster, namespace } = place;
    let (mut rows, mut left_out, mut truncated) = (Vec::new(), Vec::new(), false);
    let mut first = None;
    let query = pages::query(Some(cluster.clone()), Some(namespace.clone()), None);
    match pages::all(pages::deployments(query, ROWS_MAX)) {
        Ok((found, more)) => {
            rows.extend(found.into_iter().map(|one| Workload::Deployment(WorkloadRow::of(one))));
            truncated |= more;
        }
        Err(error) => {
            left_out.push("Deployment");
            first = Some(granted(error)?);
        }
    }
    for (word, kind, fields, read) in KINDS {
        let room = ROWS_MAX.saturating_sub(rows.len()).max(1);
        let query = object::query(Some(&cluster), kind, Some(&namespace), fields);
        match pages::all(pages::objects(query, room)) {
            Ok((found, more)) => {
                rows.extend(found.iter().map(|value| Workload::Other(row(word, value, read))));
                truncated |= more;
            }
            Err(error) => {
                left_out.push(word);
                first = Some(first.unwrap_or(granted(error)?));
            }
        }
    }
    truncated |= rows.len() > ROWS_MAX;
    rows.truncate(ROWS_MAX);
    match first {
        Some(error) if left_out.len() > KINDS.len() => Err(error.into()),
        _ => Ok(Content::json(&Workloads { workloads: rows, left_out })?.truncated(truncated)),
    }
}

/// A kind that is not granted is left out; that a cluster does not answer is a failure.
fn granted(error: Error) -> Result<Error, ResourceError> {
    match error {
        Error::Denied(_) | Error::NotFound(_) => Ok(error),
        Error::InvalidArgument(_) | Error::Unavailable(_) | Error::LimitExceeded(_) => {
            Err(error.into())
        }
    }
}

fn row(kind: &'static str, value: &Value, read: Read) -> Row {
    let text = |path: &str| value.text(path).to_owned();
    let owner = value.items("metadata.ownerReferences").first();
    let row = Row {
        kind,
        namespace: text("metadata.namespace"),
        name: text("metadata.name"),
        owner: owner.map(|owner| format!("{}/{}", owner.text("kind"), owner.text("name"))),
        images: images(value.items("spec.template.spec.containers")),
        created: text("metadata.creationTimestamp"),
        ..Row::default()
    };
    read(value, row)
}

fn images(containers: &[Value]) -> Vec<String> {
    containers.iter().map(|container| container.text("image").to_owned()).collect()
}

fn stateful(value: &Value, row: Row) -> Row {
    let count = |path: &str| Some(value.int(path).unwrap_or(0));
    Row {
        // Who leaves it out means one.
        desired: Some(value.int("spec.replicas").unwrap_or(1)),
        updated: count("status.updatedReplicas"),
        ready: count("status.readyReplicas"),
        available: count("status.availableReplicas"),
        ..row
    }
}

fn daemon(value: &Value, row: Row) -> Row {
    let count = |path: &str| Some(value.int(path).unwrap_or(0));
    Row {
        desired: count("status.desiredNumberScheduled"),
        updated: count("status.updatedNumberScheduled"),
        ready: count("status.numberReady"),
        available: count("status.numberAvailable"),
        ..row
    }
}

fn job(value: &Value, row: Row) -> Row {
    let count = |path: &str| Some(value.int(path).unwrap_or(0));
    let is = |kind: &str| {
        let conditions = value.items("status.conditions").iter();
        conditions.filter(|one| one.text("type") == kind).any(|one| one.text("status") == "True")
    };
    let state = match () {
        () if is("Complete") => "complete",
        () if is("Failed") => "failed",
        () if value.flag("spec.suspend") => "suspended",
        () => "running",
    };
    Row {
        state: Some(state),
        desired: value.int("spec.completions"),
        active: count("status.active"),
        succeeded: count("status.succeeded"),
        failed: count("status.failed"),
        ..row
    }
}

fn cron(value: &Value, row: Row) -> Row {
    let active = value.items("status.active").len();
    let last = value.text("status.lastScheduleTime");
    Row {
        state: Some(if value.flag("spec.suspend") { "suspended" } else { "scheduled" }),
        active: i64::try_from(active).ok(),
        schedule: Some(value.text("spec.schedule").to_owned()),
        last_scheduled: (!last.is_empty()).then(|| last.to_owned()),
        images: images(value.items("spec.jobTemplate.spec.template.spec.containers")),
        ..row
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    #[test]
    fn each_kind_has_a_row_of_its_own() {
        let metadata =
            json!({"namespace": "shop", "name": "x", "creationTimestamp": "2026-11-21T02:13:07Z"});
        let template = json!({"spec": {"containers": [{"image": "x:1"}]}});
        let objects = [
            json!({"spec": {"template": template}, "status": {"readyReplicas": 1}}),
            json!({"spec": {"template": template}, "status": {"desiredNumberScheduled": 3, "numberReady": 2}}),
            json!({
                "spec": {"template": template, "completions": 1},
                "status": {"failed": 4, "conditions": [{"type": "Failed", "status": "True"}]},
            }),
            json!({
                "spec": {"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}},
                "status": {"active": [{}], "lastScheduleTime": "2026-11-21T03:00:00Z"},
            }),
        ];
        let rows = KINDS.iter().zip(objects).map(|((word, _, _, read), mut object)| {
            object["metadata"] = metadata.clone();
            Content::json(&row(word, &object, *read)).unwrap().text
        });
        expect![[r#"
            {"kind":"StatefulSet","namespace":"shop","name":"x","desired":1,"updated":0,"ready":1,"available":0,"images":["x:1"],"created":"2026-11-21T02:13:07Z"}
            {"kind":"DaemonSet","namespace":"shop","name":"x","desired":3,"updated":0,"ready":2,"available":0,"images":["x:1"],"created":"2026-11-21T02:13:07Z"}
            {"kind":"Job","namespace":"shop","name":"x","state":"failed","desired":1,"active":0,"succeeded":0,"failed":4,"images":["x:1"],"created":"2026-11-21T02:13:07Z"}
            {"kind":"CronJob","namespace":"shop","name":"x","state":"scheduled","active":1,"schedule":"0 3 * * *","last_scheduled":"2026-11-21T03:00:00Z","images":["x:1"],"created":"2026-11-21T02:13:07Z"}"#]].assert_eq(&rows.collect::<Vec<_>>().join("\n"));
    }
}
