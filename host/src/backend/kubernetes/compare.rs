//! What differs between two states of an object, field by field, for a person.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::convert::text;
use super::write::restart::RESTARTED_AT;
use crate::domain::write::Change;

/// A value that is shown: a person reads it.
const VALUE_BYTES_MAX: usize = 256;

/// Fields whose texts are never secret: names, and words out of a short list.
const KNOWN: [&str; 22] = [
    "image",
    "imagePullPolicy",
    "name",
    "key",
    "claimName",
    "secretName",
    "mountPath",
    "serviceAccountName",
    "schedulerName",
    "priorityClassName",
    "runtimeClassName",
    "nodeName",
    "restartPolicy",
    "dnsPolicy",
    "protocol",
    "port",
    "scheme",
    "type",
    "operator",
    "effect",
    "topologyKey",
    "whenUnsatisfiable",
];

/// Adds every field that differs. Null is the same as missing.
pub(super) fn compare(
    path: &str,
    before: Option<&Value>,
    after: Option<&Value>,
    changes: &mut Vec<Change>,
) {
    let before = before.filter(|value| !value.is_null());
    let after = after.filter(|value| !value.is_null());
    if before == after {
        return;
    }
    let none = Map::new();
    match (before, after) {
        // Missing and an object is the same as empty and that object: the paths stay exact.
        (Some(Value::Object(_)) | None, Some(Value::Object(_)))
        | (Some(Value::Object(_)), None) => {
            let before = before.and_then(Value::as_object).unwrap_or(&none);
            let after = after.and_then(Value::as_object).unwrap_or(&none);
            // In order of name, whatever order the server writes them in.
            let known: BTreeSet<&String> = before.keys().collect();
            let added: BTreeSet<&String> =
                after.keys().filter(|key| !before.contains_key(*key)).collect();
            for key in known.into_iter().chain(added) {
                compare(&member(path, key), before.get(key), after.get(key), changes);
            }
        }
        (Some(Value::Array(from)), Some(Value::Array(to))) => lists(path, from, to, changes),
        _ => changes.push(Change {
            before: before.map(|value| shown(path, value)),
            after: after.map(|value| shown(path, value)),
            path: text::message(path),
        }),
    }
}

/// Items that have names are compared by them where one was put in or taken out: else every item
/// behind it would seem to differ.
fn lists(path: &str, from: &[Value], to: &[Value], changes: &mut Vec<Change>) {
    if let (Some(names), Some(other)) = (names(from), names(to))
        && names != other
    {
        let added = other.iter().filter(|name| !names.contains(name));
        for name in names.iter().chain(added) {
            let find =
                |items: &'_ [Value]| items.iter().position(|item| name_of(item) == Some(name));
            let (before, after) = (find(from), find(to));
            let (before, after) =
                (before.and_then(|at| from.get(at)), after.and_then(|at| to.get(at)));
            compare(&format!("{path}[{name}]"), before, after, changes);
        }
        return;
    }
    for at in 0..from.len().max(to.len()) {
        compare(&format!("{path}[{at}]"), from.get(at), to.get(at), changes);
    }
}

/// More items than this are compared one by one: by name, it costs their square.
const NAMED_ITEMS_MAX: usize = 200;

fn names(items: &[Value]) -> Option<Vec<&str>> {
    let names: Vec<&str> = items.iter().filter_map(name_of).collect();
    let mut sorted = names.clone();
    sorted.sort_unstable();
    sorted.dedup();
    (names.len() == items.len() && sorted.len() == names.len() && names.len() <= NAMED_ITEMS_MAX)
        .then_some(names)
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name").and_then(Value::as_str)
}

fn member(path: &str, key: &str) -> String {
    let is_word = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if is_word { format!("{path}.{key}") } else { format!("{path}[{key}]") }
}

/// A value for a person, unless it may be a secret: environment variables, arguments and annotations
/// can hold one, and the caller need not be allowed to see those.
fn shown(path: &str, value: &Value) -> String {
    let is_amount = path.contains(".resources.limits") || path.contains(".resources.requests");
    let is_known = path.ends_with(&format!("[{RESTARTED_AT}]"))
        || !path.contains("nnotations")
            && (is_amount || path.rsplit('.').next().is_some_and(|last| KNOWN.contains(&last)));
    match value {
        Value::String(said) if is_known => text::cut(said, VALUE_BYTES_MAX),
        Value::Bool(_) | Value::Number(_) if !path.contains("nnotations") => value.to_string(),
        Value::String(said) => format!("(a text of {} bytes)", said.len()),
        Value::Null | Value::Bool(_) | Value::Number(_) => "(a value)".to_owned(),
        Value::Array(items) => format!("(a list of {})", items.len()),
        Value::Object(fields) => format!("(an object of {} fields)", fields.len()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;

    /// One line for each change: `spec.replicas: 2 -> 3`.
    pub(in crate::backend::kubernetes) fn lines(changes: &[Change]) -> Vec<String> {
        let shown = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
        let line = |Change { path, before, after }: &Change| {
            format!("{path}: {} -> {}", shown(before), shown(after))
        };
        changes.iter().map(line).collect()
    }

    #[test]
    fn compares_by_name_where_items_come_and_go() {
        let before = json!({ "containers": [
            { "name": "app", "image": "app:1", "env": [{ "name": "A", "value": "hunter1" }],
              "resources": { "limits": { "memory": "256Mi" } } },
        ] });
        let after = json!({ "containers": [
            { "name": "proxy", "image": "proxy:1" },
            { "name": "app", "image": "app:2", "env": [{ "name": "A", "value": "hunter2" }],
              "resources": { "limits": { "memory": "128Mi" } }, "tty": true },
        ] });
        let mut changes = Vec::new();
        compare("spec", Some(&before), Some(&after), &mut changes);
        assert_eq!(
            lines(&changes),
            [
                "spec.containers[app].env[0].value: (a text of 7 bytes) -> (a text of 7 bytes)",
                "spec.containers[app].image: app:1 -> app:2",
                "spec.containers[app].resources.limits.memory: 256Mi -> 128Mi",
                "spec.containers[app].tty: - -> true",
                "spec.containers[proxy].image: - -> proxy:1",
                "spec.containers[proxy].name: - -> proxy",
            ]
        );
    }
}
