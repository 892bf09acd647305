//! The host's side of approvals: holds the requests, learns the answers, lets each be executed once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::file::{ApprovalError, ApprovalFile, Claim, Ended, Folder, PlanFile, Status};
use crate::capability::{CapabilityError, Clock, WriteRequest};
use crate::domain::decision::{ApprovalTerms, Rule};
use crate::domain::name::{ApprovalId, PluginId};
use crate::domain::principal::Principal;
use crate::domain::write::{Plan, Verb, WriteTarget};

/// Requests that may wait for an answer at once. A person reads a dozen; a hundred is an attack.
const PENDING_MAX: usize = 100;

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
    is_unreadable: bool,
}

impl Ticket {
    /// Whether it waits for an answer, or is being executed.
    fn is_open(&self) -> bool {
        matches!(self.settled, Settled::Pending | Settled::Executing)
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
    /// Their words.
    pub reason: Option<String>,
}

/// Holds the requests of this process.
pub struct Desk {
    folder: Folder,
    instance: String,
    clock: Arc<dyn Clock>,
    tickets: Mutex<BTreeMap<Key, Ticket>>,
}

impl Desk {
    /// A desk with nothing on it.
    pub fn new(folder: Folder, instance: String, clock: Arc<dyn Clock>) -> Self {
        Self { folder, instance, clock, tickets: Mutex::default() }
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
        let told_until = |ticket: &Ticket| {
            let lapse = jiff::SignedDuration::try_from(ticket.terms.expires_after);
            ticket.expires.saturating_add(lapse.unwrap_or_default()).ok()
        };
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

    /// Holds a request and shows it to whoever may answer, under the terms of the rule that asks.
    ///
    /// # Errors
    /// Where too many wait already, or it cannot be shown.
    pub fn submit(
        &self,
        request: WriteRequest,
        plan: Plan,
        rule: Rule,
        terms: ApprovalTerms,
    ) -> Result<Ticket, ApprovalError> {
        let now = self.clock.now();
        let key = Key::from(&request);
        let mut tickets = self.lock();
        self.drop_old(&mut tickets);
        if let Some(ticket) = tickets.get(&key).filter(|ticket| ticket.is_open()) {
            return Ok(ticket.clone()); // Asked twice at once.
        }
        let pending = tickets.values().filter(|t| t.settled == Settled::Pending).count();
        if pending >= PENDING_MAX {
            let full = format!("{pending} requests wait for an answer already");
            return Err(std::io::Error::other(full).into());
        }
        let id = new_id()?;
        let lapse = jiff::SignedDuration::try_from(terms.expires_after).unwrap_or_default();
        let expires = now.saturating_add(lapse);
        let expires = expires.map_err(std::io::Error::other)?;
        let file = ApprovalFile {
            id: id.to_string(),
            instance: self.instance.clone(),
            call: request.call.to_string(),
            principal: request.principal.to_string(),
            plugin: request.plugin.to_string(),
            digest: request.digest.clone(),
            tool: request.tool.to_string(),
            reason: request.reason.clone(),
            plan: PlanFile::from(&plan),
            requested: whole_seconds(now),
            expires: whole_seconds(expires),
        };
        let request_sha256 = self.folder.put_request(&file)?;
        let ticket = Ticket {
            id,
            request,
            plan,
            rule,
            terms,
            expires,
            settled: Settled::Pending,
            request_sha256,
            is_unreadable: false,
        };
        tickets.insert(key, ticket.clone());
        Ok(ticket)
    }

    /// The answers that have come since the last look. An approved ticket is given out once, and
    /// only after its claim is on the disk: a second process, or this one restarted, cannot execute
    /// it again.
    pub fn collect(&self) -> Vec<Decided> {
        let now = self.clock.now();
        let mut decided = Vec::new();
        for ticket in self.lock().values_mut().filter(|t| t.settled == Settled::Pending) {
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
        let lapsed = ticket.expires <= now;
        let answer = self.folder.answered(&ticket.id).unwrap_or_else(|error| {
            if !std::mem::replace(&mut ticket.is_unreadable, true) {
                tracing::warn!(id = %ticket.id, %error, "an answer cannot be read, and counts as none");
            }
            None
        });
        let at = whole_seconds(now);
        let status = match &answer {
            _ if lapsed => Status::Expired,
            None => return Ok(None),
            Some(answer) if !answer.approve => Status::Denied,
            // The person saw another request than the one held here.
            Some(answer) if answer.request_sha256 != ticket.request_sha256 => Status::Failed,
            Some(_) => Status::Approved,
        };
        ticket.settled = match status {
            Status::Approved => {
                self.folder.put_claim(&ticket.id, &Claim { at })?;
                Settled::Executing
            }
            Status::Expired => {
                let reason = "nobody answered the request in time; ask again to make a new one";
                self.end(&ticket.id, status, Some(reason.to_owned()))?;
                Settled::Refused(reason.to_owned())
            }
            Status::Failed => {
                let reason = "the approval does not belong to this request";
                self.end(&ticket.id, status, Some(reason.to_owned()))?;
                Settled::Refused(reason.to_owned())
            }
            Status::Denied | Status::Pending | Status::Executed | Status::Interrupted => {
                self.end(&ticket.id, Status::Denied, None)?;
                let why = answer.as_ref().and_then(|a| a.reason.clone());
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                Settled::Refused(format!("the operator said no{why}"))
            }
        };
        let (by, reason) = answer.map(|a| (a.by, a.reason)).unzip();
        Ok(Some(Decided { ticket: ticket.clone(), status, by, reason: reason.flatten() }))
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
        let reason = "the server that held the request ended";
        let mut lapsed = Vec::new();
        for ticket in self.lock().values_mut().filter(|t| t.settled == Settled::Pending) {
            let status = Status::Expired;
            if let Err(error) = self.end(&ticket.id, status, Some(reason.to_owned())) {
                tracing::error!(id = %ticket.id, %error, "the end of an approval cannot be noted");
            }
            ticket.settled = Settled::Refused(reason.to_owned());
            let reason = Some(reason.to_owned());
            lapsed.push(Decided { ticket: ticket.clone(), status, by: None, reason });
        }
        lapsed
    }

    /// Forgets a request whose end the asker has learnt: the next one is a new request.
    pub fn forget(&self, key: &Key, id: &ApprovalId) {
        self.lock().retain(|held, ticket| held != key || ticket.id != *id);
    }

    /// Ends a request that could not be put on record: nobody may answer it.
    pub fn withdraw(&self, key: &Key, id: &ApprovalId) {
        self.forget(key, id);
        let reason = "the request could not be put on record".to_owned();
        if let Err(error) = self.end(id, Status::Failed, Some(reason)) {
            tracing::error!(%id, %error, "the end of an approval cannot be noted");
        }
    }

    fn end(&self, id: &ApprovalId, status: Status, detail: Option<String>) -> std::io::Result<()> {
        let at = whole_seconds(self.clock.now());
        self.folder.put_ended(id, &Ended { status, detail, at }).map(drop)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Key, Ticket>> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Times in files have whole seconds, so that they compare as text.
fn whole_seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// 80 random bits, in letters that a person can read aloud.
fn new_id() -> Result<ApprovalId, ApprovalError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0u8; 16];
    getrandom::fill(&mut random).map_err(std::io::Error::other)?;
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).map_or('a', |b| char::from(*b));
    let id: String = random.iter().map(letter).collect();
    id.parse().map_err(|e: crate::domain::name::NameError| std::io::Error::other(e).into())
}
