//! Where copies of the records go. The first place of the log decides whether a record is taken; a
//! copy gets what it can, and what it loses is counted and told.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

/// Batches of lines that wait for one copy. One that is further behind loses.
const BATCHES_MAX: usize = 1_024;

/// A place that copies of the records go to.
pub trait Sink: Send + 'static {
    /// What the operator calls it.
    fn name(&self) -> &'static str;

    /// Takes whole lines, one record each. May block: it has a thread of its own.
    ///
    /// # Errors
    /// They are lost there.
    fn take(&mut self, lines: &[u8]) -> io::Result<()>;
}

/// The way to a copy.
pub(super) struct Copies {
    name: &'static str,
    batches: SyncSender<Arc<[u8]>>,
    is_behind: bool,
}

impl Copies {
    /// Starts the copy's thread.
    pub(super) fn start(mut sink: Box<dyn Sink>) -> io::Result<Self> {
        let name = sink.name();
        let (batches, received) = sync_channel::<Arc<[u8]>>(BATCHES_MAX);
        std::thread::Builder::new().name(format!("audit-{name}")).spawn(move || {
            let mut n_lost = 0_u64;
            while let Ok(lines) = received.recv() {
                match sink.take(&lines) {
                    Ok(()) if n_lost > 0 => {
                        tracing::warn!(sink = name, n_lost, "takes copies of the audit log again");
                        n_lost = 0;
                    }
                    Ok(()) => {}
                    Err(error) => {
                        if n_lost == 0 {
                            tracing::error!(sink = name, %error, "takes no copy of the audit log");
                        }
                        n_lost += memchr::memchr_iter(b'\n', &lines).count() as u64;
                    }
                }
            }
        })?;
        Ok(Self { name, batches, is_behind: false })
    }

    /// Leaves lines for it, and waits for nothing.
    pub(super) fn leave(&mut self, lines: &Arc<[u8]>) {
        let is_behind = self.batches.try_send(Arc::clone(lines)).is_err();
        if is_behind && !self.is_behind {
            tracing::error!(sink = self.name, "is too slow, and loses copies of the audit log");
        }
        self.is_behind = is_behind;
    }
}
