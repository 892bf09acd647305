//! Answers that scripts give: a file with one, dropped into `approvals/drop/`.
//!
//! Who drops one makes it whole under a name that begins with `.` or does not end in `.json`, and
//! renames it. It is taken by exactly one process, answered like every other answer, and removed;
//! what is refused moves to `rejected/` with a file beside it that says why.

use std::io;

use cap_std::fs::Dir;
use jiff::Timestamp;
use serde::Deserialize;

use super::answers::{Answer, Answers, ApprovalError};
use super::approver::{Approver, Channel};
use super::folder::{Folder, is_older, parse_strict, random_name};
use super::sweep::KEPT_FOR;
use crate::domain::name::ApprovalId;
use crate::governance::state;

/// The folder that is looked into.
const DROP_DIR: &str = "drop";

/// The folder for what was refused.
const REJECTED_DIR: &str = "rejected";

/// How names begin of what is being answered: `.taken.<instance>.<random>`.
const TAKEN: &str = ".taken.";

/// Files that are taken in one look; the others wait for the next.
const DROPS_MAX: usize = 64;

/// The largest file that is read: an answer with the longest reason takes 3 KiB.
const DROP_BYTES_MAX: u64 = 16 << 10;

/// What a script says. Everything but the reason has to be there, and nothing else.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Dropped {
    id: String,
    request_sha256: String,
    approve: bool,
    by: String,
    #[serde(default)]
    reason: Option<String>,
}

/// The folder for scripts.
#[derive(Debug)]
pub(super) struct DropFolder {
    dir: Dir,
    rejected: Dir,
    instance: String,
}

/// Why a file is no answer.
#[derive(Debug, thiserror::Error)]
enum Rejection {
    #[error("{0}")]
    Unreadable(io::Error),
    #[error("`id`: {0}")]
    Id(#[from] crate::domain::name::NameError),
    #[error("`by`: {0}")]
    By(#[from] super::approver::NotAnApprover),
    #[error(transparent)]
    Refused(ApprovalError),
    #[error("the process that took it ended before it was answered; drop it again")]
    Interrupted,
}

impl DropFolder {
    pub(super) fn open(approvals: &Folder, instance: &str) -> io::Result<Self> {
        let dir = approvals.subfolder(DROP_DIR)?;
        let rejected = state::private_subdir(&dir, REJECTED_DIR)?;
        Ok(Self { dir, rejected, instance: instance.to_owned() })
    }

    /// Takes what was dropped, and gives how many of them are answers now.
    pub(super) fn take(&self, answers: &Answers) -> io::Result<usize> {
        let mut n_taken = 0;
        for name in self.names()?.into_iter().take(DROPS_MAX) {
            let taken = format!("{TAKEN}{}.{}", self.instance, random_name()?);
            match self.dir.rename(&name, &self.dir, &taken) {
                Ok(()) => {}
                // Another process was faster.
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                Err(e) => return Err(e),
            }
            match self.answer(answers, &taken) {
                Ok(()) => {
                    n_taken += 1;
                    self.dir.remove_file(&taken)?;
                }
                // Not its fault: it waits for the next look.
                Err(Rejection::Refused(ApprovalError::Io(error))) => {
                    self.dir.rename(&taken, &self.dir, &name)?;
                    return Err(error);
                }
                Err(rejection) => self.reject(&taken, &name, &rejection)?,
            }
        }
        Ok(n_taken)
    }

    /// Removes what was refused long ago, and moves aside what a process took that is gone: nobody
    /// knows whether it was answered.
    pub(super) fn sweep(&self, approvals: &Folder, now: Timestamp) -> io::Result<()> {
        for entry in self.rejected.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if is_older(&self.rejected, name, now, KEPT_FOR) {
                let is_dir = self.rejected.symlink_metadata(name)?.is_dir();
                let remove = if is_dir { Dir::remove_dir_all } else { Dir::remove_file };
                remove(&self.rejected, name)?;
            }
        }
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let taken = name.strip_prefix(TAKEN).and_then(|rest| rest.split_once('.'));
            if taken.is_some_and(|(instance, _)| approvals.is_gone(instance)) {
                self.reject(name, &format!("{}.json", random_name()?), &Rejection::Interrupted)?;
            }
        }
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let is_dropped =
                |name: &&str| !name.starts_with('.') && name.rsplit('.').next() == Some("json");
            names.extend(name.to_str().filter(is_dropped).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    fn answer(&self, answers: &Answers, taken: &str) -> Result<(), Rejection> {
        let dropped = parse_strict::<Dropped>(&self.dir, taken, DROP_BYTES_MAX);
        let Dropped { id, request_sha256, approve, by, reason } =
            dropped.map_err(Rejection::Unreadable)?;
        let id: ApprovalId = id.parse()?;
        let by: Approver = by.parse()?;
        let answer = Answer { approve, by, channel: Channel::File, reason };
        answers.answer(&id, &request_sha256, answer).map(drop).map_err(Rejection::Refused)
    }

    fn reject(&self, taken: &str, name: &str, why: &Rejection) -> io::Result<()> {
        tracing::warn!(%name, %why, "a dropped answer is refused");
        // Another of that name may have been refused before.
        let is_free = self.rejected.symlink_metadata(name).is_err();
        let name = if is_free { name.to_owned() } else { format!("{}-{name}", random_name()?) };
        self.dir.rename(taken, &self.rejected, &name)?;
        let mut reason = self.rejected.open_with(
            format!("{name}.reason.txt"),
            state::private_file().write(true).create(true).truncate(true),
        )?;
        io::Write::write_all(&mut reason, format!("{why}\n").as_bytes())
    }
}
