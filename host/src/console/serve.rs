//! The console's socket: loopback only, a few connections, and none that says nothing.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::site::{Parts, Site};
use super::{ConsoleError, site};

/// How long a browser may take to send its headers. They open connections in advance and keep them.
const HEADERS_READ_MAX: Duration = Duration::from_secs(15);

/// Bytes of one request's headers.
const HEADERS_BYTES_MAX: usize = 16 << 10;

/// A browser has six, and a person has a few of them open.
const CONNECTIONS_MAX: usize = 64;

/// After the end, answers that have begun may finish for this long.
const DRAIN: Duration = Duration::from_secs(2);

/// Between two attempts to accept when the system gives no more sockets.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The console's socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
}

impl Listener {
    /// Listens on a loopback address.
    ///
    /// # Errors
    /// Where it is none, or somebody else has it.
    pub async fn bind(addr: SocketAddr) -> Result<Self, ConsoleError> {
        if !addr.ip().to_canonical().is_loopback() {
            return Err(ConsoleError::Reachable(addr));
        }
        let failed = |source| ConsoleError::Bind { addr, source };
        let socket = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, addr })
    }

    /// The address, with the port that the system chose where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

/// A console that can be entered.
pub struct Console {
    site: Arc<Site>,
    listener: Listener,
    end: CancellationToken,
}

impl Console {
    /// Leaves the key, and looks at nothing yet.
    ///
    /// # Errors
    /// Where nobody could enter, or there is nothing to show.
    pub fn open(parts: Parts, listener: Listener) -> Result<Self, ConsoleError> {
        let end = CancellationToken::new();
        let site = Arc::new(Site::open(parts, listener.addr, end.clone())?);
        Ok(Self { site, listener, end })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.listener.addr
    }

    /// Serves until `shutdown` fires.
    pub async fn serve(self, shutdown: impl Future<Output = ()> + Send) {
        let Self { site, listener, end } = self;
        let _end = end.clone().drop_guard();
        accept(site::router(site), listener, end, shutdown).await;
    }
}

async fn accept(
    router: Router,
    listener: Listener,
    end: CancellationToken,
    shutdown: impl Future<Output = ()> + Send,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let stream = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.socket.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "the console cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        // Without a place it is closed at once: the browser says so, and tries again.
        if let Ok(place) = places.clone().try_acquire_owned() {
            let (router, end) = (router.clone(), end.clone());
            connections.spawn(async move {
                serve_connection(stream, router, end).await;
                drop(place);
            });
        }
    }
    drop(listener);
    end.cancel();
    let ended = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(DRAIN, ended).await;
}

async fn serve_connection(stream: TcpStream, router: Router, end: CancellationToken) {
    // Pages are small and somebody waits for each.
    let _ = stream.set_nodelay(true);
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_READ_MAX)
            .max_buf_size(HEADERS_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection of the console broke off");
    }
}
