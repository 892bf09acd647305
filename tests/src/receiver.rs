//! Somebody's system that takes webhooks, or does not: it speaks HTTP/1.1 by hand, so that it can
//! speak it badly.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

/// Longer than anything here takes.
const SOON: Duration = Duration::from_secs(30);

const HEAD_BYTES_MAX: usize = 64 << 10;

/// What it does with a message.
#[derive(Debug, Clone)]
pub enum Conduct {
    /// Answers 204.
    Takes,
    /// These bytes; then the connection ends.
    Says(Vec<u8>),
    /// Ends the connection.
    Closes,
    /// Takes the message and says nothing.
    Hangs,
}

impl Conduct {
    /// Answers with this status, and these headers.
    pub fn status(status: u16, headers: &str) -> Self {
        let text = format!("HTTP/1.1 {status} Said\r\n{headers}content-length: 2\r\n\r\nno");
        Self::Says(text.into_bytes())
    }
}

/// A message that came.
#[derive(Debug, Clone)]
pub struct Got {
    /// `POST /path HTTP/1.1`
    pub request: String,
    /// In lower case.
    pub headers: BTreeMap<String, String>,
    /// As it came.
    pub body: Vec<u8>,
}

impl Got {
    /// What it says.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Its `type`.
    pub fn kind(&self) -> String {
        self.json()["type"].as_str().unwrap_or_default().to_owned()
    }
}

struct Shared {
    conduct: Mutex<Conduct>,
    got: Mutex<Vec<Got>>,
    came: Notify,
}

/// The system. It ends when this is dropped.
pub struct Receiver {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Listens on any port of this machine, and takes everything.
    pub async fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let shared = Arc::new(Shared {
            conduct: Mutex::new(Conduct::Takes),
            got: Mutex::default(),
            came: Notify::new(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(serve(listener, tls, Arc::clone(&shared)));
        Self { shared, address, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Behaves so from the next message on.
    pub fn behave(&self, conduct: Conduct) {
        *self.shared.conduct.lock().unwrap() = conduct;
    }

    /// What came so far.
    pub fn got(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    /// Waits until what came is enough, and returns all of it.
    pub async fn wait_until(&self, what: &str, is_enough: impl Fn(&[Got]) -> bool) -> Vec<Got> {
        let enough = async {
            loop {
                let came = self.shared.came.notified();
                let got = self.got();
                if is_enough(&got) {
                    return got;
                }
                came.await;
            }
        };
        tokio::time::timeout(SOON, enough).await.unwrap_or_else(|_| {
            let kinds: Vec<_> = self.got().iter().map(Got::kind).collect();
            panic!("there is no {what} among {kinds:?}")
        })
    }

    /// Waits for the first message of a type.
    pub async fn wait_for(&self, kind: &str) -> Got {
        let got = self.wait_until(kind, |got| got.iter().any(|got| got.kind() == kind)).await;
        got.into_iter().find(|got| got.kind() == kind).expect("it is among them")
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(listener: TcpListener, tls: Option<Arc<ServerConfig>>, shared: Arc<Shared>) {
    // Dropped with this, they end with it.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (tls, shared) = (tls.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            match tls {
                None => connection(stream, &shared).await,
                Some(tls) => {
                    if let Ok(stream) = TlsAcceptor::from(tls).accept(stream).await {
                        connection(stream, &shared).await;
                    }
                }
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(mut stream: impl AsyncRead + AsyncWrite + Unpin, shared: &Shared) {
    while let Some(got) = message(&mut stream).await {
        // Whoever sees that it came may change the conduct, for the next one.
        let conduct = shared.conduct.lock().unwrap().clone();
        shared.got.lock().unwrap().push(got);
        shared.came.notify_waiters();
        match conduct {
            Conduct::Takes => {
                let answer = b"HTTP/1.1 204 No Content\r\n\r\n";
                if stream.write_all(answer).await.is_err() {
                    return;
                }
            }
            Conduct::Says(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                return;
            }
            Conduct::Closes => return,
            Conduct::Hangs => return std::future::pending().await,
        }
    }
}

async fn message(stream: &mut (impl AsyncRead + Unpin)) -> Option<Got> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        assert!(head.len() < HEAD_BYTES_MAX, "a request without an end");
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).expect("a request is text");
    let mut lines = head.lines();
    let request = lines.next()?.to_owned();
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers.get("content-length")?.parse().expect("a length is a number");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Got { request, headers, body })
}
