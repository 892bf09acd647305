use std::{collections::BTreeMap, io::Read as _, path::Path, time::Duration};

use cap_std::{ambient_authority, fs::Dir};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::{before, micros, parse_length, seconds};
use super::custom;
use super::defaults::fill_defaults;
use super::identity;
use super::kinds::KINDS;
use super::logs::{Logs, Run};
use super::registry::{Kind, find_kind};
use super::settle::settle;
use super::store::{Store, set, text};

/// How many files a scenario may have, and how large each: a scenario is read by people.
const FILES_MAX: usize = 500;
const FILE_BYTES_MAX: u64 = 1024 * 1024;

/// How deep directories may nest: `logs/<namespace>/<pod>/`.
const DEPTH_MAX: usize = 4;

/// A scenario that cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// The directory or one of its files cannot be read.
    #[error("reading scenario file `{file}`: {source}")]
    Read {
        /// The file, relative to the scenario's directory.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file says something that the cluster cannot serve.
    #[error("scenario file `{file}`: {reason}")]
    Invalid {
        /// The file, relative to the scenario's directory.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// No scenario of that name is part of the program.
    #[error("there is no scenario `{name}`; those in the program are {known}")]
    Unknown {
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
}

impl ScenarioError {
    pub(super) fn invalid(file: &str, reason: impl Into<String>) -> Self {
        Self::Invalid { file: file.to_owned(), reason: reason.into() }
    }
}

/// `scenario.yaml`: what objects and logs cannot say.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// A name for people.
    #[expect(dead_code, reason = "read by people in the file; required so that none forgets it")]
    name: String,
    /// What new pods of a workload do, by `namespace/name`; those not named become ready.
    #[serde(default)]
    restart: BTreeMap<String, Outcome>,
    /// What pods with an image do, from the beginning.
    #[serde(default)]
    pub(super) images: BTreeMap<String, Outcome>,
    /// What was deployed after the objects were made, the earliest first.
    #[serde(default)]
    pub(super) releases: Vec<Release>,
}

/// A change of a deployment's image in the scenario's past.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Release {
    /// `namespace/name` of the deployment.
    pub(super) deployment: String,
    /// How long ago, such as `6m30s`.
    pub(super) ago: String,
    /// The new image of its first container.
    pub(super) image: String,
    /// The cause that the deployment names for it.
    pub(super) cause: String,
}

/// What the pods of a rollout come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// They become ready and stay so.
    Healthy,
    /// They run out of memory and are restarted.
    Crash,
    /// They end with an error and are restarted.
    Exit,
    /// Their image cannot be pulled.
    Unpullable,
    /// They run, and their readiness probe fails.
    Unready,
}

impl Scenario {
    pub(super) fn outcome(&self, namespace: &str, name: &str) -> Outcome {
        let key = format!("{namespace}/{name}");
        self.restart.get(&key).copied().unwrap_or(Outcome::Healthy)
    }
}

/// What a scenario's files amount to.
pub(super) struct Loaded {
    pub(super) store: Store,
    pub(super) logs: Logs,
    pub(super) scenario: Scenario,
}

/// Reads the YAML and log files below a directory; no link leads out of it.
pub(super) fn read(dir: &Path) -> Result<Vec<(String, String)>, ScenarioError> {
    let at = |file: &str| {
        let file = file.to_owned();
        move |source| ScenarioError::Read { file, source }
    };
    let root =
        Dir::open_ambient_dir(dir, ambient_authority()).map_err(at(&dir.display().to_string()))?;
    let mut files = Vec::new();
    let mut open = vec![(String::new(), root)];
    while let Some((prefix, dir)) = open.pop() {
        for entry in dir.entries().map_err(at(&prefix))? {
            let entry = entry.map_err(at(&prefix))?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{prefix}{name}");
            if entry.file_type().map_err(at(&path))?.is_dir() {
                if path.matches('/').count() >= DEPTH_MAX {
                    return Err(ScenarioError::invalid(&path, "directories nest too deep"));
                }
                open.push((format!("{path}/"), entry.open_dir().map_err(at(&path))?));
            } else if Path::new(&name).extension().is_some_and(|end| end == "yaml" || end == "log")
            {
                if files.len() >= FILES_MAX {
                    let reason = format!("is one more than the {FILES_MAX} files that are read");
                    return Err(ScenarioError::invalid(&path, reason));
                }
                let mut text = String::new();
                let file = entry.open().map_err(at(&path))?;
                file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text).map_err(at(&path))?;
                files.push((path, text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Makes a cluster of a scenario's files, as it stands at `now`.
pub(super) fn build(files: &[(String, String)], now: Timestamp) -> Result<Loaded, ScenarioError> {
    let mut logs = Logs::default();
    let mut scenario = None;
    let mut objects = Vec::new();
    for (path, text) in files {
        if u64::try_from(text.len()).unwrap_or(u64::MAX) > FILE_BYTES_MAX {
            let reason = format!("is larger than {FILE_BYTES_MAX} bytes");
            return Err(ScenarioError::invalid(path, reason));
        }
        if path == "scenario.yaml" {
            let read = serde_saphyr::from_str(text);
            scenario = Some(read.map_err(|error| ScenarioError::invalid(path, error.to_string()))?);
        } else if let Some(rest) = path.strip_prefix("logs/") {
            add_log(&mut logs, path, rest, text)?;
        } else {
            let read: Vec<Value> = serde_saphyr::from_multiple(text)
                .map_err(|error| ScenarioError::invalid(path, error.to_string()))?;
            for object in read.into_iter().filter(|object| !object.is_null()) {
                objects.push((path.clone(), object));
            }
        }
    }
    let scenario: Scenario = scenario.ok_or_else(|| {
        ScenarioError::invalid("scenario.yaml", "is missing; every scenario has one")
    })?;
    let mut store = Store::new();
    let objects = prepared(objects, now)?;
    for (path, kind, mut object) in link(objects) {
        fill_defaults(kind, &mut object, now);
        let (namespace, name) =
            (text(&object, "/metadata/namespace"), text(&object, "/metadata/name"));
        let about = format!("{} `{namespace}/{name}`", kind.kind);
        kind.check(&object)
            .map_err(|error| ScenarioError::invalid(&path, format!("{about}: {error}")))?;
        if store.read(kind, namespace, name).is_some() {
            return Err(ScenarioError::invalid(&path, format!("{about} is there twice")));
        }
        if store.is_full() {
            return Err(ScenarioError::invalid(&path, "the scenario has too many objects"));
        }
        store.write(kind, kind.kept(object));
    }
    settle(&mut store, &scenario, now)?;
    store.forget_history();
    Ok(Loaded { store, logs, scenario })
}

fn add_log(logs: &mut Logs, path: &str, rest: &str, text: &str) -> Result<(), ScenarioError> {
    let parts: Vec<&str> = rest.split('/').collect();
    let [namespace, holder, file] = parts.as_slice() else {
        let reason = "log files are named `logs/<namespace>/<pod or workload>/<container>.log`";
        return Err(ScenarioError::invalid(path, reason));
    };
    let stem = file.strip_suffix(".log").unwrap_or(file);
    let (container, run) = match stem.strip_suffix(".previous") {
        Some(container) => (container, Run::Previous),
        None => (stem, Run::Current),
    };
    logs.add((namespace, holder, container), run, text)
        .map_err(|reason| ScenarioError::invalid(path, reason))
}

type Prepared = (String, &'static Kind, Value);

/// Finds the kind of every object, those of kinds that other objects define among them.
fn prepared(objects: Vec<(String, Value)>, now: Timestamp) -> Result<Vec<Prepared>, ScenarioError> {
    let defined: Vec<&'static Kind> = objects
        .iter()
        .filter(|(_, object)| text(object, "/kind") == "CustomResourceDefinition")
        .flat_map(|(_, object)| custom::defined(object))
        .collect();
    objects.into_iter().map(|(path, object)| prepare(&path, object, &defined, now)).collect()
}

/// Reads one object: its kind, its times, its identity.
fn prepare(
    path: &str,
    mut object: Value,
    defined: &[&'static Kind],
    now: Timestamp,
) -> Result<Prepared, ScenarioError> {
    let (version, name) = (text(&object, "/apiVersion"), text(&object, "/kind"));
    let custom = || defined.iter().copied().find(|k| k.kind == name && k.api_version() == version);
    let kind = find_kind(version, name).or_else(custom).ok_or_else(|| {
        ScenarioError::invalid(path, format!("`{version}` `{name}` is not a kind that is served"))
    })?;
    resolve_times(&mut object, now).map_err(|reason| ScenarioError::invalid(path, reason))?;
    let name = text(&object, "/metadata/name").to_owned();
    if name.is_empty() {
        let reason = format!("an object of kind `{}` has no name", kind.kind);
        return Err(ScenarioError::invalid(path, reason));
    }
    let namespace = text(&object, "/metadata/namespace").to_owned();
    if kind.namespaced == namespace.is_empty() {
        let needs = if kind.namespaced { "needs a" } else { "has no" };
        let reason = format!("{} `{name}` {needs} namespace", kind.kind);
        return Err(ScenarioError::invalid(path, reason));
    }
    if text(&object, "/metadata/uid").is_empty() {
        let uid = identity::uid(&[kind.plural, &namespace, &name]);
        set(&mut object, &["metadata", "uid"], json!(uid));
    }
    if text(&object, "/metadata/creationTimestamp").is_empty() {
        let at = before(now, Duration::from_hours(41 * 24));
        set(&mut object, &["metadata", "creationTimestamp"], json!(seconds(at)));
    }
    Ok((path.to_owned(), kind, object))
}

/// Replaces `$ago(12m30s)` and `$ago_micro(12m30.25s)` by the times that they mean.
fn resolve_times(value: &mut Value, now: Timestamp) -> Result<(), String> {
    match value {
        Value::String(text) => {
            let inner = |name: &str| text.strip_prefix(name)?.strip_suffix(')');
            let (length, print): (_, fn(Timestamp) -> String) = if let Some(length) = inner("$ago(")
            {
                (length, seconds)
            } else if let Some(length) = inner("$ago_micro(") {
                (length, micros)
            } else {
                return Ok(());
            };
            let length = parse_length(length)
                .ok_or_else(|| format!("`{text}` is no time; write it like `$ago(3d4h12m30s)`"))?;
            *text = print(before(now, length));
        }
        Value::Array(items) => {
            for item in items {
                resolve_times(item, now)?;
            }
        }
        Value::Object(map) => {
            for item in map.values_mut() {
                resolve_times(item, now)?;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// Fills in the UIDs of owners and of what events are about.
fn link(mut objects: Vec<Prepared>) -> Vec<Prepared> {
    let mut uids = BTreeMap::new();
    for (_, kind, object) in &objects {
        let at = |field: &str| text(object, field).to_owned();
        uids.insert(
            (kind.kind, at("/metadata/namespace"), at("/metadata/name")),
            at("/metadata/uid"),
        );
    }
    for (_, _, object) in &mut objects {
        let namespace = text(object, "/metadata/namespace").to_owned();
        let owners = object.pointer_mut("/metadata/ownerReferences").and_then(Value::as_array_mut);
        for reference in owners.into_iter().flatten() {
            fill_uid(&uids, &namespace, reference);
        }
        if let Some(reference) = object.get_mut("involvedObject") {
            fill_uid(&uids, &namespace, reference);
        }
    }
    objects
}

fn fill_uid(
    uids: &BTreeMap<(&'static str, String, String), String>,
    namespace: &str,
    reference: &mut Value,
) {
    if !text(reference, "/uid").is_empty() {
        return;
    }
    let (kind, name) = (text(reference, "/kind"), text(reference, "/name"));
    let Some(kind) = KINDS.iter().find(|known| known.kind == kind) else { return };
    let namespace = if kind.namespaced { namespace } else { "" };
    let uid = uids.get(&(kind.kind, namespace.to_owned(), name.to_owned()));
    // The kubelet has always put a node's name where its UID should be.
    let uid = if kind.is("", "nodes") { Some(name.to_owned()) } else { uid.cloned() };
    if let Some(uid) = uid {
        set(reference, &["uid"], json!(uid));
    }
}
