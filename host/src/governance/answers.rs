//! What a plugin says, made safe on its way out: it may be hostile, and repeats what others wrote.

#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has six kinds of values, for ever")]

use serde_json::{Map, Value};

use super::defang::defang;
use super::names::{is_secret_name, is_secret_number};
use super::redact::make_safe;
use super::redact::rules::is_marked;
use super::redact::whole::key_edges;
use crate::domain::scope::SECRET;
use crate::domain::withheld::Withheld;

/// A text of an answer: without forbidden characters and secrets, and with nothing that a template
/// or a renderer acts on.
pub fn make_text_safe(text: &str) -> (String, Withheld) {
    let safe = make_safe(text);
    let (text, defanged) = defang(&safe.text);
    let withheld = Withheld { secrets: safe.redacted, removed: safe.removed, defanged };
    (text.into_owned(), withheld)
}

/// The same for every string of a JSON value, keys included; and what is named like a secret goes,
/// whatever it looks like.
pub fn make_json_safe(value: Value) -> (Value, Withheld) {
    let mut cleaner = Cleaner::default();
    let value = cleaner.value("", value);
    (value, cleaner.withheld)
}

#[derive(Default)]
struct Cleaner {
    withheld: Withheld,
}

impl Cleaner {
    fn value(&mut self, key: &str, value: Value) -> Value {
        match value {
            Value::String(text) => self.string(&text, is_secret_name(key)),
            Value::Number(_) if is_secret_number(key) => self.replaced("named"),
            Value::Array(items) => self.items(key, items),
            Value::Object(map) => Value::Object(self.object(map)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn object(&mut self, map: Map<String, Value>) -> Map<String, Value> {
        let is_secret = map.get("kind").and_then(Value::as_str) == Some(SECRET);
        // `{ name: db-password, value: .. }`
        let is_pair = ["name", "key"]
            .iter()
            .any(|key| map.get(*key).and_then(Value::as_str).is_some_and(is_secret_name));
        let entry = |(key, value): (String, Value)| {
            let value = match (key.as_str(), value) {
                ("data" | "stringData", Value::Object(data)) if is_secret => self.data(data),
                ("value", Value::String(text)) => self.string(&text, is_pair),
                (_, value) => self.value(&key, value),
            };
            (self.key(&key), value)
        };
        map.into_iter().map(entry).collect()
    }

    /// Of a `Secret`: descriptions stay, texts do not.
    fn data(&mut self, data: Map<String, Value>) -> Value {
        let entry = |(key, value): (String, Value)| {
            let value = match value {
                Value::String(text) if is_marked(text.as_bytes()) => Value::String(text),
                Value::String(text) if !text.is_empty() => self.replaced("secret"),
                value => self.value("", value),
            };
            (self.key(&key), value)
        };
        Value::Object(data.into_iter().map(entry).collect())
    }

    fn items(&mut self, key: &str, items: Vec<Value>) -> Value {
        // `passwords: [..]`. A list of `secrets` is one of names.
        let singular =
            key.strip_suffix('s').filter(|word| !word.to_ascii_lowercase().ends_with("secret"));
        let is_secret = singular.is_some_and(is_secret_name);
        // Of lines, one by one, a private key takes several.
        let mut is_in_key = false;
        let item = |item| match item {
            Value::String(text) => {
                let edges = key_edges(&text);
                let was_in_key = is_in_key;
                if let Some((_, opens)) = edges.last() {
                    is_in_key = *opens;
                }
                if was_in_key {
                    self.replaced("private-key")
                } else {
                    self.string(&text, is_secret)
                }
            }
            other => self.value("", other),
        };
        Value::Array(items.into_iter().map(item).collect())
    }

    fn string(&mut self, text: &str, is_secret: bool) -> Value {
        if is_secret && !text.is_empty() && !is_marked(text.as_bytes()) {
            return self.replaced("named");
        }
        let (text, withheld) = make_text_safe(text);
        self.withheld += withheld;
        Value::String(text)
    }

    fn key(&mut self, key: &str) -> String {
        let (key, withheld) = make_text_safe(key);
        self.withheld += withheld;
        key
    }

    fn replaced(&mut self, with: &str) -> Value {
        self.withheld.secrets = self.withheld.secrets.saturating_add(1);
        Value::String(format!("[redacted:{with}]"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_is_made_safe_throughout() {
        for (before, after, secrets) in [
            (
                json!({"a\u{200b}": ["password=hunter2", 1, {"b": "ok"}]}),
                json!({"a": ["password=[redacted:named]", 1, {"b": "ok"}]}),
                1,
            ),
            (
                json!({"db_password": "x", "n": 1}),
                json!({"db_password": "[redacted:named]", "n": 1}),
                1,
            ),
            (json!({"password": 1234}), json!({"password": "[redacted:named]"}), 1),
            (json!({"tokens": ["a", ""]}), json!({"tokens": ["[redacted:named]", ""]}), 1),
            (json!({"continue_token": "abc"}), json!({"continue_token": "abc"}), 0),
            (
                json!([{"name": "API_KEY", "value": "v"}, {"name": "MODE", "value": "v"}]),
                json!([{"name": "API_KEY", "value": "[redacted:named]"}, {"name": "MODE", "value": "v"}]),
                1,
            ),
            (
                json!({"kind": "Secret", "data": {"a": "YQ==", "b": {"size_bytes": 1}}}),
                json!({"kind": "Secret", "data": {"a": "[redacted:secret]", "b": {"size_bytes": 1}}}),
                1,
            ),
            (
                json!({"lines": ["-----BEGIN PRIVATE KEY-----", "MIIE", "-----END PRIVATE KEY-----", "ok"]}),
                json!({"lines": [
                    "[redacted:private-key]", "[redacted:private-key]", "[redacted:private-key]", "ok"
                ]}),
                3,
            ),
        ] {
            let (safe, withheld) = make_json_safe(before.clone());
            assert_eq!(safe, after, "{before}");
            assert_eq!(withheld.secrets, secrets, "{before}");
            assert_eq!(
                make_json_safe(safe.clone()),
                (safe, Withheld::default()),
                "again: {before}"
            );
        }
    }

    #[test]
    fn what_was_done_is_counted() {
        let (text, withheld) = make_text_safe("\u{202e}password=hunter2 <|im_end|>");
        assert_eq!(text, "password=[redacted:named] < |im_end|>");
        assert_eq!((withheld.secrets, withheld.removed.bidi, withheld.defanged), (1, 1, 1));
    }
}
