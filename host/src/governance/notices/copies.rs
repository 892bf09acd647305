//! Copies of the audit log's records, to a webhook. Lines wait here while the webhook takes others;
//! what does not fit is lost to the copy, and the log says so.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::notice::{Notice, Stamp};
use crate::capability::Outbox;
use crate::domain::name::WebhookName;
use crate::governance::audit::{AuditLog, Sink};

/// What the lines that wait may hold: some ten thousand records.
const WAITING_BYTES_MAX: usize = 8 << 20;

/// Lines of one message, as a rule: what receivers take without being told to. A single line may be
/// longer.
const MESSAGE_BYTES_MAX: usize = 256 << 10;

/// How long lines wait for others to share their message: nobody acts on a copy.
const GATHERED_FOR: Duration = Duration::from_millis(250);

#[derive(Default)]
struct Waiting {
    lines: VecDeque<String>,
    bytes: usize,
}

struct Shared {
    webhook: WebhookName,
    sink: String,
    waiting: Mutex<Waiting>,
    came: Notify,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lines of the next message.
    fn next(&self) -> Vec<String> {
        let mut waiting = self.lock();
        let mut bytes = 0;
        let mut n_lines = 0;
        for line in &waiting.lines {
            bytes += line.len();
            if n_lines > 0 && bytes > MESSAGE_BYTES_MAX {
                break;
            }
            n_lines += 1;
        }
        let lines: Vec<String> = waiting.lines.drain(..n_lines).collect();
        waiting.bytes -= lines.iter().map(String::len).sum::<usize>();
        lines
    }
}

/// The log's end of the copy.
pub struct CopySink(Arc<Shared>);

impl Sink for CopySink {
    fn name(&self) -> &str {
        &self.0.sink
    }

    fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        let text = std::str::from_utf8(lines).map_err(io::Error::other)?;
        let mut waiting = self.0.lock();
        if waiting.bytes + text.len() > WAITING_BYTES_MAX {
            return Err(io::Error::other("too many records wait for it"));
        }
        for line in text.split('\n').filter(|line| !line.is_empty()) {
            waiting.bytes += line.len();
            waiting.lines.push_back(line.to_owned());
        }
        drop(waiting);
        self.0.came.notify_one();
        Ok(())
    }
}

/// The webhook's end of the copy.
pub struct Copier(Arc<Shared>);

/// A copy that goes to a webhook.
pub fn copy_to(webhook: WebhookName) -> (CopySink, Copier) {
    let sink = format!("webhook:{webhook}");
    let (waiting, came) = (Mutex::default(), Notify::new());
    let shared = Arc::new(Shared { webhook, sink, waiting, came });
    (CopySink(Arc::clone(&shared)), Copier(shared))
}

impl Copier {
    /// Brings what comes, until told to stop; then what is left.
    pub async fn run(
        self,
        outbox: Arc<dyn Outbox>,
        stamp: Arc<Stamp>,
        log: AuditLog,
        stop: CancellationToken,
    ) {
        let Self(shared) = self;
        loop {
            let lines = shared.next();
            if lines.is_empty() {
                tokio::select! {
                    biased;
                    () = shared.came.notified() => {}
                    () = stop.cancelled() => return,
                }
                tokio::select! {
                    () = tokio::time::sleep(GATHERED_FOR) => {}
                    () = stop.cancelled() => {}
                }
                continue;
            }
            let n_lines = lines.len() as u64;
            let message = stamp.message(&Notice::Records { lines }, None);
            if let Err(lost) = outbox.bring(&shared.webhook, message).await {
                tracing::error!(sink = shared.sink, n_lines, %lost, "copies of records are lost");
                log.lost_by_copy(&shared.sink, n_lines, &lost.to_string());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_in_order_and_up_to_a_bound() {
        let (mut sink, Copier(shared)) = copy_to("archive".parse().unwrap());
        assert_eq!(sink.name(), "webhook:archive");
        sink.take(b"{\"seq\":1}\n{\"seq\":2}\n").unwrap();
        let long = format!("{}\n", "x".repeat(MESSAGE_BYTES_MAX + 1));
        sink.take(long.as_bytes()).unwrap();
        sink.take(b"{\"seq\":4}\n").unwrap();
        assert_eq!(shared.next(), ["{\"seq\":1}", "{\"seq\":2}"]);
        assert_eq!(shared.next().len(), 1, "a long one has a message of its own");
        assert_eq!(shared.next(), ["{\"seq\":4}"]);
        assert!(shared.next().is_empty());
        let taken = (0..100).take_while(|_| sink.take(long.as_bytes()).is_ok()).count();
        assert_eq!(taken, WAITING_BYTES_MAX / (MESSAGE_BYTES_MAX + 1));
    }
}
