//! Which fields of an object are wanted.

use serde_json::{Map, Value};

use super::{Shut, invalid};

/// Fields of one question.
const FIELDS_MAX: usize = 64;

/// Bytes of one field's path.
const PATH_BYTES_MAX: usize = 512;

/// Fields within fields.
const DEPTH_MAX: usize = 32;

/// What tells an object from others is always there.
const ALWAYS: [&[&str]; 6] = [
    &["apiVersion"],
    &["kind"],
    &["metadata", "name"],
    &["metadata", "namespace"],
    &["metadata", "uid"],
    &["metadata", "creationTimestamp"],
];

/// A mask: paths of names. None of them means everything.
#[derive(Debug, Default)]
pub(super) struct Fields(Vec<Vec<String>>);

impl Fields {
    /// Reads `status.phase`, `spec.containers.name`, `.spec.containers[*].name`.
    pub(super) fn parse(fields: &[String]) -> Result<Self, Shut> {
        if fields.len() > FIELDS_MAX {
            return Err(invalid(format!("`fields` has more than {FIELDS_MAX} entries")));
        }
        let mut paths: Vec<Vec<String>> = Vec::new();
        for field in fields {
            let path = path(field).ok_or_else(|| {
                invalid(
                    "a field is written like `status.phase` or `spec.containers.name`".to_owned(),
                )
            })?;
            paths.push(path);
        }
        if !paths.is_empty() {
            let always = |path: &&[&str]| path.iter().map(|name| (*name).to_owned()).collect();
            paths.extend(ALWAYS.iter().map(always));
        }
        Ok(Self(paths))
    }

    /// The object, with these fields only.
    pub(super) fn of(&self, object: Value) -> Value {
        if self.0.is_empty() {
            return object;
        }
        let paths: Vec<&[String]> = self.0.iter().map(Vec::as_slice).collect();
        picked(object, &paths).unwrap_or_else(|| Value::Object(Map::new()))
    }
}

fn path(field: &str) -> Option<Vec<String>> {
    if field.len() > PATH_BYTES_MAX {
        return None;
    }
    let field = field.strip_prefix('.').unwrap_or(field);
    let names: Vec<String> = field
        .split('.')
        .map(|name| match name.split_once('[') {
            // Every item is meant anyway.
            Some((name, index)) if index.ends_with(']') => name.to_owned(),
            Some(_) | None => name.to_owned(),
        })
        .collect();
    let fits = names.len() <= DEPTH_MAX && names.iter().all(|name| !name.is_empty());
    fits.then_some(names)
}

fn picked(value: Value, paths: &[&[String]]) -> Option<Value> {
    match value {
        Value::Object(members) => {
            let mut kept = Map::new();
            for (key, member) in members {
                let rests: Vec<&[String]> =
                    paths.iter().filter_map(|path| rest_behind(path, &key)).collect();
                let member = if rests.iter().any(|rest| rest.is_empty()) {
                    Some(member)
                } else if rests.is_empty() {
                    None
                } else {
                    picked(member, &rests)
                };
                if let Some(member) = member {
                    kept.insert(key, member);
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) => {
            let kept: Vec<Value> =
                items.into_iter().filter_map(|item| picked(item, paths)).collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

/// What follows the key in the path. A key may have dots in it, `app.kubernetes.io/name`, and then
/// it is several names of the path.
fn rest_behind<'a>(path: &'a [String], key: &str) -> Option<&'a [String]> {
    let (mut rest, mut left) = (path, key);
    loop {
        let (name, behind) = rest.split_first()?;
        rest = behind;
        left = left.strip_prefix(name.as_str())?;
        if left.is_empty() {
            return Some(rest);
        }
        left = left.strip_prefix('.')?;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pick(object: &Value, fields: &[&str]) -> Value {
        let fields: Vec<String> = fields.iter().map(|field| (*field).to_owned()).collect();
        let Ok(fields) = Fields::parse(&fields) else { panic!("{fields:?}") };
        fields.of(object.clone())
    }

    #[test]
    fn picks_through_lists_and_keeps_what_names_the_object() {
        let object = json!({
            "kind": "Pod",
            "metadata": {
                "name": "web", "uid": "1", "resourceVersion": "7",
                "labels": { "app": "web", "app.kubernetes.io/name": "web" },
            },
            "spec": { "containers": [{ "name": "a", "image": "x" }, { "image": "y" }, { "tty": true }] },
            "status": { "phase": "Running", "podIP": "10.0.0.1" },
        });
        let with = |more: Value| {
            let mut all = json!({ "kind": "Pod", "metadata": { "name": "web", "uid": "1" } });
            for (key, value) in more.as_object().unwrap() {
                all[key] = value.clone();
            }
            all
        };
        for (fields, more) in [
            (&["status.phase"][..], json!({ "status": { "phase": "Running" } })),
            (&[".status.phase", "status"], json!({ "status": object["status"] })),
            (
                &["spec.containers.image", "spec.containers[*].name"],
                json!({ "spec": { "containers": [{ "image": "x", "name": "a" }, { "image": "y" }] } }),
            ),
            (
                &["metadata.labels.app.kubernetes.io/name"],
                json!({ "metadata": {
                    "name": "web", "uid": "1", "labels": { "app.kubernetes.io/name": "web" },
                } }),
            ),
            (&["status.phase.more", "nothing"], json!({})),
        ] {
            assert_eq!(pick(&object, fields), with(more), "{fields:?}");
        }
        assert_eq!(pick(&object, &[]), object);
    }

    #[test]
    fn refuses_what_is_no_field() {
        for field in ["", ".", "a..b", "a.", &"a.".repeat(40), &"a".repeat(600)] {
            assert!(Fields::parse(&[field.to_owned()]).is_err(), "{field}");
        }
        assert!(Fields::parse(&vec!["a".to_owned(); 65]).is_err());
    }
}
