//! Carries out writes: the only room that holds the [`Writer`] port.
//!
//! A request is planned, held for a person's yes where one is needed, put on the disk as an intent,
//! and executed here. No guest's code runs between the yes and the effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::capability::kubernetes::RolloutState;
use crate::capability::{
    CapabilityError, Clock, Kubernetes, Progress, WriteOutcome, WriteRequest, WriteRequests,
    Writer, origin,
};
use crate::domain::alike::looks_alike;
use crate::domain::call::CapabilityUse;
use crate::domain::decision::{ApprovalTerms, Rule, Verdict};
use crate::domain::mode::{Mode, WriteMode};
use crate::domain::name::{ApprovalId, Namespace};
use crate::domain::scope::Target;
use crate::domain::write::Plan;
use crate::governance::approval::{
    ApprovalError, Decided, Desk, Key, Orphan, Settled, Status, Submitted, Ticket, step,
};
use crate::governance::audit::{ApprovalRecord, AuditLog, Stage};
use crate::governance::policy::{Policy, Question};
use crate::governance::rate_limit::WriteBudget;

/// How often the answers are looked for while a request waits. A person does not notice it, and a
/// look is one failed `open` per request.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How often dropped answers are looked for while nothing waits: they only have to be refused.
const IDLE_LOOK_EVERY: Duration = Duration::from_secs(2);

/// How long who asks again waits for an execution that has begun: two requests to a cluster at
/// their deadline, and the records around them.
const EXECUTED_WITHIN: Duration = Duration::from_secs(25);

/// What who only asks what became of a request learns, where nothing of it is left.
const TOLD: &str = "what became of the request was told to an earlier call, and the request itself \
                    says it: look at `toolgate://approvals`";

/// Namespaces that a warning names.
const ALIKE_MAX: usize = 5;

/// Holds what a write needs from the yes to the effect.
pub struct Effects {
    writer: Arc<dyn Writer>,
    kubernetes: Arc<dyn Kubernetes>,
    desk: Arc<Desk>,
    audit: AuditLog,
    mode: Mode,
    policy: Arc<Policy>,
    budget: WriteBudget,
    clock: Arc<dyn Clock>,
    submitted: tokio::sync::Notify,
    /// Something that a person answered has come to its end.
    settled: tokio::sync::Notify,
    /// Requests and executions. None is torn in two: not by a caller who gives up, nor by the end of
    /// the house.
    tasks: TaskTracker,
}

/// What [`Effects`] is made of.
pub struct Parts {
    /// Where writes go.
    pub writer: Arc<dyn Writer>,
    /// Where namespaces are looked for that a plan's could be mistaken for.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// Where requests wait.
    pub desk: Desk,
    /// Where everything is put on record.
    pub audit: AuditLog,
    /// The operator's guardrails.
    pub mode: Mode,
    /// What the operator allows to whom, and who has to say yes.
    pub policy: Arc<Policy>,
    /// Writes that may be asked for within an hour.
    pub budget: WriteBudget,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Effects {
    /// A room with nothing under way.
    pub fn new(parts: Parts) -> Self {
        let Parts { writer, kubernetes, desk, audit, mode, policy, budget, clock } = parts;
        let (submitted, settled) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let (desk, tasks) = (Arc::new(desk), TaskTracker::new());
        Self {
            writer,
            kubernetes,
            desk,
            audit,
            mode,
            policy,
            budget,
            clock,
            submitted,
            settled,
            tasks,
        }
    }

    /// Executes what is approved until told to stop; what has begun by then is finished, and what
    /// still waits for an answer lapses.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.sweep().await;
        while !stop.is_cancelled() {
            if self.desk.is_dusty() {
                self.sweep().await;
            }
            if self.desk.has_pending() {
                for decided in self.at_desk(Desk::collect).await.unwrap_or_default() {
                    let this = Arc::clone(&self);
                    self.tasks.spawn(async move { this.decided(decided).await });
                }
                tokio::select! {
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                    () = stop.cancelled() => {}
                }
            } else {
                tokio::select! {
                    () = self.submitted.notified() => continue,
                    () = tokio::time::sleep(IDLE_LOOK_EVERY) => {}
                    () = stop.cancelled() => {}
                }
                let _ = self.at_desk(Desk::take_dropped).await; // A panic is in the log.
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        for lapsed in self.at_desk(Desk::close).await.unwrap_or_default() {
            self.decided(lapsed).await;
        }
    }

    /// Tidies up after processes that are gone, and puts on record what became of their requests.
    async fn sweep(&self) {
        for Orphan { request, status } in self.at_desk(Desk::sweep).await.unwrap_or_default() {
            let (id, principal) = (&request.id, &request.principal);
            tracing::warn!(%id, %principal, %status, "a request ended with the process that held it");
            let reason = Some("the process that held it is gone".to_owned());
            let decision = Stage::ApprovalDecided {
                write: ApprovalRecord::from(&request),
                decision: status.to_string(),
                by: None,
                through: None,
                reason,
            };
            if let Err(error) = self.audit.record(&request.call, decision, true).await {
                tracing::error!(%error, %id, "the end of a request is not on record");
            }
        }
    }

    /// Does what reads and writes files, where that holds up nobody.
    async fn at_desk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Desk) -> T + Send + 'static,
    ) -> Result<T, CapabilityError> {
        let desk = Arc::clone(&self.desk);
        tokio::task::spawn_blocking(move || work(&desk)).await.map_err(|error| {
            CapabilityError::Unavailable {
                caller: "the request cannot be held now, so nothing is written",
                internal: error.to_string(),
            }
        })
    }

    /// Whether a request of this process waits for an answer, or is being executed.
    pub fn has_open(&self) -> bool {
        self.desk.has_open()
    }

    async fn decided(&self, decided: Decided) {
        let call = decided.ticket.request.call.clone();
        origin::on_behalf(call, self.carry_out(decided)).await;
        self.settled.notify_waiters();
    }

    async fn carry_out(&self, decided: Decided) {
        let Decided { ticket, status, by, through, reason } = decided;
        let key = Key::from(&ticket.request);
        let call = ticket.request.call.to_string();
        let write = record(Some(&ticket), &ticket.request, &ticket.rule, &ticket.plan);
        let decision = status.to_string();
        let decision = Stage::ApprovalDecided { write, decision, by, through, reason };
        let recorded = self.audit.record(&call, decision, true).await;
        if status != Status::Approved {
            if let Err(error) = recorded {
                tracing::error!(%error, "a decision is not on record");
            }
            return;
        }
        step(&ticket.id, "decision-recorded");
        let result = match recorded {
            Ok(()) => self.execute(Some(&ticket), &ticket.request, &ticket.plan).await,
            Err(error) => Err(not_recorded(&error)),
        };
        let id = ticket.id.clone();
        if let Err(error) = self.at_desk(move |desk| desk.settle(&key, &id, result)).await {
            tracing::error!(%error, "the end of an execution is not noted");
        }
    }

    /// Whether the policy still allows it, then the intent on the disk, the effect, and what came of
    /// it.
    async fn execute(
        &self,
        ticket: Option<&Ticket>,
        request: &WriteRequest,
        plan: &Plan,
    ) -> Result<(), CapabilityError> {
        let call = request.call.to_string();
        let verdict = self.verdict(request, false);
        let write = record(ticket, request, verdict.rule(), plan);
        if let Some(why) = stands_against(&verdict, ticket) {
            let stage = Stage::Effect { write, result: format!("not executed: {why}") };
            if let Err(error) = self.audit.record(&call, stage, true).await {
                tracing::error!(%error, %call, "a write that was not executed is not on record");
            }
            return Err(CapabilityError::Conflict(why.to_owned()));
        }
        self.audit
            .record(&call, Stage::Intent(write.clone()), true)
            .await
            .map_err(|error| not_recorded(&error))?;
        let took_step = |name| ticket.inspect(|ticket| step(&ticket.id, name));
        took_step("intended");
        let done = self.writer.execute(plan).await;
        took_step("executed");
        let result = done.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned());
        if let Err(error) = self.audit.record(&call, Stage::Effect { write, result }, true).await {
            tracing::error!(%error, %call, "what came of a write is not on record; its intent is");
        }
        took_step("effect-recorded");
        done
    }

    /// The state of a request that is under way, or the end of one.
    async fn resume(
        &self,
        key: Key,
        ticket: Ticket,
        reason: Option<&String>,
    ) -> Result<WriteOutcome, CapabilityError> {
        let is_first_reason = reason.is_some() && ticket.request.reason.as_ref() != reason;
        let Ticket { id, plan, expires, settled, .. } = ticket;
        match settled {
            Settled::Pending => {
                Ok(WriteOutcome::ApprovalRequired { id, expires, plan, is_first_reason })
            }
            Settled::Executing => Err(CapabilityError::Unavailable {
                caller: "a person said yes and the host is executing it, which takes long; ask \
                         again to learn what came of it",
                internal: format!("approval {id} is being executed"),
            }),
            Settled::Refused(reason) => {
                self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                Ok(WriteOutcome::Denied(reason))
            }
            Settled::Failed(error) => {
                self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                Err(error)
            }
            Settled::Executed(executed) => {
                let progress = self.progress(&plan).await;
                if progress.state != RolloutState::Progressing {
                    let id = id.clone();
                    self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                }
                Ok(WriteOutcome::Performed { approval: Some(id), plan, executed, progress })
            }
        }
    }

    async fn submit(
        &self,
        request: WriteRequest,
        plan: Plan,
        rule: Rule,
        terms: ApprovalTerms,
    ) -> Result<WriteOutcome, CapabilityError> {
        let call = request.call.to_string();
        let (asked, key) = (request.clone(), Key::from(&request));
        let submitted = self.at_desk(move |desk| desk.submit(asked, plan, rule, terms)).await?;
        let give_back = || self.budget.give_back(&request.principal, request.target.cluster());
        let ticket = match submitted {
            Ok(Submitted { ticket, is_anothers: false }) => ticket,
            Ok(Submitted { ticket, is_anothers: true }) => {
                give_back();
                return self.resume(key, ticket, None).await;
            }
            Err(error) => {
                give_back();
                return Err(not_held(&error));
            }
        };
        let write = record(Some(&ticket), &request, &ticket.rule, &ticket.plan);
        let stage = Stage::ApprovalRequested(write);
        if let Err(error) = self.audit.record(&call, stage, true).await {
            let id = ticket.id.clone();
            self.at_desk(move |desk| desk.withdraw(&key, &id)).await?;
            return Err(not_recorded(&error));
        }
        let id = ticket.id.clone();
        self.at_desk(move |desk| desk.announce(&key, &id)).await?;
        step(&ticket.id, "requested");
        self.submitted.notify_one();
        let Ticket { id, plan, expires, .. } = ticket;
        Ok(WriteOutcome::ApprovalRequired { id, expires, plan, is_first_reason: false })
    }
}

/// Takes requests to [`Effects`]. A request goes on where its caller gives up: it is either not made
/// at all, or made whole and on record.
#[derive(Clone)]
pub struct Requests(pub Arc<Effects>);

#[async_trait]
impl WriteRequests for Requests {
    async fn request(&self, request: WriteRequest) -> Result<WriteOutcome, CapabilityError> {
        let effects = Arc::clone(&self.0);
        let call = request.call.clone();
        let work = origin::on_behalf(call, async move { effects.answer(request).await });
        self.0.tasks.spawn(work).await.map_err(|error| CapabilityError::Unavailable {
            caller: "the host failed at this; its operator finds why in its log",
            internal: error.to_string(),
        })?
    }

    async fn progress(
        &self,
        request: &WriteRequest,
        plan: &Plan,
        approval: Option<&ApprovalId>,
    ) -> Progress {
        let Self(effects) = self;
        let progress = effects.progress(plan).await;
        if let (Some(id), false) = (approval, progress.state == RolloutState::Progressing) {
            let (key, id) = (Key::from(request), id.clone());
            if let Err(error) = effects.at_desk(move |desk| desk.forget(&key, &id)).await {
                tracing::error!(%error, "an approval that is at its end is not forgotten");
            }
        }
        progress
    }
}

impl Effects {
    async fn answer(
        self: Arc<Self>,
        request: WriteRequest,
    ) -> Result<WriteOutcome, CapabilityError> {
        match self.mode.writes() {
            WriteMode::Perform => {}
            WriteMode::Plan => {
                if let Verdict::Deny { .. } = self.verdict(&request, true) {
                    return Err(denied(&request));
                }
                let plan = self.plan(&request).await?;
                return Ok(WriteOutcome::Planned(plan));
            }
            WriteMode::Refuse => {
                return Ok(WriteOutcome::Denied("this server is read-only".to_owned()));
            }
        }
        let key = Key::from(&request);
        if let Some(ticket) = self.held(&key).await? {
            return self.resume(key, ticket, request.reason.as_ref()).await;
        }
        if request.resumes {
            // No refusal: that would say that nothing was changed.
            let internal = "nothing is held of a request that a task asks about".to_owned();
            return Err(CapabilityError::Unavailable { caller: TOLD, internal });
        }
        let verdict = self.verdict(&request, false);
        if let Verdict::Deny { .. } = verdict {
            return Err(denied(&request));
        }
        let plan = self.plan(&request).await?;
        if let Err(spent) = self.budget.spend(&request.principal, request.target.cluster()) {
            let used = CapabilityUse {
                capability: request.verb.capability(),
                verb: request.verb.as_str(),
                target: Target::from(&request.target),
                allowed: false,
                rule: Some(Rule::named(format!("rates.{}", spent.rate))),
            };
            let stage = Stage::Used((&used).into());
            let call = request.call.to_string();
            self.audit.record(&call, stage, true).await.map_err(|error| not_recorded(&error))?;
            return Ok(WriteOutcome::Denied(spent.text));
        }
        if let Verdict::Ask { rule, terms } = verdict {
            return self.submit(request, plan, rule, terms).await;
        }
        self.execute(None, &request, &plan).await?;
        let executed = self.clock.now();
        let progress = self.progress(&plan).await;
        Ok(WriteOutcome::Performed { approval: None, plan, executed, progress })
    }

    /// What the policy says now.
    fn verdict(&self, request: &WriteRequest, dry_run: bool) -> Verdict {
        self.policy.decide(&Question {
            principal: &request.principal,
            plugin: &request.plugin,
            digest: &request.digest,
            tool: request.tool.as_str(),
            capability: request.verb.capability(),
            verb: request.verb.as_str(),
            target: &Target::from(&request.target),
            dry_run,
            at: self.clock.now(),
        })
    }

    /// What is under way for the key, with an answer that has come taken first: who asks after a
    /// person's yes is never told that a person has to say yes.
    async fn held(self: &Arc<Self>, key: &Key) -> Result<Option<Ticket>, CapabilityError> {
        let find = || {
            let key = key.clone();
            self.at_desk(move |desk| desk.find(&key))
        };
        let Some(mut ticket) = find().await? else { return Ok(None) };
        if ticket.settled == Settled::Pending {
            for decided in self.at_desk(Desk::collect).await? {
                let this = Arc::clone(self);
                self.tasks.spawn(async move { this.decided(decided).await });
            }
        }
        let settled = async {
            loop {
                let end = self.settled.notified();
                tokio::pin!(end);
                // From here on no end is missed, and only then it is looked whether it has come.
                end.as_mut().enable();
                let found = find().await;
                if !matches!(&found, Ok(Some(ticket)) if ticket.settled == Settled::Executing) {
                    return found;
                }
                end.await;
            }
        };
        tokio::time::timeout(EXECUTED_WITHIN, settled).await.unwrap_or_else(|_| {
            ticket.settled = Settled::Executing;
            Ok(Some(ticket))
        })
    }

    /// How far it is. That nobody can tell now does not undo what was executed: an error would say
    /// to the caller that it may be asked for again.
    async fn progress(&self, plan: &Plan) -> Progress {
        self.writer.progress(plan).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "how far a write is cannot be told");
            Progress {
                state: RolloutState::Progressing,
                message: format!("executed; how far it is: {}", error.caller_text()),
                rollout: None,
            }
        })
    }

    async fn plan(&self, request: &WriteRequest) -> Result<Plan, CapabilityError> {
        let mut plan = self.writer.plan(request.verb, &request.target).await?;
        let alike = self.alike(request).await;
        if !alike.is_empty() {
            let place = request.target.namespace().map(Namespace::as_str).unwrap_or_default();
            let also = if let [_] = alike.as_slice() { "is" } else { "are" };
            plan.warnings.insert(
                0,
                format!("this is namespace `{place}`; there {also} also {}", alike.join(", ")),
            );
        }
        Ok(plan)
    }

    /// Granted namespaces that this one is easily taken for. A plan without them is still a plan:
    /// the account may well not be allowed to look.
    async fn alike(&self, request: &WriteRequest) -> Vec<String> {
        let Some(place) = request.target.namespace() else { return Vec::new() };
        let cluster = request.target.cluster();
        let (granted, allowed) = (&request.scope.namespaces, &self.mode.namespaces);
        let is_alike = |name: &str| {
            granted.contains(name) && allowed.contains(name) && looks_alike(place.as_str(), name)
        };
        let found = match granted.literals().or_else(|| allowed.literals()) {
            Some(names) => {
                let mut there = Vec::new();
                let named = names.iter().filter(|name| is_alike(name)).take(ALIKE_MAX);
                for name in named.filter_map(|name| name.parse().ok()) {
                    if self.kubernetes.namespace(cluster, &name).await.is_ok() {
                        there.push(name.to_string());
                    }
                }
                there
            }
            None => match self.kubernetes.namespaces(cluster).await {
                Ok(all) => all.into_iter().map(|found| found.name).collect(),
                Err(error) => {
                    tracing::debug!(%error, "no namespaces to compare with");
                    Vec::new()
                }
            },
        };
        let alike = found.iter().filter(|name| is_alike(name)).take(ALIKE_MAX);
        alike.map(|name| format!("`{name}`")).collect()
    }
}

/// Why a write that was allowed, or that a person said yes to, is not executed after all: the rules
/// are the same, but not the time.
fn stands_against(verdict: &Verdict, ticket: Option<&Ticket>) -> Option<&'static str> {
    match (verdict, ticket) {
        (Verdict::Allow { .. }, _) => None,
        (Verdict::Ask { terms, .. }, Some(ticket)) if ticket.terms.satisfy(terms) => None,
        (Verdict::Ask { .. }, _) => Some("the policy asks for another approval by now"),
        (Verdict::Deny { .. }, _) => Some("the policy does not allow it any more"),
    }
}

/// Words that the door replaces by those for what is not there.
fn denied(request: &WriteRequest) -> CapabilityError {
    CapabilityError::NotFound(Target::from(&request.target).to_string())
}

fn record(
    ticket: Option<&Ticket>,
    request: &WriteRequest,
    rule: &Rule,
    plan: &Plan,
) -> ApprovalRecord {
    ApprovalRecord::new(ticket.map(|t| t.id.to_string()), request, Some(rule), plan)
}

fn not_recorded(error: &crate::governance::audit::AuditError) -> CapabilityError {
    CapabilityError::Unavailable {
        caller: "the audit log takes no record, so nothing is written",
        internal: error.to_string(),
    }
}

fn not_held(error: &ApprovalError) -> CapabilityError {
    CapabilityError::Unavailable {
        caller: "the request cannot be shown to an approver now, so nothing is written",
        internal: error.to_string(),
    }
}
