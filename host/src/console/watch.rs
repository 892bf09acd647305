//! What is new since the last look. Somebody has to look: without a browser nothing is read.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::ledger::Ledger;
use super::records::Records;
use super::site::Site;
use crate::governance::audit::AuditLine;

/// The state of what pages show.
pub(super) struct Watch {
    audit_dir: PathBuf,
    approvals_dir: PathBuf,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    records: Option<Records>,
    ledger: Ledger,
    approvals: Option<SystemTime>,
    /// Counts what was new.
    version: u64,
    trouble: Option<String>,
}

impl Watch {
    pub(super) fn new(audit_dir: PathBuf, approvals_dir: PathBuf) -> Self {
        Self { audit_dir, approvals_dir, seen: Mutex::default() }
    }

    /// Reads what is new, and says which version of everything this is. Blocks.
    fn look(&self) -> u64 {
        let mut seen = self.lock();
        match self.read(&mut seen) {
            Ok(()) => seen.trouble = None,
            Err(error) => seen.trouble = Some(error.to_string()),
        }
        // A file that is made or linked changes its folder.
        let changed = std::fs::metadata(&self.approvals_dir).and_then(|dir| dir.modified()).ok();
        if changed != seen.approvals {
            seen.approvals = changed;
            seen.version += 1;
        }
        seen.version
    }

    fn read(&self, seen: &mut Seen) -> io::Result<()> {
        let Seen { records, ledger, version, .. } = seen;
        let records = match records {
            Some(records) => records,
            None => records.insert(Records::open(&self.audit_dir)?),
        };
        let read = records.next()?;
        if !read.lines.is_empty() || read.n_unreadable > 0 {
            *version += 1;
        }
        ledger.add(read);
        Ok(())
    }

    fn find(&self, id: &str) -> io::Result<Vec<AuditLine>> {
        // Not under the lock: a log can be long, and other pages need not wait.
        Records::open(&self.audit_dir)?.find(id)
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Site {
    /// Which version of everything there is now.
    pub(super) async fn version(&self) -> u64 {
        let watch = Arc::clone(&self.watch);
        tokio::task::spawn_blocking(move || watch.look()).await.unwrap_or_default()
    }

    /// What the ledger says now, and why it may not be all.
    pub(super) async fn ledger<T>(&self, ask: impl FnOnce(&Ledger) -> T) -> (T, Option<String>) {
        self.version().await;
        let seen = self.watch.lock();
        (ask(&seen.ledger), seen.trouble.clone())
    }

    /// Every record of a call, or about a request.
    pub(super) async fn records(&self, id: &str) -> io::Result<Vec<AuditLine>> {
        let (watch, id) = (Arc::clone(&self.watch), id.to_owned());
        let found = tokio::task::spawn_blocking(move || watch.find(&id)).await;
        found.unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}
