//! The trail of one call.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::record::{CallRecord, Decision, OutcomeRecord, Stage};
use super::writer::{AuditError, Writer};
use crate::capability::{CapabilityError, Clock, Journal};
use crate::domain::call::{Call, CapabilityUse, Outcome, Provenance};
use crate::domain::decision::Refusal;
use crate::domain::name::{CallId, ClusterName};
use crate::domain::withheld::Withheld;
use crate::governance::admission::Permit;

/// How much of the arguments is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arguments {
    /// Nothing.
    Metadata,
    /// Everything.
    Full,
}

/// The log of one process.
#[derive(Clone)]
pub struct AuditLog {
    writer: Writer,
    arguments: Arguments,
}

impl AuditLog {
    /// Opens the log in its folder, which only its owner may look into.
    ///
    /// # Errors
    /// Where the file cannot be opened; nothing may run then.
    pub fn open(
        folder: &Path,
        instance: &str,
        arguments: Arguments,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, AuditError> {
        Ok(Self { writer: Writer::open(folder, instance, clock)?, arguments })
    }

    /// Opens the trail of a call. No record, no call.
    ///
    /// # Errors
    /// Where the record is not taken; the call must not run.
    pub async fn open_trail(&self, call: &Call) -> Result<Trail, AuditError> {
        let record = CallRecord::new(call, self.arguments == Arguments::Full);
        let trail = Trail {
            writer: self.writer.clone(),
            call: call.id.to_string(),
            opened: Instant::now(),
            closed: AtomicBool::new(false),
            sources: Mutex::default(),
            withheld: Mutex::default(),
        };
        trail.write(Stage::Received(Box::new(record)), false).await?;
        Ok(trail)
    }

    /// Returns when everything that was recorded so far is on the disk.
    ///
    /// # Errors
    /// Where it is not.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.writer.flush().await
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
    closed: AtomicBool,
    sources: Mutex<Vec<Provenance>>,
    withheld: Mutex<Withheld>,
}

/// How many sources an answer names; beyond that the record has them all.
const SOURCES_MAX: usize = 32;

impl Trail {
    /// Records what admission decided.
    ///
    /// # Errors
    /// Where the record is not taken; the call must not run.
    pub async fn decided(&self, verdict: &Result<Permit, Refusal>) -> Result<(), AuditError> {
        let stage = match verdict {
            Ok(permit) => Stage::Admitted {
                plugin: permit.offer().plugin.to_string(),
                digest: permit.offer().digest.clone(),
                tier: permit.offer().tier.to_string(),
            },
            Err(refusal) => {
                self.closed.store(true, Ordering::Release); // A refused call has ended.
                Stage::Refused(Decision {
                    refusal: refusal.as_str().to_owned(),
                    reason: refusal.to_string(),
                })
            }
        };
        self.write(stage, false).await
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
        if !self.closed.load(Ordering::Acquire) {
            self.writer.leave(Some(self.call.clone()), Stage::Abandoned);
        }
    }
}
