//! Is it a message at all? Looked at before rmcp sees a byte, because rmcp drops what it cannot
//! read, or answers it with something else than the error that the specification names.

use std::fmt;

use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, ErrorData, GetMeta, JsonRpcError,
    JsonRpcMessage, RequestId,
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::domain::limits::JSON_DEPTH_MAX;

/// The message and its `params` are two levels around the arguments.
const ENVELOPE_DEPTH: usize = 2;

/// Input that is no message, and what to say about it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Rejection {
    /// The id of the request, where it could be read.
    pub(super) id: Option<RequestId>,
    /// What is wrong.
    pub(super) error: ErrorData,
    /// Whether it looks like an answer. Two peers that answer each other's broken answers never stop.
    pub(super) is_answer: bool,
}

impl Rejection {
    pub(super) fn new(id: Option<RequestId>, code: ErrorCode, text: impl Into<String>) -> Self {
        Self { id, error: ErrorData::new(code, text.into(), None), is_answer: false }
    }

    /// Input that is larger than a message may be.
    pub(super) fn too_large(bytes_max: usize) -> Self {
        Self::new(
            None,
            ErrorCode::INVALID_REQUEST,
            format!("the message is larger than {bytes_max} bytes"),
        )
    }

    /// The JSON-RPC error, on one line.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let error = JsonRpcError::new(self.id.clone(), self.error.clone());
        // Strings and integers always serialise; an empty answer would be the worse surprise.
        serde_json::to_vec(&error).unwrap_or_else(|_| {
            br#"{"jsonrpc":"2.0","error":{"code":-32603,"message":"internal error"}}"#.to_vec()
        })
    }
}

/// Reads one message.
pub(super) fn read(bytes: &[u8]) -> Result<ClientJsonRpcMessage, Rejection> {
    let malformed =
        |why: &dyn fmt::Display| Rejection::new(None, ErrorCode::PARSE_ERROR, format!("{why}"));
    let text = std::str::from_utf8(bytes).map_err(|_| malformed(&"the message is not UTF-8"))?;
    if depth(bytes) > JSON_DEPTH_MAX + ENVELOPE_DEPTH {
        return Err(invalid(None, format!("the message nests deeper than {JSON_DEPTH_MAX}")));
    }
    let top: Top = serde_json::from_str(text)
        .map_err(|error| malformed(&format!("the message is not JSON: {error}")))?;
    let envelope = match top {
        Top::Object(envelope) => envelope,
        Top::Array => {
            return Err(invalid(None, "batches are not served: send one message at a time"));
        }
        Top::Other => return Err(invalid(None, "a message is a JSON object")),
    };
    let is_answer = envelope.is_answer();
    let id = envelope.id.request_id();
    envelope
        .check()
        .and_then(|()| parse(text, id.clone()))
        .map_err(|rejection| Rejection { is_answer, ..rejection })
}

fn invalid(id: Option<RequestId>, text: impl Into<String>) -> Rejection {
    Rejection::new(id, ErrorCode::INVALID_REQUEST, text)
}

fn parse(text: &str, id: Option<RequestId>) -> Result<ClientJsonRpcMessage, Rejection> {
    let message: ClientJsonRpcMessage = serde_json::from_str(text).map_err(|error| {
        // What the quick look skips, such as half a surrogate pair, is still no JSON.
        match error.classify() {
            serde_json::error::Category::Data => {
                invalid(id.clone(), "the message is neither request, notification nor answer")
            }
            serde_json::error::Category::Syntax
            | serde_json::error::Category::Eof
            | serde_json::error::Category::Io => Rejection::new(
                id.clone(),
                ErrorCode::PARSE_ERROR,
                format!("the message is not JSON: {error}"),
            ),
        }
    })?;
    // rmcp takes a method with parameters of the wrong shape for one that it does not know. Since
    // 2026-07-28, when each request names its version, this one is indeed unknown.
    if let JsonRpcMessage::Request(request) = &message
        && let ClientRequest::CustomRequest(custom) = &request.request
        && custom.method == "initialize"
        && custom.get_meta().protocol_version().is_none()
    {
        return Err(Rejection::new(
            id,
            ErrorCode::INVALID_PARAMS,
            "`initialize` needs `protocolVersion`, `capabilities` and `clientInfo` with `name` \
             and `version`",
        ));
    }
    Ok(message)
}

/// How deep arrays and objects nest. Right for JSON; for anything else the parser has the word.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut escaped) = (0usize, 0, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The outermost value.
enum Top {
    Object(Envelope),
    Array,
    Other,
}

/// The members that make an object a message; the rest is not looked at.
#[derive(Default)]
struct Envelope {
    jsonrpc: Member,
    id: Member,
    method: Member,
    params: Member,
    result: Member,
    error: Member,
    /// A member that appears twice. Two readers could take different ones.
    twice: Option<&'static str>,
}

/// What kind of value a member has.
#[derive(Default)]
enum Member {
    #[default]
    Absent,
    Null,
    Integer(i64),
    Text(String),
    Object,
    Other,
}

impl Member {
    fn is_present(&self) -> bool {
        !matches!(self, Self::Absent)
    }

    fn request_id(&self) -> Option<RequestId> {
        match self {
            Self::Integer(n) => Some(RequestId::Number(*n)),
            Self::Text(text) => Some(RequestId::String(text.as_str().into())),
            Self::Absent | Self::Null | Self::Object | Self::Other => None,
        }
    }
}

impl Envelope {
    fn is_answer(&self) -> bool {
        !self.method.is_present() && (self.result.is_present() || self.error.is_present())
    }

    fn check(&self) -> Result<(), Rejection> {
        let id = self.id.request_id();
        if let Some(name) = self.twice {
            return Err(invalid(None, format!("`{name}` appears twice")));
        }
        if !matches!(&self.jsonrpc, Member::Text(version) if version == "2.0") {
            return Err(invalid(id, "`jsonrpc` must be \"2.0\""));
        }
        if self.is_answer() {
            return Ok(());
        }
        if !matches!(self.method, Member::Text(_)) {
            return Err(invalid(id, "`method` must be a string"));
        }
        if self.result.is_present() || self.error.is_present() {
            return Err(invalid(id, "a message is a request or an answer, not both"));
        }
        if self.id.is_present() && id.is_none() {
            return Err(invalid(None, "`id` must be a string or an integer"));
        }
        if !matches!(self.params, Member::Absent | Member::Object) {
            return Err(invalid(id, "`params` must be an object"));
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Top {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TopVisitor)
    }
}

struct TopVisitor;

impl<'de> Visitor<'de> for TopVisitor {
    type Value = Top;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Top, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(key) = map.next_key::<String>()? {
            let (slot, name) = match key.as_str() {
                "jsonrpc" => (&mut envelope.jsonrpc, "jsonrpc"),
                "id" => (&mut envelope.id, "id"),
                "method" => (&mut envelope.method, "method"),
                "params" => (&mut envelope.params, "params"),
                "result" => (&mut envelope.result, "result"),
                "error" => (&mut envelope.error, "error"),
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            let seen = slot.is_present();
            *slot = map.next_value()?;
            if seen {
                envelope.twice = Some(name);
            }
        }
        Ok(Top::Object(envelope))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Top, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Top::Array)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Top, E> {
        Ok(Top::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Top, E> {
        Ok(Top::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Top, E> {
        Ok(Top::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Top, E> {
        Ok(Top::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Top, E> {
        Ok(Top::Other)
    }

    fn visit_unit<E>(self) -> Result<Top, E> {
        Ok(Top::Other)
    }
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MemberVisitor)
    }
}

struct MemberVisitor;

impl<'de> Visitor<'de> for MemberVisitor {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Member, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Member::Object)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Member, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Member::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Member, E> {
        Ok(Member::Integer(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Member, E> {
        Ok(i64::try_from(number).map_or(Member::Other, Member::Integer))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Member, E> {
        Ok(Member::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Member, E> {
        Ok(Member::Text(text.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Member, E> {
        Ok(Member::Null)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejection(text: &str) -> String {
        match read(text.as_bytes()) {
            Ok(_) => "accepted".to_owned(),
            Err(rejection) => String::from_utf8(rejection.to_json()).unwrap(),
        }
    }

    #[test]
    fn names_the_error_of_every_kind_of_nonsense() {
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}1{}}}"#,
            r#"{"a":"#.repeat(70),
            "}".repeat(70)
        );
        for (text, code, id) in [
            ("", -32700, None),
            ("{", -32700, None),
            ("nonsense", -32700, None),
            ("{} {}", -32700, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#, -32700, None),
            ("[]", -32600, None),
            (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600, None),
            ("1", -32600, None),
            ("null", -32600, None),
            (r#""text""#, -32600, None),
            ("{}", -32600, None),
            (r#"{"id":1,"method":"ping"}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, -32600, Some(r#""a""#)),
            (r#"{"jsonrpc":2.0,"id":1,"method":"ping"}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":true,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":18446744073709551615,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":1}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","params":[1]}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#, -32600, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":"initialize"}"#, -32602, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, -32602, Some("1")),
            (deep.as_str(), -32600, None),
        ] {
            let shown = rejection(text);
            assert!(shown.contains(&format!(r#""code":{code}"#)), "{text}: {shown}");
            match id {
                Some(id) => assert!(shown.contains(&format!(r#""id":{id},"#)), "{text}: {shown}"),
                None => assert!(!shown.contains(r#""id""#), "{text}: {shown}"),
            }
            assert!(!shown.contains('\n'));
        }
        assert!(matches!(read(b"\xff{}"), Err(r) if r.error.code == ErrorCode::PARSE_ERROR));
    }

    #[test]
    fn accepts_messages() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"x"}}"#,
            r#"{"jsonrpc":"2.0","id":-1,"method":"no/such","params":{},"extra":[1]}"#,
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
            r#" {"method":"ping","id":0,"jsonrpc":"2.0"} "#,
        ] {
            assert_eq!(rejection(text), "accepted", "{text}");
        }
    }

    #[test]
    fn knows_a_broken_answer_from_a_broken_request() {
        let broken = read(br#"{"jsonrpc":"1.0","id":1,"result":{}}"#).unwrap_err();
        assert!(broken.is_answer);
        let broken = read(br#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#).unwrap_err();
        assert!(!broken.is_answer);
    }

    #[test]
    fn counts_depth_outside_of_strings() {
        assert_eq!(depth(br#"{"a":[["[[[\"{"]]}"#), 3);
        assert_eq!(depth(b"]]]]"), 0);
    }
}
