//! Whole objects of a cluster, made safe: what is no operator's business is left out, and what is
//! or may be secret is replaced. Read [`make_object_safe`] first.

#![expect(clippy::wildcard_enum_match_arm, reason = "JSON has six kinds of values, for ever")]

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use super::documents::{self, Document};
use super::names::{is_env_name, is_secret_name, is_secret_number};
use super::redact::make_safe;
use super::redact::whole::key_edges;
use crate::domain::scope::SECRET;
use crate::domain::withheld::Removed;

/// What `kubectl apply` wrote last: the whole object again, with all that was in it.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Objects within texts within objects: deeper, nobody reads them.
const EMBEDDED_DEPTH_MAX: u32 = 2;

/// An object that may leave the host.
#[derive(Debug)]
pub struct SafeObject {
    /// The object.
    pub value: Value,
    /// Values that were replaced.
    pub redacted: u32,
    /// Characters that were removed.
    pub removed: Removed,
}

/// Leaves out managed fields and the last applied configuration; replaces the values of secrets, of
/// environment variables and of whatever is named or looks like a credential; cleans every text.
pub fn make_object_safe(kind: &str, value: Value) -> SafeObject {
    let mut cleaner = Cleaner::default();
    let value = match value {
        Value::Object(map) => Value::Object(cleaner.object(map, kind == SECRET)),
        other => cleaner.value("", other),
    };
    SafeObject { value, redacted: cleaner.redacted, removed: cleaner.removed }
}

/// Makes fingerprints of one run of the host incomparable with those of another, and a search for
/// the value behind one impossible.
static SALT: LazyLock<Option<[u8; 32]>> = LazyLock::new(|| {
    let mut salt = [0; 32];
    match getrandom::fill(&mut salt) {
        Ok(()) => Some(salt),
        Err(error) => {
            tracing::error!(%error, "no random numbers, so secrets have no fingerprints");
            None
        }
    }
});

/// 32 bits: enough to see that two values differ, too few to find one by.
fn fingerprint(bytes: &[u8]) -> Option<String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(SALT.as_ref()?).ok()?;
    mac.update(bytes);
    let digest = mac.finalize().into_bytes();
    let first: [u8; 4] = digest.first_chunk().copied()?;
    Some(format!("{:08x}", u32::from_be_bytes(first)))
}

fn described(bytes: &[u8]) -> Value {
    match fingerprint(bytes) {
        Some(fingerprint) => json!({ "size_bytes": bytes.len(), "fingerprint": fingerprint }),
        None => json!({ "size_bytes": bytes.len() }),
    }
}

#[derive(Default)]
struct Cleaner {
    redacted: u32,
    removed: Removed,
    embedded: u32,
}

impl Cleaner {
    fn object(&mut self, mut map: Map<String, Value>, is_secret: bool) -> Map<String, Value> {
        if map.get("managedFields").is_some_and(Value::is_array) {
            map.remove("managedFields");
        }
        let kind = map.get("kind").and_then(Value::as_str).unwrap_or_default();
        let (is_secret, is_config) = (is_secret || kind == SECRET, kind == "ConfigMap");
        // `{ name: db-password, value: .. }`, as environments and charts have it.
        let is_secret_pair = ["name", "key"]
            .iter()
            .any(|key| map.get(*key).and_then(Value::as_str).is_some_and(is_secret_name));
        let mut safe = Map::new();
        for (key, value) in map {
            let value = match (key.as_str(), value) {
                ("data" | "stringData", Value::Object(data)) if is_secret => {
                    self.secret(data, key == "data")
                }
                // Whatever else it is, it is not shown.
                ("data" | "stringData", _) if is_secret => self.replaced("secret"),
                ("data", Value::Object(data)) if is_config => self.config(data),
                ("binaryData", Value::Object(data)) if is_config => self.secret(data, true),
                ("annotations", Value::Object(mut annotations)) => {
                    if annotations.remove(LAST_APPLIED).is_some() && annotations.is_empty() {
                        continue;
                    }
                    self.config(annotations)
                }
                ("value", Value::String(text)) if is_secret_pair && !text.is_empty() => {
                    self.replaced("named")
                }
                ("value", Value::Number(_)) if is_secret_pair => self.replaced("named"),
                (_, value) => self.value(&key, value),
            };
            safe.insert(self.plain(&key), value);
        }
        safe
    }

    fn value(&mut self, key: &str, value: Value) -> Value {
        match value {
            Value::String(text) if !text.is_empty() && is_secret_name(key) => {
                self.replaced("named")
            }
            Value::String(text) => Value::String(self.text(&text, Document::Unlikely)),
            Value::Number(_) if is_secret_number(key) => self.replaced("named"),
            Value::Array(items) if is_env_name(key) => {
                Value::Array(items.into_iter().map(|item| self.variable(item)).collect())
            }
            Value::Object(map) if is_env_name(key) => Value::Object(self.variables(map)),
            Value::Array(items) => Value::Array(self.items(key, items)),
            Value::Object(map) => Value::Object(self.object(map, false)),
            Value::Null | Value::Bool(_) | Value::Number(_) => value,
        }
    }

    fn items(&mut self, key: &str, items: Vec<Value>) -> Vec<Value> {
        // `passwords: [..]`. A list of `secrets` is one of names.
        let singular =
            key.strip_suffix('s').filter(|word| !word.to_lowercase().ends_with("secret"));
        let is_secret = singular.is_some_and(is_secret_name);
        // `["--password", ".."]`
        let mut follows_flag = false;
        // A private key, line by line.
        let mut is_in_key = false;
        let item = |item| match item {
            Value::String(text) if is_in_key => {
                is_in_key = key_edges(&text).last().is_none_or(|(_, opens)| *opens);
                self.replaced("private-key")
            }
            Value::String(text) if (is_secret || follows_flag) && !text.is_empty() => {
                follows_flag = false;
                self.replaced("named")
            }
            Value::String(text) => {
                let flag = text.strip_prefix('-').filter(|flag| !flag.contains(['=', ' ']));
                follows_flag = flag.is_some_and(is_secret_name);
                is_in_key = key_edges(&text).last().is_some_and(|(_, opens)| *opens);
                Value::String(self.text(&text, Document::Unlikely))
            }
            other => {
                follows_flag = false;
                self.value("", other)
            }
        };
        items.into_iter().map(item).collect()
    }

    /// One of a list of environment variables: `{ name, value }` or `NAME=value`.
    fn variable(&mut self, item: Value) -> Value {
        match item {
            Value::Object(mut map) => {
                let hidden = match map.get("value") {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) if text.is_empty() => None,
                    Some(_) => Some(self.replaced("env")),
                };
                if let Some(hidden) = hidden {
                    map.insert("value".to_owned(), Value::Null);
                    let mut safe = self.object(map, false);
                    safe.insert("value".to_owned(), hidden);
                    return Value::Object(safe);
                }
                Value::Object(self.object(map, false))
            }
            Value::String(text) => match text.split_once('=') {
                Some((name, value)) if !value.is_empty() => {
                    self.redacted = self.redacted.saturating_add(1);
                    Value::String(format!("{}=[redacted:env]", self.plain(name)))
                }
                _ => Value::String(self.text(&text, Document::Unlikely)),
            },
            other => self.value("", other),
        }
    }

    fn variables(&mut self, map: Map<String, Value>) -> Map<String, Value> {
        let variable = |(name, value): (String, Value)| {
            let value = match value {
                Value::String(text) if text.is_empty() => Value::String(text),
                Value::String(_) | Value::Number(_) | Value::Bool(_) => self.replaced("env"),
                other => self.value("", other),
            };
            (self.plain(&name), value)
        };
        map.into_iter().map(variable).collect()
    }

    fn secret(&mut self, data: Map<String, Value>, is_base64: bool) -> Value {
        let entry = |(key, value): (String, Value)| {
            self.redacted = self.redacted.saturating_add(1);
            let value = match value {
                Value::String(text) => {
                    let decoded = is_base64.then(|| STANDARD.decode(&text).ok()).flatten();
                    described(&decoded.unwrap_or_else(|| text.into_bytes()))
                }
                other => described(other.to_string().as_bytes()),
            };
            (self.plain(&key), value)
        };
        Value::Object(data.into_iter().map(entry).collect())
    }

    fn config(&mut self, data: Map<String, Value>) -> Value {
        let entry = |(key, value): (String, Value)| {
            let value = match value {
                Value::String(text) if !text.is_empty() && is_secret_name(&key) => {
                    self.replaced("named")
                }
                Value::String(text) => Value::String(self.text(&text, Document::Likely)),
                other => self.value(&key, other),
            };
            (self.plain(&key), value)
        };
        Value::Object(data.into_iter().map(entry).collect())
    }

    fn replaced(&mut self, with: &str) -> Value {
        self.redacted = self.redacted.saturating_add(1);
        Value::String(format!("[redacted:{with}]"))
    }

    /// A name.
    fn plain(&mut self, text: &str) -> String {
        let safe = make_safe(text);
        self.removed += safe.removed;
        self.redacted = self.redacted.saturating_add(safe.redacted);
        safe.text
    }

    fn text(&mut self, text: &str, likely: Document) -> String {
        if let Some(with) = documents::whole(text, likely) {
            self.redacted = self.redacted.saturating_add(1);
            return format!("[redacted:{with}]");
        }
        if let Some(safe) = self.embedded(text) {
            return safe;
        }
        let safe = self.plain(text);
        let (safe, n) = documents::redact_lines(safe, likely);
        self.redacted = self.redacted.saturating_add(n);
        safe
    }

    /// JSON in a text, where something in it has to be replaced. Else it stays as it was written.
    fn embedded(&mut self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let value: Value = serde_json::from_str(text).ok()?;
        if self.embedded >= EMBEDDED_DEPTH_MAX {
            self.redacted = self.redacted.saturating_add(1);
            return Some("[redacted:nested]".to_owned());
        }
        let mut inner = Self { embedded: self.embedded + 1, ..Self::default() };
        let safe = inner.value("", value);
        if inner.redacted == 0 {
            return None;
        }
        self.redacted = self.redacted.saturating_add(inner.redacted);
        self.removed += inner.removed;
        Some(safe.to_string())
    }
}

#[cfg(test)]
mod tests;
