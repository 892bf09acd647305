use std::sync::Arc;

use serde_json::{Value, json};

use super::clock::seconds;
use super::identity;
use super::pods::{Mould, Scene, is_going, is_ready, kind_of, owned, owner_reference};
use super::registry::Kind;
use super::store::{number, set, text};

const HASH_LABEL: &str = "controller-revision-hash";

/// How many pods a stateful set may have here.
const REPLICAS_MAX: i64 = 50;

/// One place in a workload that fixes the places of its pods.
struct Seat {
    name: String,
    node: Option<String>,
}

/// Takes a stateful set or a daemon set one step nearer to what its spec says, one pod at a time.
pub(super) fn step(
    scene: &mut Scene<'_>,
    kind: &'static Kind,
    namespace: &str,
    name: &str,
) -> Option<()> {
    let workload = scene.store.read(kind, namespace, name)?;
    let pods_kind = kind_of("", "pods")?;
    for pod in owned(scene.store, pods_kind, &workload) {
        scene.advance(&pod);
    }
    let pods = owned(scene.store, pods_kind, &workload);
    let hash = ensure_revision(scene, &workload)?;
    let seats = seats(scene, kind, &workload, &pods)?;
    let seated = |seat: &Seat| pods.iter().find(|pod| text(pod, "/metadata/name") == seat.name);
    let is_current = |pod: &Value| label(pod).ends_with(hash.as_str());
    let mut empty = seats.iter().filter(|seat| seated(seat).is_none()).peekable();
    let surplus = pods
        .iter()
        .rev()
        .find(|pod| seats.iter().all(|seat| seat.name != text(pod, "/metadata/name")));
    let unsettled = pods.iter().any(|pod| is_going(pod) || (is_current(pod) && !is_ready(pod)));
    if empty.peek().is_some() {
        // A stateful set goes seat by seat, a daemon set fills all nodes at once.
        let at_once = if kind.plural == "daemonsets" { usize::MAX } else { 1 };
        if kind.plural == "daemonsets" || !unsettled {
            for seat in empty.take(at_once) {
                create(scene, &workload, seat, &hash)?;
            }
        }
    } else if let Some(pod) = surplus {
        scene.end_pod(&workload, pod);
    } else if !unsettled {
        let outdated = pods.iter().filter(|pod| !is_current(pod));
        if let Some(pod) = outdated.max_by_key(|pod| ordinal(text(pod, "/metadata/name"))) {
            scene.end_pod(&workload, pod);
        }
    }
    report(scene, kind, &workload, &hash, seats.len())
}

fn label(pod: &Value) -> &str {
    let labels = pod.pointer("/metadata/labels");
    labels.and_then(|labels| labels.get(HASH_LABEL)).and_then(Value::as_str).unwrap_or_default()
}

fn ordinal(name: &str) -> i64 {
    name.rsplit_once('-').and_then(|(_, last)| last.parse().ok()).unwrap_or(-1)
}

fn seats(
    scene: &Scene<'_>,
    kind: &Kind,
    workload: &Value,
    pods: &[Arc<Value>],
) -> Option<Vec<Seat>> {
    let name = text(workload, "/metadata/name");
    if kind.plural == "statefulsets" {
        let replicas = number(workload, "/spec/replicas").unwrap_or(1).clamp(0, REPLICAS_MAX);
        let seat = |n| Seat { name: format!("{name}-{n}"), node: None };
        return Some((0..replicas).map(seat).collect());
    }
    let wanted = workload.pointer("/spec/template/spec/nodeSelector").and_then(Value::as_object);
    let nodes = scene.store.all(kind_of("", "nodes")?, None).filter(|(_, node)| {
        let labels = node.pointer("/metadata/labels");
        let has = |(key, value): (&String, &Value)| labels.and_then(|l| l.get(key)) == Some(value);
        wanted.into_iter().flatten().all(has)
    });
    let seats = nodes.map(|(_, node)| {
        let node = text(node, "/metadata/name");
        let here = pods.iter().find(|pod| text(pod, "/spec/nodeName") == node && !is_going(pod));
        let name = here.map_or_else(
            || {
                let version = scene.store.version().to_string();
                format!("{name}-{}", identity::suffix(&[name, node, &version], 5))
            },
            |pod| text(pod, "/metadata/name").to_owned(),
        );
        Seat { name, node: Some(node.to_owned()) }
    });
    Some(seats.collect())
}

fn create(scene: &mut Scene<'_>, workload: &Value, seat: &Seat, hash: &str) -> Option<()> {
    let name = text(workload, "/metadata/name");
    let mut labels = vec![(HASH_LABEL, hash.to_owned())];
    if seat.node.is_none() {
        labels = vec![
            (HASH_LABEL, format!("{name}-{hash}")),
            ("statefulset.kubernetes.io/pod-name", seat.name.clone()),
            ("apps.kubernetes.io/pod-index", ordinal(&seat.name).to_string()),
        ];
    }
    scene.create_pod(&Mould {
        owner: workload,
        template: workload.pointer("/spec/template")?,
        name: seat.name.clone(),
        labels,
        node: seat.node.clone(),
    });
    Some(())
}

/// Finds or writes the revision that the present template is; the answer is its hash.
fn ensure_revision(scene: &mut Scene<'_>, workload: &Value) -> Option<String> {
    let kind = kind_of("apps", "controllerrevisions")?;
    let template = workload.pointer("/spec/template")?;
    let hash = identity::suffix(&[&template.to_string()], 10);
    let namespace = text(workload, "/metadata/namespace");
    let name = format!("{}-{hash}", text(workload, "/metadata/name"));
    let revisions = owned(scene.store, kind, workload);
    let last = revisions.iter().filter_map(|r| number(r, "/revision")).max().unwrap_or(0);
    let found = revisions.iter().find(|r| text(r, "/metadata/name") == name);
    if let Some(found) = found {
        if number(found, "/revision") != Some(last) {
            let mut again = (**found).clone();
            set(&mut again, &["revision"], json!(last + 1));
            scene.store.write(kind, again);
        }
        return Some(hash);
    }
    let mut labels = template.pointer("/metadata/labels").cloned().unwrap_or(json!({}));
    set(&mut labels, &[HASH_LABEL], json!(hash));
    let mut template = template.clone();
    set(&mut template, &["$patch"], json!("replace"));
    let revision = json!({
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": identity::uid(&["controllerrevisions", namespace, &name]),
            "creationTimestamp": seconds(scene.now),
            "labels": labels,
            "ownerReferences": owner_reference(workload),
        },
        "data": { "spec": { "template": template } },
        "revision": last + 1,
    });
    scene.store.write(kind, revision);
    Some(hash)
}

fn report(
    scene: &mut Scene<'_>,
    kind: &'static Kind,
    workload: &Value,
    hash: &str,
    desired: usize,
) -> Option<()> {
    let namespace = text(workload, "/metadata/namespace");
    let name = text(workload, "/metadata/name");
    let pods: Vec<Arc<Value>> = owned(scene.store, kind_of("", "pods")?, workload)
        .into_iter()
        .filter(|pod| !is_going(pod))
        .collect();
    let object = scene.store.read(kind, namespace, name)?;
    let generation = number(&object, "/metadata/generation").unwrap_or(1);
    let ready = pods.iter().filter(|pod| is_ready(pod)).count();
    let updated = pods.iter().filter(|pod| label(pod).ends_with(hash)).count();
    let mut told = (*object).clone();
    set(
        &mut told,
        &["status"],
        if kind.plural == "daemonsets" {
            json!({
                "observedGeneration": generation,
                "desiredNumberScheduled": desired,
                "currentNumberScheduled": pods.len(),
                "numberMisscheduled": 0,
                "numberReady": ready,
                "numberAvailable": ready,
                "numberUnavailable": desired.saturating_sub(ready),
                "updatedNumberScheduled": updated,
            })
        } else {
            let update = format!("{name}-{hash}");
            let settled = updated == desired && ready == desired && pods.len() == desired;
            let was = text(&object, "/status/currentRevision");
            let current = if settled || was.is_empty() { update.as_str() } else { was };
            json!({
                "observedGeneration": generation,
                "replicas": pods.len(),
                "readyReplicas": ready,
                "availableReplicas": ready,
                "currentReplicas": if settled { updated } else { pods.len() - updated },
                "updatedReplicas": updated,
                "currentRevision": current,
                "updateRevision": update,
                "collisionCount": 0,
            })
        },
    );
    scene.store.write_changed(kind, told);
    Some(())
}
