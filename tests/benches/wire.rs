//! A client that writes and reads lines, and does nothing else that would take time.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream,
    ReadHalf, WriteHalf,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use toolgate::domain::principal::Principal;
use toolgate::gateway::Tools;
use toolgate::transport;

/// What fits between client and server before one waits for the other.
const PIPE_BYTES: usize = 1 << 20;

/// One conversation over any two streams.
pub(crate) struct Client<R, W> {
    read: BufReader<R>,
    write: W,
    line: String,
}

/// A conversation within this process.
pub(crate) type Local = Client<ReadHalf<DuplexStream>, WriteHalf<DuplexStream>>;

/// Serves tools to one client; the server ends with the guard.
pub(crate) async fn serve(tools: Arc<dyn Tools>) -> Result<(Local, DropGuard)> {
    let (ours, theirs) = tokio::io::duplex(PIPE_BYTES);
    let stop = CancellationToken::new();
    let (read, write) = tokio::io::split(theirs);
    let stopped = stop.clone().cancelled_owned();
    tokio::spawn(async move {
        let principal = Principal::local("bench");
        if let Err(error) =
            transport::serve_io(tools, principal, read, write, transport::REREAD_EVERY, stopped)
                .await
        {
            crate::report::tell(&format!("the server failed: {error}"));
        }
    });
    let (read, write) = tokio::io::split(ours);
    let mut client = Client::new(read, write);
    client.initialize().await?;
    Ok((client, stop.drop_guard()))
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Client<R, W> {
    pub(crate) fn new(read: R, write: W) -> Self {
        Self { read: BufReader::new(read), write, line: String::new() }
    }

    /// Begins the conversation; returns when the server has answered.
    pub(crate) async fn initialize(&mut self) -> Result<()> {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "bench", "version": "0"},
        });
        self.send(&request(0, "initialize", &params)).await?;
        self.answer().await?;
        self.send("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n").await
    }

    /// How many tools there are, over all pages.
    pub(crate) async fn tools(&mut self) -> Result<usize> {
        let (mut n_tools, mut cursor) = (0, Value::Null);
        loop {
            let params = if cursor.is_null() { json!({}) } else { json!({"cursor": cursor}) };
            self.send(&request(1, "tools/list", &params)).await?;
            let mut answer: Value = serde_json::from_str(self.answer().await?)?;
            let tools = answer.pointer("/result/tools").and_then(Value::as_array);
            n_tools += tools.context("a list without tools")?.len();
            match answer.pointer_mut("/result/nextCursor") {
                Some(next) if !next.is_null() => cursor = next.take(),
                _ => return Ok(n_tools),
            }
        }
    }

    pub(crate) async fn send(&mut self, line: &str) -> Result<()> {
        self.write.write_all(line.as_bytes()).await?;
        Ok(self.write.flush().await?)
    }

    /// The next answer, which must be a good one.
    pub(crate) async fn answer(&mut self) -> Result<&str> {
        self.line.clear();
        let n = self.read.read_line(&mut self.line).await?;
        ensure!(n > 0, "the server hung up");
        if self.line.contains("\"isError\":true") || self.line.contains("\"error\":{") {
            bail!("a call failed: {}", self.line.trim());
        }
        Ok(&self.line)
    }
}

/// The id of an answer.
pub(crate) fn id(line: &str) -> Result<u64> {
    let answer: Value = serde_json::from_str(line)?;
    answer.get("id").and_then(Value::as_u64).context("an answer without its id")
}

/// A request as a line.
pub(crate) fn request(id: u64, method: &str, params: &Value) -> String {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    format!("{message}\n")
}

/// A call of a tool as a line.
pub(crate) fn call(id: u64, tool: &str, arguments: &Value) -> String {
    request(id, "tools/call", &json!({"name": tool, "arguments": arguments}))
}
