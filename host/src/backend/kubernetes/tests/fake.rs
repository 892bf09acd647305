//! An API server that answers what its script says, and remembers whatever else it was asked.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use kube::client::Body;
use serde_json::{Value, json};

use super::super::{Clusters, Connection};
use crate::domain::name::ClusterName;

type Answer = UnsyncBoxBody<Bytes, io::Error>;

/// What the server does with one request.
pub(super) enum Reply {
    Json(u16, Value),
    Text(u16, String),
    /// 429 with `Retry-After`.
    Busy(&'static str),
    /// The body, in chunks; then the connection ends well.
    Chunks(Vec<Vec<u8>>),
    /// The connection breaks before the answer.
    Reset,
    /// The connection breaks within the body.
    BreaksOff(&'static str),
    /// The body begins and never goes on.
    Hangs(&'static str),
    /// No answer, ever.
    Silence,
}

/// One expected request.
struct Step {
    expected: String,
    reply: Reply,
    body: Option<Value>,
}

#[derive(Default)]
struct Script {
    steps: VecDeque<Step>,
    unexpected: Vec<String>,
}

/// The server.
#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<Script>>);

impl Fake {
    /// Expects `GET /path?query`, in this order.
    pub(super) fn expect(self, request: &str, reply: Reply) -> Self {
        self.push(request, None, reply)
    }

    /// The same, with this body.
    pub(super) fn expect_body(self, request: &str, body: Value, reply: Reply) -> Self {
        self.push(request, Some(body), reply)
    }

    fn push(self, request: &str, body: Option<Value>, reply: Reply) -> Self {
        let step = Step { expected: request.to_owned(), reply, body };
        self.0.lock().unwrap().steps.push_back(step);
        self
    }

    /// Runs the test's part against clusters of which `prod` is this server, under a deadline, and
    /// checks that the script was followed to its end.
    pub(super) async fn serve<F: Future>(self, part: impl FnOnce(Clusters) -> F) -> F::Output {
        let service = {
            let fake = self.clone();
            tower::service_fn(move |request| {
                let fake = fake.clone();
                async move { fake.answer(request).await }
            })
        };
        let client = kube::Client::new(service, "default");
        let clusters = clusters(BTreeMap::from([(prod(), Connection::Client(client))]));
        let output = tokio::time::timeout(Duration::from_mins(1), part(clusters))
            .await
            .expect("the scenario ends");
        let script = self.0.lock().unwrap();
        assert_eq!(script.unexpected, Vec::<String>::new(), "requests that nobody expected");
        let left: Vec<_> = script.steps.iter().map(|step| &step.expected).collect();
        assert!(left.is_empty(), "requests that were never made: {left:?}");
        output
    }

    async fn answer(&self, request: Request<Body>) -> Result<Response<Answer>, io::Error> {
        let (parts, body) = request.into_parts();
        let asked = format!("{} {}", parts.method, parts.uri);
        let sent = body.collect().await.unwrap().to_bytes();
        let step = self.0.lock().unwrap().steps.pop_front();
        let sent: Option<Value> = serde_json::from_slice(&sent).ok();
        let reply = match step {
            Some(step) if step.expected == asked && (step.body.is_none() || step.body == sent) => {
                step.reply
            }
            step => {
                let expected = step.map(|step| (step.expected, step.body));
                self.0
                    .lock()
                    .unwrap()
                    .unexpected
                    .push(format!("{asked} with {sent:?}, expected was {expected:?}"));
                Reply::Text(418, "nobody expected this".to_owned())
            }
        };
        let of = |code: u16, text: String| {
            Ok(Response::builder().status(code).body(full(text)).unwrap())
        };
        match reply {
            Reply::Json(code, json) => of(code, json.to_string()),
            Reply::Text(code, text) => of(code, text),
            Reply::Busy(after) => Ok(Response::builder()
                .status(429)
                .header("Retry-After", after)
                .body(full(String::new()))
                .unwrap()),
            Reply::Chunks(chunks) => {
                let frames = chunks.into_iter().map(|c| Ok(Frame::data(c.into())));
                Ok(Response::new(wrap(futures::stream::iter(frames))))
            }
            Reply::Reset => Err(io::ErrorKind::ConnectionReset.into()),
            Reply::BreaksOff(beginning) => {
                let first = futures::stream::iter([Ok(Frame::data(Bytes::from(beginning)))]);
                let end = futures::stream::iter([Err(io::ErrorKind::ConnectionReset.into())]);
                Ok(Response::new(wrap(first.chain(end))))
            }
            Reply::Hangs(beginning) => {
                let first = futures::stream::iter([Ok(Frame::data(Bytes::from(beginning)))]);
                Ok(Response::new(wrap(first.chain(futures::stream::pending()))))
            }
            Reply::Silence => std::future::pending().await,
        }
    }
}

fn full(text: String) -> Answer {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed_unsync()
}

fn wrap(
    frames: impl futures::Stream<Item = Result<Frame<Bytes>, io::Error>> + Send + 'static,
) -> Answer {
    StreamBody::new(frames).boxed_unsync()
}

/// Clusters whose clock stands still.
pub(super) fn clusters(connections: BTreeMap<ClusterName, Connection>) -> Clusters {
    Clusters::new(connections, Arc::new(now)).expect("the connections are valid")
}

pub(super) fn now() -> jiff::Timestamp {
    "2026-11-21T02:13:07.25Z".parse().unwrap()
}

pub(super) fn prod() -> ClusterName {
    "prod".parse().unwrap()
}

/// A `Status` as the API server writes it.
pub(super) fn status(code: u16, message: &str) -> Reply {
    Reply::Json(code, json!({ "kind": "Status", "status": "Failure", "message": message }))
}

/// An answer to a list.
pub(super) fn list(items: &[Value], token: &str) -> Reply {
    Reply::Json(200, json!({ "kind": "List", "metadata": { "continue": token }, "items": items }))
}
