//! Where copies of the records go. The first place of the log decides whether a record is taken; a
//! copy gets what it can, and what it loses is counted and told.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use super::health::{Health, Part};

/// Batches of lines that wait for one copy. One that is further behind loses.
const BATCHES_MAX: usize = 1_024;

/// How long the end of the log waits for its copies: one that stands still keeps nobody.
const ENDS_WITHIN: Duration = Duration::from_millis(500);

/// A place that copies of the records go to.
pub trait Sink: Send + 'static {
    /// What the operator calls it.
    fn name(&self) -> &str;

    /// Takes whole lines, one record each. May block: it has a thread of its own.
    ///
    /// # Errors
    /// They are lost there.
    fn take(&mut self, lines: &[u8]) -> io::Result<()>;
}

/// What a copy's thread is left.
enum Left {
    Lines(Arc<[u8]>),
    /// Everything before it is to be taken by the time that this is dropped.
    Mark(SyncSender<()>),
}

/// The way to a copy.
pub(super) struct Copies {
    name: String,
    left: SyncSender<Left>,
    health: Health,
    is_behind: bool,
}

impl Copies {
    /// Starts the copy's thread.
    pub(super) fn start(sink: Box<dyn Sink>, health: Health) -> io::Result<Self> {
        let name = sink.name().to_owned();
        let (left, received) = sync_channel(BATCHES_MAX);
        let of_thread = health.clone();
        let thread = std::thread::Builder::new().name(format!("audit-{name}"));
        thread.spawn(move || copy(sink, &received, &of_thread))?;
        Ok(Self { name, left, health, is_behind: false })
    }

    /// Leaves lines for it, and waits for nothing.
    pub(super) fn leave(&mut self, lines: &Arc<[u8]>) {
        let is_behind = self.left.try_send(Left::Lines(Arc::clone(lines))).is_err();
        if is_behind {
            let part = Part::Copy(self.name.clone());
            self.health.failed(part, count(lines), &"it is too slow");
        }
        if is_behind && !self.is_behind {
            tracing::error!(sink = self.name, "is too slow, and loses copies of the audit log");
        }
        self.is_behind = is_behind;
    }

    /// Asks it to take what was left so far.
    pub(super) fn mark(&self) -> Mark {
        let (mark, passed) = sync_channel(0);
        let until = Instant::now() + ENDS_WITHIN;
        let is_left = match self.left.try_send(Left::Mark(mark)) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => false,
        };
        Mark { passed: is_left.then_some(passed), until }
    }
}

/// The end of what a copy was left.
pub(super) struct Mark {
    passed: Option<Receiver<()>>,
    until: Instant,
}

impl Mark {
    /// Returns when the copy has come to it, or takes too long.
    pub(super) fn wait(self) {
        if let Some(passed) = self.passed {
            // Nothing is sent: it ends when the other side is dropped, or with the time.
            let left = self.until.saturating_duration_since(Instant::now());
            let _ = passed.recv_timeout(left);
        }
    }
}

fn copy(mut sink: Box<dyn Sink>, received: &Receiver<Left>, health: &Health) {
    let name = sink.name().to_owned();
    let part = Part::Copy(name.clone());
    let mut n_lost = 0_u64;
    while let Ok(left) = received.recv() {
        let lines = match left {
            Left::Lines(lines) => lines,
            Left::Mark(mark) => {
                drop(mark);
                continue;
            }
        };
        match sink.take(&lines) {
            Ok(()) => {
                if n_lost > 0 {
                    tracing::warn!(sink = name, n_lost, "takes copies of the audit log again");
                    n_lost = 0;
                }
                health.is_well(&part);
            }
            Err(error) => {
                if n_lost == 0 {
                    tracing::error!(sink = name, %error, "takes no copy of the audit log");
                }
                let n = count(&lines);
                n_lost += n;
                health.failed(part.clone(), n, &error);
            }
        }
    }
}

fn count(lines: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', lines).count() as u64
}
