//! How a scenario comes to the present: workloads are brought up at the time of their creation,
//! later releases are rolled out at theirs.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::{after, before, parse_length, seconds};
use super::pods::{Scene, kind_of, owned};
use super::registry::Kind;
use super::scenario::{Outcome, Release, Scenario, ScenarioError};
use super::store::{Store, number, set, text};
use super::{budgets, endpoints, ordered, quotas, rollout};

/// How many steps a workload without a status may take until its pods are ready.
const STEPS_MAX: u32 = 200;

/// How long the server keeps events: what happened before is not told.
const EVENTS_KEPT: Duration = Duration::from_hours(1);

/// Lets the controllers bring up every workload whose file gives it no status, so that a workload
/// needs no more than its own spec, and then roll out what was released since.
pub(super) fn settle(
    store: &mut Store,
    scenario: &Scenario,
    now: Timestamp,
) -> Result<(), ScenarioError> {
    for plural in ["daemonsets", "statefulsets", "deployments"] {
        let (Some(kind), Some(sets)) = (kind_of("apps", plural), kind_of("apps", "replicasets"))
        else {
            continue;
        };
        let workloads: Vec<Value> = store.all(kind, None).map(|(_, o)| (**o).clone()).collect();
        for workload in workloads {
            if workload.get("status").is_some() || !owned(store, sets, &workload).is_empty() {
                continue;
            }
            let created = text(&workload, "/metadata/creationTimestamp").parse().unwrap_or(now);
            let place = (text(&workload, "/metadata/namespace"), text(&workload, "/metadata/name"));
            let next = scenario.releases.iter().find(|r| r.deployment == joined(place));
            let until = next.and_then(|r| time_of(r, now)).unwrap_or(now);
            bring_up(store, scenario, (kind, place.0, place.1), (created, until), now);
        }
    }
    for release in &scenario.releases {
        roll_out(store, scenario, release, now)
            .map_err(|why| ScenarioError::invalid("scenario.yaml", why))?;
    }
    sync(store, scenario, now);
    Ok(())
}

fn joined((namespace, name): (&str, &str)) -> String {
    format!("{namespace}/{name}")
}

fn time_of(release: &Release, now: Timestamp) -> Option<Timestamp> {
    Some(before(now, parse_length(&release.ago)?))
}

fn scene<'a>(
    store: &'a mut Store,
    scenario: &'a Scenario,
    at: Timestamp,
    now: Timestamp,
) -> Scene<'a> {
    let tells = before(now, EVENTS_KEPT) < at;
    Scene { store, now: at, tells, outcome: Outcome::Healthy, images: &scenario.images }
}

/// Steps a workload from one time until nothing changes any more, and once more at the end: a
/// crash loop goes on while nothing else does.
fn bring_up(
    store: &mut Store,
    scenario: &Scenario,
    (kind, namespace, name): (&'static Kind, &str, &str),
    (from, until): (Timestamp, Timestamp),
    now: Timestamp,
) {
    let mut step = |at: Timestamp| {
        let version = store.version();
        let mut scene = scene(store, scenario, at, now);
        if kind.plural == "deployments" {
            rollout::step(&mut scene, namespace, name);
        } else {
            ordered::step(&mut scene, kind, namespace, name);
        }
        store.version() != version
    };
    for n in 0..STEPS_MAX {
        if !step(after(from, Duration::from_secs(u64::from(n) * 2)).min(until)) {
            break;
        }
    }
    step(until);
}

/// Deploys an image at a time in the past.
fn roll_out(
    store: &mut Store,
    scenario: &Scenario,
    release: &Release,
    now: Timestamp,
) -> Result<(), String> {
    let (place, ago) = (&release.deployment, &release.ago);
    let at = time_of(release, now)
        .ok_or_else(|| format!("`{ago}` is no length of time; write it like `1h12m30s`"))?;
    let (namespace, name) = place
        .split_once('/')
        .ok_or_else(|| format!("`{place}` is not written `namespace/deployment`"))?;
    let kind = kind_of("apps", "deployments");
    let found = kind.and_then(|kind| Some((kind, store.read(kind, namespace, name)?)));
    let (kind, current) = found.ok_or_else(|| format!("there is no deployment `{place}`"))?;
    let mut released = (*current).clone();
    let containers = released.pointer_mut("/spec/template/spec/containers/0");
    let container = containers.ok_or_else(|| format!("`{place}` has no container"))?;
    set(container, &["image"], json!(release.image));
    let path = ["metadata", "annotations", "kubernetes.io/change-cause"];
    set(&mut released, &path, json!(release.cause));
    let generation = number(&released, "/metadata/generation").unwrap_or(1);
    set(&mut released, &["metadata", "generation"], json!(generation + 1));
    let manager = json!([{
        "manager": "kubectl-set",
        "operation": "Update",
        "apiVersion": "apps/v1",
        "time": seconds(at),
        "fieldsType": "FieldsV1",
        "fieldsV1": { "f:spec": { "f:template": { "f:spec": { "f:containers": {} } } } },
    }]);
    set(&mut released, &["metadata", "managedFields"], manager);
    store.write(kind, released);
    let of_same = |r: &&Release| r.deployment == *place && !std::ptr::eq(*r, release);
    let later = scenario.releases.iter().filter(of_same).filter_map(|r| time_of(r, now));
    let until = later.filter(|time| *time > at).min().unwrap_or(now);
    bring_up(store, scenario, (kind, namespace, name), (at, until), now);
    Ok(())
}

/// Fills in what follows from pods: endpoints, budgets, quotas.
fn sync(store: &mut Store, scenario: &Scenario, now: Timestamp) {
    let Some(namespaces) = kind_of("", "namespaces") else { return };
    let namespaces: Vec<(String, Timestamp)> = store
        .all(namespaces, None)
        .map(|(key, object)| {
            let created = text(object, "/metadata/creationTimestamp").parse();
            (key.path.clone(), created.unwrap_or(now))
        })
        .collect();
    let stated = |store: &Store, group: &str, plural: &str, namespace: &str| {
        let kind = kind_of(group, plural);
        let mut objects = kind.into_iter().flat_map(|kind| store.all(kind, Some(namespace)));
        objects.any(|(_, object)| object.get("status").is_some())
    };
    for (namespace, created) in namespaces {
        let has_budgets = stated(store, "policy", "poddisruptionbudgets", &namespace);
        let has_quotas = stated(store, "", "resourcequotas", &namespace);
        let mut scene = scene(store, scenario, created, now);
        endpoints::sync(&mut scene, &namespace);
        // What the files say of them already is the scenario's own telling.
        if !has_budgets {
            budgets::sync(&mut scene, &namespace);
        }
        if !has_quotas {
            quotas::sync(&mut scene, &namespace);
        }
    }
}
