//! One try: a signed request, and what its answer means. No redirect is followed, and nothing of an
//! answer but its status and `Retry-After` is looked at.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use super::backoff::retry_after;
use super::sign::Secret;
use crate::capability::Clock;
use crate::capability::outbox::Message;

/// How long one try may take, from the name's lookup to the status. Receivers are to put a message
/// aside and answer.
const DEADLINE: Duration = Duration::from_secs(10);

/// What is read of an answer's body, so that the connection serves again. Nobody looks at it.
const ANSWER_BYTES_MAX: usize = 4 << 10;

/// How long that may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// How long a connection is kept for the next message.
const IDLE: Duration = Duration::from_secs(30);

/// How much of an error's text is told.
const WHY_CHARS_MAX: usize = 200;

/// What came of a try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tried {
    /// It is taken.
    Taken(u16),
    /// It may be taken another time, and not before that long.
    Again(String, Option<Duration>),
    /// It will not be taken, however often it is sent.
    Never(String),
}

/// Sends a message once.
#[async_trait]
pub(super) trait Post: Send + Sync + 'static {
    async fn post(&self, message: &Message) -> Tried;
}

/// The way to one webhook.
pub(super) struct Line {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    secret: Secret,
    clock: Arc<dyn Clock>,
}

impl Line {
    /// A way that trusts the system's authorities, or those of the PEM text alone. Nothing is
    /// contacted.
    pub(super) fn new(
        url: Uri,
        secret: Secret,
        authorities: Option<&[u8]>,
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let tls = match (url.scheme_str(), authorities) {
            (Some("https"), _) | (_, Some(_)) => tls(authorities)?,
            // Nothing is trusted where nothing is encrypted.
            _ => tls_with(RootCertStore::empty())?,
        };
        let connector = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_max_idle_per_host(1)
            .build(connector);
        Ok(Self { client, url, secret, clock })
    }

    fn request(&self, message: &Message) -> http::Result<Request<Full<Bytes>>> {
        let now = self.clock.now().as_second();
        Request::post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("toolgate/", env!("CARGO_PKG_VERSION")))
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", now)
            .header("webhook-signature", self.secret.sign(&message.id, now, &message.body))
            .body(Full::new(Bytes::copy_from_slice(&message.body)))
    }

    fn read(&self, answer: &Response<Incoming>) -> Tried {
        let status = answer.status();
        let value = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let after = value.and_then(|value| retry_after(value, self.clock.now()));
        meaning(status, after)
    }
}

#[async_trait]
impl Post for Line {
    async fn post(&self, message: &Message) -> Tried {
        let request = match self.request(message) {
            Ok(request) => request,
            Err(error) => return Tried::Never(format!("the request cannot be made: {error}")),
        };
        match tokio::time::timeout(DEADLINE, self.client.request(request)).await {
            Err(_) => {
                Tried::Again(format!("it did not answer within {} s", DEADLINE.as_secs()), None)
            }
            Ok(Err(error)) => Tried::Again(cause(&error), None),
            Ok(Ok(answer)) => {
                let tried = self.read(&answer);
                let rest = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect();
                // What is longer, slower or broken costs the connection, and changes nothing.
                let _ = tokio::time::timeout(ANSWER_WITHIN, rest).await;
                tried
            }
        }
    }
}

/// What a status means for the message.
fn meaning(status: StatusCode, after: Option<Duration>) -> Tried {
    let number = status.as_u16();
    let again = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    if status.is_success() {
        Tried::Taken(number)
    } else if status.is_redirection() {
        Tried::Never(format!("it answered {number}, and no redirect is followed"))
    } else if status.is_client_error() && !again.contains(&status) {
        Tried::Never(format!("it answered {number}"))
    } else {
        Tried::Again(format!("it answered {number}"), after)
    }
}

fn tls(authorities: Option<&[u8]>) -> io::Result<ClientConfig> {
    let Some(pem) = authorities else {
        let trusting = versions()?.with_native_roots().map_err(|error| {
            tracing::debug!(%error, "no authorities of the system");
            invalid("this system trusts no authority, and `ca_file` names none".to_owned())
        })?;
        return Ok(trusting.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| invalid(format!("{error:?}")))?;
        roots.add(certificate).map_err(|error| invalid(error.to_string()))?;
    }
    if roots.is_empty() {
        return Err(invalid("there is no certificate in it".to_owned()));
    }
    tls_with(roots)
}

fn tls_with(roots: RootCertStore) -> io::Result<ClientConfig> {
    Ok(versions()?.with_root_certificates(roots).with_no_client_auth())
}

/// With the one cryptography library that is in the program, whatever else a build brings along.
fn versions() -> io::Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The innermost cause, which is what an operator can act on. It may repeat what a server said.
fn cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string().chars().filter(|c| !c.is_control()).take(WHY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_says_whether_to_come_back() {
        let after = Some(Duration::from_secs(7));
        for (number, expected) in [
            (200, "taken"),
            (204, "taken"),
            (301, "never"),
            (307, "never"),
            (400, "never"),
            (401, "never"),
            (408, "again"),
            (410, "never"),
            (425, "again"),
            (429, "again"),
            (499, "never"),
            (500, "again"),
            (503, "again"),
            (599, "again"),
            (999, "again"),
        ] {
            let seen = match meaning(StatusCode::from_u16(number).unwrap(), after) {
                Tried::Taken(_) => "taken",
                Tried::Again(_, told) => {
                    assert_eq!(told, after);
                    "again"
                }
                Tried::Never(_) => "never",
            };
            assert_eq!(seen, expected, "{number}");
        }
    }
}
