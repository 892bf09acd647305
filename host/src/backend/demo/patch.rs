use serde_json::{Map, Value};

use super::registry::Kind;
use super::status::Failure;

/// How a patch body is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PatchForm {
    Json,
    Merge,
    Strategic,
}

/// How deep a patch may nest: far more than any object, far less than the stack.
const DEPTH_MAX: usize = 64;

/// How many operations a JSON patch may have, as in the real server.
const OPERATIONS_MAX: usize = 10_000;

const ACCEPTED: &str = "application/json-patch+json, application/merge-patch+json, \
                        application/strategic-merge-patch+json";

/// The server knows no merge keys of what it does not define.
const ACCEPTED_CUSTOM: &str = "application/json-patch+json, application/merge-patch+json";

impl PatchForm {
    pub(super) fn of(content_type: Option<&str>) -> Result<Self, Failure> {
        match content_type {
            Some("application/json-patch+json") => Ok(Self::Json),
            Some("application/merge-patch+json") => Ok(Self::Merge),
            Some("application/strategic-merge-patch+json") => Ok(Self::Strategic),
            _ => Err(Failure::unsupported_media_type(ACCEPTED)),
        }
    }

    /// The object that results from applying `body` to `current`.
    pub(super) fn apply(self, kind: &Kind, current: &Value, body: &[u8]) -> Result<Value, Failure> {
        if kind.custom && self == Self::Strategic {
            return Err(Failure::unsupported_media_type(ACCEPTED_CUSTOM));
        }
        let patch: Value = serde_json::from_slice(body)
            .map_err(|error| Failure::bad_request(format!("error decoding patch: {error}")))?;
        if depth_exceeds(&patch, DEPTH_MAX) {
            return Err(Failure::bad_request(format!("the patch nests deeper than {DEPTH_MAX}")));
        }
        let mut patched = current.clone();
        match self {
            Self::Json => {
                let Value::Array(operations) = &patch else {
                    return Err(Failure::bad_request(
                        "error decoding patch: json: cannot unmarshal object into Go value of \
                         type jsonpatch.Patch",
                    ));
                };
                if operations.len() > OPERATIONS_MAX {
                    let n = operations.len();
                    return Err(Failure::body_too_large(n.min(OPERATIONS_MAX)));
                }
                for operation in operations {
                    operate(&mut patched, operation).map_err(|_| Failure::unprocessable())?;
                }
            }
            Self::Merge | Self::Strategic if !patch.is_object() => {
                return Err(Failure::bad_request(
                    "error decoding patch: json: cannot unmarshal into Go value of type \
                     map[string]interface {}",
                ));
            }
            Self::Merge => merge(&mut patched, &patch),
            Self::Strategic => strategic(&mut patched, &patch).map_err(Failure::unknown)?,
        }
        Ok(patched)
    }
}

fn depth_exceeds(value: &Value, depth: usize) -> bool {
    match value {
        Value::Object(map) => depth == 0 || map.values().any(|v| depth_exceeds(v, depth - 1)),
        Value::Array(items) => depth == 0 || items.iter().any(|v| depth_exceeds(v, depth - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, change) in patch {
        if change.is_null() {
            target.remove(name);
        } else {
            merge(target.entry(name.as_str()).or_insert(Value::Null), change);
        }
    }
}

/// The field by which a list's items are told apart, where the API declares one.
fn merge_key(list: &str, items: &[Value]) -> Option<&'static str> {
    let has = |key: &str| items.iter().any(|item| item.get(key).is_some());
    match list {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "env"
        | "volumes"
        | "imagePullSecrets"
        | "resourceClaims"
        | "schedulingGates"
        | "secrets" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        // Container ports merge by one field, service ports by another.
        "ports" if has("containerPort") => Some("containerPort"),
        "ports" => Some("port"),
        "conditions" => Some("type"),
        "ownerReferences" => Some("uid"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _ => None,
    }
}

/// Lists of plain values that merge as sets.
fn merges_as_set(list: &str) -> bool {
    matches!(list, "finalizers")
}

const DIRECTIVE: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_ITEMS: &str = "$deleteFromPrimitiveList/";

/// A strategic merge: maps merge, lists merge by key where the API says so.
fn strategic(target: &mut Value, patch: &Value) -> Result<(), String> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get(DIRECTIVE).and_then(Value::as_str) {
        Some("replace") => {
            let mut patch = patch.clone();
            patch.remove(DIRECTIVE);
            *target = Value::Object(patch);
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(format!("unknown patch type: {other} in map")),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return Ok(()) };
    if let Some(Value::Array(keys)) = patch.get(RETAIN) {
        target.retain(|name, _| keys.iter().any(|key| key.as_str() == Some(name)));
    }
    for (name, change) in patch {
        if name == DIRECTIVE || name == RETAIN || name.starts_with(ORDER) {
            continue;
        }
        if let Some(list) = name.strip_prefix(DELETE_ITEMS) {
            if let (Some(Value::Array(items)), Value::Array(gone)) = (target.get_mut(list), change)
            {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        match change {
            Value::Null => {
                target.remove(name);
            }
            Value::Array(items) => {
                let place = target.entry(name.as_str()).or_insert_with(|| Value::Array(Vec::new()));
                strategic_list(name, place, items)?;
            }
            Value::Object(_) | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                strategic(target.entry(name.as_str()).or_insert(Value::Null), change)?;
            }
        }
    }
    Ok(())
}

fn strategic_list(name: &str, target: &mut Value, patch: &[Value]) -> Result<(), String> {
    let Value::Array(items) = target else {
        *target = Value::Array(patch.to_vec());
        return Ok(());
    };
    if merges_as_set(name) {
        for item in patch {
            if !items.contains(item) {
                items.push(item.clone());
            }
        }
        return Ok(());
    }
    let replaces = |item: &Value| {
        item.as_object().is_some_and(|item| {
            item.len() == 1 && item.get(DIRECTIVE).and_then(Value::as_str) == Some("replace")
        })
    };
    let key = merge_key(name, patch);
    let Some(key) = key.filter(|_| !patch.iter().any(replaces)) else {
        *items = patch.iter().filter(|item| !replaces(item)).cloned().collect();
        return Ok(());
    };
    for change in patch {
        let Some(id) = change.get(key) else {
            return Err(format!("map: {change} does not contain declared merge key: {key}"));
        };
        let at = items.iter().position(|item| item.get(key) == Some(id));
        let deletes = change.get(DIRECTIVE).and_then(Value::as_str) == Some("delete");
        match at {
            Some(at) if deletes => {
                items.remove(at);
            }
            None if deletes => {}
            Some(at) => {
                if let Some(item) = items.get_mut(at) {
                    strategic(item, change)?;
                }
            }
            None => {
                let mut item = Value::Null;
                strategic(&mut item, change)?;
                items.push(item);
            }
        }
    }
    Ok(())
}

/// One operation of RFC 6902.
fn operate(target: &mut Value, operation: &Value) -> Result<(), String> {
    let field = |name: &str| operation.get(name).and_then(Value::as_str);
    let path = field("path").ok_or("an operation has no path")?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    let missing = |path: &str| format!("the path {path:?} does not exist");
    match field("op").unwrap_or_default() {
        "test" => {
            if target.pointer(path).unwrap_or(&Value::Null) == &value() {
                Ok(())
            } else {
                Err(format!("testing value {path} failed: test failed"))
            }
        }
        "add" => insert(target, path, value()),
        "replace" => {
            *target.pointer_mut(path).ok_or_else(|| missing(path))? = value();
            Ok(())
        }
        "remove" => detach(target, path).map(drop),
        "move" => {
            let moved = detach(target, field("from").ok_or("a move has no from")?)?;
            insert(target, path, moved)
        }
        "copy" => {
            let from = field("from").ok_or("a copy has no from")?;
            let copied = target.pointer(from).cloned().ok_or_else(|| missing(from))?;
            insert(target, path, copied)
        }
        other => Err(format!("unexpected kind of operation: {other}")),
    }
}

fn split(path: &str) -> Result<(&str, String), String> {
    let (parent, last) = path.rsplit_once('/').ok_or_else(|| format!("{path:?} is no pointer"))?;
    Ok((parent, last.replace("~1", "/").replace("~0", "~")))
}

fn insert(target: &mut Value, path: &str, value: Value) -> Result<(), String> {
    if path.is_empty() {
        *target = value;
        return Ok(());
    }
    let (parent, last) = split(path)?;
    let missing = || format!("the path {path:?} does not exist");
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(map) => {
            map.insert(last, value);
        }
        Value::Array(items) if last == "-" => items.push(value),
        Value::Array(items) => {
            let at: usize = last.parse().map_err(|_| missing())?;
            if at > items.len() {
                return Err(missing());
            }
            items.insert(at, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(missing()),
    }
    Ok(())
}

fn detach(target: &mut Value, path: &str) -> Result<Value, String> {
    let (parent, last) = split(path)?;
    let missing = || format!("the path {path:?} does not exist");
    match target.pointer_mut(parent).ok_or_else(missing)? {
        Value::Object(map) => map.remove(&last).ok_or_else(missing),
        Value::Array(items) => {
            let at: usize = last.parse().map_err(|_| missing())?;
            if at >= items.len() {
                return Err(missing());
            }
            Ok(items.remove(at))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Err(missing()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn applied(form: PatchForm, current: &Value, patch: &Value) -> Result<Value, Failure> {
        let kind = super::super::registry::find("apps", "v1", "deployments").unwrap();
        form.apply(kind, current, patch.to_string().as_bytes())
    }

    #[test]
    fn patches_apply_as_their_form_says() {
        use PatchForm::{Json, Merge, Strategic};
        let containers = json!({"containers": [{"name": "a", "image": "1"}, {"name": "b"}]});
        for (form, current, patch, expected) in [
            (
                Merge,
                json!({"a": {"b": 1, "c": 2}}),
                json!({"a": {"b": null, "d": 3}}),
                json!({"a": {"c": 2, "d": 3}}),
            ),
            (
                Merge,
                containers.clone(),
                json!({"containers": [{"name": "b"}]}),
                json!({"containers": [{"name": "b"}]}),
            ),
            (
                Strategic,
                containers.clone(),
                json!({"containers": [{"name": "a", "image": "2"}]}),
                json!({"containers": [{"name": "a", "image": "2"}, {"name": "b"}]}),
            ),
            (
                Strategic,
                containers.clone(),
                json!({"containers": [{"name": "b", "$patch": "delete"}],
                    "$setElementOrder/containers": [{"name": "a"}]}),
                json!({"containers": [{"name": "a", "image": "1"}]}),
            ),
            (
                Strategic,
                json!({"s": {"type": "R", "r": 1}}),
                json!({"s": {"type": "Q", "$retainKeys": ["type"]}}),
                json!({"s": {"type": "Q"}}),
            ),
            (
                Strategic,
                json!({"finalizers": ["a", "b"]}),
                json!({"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]}),
                json!({"finalizers": ["b", "c"]}),
            ),
            (Strategic, json!({"args": ["a"]}), json!({"args": ["b"]}), json!({"args": ["b"]})),
            (
                Json,
                json!({"a": [1, 3]}),
                json!([{"op": "add", "path": "/a/1", "value": 2}]),
                json!({"a": [1, 2, 3]}),
            ),
            (
                Json,
                json!({"a": {"x/y": 1}}),
                json!([{"op": "remove", "path": "/a/x~1y"}]),
                json!({"a": {}}),
            ),
            (
                Json,
                json!({"a": 1}),
                json!([{"op": "move", "from": "/a", "path": "/b"}]),
                json!({"b": 1}),
            ),
        ] {
            assert_eq!(applied(form, &current, &patch).unwrap(), expected, "{form:?} {patch}");
        }
    }

    #[test]
    fn patches_that_do_not_fit_are_refused() {
        use PatchForm::{Json, Strategic};
        for (form, patch, code) in [
            (Json, json!([{"op": "test", "path": "/a", "value": 2}]), 422),
            (Json, json!([{"op": "remove", "path": "/b"}]), 422),
            (Json, json!({}), 400),
            (Strategic, json!([]), 400),
            (Strategic, json!({"containers": [{"image": "x"}]}), 500),
        ] {
            let failure = applied(form, &json!({"a": 1, "containers": []}), &patch).unwrap_err();
            assert_eq!(failure.code, code, "{patch}");
        }
        let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
        assert_eq!(applied(PatchForm::Merge, &json!({}), &deep).unwrap_err().code, 400);
        assert_eq!(PatchForm::of(Some("application/json")).unwrap_err().code, 415);
    }
}
