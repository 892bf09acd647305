//! What every request is made into before the house sees it: a name, who asks, and with what.

use rmcp::RoleServer;
use rmcp::model::{ErrorData, ProtocolVersion};
use rmcp::service::RequestContext;

use super::convert::{Era, plain};
use crate::domain::name::CallId;
use crate::governance::redact::make_safe;

/// Bytes that a client's words about itself may have in a record.
pub(super) const CLIENT_BYTES_MAX: usize = 128;

/// The key in a request's `_meta` under which a program that serves people says for whom it asks.
pub(super) const ON_BEHALF_OF: &str = "toolgate/on-behalf-of";

/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";

pub(super) fn era(cx: &RequestContext<RoleServer>) -> Era {
    match cx.protocol_version() {
        Some(version) if version >= ProtocolVersion::V_2026_07_28 => Era::Modern,
        Some(_) | None => Era::Legacy,
    }
}

/// What the client says it is, fit for a record.
pub(super) fn client(cx: &RequestContext<RoleServer>) -> Option<String> {
    let info = cx.client_info()?;
    let text = plain(&format!("{}/{}", info.name, info.version), CLIENT_BYTES_MAX);
    (text.len() > 1).then_some(text)
}

/// For whom the caller says to ask, fit for a record. No protocol of ours vouches for it.
pub(super) fn on_behalf_of(cx: &RequestContext<RoleServer>) -> Option<String> {
    let said = cx.meta.get(ON_BEHALF_OF)?.as_str()?;
    let text = make_safe(&plain(said, CLIENT_BYTES_MAX)).text;
    (!text.trim().is_empty()).then_some(text)
}

/// A W3C trace context of a version that we can pass on, or nothing: what the message says comes
/// before what its carrier says, which may be a hop further.
pub(super) fn traceparent(cx: &RequestContext<RoleServer>) -> Option<String> {
    let parts = cx.extensions.get::<http::request::Parts>();
    let header = parts.and_then(|parts| parts.headers.get(TRACEPARENT)?.to_str().ok());
    let said = [cx.meta.get_traceparent(), header];
    said.into_iter().flatten().find(|text| is_traceparent(text)).map(str::to_owned)
}

fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, len: usize| {
        part.len() == len && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let zero = |part: &str| part.bytes().all(|b| b == b'0');
    let mut parts = text.split('-');
    let (Some(version), Some(trace), Some(parent), Some(flags), None) =
        (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    version == "00"
        && hex(trace, 32)
        && hex(parent, 16)
        && hex(flags, 2)
        && !zero(trace)
        && !zero(parent)
}

/// A new name for a call: 16 characters, 82 bits.
pub(super) fn call_id() -> Result<CallId, ErrorData> {
    const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";
    let failed = |why: &dyn std::fmt::Display| {
        tracing::error!(%why, "no name for a call");
        ErrorData::internal_error("the call cannot be named", None)
    };
    let mut id = String::with_capacity(16);
    while id.len() < 16 {
        let mut random = [0u8; 32];
        getrandom::fill(&mut random).map_err(|error| failed(&error))?;
        // 252 is the largest multiple of 36: above it, some letters would come more often.
        let letters = random.iter().filter(|byte| **byte < 252);
        id.extend(
            letters
                .filter_map(|byte| ALPHABET.get(usize::from(*byte) % ALPHABET.len()))
                .map(|letter| char::from(*letter))
                .take(16 - id.len()),
        );
    }
    id.parse().map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_on_valid_trace_contexts_only() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        for (text, valid) in [
            (format!("00-{trace}-00f067aa0ba902b7-01"), true),
            (format!("01-{trace}-00f067aa0ba902b7-01"), false),
            (format!("00-{}-00f067aa0ba902b7-01", trace.to_uppercase()), false),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), false),
            (format!("00-{trace}-0000000000000000-01"), false),
            (format!("00-{trace}-00f067aa0ba902b7-01-x"), false),
            (format!("00-{trace}-00f067aa0ba902b7"), false),
            ("\r\nx: y".to_owned(), false),
        ] {
            assert_eq!(is_traceparent(&text), valid, "{text}");
        }
    }

    #[test]
    fn names_calls_with_letters_and_digits() {
        let (one, other) = (call_id().unwrap(), call_id().unwrap());
        assert_eq!(one.as_str().len(), 16);
        assert_ne!(one, other);
    }
}
