//! The trail of one call.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::arguments::{Arguments, Recorder};
use super::disk::{Disk, FILE, Folder, Stream};
use super::health::{Ailments, Health, Part};
use super::key::{self, PublicKey, Signer};
use super::ledger::{self, Ledger, Rotation};
use super::record::{AuditLine, CallRecord, Decision, OutcomeRecord, Stage};
use super::sink::{Copies, Sink};
use super::writer::{AuditError, DEADLINE, LISTENER_RECORDS_MAX, Writer};
use crate::capability::{CapabilityError, Clock, Journal};
use crate::domain::call::{Call, CapabilityUse, Outcome, Provenance, Unfinished};
use crate::domain::decision::Refusal;
use crate::domain::name::{CallId, ClusterName};
use crate::domain::withheld::Withheld;
use crate::governance::admission::{Offer, Permit};
use crate::governance::state;

/// Where a log's records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// The file in the log's folder. Where it is one of the places, a record is taken when the file
    /// has it.
    pub file: bool,
    /// A stream of this process.
    pub stream: Option<StreamName>,
}

/// A stream of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamName {
    /// Standard output.
    Stdout,
    /// Standard error: where standard output is the protocol's.
    Stderr,
}

/// How a log is kept.
pub struct Settings {
    /// Where its files and its key lie.
    pub folder: PathBuf,
    /// What records call this process.
    pub instance: String,
    /// How much of the arguments is recorded.
    pub arguments: Arguments,
    /// How long a call waits for its record before it is refused.
    pub deadline: Duration,
    /// How files follow each other.
    pub rotation: Rotation,
    /// Where records go.
    pub places: Places,
    /// Where else copies go.
    pub copies: Vec<Box<dyn Sink>>,
    /// A file for checkpoints, beside the one in the folder.
    pub checkpoints: Option<PathBuf>,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Settings {
    /// A file alone, and everything else as it is where an operator says nothing.
    pub fn usual(
        folder: &Path,
        instance: &str,
        arguments: Arguments,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            instance: instance.to_owned(),
            arguments,
            deadline: DEADLINE,
            rotation: Rotation::default(),
            places: Places { file: true, stream: None },
            copies: Vec::new(),
            checkpoints: None,
            clock,
        }
    }
}

/// The log of one process.
#[derive(Clone)]
pub struct AuditLog {
    writer: Writer,
    recorder: Recorder,
    key: PublicKey,
    health: Health,
}

impl AuditLog {
    /// Opens the log in its folder, which only its owner may look into, with everything else as
    /// usual.
    ///
    /// # Errors
    /// Where the file cannot be opened; nothing may run then.
    pub fn open(
        folder: &Path,
        instance: &str,
        arguments: Arguments,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        Self::with(Settings::usual(folder, instance, arguments, clock))
    }

    /// Opens the log.
    ///
    /// # Errors
    /// Where the folder, its keys or the file cannot be opened; nothing may run then.
    pub fn with(settings: Settings) -> Result<Self, AuditError> {
        Self::on(settings, |folder| folder)
    }

    /// Opens the log on a disk that may do wrong.
    pub(super) fn on(
        settings: Settings,
        disk: impl FnOnce(Arc<dyn Disk>) -> Arc<dyn Disk>,
    ) -> Result<Self, AuditError> {
        let failed = |reason: std::io::Error| AuditError::Open {
            path: settings.folder.join(FILE).display().to_string(),
            reason: reason.to_string(),
        };
        let dir = state::private_dir(&settings.folder).map_err(failed)?;
        let signer = Arc::new(Signer::of(&dir).map_err(failed)?);
        let salt = key::salt(&dir).map_err(failed)?;
        let (key, recorder) = (signer.public(), Recorder::new(settings.arguments, salt));
        let stream = settings.places.stream.map(|name| match name {
            StreamName::Stdout => Stream::stdout(),
            StreamName::Stderr => Stream::stderr(),
        });
        let mut sinks = settings.copies;
        let place: Arc<dyn Disk> = match stream {
            Some(stream) if !settings.places.file => Arc::new(stream),
            Some(stream) => {
                sinks.push(Box::new(stream));
                Arc::new(Folder::new(dir))
            }
            None => Arc::new(Folder::new(dir)),
        };
        let path = settings.folder.join(FILE).display().to_string();
        let failed = |reason: std::io::Error| AuditError::Open { path, reason: reason.to_string() };
        let disk = disk(place);
        let (told, _) = broadcast::channel(LISTENER_RECORDS_MAX);
        let health = Health::new();
        let writer = (|| {
            let copies = sinks.into_iter().map(|sink| Copies::start(sink, health.clone()));
            let copies = copies.collect::<Result<_, _>>()?;
            let ledger = Ledger::open(ledger::Parts {
                disk: Arc::clone(&disk),
                clock: Arc::clone(&settings.clock),
                signer,
                rotation: settings.rotation,
                instance: settings.instance,
                told: told.clone(),
                copies,
                health: health.clone(),
            })?;
            let (clock, checkpoints) = (settings.clock, settings.checkpoints);
            let (health, deadline) = (health.clone(), settings.deadline);
            Writer::start(ledger, disk, clock, health, told, checkpoints, deadline)
        })();
        Ok(Self { writer: writer.map_err(failed)?, recorder, key, health })
    }

    /// What others need to check what this process signs.
    pub fn public_key(&self) -> PublicKey {
        self.key
    }

    /// Opens the trail of a call whose caller was let in, or was not. That it came in is written
    /// together with what admission decides, since nothing runs in between.
    pub fn open_trail(&self, call: &Call, is_let_in: bool) -> Trail {
        let weight = call.arguments_bytes();
        let arguments = if weight > Call::ARGUMENTS_BYTES_MAX {
            Some(format!("{weight} bytes: more than are taken").into())
        } else if is_let_in || weight <= REFUSED_ARGUMENTS_BYTES_MAX {
            self.recorder.arguments(&call.arguments)
        } else {
            None // Not even looked at.
        };
        let record = CallRecord::new(call, arguments);
        Trail {
            writer: self.writer.clone(),
            call: call.id.to_string(),
            opened: Instant::now(),
            arguments_bytes: weight,
            received: Mutex::new(Some(Box::new(record))),
            closed: AtomicBool::new(false),
            sources: Mutex::default(),
            withheld: Mutex::default(),
            unfinished: Mutex::default(),
            resumes: AtomicBool::new(false),
        }
    }

    /// Every record from now on, once it was taken: for what shows or tells, never for what decides.
    ///
    /// A listener that falls more than a thousand records behind loses the oldest and is told how
    /// many (`Lagged`); nobody ever waits for one.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<AuditLine>> {
        self.writer.subscribe()
    }

    /// What failed of the log so far, and whether it still does: for what shows or tells.
    pub fn ailments(&self) -> watch::Receiver<Ailments> {
        self.health.listen()
    }

    /// A sink took records for a copy, and lost them later.
    pub fn lost_by_copy(&self, sink: &str, n_records: u64, why: &str) {
        self.health.failed(Part::Copy(sink.to_owned()), n_records, &why);
    }

    /// Returns when everything that was recorded so far is on the disk.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.writer.flush().await
    }

    /// Ends this process's chain with a checkpoint that says so; returns when it is on the disk.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn close(&self) -> Result<(), AuditError> {
        self.writer.close().await
    }

    /// Records something that may follow a call by minutes: an approval, an effect.
    ///
    /// # Errors
    /// Where the record is not taken; what it announces must not happen.
    pub async fn record(&self, call: &str, stage: Stage, durable: bool) -> Result<(), AuditError> {
        self.writer.write(Some(call.to_owned()), stage, durable).await
    }
}

#[async_trait::async_trait]
impl Journal for AuditLog {
    async fn request(
        &self,
        cluster: &ClusterName,
        method: &str,
        path_and_query: &str,
        call: Option<&CallId>,
    ) -> Result<(), CapabilityError> {
        let stage = Stage::Request {
            cluster: cluster.to_string(),
            method: method.to_owned(),
            path: path_and_query.to_owned(),
        };
        let taken = self.writer.write(call.map(ToString::to_string), stage, false).await;
        taken.map_err(|error| CapabilityError::Unavailable {
            caller: "the audit log takes no record, so nothing is asked of the cluster",
            internal: error.to_string(),
        })
    }
}

/// The trail of one call. Dropped before it was closed, it records `abandoned`.
pub struct Trail {
    writer: Writer,
    call: String,
    opened: Instant,
    arguments_bytes: usize,
    /// Not written yet.
    received: Mutex<Option<Box<CallRecord>>>,
    closed: AtomicBool,
    sources: Mutex<Vec<Provenance>>,
    withheld: Mutex<Withheld>,
    unfinished: Mutex<Option<Unfinished>>,
    resumes: AtomicBool,
}

/// What is recorded of the arguments of a call that is refused: enough for any that was meant. No
/// caller fills the disk with what is refused.
const REFUSED_ARGUMENTS_BYTES_MAX: usize = 4 << 10;

/// How many sources an answer names; beyond that the record has them all.
const SOURCES_MAX: usize = 32;

impl Trail {
    /// Records that the call came in, and what admission decided on what is offered. No record, no
    /// call.
    ///
    /// # Errors
    /// Where the record is not taken; the call must not run.
    pub async fn decided(
        &self,
        verdict: &Result<Permit, Refusal>,
        offer: Option<&Offer>,
    ) -> Result<(), AuditError> {
        let stage = match verdict {
            Ok(permit) => Stage::Admitted {
                plugin: permit.offer().plugin.to_string(),
                digest: permit.offer().digest.clone(),
                tier: permit.offer().tier.to_string(),
            },
            Err(refusal) => {
                self.closed.store(true, Ordering::Release); // A refused call has ended.
                Stage::Refused(Decision::new(refusal, offer))
            }
        };
        match self.take_received() {
            Some(mut received) => {
                let weight = self.arguments_bytes;
                let is_taken = weight <= Call::ARGUMENTS_BYTES_MAX;
                if verdict.is_err() && is_taken && weight > REFUSED_ARGUMENTS_BYTES_MAX {
                    let text = format!("{weight} bytes: too many for the record of a refusal");
                    received.arguments = Some(text.into());
                }
                self.writer.write_both(&self.call, Stage::Received(received), stage).await
            }
            None => self.write(stage, false).await,
        }
    }

    fn take_received(&self) -> Option<Box<CallRecord>> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Records that a capability is about to be used, or was refused.
    ///
    /// # Errors
    /// Where the record is not taken; the use must not happen.
    pub async fn used(&self, used: &CapabilityUse) -> Result<(), AuditError> {
        self.write(Stage::Used(used.into()), false).await?;
        if used.allowed {
            let source =
                Provenance { capability: used.capability, target: used.target.to_string() };
            let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
            if sources.len() < SOURCES_MAX && !sources.contains(&source) {
                sources.push(source);
            }
        }
        Ok(())
    }

    /// What was read so far.
    pub fn sources(&self) -> Vec<Provenance> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Counts what was taken out of a text.
    pub fn withhold(&self, withheld: Withheld) {
        *self.withheld.lock().unwrap_or_else(PoisonError::into_inner) += withheld;
    }

    /// What was taken out so far.
    pub fn withheld(&self) -> Withheld {
        *self.withheld.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a write that does not end with the call. The first stays: a client asks its person about
    /// one thing at a time.
    pub fn leave_unfinished(&self, write: Unfinished) {
        let mut unfinished = self.unfinished.lock().unwrap_or_else(PoisonError::into_inner);
        unfinished.get_or_insert(write);
    }

    /// Says that the call only asks what became of a write, and requests none.
    pub fn resume(&self) {
        self.resumes.store(true, Ordering::Release);
    }

    /// Whether it does.
    pub fn resumes(&self) -> bool {
        self.resumes.load(Ordering::Acquire)
    }

    /// The first write that does not end with the call.
    pub fn unfinished(&self) -> Option<Unfinished> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Closes the trail.
    pub fn close(&self, outcome: &Outcome) {
        self.closed.store(true, Ordering::Release);
        let record = OutcomeRecord::new(outcome, self.withheld(), self.opened.elapsed());
        self.writer.leave(Some(self.call.clone()), Stage::Completed(record));
    }

    async fn write(&self, stage: Stage, durable: bool) -> Result<(), AuditError> {
        self.writer.write(Some(self.call.clone()), stage, durable).await
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if let Some(received) = self.take_received() {
            self.writer.leave(Some(self.call.clone()), Stage::Received(received));
        }
        if !self.closed.load(Ordering::Acquire) {
            self.writer.leave(Some(self.call.clone()), Stage::Abandoned);
        }
    }
}
