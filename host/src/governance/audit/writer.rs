//! The one thread that appends.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use cap_std::fs::{Dir, File};
use tokio::sync::oneshot;

use super::record::{AuditLine, SCHEMA, Stage};
use crate::capability::Clock;
use crate::governance::state;

/// The file's name in the audit folder.
pub const FILE: &str = "audit.jsonl";

/// Records that may wait for the disk. Beyond that calls are refused: the log is not keeping up.
const QUEUE_MAX: usize = 4_096;

/// How long a call waits for its record to be taken before it is refused.
const DEADLINE: Duration = Duration::from_secs(1);

/// Records that share one write and one `fdatasync`.
const GROUP_MAX: usize = 256;

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
    #[error("the audit log took no record within {} ms", DEADLINE.as_millis())]
    Slow,
    /// Too many records wait.
    #[error("{QUEUE_MAX} records wait for the audit log")]
    Full,
}

struct Entry {
    call: Option<String>,
    /// Nothing to write: whoever sent it waits until what came before is on the disk.
    stage: Option<Stage>,
    durable: bool,
    taken: Option<oneshot::Sender<Result<(), AuditError>>>,
}

/// The way to the writer thread.
#[derive(Clone)]
pub(super) struct Writer {
    entries: SyncSender<Entry>,
}

impl Writer {
    pub(super) fn open(
        folder: &Path,
        instance: &str,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        let failed = |reason: std::io::Error| AuditError::Open {
            path: folder.join(FILE).display().to_string(),
            reason: reason.to_string(),
        };
        let dir = state::private_dir(folder).map_err(failed)?;
        let file = open(&dir).map_err(failed)?;
        let (entries, receiver) = sync_channel(QUEUE_MAX);
        let instance = instance.to_owned();
        let thread = Thread { dir, file, clock, instance, seq: 0, broken: false };
        std::thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || thread.run(&receiver))
            .map_err(failed)?;
        Ok(Self { entries })
    }

    /// Returns when the record is in the file, and on the disk if it is to be durable.
    pub(super) async fn write(
        &self,
        call: Option<String>,
        stage: Stage,
        durable: bool,
    ) -> Result<(), AuditError> {
        self.wait_for(call, Some(stage), durable).await
    }

    /// Returns when everything that was sent before is on the disk.
    pub(super) async fn flush(&self) -> Result<(), AuditError> {
        self.wait_for(None, None, true).await
    }

    async fn wait_for(
        &self,
        call: Option<String>,
        stage: Option<Stage>,
        durable: bool,
    ) -> Result<(), AuditError> {
        let (taken, answer) = oneshot::channel();
        self.send(Entry { call, stage, durable, taken: Some(taken) })?;
        match tokio::time::timeout(DEADLINE, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(AuditError::Write("its writer has stopped".to_owned())),
            Err(_) => Err(AuditError::Slow),
        }
    }

    /// Leaves the record without waiting: for what is over anyway.
    pub(super) fn leave(&self, call: Option<String>, stage: Stage) {
        if let Err(error) =
            self.send(Entry { call, stage: Some(stage), durable: false, taken: None })
        {
            tracing::error!(%error, "a closing record is lost");
        }
    }

    fn send(&self, entry: Entry) -> Result<(), AuditError> {
        self.entries.try_send(entry).map_err(|e| match e {
            TrySendError::Full(_) => AuditError::Full,
            TrySendError::Disconnected(_) => AuditError::Write("its writer has stopped".to_owned()),
        })
    }
}

fn open(dir: &Dir) -> std::io::Result<File> {
    let mut file =
        dir.open_with(FILE, state::private_file().create(true).append(true).read(true))?;
    if !ends_with_newline(&mut file)? {
        // A process died within a line. The next record must not become part of it.
        file.write_all(b"\n")?;
    }
    Ok(file)
}

fn ends_with_newline(file: &mut File) -> std::io::Result<bool> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

struct Thread {
    dir: Dir,
    file: File,
    clock: Arc<dyn Clock>,
    instance: String,
    seq: u64,
    /// A failed write may have left half a line.
    broken: bool,
}

impl Thread {
    fn run(mut self, entries: &Receiver<Entry>) {
        while let Ok(first) = entries.recv() {
            let mut group = vec![first];
            group.extend(entries.try_iter().take(GROUP_MAX - 1));
            // Whoever gave up waiting was told no: what the record announces does not happen.
            group.retain(|entry| entry.taken.as_ref().is_none_or(|taken| !taken.is_closed()));
            let result = self.append(&group);
            for entry in group {
                match (entry.taken, &result) {
                    (Some(taken), _) => drop(taken.send(result.clone())),
                    (None, Ok(())) => {}
                    (None, Err(error)) => tracing::error!(%error, "a closing record is lost"),
                }
            }
        }
    }

    fn append(&mut self, group: &[Entry]) -> Result<(), AuditError> {
        let mut bytes = Vec::with_capacity(group.len() * 512);
        if self.broken {
            bytes.push(b'\n');
        }
        for entry in group {
            let Some(stage) = &entry.stage else { continue };
            // Counted on where a write fails, so that a gap tells of it.
            self.seq += 1;
            let line = AuditLine {
                schema: SCHEMA.to_owned(),
                instance: self.instance.clone(),
                seq: self.seq,
                at: self.clock.now().to_string(),
                call: entry.call.clone(),
                stage: stage.clone(),
            };
            serde_json::to_writer(&mut bytes, &line)
                .map_err(|e| AuditError::Write(e.to_string()))?;
            bytes.push(b'\n');
        }
        let durable = group.iter().any(|entry| entry.durable);
        let written = self
            .require_file()
            .and_then(|()| self.file.write_all(&bytes))
            .and_then(|()| if durable { self.file.sync_data() } else { Ok(()) });
        self.broken = written.is_err();
        written.map_err(|error| AuditError::Write(error.to_string()))
    }

    /// A file that was removed still takes what is written, and nobody will ever read it: another is
    /// made in its place, or nothing is on record.
    #[cfg(unix)]
    fn require_file(&mut self) -> std::io::Result<()> {
        use cap_std::fs::MetadataExt as _;
        if self.file.metadata()?.nlink() == 0 {
            self.file = open(&self.dir)?;
            self.broken = false;
        }
        Ok(())
    }

    #[cfg(not(unix))]
    fn require_file(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
