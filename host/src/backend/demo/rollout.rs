use std::sync::Arc;

use serde_json::{Value, json};

use super::clock::seconds;
use super::identity;
use super::pods::{Mould, Scene, is_going, is_ready, kind_of, owned, owner_reference};
use super::progress::{report, report_set};
use super::quotas;
use super::store::{number, set, set as set_member, text, unset};

const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
const HASH_LABEL: &str = "pod-template-hash";

/// How many pods one replica set may have here: a demo is no load test.
const REPLICAS_MAX: i64 = 200;

/// A replica set and its pods, as a step of the rollout sees them.
pub(super) struct Set {
    pub(super) object: Value,
    pub(super) pods: Vec<Arc<Value>>,
}

impl Set {
    pub(super) fn wanted(&self) -> i64 {
        number(&self.object, "/spec/replicas").unwrap_or(0)
    }

    pub(super) fn name(&self) -> &str {
        text(&self.object, "/metadata/name")
    }

    pub(super) fn ready(&self) -> i64 {
        count(self.pods.iter().filter(|pod| is_ready(pod) && !is_going(pod)))
    }

    pub(super) fn alive(&self) -> i64 {
        count(self.pods.iter().filter(|pod| !is_going(pod)))
    }

    fn revision(&self) -> i64 {
        let revision = self.object.pointer("/metadata/annotations").and_then(|a| a.get(REVISION));
        revision.and_then(Value::as_str).and_then(|revision| revision.parse().ok()).unwrap_or(0)
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> i64 {
    i64::try_from(items.count()).unwrap_or(i64::MAX)
}

/// How many pods a rollout may have too many or too few.
pub(super) struct Allowance {
    pub(super) desired: i64,
    surge: i64,
    pub(super) missing: i64,
}

impl Allowance {
    fn of(deployment: &Value) -> Self {
        let desired = number(deployment, "/spec/replicas").unwrap_or(1).clamp(0, REPLICAS_MAX);
        let part = |field: &str, round_up: bool| {
            let value = deployment.pointer(&format!("/spec/strategy/rollingUpdate/{field}"));
            let percent = match value {
                Some(Value::Number(n)) => return n.as_i64().unwrap_or(0).clamp(0, REPLICAS_MAX),
                Some(Value::String(text)) => text.trim_end_matches('%').parse().unwrap_or(25),
                _ => 25_i64,
            };
            let share = desired * percent.clamp(0, 1_000);
            if round_up { (share + 99) / 100 } else { share / 100 }
        };
        let (surge, mut missing) = (part("maxSurge", true), part("maxUnavailable", false));
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return Self { desired, surge: 0, missing: desired };
        }
        // Both zero would never move.
        if surge == 0 && missing == 0 {
            missing = 1;
        }
        Self { desired, surge, missing }
    }
}

/// Takes a deployment one step nearer to what its spec says.
pub(super) fn step(scene: &mut Scene<'_>, namespace: &str, name: &str) -> Option<()> {
    let deployment = scene.store.read(kind_of("apps", "deployments")?, namespace, name)?;
    for set in sets(scene, &deployment)? {
        for pod in &set.pods {
            scene.advance(pod);
        }
    }
    let paused = deployment.pointer("/spec/paused") == Some(&json!(true));
    let new = if paused { newest(scene, &deployment) } else { ensure_new(scene, &deployment) };
    let new = new.unwrap_or_default();
    let allowance = Allowance::of(&deployment);
    if paused {
        resize(scene, &deployment, &new, &allowance)?;
    } else {
        roll(scene, &deployment, &new, &allowance)?;
    }
    let mut refused = None;
    for set in sets(scene, &deployment)? {
        let why = fill(scene, &set);
        report_set(scene, &set, why.as_deref())?;
        refused = refused.or(why);
    }
    let done = report(scene, &deployment, &new, &allowance, refused.as_deref())?;
    if done && !paused {
        forget_old(scene, &deployment, &new)?;
    }
    Some(())
}

/// While a deployment is paused its template waits, but its size still follows: all of it goes to
/// the one set that has pods, or to the newest.
fn resize(
    scene: &mut Scene<'_>,
    deployment: &Value,
    newest: &str,
    allowance: &Allowance,
) -> Option<()> {
    let sets = sets(scene, deployment)?;
    let mut active = sets.iter().filter(|set| set.wanted() > 0);
    let target = match (active.next(), active.next()) {
        (Some(only), None) => only,
        // A rollout that was paused half way keeps the sizes that it had.
        (Some(_), Some(_)) => return Some(()),
        (None, _) => match sets.iter().find(|set| set.name() == newest) {
            Some(newest) => newest,
            None => return Some(()),
        },
    };
    if target.wanted() != allowance.desired {
        scale(scene, deployment, target, allowance.desired)?;
    }
    Some(())
}

/// Removes empty sets beyond the number of revisions that the deployment keeps.
fn forget_old(scene: &mut Scene<'_>, deployment: &Value, new: &str) -> Option<()> {
    let kind = kind_of("apps", "replicasets")?;
    let limit = number(deployment, "/spec/revisionHistoryLimit").unwrap_or(10);
    let mut old: Vec<Set> = sets(scene, deployment)?
        .into_iter()
        .filter(|set| set.name() != new && set.wanted() == 0 && set.pods.is_empty())
        .collect();
    old.sort_by_key(Set::revision);
    let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(usize::MAX));
    for set in old.into_iter().take(surplus) {
        scene.store.remove(kind, text(&set.object, "/metadata/namespace"), set.name());
    }
    Some(())
}

pub(super) fn sets(scene: &Scene<'_>, deployment: &Value) -> Option<Vec<Set>> {
    let (kind, pods) = (kind_of("apps", "replicasets")?, kind_of("", "pods")?);
    let sets = owned(scene.store, kind, deployment);
    Some(
        sets.iter()
            .map(|set| Set { object: (**set).clone(), pods: owned(scene.store, pods, set) })
            .collect(),
    )
}

fn newest(scene: &Scene<'_>, deployment: &Value) -> Option<String> {
    let sets = sets(scene, deployment)?;
    sets.iter().max_by_key(|set| set.revision()).map(|set| set.name().to_owned())
}

/// Finds the replica set of the present template, or creates it; the answer is its name.
fn ensure_new(scene: &mut Scene<'_>, deployment: &Value) -> Option<String> {
    let kind = kind_of("apps", "replicasets")?;
    let template = deployment.pointer("/spec/template")?;
    let sets = sets(scene, deployment)?;
    let last = sets.iter().map(Set::revision).max().unwrap_or(0);
    let matching = sets.iter().find(|set| {
        let mut theirs = set.object.pointer("/spec/template").cloned().unwrap_or_default();
        unset(&mut theirs, &["metadata", "labels", HASH_LABEL]);
        without_nulls(&theirs) == without_nulls(template)
    });
    let (mut set_object, revision) = match matching {
        Some(set) if set.revision() == last => (set.object.clone(), last),
        Some(set) => {
            let mut again = set.object.clone();
            let past = again.pointer("/metadata/annotations").and_then(|a| a.get(HISTORY));
            let past = past.and_then(Value::as_str).filter(|past| !past.is_empty());
            let past = past.map_or_else(String::new, |past| format!("{past},"));
            let history = format!("{past}{}", set.revision());
            set_member(&mut again, &["metadata", "annotations", HISTORY], json!(history));
            (again, last + 1)
        }
        None => (new_set(scene, deployment, template), last + 1),
    };
    let handed = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
    for (name, value) in handed.into_iter().flatten().filter(|(n, _)| !is_own_annotation(n)) {
        set_member(&mut set_object, &["metadata", "annotations", name], value.clone());
    }
    set(&mut set_object, &["metadata", "annotations", REVISION], json!(revision.to_string()));
    let name = text(&set_object, "/metadata/name").to_owned();
    scene.store.write_changed(kind, set_object);
    annotate(scene, deployment, &name, revision)
}

/// A template without the nulls that some clients send and the server drops.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name.clone(), without_nulls(value)))
            .collect::<serde_json::Map<String, Value>>()
            .into(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

fn new_set(scene: &Scene<'_>, deployment: &Value, template: &Value) -> Value {
    let namespace = text(deployment, "/metadata/namespace");
    let hash = identity::suffix(&[&without_nulls(template).to_string()], 10);
    let name = format!("{}-{hash}", text(deployment, "/metadata/name"));
    let mut template = template.clone();
    set(&mut template, &["metadata", "labels", HASH_LABEL], json!(hash));
    let mut annotations = deployment.pointer("/metadata/annotations").cloned().unwrap_or(json!({}));
    if let Value::Object(annotations) = &mut annotations {
        annotations.retain(|name, _| !is_own_annotation(name));
    }
    let desired = number(deployment, "/spec/replicas").unwrap_or(1).to_string();
    set(&mut annotations, &["deployment.kubernetes.io/desired-replicas"], json!(desired));
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or(json!({}));
    set(&mut selector, &["matchLabels", HASH_LABEL], json!(hash));
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": identity::uid(&["replicasets", namespace, &name]),
            "creationTimestamp": seconds(scene.now),
            "generation": 1,
            "labels": template.pointer("/metadata/labels").cloned(),
            "annotations": annotations,
            "ownerReferences": owner_reference(deployment),
        },
        "spec": { "replicas": 0, "selector": selector, "template": template },
        "status": { "replicas": 0 },
    })
}

/// What a deployment does not hand down to its replica sets.
fn is_own_annotation(name: &str) -> bool {
    name.starts_with("deployment.kubernetes.io/")
        || name == "kubectl.kubernetes.io/last-applied-configuration"
}

/// Notes the revision on the deployment, which is not a change of its generation.
fn annotate(
    scene: &mut Scene<'_>,
    deployment: &Value,
    set_name: &str,
    revision: i64,
) -> Option<String> {
    let kind = kind_of("apps", "deployments")?;
    let mut noted = deployment.clone();
    set(&mut noted, &["metadata", "annotations", REVISION], json!(revision.to_string()));
    scene.store.write_changed(kind, noted);
    Some(set_name.to_owned())
}

/// Moves replicas from the old sets to the new one, as far as the allowance lets it.
fn roll(scene: &mut Scene<'_>, deployment: &Value, new: &str, allowance: &Allowance) -> Option<()> {
    let sets = sets(scene, deployment)?;
    let current = sets.iter().find(|set| set.name() == new)?;
    let old: Vec<&Set> = sets.iter().filter(|set| set.name() != new).collect();
    let old_wanted: i64 = old.iter().map(|set| set.wanted()).sum();
    if current.wanted() > allowance.desired {
        scale(scene, deployment, current, allowance.desired)?;
    } else if current.wanted() < allowance.desired {
        let recreate = text(deployment, "/spec/strategy/type") == "Recreate";
        let room = allowance.desired + allowance.surge - old_wanted - current.wanted();
        let waits = recreate && old.iter().any(|set| !set.pods.is_empty());
        let up = if waits { 0 } else { room.min(allowance.desired - current.wanted()) };
        if up > 0 {
            scale(scene, deployment, current, current.wanted() + up)?;
        }
    }
    if old_wanted == 0 {
        return Some(());
    }
    let least = allowance.desired - allowance.missing;
    let all: i64 = old_wanted + current.wanted();
    let mut spare = all - least - (current.wanted() - current.ready());
    let mut available: i64 = sets.iter().map(Set::ready).sum();
    for set in old {
        let unhealthy = (set.wanted() - set.ready()).clamp(0, spare.max(0));
        let healthy = set
            .ready()
            .min(set.wanted() - unhealthy)
            .min(available - least)
            .min(spare - unhealthy)
            .max(0);
        let down = unhealthy + healthy;
        if down > 0 {
            scale(scene, deployment, set, set.wanted() - down)?;
            spare -= down;
            available -= healthy;
        }
    }
    Some(())
}

fn scale(scene: &mut Scene<'_>, deployment: &Value, of: &Set, to: i64) -> Option<()> {
    let kind = kind_of("apps", "replicasets")?;
    let from = of.wanted();
    let mut scaled = of.object.clone();
    set(&mut scaled, &["spec", "replicas"], json!(to));
    let next = number(&scaled, "/metadata/generation").unwrap_or(0) + 1;
    set(&mut scaled, &["metadata", "generation"], json!(next));
    scene.store.write(kind, scaled);
    let direction = if to > from { "up" } else { "down" };
    let message = format!("Scaled {direction} replica set {} from {from} to {to}", of.name());
    scene.tell(deployment, false, "ScalingReplicaSet", &message);
    Some(())
}

/// Creates the pods that a set lacks and ends those it has too many of, unready ones first. The
/// answer is why a pod could not be created.
fn fill(scene: &mut Scene<'_>, of: &Set) -> Option<String> {
    let lacking = of.wanted().min(REPLICAS_MAX) - of.alive();
    let mut refused = None;
    for n in 0..lacking {
        let seed = [of.name(), &scene.store.version().to_string(), &n.to_string()];
        let mould = Mould {
            owner: &of.object,
            template: of.object.pointer("/spec/template")?,
            name: format!("{}-{}", of.name(), identity::suffix(&seed, 5)),
            labels: Vec::new(),
            node: None,
        };
        let namespace = text(&of.object, "/metadata/namespace");
        if let Some(why) = quotas::refusal(scene.store, namespace, mould.template) {
            let why = format!("pods {:?} is forbidden: {why}", mould.name);
            refused = Some(why);
            break;
        }
        scene.create_pod(&mould);
    }
    let mut alive: Vec<&Arc<Value>> = of.pods.iter().filter(|pod| !is_going(pod)).collect();
    alive.sort_by_key(|pod| is_ready(pod));
    let surplus = usize::try_from(-lacking).unwrap_or(0);
    for pod in alive.into_iter().take(surplus) {
        scene.end_pod(&of.object, pod);
    }
    refused
}
