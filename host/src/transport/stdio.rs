//! One client over a pair of pipes: a message on each line, and nothing else.

use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::service::{ServerInitializeError, serve_server_with_ct};
use rmcp::transport::Transport;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::jsonrpc::{self, Rejection};
use super::server::{Callers, Common, McpServer};
use super::{MESSAGE_BYTES_MAX, TransportError};
use crate::domain::principal::Principal;
use crate::gateway::Tools;

/// Messages that wait in each direction. Reading stops while answers wait, so a client that does
/// not read cannot make us hold what it does not take.
const QUEUE: usize = 32;

/// After the input ends, calls may finish for this long: `echo request | toolgate` gets its answer.
const LAST_CALLS: Duration = Duration::from_secs(1);

/// How long the output may take to take what is left.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Serves the person at this machine over stdin and stdout, until stdin ends or `shutdown` fires.
///
/// The read of stdin itself cannot be taken back: after `shutdown`, end the runtime with
/// `shutdown_background`, or it waits for one more line.
pub async fn serve_stdio(
    tools: Arc<dyn Tools>,
    user: &str,
    reread_every: Duration,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), TransportError> {
    let principal = Principal::local(user);
    let (read, write) = (tokio::io::stdin(), tokio::io::stdout());
    serve_io(tools, principal, read, write, reread_every, shutdown).await
}

/// Serves one client over any two streams; what it watches is read again so often. Until `read` ends, `write` fails or `shutdown` fires.
pub async fn serve_io<R, W>(
    tools: Arc<dyn Tools>,
    principal: Principal,
    read: R,
    write: W,
    reread_every: Duration,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), TransportError>
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let (outbound, to_write) = mpsc::channel(QUEUE);
    let (to_read, inbound) = mpsc::channel(QUEUE);
    let ended = CancellationToken::new();
    let end = CancellationToken::new();
    let mut writer = AbortOnDropHandle::new(tokio::spawn(write_lines(write, to_write)));
    let reader = AbortOnDropHandle::new(tokio::spawn({
        let (outbound, ended) = (outbound.clone(), ended.clone());
        async move {
            let read = read_lines(read, &to_read, &outbound).await;
            ended.cancel();
            read
        }
    }));
    let lines = Lines { inbound: Arc::new(Mutex::new(inbound)), outbound };
    let mut conversation =
        pin!(converse(tools, principal, lines, Common::new(reread_every), end.clone()));
    let mut stop = pin!(async {
        let input_ended = async {
            ended.cancelled().await;
            tokio::time::sleep(LAST_CALLS).await;
        };
        tokio::select! {
            () = shutdown => {}
            () = input_ended => {}
        }
    });
    loop {
        tokio::select! {
            () = &mut conversation => break,
            () = &mut stop, if !end.is_cancelled() => end.cancel(),
            // Nobody reads what we write: there is nothing left to do.
            _ = &mut writer => return Ok(()),
        }
    }
    let read = if ended.is_cancelled() {
        reader.await.unwrap_or(Ok(()))
    } else {
        // It would wait for one more line, and the writer for it.
        drop(reader);
        Ok(())
    };
    let _ = tokio::time::timeout(LAST_WORDS, writer).await;
    read.map_err(TransportError::Read)
}

/// Speaks with the client until it leaves. rmcp gives a conversation up when it begins with the
/// wrong message; the client may begin again.
async fn converse(
    tools: Arc<dyn Tools>,
    principal: Principal,
    lines: Lines,
    common: Common,
    end: CancellationToken,
) {
    loop {
        let callers = Callers::Is(principal.clone());
        let server = McpServer::new(tools.clone(), callers, common.clone());
        match serve_server_with_ct(server, lines.clone(), end.clone()).await {
            Ok(running) => {
                if let Err(error) = running.waiting().await {
                    tracing::error!(%error, "the conversation broke off");
                }
                return;
            }
            Err(
                ServerInitializeError::ExpectedInitializeRequest(_)
                | ServerInitializeError::InitializeFailed(_),
            ) => tracing::debug!("a conversation began with the wrong message"),
            Err(error) => {
                tracing::debug!(%error, "no conversation");
                return;
            }
        }
    }
}

/// What rmcp sees of the pipes.
#[derive(Clone)]
struct Lines {
    inbound: Arc<Mutex<mpsc::Receiver<ClientJsonRpcMessage>>>,
    outbound: mpsc::Sender<Vec<u8>>,
}

impl Transport<RoleServer> for Lines {
    type Error = io::Error;

    fn send(
        &mut self,
        message: ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let line = serde_json::to_vec(&message);
        let outbound = self.outbound.clone();
        async move { outbound.send(line?).await.map_err(|_| io::ErrorKind::BrokenPipe.into()) }
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        self.inbound.lock().await.recv().await
    }

    async fn close(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The only writer, so no line is cut by another.
async fn write_lines(mut write: impl AsyncWrite + Unpin, mut lines: mpsc::Receiver<Vec<u8>>) {
    while let Some(mut line) = lines.recv().await {
        line.push(b'\n');
        let written = async {
            write.write_all(&line).await?;
            write.flush().await
        };
        if let Err(error) = written.await {
            tracing::debug!(%error, "cannot write to the client");
            return;
        }
    }
}

async fn read_lines(
    read: impl AsyncRead + Unpin,
    inbound: &mpsc::Sender<ClientJsonRpcMessage>,
    outbound: &mpsc::Sender<Vec<u8>>,
) -> io::Result<()> {
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        let rejection = match next_line(&mut read, &mut line).await? {
            Line::End => return Ok(()),
            Line::Blank => continue,
            Line::TooLong => Rejection::too_large(MESSAGE_BYTES_MAX),
            Line::Whole => match jsonrpc::read(&line) {
                Ok(message) => {
                    // Our own room for answers comes first.
                    let Ok(room) = outbound.reserve().await else { return Ok(()) };
                    drop(room);
                    if inbound.send(message).await.is_err() {
                        return Ok(());
                    }
                    continue;
                }
                Err(rejection) if rejection.is_answer => continue,
                Err(rejection) => rejection,
            },
        };
        if outbound.send(rejection.to_json()).await.is_err() {
            return Ok(());
        }
    }
}

enum Line {
    Whole,
    Blank,
    TooLong,
    End,
}

/// Reads up to the next line break. What is longer than a message may be is skipped, not kept.
async fn next_line(
    read: &mut (impl AsyncBufReadExt + Unpin),
    line: &mut Vec<u8>,
) -> io::Result<Line> {
    line.clear();
    let mut too_long = false;
    loop {
        let bytes = read.fill_buf().await?;
        let at_end = bytes.is_empty();
        let (part, line_break) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(n) => (bytes.get(..n).unwrap_or_default(), true),
            None => (bytes, false),
        };
        let taken = part.len() + usize::from(line_break);
        too_long |= line.len() + part.len() > MESSAGE_BYTES_MAX;
        if too_long {
            line.clear();
        } else {
            line.extend_from_slice(part);
        }
        read.consume(taken);
        if line_break || at_end {
            return Ok(if too_long {
                Line::TooLong
            } else if !line.trim_ascii().is_empty() {
                Line::Whole
            } else if at_end {
                Line::End
            } else {
                Line::Blank
            });
        }
    }
}
