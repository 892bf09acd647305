//! The files of an approval, and the operator's side of it: list, show, answer.
//!
//! `<id>.request.json` (by the host), `<id>.answer.json` (by a person, once), `<id>.claim.json` (by
//! the host, before it executes), `<id>.ended.json` (by the host). Each is made whole under another
//! name and then linked into place, so that nobody reads half a file and nobody writes a second one.

use std::io::{self, Write as _};
use std::path::Path;

use cap_std::fs::Dir;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::name::ApprovalId;
use crate::domain::write::{Budget, Plan};
use crate::governance::state;

/// The largest approval file that is read.
const FILE_BYTES_MAX: u64 = 256 << 10;

/// Why an answer was not taken, for the operator.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No such request.
    #[error("there is no approval `{0}`")]
    Unknown(ApprovalId),
    /// Answered, executed or lapsed.
    #[error("approval `{id}` is {status} already")]
    Over {
        /// Which.
        id: ApprovalId,
        /// What it is.
        status: Status,
    },
    /// The folder or a file in it.
    #[error("approvals cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// What a person is shown: typed facts, made by the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApprovalFile {
    /// Names it.
    pub id: String,
    /// The process that holds the request.
    pub instance: String,
    /// The call that asked.
    pub call: String,
    /// For whom.
    pub principal: String,
    /// By which plugin.
    pub plugin: String,
    /// By which code.
    pub digest: String,
    /// By which tool.
    pub tool: String,
    /// The caller's own words: a quotation, never more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What would be done.
    pub plan: PlanFile,
    /// RFC 3339.
    pub requested: String,
    /// RFC 3339.
    pub expires: String,
}

/// A plan as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PlanFile {
    /// `restart`
    pub verb: String,
    /// Of `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Of `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The object.
    pub target: TargetFile,
    /// Its identity.
    pub uid: String,
    /// Its specification, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Its specification, by SHA-256, where the kind has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// `(path, before, after)`
    pub changes: Vec<(String, Option<String>, Option<String>)>,
    /// Pods that would end or be replaced.
    pub pods: Vec<String>,
    /// How many.
    pub pods_total: u32,
    /// Replicas that serve meanwhile, at the least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas_left: Option<u32>,
    /// The disruption budgets that cover those pods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<BudgetFile>,
    /// `ReplicaSet web-5d4f`: who makes the successor of a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// What to know first.
    pub warnings: Vec<String>,
}

/// An object as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetFile {
    /// The cluster.
    pub cluster: String,
    /// The kind.
    pub kind: String,
    /// The namespace; nodes have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    pub name: String,
}

/// A disruption budget as it stands in a file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BudgetFile {
    /// Its name.
    pub name: String,
    /// Pods that may be disrupted now.
    pub allowed: u32,
    /// Pods that are healthy now.
    pub healthy: u32,
    /// Pods that have to be.
    pub desired_healthy: u32,
}

impl From<&Budget> for BudgetFile {
    fn from(budget: &Budget) -> Self {
        let Budget { name, allowed, healthy, desired_healthy } = budget.clone();
        Self { name, allowed, healthy, desired_healthy }
    }
}

impl From<&Plan> for PlanFile {
    fn from(plan: &Plan) -> Self {
        let changes = plan.changes.iter();
        Self {
            verb: plan.verb.as_str().to_owned(),
            replicas: plan.verb.replicas(),
            revision: plan.verb.revision(),
            target: TargetFile {
                cluster: plan.target.cluster().to_string(),
                kind: plan.target.kind().to_owned(),
                namespace: plan.target.namespace().map(ToString::to_string),
                name: plan.target.name().to_string(),
            },
            uid: plan.uid.clone(),
            generation: plan.version.generation(),
            content: plan.version.content().map(str::to_owned),
            changes: changes.map(|c| (c.path.clone(), c.before.clone(), c.after.clone())).collect(),
            pods: plan.pods.clone(),
            pods_total: plan.pods_total,
            replicas_left: plan.replicas_left,
            budgets: plan.budgets.iter().map(BudgetFile::from).collect(),
            owner: plan.owner.as_ref().map(|owner| format!("{} {}", owner.kind, owner.name)),
            warnings: plan.warnings.clone(),
        }
    }
}

/// A person's answer. Bound to the exact request by its digest.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    /// Yes or no.
    pub approve: bool,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// RFC 3339.
    pub at: String,
    /// SHA-256 of the request's file as the person saw it.
    pub request_sha256: String,
}

/// The host is about to execute.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    /// RFC 3339.
    pub at: String,
}

/// How it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Ended {
    /// `executed`, `failed`, `expired`, `denied`.
    pub status: Status,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// RFC 3339.
    pub at: String,
}

/// Where an approval stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Waits for an answer.
    Pending,
    /// Yes, not executed yet.
    Approved,
    /// No.
    Denied,
    /// Done.
    Executed,
    /// Tried, and not done.
    Failed,
    /// Nobody answered in time.
    Expired,
    /// The host stopped while it executed: look at the cluster.
    Interrupted,
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Executed => "executed",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Interrupted => "interrupted",
        })
    }
}

/// The folder of the approvals.
#[derive(Debug)]
pub struct Folder {
    dir: Dir,
}

impl Folder {
    /// Opens it; only its owner may look inside.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, ApprovalError> {
        Ok(Self { dir: state::private_dir(path)? })
    }

    /// Every approval, the newest first.
    ///
    /// # Errors
    /// Where the folder cannot be read. A file that makes no sense is passed over with a warning.
    pub fn list(&self, now: &str) -> Result<Vec<(ApprovalFile, Status)>, ApprovalError> {
        let mut all = Vec::new();
        for entry in self.dir.entries()? {
            let name = entry?.file_name();
            let id = name.to_str().and_then(|n| n.strip_suffix(".request.json"));
            let Some(Ok(id)) = id.map(str::parse::<ApprovalId>) else { continue };
            match self.show(&id, now) {
                Ok(shown) => all.push((shown.0, shown.1)),
                Err(error) => tracing::warn!(%id, %error, "an approval's file is passed over"),
            }
        }
        all.sort_by(|(a, _), (b, _)| b.requested.cmp(&a.requested).then_with(|| a.id.cmp(&b.id)));
        Ok(all)
    }

    /// One approval, where it stands, the answer, and the digest that an answer must carry.
    ///
    /// # Errors
    /// Where there is none, or its file makes no sense.
    pub fn show(
        &self,
        id: &ApprovalId,
        now: &str,
    ) -> Result<(ApprovalFile, Status, Option<Answer>, String), ApprovalError> {
        let bytes = self
            .read(&format!("{id}.request.json"))?
            .ok_or_else(|| ApprovalError::Unknown(id.clone()))?;
        let request: ApprovalFile = serde_json::from_slice(&bytes).map_err(io::Error::from)?;
        let answer: Option<Answer> = self.parse(&format!("{id}.answer.json"))?;
        let ended = self.ended(id)?;
        let claim: Option<Claim> = self.parse(&format!("{id}.claim.json"))?;
        let lapsed = request.expires.as_str() <= now;
        let status = match (&ended, &claim, &answer) {
            (Some(ended), _, _) => ended.status,
            (None, Some(_), _) => Status::Interrupted,
            (None, None, Some(answer)) if !answer.approve => Status::Denied,
            (None, None, _) if lapsed => Status::Expired,
            (None, None, Some(_)) => Status::Approved,
            (None, None, None) => Status::Pending,
        };
        Ok((request, status, answer, hex(&Sha256::digest(&bytes))))
    }

    /// How an approval ended, if it has.
    ///
    /// # Errors
    /// Where its file makes no sense.
    pub fn ended(&self, id: &ApprovalId) -> Result<Option<Ended>, ApprovalError> {
        self.parse(&format!("{id}.ended.json"))
    }

    /// A person's answer: once.
    ///
    /// # Errors
    /// Where there is nothing to answer any more.
    pub fn answer(
        &self,
        id: &ApprovalId,
        approve: bool,
        by: &str,
        reason: Option<String>,
        now: &str,
    ) -> Result<ApprovalFile, ApprovalError> {
        let (request, status, _, request_sha256) = self.show(id, now)?;
        if status != Status::Pending {
            return Err(ApprovalError::Over { id: id.clone(), status });
        }
        let answer =
            Answer { approve, by: by.to_owned(), reason, at: now.to_owned(), request_sha256 };
        match self.put(&format!("{id}.answer.json"), &answer) {
            Ok(_) => Ok(request),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {
                let (_, status, ..) = self.show(id, now)?;
                Err(ApprovalError::Over { id: id.clone(), status })
            }
            Err(e) => Err(e.into()),
        }
    }

    pub(super) fn put_request(&self, request: &ApprovalFile) -> io::Result<String> {
        self.put(&format!("{}.request.json", request.id), request)
    }

    pub(super) fn put_claim(&self, id: &ApprovalId, claim: &Claim) -> io::Result<String> {
        self.put(&format!("{id}.claim.json"), claim)
    }

    pub(super) fn put_ended(&self, id: &ApprovalId, ended: &Ended) -> io::Result<String> {
        self.put(&format!("{id}.ended.json"), ended)
    }

    pub(super) fn answered(&self, id: &ApprovalId) -> Result<Option<Answer>, ApprovalError> {
        self.parse(&format!("{id}.answer.json"))
    }

    fn parse<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, ApprovalError> {
        match self.read(name)? {
            Some(bytes) => Ok(Some(serde_json::from_slice(&bytes).map_err(io::Error::from)?)),
            None => Ok(None),
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        use io::Read as _;
        let file = match self.dir.open(name) {
            Ok(file) => file,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(e),
        };
        let mut bytes = Vec::new();
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Makes a file that was not there, whole and on the disk, and gives its digest.
    fn put<T: Serialize>(&self, name: &str, value: &T) -> io::Result<String> {
        let bytes = serde_json::to_vec_pretty(value)?;
        let mut random = [0u8; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let draft = format!(".{}.draft", hex(&random));
        let mut file =
            self.dir.open_with(&draft, state::private_file().write(true).create_new(true))?;
        let made = file.write_all(&bytes).and_then(|()| file.sync_all()).and_then(|()| {
            // A link, unlike a rename, fails where the name is taken.
            self.dir.hard_link(&draft, &self.dir, name)
        });
        self.dir.remove_file(&draft)?;
        made.map(|()| hex(&Sha256::digest(&bytes)))
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}"); // Writing to a string does not fail.
        hex
    })
}
