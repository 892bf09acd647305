//! The folder of the approvals, and what a name in it means.
//!
//! `<id>.request.json` (by the host), `<id>.answers/yes.<who>.json` and `no.<who>.json` (by people,
//! one each), `<id>.decided.json` (by the host, once, before it acts on the answers),
//! `<id>.ended.json` (by the host), `<instance>.alive` (locked for as long as its process lives).
//! Each is made whole under another name and then linked into place, so that nobody reads half a
//! file and nobody writes a second one.

use std::collections::BTreeSet;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use cap_std::fs::{Dir, OpenOptions};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use super::file::{AnswerFile, ApprovalFile, NoteFile};
use crate::domain::name::ApprovalId;
use crate::governance::state;

/// The largest approval file that is read.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Answers that are read of one approval: five approvers, and room for people who need not.
const ANSWERS_MAX: usize = 64;

/// The folder of the approvals.
#[derive(Debug)]
pub(super) struct Folder {
    dir: Dir,
}

/// Shows that the process which holds requests is there. Gone with it, however it ends.
#[derive(Debug)]
pub(super) struct Presence {
    dir: Dir,
    name: String,
    _locked: std::fs::File,
}

impl Drop for Presence {
    fn drop(&mut self) {
        // Left behind, it would be unlocked, which says the same.
        let _ = self.dir.remove_file(&self.name);
    }
}

impl Folder {
    /// Opens it; only its owner may look inside.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { dir: state::private_dir(path)? })
    }

    /// The ids of all requests.
    pub(super) fn ids(&self) -> io::Result<BTreeSet<ApprovalId>> {
        let mut ids = BTreeSet::new();
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".request.json"));
            ids.extend(id.and_then(|id| id.parse::<ApprovalId>().ok()));
        }
        Ok(ids)
    }

    /// The names of everything.
    pub(super) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in self.dir.entries()? {
            names.extend(entry?.file_name().to_str().map(str::to_owned));
        }
        Ok(names)
    }

    /// A folder inside of this one.
    pub(super) fn subfolder(&self, name: &str) -> io::Result<Dir> {
        state::private_subdir(&self.dir, name)
    }

    /// Removes all of an approval. The request first: without one, the rest means nothing.
    pub(super) fn remove(&self, id: &ApprovalId) -> io::Result<()> {
        self.remove_file(&request_name(id))?;
        found(self.dir.remove_dir_all(answers_name(id)))?;
        self.remove_file(&decided_name(id))?;
        self.remove_file(&ended_name(id))
    }

    /// Removes a file that may be gone already.
    pub(super) fn remove_file(&self, name: &str) -> io::Result<()> {
        found(self.dir.remove_file(name)).map(drop)
    }

    /// Whether a file was written so long ago.
    pub(super) fn is_older(&self, name: &str, now: Timestamp, age: Duration) -> bool {
        is_older(&self.dir, name, now, age)
    }

    /// A request, and the digest that an answer must carry.
    pub(super) fn request(&self, id: &ApprovalId) -> io::Result<Option<(ApprovalFile, String)>> {
        let Some(bytes) = read(&self.dir, &request_name(id), FILE_BYTES_MAX)? else {
            return Ok(None);
        };
        let request = serde_json::from_slice(&bytes)?;
        Ok(Some((request, hex(&Sha256::digest(&bytes)))))
    }

    /// The answers that have come, and what cannot be read as one.
    pub(super) fn answers(&self, id: &ApprovalId) -> io::Result<(Vec<AnswerFile>, Vec<io::Error>)> {
        let (mut answers, mut unreadable) = (Vec::new(), Vec::new());
        let Some(dir) = found(self.dir.open_dir(answers_name(id)))? else {
            return Ok((answers, unreadable));
        };
        for entry in dir.entries()?.take(ANSWERS_MAX) {
            let name = entry?.file_name();
            // A draft is not in place yet.
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            match parse::<AnswerFile>(&dir, name) {
                Ok(Some(answer)) if name == answer_name(&answer) => answers.push(answer),
                Ok(Some(_)) => {
                    let text = format!("`{name}` is not the name of what it says");
                    unreadable.push(io::Error::other(text));
                }
                Ok(None) => {}
                Err(error) => unreadable.push(error),
            }
        }
        answers.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.by.cmp(&b.by)));
        Ok((answers, unreadable))
    }

    /// How the answering ended, if it has.
    pub(super) fn decided(&self, id: &ApprovalId) -> io::Result<Option<NoteFile>> {
        parse(&self.dir, &decided_name(id))
    }

    /// How it all ended, if it has.
    pub(super) fn ended(&self, id: &ApprovalId) -> io::Result<Option<NoteFile>> {
        parse(&self.dir, &ended_name(id))
    }

    /// Whether no process holds the requests of the instance any more. Where that cannot be told,
    /// it is taken to be there: its requests lapse by themselves.
    pub(super) fn is_gone(&self, instance: &str) -> bool {
        match self.dir.open(alive_name(instance)) {
            Ok(file) => file.into_std().try_lock_shared().is_ok(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        }
    }

    /// Says that the instance is there, from before the first look at it until this is dropped.
    pub(super) fn appear(&self, instance: &str) -> io::Result<Presence> {
        let draft = draft_name()?;
        let file = self.dir.open_with(&draft, private_new())?.into_std();
        // Locked before anybody can find it.
        let locked = file.try_lock().map_err(io::Error::from);
        let name = alive_name(instance);
        let made = locked.and_then(|()| self.dir.hard_link(&draft, &self.dir, &name));
        self.dir.remove_file(&draft)?;
        made.map_err(|e| io::Error::new(e.kind(), format!("instance `{instance}`: {e}")))?;
        Ok(Presence { dir: self.dir.try_clone()?, name, _locked: file })
    }

    pub(super) fn put_request(&self, request: &ApprovalFile) -> io::Result<String> {
        put(&self.dir, &format!("{}.request.json", request.id), request)
    }

    pub(super) fn put_answer(&self, id: &ApprovalId, answer: &AnswerFile) -> io::Result<()> {
        let dir = state::private_subdir(&self.dir, &answers_name(id))?;
        put(&dir, &answer_name(answer), answer).map(drop)
    }

    /// Ends the answering: fails with `AlreadyExists` where it has ended.
    pub(super) fn put_decided(&self, id: &ApprovalId, note: &NoteFile) -> io::Result<()> {
        put(&self.dir, &decided_name(id), note).map(drop)
    }

    pub(super) fn put_ended(&self, id: &ApprovalId, note: &NoteFile) -> io::Result<()> {
        put(&self.dir, &ended_name(id), note).map(drop)
    }
}

fn request_name(id: &ApprovalId) -> String {
    format!("{id}.request.json")
}

fn answers_name(id: &ApprovalId) -> String {
    format!("{id}.answers")
}

/// One yes and one no of each person: who said yes may still say no.
fn answer_name(answer: &AnswerFile) -> String {
    let word = if answer.approve { "yes" } else { "no" };
    format!("{word}.{}.json", answer.by.key())
}

fn decided_name(id: &ApprovalId) -> String {
    format!("{id}.decided.json")
}

fn ended_name(id: &ApprovalId) -> String {
    format!("{id}.ended.json")
}

fn alive_name(instance: &str) -> String {
    format!("{instance}.alive")
}

/// Whether a file was written so long ago.
pub(super) fn is_older(dir: &Dir, name: &str, now: Timestamp, age: Duration) -> bool {
    let written = dir.symlink_metadata(name).and_then(|found| found.modified());
    let written = written.ok().and_then(|at| Timestamp::try_from(at.into_std()).ok());
    let age = SignedDuration::try_from(age).unwrap_or_default();
    written.is_some_and(|written| now.duration_since(written) > age)
}

/// A name that nobody else has.
pub(super) fn random_name() -> io::Result<String> {
    let mut random = [0u8; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(hex(&random))
}

fn draft_name() -> io::Result<String> {
    Ok(format!(".{}.draft", random_name()?))
}

fn private_new() -> &'static OpenOptions {
    static OPTIONS: std::sync::LazyLock<OpenOptions> = std::sync::LazyLock::new(|| {
        let mut options = state::private_file();
        options.write(true).create_new(true);
        options
    });
    &OPTIONS
}

fn found<T>(opened: io::Result<T>) -> io::Result<Option<T>> {
    match opened {
        Ok(opened) => Ok(Some(opened)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn parse<T: DeserializeOwned>(dir: &Dir, name: &str) -> io::Result<Option<T>> {
    let Some(bytes) = read(dir, name, FILE_BYTES_MAX)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, format!("`{name}`: {error}")))
}

/// What stands in a file that somebody else wrote.
pub(super) fn parse_strict<T: DeserializeOwned>(
    dir: &Dir,
    name: &str,
    bytes_max: u64,
) -> io::Result<T> {
    let bytes = read(dir, name, bytes_max)?.ok_or(io::ErrorKind::NotFound)?;
    serde_json::from_slice(&bytes).map_err(io::Error::from)
}

/// Reads a file that is one: opening a pipe would wait for its other end.
fn read(dir: &Dir, name: &str, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let Some(there) = found(dir.symlink_metadata(name))? else { return Ok(None) };
    if !there.is_file() || there.len() > bytes_max {
        return Err(io::Error::other(format!("it is no file of at most {bytes_max} bytes")));
    }
    let Some(file) = found(dir.open(name))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Makes a file that was not there, whole and on the disk, and gives its digest.
fn put<T: Serialize>(dir: &Dir, name: &str, value: &T) -> io::Result<String> {
    let bytes = serde_json::to_vec_pretty(value)?;
    let draft = draft_name()?;
    let mut file = dir.open_with(&draft, private_new())?;
    let made = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| {
        // A link, unlike a rename, fails where the name is taken.
        dir.hard_link(&draft, dir, name)
    });
    dir.remove_file(&draft)?;
    made.map(|()| hex(&Sha256::digest(&bytes)))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}"); // Writing to a string does not fail.
        hex
    })
}
