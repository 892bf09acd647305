//! An API server with faults: it speaks TLS and HTTP/1.1 by hand, so that it can speak them badly.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

const HEAD_BYTES_MAX: usize = 64 << 10;

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// Answers: every list has one pod, `web`.
    Well,
    /// These bytes, whatever is asked; then the connection ends well.
    Says(Vec<u8>),
    /// These bytes; then the connection is reset.
    BreaksOff(Vec<u8>),
    /// These bytes, then others again and again, so often.
    NeverEnds(Vec<u8>, Vec<u8>, Duration),
    /// A first page, with a token; these bytes for each later one.
    LaterPages(Vec<u8>),
    /// Takes the request and says nothing.
    Silent,
    /// Takes the connection and says nothing.
    Deaf,
}

/// A request that reached the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// `/path?query`
    pub path: String,
    /// The value of `Authorization`.
    pub authorization: Option<String>,
}

struct Shared {
    conduct: Mutex<Conduct>,
    tls: Mutex<Arc<ServerConfig>>,
    /// The one token that is accepted; `None` accepts everybody.
    token: Mutex<Option<String>>,
    asked: Mutex<Vec<Asked>>,
}

/// The server. It ends when this is dropped.
pub struct ApiServer {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: Option<JoinHandle<()>>,
}

impl ApiServer {
    /// Starts on any port of this machine and behaves well.
    pub async fn start(tls: Arc<ServerConfig>) -> Self {
        let shared = Arc::new(Shared {
            conduct: Mutex::new(Conduct::Well),
            tls: Mutex::new(tls),
            token: Mutex::new(None),
            asked: Mutex::new(Vec::new()),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = Some(tokio::spawn(serve(listener, Arc::clone(&shared))));
        Self { shared, address, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from the next request, or the next connection, on.
    pub fn behave(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap() = conduct;
    }

    /// Speaks TLS so from the next connection on.
    pub fn speak(&self, tls: Arc<ServerConfig>) {
        *self.shared.tls.lock().unwrap() = tls;
    }

    /// Accepts only who has this token.
    pub fn accept_only(&self, token: &str) {
        *self.shared.token.lock().unwrap() = Some(token.to_owned());
    }

    /// What it was asked since the last time.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.shared.asked.lock().unwrap())
    }

    /// Stops listening and drops every connection.
    pub async fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Listens again, where it did before.
    pub async fn resume(&mut self) {
        self.stop().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = Some(tokio::spawn(serve(listener, Arc::clone(&self.shared))));
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    // Dropped with this, they end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        connections.spawn(connection(stream, Arc::clone(&shared)));
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    if matches!(*shared.conduct.lock().unwrap(), Conduct::Deaf) {
        // Held open, which dropping it would not do.
        return silence(stream).await;
    }
    let tls = Arc::clone(&shared.tls.lock().unwrap());
    let Ok(mut stream) = TlsAcceptor::from(tls).accept(stream).await else { return };
    while let Some(asked) = head(&mut stream).await {
        shared.asked.lock().unwrap().push(asked.clone());
        let conduct = shared.conduct.lock().unwrap().clone();
        let is_later = asked.path.contains("continue=");
        match conduct {
            Conduct::Well => {
                let token = shared.token.lock().unwrap().clone();
                let wanted = token.map(|token| format!("Bearer {token}"));
                let answer = if wanted.is_some() && wanted != asked.authorization {
                    status(401, "Unauthorized", "")
                } else {
                    answer(200, "application/json", pods(""))
                };
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Conduct::LaterPages(_) if !is_later => {
                let answer = answer(200, "application/json", pods("later"));
                if stream.write_all(&answer).await.is_err() {
                    return;
                }
            }
            Conduct::Says(bytes) | Conduct::LaterPages(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Conduct::BreaksOff(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.flush().await;
                let _ = stream.get_ref().0.set_zero_linger();
                return;
            }
            Conduct::NeverEnds(beginning, again, every) => {
                let mut written = stream.write_all(&beginning).await;
                while written.is_ok() {
                    tokio::time::sleep(every).await;
                    written = stream.write_all(&again).await;
                }
                return;
            }
            Conduct::Silent | Conduct::Deaf => return silence(stream).await,
        }
    }
}

async fn silence<T>(_held: T) {
    std::future::pending::<()>().await;
}

/// Reads a request without a body.
async fn head(stream: &mut TlsStream<TcpStream>) -> Option<Asked> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        assert!(bytes.len() < HEAD_BYTES_MAX, "a request without an end");
        bytes.push(stream.read_u8().await.ok()?);
    }
    let text = String::from_utf8(bytes).expect("a request is text");
    let path = text.split(' ').nth(1)?.to_owned();
    let authorization = text.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("authorization").then(|| value.to_owned())
    });
    Some(Asked { path, authorization })
}

/// A list of one pod; a token says that there is more.
pub fn pods(continue_token: &str) -> Value {
    json!({
        "kind": "PodList", "apiVersion": "v1",
        "metadata": {"resourceVersion": "1", "continue": continue_token},
        "items": [{
            "metadata": {"name": "web", "namespace": "shop", "uid": "u",
                         "creationTimestamp": "2026-11-21T00:00:00Z"},
            "spec": {"containers": [{"name": "app", "image": "app:1"}]},
            "status": {"phase": "Running"},
        }],
    })
}

/// An answer with a body of the right length.
pub fn answer(code: u16, media: &str, body: impl std::fmt::Display) -> Vec<u8> {
    head_and_body(code, &format!("Content-Type: {media}\r\n"), body.to_string().as_bytes())
}

/// An answer with these headers besides the body's length.
pub fn head_and_body(code: u16, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {code} Said\r\n{headers}Content-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// An error as the API server writes it, with more headers.
pub fn status(code: u16, reason: &str, headers: &str) -> Vec<u8> {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{reason}, says etcd-7.internal"), "reason": reason, "code": code,
    });
    let headers = format!("Content-Type: application/json\r\n{headers}");
    head_and_body(code, &headers, body.to_string().as_bytes())
}
