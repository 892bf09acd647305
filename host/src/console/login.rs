//! Entering and leaving.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, StatusCode, header};
use maud::{Markup, html};

use super::form::Form;
use super::layout::{document, notice};
use super::sessions::{LIVES, Session};
use super::site::Site;
use crate::governance::approval::Approver;

/// A code is 56 bytes and a name, in base64.
const CODE_CHARS_MAX: usize = 512;

/// Shows where to enter. A code in the address is used by the button and not by the look: what
/// looks at an address in advance must not spend it.
pub(super) async fn show(request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let code = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "code");
    let code = code.map(|(_, code)| code.into_owned()).filter(|code| is_code(code));
    let content = html! {
        div.login {
            h1 { "Toolgate console" }
            form method="post" action="/login" {
                @match code {
                    Some(code) => {
                        input type="hidden" name="code" value=(code);
                        p { "The code is there. It opens once, within two minutes." }
                        button.primary type="submit" autofocus { "Sign in" }
                    }
                    None => { (ask()) }
                }
            }
        }
    };
    document("Sign in", None, &content).into_response()
}

fn ask() -> Markup {
    html! {
        p { "On the machine that runs Toolgate, in the account that it runs in:" }
        pre { code { "toolgate console" } }
        p { "Open the address that it prints, or paste the code from it." }
        label for="code" { "Code" }
        input #code name="code" type="password" autocomplete="off" required maxlength=(CODE_CHARS_MAX);
        button.primary type="submit" { "Sign in" }
    }
}

fn is_code(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    !text.is_empty() && text.len() <= CODE_CHARS_MAX && text.bytes().all(fits)
}

/// Uses a code.
pub(super) async fn enter(State(site): State<Arc<Site>>, request: Request) -> Response {
    if let Some(wait) = site.sessions.wait() {
        let text = "Too many codes that open nothing. Wait some seconds, and ask for a new one.";
        let mut response = notice(StatusCode::TOO_MANY_REQUESTS, "Wait", text);
        let seconds = wait.as_secs().saturating_add(1);
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return response;
    }
    let form = match Form::read(request).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let user = site.door.admit(form.field("code").trim(), site.now());
    let Some(approver) = user.and_then(|user| Approver::local(&user).ok()) else {
        site.sessions.failed();
        tracing::warn!("a login to the console was refused: its code opens nothing");
        let text = "A code opens once, within two minutes, and only the console that it was made \
                    for. Run `toolgate console` again.";
        return notice(StatusCode::FORBIDDEN, "The code opens nothing", text);
    };
    match site.sessions.begin(approver.clone()) {
        Ok(token) => {
            tracing::info!(%approver, "signed in to the console");
            let cookie = cookie(&site.cookie, &token, LIVES.as_secs());
            (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie)], [(header::LOCATION, "/")])
                .into_response()
        }
        Err(error) => {
            tracing::error!(%error, "the console has no random numbers");
            notice(StatusCode::INTERNAL_SERVER_ERROR, "Not now", "No session can begin.")
        }
    }
}

/// Ends the session.
pub(super) async fn leave(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
    request: Request,
) -> Response {
    if let Err(response) = Form::of(request, &session).await {
        return response;
    }
    site.sessions.end(&session);
    let cookie = cookie(&site.cookie, "", 0);
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie)], [(header::LOCATION, "/login")])
        .into_response()
}

/// No script reads it and no other site makes the browser send it. Not `Secure`: loopback speaks
/// plain HTTP, and some browsers then keep such a cookie to themselves.
fn cookie(name: &str, token: &str, lives_s: u64) -> String {
    format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict; Max-Age={lives_s}")
}
