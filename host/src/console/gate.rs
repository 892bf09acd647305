//! What every request of a browser passes: our own name, our own page, a session; and what every
//! answer carries, so that a browser does nothing with it that we did not mean.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::{self, HOST, HeaderName, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Method, StatusCode};

use super::layout;
use super::sessions::Session;
use super::site::Site;

/// Nothing from elsewhere, nothing inline, no frame around us, no form to elsewhere. Text cannot
/// become script by way of the script either.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; \
     script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 9] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-embedder-policy"), "require-corp"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(), clipboard-read=(), geolocation=(), microphone=(), payment=(), usb=()",
    ),
];

const SEC_FETCH_SITE: &str = "sec-fetch-site";
const SEC_FETCH_MODE: &str = "sec-fetch-mode";

/// Puts the headers on every answer, whatever made it.
pub(super) async fn dress(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Lets through what comes under our name and from our own pages.
pub(super) async fn pass(request: Request, next: Next) -> Response {
    match came_from(request.method(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(Stranger::Host) => layout::notice(
            StatusCode::MISDIRECTED_REQUEST,
            "Not this name",
            "The console answers under names of this machine only, such as 127.0.0.1.",
        ),
        Err(Stranger::Link) => layout::came_by_link(request.uri().path()),
        Err(Stranger::Page) => layout::notice(
            StatusCode::FORBIDDEN,
            "Not from this page",
            "Only the console's own pages may do this. Nothing was changed.",
        ),
    }
}

/// Lets through who has entered, and hands the session on.
pub(super) async fn require_session(
    State(site): State<Arc<Site>>,
    mut request: Request,
    next: Next,
) -> Response {
    match session(&site, request.headers()) {
        Some(session) => {
            request.extensions_mut().insert(session);
            next.run(request).await
        }
        None if request.method() == Method::GET && is_page(request.headers()) => {
            (StatusCode::SEE_OTHER, [(header::LOCATION, "/login")]).into_response()
        }
        None => layout::notice(
            StatusCode::UNAUTHORIZED,
            "Not signed in",
            "The session has ended. Nothing was changed. Run `toolgate console` to sign in again.",
        ),
    }
}

/// Why a request is not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stranger {
    /// A name of ours that is none: a page has made its own name mean this machine.
    Host,
    /// Somebody followed a link on another site.
    Link,
    /// Another site's page does something here.
    Page,
}

fn came_from(method: &Method, headers: &HeaderMap) -> Result<(), Stranger> {
    let host = only(headers, HOST).and_then(|host| host.to_str().ok()).ok_or(Stranger::Host)?;
    if !is_ours(host) {
        return Err(Stranger::Host);
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    // Browsers say it themselves, and no page can change it.
    let site = headers.get_all(SEC_FETCH_SITE).iter().map(HeaderValue::as_bytes);
    let site: Vec<_> = site.collect();
    let origin = headers.contains_key(ORIGIN).then(|| {
        only(headers, ORIGIN).is_some_and(|o| o.as_bytes() == format!("http://{host}").as_bytes())
    });
    // A page that sends no referrer sends no origin of its own either, but `null`.
    let is_null = only(headers, ORIGIN).is_some_and(|origin| origin == "null");
    match (site.as_slice(), origin) {
        // No browser, or an old one; typed, pasted, or opened by a program: reading changes nothing.
        ([] | [b"none"], None) if reads => Ok(()),
        ([], Some(true)) | ([b"same-origin"], None | Some(true)) => Ok(()),
        ([b"same-origin"], Some(false)) if is_null => Ok(()),
        ([b"cross-site" | b"same-site"], None) if reads && is_page(headers) => Err(Stranger::Link),
        _ => Err(Stranger::Page),
    }
}

/// The header's value where there is exactly one.
fn only(headers: &HeaderMap, name: HeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Loopback names, with any port: a tunnel may have another one than we.
fn is_ours(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host();
    let port = host.strip_prefix(name).map(|port| port.strip_prefix(':').unwrap_or(port));
    let is_whole = port.is_some_and(|port| {
        host.len() == name.len() || !port.is_empty() && port.parse::<u16>().is_ok()
    });
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_loopback = address.is_ok_and(|address| address.is_loopback());
    is_whole && (is_loopback || name.eq_ignore_ascii_case("localhost"))
}

/// Whether somebody opens a page, and not a page something of its own.
fn is_page(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_MODE).is_none_or(|mode| mode == "navigate")
}

fn session(site: &Site, headers: &HeaderMap) -> Option<Arc<Session>> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut tokens = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(|(name, _)| *name == site.cookie)
        .map(|(_, token)| token);
    let token = tokens.next()?;
    if tokens.next().is_some() {
        return None; // Whoever adds a second one means to confuse us.
    }
    site.sessions.find(token, is_page(headers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_pages_change_anything() {
        type Row<'a> = (&'a Method, &'a str, &'a [(&'a str, &'a str)], Result<(), Stranger>);
        let get = Method::GET;
        let post = Method::POST;
        let table: [Row<'_>; 19] = [
            (&get, "127.0.0.1:9", &[], Ok(())),
            (&get, "localhost:9", &[("sec-fetch-site", "none")], Ok(())),
            (&get, "[::1]:9", &[("sec-fetch-site", "same-origin")], Ok(())),
            (&get, "127.0.0.1", &[("sec-fetch-site", "cross-site")], Err(Stranger::Link)),
            (&get, "evil.example:9", &[], Err(Stranger::Host)),
            (&get, "127.0.0.1.evil.example", &[], Err(Stranger::Host)),
            (&get, "127.0.0.1@evil.example", &[], Err(Stranger::Host)),
            (&get, "evil@127.0.0.1", &[], Err(Stranger::Host)),
            (&get, "127.0.0.1:x", &[], Err(Stranger::Host)),
            (&get, "", &[], Err(Stranger::Host)),
            (&post, "127.0.0.1:9", &[], Err(Stranger::Page)),
            (&post, "127.0.0.1:9", &[("origin", "http://127.0.0.1:9")], Ok(())),
            (&post, "127.0.0.1:9", &[("origin", "http://127.0.0.1:8")], Err(Stranger::Page)),
            (&post, "127.0.0.1:9", &[("origin", "null")], Err(Stranger::Page)),
            (&post, "127.0.0.1:9", &[("sec-fetch-site", "none")], Err(Stranger::Page)),
            (
                &post,
                "127.0.0.1:9",
                &[("origin", "null"), ("sec-fetch-site", "same-origin")],
                Ok(()),
            ),
            (
                &post,
                "127.0.0.1:9",
                &[("origin", "null"), ("sec-fetch-site", "cross-site")],
                Err(Stranger::Page),
            ),
            (
                &post,
                "127.0.0.1:9",
                &[("origin", "http://localhost:9"), ("sec-fetch-site", "same-origin")],
                Err(Stranger::Page),
            ),
            (
                &get,
                "127.0.0.1:9",
                &[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "cors")],
                Err(Stranger::Page),
            ),
        ];
        for (method, host, headers, expected) in table {
            let mut map = HeaderMap::new();
            map.insert(HOST, host.parse().unwrap());
            for (name, value) in headers {
                map.append(HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
            }
            assert_eq!(came_from(method, &map), expected, "{method} {host} {headers:?}");
        }
    }

    #[test]
    fn headers_that_come_twice_are_nobodys() {
        let mut headers = HeaderMap::new();
        headers.append(HOST, "127.0.0.1".parse().unwrap());
        headers.append(ORIGIN, "http://127.0.0.1".parse().unwrap());
        assert_eq!(came_from(&Method::POST, &headers), Ok(()));
        headers.append(ORIGIN, "http://127.0.0.1".parse().unwrap());
        assert_eq!(came_from(&Method::POST, &headers), Err(Stranger::Page));
        headers.append(HOST, "127.0.0.1".parse().unwrap());
        assert_eq!(came_from(&Method::POST, &headers), Err(Stranger::Host));
    }
}
