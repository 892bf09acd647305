//! The port `History`: the templates that replica sets and controller revisions keep.

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, ReplicaSet};
use kube::Resource;
use kube::api::ListParams;
use serde_json::Value;

use super::Clusters;
use super::about::About;
use super::ask::Failure;
use super::compare::compare;
use super::convert::deployment::selector;
use super::convert::text;
use super::item::Item;
use super::workload::{self, TEMPLATE_HASH, Workload};
use crate::capability::CapabilityError;
use crate::capability::history::{CHANGES_MAX, History, REVISIONS_MAX, Revision};
use crate::domain::write::{WorkloadKind, WorkloadRef};

/// Where the deployment controller writes a revision.
const REVISION: &str = "/metadata/annotations/deployment.kubernetes.io~1revision";

/// Why somebody made it.
const CHANGE_CAUSE: &str = "/metadata/annotations/kubernetes.io~1change-cause";

/// Objects that keep revisions, of workloads with the same labels, that are looked at.
const KEPT_MAX: usize = 1_000;

/// Objects in one answer: a template may be many KiB.
const CHUNK: u32 = 100;

/// Containers whose images are told.
const IMAGES_MAX: usize = 50;

#[async_trait]
impl History for Clusters {
    async fn revisions(&self, target: &WorkloadRef) -> Result<Vec<Revision>, CapabilityError> {
        let link = self.link(&target.cluster)?;
        let about = workload::about(target);
        let explain = |failure| about.explain(failure);
        let taken = link.workload(target).await.map_err(explain)?;
        let object: Value = taken.decode().map_err(explain)?;
        let workload = Workload::decode(target.kind, &taken).map_err(explain)?;
        let labels = workload.selector().map(selector).unwrap_or_default();
        let uid = workload.metadata().uid.clone().unwrap_or_default();
        if labels.is_empty() || uid.is_empty() {
            // An empty selector would list what belongs to others.
            let why = "a workload without a selector or an identity".to_owned();
            return Err(explain(Failure::Garbage(why)));
        }
        let namespace = Some(target.namespace.as_str());
        let is_deployment = target.kind == WorkloadKind::Deployment;
        let (word, path) = if is_deployment {
            ("replicaset", ReplicaSet::url_path(&(), namespace))
        } else {
            ("controllerrevision", ControllerRevision::url_path(&(), namespace))
        };
        let params = ListParams::default().labels(&labels).limit(CHUNK);
        let all = link
            .all_of(&path, params, KEPT_MAX, |item: &Item| Kept::of(item, &uid, is_deployment))
            .await
            .map_err(|failure| About::list(word, namespace).explain(failure))?;
        Ok(told(all.items, &object))
    }
}

/// A template and the object that keeps it.
struct Kept {
    revision: Revision,
    template: Value,
}

impl Kept {
    fn of(Item(item): &Item, uid: &str, is_deployment: bool) -> Option<Self> {
        let metadata = item.get("metadata")?;
        let owners = metadata.get("ownerReferences").and_then(Value::as_array)?;
        let is_ours = |owner: &Value| {
            owner.get("controller") == Some(&Value::Bool(true))
                && owner.get("uid").and_then(Value::as_str) == Some(uid)
        };
        if !owners.iter().any(is_ours) {
            return None;
        }
        let item = Value::Object(item.clone());
        let (number, template, replicas) = if is_deployment {
            let number = item.pointer(REVISION)?.as_str()?.parse().ok()?;
            let replicas = item.pointer("/status/replicas").and_then(Value::as_u64).unwrap_or(0);
            (number, item.pointer("/spec/template")?, u32::try_from(replicas).ok())
        } else {
            (item.get("revision")?.as_u64()?, item.pointer("/data/spec/template")?, None)
        };
        let created = metadata.get("creationTimestamp").and_then(Value::as_str);
        let cause = item.pointer(CHANGE_CAUSE).and_then(Value::as_str);
        let revision = Revision {
            number,
            created: created.and_then(|at| at.parse::<Timestamp>().ok()),
            current: false,
            kept_by: text::message(metadata.get("name")?.as_str()?),
            replicas,
            images: images(template),
            change_cause: cause.filter(|cause| !cause.is_empty()).map(text::message),
            changes: Vec::new(),
        };
        Some(Self { revision, template: plain(template) })
    }
}

fn images(template: &Value) -> Vec<String> {
    let containers = template.pointer("/spec/containers").and_then(Value::as_array);
    let image = |container: &Value| container.get("image")?.as_str().map(text::message);
    containers.into_iter().flatten().filter_map(image).take(IMAGES_MAX).collect()
}

/// The template as somebody wrote it, without the marks of controllers.
fn plain(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(members) = template.as_object_mut() {
        members.remove("$patch");
    }
    if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.remove(TEMPLATE_HASH);
    }
    template
}

fn told(mut kept: Vec<Kept>, workload: &Value) -> Vec<Revision> {
    kept.sort_by_key(|kept| std::cmp::Reverse(kept.revision.number));
    if let Some(at) = current(&kept, workload)
        && let Some(current) = kept.get_mut(at)
    {
        current.revision.current = true;
    }
    let templates: Vec<Value> = kept.iter().skip(1).map(|kept| kept.template.clone()).collect();
    let older = templates.iter().map(Some).chain([None]);
    let with_changes = |(Kept { mut revision, template }, older): (Kept, Option<&Value>)| {
        if let Some(older) = older {
            compare("spec.template", Some(older), Some(&template), &mut revision.changes);
            revision.changes.truncate(CHANGES_MAX);
        }
        revision
    };
    kept.into_iter().zip(older).map(with_changes).take(REVISIONS_MAX).collect()
}

/// The newest whose template is the workload's. A controller that has not seen the newest template
/// has not kept it either; one of another version may write it differently, and then its own word
/// counts.
fn current(kept: &[Kept], workload: &Value) -> Option<usize> {
    let template = workload.pointer("/spec/template").map(plain);
    let same = kept.iter().position(|kept| {
        let mut changes = Vec::new();
        compare("", template.as_ref(), Some(&kept.template), &mut changes);
        changes.is_empty()
    });
    let seen = || {
        let generation = workload.pointer("/metadata/generation").and_then(Value::as_i64);
        let observed = workload.pointer("/status/observedGeneration").and_then(Value::as_i64);
        (generation.is_some() && generation == observed).then_some(())?;
        match workload.pointer("/status/updateRevision").and_then(Value::as_str) {
            Some(name) => kept.iter().position(|kept| kept.revision.kept_by == name),
            None => (!kept.is_empty()).then_some(0),
        }
    };
    same.or_else(seen)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(image: &str) -> Value {
        json!({
            "metadata": { "labels": { "app": "web" }, "creationTimestamp": null },
            "spec": { "containers": [{ "name": "web", "image": image }] },
        })
    }

    fn replica_set(number: u32, image: &str, owner: &str) -> Item {
        let mut template = template(image);
        template["metadata"]["labels"][TEMPLATE_HASH] = json!(format!("hash{number}"));
        let set = json!({
            "metadata": {
                "name": format!("web-{number}"),
                "creationTimestamp": "2026-11-21T02:00:00Z",
                "annotations": {
                    "deployment.kubernetes.io/revision": number.to_string(),
                    "kubernetes.io/change-cause": "because",
                },
                "ownerReferences": [{ "controller": true, "uid": owner }],
            },
            "spec": { "template": template },
            "status": { "replicas": number },
        });
        serde_json::from_value(set).unwrap()
    }

    #[test]
    fn tells_revisions_newest_first_with_what_each_changed() {
        let sets = [
            replica_set(9, "web:1", "u"),
            replica_set(10, "web:2", "u"),
            replica_set(11, "web:3", "other"),
        ];
        let kept = sets.iter().filter_map(|set| Kept::of(set, "u", true)).collect();
        let told = told(kept, &json!({ "spec": { "template": template("web:1") } }));
        let lines: Vec<_> = told
            .iter()
            .map(|r| (r.number, r.current, r.replicas, r.images.join(" "), r.changes.len()))
            .collect();
        assert_eq!(
            lines,
            [
                (10, false, Some(10), "web:2".to_owned(), 1),
                (9, true, Some(9), "web:1".to_owned(), 0),
            ]
        );
        let change = &told[0].changes[0];
        assert_eq!(change.path, "spec.template.spec.containers[0].image");
        assert_eq!(change.after.as_deref(), Some("web:2"));
    }

    #[test]
    fn the_word_of_a_controller_counts_where_templates_differ_in_form() {
        let revision = |number: u64| {
            let mut data = template("db:1");
            data["$patch"] = json!("replace");
            data["spec"]["new"] = json!(number);
            let item = json!({
                "metadata": {
                    "name": format!("db-{number}"),
                    "ownerReferences": [{ "controller": true, "uid": "u" }],
                },
                "revision": number,
                "data": { "spec": { "template": data } },
            });
            Kept::of(&serde_json::from_value(item).unwrap(), "u", false).unwrap()
        };
        let workload = |observed: i64| {
            json!({
                "metadata": { "generation": 2 },
                "spec": { "template": template("db:1") },
                "status": { "observedGeneration": observed, "updateRevision": "db-1" },
            })
        };
        let current = |observed: i64| {
            let told = told(vec![revision(1), revision(2)], &workload(observed));
            told.into_iter().filter(|r| r.current).map(|r| r.number).collect::<Vec<_>>()
        };
        assert_eq!(current(2), [1]);
        assert!(current(1).is_empty());
    }
}
