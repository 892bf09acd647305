//! Kinds that `CustomResourceDefinition` objects bring.

use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};

use super::clock::seconds;
use super::kinds::KINDS;
use super::lock;
use super::pods::kind_of;
use super::registry::{self, Kind, Parts, WITH_SCALE, WITH_STATUS, row, untyped};
use super::store::{Store, set, text};

/// How many kinds definitions may bring in the life of the process. Rows live as long as it does,
/// so that custom kinds are used as the built-in ones are; a client that defines kinds without end
/// finds the later ones not served.
const KINDS_MAX: usize = 256;

static INTERNED: OnceLock<Mutex<Vec<&'static Kind>>> = OnceLock::new();

const GROUP: &str = "apiextensions.k8s.io";

/// The kind served under a path: built in, or defined by an object in the store.
pub(super) fn find(
    store: &Store,
    group: &str,
    version: &str,
    plural: &str,
) -> Option<&'static Kind> {
    registry::find(group, version, plural).or_else(|| {
        let name = format!("{plural}.{group}");
        let definition = store.read(kind_of(GROUP, "customresourcedefinitions")?, "", &name)?;
        defined(&definition).into_iter().find(|kind| kind.version == version)
    })
}

/// Every kind that is served, the built-in ones first.
pub(super) fn all(store: &Store) -> Vec<&'static Kind> {
    let mut kinds: Vec<&'static Kind> = KINDS.iter().collect();
    if let Some(definitions) = kind_of(GROUP, "customresourcedefinitions") {
        kinds.extend(store.all(definitions, None).flat_map(|(_, object)| defined(object)));
    }
    kinds
}

/// The kinds that a definition brings: one for each version that it serves.
pub(super) fn defined(definition: &Value) -> Vec<&'static Kind> {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    versions
        .into_iter()
        .flatten()
        .filter(|version| version.get("served") == Some(&json!(true)))
        .filter_map(|version| intern(definition, version))
        .collect()
}

fn intern(definition: &Value, version: &Value) -> Option<&'static Kind> {
    let spec = |field: &str| text(definition, &format!("/spec/{field}"));
    let (group, plural, kind) = (spec("group"), spec("names/plural"), spec("names/kind"));
    let namespaced = spec("scope") == "Namespaced";
    let version_name = text(version, "/name");
    let has = |part: &str| version.pointer(&format!("/subresources/{part}")).is_some();
    let parts: Parts = match (has("status"), has("scale")) {
        (_, true) => WITH_SCALE,
        (true, false) => WITH_STATUS,
        (false, false) => &[],
    };
    if [group, plural, kind, version_name].contains(&"") {
        return None;
    }
    let short: Vec<&str> = definition
        .pointer("/spec/names/shortNames")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let mut interned = lock(INTERNED.get_or_init(Mutex::default));
    let same = |known: &&&Kind| {
        (known.group, known.version, known.plural, known.kind)
            == (group, version_name, plural, kind)
            && known.namespaced == namespaced
            && known.subresources() == parts
            && known.short_names == short
    };
    if let Some(known) = interned.iter().find(same) {
        return Some(known);
    }
    if interned.len() >= KINDS_MAX {
        return None;
    }
    let keep = |text: &str| -> &'static str { Box::leak(text.to_owned().into_boxed_str()) };
    let short: Vec<&'static str> = short.into_iter().map(keep).collect();
    let kind = row(
        (keep(group), keep(version_name)),
        (keep(kind), keep(plural)),
        namespaced,
        Box::leak(short.into_boxed_slice()),
        untyped,
    )
    .defined(parts);
    let kind: &'static Kind = Box::leak(Box::new(kind));
    interned.push(kind);
    Some(kind)
}

/// What the server's own controller writes into a new definition: that its names are taken and
/// that it is served.
pub(super) fn establish(definition: &mut Value, now: jiff::Timestamp) {
    if definition.pointer("/status/conditions").is_some() {
        return;
    }
    let at = seconds(now);
    let condition = |name: &str, reason: &str, message: &str| {
        json!({
            "type": name,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": at,
        })
    };
    let stored: Vec<Value> = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|version| version.get("storage") == Some(&json!(true)))
        .filter_map(|version| version.get("name").cloned())
        .collect();
    let names = definition.pointer("/spec/names").cloned().unwrap_or_default();
    let status = json!({
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
        "acceptedNames": names,
        "storedVersions": stored,
    });
    set(definition, &["status"], status);
}
