//! How much of a call's arguments is recorded.

use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Map, Value};
use sha2::Sha256;

use super::chain::Hash;
use super::key;
use crate::governance::{names, redact};

/// The level, with names as Kubernetes' audit policy has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing: who called what.
    Metadata,
    /// Arguments, with a fingerprint in place of what looks secret.
    Request,
    /// All, as they came.
    Full,
}

/// What a fingerprint begins with.
const FINGERPRINT: &str = "hmac-sha256:";

/// How deep arguments go; the protocol allows less.
const DEPTH_MAX: usize = 64;

/// Makes the record's version of arguments.
#[derive(Clone)]
pub(super) struct Recorder {
    level: Arguments,
    salt: [u8; 32],
}

impl Recorder {
    pub(super) fn new(level: Arguments, salt: [u8; 32]) -> Self {
        Self { level, salt }
    }

    pub(super) fn arguments(&self, arguments: &Map<String, Value>) -> Option<Value> {
        match self.level {
            Arguments::Metadata => None,
            Arguments::Request => Some(Value::Object(self.object(arguments, 0))),
            Arguments::Full => Some(Value::Object(arguments.clone())),
        }
    }

    fn object(&self, object: &Map<String, Value>, depth: usize) -> Map<String, Value> {
        let entries = object.iter().map(|(name, value)| {
            let value = if is_secret(name, value) {
                Value::String(fingerprint(&self.salt, value))
            } else {
                self.value(value, depth)
            };
            // A name is the caller's text too.
            let name = if redact::redact(name).1 > 0 {
                fingerprint(&self.salt, &Value::String(name.clone()))
            } else {
                name.clone()
            };
            (name, value)
        });
        entries.collect()
    }

    fn value(&self, value: &Value, depth: usize) -> Value {
        match value {
            _ if depth > DEPTH_MAX => Value::String(fingerprint(&self.salt, value)),
            Value::Object(object) => Value::Object(self.object(object, depth + 1)),
            Value::Array(items) => {
                items.iter().map(|item| self.value(item, depth + 1)).collect::<Vec<_>>().into()
            }
            Value::String(text) if redact::redact(text).1 > 0 => {
                Value::String(fingerprint(&self.salt, value))
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null => value.clone(),
        }
    }
}

fn is_secret(name: &str, value: &Value) -> bool {
    match value {
        Value::String(text) => !text.is_empty() && names::is_secret_name(name),
        Value::Array(_) | Value::Object(_) => names::is_secret_name(name),
        Value::Number(_) => names::is_secret_number(name),
        Value::Bool(_) | Value::Null => false,
    }
}

/// 128 bits of an HMAC under the installation's salt: whoever has a value and the salt can tell
/// whether it is the one; nobody reads it from the record. A text counts without quotation marks.
fn fingerprint(salt: &[u8; 32], value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    // Every length of key is a key.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(salt) else { return FINGERPRINT.to_owned() };
    mac.update(text.as_bytes());
    let hash = Hash(mac.finalize().into_bytes().into()).to_string();
    format!("{FINGERPRINT}{}", hash.get(..32).unwrap_or_default())
}

/// The fingerprint that a value has in the log of this folder.
///
/// # Errors
/// Where the folder has no salt and none can be made.
pub fn fingerprint_in(dir: &Dir, text: &str) -> std::io::Result<String> {
    Ok(fingerprint(&key::salt(dir)?, &Value::String(text.to_owned())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_request_keeps_what_is_not_secret_and_a_fingerprint_of_what_is() {
        let arguments = json!({
            "namespace": "shop",
            "password": "hunter2",
            "pin": 4711,
            "nested": {"api_key": ["a", "b"], "note": "mind the gap"},
            "text": "use AKIAIOSFODNN7EXAMPLF or ghp_0123456789abcdefghijABCDEFGHIJ012345",
        });
        let Value::Object(arguments) = arguments else { panic!("an object") };
        let recorder = |level| Recorder::new(level, [7; 32]);
        assert_eq!(recorder(Arguments::Metadata).arguments(&arguments), None);
        let full = recorder(Arguments::Full).arguments(&arguments);
        assert_eq!(full, Some(Value::Object(arguments.clone())));
        let request = recorder(Arguments::Request).arguments(&arguments).unwrap();
        assert_eq!(request["namespace"], "shop");
        assert_eq!(request["pin"], 4711);
        assert_eq!(request["nested"]["note"], "mind the gap");
        for secret in [&request["password"], &request["nested"]["api_key"], &request["text"]] {
            let text = secret.as_str().unwrap();
            assert_eq!(text.strip_prefix(FINGERPRINT).unwrap().len(), 32, "{text}");
        }
        assert_eq!(request["password"], fingerprint(&[7; 32], &json!("hunter2")));
        assert_ne!(request["password"], fingerprint(&[8; 32], &json!("hunter2")));
    }
}
