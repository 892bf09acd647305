//! What a server answered, with what no two servers can have in common taken out.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::Case;

/// What a `Status` says; all of it is compared unless the case leaves some out.
const OF_A_STATUS: &[&str] =
    &["/status", "/reason", "/message", "/details/kind", "/details/name", "/details/causes"];

static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
/// Where a server stands: others write to a real one meanwhile.
static CURRENT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"current: (\d+|\$\w+)").unwrap());
static UID: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}").unwrap());

pub(super) struct Answer {
    pub(super) code: u16,
    body: Value,
    plain: Value,
}

impl Answer {
    pub(super) fn new(code: u16, text: &str, words: &BTreeMap<String, String>) -> Self {
        let body = serde_json::from_str(text).unwrap_or_else(|_| {
            // A watch answers with one object in each line.
            let lines: Result<Vec<Value>, _> = text.lines().map(serde_json::from_str).collect();
            match lines {
                Ok(events) if !events.is_empty() => json!({ "kind": "Watch", "events": events }),
                _ => Value::String(text.to_owned()),
            }
        });
        let mut plain = body.clone();
        generalise(&mut plain, words);
        Self { code, body, plain }
    }

    /// A part of the answer as it came.
    pub(super) fn raw(&self, pointer: &str) -> Value {
        self.body.pointer(pointer).cloned().unwrap_or_default()
    }

    /// A part of the answer, or `/code`, without what is only this server's.
    pub(super) fn at(&self, pointer: &str) -> Value {
        match pointer {
            "/code" => json!(self.code),
            // Which fields there are, whatever they hold.
            _ if pointer.ends_with("/#keys") => {
                let whole = self.plain.pointer(pointer.trim_end_matches("/#keys"));
                let map = whole.and_then(Value::as_object);
                json!(map.map(|map| map.keys().collect::<Vec<_>>()))
            }
            // How many there are.
            _ if pointer.ends_with("/#count") => {
                let whole = self.plain.pointer(pointer.trim_end_matches("/#count"));
                json!(whole.and_then(Value::as_array).map(Vec::len))
            }
            // One field of each of them.
            _ => match pointer.split_once("/*") {
                Some((list, field)) => {
                    let list = self.plain.pointer(list).and_then(Value::as_array);
                    let of = |item: &Value| item.pointer(field).cloned().unwrap_or_default();
                    json!(list.map(|items| items.iter().map(of).collect::<Vec<_>>()))
                }
                None => self.plain.pointer(pointer).cloned().unwrap_or_default(),
            },
        }
    }
}

/// Takes times, identities and versions out of every text.
fn generalise(value: &mut Value, words: &BTreeMap<String, String>) {
    match value {
        Value::String(text) => {
            for (word, value) in words {
                if !value.is_empty() {
                    *text = text.replace(value, word);
                }
            }
            *text = TIME.replace_all(text, "<time>").into_owned();
            *text = UID.replace_all(text, "<uid>").into_owned();
            *text = CURRENT.replace_all(text, "current: <version>").into_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| generalise(item, words)),
        Value::Object(map) => map.values_mut().for_each(|item| generalise(item, words)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What differs: `case: pointer`, and both sides of it.
pub(super) fn compare(case: &Case, embedded: &Answer, real: &Answer) -> BTreeMap<String, String> {
    let mut pointers = vec!["/code", "/kind"];
    if real.at("/kind") == json!("Status") || embedded.at("/kind") == json!("Status") {
        pointers.extend(OF_A_STATUS);
    }
    pointers.extend(case.compare.iter().map(String::as_str));
    // A body that is text is compared as a whole.
    if real.body.is_string() || embedded.body.is_string() {
        pointers.push("");
    }
    let mut differences = BTreeMap::new();
    for pointer in pointers {
        let (mut here, mut there) = (embedded.at(pointer), real.at(pointer));
        if case.unordered {
            for list in [&mut here, &mut there] {
                if let Some(list) = list.as_array_mut() {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
        if here != there && !case.ignore.iter().any(|ignored| ignored == pointer) {
            let how = format!("    embedded {here}\n    real     {there}");
            let part = if pointer.is_empty() { "body" } else { pointer };
            differences.insert(format!("{}: {part}", case.name), how);
        }
    }
    differences
}
