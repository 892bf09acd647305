//! Forms that come in: small, soon, and of the session that they say.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use http::{StatusCode, header};
use http_body_util::{BodyExt as _, Limited};

use super::layout::notice;
use super::sessions::Session;

/// A reason of 500 characters, each of them spelt out in a form, and the digests around it.
const FORM_BYTES_MAX: usize = 16 << 10;

/// Forms come in one piece.
const FORM_READ_MAX: Duration = Duration::from_secs(10);

/// Fields of the longest form, and some.
const FIELDS_MAX: usize = 16;

/// The fields of a form, each once.
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// Reads a form of anybody.
    ///
    /// # Errors
    /// The answer to what is none.
    pub(super) async fn read(request: Request) -> Result<Self, Response> {
        let media_type = request.headers().get(header::CONTENT_TYPE);
        if media_type.is_none_or(|value| value != "application/x-www-form-urlencoded") {
            return Err(misfit(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Send it as a form."));
        }
        let body = Limited::new(request.into_body(), FORM_BYTES_MAX).collect();
        let bytes = match tokio::time::timeout(FORM_READ_MAX, body).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(_)) => return Err(misfit(StatusCode::PAYLOAD_TOO_LARGE, "It is too large.")),
            Err(_) => return Err(misfit(StatusCode::REQUEST_TIMEOUT, "It came too slowly.")),
        };
        let mut fields = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(&bytes) {
            if fields.len() >= FIELDS_MAX || fields.insert(name.into(), value.into()).is_some() {
                return Err(misfit(StatusCode::BAD_REQUEST, "It has a field too many."));
            }
        }
        Ok(Self(fields))
    }

    /// Reads a form that one of this session's pages must have had.
    ///
    /// # Errors
    /// The answer to one from elsewhere.
    pub(super) async fn of(request: Request, session: &Session) -> Result<Self, Response> {
        let form = Self::read(request).await?;
        if session.owns_form(form.field("form")) {
            return Ok(form);
        }
        Err(misfit(StatusCode::FORBIDDEN, "It is no form of this session. Open the page again."))
    }

    /// A field; what is missing is empty.
    pub(super) fn field(&self, name: &str) -> &str {
        self.0.get(name).map(String::as_str).unwrap_or_default()
    }
}

fn misfit(status: StatusCode, why: &str) -> Response {
    notice(status, "The form does not fit", &format!("{why} Nothing was changed."))
}
