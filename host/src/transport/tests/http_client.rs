//! HTTP by hand, one request on each connection: says what no client library would say.

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{House, PATIENCE, initialize};
use crate::transport::{HttpConfig, Listener, TransportError, serve_http};

pub(super) struct Server {
    pub(super) house: Arc<House>,
    pub(super) addr: SocketAddr,
    shutdown: CancellationToken,
    served: JoinHandle<Result<(), TransportError>>,
}

impl Server {
    pub(super) async fn start(config: HttpConfig) -> Self {
        Self::listen(config, false).await
    }

    pub(super) async fn listen(config: HttpConfig, authenticated: bool) -> Self {
        let house = Arc::new(House::default());
        let addr = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(addr, authenticated).await.unwrap();
        let addr = listener.local_addr();
        let shutdown = CancellationToken::new();
        let fired = shutdown.clone().cancelled_owned();
        let served = tokio::spawn(serve_http(house.clone(), listener, config, fired));
        Self { house, addr, shutdown, served }
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        timeout(PATIENCE, self.served).await.expect("the server ends").unwrap().unwrap();
    }

    /// Sends a request and gives the connection back. A header that is empty is left out; one that
    /// is there replaces the usual one.
    pub(super) async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> TcpStream {
        let length = body.len().to_string();
        let host = self.addr.to_string();
        let usual = [
            ("host", host.as_str()),
            ("accept", "application/json, text/event-stream"),
            ("content-type", "application/json"),
            ("content-length", length.as_str()),
            ("connection", "close"),
        ];
        let mut head = format!("{method} {path} HTTP/1.1\r\n");
        let kept = usual.iter().filter(|(name, _)| headers.iter().all(|(other, _)| other != name));
        for (name, value) in kept.chain(headers).filter(|(_, value)| !value.is_empty()) {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        let mut stream = TcpStream::connect(self.addr).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server may answer and close before it has everything.
        let _ = stream.write_all(body).await;
        stream
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        Answer::read(self.open(method, path, headers, body).await).await
    }

    pub(super) async fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        self.send("POST", "/mcp", headers, body).await
    }

    /// A request of the era that mirrors its body in its headers.
    pub(super) async fn ask(&self, request: &Value) -> Answer {
        let headers = modern_headers(request);
        let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
        self.post(&headers, request.to_string().as_bytes()).await
    }

    /// Begins a session of the other era and gives its id.
    pub(super) async fn session(&self) -> String {
        let answer = self.post(&[], initialize("2025-11-25").to_string().as_bytes()).await;
        assert_eq!(answer.message()["result"]["protocolVersion"], "2025-11-25");
        answer.header("mcp-session-id").expect("a session").to_owned()
    }

    pub(super) async fn ask_in(&self, session: &str, message: &Value) -> Answer {
        let headers = [("mcp-session-id", session), ("mcp-protocol-version", "2025-11-25")];
        self.post(&headers, message.to_string().as_bytes()).await
    }
}

pub(super) fn modern_headers(request: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", request["method"].as_str().unwrap().to_owned()),
    ];
    let params = &request["params"];
    if let Some(name) = params["name"].as_str().or_else(|| params["uri"].as_str()) {
        headers.push(("mcp-name", name.to_owned()));
    }
    headers
}

#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) async fn read(mut stream: TcpStream) -> Self {
        let mut bytes = Vec::new();
        let read = timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("an answer");
        // A server that refuses a body may reset what is left of it.
        assert!(read.is_ok() || !bytes.is_empty(), "{read:?}");
        let text = String::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect("a head");
        let status = head[9..12].parse().unwrap();
        let head = head.to_ascii_lowercase();
        let chunked = head.contains("transfer-encoding: chunked");
        let body = if chunked { join_chunks(body) } else { body.to_owned() };
        Self { status, head, body }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Every JSON-RPC message, from either kind of body.
    pub(super) fn messages(&self) -> Vec<Value> {
        let parse = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| panic!("{self:?}"));
        if self.header("content-type") == Some("text/event-stream") {
            let data = self.body.lines().filter_map(|line| line.strip_prefix("data:"));
            data.map(str::trim).filter(|data| !data.is_empty()).map(parse).collect()
        } else {
            vec![parse(&self.body)]
        }
    }

    /// The only message.
    pub(super) fn message(&self) -> Value {
        let messages = self.messages();
        assert_eq!(messages.len(), 1, "{self:?}");
        messages[0].clone()
    }

    pub(super) fn code(&self) -> i64 {
        self.message()["error"]["code"].as_i64().unwrap_or_default()
    }
}

fn join_chunks(mut body: &str) -> String {
    let mut joined = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap();
        joined.push_str(&rest[..length]);
        body = rest[length..].strip_prefix("\r\n").unwrap_or_default();
    }
    joined
}
