//! What every HTTP request passes before rmcp sees it: the right name and page, a body that is one
//! message and not too large, a session of the caller's own.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use http_body_util::BodyExt;
use rmcp::model::{
    ClientJsonRpcMessage, ClientRequest, ErrorCode, JsonRpcMessage, ProtocolVersion,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::MESSAGE_BYTES_MAX;
use super::jsonrpc::{self, Rejection};
use super::origin::AllowList;
use super::sessions::Sessions;
use crate::domain::principal::Principal;

/// How long a body may take. 4 MiB in this time is a very slow line.
const BODY_READ_MAX: Duration = Duration::from_secs(15);

/// Up to here every body is read. Arguments may have 256 KiB, so what is larger is rarely right.
const SMALL_BYTES_MAX: usize = 512 << 10;

/// Larger bodies at once: reading one can take twenty times its size in memory.
const LARGE_AT_ONCE_MAX: usize = 4;

/// How much of a body is read at all.
const IGNORED_BYTES_MAX: usize = 8 * MESSAGE_BYTES_MAX;

const SESSION_ID: &str = "mcp-session-id";
const PROTOCOL_VERSION: &str = "mcp-protocol-version";

/// What both kinds of answer are called.
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");

/// What the gate looks at.
pub(super) struct Gate {
    allow: AllowList,
    sessions: Arc<Sessions>,
    large: Arc<Semaphore>,
}

/// Lets a request through, or answers it.
pub(super) async fn pass(
    State(gate): State<Arc<Gate>>,
    request: Request,
    next: Next,
) -> Result<Response, Response> {
    gate.allow
        .check(request.uri(), request.headers())
        .map_err(|why| refuse_with(StatusCode::FORBIDDEN, why))?;
    let principal = request.extensions().get().cloned().unwrap_or_else(Principal::loopback);
    if !gate.may_use_session(request.headers(), &principal) {
        return Err(refuse_with(StatusCode::NOT_FOUND, "there is no such session"));
    }
    // Held until rmcp has read the body, too.
    let mut large = None;
    let request = if request.method() == Method::POST {
        let (request, begins) = message(request, &gate.large, &mut large).await?;
        if begins && gate.sessions.is_full().await {
            return Err(busy("there are too many sessions; try again later"));
        }
        request
    } else {
        request
    };
    let response = next.run(request).await;
    if let Some(id) = response.headers().get(SESSION_ID).and_then(|id| id.to_str().ok()) {
        gate.sessions.own(id, principal).await;
    }
    Ok(response)
}

impl Gate {
    pub(super) fn new(allow: AllowList, sessions: Arc<Sessions>) -> Self {
        Self { allow, sessions, large: Arc::new(Semaphore::new(LARGE_AT_ONCE_MAX)) }
    }

    /// Whether the request names no session, or one of the caller's own. Another's is refused as if
    /// it did not exist, and so is one that does not: rmcp would end it and say that it had.
    fn may_use_session(&self, headers: &HeaderMap, principal: &Principal) -> bool {
        // There are no sessions since 2026-07-28, and their id is to be ignored.
        let version = headers.get(PROTOCOL_VERSION).map(HeaderValue::as_bytes);
        if version.is_some_and(|v| v >= ProtocolVersion::V_2026_07_28.as_str().as_bytes()) {
            return true;
        }
        headers
            .get(SESSION_ID)
            .is_none_or(|id| id.to_str().is_ok_and(|id| self.sessions.is_owned_by(id, principal)))
    }
}

/// Reads the body, which must be one message. Says, too, whether it asks for a session.
async fn message(
    request: Request,
    large: &Arc<Semaphore>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<(Request, bool), Response> {
    let (mut parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return Err(refuse_with(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the `Content-Type` must be `application/json`",
        ));
    }
    let bytes = read(body, large, permit).await?;
    let message = jsonrpc::read(&bytes).map_err(|why| refuse(StatusCode::BAD_REQUEST, &why))?;
    if accepts_anything(&parts.headers) {
        parts.headers.insert(ACCEPT, BOTH);
    }
    let begins = !parts.headers.contains_key(SESSION_ID) && is_initialize(&message);
    Ok((Request::from_parts(parts, Body::from(bytes)), begins))
}

/// Reads a body into memory, as far as a message may go.
async fn read(
    body: Body,
    large: &Arc<Semaphore>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Bytes, Response> {
    match tokio::time::timeout(BODY_READ_MAX, collect(body, large, permit)).await {
        Ok(Ok(Collected::Whole(bytes))) => Ok(bytes.into()),
        Ok(Ok(Collected::TooLarge)) => {
            Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, &Rejection::too_large(MESSAGE_BYTES_MAX)))
        }
        Ok(Ok(Collected::NoRoom)) => {
            Err(busy("there are too many large messages; send a smaller one, or try again later"))
        }
        Ok(Err(_)) => Err(refuse_with(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => Err(refuse_with(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
    }
}

enum Collected {
    Whole(Vec<u8>),
    TooLarge,
    NoRoom,
}

/// The bytes of a body. What is too much is let go by for a while, because most clients look for an
/// answer only when they have said everything.
async fn collect(
    mut body: Body,
    large: &Arc<Semaphore>,
    permit: &mut Option<OwnedSemaphorePermit>,
) -> Result<Collected, axum::Error> {
    let (mut kept, mut bytes_seen) = (Collected::Whole(Vec::new()), 0usize);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        bytes_seen = bytes_seen.saturating_add(data.len());
        if bytes_seen > IGNORED_BYTES_MAX {
            return Ok(kept);
        }
        let Collected::Whole(bytes) = &mut kept else { continue };
        if bytes_seen > SMALL_BYTES_MAX && permit.is_none() {
            *permit = large.clone().try_acquire_owned().ok();
        }
        if bytes_seen > MESSAGE_BYTES_MAX {
            (kept, *permit) = (Collected::TooLarge, None);
        } else if bytes_seen > SMALL_BYTES_MAX && permit.is_none() {
            kept = Collected::NoRoom;
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    Ok(kept)
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|text| {
        let essence = text.split_once(';').map_or(text, |(essence, _)| essence);
        essence.trim().eq_ignore_ascii_case("application/json")
    })
}

/// Whether every type of answer will do. rmcp wants to see the two that there are.
fn accepts_anything(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(ACCEPT).iter().peekable();
    accepted.peek().is_none()
        || accepted
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|range| range.trim() == "*/*")
}

fn is_initialize(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request)
        if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

fn busy(why: &str) -> Response {
    let mut response = refuse_with(StatusCode::SERVICE_UNAVAILABLE, why);
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("30"));
    response
}

fn refuse_with(status: StatusCode, why: &str) -> Response {
    refuse(status, &Rejection::new(None, ErrorCode::INVALID_REQUEST, why))
}

fn refuse(status: StatusCode, why: &Rejection) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], why.to_json()).into_response()
}
