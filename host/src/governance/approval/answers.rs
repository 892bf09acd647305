//! The one way to answer: the command line, the console, scripts, webhooks and the caller's client
//! all come through here. It shows what is held, and takes answers; it executes nothing.
//!
//! What is refused here is refused early, for the person. What counts is what the process that holds
//! the request finds when it looks: see `desk.rs`.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::approver::{Approver, Channel, may_approve};
use super::file::{AnswerFile, ApprovalFile, NoteFile, Status, TermsFile};
use super::folder::Folder;
use super::tally::Tally;
use crate::capability::Clock;
use crate::domain::decision::ApprovalTerms;
use crate::domain::name::ApprovalId;
use crate::domain::principal::Principal;

/// The longest reason for an answer: it is one line of a screen and of a record.
const REASON_CHARS_MAX: usize = 500;

/// Why an answer was not taken, for the one who gave it.
#[derive(Debug, thiserror::Error)]
pub enum ApprovalError {
    /// No such request.
    #[error("there is no approval `{0}`")]
    Unknown(ApprovalId),
    /// Answered in full, executed, or ended otherwise.
    #[error("approval `{id}` is {status} already")]
    Over {
        /// Which.
        id: ApprovalId,
        /// What it is.
        status: Status,
    },
    /// Nobody answered in time, or the process that held it is gone.
    #[error("approval `{0}` is expired already")]
    Expired(ApprovalId),
    /// What was seen is not what is there.
    #[error("approval `{0}` is another request than the one that was shown")]
    Altered(ApprovalId),
    /// The terms want one.
    #[error("approval `{0}` takes no answer without a reason")]
    ReasonRequired(ApprovalId),
    /// The reason cannot be put on record as it is.
    #[error("the reason is not one line of 1 to {REASON_CHARS_MAX} characters")]
    Reason,
    /// Who asked does not approve.
    #[error("`{by}` may not approve what `{requester}` asked for")]
    SelfApproval {
        /// Who answers.
        by: Approver,
        /// Who asked.
        requester: String,
    },
    /// The same person, the same answer.
    #[error("`{by}` has answered approval `{id}` already")]
    AlreadyAnswered {
        /// Which.
        id: ApprovalId,
        /// Who.
        by: Approver,
    },
    /// The folder or a file in it.
    #[error("approvals cannot be read or written: {0}")]
    Io(#[from] io::Error),
}

/// A person's answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Yes or no.
    pub approve: bool,
    /// Who, as the channel authenticated them.
    pub by: Approver,
    /// Which way it comes.
    pub channel: Channel,
    /// Why.
    pub reason: Option<String>,
}

/// One approval, as a person may see it.
#[derive(Debug, Clone, Serialize)]
pub struct Approval {
    /// Who asks for what: typed facts, made by the host.
    pub request: ApprovalFile,
    /// What an answer has to repeat: it is for this and for nothing else.
    pub request_sha256: String,
    /// Where it stands.
    pub status: Status,
    /// Who has answered, the first first.
    pub answers: Vec<AnswerFile>,
    /// People who still have to say yes.
    pub missing: u8,
    /// What the host noted last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<NoteFile>,
}

/// Shows approvals and takes answers.
pub struct Answers {
    folder: Folder,
    clock: Arc<dyn Clock>,
}

impl Answers {
    /// Over the approvals of a state folder; only its owner may look inside.
    ///
    /// # Errors
    /// Where it cannot be opened.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, ApprovalError> {
        Ok(Self { folder: Folder::open(path)?, clock })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Every approval that is still on the disk, the newest first.
    ///
    /// # Errors
    /// Where the folder cannot be read. A file that makes no sense is passed over with a warning.
    pub fn list(&self) -> Result<Vec<Approval>, ApprovalError> {
        let mut all = Vec::new();
        for id in self.folder.ids()? {
            match self.find(&id) {
                Ok(approval) => all.push(approval),
                Err(ApprovalError::Unknown(_)) => {} // Removed since.
                Err(error) => tracing::warn!(%id, %error, "an approval's file is passed over"),
            }
        }
        all.sort_by(|a, b| {
            let (a, b) = (&a.request, &b.request);
            b.requested.cmp(&a.requested).then_with(|| a.id.cmp(&b.id))
        });
        Ok(all)
    }

    /// The approvals that wait for an answer, the newest first.
    ///
    /// # Errors
    /// As [`Answers::list`].
    pub fn pending(&self) -> Result<Vec<Approval>, ApprovalError> {
        let mut all = self.list()?;
        all.retain(|approval| approval.status == Status::Pending);
        Ok(all)
    }

    /// One approval.
    ///
    /// # Errors
    /// Where there is none, or its files make no sense.
    pub fn find(&self, id: &ApprovalId) -> Result<Approval, ApprovalError> {
        let unknown = || ApprovalError::Unknown(id.clone());
        let (request, request_sha256) = self.folder.request(id)?.ok_or_else(unknown)?;
        let (answers, _) = self.folder.answers(id)?;
        let (decided, ended) = (self.folder.decided(id)?, self.folder.ended(id)?);
        let terms = ApprovalTerms::from(&request.terms);
        let tally = Tally::of(&terms, &request.requester(), &request_sha256, &answers);
        let missing = tally.missing(&terms);
        let is_gone = || self.folder.is_gone(&request.instance);
        let lapsed = request.expires.as_str() <= whole_seconds(self.clock.now()).as_str();
        let status = match (&ended, &decided) {
            (Some(ended), _) => ended.status,
            (None, Some(decided)) if decided.status != Status::Approved => decided.status,
            (None, Some(_)) if is_gone() => Status::Interrupted,
            (None, Some(_)) => Status::Executing,
            (None, None) if lapsed || is_gone() => Status::Expired,
            (None, None) => match tally {
                Tally::No(_) => Status::Denied,
                Tally::Yes(_) => Status::Approved,
                Tally::Missing(_) | Tally::Foreign(_) => Status::Pending,
            },
        };
        let note = ended.or(decided);
        Ok(Approval { request, request_sha256, status, answers, missing, note })
    }

    /// Takes an answer to the request of that digest. The first no ends it; the last yes that is
    /// missing lets the host execute it.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn answer(
        &self,
        id: &ApprovalId,
        request_sha256: &str,
        answer: Answer,
    ) -> Result<Approval, ApprovalError> {
        let Answer { approve, by, channel, reason } = answer;
        let approval = self.find(id)?;
        let is_same = |given: &AnswerFile| given.by.key() == by.key() && given.approve == approve;
        if approval.request_sha256 != request_sha256 {
            return Err(ApprovalError::Altered(id.clone()));
        }
        let again = || ApprovalError::AlreadyAnswered { id: id.clone(), by: by.clone() };
        match approval.status {
            // A yes is taken back for as long as nothing came of it.
            Status::Approved if !approve => {}
            Status::Pending | Status::Approved if approval.answers.iter().any(is_same) => {
                return Err(again());
            }
            Status::Pending => {}
            Status::Approved
            | Status::Executing
            | Status::Denied
            | Status::Executed
            | Status::Failed
            | Status::Expired
            | Status::Interrupted => return Err(over(id, approval.status)),
        }
        let reason = reason.map(|reason| one_line(&reason).ok_or(ApprovalError::Reason));
        let reason = reason.transpose()?;
        if approval.request.terms.reason_required && reason.is_none() {
            return Err(ApprovalError::ReasonRequired(id.clone()));
        }
        if approve && !approval.request.may_be_approved_by(&by, channel) {
            let requester = approval.request.principal;
            return Err(ApprovalError::SelfApproval { by, requester });
        }
        let at = whole_seconds(self.clock.now());
        let request_sha256 = request_sha256.to_owned();
        let file = AnswerFile { approve, by: by.clone(), channel, reason, at, request_sha256 };
        match self.folder.put_answer(id, &file) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Err(again()),
            Err(e) => return Err(e.into()),
        }
        // The host may have decided without this answer a moment ago; who says no then has to know.
        let now = self.find(id)?;
        match now.status {
            Status::Executing | Status::Executed | Status::Interrupted if !approve => {
                Err(over(id, now.status))
            }
            Status::Expired => Err(over(id, now.status)),
            Status::Pending
            | Status::Approved
            | Status::Executing
            | Status::Denied
            | Status::Executed
            | Status::Failed
            | Status::Interrupted => Ok(now),
        }
    }
}

fn over(id: &ApprovalId, status: Status) -> ApprovalError {
    match status {
        Status::Expired => ApprovalError::Expired(id.clone()),
        Status::Pending
        | Status::Approved
        | Status::Executing
        | Status::Denied
        | Status::Executed
        | Status::Failed
        | Status::Interrupted => ApprovalError::Over { id: id.clone(), status },
    }
}

/// A reason as it may stand on a screen and in a record.
fn one_line(reason: &str) -> Option<String> {
    let reason = reason.trim();
    let fits = !reason.is_empty() && reason.chars().count() <= REASON_CHARS_MAX;
    (fits && !reason.chars().any(char::is_control)).then(|| reason.to_owned())
}

impl ApprovalFile {
    /// Who asked, taken apart.
    fn requester(&self) -> Principal {
        let (subject, issuer) = self.principal.rsplit_once('@').unwrap_or((&self.principal, ""));
        let (subject, issuer) = (subject.to_owned(), issuer.to_owned());
        Principal { subject, groups: Vec::new(), issuer }
    }

    /// Whether the terms let this one say yes.
    pub fn may_be_approved_by(&self, by: &Approver, channel: Channel) -> bool {
        may_approve(&(&self.terms).into(), &self.requester(), by, channel)
    }
}

impl From<&TermsFile> for ApprovalTerms {
    /// When it expires stands in the request.
    fn from(terms: &TermsFile) -> Self {
        let TermsFile { approvers, reason_required, requester_may_approve, caller_may_confirm } =
            *terms;
        Self {
            approvers,
            reason_required,
            requester_may_approve,
            caller_may_confirm,
            ..Self::default()
        }
    }
}

/// Times in files have whole seconds, so that they compare as text.
pub(super) fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}
