//! One request to an API server: its deadline, its retries, and how much of the answer is taken.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::{AuthError, Body};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{sleep, timeout};

use super::connect::{ConnectError, Link, Ready, credentials_problem};
use super::convert::text;
use super::pace::TooFast;
use super::trust::{Trust, trust};
use crate::capability::CapabilityError;

/// A request with its retries, where the operator says nothing else. A person waits for the answer,
/// and one tool call makes several.
pub const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// The pauses before the repetitions of a read, so also their number. Short: they are for a
/// connection that was reset or a server that is being replaced, and the deadline stands above.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_millis(400)];

/// The longest `Retry-After` that is waited for. A server that asks for more is better told to the
/// caller as busy.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(2);

/// A page of 250 pods with their managed fields is about 4 MiB, 500 events 1 MiB; an object can be
/// 1.5 MiB. Four such answers at once must fit into a small pod's memory, decoded.
const RESPONSE_BYTES_MAX: usize = 32 << 20;

/// An error's body: a `Status` is seldom over 1 KiB, and only its message is used.
const STATUS_BYTES_MAX: usize = 64 << 10;

/// Of what the server said, how much goes to the log.
const SAID_BYTES_MAX: usize = 512;

/// Why there is no answer that can be used.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server's answer is an error.
    Answered(ErrorAnswer),
    /// There is no client.
    Connect(ConnectError),
    /// It is not on record, so it was not sent.
    NotRecorded(CapabilityError),
    /// More is asked of the cluster than the operator allows, so it was not sent.
    TooFast(TooFast),
    /// The server has failed several times in a row, so it was not sent.
    LeftAlone(Duration),
    /// The deadline passed.
    TimedOut(Duration),
    /// The credentials could not be renewed.
    Credentials(String),
    /// The server's certificate is not accepted.
    Untrusted(String),
    /// The server does not accept our certificate, and ended the connection.
    Distrusted(String),
    /// The connection failed.
    Transport(String),
    /// The answer is not what it should be.
    Garbage(String),
    /// The request cannot be written down as HTTP.
    Unsendable(String),
    /// The answer is larger than we take.
    TooLarge { bytes_max: usize },
}

/// An answer outside 200 to 299.
#[derive(Debug)]
pub(super) struct ErrorAnswer {
    pub(super) code: u16,
    /// Of the `Status`; else the beginning of the body.
    pub(super) message: String,
    /// Whether the body is a Kubernetes `Status`.
    pub(super) is_status: bool,
    /// Of a `Status` about a page token that has expired: where the list goes on, though with
    /// objects of a later moment.
    pub(super) continue_token: Option<String>,
    retry_after: Option<Duration>,
}

impl std::fmt::Display for ErrorAnswer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, text::one_line(text::prefix(&self.message, SAID_BYTES_MAX)))
    }
}

/// Which part of a body is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) enum Take {
    /// All of it; too much is a failure.
    Whole,
    /// None: that the server said yes is enough.
    Nothing,
}

/// What was taken.
#[derive(Debug)]
pub(super) struct Taken {
    bytes: Vec<u8>,
}

impl Taken {
    pub(super) fn decode<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.bytes).map_err(|error| {
            let error = error.to_string();
            Failure::Garbage(text::prefix(&error, SAID_BYTES_MAX).to_owned())
        })
    }
}

impl Link {
    /// Sends a read, again if that may help.
    pub(super) async fn read(
        &self,
        request: Request<Vec<u8>>,
        take: Take,
    ) -> Result<Taken, Failure> {
        let path = request.uri().path();
        self.guarded(path, self.retried(|| self.once(request.clone(), take))).await
    }

    /// Sends a read whose answer is taken as it comes. The deadline is that of its beginning.
    pub(super) async fn open(&self, request: Request<Vec<u8>>) -> Result<Body, Failure> {
        let path = request.uri().path();
        self.guarded(path, self.retried(|| self.answered(request.clone()))).await
    }

    /// Leaves a server alone that has failed several times in a row.
    async fn guarded<T>(
        &self,
        path: &str,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let attempt = self.breakers.of(path).enter().map_err(Failure::LeftAlone)?;
        let done = work.await;
        match done.as_ref().map_or_else(Failure::blames_server, |_| Some(false)) {
            Some(true) => {
                if attempt.failed() {
                    tracing::warn!(cluster = %self.name, "it fails, and is left alone for a moment");
                }
            }
            Some(false) => attempt.answered(),
            None => drop(attempt),
        }
        done
    }

    /// Repeats what is harmless to repeat, until the deadline.
    async fn retried<T, F: Future<Output = Result<T, Failure>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> Result<T, Failure> {
        let mut last = None;
        let attempts = async {
            for pause in PAUSES {
                match attempt().await {
                    Err(failure) => match failure.pause_before_retry(pause) {
                        Some(pause) => {
                            last = Some(failure);
                            sleep(pause).await;
                        }
                        None => return Err(failure),
                    },
                    done => return done,
                }
            }
            attempt().await
        };
        match (self.in_time(attempts).await, last) {
            // What the server said at first tells more than that there was no time to ask again.
            (Err(Failure::TimedOut(_)), Some(Failure::Answered(answer))) => {
                Err(Failure::Answered(answer))
            }
            (done, _) => done,
        }
    }

    /// Sends a write, once: nobody can know whether one without an answer was executed.
    pub(super) async fn write(
        &self,
        request: Request<Vec<u8>>,
        take: Take,
    ) -> Result<Taken, Failure> {
        let path = request.uri().path().to_owned();
        self.guarded(&path, self.in_time(self.once(request, take))).await
    }

    async fn in_time<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        if let Ok(taken) = timeout(self.deadline, work).await {
            return taken;
        }
        // Of a connection on which nothing comes nobody says that it is dead, and the client would
        // take its like for the next request.
        self.start_over();
        Err(Failure::TimedOut(self.deadline))
    }

    /// Sends a request, and once more where it was turned away for a credential or an authority
    /// that may have been renewed since the configuration was read. Who turns away at the door has
    /// done nothing, so this holds for a write as well.
    async fn once(&self, request: Request<Vec<u8>>, take: Take) -> Result<Taken, Failure> {
        let body = self.answered(request).await?;
        match take {
            Take::Whole => whole(body).await,
            Take::Nothing => Ok(Taken { bytes: Vec::new() }),
        }
    }

    /// Asks; the body of a good answer is still to come. Each request is put on record before it is
    /// sent.
    async fn answered(&self, request: Request<Vec<u8>>) -> Result<Body, Failure> {
        loop {
            let ready = self.client().await?;
            if let Some(pace) = &self.pace {
                pace.turn().await.map_err(Failure::TooFast)?;
            }
            let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
            self.note(request.method().as_str(), path).await.map_err(Failure::NotRecorded)?;
            match send(&ready, request.clone()).await {
                Err(failure) if failure.is_turned_away() => {
                    self.forget(&ready).await;
                    if !ready.is_old {
                        return Err(failure);
                    }
                }
                answer => return answer,
            }
        }
    }
}

async fn send(ready: &Ready, request: Request<Vec<u8>>) -> Result<Body, Failure> {
    let mut request = request.map(Body::from);
    if let Some(file) = &ready.token {
        request.headers_mut().insert(http::header::AUTHORIZATION, file.header().await?);
    }
    let response = ready.client.send(request).await.map_err(|error| sending_failed(&error))?;
    if response.status().is_success() {
        return Ok(response.into_body());
    }
    Err(Failure::Answered(error_answer(response).await))
}

impl Failure {
    /// Whether the server is to blame: it does not answer, or cannot do its work. `None` where it
    /// was not asked, and nothing is known of it.
    fn blames_server(&self) -> Option<bool> {
        match self {
            Self::TimedOut(_) | Self::Transport(_) => Some(true),
            Self::Answered(answer) => Some(answer.code >= 500),
            Self::TooLarge { .. } | Self::Garbage(_) => Some(false),
            Self::Connect(_)
            | Self::NotRecorded(_)
            | Self::TooFast(_)
            | Self::LeftAlone(_)
            | Self::Credentials(_)
            | Self::Untrusted(_)
            | Self::Distrusted(_)
            | Self::Unsendable(_) => None,
        }
    }

    /// Whether the object was another version than the request held for: then nothing was done.
    pub(super) fn is_conflict(&self) -> bool {
        matches!(self, Self::Answered(answer) if answer.code == 409)
    }

    /// Whether what the configuration says of credentials or authorities was not good enough.
    fn is_turned_away(&self) -> bool {
        match self {
            Self::Answered(answer) => answer.code == 401,
            Self::Untrusted(_) | Self::Distrusted(_) => true,
            Self::Connect(_)
            | Self::NotRecorded(_)
            | Self::TooFast(_)
            | Self::LeftAlone(_)
            | Self::TimedOut(_)
            | Self::Credentials(_)
            | Self::Transport(_)
            | Self::Garbage(_)
            | Self::Unsendable(_)
            | Self::TooLarge { .. } => false,
        }
    }

    /// How long to wait before asking again; `None` where asking again cannot help.
    fn pause_before_retry(&self, pause: Duration) -> Option<Duration> {
        match self {
            Self::Answered(answer) if answer.code == 429 => match answer.retry_after {
                Some(after) if after > RETRY_AFTER_MAX => None,
                Some(after) => Some(after.max(pause)),
                None => Some(pause),
            },
            Self::Answered(answer) => (answer.code >= 500).then_some(pause),
            Self::Transport(_) => Some(pause),
            Self::Connect(_)
            | Self::NotRecorded(_)
            | Self::TooFast(_)
            | Self::LeftAlone(_)
            | Self::TimedOut(_)
            | Self::Credentials(_)
            | Self::Untrusted(_)
            | Self::Distrusted(_)
            | Self::Garbage(_)
            | Self::Unsendable(_)
            | Self::TooLarge { .. } => None,
        }
    }
}

fn sending_failed(error: &kube::Error) -> Failure {
    if let kube::Error::Service(cause) = error
        && let Some(cause) = cause.downcast_ref::<AuthError>()
    {
        return Failure::Credentials(credentials_problem(cause));
    }
    transport_failed(error)
}

fn transport_failed(error: &(dyn std::error::Error + 'static)) -> Failure {
    match trust(error) {
        Some(Trust::InServer) => Failure::Untrusted(chain(error)),
        Some(Trust::InUs) => Failure::Distrusted(chain(error)),
        None => Failure::Transport(chain(error)),
    }
}

/// An error with its causes: hyper's outermost text is only "client error".
fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_said = cause.to_string();
        if !said.contains(&cause_said) {
            said.push_str(": ");
            said.push_str(&cause_said);
        }
        next = cause.source();
    }
    text::prefix(&said, SAID_BYTES_MAX).to_owned()
}

/// The next piece of a body. Dropping the future loses none.
pub(super) async fn next_chunk(body: &mut Body) -> Option<Result<Bytes, Failure>> {
    loop {
        match body.frame().await? {
            // Trailers say nothing that we use.
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Some(Ok(bytes));
                }
            }
            Err(error) => return Some(Err(transport_failed(&error))),
        }
    }
}

async fn whole(mut body: Body) -> Result<Taken, Failure> {
    let mut bytes = Vec::new();
    while let Some(chunk) = next_chunk(&mut body).await {
        let chunk = chunk?;
        if bytes.len() + chunk.len() > RESPONSE_BYTES_MAX {
            return Err(Failure::TooLarge { bytes_max: RESPONSE_BYTES_MAX });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Taken { bytes })
}

/// The part of a `Status` that we use.
#[derive(Deserialize)]
struct StatusBody {
    kind: String,
    message: Option<String>,
    #[serde(default)]
    metadata: StatusMeta,
}

#[derive(Default, Deserialize)]
struct StatusMeta {
    #[serde(rename = "continue")]
    token: Option<String>,
}

async fn error_answer(response: Response<Body>) -> ErrorAnswer {
    let code = response.status().as_u16();
    let retry_after = response
        .headers()
        .get(http::header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.parse().ok())
        .map(Duration::from_secs);
    // Going there would carry our credentials to whoever the answer names.
    let location = response.status().is_redirection().then(|| {
        let location = response.headers().get(http::header::LOCATION);
        location.map_or_else(|| "nowhere".to_owned(), |place| format!("{place:?}"))
    });
    let mut body = response.into_body();
    let mut bytes = Vec::new();
    // An error whose body breaks off is still that error.
    while let Some(Ok(chunk)) = next_chunk(&mut body).await {
        let room = STATUS_BYTES_MAX - bytes.len();
        bytes.extend(chunk.iter().take(room));
        if bytes.len() == STATUS_BYTES_MAX {
            break;
        }
    }
    match serde_json::from_slice::<StatusBody>(&bytes) {
        Ok(StatusBody { kind, message, metadata }) if kind == "Status" => {
            let message = message.unwrap_or_default();
            let continue_token = metadata.token.filter(|token| !token.is_empty());
            ErrorAnswer { code, message, is_status: true, continue_token, retry_after }
        }
        _ => {
            let message = match &location {
                Some(location) => format!("it sends us to {location}, where we do not go"),
                None => String::from_utf8_lossy(&bytes).into_owned(),
            };
            ErrorAnswer { code, message, is_status: false, continue_token: None, retry_after }
        }
    }
}
