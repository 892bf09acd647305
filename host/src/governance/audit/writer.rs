//! The way into the log.
//!
//! Whoever has a record writes it, and with it whatever others left meanwhile: no thread is woken
//! for a read. One thread of the log's own brings records to the disk in groups, signs checkpoints,
//! and writes where nobody else may: for runtimes with a single worker, and while the disk is slow,
//! so that one worker at most is ever held up by it.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{broadcast, oneshot};

use super::disk::{Disk, keep_copy};
use super::health::{Health, Part};
use super::key::Checkpoint;
use super::ledger::{Entry, Ledger, Record, Unsynced};
use super::record::{AuditLine, Stage};
use super::sink::Mark;
use crate::capability::Clock;

/// Records that may wait for the disk. Beyond that calls are refused: the log is not keeping up.
const QUEUE_MAX: usize = 4_096;

/// What the records that wait may hold: arguments have up to 256 KiB.
const QUEUE_BYTES_MAX: usize = 32 << 20;

/// How long a call waits for its record to be taken before it is refused, where nobody says. A disk
/// that is well takes a thousandth of that, and a caller who waits learns soon that nothing runs.
pub(super) const DEADLINE: Duration = Duration::from_secs(1);

/// Records that share one write.
const GROUP_MAX: usize = 256;

/// Batches that one caller writes for others before the thread goes on with it.
const ROUNDS_MAX: usize = 4;

/// How long whoever finds somebody else writing waits on the spot. A batch is written within some ten
/// microseconds; to lie down and be woken up takes longer than that.
const SPIN_FOR: Duration = Duration::from_micros(20);

/// A write that takes longer is slow: a worker has better things to do. The page cache takes a batch
/// in some microseconds.
const SLOW: Duration = Duration::from_millis(20);

/// How long only the thread writes after a slow write.
const SLOW_FOR: Duration = Duration::from_secs(1);

/// Records and time between two checkpoints.
pub(super) const CHECKPOINT_RECORDS: u64 = 1_000;
const CHECKPOINT_EVERY: Duration = Duration::from_mins(1);

/// Records that one listener may be behind. Whoever is further behind loses the oldest, and is told
/// how many.
pub(super) const LISTENER_RECORDS_MAX: usize = 1_024;

/// Why a record was not taken. Whatever it was about does not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("the audit log `{path}` cannot be opened: {reason}")]
    Open {
        /// Where it is.
        path: String,
        /// Why not.
        reason: String,
    },
    /// The disk refuses.
    #[error("the audit log cannot be written: {0}")]
    Write(String),
    /// The disk does not answer.
    #[error("the audit log took no record in time (`audit.deadline_ms`)")]
    Slow,
    /// Too many records wait, or too long ones.
    #[error(
        "as much waits for the audit log as may: {QUEUE_MAX} records, or {} MiB of them",
        QUEUE_BYTES_MAX >> 20
    )]
    Full,
}

/// The way to the log. Its thread ends with the last of them.
#[derive(Clone)]
pub(super) struct Writer {
    shared: Arc<Shared>,
    _last: Arc<Last>,
}

/// Tells the thread that nobody is left.
struct Last(Arc<Shared>);

impl Drop for Last {
    fn drop(&mut self) {
        self.0.order(|orders| orders.stop = true);
    }
}

struct Shared {
    queue: Mutex<Queue>,
    /// Who holds it writes.
    ledger: Mutex<Ledger>,
    orders: Mutex<Orders>,
    ordered: Condvar,
    clock: Arc<dyn Clock>,
    disk: Arc<dyn Disk>,
    health: Health,
    told: broadcast::Sender<Arc<AuditLine>>,
    /// Where checkpoints go beside the folder.
    checkpoints: Option<std::path::PathBuf>,
    /// How long a call waits for its record.
    deadline: Duration,
    began: Instant,
    /// Until when only the thread writes, in milliseconds since `began`.
    slow_until_ms: AtomicU64,
    /// The thread is gone; nothing is durable any more.
    is_over: AtomicBool,
}

#[derive(Default)]
struct Queue {
    entries: Vec<Entry>,
    bytes: usize,
}

impl Queue {
    fn take(&mut self) -> Vec<Entry> {
        let n = self.entries.len().min(GROUP_MAX);
        let mut group: Vec<Entry> = self.entries.drain(..n).collect();
        self.bytes -= group.iter().map(Entry::len).sum::<usize>();
        // Whoever gave up waiting was told no: what the record announces does not happen.
        group.retain(|entry| entry.taken.as_ref().is_none_or(|taken| !taken.is_closed()));
        group
    }
}

/// What the thread is to do.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "four things that may be asked at once")]
struct Orders {
    write: bool,
    sync: bool,
    checkpoint: bool,
    stop: bool,
    closed: Vec<oneshot::Sender<()>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Writer {
    pub(super) fn start(
        ledger: Ledger,
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        health: Health,
        told: broadcast::Sender<Arc<AuditLine>>,
        checkpoints: Option<std::path::PathBuf>,
        deadline: Duration,
    ) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            ledger: Mutex::new(ledger),
            orders: Mutex::default(),
            ordered: Condvar::new(),
            clock,
            disk,
            health,
            told,
            checkpoints,
            deadline,
            began: Instant::now(),
            slow_until_ms: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let thread = Arc::clone(&shared);
        std::thread::Builder::new().name("audit".to_owned()).spawn(move || thread.run())?;
        Ok(Self { _last: Arc::new(Last(Arc::clone(&shared))), shared })
    }

    /// Every record from now on, once it was taken.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<AuditLine>> {
        self.shared.told.subscribe()
    }

    /// Returns when the record is in the file, and on the disk if it is to be durable.
    pub(super) async fn write(
        &self,
        call: Option<String>,
        stage: Stage,
        is_durable: bool,
    ) -> Result<(), AuditError> {
        let record = Record::new(self.shared.clock.as_ref(), call, stage)?;
        self.wait_for(vec![record], is_durable).await
    }

    /// As `write`, of two records that nothing happens between: one write for both.
    pub(super) async fn write_both(
        &self,
        call: &str,
        first: Stage,
        second: Stage,
    ) -> Result<(), AuditError> {
        let clock = self.shared.clock.as_ref();
        let record = |stage| Record::new(clock, Some(call.to_owned()), stage);
        self.wait_for(vec![record(first)?, record(second)?], false).await
    }

    /// Returns when everything that was sent before is on the disk.
    pub(super) async fn flush(&self) -> Result<(), AuditError> {
        self.wait_for(Vec::new(), true).await
    }

    /// Signs what there is. Returns when that is on the disk.
    pub(super) async fn close(&self) -> Result<(), AuditError> {
        self.flush().await?;
        let (closed, end) = oneshot::channel();
        self.shared.order(|orders| orders.closed.push(closed));
        match tokio::time::timeout(self.shared.deadline, end).await {
            Ok(_) => Ok(()),
            Err(_) => Err(AuditError::Slow),
        }
    }

    async fn wait_for(&self, records: Vec<Record>, is_durable: bool) -> Result<(), AuditError> {
        let (taken, mut answer) = oneshot::channel();
        let entry = Entry { records, is_durable, taken: Some(taken), is_own: false };
        let begun = Instant::now();
        let taken = self.take(entry, begun, &mut answer).await;
        if let Err(error @ (AuditError::Slow | AuditError::Full)) = &taken {
            self.shared.health.failed(Part::Pace, 1, error);
        }
        taken
    }

    async fn take(
        &self,
        entry: Entry,
        begun: Instant,
        answer: &mut oneshot::Receiver<Result<(), AuditError>>,
    ) -> Result<(), AuditError> {
        let deadline = self.shared.deadline;
        self.shared.push(entry)?;
        self.shared.bring();
        let result = match answer.try_recv() {
            Ok(result) => result,
            Err(_) => match tokio::time::timeout(deadline, answer).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(AuditError::Write("its writer has stopped".to_owned())),
                Err(_) => return Err(AuditError::Slow),
            },
        };
        // One that wrote itself has waited for the disk, not for an answer.
        if begun.elapsed() > deadline { result.and(Err(AuditError::Slow)) } else { result }
    }

    /// Leaves the record without waiting: for what is over anyway.
    pub(super) fn leave(&self, call: Option<String>, stage: Stage) {
        let left = Record::new(self.shared.clock.as_ref(), call, stage).and_then(|record| {
            let records = vec![record];
            self.shared.push(Entry { records, is_durable: false, taken: None, is_own: false })
        });
        match left {
            Ok(()) => self.shared.bring(),
            Err(error) => tracing::error!(%error, "a closing record is lost"),
        }
    }
}

impl Shared {
    fn push(&self, entry: Entry) -> Result<(), AuditError> {
        let bytes = entry.len();
        let mut queue = lock(&self.queue);
        if queue.entries.len() >= QUEUE_MAX || queue.bytes + bytes > QUEUE_BYTES_MAX {
            return Err(AuditError::Full);
        }
        if self.is_over.load(Ordering::Acquire) {
            return Err(AuditError::Write("its writer has stopped".to_owned()));
        }
        queue.bytes += bytes;
        queue.entries.push(entry);
        Ok(())
    }

    /// Gets what waits written: here, where that may be, or by the thread.
    fn bring(&self) {
        if !self.may_write_here() {
            return self.order(|orders| orders.write = true);
        }
        for _ in 0..ROUNDS_MAX {
            // Whoever holds it looks at the queue again after having let go of it.
            let Some(mut ledger) = self.ledger_soon() else { return };
            self.write_group(&mut ledger);
            drop(ledger);
            if lock(&self.queue).entries.is_empty() {
                return;
            }
        }
        self.order(|orders| orders.write = true);
    }

    fn ledger_soon(&self) -> Option<MutexGuard<'_, Ledger>> {
        let mut spinning = None;
        loop {
            match self.ledger.try_lock() {
                Ok(ledger) => return Some(ledger),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => std::hint::spin_loop(),
            }
            if spinning.get_or_insert_with(Instant::now).elapsed() > SPIN_FOR {
                return None;
            }
        }
    }

    /// A worker that the disk holds up is missing from the others. With a second one, those are
    /// refused after the deadline; without, nobody could even tell them.
    fn may_write_here(&self) -> bool {
        if self.now_ms() < self.slow_until_ms.load(Ordering::Relaxed) {
            return false;
        }
        Handle::try_current().is_ok_and(|runtime| {
            runtime.runtime_flavor() == RuntimeFlavor::MultiThread
                && runtime.metrics().num_workers() > 1
        })
    }

    fn write_group(&self, ledger: &mut Ledger) {
        let group = lock(&self.queue).take();
        if group.is_empty() {
            return;
        }
        let begun = Instant::now();
        ledger.append(group);
        if begun.elapsed() > SLOW {
            self.slow_until_ms.store(self.now_ms() + millis(SLOW_FOR), Ordering::Relaxed);
        } else {
            self.health.is_well(&Part::Pace);
        }
        let is_due = ledger.wants_checkpoint();
        if ledger.wants_sync() || is_due {
            self.order(|orders| {
                orders.sync = true;
                orders.checkpoint |= is_due;
            });
        }
    }

    fn now_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }

    fn order(&self, change: impl FnOnce(&mut Orders)) {
        change(&mut lock(&self.orders));
        self.ordered.notify_one();
    }

    /// The thread.
    fn run(&self) {
        let mut checkpoint_at = Instant::now() + CHECKPOINT_EVERY;
        loop {
            let orders = self.next_orders(checkpoint_at);
            if orders.write || orders.stop || !orders.closed.is_empty() {
                self.write_all();
            }
            if orders.sync || orders.stop || self.at_ledger(|ledger| ledger.wants_sync()) {
                self.sync();
            }
            let is_closing = orders.stop || !orders.closed.is_empty();
            // Asked for by several batches, it is made once.
            let is_due = orders.checkpoint && self.at_ledger(|ledger| ledger.wants_checkpoint());
            if is_due || is_closing || Instant::now() >= checkpoint_at {
                self.checkpoint(is_closing);
                checkpoint_at = Instant::now() + CHECKPOINT_EVERY;
            }
            if is_closing {
                self.at_ledger(Ledger::mark_copies).into_iter().for_each(Mark::wait);
            }
            for closed in orders.closed {
                let _ = closed.send(()); // Whoever gave up waiting needs no answer.
            }
            if orders.stop {
                self.is_over.store(true, Ordering::Release);
                return;
            }
        }
    }

    fn next_orders(&self, until: Instant) -> Orders {
        let mut orders = lock(&self.orders);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let is_idle = !(orders.write || orders.sync || orders.checkpoint || orders.stop);
            if left.is_zero() || !is_idle || !orders.closed.is_empty() {
                return std::mem::take(&mut orders);
            }
            let waited = self.ordered.wait_timeout(orders, left);
            orders = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Looks at the ledger, and then at the queue: whoever found the ledger taken meanwhile left
    /// their records there.
    fn at_ledger<T>(&self, look: impl FnOnce(&mut Ledger) -> T) -> T {
        let seen = look(&mut lock(&self.ledger));
        if !lock(&self.queue).entries.is_empty() {
            self.write_all();
        }
        seen
    }

    fn write_all(&self) {
        loop {
            let mut ledger = lock(&self.ledger);
            self.write_group(&mut ledger);
            drop(ledger);
            if lock(&self.queue).entries.is_empty() {
                return;
            }
        }
    }

    /// Brings what is in the file to the disk, while others go on writing.
    fn sync(&self) {
        let Unsynced { files, waiting, removable } = self.at_ledger(Ledger::take_unsynced);
        let synced = files.iter().try_for_each(|file| file.sync());
        if let Err(error) = &synced {
            tracing::error!(%error, "the audit log is not on the disk");
            self.health.failed(Part::Disk, 1, error);
            self.at_ledger(Ledger::suspect);
        } else if !files.is_empty() {
            self.health.is_well(&Part::Disk);
        }
        for waiting in waiting {
            let result = synced.as_ref().copied().map_err(|e| AuditError::Write(e.to_string()));
            let _ = waiting.send(result); // Whoever gave up waiting was told no.
        }
        for number in removable.into_iter().filter(|_| synced.is_ok()) {
            match self.disk.remove(number) {
                Ok(()) => tracing::info!(number, "removed a file of the audit log: `keep_files`"),
                Err(error) => tracing::error!(number, %error, "a file of the audit log stays"),
            }
        }
    }

    fn checkpoint(&self, is_closing: bool) {
        let signed = self.at_ledger(|ledger| ledger.checkpoint(is_closing));
        let checkpoint = match signed {
            Ok(Some(checkpoint)) => checkpoint,
            Ok(None) => return,
            Err(error) => {
                tracing::error!(%error, "the audit log takes no checkpoint");
                self.health.failed(Part::Checkpoints, 1, &error);
                return;
            }
        };
        // First in the log, then elsewhere: what stands elsewhere has to be found in the log.
        self.sync();
        match self.anchor(&checkpoint) {
            Ok(()) => self.health.is_well(&Part::Checkpoints),
            Err(error) => {
                tracing::error!(%error, "a checkpoint of the audit log stands in the log alone");
                self.health.failed(Part::Checkpoints, 1, &error);
            }
        }
    }

    fn anchor(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let mut line = serde_json::to_vec(checkpoint)?;
        tracing::info!(
            target: "toolgate::audit::checkpoint",
            "{}", String::from_utf8_lossy(&line)
        );
        line.push(b'\n');
        let copied = self.checkpoints.as_ref().map_or(Ok(()), |path| keep_copy(path, &line));
        self.disk.keep_checkpoint(&line).and(copied)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
