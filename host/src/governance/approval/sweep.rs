//! Keeps the folder small and true: what a dead process held is ended, what ended long ago is
//! removed. The audit log keeps the record.

use std::collections::BTreeSet;
use std::io;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answers::whole_seconds;
use super::desk::GONE;
use super::file::{ApprovalFile, NoteFile, Status};
use super::folder::Folder;
use crate::domain::name::ApprovalId;

/// How long what ended can be looked at: until the next working day.
pub(super) const KEPT_FOR: Duration = Duration::from_hours(72);

/// How much of what ended can be looked at: each look at the list reads it all.
const KEPT_MAX: usize = 500;

/// How old a draft has to be to belong to nobody. One is written in milliseconds.
const DRAFT_LIVES: Duration = Duration::from_mins(10);

const INTERRUPTED: &str =
    "the server stopped while it executed; look at the object before you ask again";

/// What the host noted of a request that a dead process held.
#[derive(Debug, Clone)]
pub struct Orphan {
    /// The request.
    pub request: ApprovalFile,
    /// `expired`, or `interrupted` where it may or may not be done.
    pub status: Status,
}

impl Folder {
    /// Ends what processes held that are gone. An execution that had begun may or may not have
    /// happened, and nobody tries it again.
    pub(super) fn end_orphans(&self, now: Timestamp) -> io::Result<Vec<Orphan>> {
        let (mut orphans, at) = (Vec::new(), whole_seconds(now));
        for id in self.ids()? {
            let Ok(Some((request, _))) = self.request(&id) else { continue };
            if matches!(self.ended(&id), Ok(Some(_))) || !self.is_gone(&request.instance) {
                continue;
            }
            let note = |status, detail: &str| {
                let detail = Some(detail.to_owned());
                NoteFile { status, detail, at: at.clone() }
            };
            let (status, noted) = match self.decided(&id) {
                Ok(Some(decided)) if decided.status != Status::Approved => continue,
                Ok(None) => (Status::Expired, self.put_decided(&id, &note(Status::Expired, GONE))),
                // Also where nobody can tell what was decided.
                Ok(Some(_)) | Err(_) => (
                    Status::Interrupted,
                    self.put_ended(&id, &note(Status::Interrupted, INTERRUPTED)),
                ),
            };
            match noted {
                Ok(()) => orphans.push(Orphan { request, status }),
                // Another process that started did it.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Ok(orphans)
    }

    /// Removes what ended long ago, or is more than can be looked at; never what is under way.
    pub(super) fn prune(&self, now: Timestamp) -> io::Result<usize> {
        let mut over = Vec::new();
        for id in self.ids()? {
            let end = match (self.ended(&id), self.decided(&id)) {
                (Ok(Some(ended)), _) => Some(ended.at),
                (Ok(None), Ok(Some(decided))) if decided.status != Status::Approved => {
                    Some(decided.at)
                }
                _ => None,
            };
            over.extend(end.map(|end| (end, id)));
        }
        over.sort_by(|a, b| b.cmp(a)); // The newest first.
        let kept_for = SignedDuration::try_from(KEPT_FOR).unwrap_or_default();
        let oldest = now.saturating_sub(kept_for).map(whole_seconds).unwrap_or_default();
        let mut n_removed = 0;
        for (idx, (end, id)) in over.iter().enumerate() {
            if idx >= KEPT_MAX || *end < oldest {
                self.remove(id)?;
                n_removed += 1;
            }
        }
        Ok(n_removed)
    }

    /// Removes what no process holds and no request belongs to: a process was killed in between.
    pub(super) fn remove_litter(&self, now: Timestamp) -> io::Result<()> {
        let mut lost: BTreeSet<ApprovalId> = BTreeSet::new();
        // Looked at before the requests, which come before everything else of theirs.
        let names = self.names()?;
        let ids = self.ids()?;
        for name in names {
            if let Some(instance) = name.strip_suffix(".alive") {
                if self.is_gone(instance) {
                    self.remove_file(&name)?;
                }
            } else if name.starts_with('.') && name.rsplit('.').next() == Some("draft") {
                if self.is_older(&name, now, DRAFT_LIVES) {
                    self.remove_file(&name)?;
                }
            } else if let Some((id, _)) = name.split_once('.') {
                let id = id.parse::<ApprovalId>().ok();
                lost.extend(id.filter(|id| !ids.contains(id)));
            }
        }
        lost.iter().try_for_each(|id| self.remove(id))
    }
}
