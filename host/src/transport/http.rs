//! Many clients over Streamable HTTP, and two answers for whoever watches over the process.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use http::StatusCode;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::gate::{self, Gate};
use super::origin::AllowList;
use super::server::{Callers, Common, McpServer};
use super::sessions::Sessions;
use super::{Listener, MESSAGE_BYTES_MAX, REREAD_EVERY, TransportError};
use crate::domain::principal::Principal;
use crate::gateway::Tools;

/// How long a client may take to send its headers, the first or the next: connections that say
/// nothing hold places that others need.
const HEADERS_READ_MAX: Duration = Duration::from_secs(30);

/// Bytes of one request's headers, and of what is read ahead of a slow reader.
const HEADERS_BYTES_MAX: usize = 64 << 10;

/// After `shutdown`, calls may finish for this long. Less than the 30 s that a kubelet waits.
const DRAIN: Duration = Duration::from_secs(10);

/// How long cancelled calls and closed streams may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Between two attempts to accept when the system gives no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How the listener treats its callers. Read once.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Names under which we are called, beside those of loopback: `name` or `name:port`.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call, beside our own: `https://name` or `https://name:port`.
    pub allowed_origins: Vec<String>,
    /// Sessions of clients from before 2026-07-28. One takes about 50 KB until it has been idle
    /// for half an hour.
    pub sessions_max: usize,
    /// Connections at once, and so requests at once. A session's client holds one or two.
    pub connections_max: usize,
    /// How often resources that a client watches are read again.
    pub reread_every: Duration,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            sessions_max: 256,
            connections_max: 1_024,
            reread_every: REREAD_EVERY,
        }
    }
}

/// Serves `/mcp`, `/healthz` and `/readyz` until `shutdown` fires, then lets calls finish.
pub async fn serve_http(
    tools: Arc<dyn Tools>,
    listener: Listener,
    config: HttpConfig,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), TransportError> {
    let HttpConfig { allowed_hosts, allowed_origins, sessions_max, connections_max, reread_every } =
        config;
    let port = listener.local_addr().port();
    let allow = AllowList::new(&allowed_hosts, &allowed_origins, port)?;
    let callers = if listener.is_authenticated() {
        Callers::Authenticated
    } else {
        Callers::Is(Principal::loopback())
    };
    let (draining, end) = (CancellationToken::new(), CancellationToken::new());
    let _end = end.clone().drop_guard();
    let router =
        router(tools, (callers, Common::new(reread_every)), allow, sessions_max, &draining, &end);

    let places = Arc::new(Semaphore::new(connections_max));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok(stream) => stream,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (router, draining) = (router.clone(), draining.clone());
        match places.clone().try_acquire_owned() {
            Ok(place) => {
                connections.spawn(async move {
                    serve_connection(stream, router, draining).await;
                    drop(place);
                });
            }
            Err(_) => {
                connections.spawn(turn_away(stream));
            }
        }
    }
    drop(listener);
    draining.cancel();
    let mut ended = async || while connections.join_next().await.is_some() {};
    if tokio::time::timeout(DRAIN, ended()).await.is_err() {
        end.cancel();
        let _ = tokio::time::timeout(LAST_WORDS, ended()).await;
    }
    Ok(())
}

fn router(
    tools: Arc<dyn Tools>,
    (callers, common): (Callers, Common),
    allow: AllowList,
    sessions_max: usize,
    draining: &CancellationToken,
    end: &CancellationToken,
) -> Router {
    let sessions = Arc::new(Sessions::new(sessions_max));
    // The gate has checked what rmcp checks again: the lists are the same.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        .with_allowed_hosts(allow.hosts())
        .with_allowed_origins(allow.origins())
        .enforce_origin_validation()
        .with_max_request_body_bytes(MESSAGE_BYTES_MAX)
        .with_cancellation_token(end.clone());
    let server = move || Ok(McpServer::new(tools.clone(), callers.clone(), common.clone()));
    let mcp = StreamableHttpService::new(server, sessions.clone(), config);
    let gate = Arc::new(Gate::new(allow, sessions));
    let draining = draining.clone();
    let ready = move || {
        let is_draining = draining.is_cancelled();
        async move {
            if is_draining {
                (StatusCode::SERVICE_UNAVAILABLE, "shutting down\n")
            } else {
                (StatusCode::OK, "ok\n")
            }
        }
    };
    Router::new()
        .route_service("/mcp", mcp)
        .route_layer(from_fn_with_state(gate, gate::pass))
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
}

async fn serve_connection(stream: TcpStream, router: Router, draining: CancellationToken) {
    // Answers are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let service = TowerToHyperService::new(router);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_READ_MAX)
            .max_buf_size(HEADERS_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = draining.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection broke off");
    }
}

/// Says that there is no place. Silence would look like a server that hangs.
async fn turn_away(mut stream: TcpStream) {
    const ANSWER: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 5\r\n\
        content-length: 0\r\nconnection: close\r\n\r\n";
    let _ = tokio::time::timeout(LAST_WORDS, stream.write_all(ANSWER)).await;
}
