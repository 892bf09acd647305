//! The end of the log: the chain and the file it is appended to. Whoever holds it writes, and there
//! is one.

use std::io;
use std::sync::Arc;

use tokio::sync::{broadcast, oneshot};

use super::chain::{Chain, Hash};
use super::disk::{Disk, LogFile};
use super::health::{Health, Part};
use super::key::{Checkpoint, Signer};
use super::record::{AuditLine, Body, OpenedRecord, SCHEMA, Stage};
use super::sink::{Copies, Mark};
use super::writer::{AuditError, CHECKPOINT_RECORDS};
use crate::capability::Clock;

/// Whoever waits for a record, or for everything before it.
pub(super) type Waiting = oneshot::Sender<Result<(), AuditError>>;

/// A record on its way.
pub(super) struct Entry {
    /// Taken together. None: whoever sent it waits until what came before is on the disk.
    pub(super) records: Vec<Record>,
    pub(super) is_durable: bool,
    pub(super) taken: Option<Waiting>,
    /// The log's own: where it is not taken, it is tried with the next one.
    pub(super) is_own: bool,
}

impl Entry {
    /// Bytes of what it is to bring into the log, about.
    pub(super) fn len(&self) -> usize {
        self.records.iter().map(Record::len).sum()
    }
}

/// A record without its place in the chain.
pub(super) struct Record {
    at: String,
    call: Option<String>,
    stage: Stage,
    body: Vec<u8>,
}

impl Record {
    pub(super) fn new(
        clock: &dyn Clock,
        call: Option<String>,
        stage: Stage,
    ) -> Result<Self, AuditError> {
        Self::at(clock.now().to_string(), call, stage)
    }

    fn at(at: String, call: Option<String>, stage: Stage) -> Result<Self, AuditError> {
        let mut body = Vec::with_capacity(512);
        let written = Body { at: &at, call: call.as_deref(), stage: &stage };
        serde_json::to_writer(&mut body, &written).map_err(|e| AuditError::Write(e.to_string()))?;
        Ok(Self { at, call, stage, body })
    }

    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    fn into_line(self, instance: &str, place: &Sealed) -> AuditLine {
        let Self { at, call, stage, body: _ } = self;
        let (schema, instance) = (SCHEMA.to_owned(), instance.to_owned());
        let (prev, hash) = (place.prev.to_string(), place.head.to_string());
        AuditLine { schema, instance, seq: place.seq, prev, at, call, stage, hash }
    }
}

/// How the log is kept.
#[derive(Debug, Clone, Copy)]
pub struct Rotation {
    /// A file that would grow beyond it gets a number, and another is begun.
    pub file_bytes_max: u64,
    /// How many files with a number are kept; `None` for all.
    pub keep_files: Option<u64>,
}

impl Default for Rotation {
    fn default() -> Self {
        // About 100,000 records: few files for a month, and one fits into any tool.
        Self { file_bytes_max: 64 << 20, keep_files: None }
    }
}

struct Current {
    file: Arc<dyn LogFile>,
    number: u64,
}

/// A line of a batch, where it ends in the batch's bytes.
struct Sealed {
    end: usize,
    seq: u64,
    prev: Hash,
    head: Hash,
}

pub(super) struct Ledger {
    disk: Arc<dyn Disk>,
    clock: Arc<dyn Clock>,
    signer: Arc<Signer>,
    rotation: Rotation,
    chain: Chain,
    current: Option<Current>,
    /// Records of the log's own that come before the next one.
    preface: Vec<Record>,
    /// The file ends within a line.
    is_torn: bool,
    /// A `fdatasync` failed: nobody knows what of this file is on the disk, and a later one that
    /// succeeds says nothing about it. Another file is begun.
    is_suspect: bool,
    /// Files that were current since the last `fdatasync`.
    unsynced: Vec<Arc<dyn LogFile>>,
    /// Who waits for the next one.
    waiting: Vec<Waiting>,
    /// Files to be removed once a checkpoint covers the record that says so.
    doomed: Vec<u64>,
    /// Files to be removed once that checkpoint is on the disk.
    removable: Vec<u64>,
    since_checkpoint: u64,
    /// The last record is a checkpoint that ends the chain.
    is_closed: bool,
    told: broadcast::Sender<Arc<AuditLine>>,
    copies: Vec<Copies>,
    health: Health,
}

/// What is to be brought to the disk.
pub(super) struct Unsynced {
    pub(super) files: Vec<Arc<dyn LogFile>>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) removable: Vec<u64>,
}

/// What a ledger is made of.
pub(super) struct Parts {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) signer: Arc<Signer>,
    pub(super) rotation: Rotation,
    pub(super) instance: String,
    pub(super) told: broadcast::Sender<Arc<AuditLine>>,
    pub(super) copies: Vec<Copies>,
    pub(super) health: Health,
}

impl Ledger {
    /// Opens the log; nothing is written before the first record.
    pub(super) fn open(parts: Parts) -> io::Result<Self> {
        let Parts { disk, clock, signer, rotation, instance, told, copies, health } = parts;
        let mut ledger = Self {
            disk,
            clock,
            signer,
            rotation,
            chain: Chain::new(&instance),
            current: None,
            preface: Vec::new(),
            is_torn: false,
            is_suspect: false,
            unsynced: Vec::new(),
            waiting: Vec::new(),
            doomed: Vec::new(),
            removable: Vec::new(),
            since_checkpoint: 0,
            is_closed: false,
            told,
            copies,
            health,
        };
        ledger.begin("")?;
        Ok(ledger)
    }

    /// Whether the next checkpoint is due: for the number of records, or for files to be removed.
    pub(super) fn wants_checkpoint(&self) -> bool {
        self.since_checkpoint >= CHECKPOINT_RECORDS || !self.doomed.is_empty()
    }

    /// Whether somebody, or a file to be removed, waits for the disk.
    pub(super) fn wants_sync(&self) -> bool {
        !self.waiting.is_empty() || !self.removable.is_empty()
    }

    /// Takes what waits for the disk.
    pub(super) fn take_unsynced(&mut self) -> Unsynced {
        let mut files = std::mem::take(&mut self.unsynced);
        files.extend(self.current.as_ref().map(|current| Arc::clone(&current.file)));
        Unsynced {
            files,
            waiting: std::mem::take(&mut self.waiting),
            removable: std::mem::take(&mut self.removable),
        }
    }

    /// The end of what was left for the copies.
    pub(super) fn mark_copies(&mut self) -> Vec<Mark> {
        self.copies.iter().map(Copies::mark).collect()
    }

    /// A `fdatasync` failed.
    pub(super) fn suspect(&mut self) {
        self.is_suspect = true;
    }

    /// Appends a batch in one write, and answers whoever waits for the file only.
    pub(super) fn append(&mut self, batch: Vec<Entry>) {
        let is_empty = batch.iter().all(|entry| entry.records.is_empty());
        let ready = if is_empty { Ok(()) } else { self.require_file(&batch) };
        let (mut sealed, failure, batch) = match ready {
            Ok(()) if is_empty => (Vec::new(), None, batch),
            Ok(()) => {
                let mut all = self.own_entries();
                all.extend(batch);
                let (sealed, failure) = self.write(&all);
                (sealed, failure, all)
            }
            Err(error) => (Vec::new(), Some(AuditError::Write(error.to_string())), batch),
        };
        match &failure {
            Some(error) => {
                let records: usize = batch.iter().map(|entry| entry.records.len()).sum();
                let n_lost = records.saturating_sub(sealed.len());
                self.health.failed(Part::Records, n_lost as u64, error);
            }
            None => self.health.is_well(&Part::Records),
        }
        let lost = || failure.clone().unwrap_or(AuditError::Slow);
        let mut sealed = sealed.drain(..);
        for Entry { records, is_durable, taken, is_own } in batch {
            let mut is_whole = !records.is_empty() || failure.is_none();
            for record in records {
                match sealed.next() {
                    Some(place) => self.placed(record, &place),
                    None if is_own => self.preface.push(record),
                    None => is_whole = false,
                }
            }
            match (is_whole, taken) {
                (true, Some(taken)) if is_durable => self.waiting.push(taken),
                (true, Some(taken)) => drop(taken.send(Ok(()))),
                (true, None) => {}
                (false, Some(taken)) => drop(taken.send(Err(lost()))),
                (false, None) => tracing::error!(error = %lost(), "a closing record is lost"),
            }
        }
    }

    /// Signs the chain so far and appends that to it. `None` where there is nothing to sign.
    ///
    /// # Errors
    /// The disk does not take it.
    pub(super) fn checkpoint(&mut self, closing: bool) -> io::Result<Option<Checkpoint>> {
        let is_signed = self.since_checkpoint == 0 && (!closing || self.is_closed);
        if self.chain.seq == 0 || is_signed {
            return Ok(None);
        }
        self.require_file(&[])?;
        let own = self.own_entries();
        self.append(own); // What belongs before it is covered by it.
        let Some(current) = self.current.as_ref().filter(|_| self.preface.is_empty()) else {
            return Err(io::Error::other("the log takes no record"));
        };
        let at = self.clock.now().to_string();
        let signed = self.signer.sign(&self.chain, current.number, at.clone(), closing);
        let stage = Stage::Checkpoint(signed.clone().into());
        let record = Record::at(at, None, stage).map_err(io::Error::other)?;
        let entry = Entry { records: vec![record], is_durable: false, taken: None, is_own: false };
        // Into the file as it is: another one would begin with a record of its own, and a
        // checkpoint stands right behind what it covers.
        let (sealed, failure) = self.write(std::slice::from_ref(&entry));
        if let Some(error) = failure {
            return Err(io::Error::other(error));
        }
        for (record, place) in entry.records.into_iter().zip(&sealed) {
            self.placed(record, place);
        }
        self.removable.append(&mut self.doomed);
        (self.since_checkpoint, self.is_closed) = (0, closing);
        Ok(Some(signed))
    }

    fn own_entries(&mut self) -> Vec<Entry> {
        let records = std::mem::take(&mut self.preface);
        if records.is_empty() {
            return Vec::new();
        }
        vec![Entry { records, is_durable: false, taken: None, is_own: true }]
    }

    /// A record has its place in the file.
    fn placed(&mut self, record: Record, place: &Sealed) {
        self.since_checkpoint += 1;
        self.is_closed = false;
        if let Stage::Continued { removed_to: Some(last), .. } = &record.stage {
            match self.disk.retired() {
                Ok(numbers) => self.doomed.extend(numbers.into_iter().filter(|n| n <= last)),
                Err(error) => tracing::warn!(%error, "files of the audit log are not removed"),
            }
        }
        if self.told.receiver_count() > 0 {
            let line = record.into_line(&self.chain.instance, place);
            // Without a listener there is nobody to tell.
            let _ = self.told.send(Arc::new(line));
        }
    }

    /// Writes, and tells which lines are whole in the file. A line that is not has no number: the
    /// next record takes it.
    fn write(&mut self, batch: &[Entry]) -> (Vec<Sealed>, Option<AuditError>) {
        let Some(file) = self.current.as_ref().map(|current| Arc::clone(&current.file)) else {
            return (Vec::new(), Some(AuditError::Write("it is not open".to_owned())));
        };
        let records = || batch.iter().flat_map(|entry| &entry.records);
        let mut bytes = Vec::with_capacity(records().map(|record| record.len() + 320).sum());
        if self.is_torn {
            bytes.push(b'\n');
        }
        let begin = bytes.len();
        let mut chain = self.chain.clone();
        let mut sealed = Vec::with_capacity(batch.len());
        for record in records() {
            let prev = chain.head;
            chain.seal(&record.body, &mut bytes);
            sealed.push(Sealed { end: bytes.len(), seq: chain.seq, prev, head: chain.head });
        }
        let (written, failure) = append_all(file.as_ref(), &bytes);
        self.is_torn &= written == 0;
        if let Some(error) = failure {
            sealed.retain(|line| line.end <= written);
            let whole = sealed.last().map_or(begin, |line| line.end);
            if let Some(fragment) = bytes.get(whole..written).filter(|bytes| !bytes.is_empty()) {
                self.found_torn(fragment);
            }
            bytes.truncate(whole);
            tracing::error!(%error, "the audit log cannot be written");
            self.advance(&sealed, &bytes);
            return (sealed, Some(AuditError::Write(error.to_string())));
        }
        self.advance(&sealed, &bytes);
        (sealed, None)
    }

    fn advance(&mut self, sealed: &[Sealed], bytes: &[u8]) {
        let Some(last) = sealed.last() else { return };
        (self.chain.seq, self.chain.head) = (last.seq, last.head);
        if !self.copies.is_empty() {
            let lines: Arc<[u8]> = bytes.trim_ascii_start().into();
            self.copies.iter_mut().for_each(|copy| copy.leave(&lines));
        }
    }

    /// A file that is there, current, not full and not suspect.
    fn require_file(&mut self, batch: &[Entry]) -> io::Result<()> {
        let incoming: usize = batch.iter().map(Entry::len).sum();
        let Some(current) = &self.current else {
            return self.begin("it could not be opened");
        };
        let Some(len) = current.file.len_if_current()? else {
            return self.begin("it was removed, or another process began the next");
        };
        let is_full = len > 0 && len.saturating_add(incoming as u64) > self.rotation.file_bytes_max;
        if !is_full && !self.is_suspect {
            return Ok(());
        }
        let last = self.disk.retired()?.into_iter().max().unwrap_or(0);
        let number = current.number.max(last + 1);
        if !self.disk.retire(current.file.as_ref(), number)? {
            return if self.is_suspect {
                Err(io::Error::other("fdatasync failed, and another process holds the folder"))
            } else {
                Ok(()) // A little too long does no harm.
            };
        }
        let why = if self.is_suspect { "its fdatasync failed" } else { "it was full" };
        self.begin(why)
    }

    /// Opens the current file, and says so in what is written next.
    fn begin(&mut self, why: &str) -> io::Result<()> {
        // What was written to the one before is brought to the disk with this one.
        self.unsynced.extend(self.current.take().map(|current| current.file));
        let file = self.disk.open()?;
        let first = serde_json::from_slice::<FirstLine>(&file.first_line()?).ok();
        let number = match first.and_then(|line| line.file) {
            Some(number) => number,
            None => self.disk.retired()?.into_iter().max().unwrap_or(0) + 1,
        };
        let fragment = file.unfinished()?;
        self.disk.sync_names()?;
        self.current = Some(Current { file, number });
        (self.is_torn, self.is_suspect) = (false, false);
        self.preface.retain(|record| matches!(record.stage, Stage::Torn { .. }));
        let stage = if self.chain.seq == 0 {
            Stage::Opened(OpenedRecord {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                file: number,
                key: self.signer.id().to_owned(),
                public_key: self.signer.public().to_string(),
            })
        } else {
            let keep = self.rotation.keep_files.unwrap_or(u64::MAX);
            let removed_to = number.saturating_sub(1).saturating_sub(keep);
            let removed_to = (removed_to > 0).then_some(removed_to);
            Stage::Continued { file: number, why: why.to_owned(), removed_to }
        };
        let record = Record::new(self.clock.as_ref(), None, stage).map_err(io::Error::other)?;
        self.preface.insert(0, record);
        if !fragment.is_empty() {
            self.found_torn(&fragment);
        }
        Ok(())
    }

    fn found_torn(&mut self, fragment: &[u8]) {
        self.is_torn = true;
        let n_bytes = fragment.len();
        let why = format!("half a record of {n_bytes} bytes was found: a process or a disk failed");
        self.health.failed(Part::Records, 1, &why);
        let stage = Stage::Torn {
            torn_bytes: fragment.len() as u64,
            torn_sha256: Hash::of(fragment).to_string(),
        };
        match Record::new(self.clock.as_ref(), None, stage) {
            Ok(record) => self.preface.push(record),
            Err(error) => tracing::error!(%error, "half a line of the audit log is not told of"),
        }
    }
}

#[derive(serde::Deserialize)]
struct FirstLine {
    file: Option<u64>,
}

fn append_all(file: &dyn LogFile, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
        match file.append(rest) {
            Ok(0) => return (written, Some(io::ErrorKind::WriteZero.into())),
            Ok(n) => written += n.min(rest.len()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}
