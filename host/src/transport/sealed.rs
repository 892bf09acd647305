//! What a client carries between a question and the answer to it, where there is no session: sealed,
//! so that it is for one caller, one tool and the same arguments, and for no longer than the request.
//!
//! It needs no list of what was spent: an approval takes one answer of a person, and one effect.

use std::time::Duration;

use rmcp::model::{RequestStateCodec, SealOptions};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::confirm::Question;
use crate::domain::name::{ApprovalId, ToolName};
use crate::domain::principal::Principal;

/// The longest state that is looked at; ours have some 250 bytes.
const STATE_BYTES_MAX: usize = 1_024;

/// Seals for as long as the process lives: what waits for an answer lives no longer either.
pub(super) struct Seal(RequestStateCodec);

/// What a state says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct State {
    approval: String,
    request: String,
}

/// The request that a state is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opened {
    pub(super) approval: ApprovalId,
    pub(super) request_sha256: String,
}

impl Seal {
    /// With a key of its own, or none where the system has no random numbers: then nobody is asked.
    pub(super) fn new() -> Option<Self> {
        let mut key = [0u8; 32];
        let drawn = getrandom::fill(&mut key).map_err(|error| error.to_string());
        let codec = drawn.and_then(|()| {
            RequestStateCodec::try_new(key.to_vec()).map_err(|error| error.to_string())
        });
        codec.map(Self).inspect_err(|why| tracing::error!(why, "no key for questions")).ok()
    }

    /// The state that goes with a question about this call.
    pub(super) fn close(&self, call: &[u8; 32], question: &Question) -> Option<String> {
        let Question { id, request_sha256, lapses_in, .. } = question;
        let state = State { approval: id.to_string(), request: request_sha256.clone() };
        // A moment more, so that a request that has lapsed is told as that.
        let ttl = *lapses_in + Duration::from_mins(1);
        self.0.seal_json_with(&state, &SealOptions::new().associated_data(call).ttl(ttl)).ok()
    }

    /// What a state says, if it is ours and for this call. Why not is nothing for who sent it.
    pub(super) fn open(&self, call: &[u8; 32], state: &str) -> Option<Opened> {
        if state.len() > STATE_BYTES_MAX {
            return None;
        }
        let opened = self.0.open_json_with::<State>(state, call);
        let opened = opened.inspect_err(|error| tracing::debug!(%error, "a state is none of ours"));
        let State { approval, request } = opened.ok()?;
        Some(Opened { approval: approval.parse().ok()?, request_sha256: request })
    }
}

/// A digest of who calls what with which arguments. The order of keys is a client's own business.
pub(super) fn fingerprint(
    principal: &Principal,
    tool: &ToolName,
    arguments: &Map<String, Value>,
) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in [principal.to_string().as_str(), tool.as_str()] {
        text(&mut digest, part);
    }
    object(&mut digest, arguments);
    digest.finalize().into()
}

fn text(digest: &mut Sha256, text: &str) {
    digest.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
    digest.update(text.as_bytes());
}

fn object(digest: &mut Sha256, object: &Map<String, Value>) {
    let mut fields: Vec<_> = object.iter().collect();
    fields.sort_by_key(|(name, _)| *name);
    digest.update(b"{");
    for (name, field) in fields {
        text(digest, name);
        value(digest, field);
    }
    digest.update(b"}");
}

/// Depth is bounded where messages are read.
fn value(digest: &mut Sha256, of: &Value) {
    match of {
        Value::Object(fields) => object(digest, fields),
        Value::Array(items) => {
            digest.update(b"[");
            for item in items {
                value(digest, item);
            }
            digest.update(b"]");
        }
        Value::String(string) => {
            digest.update(b"\"");
            text(digest, string);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            digest.update(b"=");
            text(digest, &of.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(who: &str, tool: &str, arguments: &Value) -> [u8; 32] {
        let arguments = arguments.as_object().unwrap();
        fingerprint(&Principal::local(who), &tool.parse().unwrap(), arguments)
    }

    fn question() -> Question {
        Question {
            id: "h6h3hjnnt4vehcgs".parse().unwrap(),
            request_sha256: "0".repeat(64),
            text: "text".to_owned(),
            reason_required: false,
            lapses_in: Duration::from_mins(10),
        }
    }

    #[test]
    fn a_state_is_for_one_caller_one_tool_and_the_same_arguments() {
        let seal = Seal::new().unwrap();
        let arguments = json!({"a": 1, "b": {"c": ["x"], "d": null}});
        let state = seal.close(&of("ada", "restart", &arguments), &question()).unwrap();
        let reordered = json!({"b": {"d": null, "c": ["x"]}, "a": 1});
        let opened = seal.open(&of("ada", "restart", &reordered), &state).unwrap();
        assert_eq!((&opened.approval, opened.request_sha256), (&question().id, "0".repeat(64)));
        for (who, tool, arguments) in [
            ("bob", "restart", arguments.clone()),
            ("ada", "delete", arguments.clone()),
            ("ada", "restart", json!({"a": 1, "b": {"c": ["x"]}})),
            ("ada", "restart", json!({"a": "1", "b": {"c": ["x"], "d": null}})),
            ("ada", "restart", json!({"a": 1, "b": {"c": ["x", "d"], "d": null}})),
        ] {
            assert_eq!(seal.open(&of(who, tool, &arguments), &state), None, "{who} {tool}");
        }
    }

    #[test]
    fn a_state_that_was_touched_or_is_old_or_anothers_says_nothing() {
        let seal = Seal::new().unwrap();
        let call = of("ada", "restart", &json!({}));
        let state = seal.close(&call, &question()).unwrap();
        for at in 0..state.len() {
            let mut touched = state.clone().into_bytes();
            touched[at] = if touched[at] == b'A' { b'B' } else { b'A' };
            let touched = String::from_utf8(touched).unwrap();
            assert_eq!(seal.open(&call, &touched), None, "byte {at} of {touched}");
        }
        assert_eq!(Seal::new().unwrap().open(&call, &state), None, "another process");
        for text in ["", "rs1", "rs1..", &"x".repeat(STATE_BYTES_MAX + 1)] {
            assert_eq!(seal.open(&call, text), None, "{text}");
        }
    }
}
