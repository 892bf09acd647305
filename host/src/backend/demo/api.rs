use std::{convert::Infallible, fmt::Display, sync::Arc};

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http::{HeaderValue, Method, Response, header};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, Limited, StreamBody, combinators::UnsyncBoxBody};
use serde_json::Value;

use super::registry::{Access, Kind};
use super::request::{self, Query, Request, Target};
use super::status::Failure;
use super::store::text;
use super::write::Part;
use super::{DemoCluster, RecordedRequest, Shared};
use super::{budgets, custom, delete, discovery, list, logs, reviews, scale, table, watch, write};

/// The largest request body, as in the real server.
const BODY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// How much of a body is remembered with its request.
const RECORDED_BYTES_MAX: usize = 64 * 1024;

/// The longest query: longer ones are no selectors that a person or a program would write.
const QUERY_BYTES_MAX: usize = 16 * 1024;

pub(super) type ReplyBody = UnsyncBoxBody<Bytes, Infallible>;

/// An answer before it is put on the wire.
enum Reply {
    Object(u16, Value),
    /// JSON lines, for as long as there is something to watch.
    Events(BoxStream<'static, Bytes>),
    Log(BoxStream<'static, Bytes>),
    Plain(u16, &'static str),
}

impl DemoCluster {
    /// Answers one HTTP request.
    pub(super) async fn respond<B>(&self, request: http::Request<B>) -> Response<ReplyBody>
    where
        B: Body<Data = Bytes> + Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map(http_body_util::Collected::to_bytes);
        let query = head.uri.query().unwrap_or_default();
        let content_type = request::content_type(&head.headers);
        let number = self.shared.record(RecordedRequest {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: query.to_owned(),
            content_type: content_type.clone(),
            body: body.as_ref().map(recorded).unwrap_or_default(),
            status: None,
        });
        if !self.latency.is_zero() {
            tokio::time::sleep(self.latency).await;
        }
        let answer = match body {
            Ok(_) if query.len() > QUERY_BYTES_MAX => {
                Err(Failure::bad_request(format!("the query is longer than {QUERY_BYTES_MAX}")))
            }
            Ok(body) => {
                let query = Query::parse(query);
                let form = request::form(&head.headers);
                let request = Request { method: head.method, query, form, content_type, body };
                answer(&self.shared, head.uri.path(), &request)
            }
            Err(error) if error.is::<http_body_util::LengthLimitError>() => {
                Err(Failure::body_too_large(BODY_BYTES_MAX))
            }
            Err(error) => Err(Failure::bad_request(error.to_string())),
        };
        let answer = answer.map_or_else(|failure| refuse(&failure), Reply::into_response);
        self.shared.answered(number, answer.status().as_u16());
        answer
    }
}

fn recorded(body: &Bytes) -> String {
    let start = body.get(..RECORDED_BYTES_MAX).unwrap_or(body);
    String::from_utf8_lossy(start).into_owned()
}

fn answer(shared: &Arc<Shared>, path: &str, request: &Request) -> Result<Reply, Failure> {
    if let Some(description) = discovery::answer(&shared.store(), path) {
        request.form()?;
        return match request.method {
            Method::GET => Ok(Reply::Object(200, description)),
            _ => Err(Failure::method_not_allowed()),
        };
    }
    if matches!(path, "/healthz" | "/livez" | "/readyz") {
        return Ok(Reply::Plain(200, "ok"));
    }
    let served = |group: &str, version: &str, plural: &str| {
        custom::find(&shared.store(), group, version, plural)
    };
    let Some((kind, target)) = request::target(path, served) else {
        // Below a group that is served the API answers, elsewhere only the server does.
        return match path.split('/').nth(2) {
            Some(group) if discovery::is_served(path, group) => Err(Failure::no_such_resource()),
            _ => Ok(Reply::Plain(404, "404 page not found\n")),
        };
    };
    match target {
        Target::Collection { namespace } => collection(shared, kind, namespace, request),
        Target::Object { namespace, name } => object(shared, kind, (&namespace, &name), request),
        Target::Subresource { namespace, name, part } => {
            subresource(shared, kind, (&namespace, &name), &part, request)
        }
    }
}

fn collection(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    namespace: Option<String>,
    request: &Request,
) -> Result<Reply, Failure> {
    let query = &request.query;
    let form = request.form()?;
    match request.method {
        Method::GET if query.flag("watch") && kind.access == Access::ReadWrite => {
            watch::open(shared, kind, namespace, query, form).map(Reply::Events)
        }
        _ if kind.access == Access::Asked => match request.method {
            Method::POST => reviews::answer(kind, request).map(Reply::from),
            _ => Err(Failure::method_not_allowed()),
        },
        Method::GET => {
            let page = list::page(&shared.store(), kind, namespace.as_deref(), query)?;
            Ok(Reply::Object(200, table::list(form, kind, &page, shared.clock.now())))
        }
        Method::POST if kind.access == Access::ReadWrite => {
            write::create(shared, kind, namespace.as_deref(), request).map(Reply::from)
        }
        Method::DELETE if kind.verbs().contains(&"deletecollection") => {
            delete::collection(shared, kind, namespace.as_deref(), request).map(Reply::from)
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

fn object(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    place: (&str, &str),
    request: &Request,
) -> Result<Reply, Failure> {
    request.form()?;
    match request.method {
        _ if kind.access == Access::Asked => Err(Failure::method_not_allowed()),
        Method::GET => read(shared, kind, place, request),
        _ if kind.access == Access::Measured => Err(Failure::method_not_allowed()),
        Method::PATCH => write::patch(shared, kind, place, request, Part::Whole).map(Reply::from),
        Method::PUT => write::replace(shared, kind, place, request, Part::Whole).map(Reply::from),
        Method::DELETE => delete::answer(shared, kind, place, request).map(Reply::from),
        _ => Err(Failure::method_not_allowed()),
    }
}

fn read(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
) -> Result<Reply, Failure> {
    let object = shared.store().find(kind, namespace, name)?;
    let shown = table::one(request.form()?, kind, &object, shared.clock.now(), true);
    Ok(Reply::Object(200, shown))
}

fn subresource(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    place: (&str, &str),
    part: &str,
    request: &Request,
) -> Result<Reply, Failure> {
    let known = kind.subresources().iter().any(|(name, _)| *name == part);
    match (part, &request.method) {
        _ if !known => Err(Failure::no_such_resource()),
        ("log", &Method::GET) => {
            let options = logs::LogOptions::parse(place.1, &request.query)?;
            let pod = shared.store().read(kind, place.0, place.1);
            let pod = pod.ok_or_else(|| Failure::not_found(kind, place.1))?;
            let log = logs::open(shared, &pod, &options)?;
            // Where no node has the pod there is no one to ask.
            let placed = !text(&pod, "/spec/nodeName").is_empty();
            Ok(if placed { Reply::Log(log) } else { Reply::Plain(204, "") })
        }
        ("status", &Method::GET) => read(shared, kind, place, request),
        ("eviction", &Method::POST) => {
            budgets::evict(shared, kind, place, request).map(Reply::from)
        }
        ("status", &Method::PATCH) => {
            write::patch(shared, kind, place, request, Part::Status).map(Reply::from)
        }
        ("status", &Method::PUT) => {
            write::replace(shared, kind, place, request, Part::Status).map(Reply::from)
        }
        ("scale", &(Method::GET | Method::PUT | Method::PATCH)) => {
            scale::answer(shared, kind, place, request).map(Reply::from)
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

impl From<(u16, Value)> for Reply {
    fn from((code, object): (u16, Value)) -> Self {
        Self::Object(code, object)
    }
}

impl Reply {
    fn into_response(self) -> Response<ReplyBody> {
        match self {
            Self::Object(code, object) => whole(code, "application/json", &object),
            Self::Plain(code, text) => whole(code, "text/plain; charset=utf-8", &text),
            Self::Events(lines) => streamed("application/json", lines),
            Self::Log(chunks) => streamed("text/plain", chunks),
        }
    }
}

fn refuse(failure: &Failure) -> Response<ReplyBody> {
    let mut response = whole(failure.code, "application/json", &failure.status());
    if let Some(seconds) = failure.retry_after_seconds() {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn whole(code: u16, media: &'static str, content: &impl Display) -> Response<ReplyBody> {
    let body = Full::new(Bytes::from(content.to_string())).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() =
        http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}

fn streamed(media: &'static str, chunks: BoxStream<'static, Bytes>) -> Response<ReplyBody> {
    let frames = chunks.map(|chunk| Ok(Frame::data(chunk)));
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
