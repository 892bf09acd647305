//! Promise P7: what a disk may do wrong, and that nothing is taken which it did not take.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::super::disk::{Disk, LogFile};
use super::super::writer::DEADLINE;
use super::super::{AuditError, AuditLog, FILE, Part, Rotation, Settings, Sink, Stage};
use super::{found, settings, verified};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Appending fails with this error of the system.
    Append(i32),
    /// Only so many bytes are taken, then it fails: a disk that is full within a line.
    Short(usize),
    /// What is appended does not come to the disk.
    Sync(i32),
    /// Appending takes until somebody ends it.
    StuckAppend,
    /// Bringing it to the disk takes until somebody ends it.
    StuckSync,
}

#[derive(Default)]
struct Shared {
    fault: Mutex<Option<Fault>>,
    mended: Condvar,
    n_synced: AtomicUsize,
    /// How much of the file a loss of power would leave.
    synced_len: AtomicU64,
}

impl Shared {
    fn fault(&self) -> Option<Fault> {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
        self.mended.notify_all();
    }

    fn wait_while(&self, stuck: Fault) {
        let fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.mended.wait_while(fault, |fault| *fault == Some(stuck)));
    }
}

struct Faulty {
    real: Arc<dyn Disk>,
    shared: Arc<Shared>,
}

struct FaultyFile {
    real: Arc<dyn LogFile>,
    shared: Arc<Shared>,
}

impl Disk for Faulty {
    fn open(&self) -> io::Result<Arc<dyn LogFile>> {
        let (real, shared) = (self.real.open()?, Arc::clone(&self.shared));
        Ok(Arc::new(FaultyFile { real, shared }))
    }

    fn retire(&self, file: &dyn LogFile, number: u64) -> io::Result<bool> {
        self.real.retire(file, number)
    }

    fn retired(&self) -> io::Result<Vec<u64>> {
        self.real.retired()
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.real.remove(number)
    }

    fn sync_names(&self) -> io::Result<()> {
        self.real.sync_names()
    }

    fn keep_checkpoint(&self, line: &[u8]) -> io::Result<()> {
        self.real.keep_checkpoint(line)
    }
}

impl LogFile for FaultyFile {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.shared.fault() {
            Some(Fault::Append(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::Short(n)) => {
                self.shared.set(Some(Fault::Append(ENOSPC)));
                return self.real.append(&bytes[..n.min(bytes.len())]);
            }
            Some(Fault::StuckAppend) => self.shared.wait_while(Fault::StuckAppend),
            Some(Fault::Sync(_) | Fault::StuckSync) | None => {}
        }
        self.real.append(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        match self.shared.fault() {
            Some(Fault::Sync(code)) => return Err(io::Error::from_raw_os_error(code)),
            Some(Fault::StuckSync) => self.shared.wait_while(Fault::StuckSync),
            _ => {}
        }
        let len = self.real.len_if_current()?.unwrap_or(0);
        self.real.sync()?;
        self.shared.n_synced.fetch_add(1, Ordering::SeqCst);
        self.shared.synced_len.fetch_max(len, Ordering::SeqCst);
        Ok(())
    }

    fn len_if_current(&self) -> io::Result<Option<u64>> {
        self.real.len_if_current()
    }

    fn first_line(&self) -> io::Result<Vec<u8>> {
        self.real.first_line()
    }

    fn unfinished(&self) -> io::Result<Vec<u8>> {
        self.real.unfinished()
    }
}

const EIO: i32 = 5;
const ENOSPC: i32 = 28;
const EROFS: i32 = 30;
const EDQUOT: i32 = 122;

/// Longer than the deadline by what a busy machine takes to notice.
const REFUSED_WITHIN: Duration = Duration::from_secs(3);

fn open(folder: &std::path::Path) -> (AuditLog, Arc<Shared>) {
    open_with(settings(folder, Rotation::default()))
}

/// With the deadline that is shipped.
fn open_as_shipped(folder: &std::path::Path) -> (AuditLog, Arc<Shared>) {
    open_with(Settings { deadline: DEADLINE, ..settings(folder, Rotation::default()) })
}

fn open_with(settings: Settings) -> (AuditLog, Arc<Shared>) {
    let shared = Arc::new(Shared::default());
    let handle = Arc::clone(&shared);
    let log = AuditLog::on(settings, move |real| Arc::new(Faulty { real, shared: handle }));
    (log.unwrap(), shared)
}

async fn durable(log: &AuditLog, call: &str) -> Result<(), AuditError> {
    log.record(call, Stage::Abandoned, true).await
}

/// What the fault makes of reads and of writes, and that both go on once it is mended.
async fn check(fault: Fault) {
    let folder = tempfile::tempdir().unwrap();
    let is_stuck = matches!(fault, Fault::StuckSync | Fault::StuckAppend);
    let open = if is_stuck { open_as_shipped } else { open };
    let (log, disk) = open(folder.path());
    durable(&log, "before").await.unwrap();
    disk.set(Some(fault));
    let begun = Instant::now();
    let refused = durable(&log, "refused").await;
    assert!(refused.is_err(), "{fault:?}");
    assert!(begun.elapsed() < REFUSED_WITHIN, "{fault:?}: {:?}", begun.elapsed());
    let others = (0..8).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { durable(&log, &format!("refused-{n}")).await })
    });
    for other in others.collect::<Vec<_>>() {
        assert!(other.await.unwrap().is_err(), "{fault:?}");
    }
    assert!(begun.elapsed() < 2 * REFUSED_WITHIN, "{fault:?}: {:?}", begun.elapsed());
    disk.set(None);
    let mended = Instant::now();
    while durable(&log, "after").await.is_err() {
        assert!(mended.elapsed() < Duration::from_secs(5), "{fault:?}: it does not recover");
        tokio::task::yield_now().await;
    }
    log.record("read", Stage::Abandoned, false).await.unwrap();
    log.close().await.unwrap();
    let report = verified(folder.path());
    assert_eq!(found(&report), Vec::<&str>::new(), "{fault:?}");
    assert!(report.instances[0].is_closed);
    let text = super::super::files::parts(folder.path()).unwrap().into_iter();
    let text: String = text.map(|part| io::read_to_string(part.file).unwrap()).collect();
    for call in ["before", "after", "read"] {
        assert!(text.contains(&format!("\"call\":\"{call}\"")), "{fault:?}: {text}");
    }
    if matches!(fault, Fault::Append(_) | Fault::Short(_)) {
        assert!(!text.lines().any(|line| {
            line.contains("refused") && line.ends_with("\"}") && line.contains("\"hash\"")
        }));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_refuses_refuses_records_and_recovers() {
    for code in [EIO, ENOSPC, EROFS, EDQUOT] {
        check(Fault::Append(code)).await;
        check(Fault::Sync(code)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_is_full_within_a_line_takes_no_record_with_it() {
    for n in [0, 1, 17, 200] {
        check(Fault::Short(n)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_disk_that_does_not_answer_refuses_within_a_second_and_recovers() {
    check(Fault::StuckSync).await;
}

/// The one who writes is held up by the disk; everybody else is told in time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_does_not_return_holds_up_one_worker_at_most() {
    let folder = tempfile::tempdir().unwrap();
    let (log, disk) = open_as_shipped(folder.path());
    durable(&log, "before").await.unwrap();
    disk.set(Some(Fault::StuckAppend));
    let held = {
        let log = log.clone();
        tokio::spawn(async move { log.record("held", Stage::Abandoned, false).await })
    };
    let begun = Instant::now();
    let others = (0..16).map(|n| {
        let log = log.clone();
        tokio::spawn(async move { log.record(&format!("{n}"), Stage::Abandoned, false).await })
    });
    let mut n_refused = 0;
    for other in others.collect::<Vec<_>>() {
        // One of them may be the one that writes.
        match tokio::time::timeout(REFUSED_WITHIN, other).await {
            Ok(answer) => n_refused += usize::from(answer.unwrap() == Err(AuditError::Slow)),
            Err(_) => assert!(begun.elapsed() < 2 * REFUSED_WITHIN),
        }
    }
    assert!(n_refused >= 15, "{n_refused}");
    disk.set(None);
    assert_eq!(held.await.unwrap(), Err(AuditError::Slow));
    log.record("after", Stage::Abandoned, false).await.unwrap();
    log.close().await.unwrap();
    assert_eq!(found(&verified(folder.path())), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_loss_of_power_leaves_every_record_that_was_durable() {
    let folder = tempfile::tempdir().unwrap();
    let (log, disk) = open(folder.path());
    let path = folder.path().join(FILE);
    let tasks = (0..16).map(|task| {
        let (log, disk, path) = (log.clone(), Arc::clone(&disk), path.clone());
        tokio::spawn(async move {
            for number in 0..10 {
                let call = format!("call{task}-{number}");
                durable(&log, &call).await.unwrap();
                let mut left = std::fs::read(&path).unwrap();
                left.truncate(disk.synced_len.load(Ordering::SeqCst) as usize);
                let left = String::from_utf8(left).unwrap();
                assert!(left.contains(&format!("\"{call}\"")), "{call}");
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_come_together_share_one_fdatasync() {
    let folder = tempfile::tempdir().unwrap();
    let (log, disk) = open(folder.path());
    durable(&log, "first").await.unwrap();
    let before = disk.n_synced.load(Ordering::SeqCst);
    disk.set(Some(Fault::StuckSync));
    let calls: Vec<String> = (0..64).map(|n| format!("call{n}")).collect();
    let mut all = std::pin::pin!(join_all(calls.iter().map(|call| durable(&log, call))));
    // Once asked, each has left its record: in the file, or with the thread that waits for the disk.
    assert!(all.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    disk.set(None);
    for taken in all.await {
        taken.unwrap();
    }
    let n_syncs = disk.n_synced.load(Ordering::SeqCst) - before;
    assert!(n_syncs <= 3, "{n_syncs} for 64 records");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_told_beside_the_records_and_so_is_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let (log, shared) = open_as_shipped(folder.path());
    durable(&log, "c1").await.unwrap();
    let heard = log.ailments();
    assert!(heard.borrow().is_empty(), "all is well");
    for (fault, part, why) in [
        (Fault::Append(ENOSPC), Part::Records, "No space left"),
        (Fault::Sync(EIO), Part::Disk, "Input/output error"),
    ] {
        shared.set(Some(fault));
        durable(&log, "c2").await.unwrap_err();
        let seen = heard.borrow().clone();
        assert!(seen[&part].fails && seen[&part].n_failures == 1, "{seen:?}");
        assert!(seen[&part].why.contains(why), "{seen:?}");
        shared.set(None);
        durable(&log, "c3").await.unwrap();
        assert!(!heard.borrow()[&part].fails, "{part}");
    }
    shared.set(Some(Fault::StuckSync));
    assert_eq!(durable(&log, "c4").await, Err(AuditError::Slow));
    assert_eq!(heard.borrow()[&Part::Pace].n_failures, 1);
    shared.set(None);
}

/// A copy that fails when it is told to, and is never quick.
struct Slowly {
    fails: Arc<AtomicUsize>,
    taken: Arc<Mutex<Vec<u8>>>,
}

impl Sink for Slowly {
    fn name(&self) -> &'static str {
        "slowly"
    }

    fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        if self.fails.load(Ordering::SeqCst) > 0 {
            return Err(io::Error::other("it is gone"));
        }
        std::thread::yield_now();
        self.taken.lock().unwrap().extend_from_slice(lines);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_waits_for_copies_and_what_they_lose_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let (fails, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::default()));
    let mut settings = settings(folder.path(), Rotation::default());
    settings.copies =
        vec![Box::new(Slowly { fails: Arc::clone(&fails), taken: Arc::clone(&taken) })];
    let log = AuditLog::with(settings).unwrap();
    for number in 0..200 {
        durable(&log, &format!("c{number}")).await.unwrap();
    }
    // The end waits for what is left by then, not for a machine that is busy.
    let begun = Instant::now();
    while std::fs::read(folder.path().join(FILE)).unwrap() != *taken.lock().unwrap() {
        assert!(begun.elapsed() < Duration::from_mins(1), "copies stay behind");
        tokio::task::yield_now().await;
    }
    log.close().await.unwrap();
    let file = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    let taken = String::from_utf8(taken.lock().unwrap().clone()).unwrap();
    assert_eq!(taken, file, "every line, and the last of them");
    fails.store(1, Ordering::SeqCst);
    durable(&log, "c200").await.unwrap();
    log.close().await.unwrap();
    let seen = log.ailments().borrow()[&Part::Copy("slowly".to_owned())].clone();
    assert!(seen.fails && seen.n_failures == 2, "a record and a checkpoint: {seen:?}");
}
