//! The host's side of approvals: holds the requests, learns the answers, lets each be executed once.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::answers::{Answers, ApprovalError, whole_seconds};
use super::approver::Channel;
use super::dropped::DropFolder;
use super::file::{AnswerFile, ApprovalFile, NoteFile, PlanFile, Status, TermsFile};
use super::folder::{Folder, Presence};
use super::sweep::Orphan;
use super::tally::Tally;
use crate::capability::{CapabilityError, Clock, WriteRequest};
use crate::domain::decision::{ApprovalTerms, Rule};
use crate::domain::name::{ApprovalId, PluginId};
use crate::domain::principal::Principal;
use crate::domain::write::{Plan, Verb, WriteTarget};

/// Requests that may wait for an answer at once. A person reads a dozen; a hundred is an attack.
const PENDING_MAX: usize = 100;

/// What the caller learns where no person's words say it.
const EXPIRED: &str = "nobody answered the request in time; ask again to make a new one";
const FOREIGN: &str = "the approval does not belong to this request";
const ELSEWHERE: &str = "the request was ended by another process";
pub(super) const GONE: &str = "the server that held the request ended";

/// How often what ended long ago is looked for.
const SWEEP_EVERY: Duration = Duration::from_mins(10);

/// The longest that a request waits, whatever the terms say: a cluster of yesterday is another one.
const EXPIRES_AFTER_MAX: Duration = Duration::from_hours(24);

/// The same question by the same asker is the same request, whatever reason is given for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    principal: Principal,
    plugin: PluginId,
    digest: String,
    verb: Verb,
    target: WriteTarget,
}

impl From<&WriteRequest> for Key {
    fn from(request: &WriteRequest) -> Self {
        Self {
            principal: request.principal.clone(),
            plugin: request.plugin.clone(),
            digest: request.digest.clone(),
            verb: request.verb,
            target: request.target.clone(),
        }
    }
}

/// A request that is held.
#[derive(Debug, Clone)]
pub struct Ticket {
    /// Names it.
    pub id: ApprovalId,
    /// Who asked for what.
    pub request: WriteRequest,
    /// What would be done: what is executed.
    pub plan: Plan,
    /// The rule of the policy that asks a person.
    pub rule: Rule,
    /// What a yes must be to count.
    pub terms: ApprovalTerms,
    /// When it lapses.
    pub expires: Timestamp,
    /// Where it stands.
    pub settled: Settled,
    request_sha256: String,
    /// It is on record: from here on an answer counts.
    is_announced: bool,
    is_unreadable: bool,
}

/// A request that was submitted.
#[derive(Debug)]
pub struct Submitted {
    /// As it is held.
    pub ticket: Ticket,
    /// Somebody asked the same at the same time and was first: it is theirs to announce.
    pub is_anothers: bool,
}

impl Ticket {
    /// Whether it waits for an answer, or is being executed.
    fn is_open(&self) -> bool {
        matches!(self.settled, Settled::Pending | Settled::Executing)
    }
}

impl Ticket {
    fn decided(&self, status: Status, why: Option<&str>, answers: &[AnswerFile]) -> Decided {
        let join =
            |all: Vec<String>, with: &str| Some(all.join(with)).filter(|all| !all.is_empty());
        let by = answers.iter().map(|answer| answer.by.to_string()).collect();
        let through = answers.iter().map(|answer| answer.channel.to_string()).collect();
        let reasons = answers.iter().filter_map(|answer| answer.reason.clone()).collect();
        let reason = join(reasons, "; ").or_else(|| why.map(str::to_owned));
        let (by, through) = (join(by, ", "), join(through, ", "));
        Decided { ticket: self.clone(), status, by, through, reason }
    }

    /// Ends it without an effect.
    fn refuse(&mut self, status: Status, why: Option<&str>, answers: &[AnswerFile]) -> Decided {
        let mut decided = self.decided(status, why, answers);
        let is_own = answers.iter().any(|answer| answer.channel == Channel::Client);
        let who = if is_own { "the person at your client" } else { "the operator" };
        self.settled = Settled::Refused(match (why, &decided.reason) {
            (Some(why), _) => why.to_owned(),
            (None, Some(reason)) => format!("{who} said no: {reason}"),
            (None, None) => format!("{who} said no"),
        });
        decided.ticket.settled = self.settled.clone();
        decided
    }
}

/// Where a ticket stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Waits for an answer.
    Pending,
    /// Yes; the host executes it now.
    Executing,
    /// Done.
    Executed(Timestamp),
    /// Not done, and why, for the caller.
    Refused(String),
    /// Tried; whether it was done is not certain. Never told as a refusal, which says that nothing
    /// was changed.
    Failed(CapabilityError),
}

/// An answer that has come.
#[derive(Debug, Clone)]
pub struct Decided {
    /// The request.
    pub ticket: Ticket,
    /// `approved`, `denied` or `expired`.
    pub status: Status,
    /// Who answered.
    pub by: Option<String>,
    /// Which way each answer came, in the same order.
    pub through: Option<String>,
    /// Their words.
    pub reason: Option<String>,
}

/// Holds the requests of this process.
pub struct Desk {
    folder: Folder,
    instance: String,
    clock: Arc<dyn Clock>,
    tickets: Mutex<BTreeMap<Key, Ticket>>,
    answers: Answers,
    dropped: DropFolder,
    swept: Mutex<Timestamp>,
    /// Shows whoever answers that there is a process to act on it.
    _presence: Presence,
}

impl Desk {
    /// A desk over the approvals of a state folder, without a request.
    ///
    /// # Errors
    /// Where the folder cannot be opened, or another process goes by the same name.
    pub fn open(
        path: &Path,
        instance: String,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ApprovalError> {
        let folder = Folder::open(path)?;
        let presence = folder.appear(&instance)?;
        let answers = Answers::open(path, Arc::clone(&clock))?;
        let dropped = DropFolder::open(&folder, &instance)?;
        let swept = Mutex::new(clock.now());
        Ok(Self {
            folder,
            instance,
            clock,
            tickets: Mutex::default(),
            answers,
            dropped,
            swept,
            _presence: presence,
        })
    }

    /// Ends what processes held that are gone, and removes what ended long ago. What goes wrong is
    /// for the log: a request that lapsed is no reason to hold no others.
    pub fn sweep(&self) -> Vec<Orphan> {
        let now = self.clock.now();
        *self.swept.lock().unwrap_or_else(PoisonError::into_inner) = now;
        let pruned = self.folder.prune(now).map(drop);
        let cleared = self.folder.remove_litter(now).and(self.dropped.sweep(&self.folder, now));
        if let Err(error) = pruned.and(cleared) {
            tracing::warn!(%error, "old approvals cannot be removed");
        }
        self.folder.end_orphans(now).unwrap_or_else(|error| {
            tracing::warn!(%error, "what a dead process held cannot be ended");
            Vec::new()
        })
    }

    /// Whether it is time to sweep again.
    pub fn is_dusty(&self) -> bool {
        let swept = *self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        let every = SignedDuration::try_from(SWEEP_EVERY).unwrap_or_default();
        self.clock.now().duration_since(swept) >= every
    }

    /// Answers with what scripts have dropped.
    pub fn take_dropped(&self) {
        if let Err(error) = self.dropped.take(&self.answers) {
            tracing::warn!(%error, "dropped answers cannot be taken");
        }
    }

    /// The request that is under way for the key, or the end of one that is not long over.
    pub fn find(&self, key: &Key) -> Option<Ticket> {
        let mut tickets = self.lock();
        self.drop_old(&mut tickets);
        tickets.get(key).cloned()
    }

    /// An end that nobody asked for is told no more once it has lapsed: the same question then is
    /// a new one.
    fn drop_old(&self, tickets: &mut BTreeMap<Key, Ticket>) {
        let told_until = |ticket: &Ticket| ticket.expires.saturating_add(lapse(&ticket.terms)).ok();
        let now = Some(self.clock.now());
        tickets.retain(|_, ticket| ticket.is_open() || told_until(ticket) > now);
    }

    /// Whether something waits for an answer.
    pub fn has_pending(&self) -> bool {
        self.lock().values().any(|ticket| ticket.settled == Settled::Pending)
    }

    /// Whether something waits for an answer or is being executed.
    pub fn has_open(&self) -> bool {
        self.lock().values().any(Ticket::is_open)
    }

    /// Holds a request and shows it to whoever may answer, under the terms of the rule that asks. No
    /// answer counts before it is announced.
    ///
    /// # Errors
    /// Where too many wait already, or it cannot be shown.
    pub fn submit(
        &self,
        request: WriteRequest,
        plan: Plan,
        rule: Rule,
        terms: ApprovalTerms,
    ) -> Result<Submitted, ApprovalError> {
        let now = self.clock.now();
        let key = Key::from(&request);
        let mut tickets = self.lock();
        self.drop_old(&mut tickets);
        if let Some(ticket) = tickets.get(&key).filter(|ticket| ticket.is_open()) {
            return Ok(Submitted { ticket: ticket.clone(), is_anothers: true });
        }
        let pending = tickets.values().filter(|t| t.settled == Settled::Pending).count();
        if pending >= PENDING_MAX {
            let full = format!("{pending} requests wait for an answer already");
            return Err(io::Error::other(full).into());
        }
        let id = new_id()?;
        let expires = now.saturating_add(lapse(&terms)).map_err(io::Error::other)?;
        let file = ApprovalFile {
            id: id.to_string(),
            instance: self.instance.clone(),
            call: request.call.to_string(),
            principal: request.principal.to_string(),
            on_behalf_of: request.on_behalf_of.clone(),
            plugin: request.plugin.to_string(),
            digest: request.digest.clone(),
            tool: request.tool.to_string(),
            reason: request.reason.clone(),
            plan: PlanFile::from(&plan),
            rule: rule.to_string(),
            terms: TermsFile::from(&terms),
            requested: whole_seconds(now),
            expires: whole_seconds(expires),
        };
        let request_sha256 = self.folder.put_request(&file)?;
        step(&id, "shown");
        let settled = Settled::Pending;
        let ticket = Ticket {
            id,
            request,
            plan,
            rule,
            terms,
            expires,
            settled,
            request_sha256,
            is_announced: false,
            is_unreadable: false,
        };
        tickets.insert(key, ticket.clone());
        Ok(Submitted { ticket, is_anothers: false })
    }

    /// The request is on record, so that answers count: what is executed was announced before.
    pub fn announce(&self, key: &Key, id: &ApprovalId) {
        if let Some(ticket) = self.lock().get_mut(key).filter(|ticket| ticket.id == *id) {
            ticket.is_announced = true;
        }
    }

    /// The answers that have come since the last look. An approved ticket is given out once, and
    /// only after its claim is on the disk: a second process, or this one restarted, cannot execute
    /// it again.
    pub fn collect(&self) -> Vec<Decided> {
        self.take_dropped();
        let now = self.clock.now();
        let mut decided = Vec::new();
        let waits =
            |ticket: &&mut Ticket| ticket.settled == Settled::Pending && ticket.is_announced;
        for ticket in self.lock().values_mut().filter(waits) {
            match self.look(ticket, now) {
                Ok(Some(answer)) => decided.push(answer),
                Ok(None) => {}
                Err(error) => {
                    tracing::warn!(id = %ticket.id, %error, "an answer cannot be read");
                }
            }
        }
        decided
    }

    fn look(&self, ticket: &mut Ticket, now: Timestamp) -> Result<Option<Decided>, ApprovalError> {
        let tally = self.tally(ticket);
        let (status, why, answers) = match tally {
            _ if ticket.expires <= now => (Status::Expired, Some(EXPIRED), Vec::new()),
            Tally::Missing(_) => return Ok(None),
            Tally::No(no) => (Status::Denied, None, vec![no]),
            // The person saw another request than the one held here.
            Tally::Foreign(yes) => (Status::Failed, Some(FOREIGN), vec![yes]),
            Tally::Yes(yes) => (Status::Approved, None, yes),
        };
        step(&ticket.id, "answered");
        match self.decide(&ticket.id, status, why) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Some(ticket.refuse(Status::Failed, Some(ELSEWHERE), &[])));
            }
            Err(error) => return Err(error.into()),
        }
        if status != Status::Approved {
            return Ok(Some(ticket.refuse(status, why, &answers)));
        }
        step(&ticket.id, "decided");
        // From here on nobody is told that a no has come in time. One that came since the look did.
        if let Tally::No(no) = self.tally(ticket) {
            self.end(&ticket.id, Status::Denied, None)?;
            return Ok(Some(ticket.refuse(Status::Denied, None, &[no])));
        }
        ticket.settled = Settled::Executing;
        Ok(Some(ticket.decided(status, None, &answers)))
    }

    /// What the answers amount to under the terms that are held here, whatever the files say.
    fn tally(&self, ticket: &mut Ticket) -> Tally {
        let (answers, unreadable) = self.folder.answers(&ticket.id).unwrap_or_else(|error| {
            (Vec::new(), vec![error]) // Counts as none.
        });
        if let Some(error) = unreadable.first()
            && !std::mem::replace(&mut ticket.is_unreadable, true)
        {
            tracing::warn!(id = %ticket.id, %error, "an answer cannot be read, and counts as none");
        }
        Tally::of(&ticket.terms, &ticket.request.principal, &ticket.request_sha256, &answers)
    }

    /// Notes how an execution ended.
    pub fn settle(&self, key: &Key, id: &ApprovalId, done: Result<(), CapabilityError>) {
        let now = self.clock.now();
        let mut tickets = self.lock();
        let Some(ticket) = tickets.get_mut(key).filter(|ticket| ticket.id == *id) else { return };
        let status = if done.is_ok() { Status::Executed } else { Status::Failed };
        let detail = done.as_ref().err().map(CapabilityError::caller_text);
        if let Err(error) = self.end(&ticket.id, status, detail) {
            tracing::error!(id = %ticket.id, %error, "the end of an approval cannot be noted");
        }
        step(&ticket.id, "ended");
        ticket.settled = match done {
            Ok(()) => Settled::Executed(now),
            // The object is another than the one in the plan: nothing was sent, or it was refused.
            Err(CapabilityError::Conflict(reason)) => Settled::Refused(reason),
            Err(error) => Settled::Failed(error),
        };
    }

    /// Lets everything lapse that still waits: an answer from now on would reach nobody, and whoever
    /// gives it is to learn that.
    pub fn close(&self) -> Vec<Decided> {
        let mut lapsed = Vec::new();
        for ticket in self.lock().values_mut().filter(|t| t.settled == Settled::Pending) {
            if let Err(error) = self.decide(&ticket.id, Status::Expired, Some(GONE)) {
                tracing::error!(id = %ticket.id, %error, "the end of an approval cannot be noted");
            }
            lapsed.push(ticket.refuse(Status::Expired, Some(GONE), &[]));
        }
        lapsed
    }

    /// Forgets a request whose end the asker has learnt: the next one is a new request.
    pub fn forget(&self, key: &Key, id: &ApprovalId) {
        self.lock().retain(|held, ticket| held != key || ticket.id != *id);
    }

    /// Ends a request that could not be put on record, and that was not announced: whatever was
    /// answered did not count.
    pub fn withdraw(&self, key: &Key, id: &ApprovalId) {
        self.forget(key, id);
        let reason = "the request could not be put on record";
        if let Err(error) = self.decide(id, Status::Failed, Some(reason)) {
            tracing::error!(%id, %error, "the end of an approval cannot be noted");
        }
    }

    fn decide(&self, id: &ApprovalId, status: Status, detail: Option<&str>) -> io::Result<()> {
        let (at, detail) = (whole_seconds(self.clock.now()), detail.map(str::to_owned));
        self.folder.put_decided(id, &NoteFile { status, detail, at })
    }

    fn end(&self, id: &ApprovalId, status: Status, detail: Option<String>) -> io::Result<()> {
        let at = whole_seconds(self.clock.now());
        self.folder.put_ended(id, &NoteFile { status, detail, at })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the log how far a request has come.
pub fn step(id: &ApprovalId, step: &'static str) {
    tracing::debug!(target: "toolgate::approval", %id, step, "a request went on");
}

fn lapse(terms: &ApprovalTerms) -> SignedDuration {
    let lapse = terms.expires_after.min(EXPIRES_AFTER_MAX);
    SignedDuration::try_from(lapse).unwrap_or_default()
}

/// 80 random bits, in letters that a person can read aloud.
fn new_id() -> Result<ApprovalId, ApprovalError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).map_or('a', |b| char::from(*b));
    let id: String = random.iter().map(letter).collect();
    id.parse().map_err(|e: crate::domain::name::NameError| io::Error::other(e).into())
}
