//! Carries out writes: the only room that holds the [`Workloads`] port.
//!
//! A request is planned, held for a person's yes where one is needed, put on the disk as an intent,
//! and executed here. No guest's code runs between the yes and the effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::capability::{
    CapabilityError, Clock, Kubernetes, Workloads, WriteOutcome, WriteRequest, WriteRequests,
};
use crate::domain::capability::Tier;
use crate::domain::mode::{Mode, WriteMode};
use crate::domain::write::Plan;
use crate::governance::approval::{ApprovalError, Decided, Desk, Key, Settled, Status, Ticket};
use crate::governance::audit::{ApprovalRecord, AuditLog, Stage};

/// How often the answers are looked for while a request waits. A person does not notice it, and a
/// look is one failed `open` per request.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Holds what a write needs from the yes to the effect.
pub struct Effects {
    workloads: Arc<dyn Workloads>,
    kubernetes: Arc<dyn Kubernetes>,
    desk: Arc<Desk>,
    audit: AuditLog,
    mode: Mode,
    approval_required: bool,
    clock: Arc<dyn Clock>,
    submitted: tokio::sync::Notify,
    /// Requests and executions. None is torn in two: not by a caller who gives up, nor by the end of
    /// the house.
    tasks: TaskTracker,
}

/// What [`Effects`] is made of.
pub struct Parts {
    /// Where writes go.
    pub workloads: Arc<dyn Workloads>,
    /// Where rollouts are read.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// Where requests wait.
    pub desk: Desk,
    /// Where everything is put on record.
    pub audit: AuditLog,
    /// The operator's guardrails.
    pub mode: Mode,
    /// Whether reversible writes ask a person.
    pub approval_required: bool,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

impl Effects {
    /// A room with nothing under way.
    pub fn new(parts: Parts) -> Self {
        let Parts { workloads, kubernetes, desk, audit, mode, approval_required, clock } = parts;
        let submitted = tokio::sync::Notify::new();
        let (desk, tasks) = (Arc::new(desk), TaskTracker::new());
        Self {
            workloads,
            kubernetes,
            desk,
            audit,
            mode,
            approval_required,
            clock,
            submitted,
            tasks,
        }
    }

    /// Executes what is approved until told to stop; what has begun by then is finished, and what
    /// still waits for an answer lapses.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
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
                    () = self.submitted.notified() => {}
                    () = stop.cancelled() => {}
                }
            }
        }
        self.tasks.close();
        self.tasks.wait().await;
        for lapsed in self.at_desk(Desk::close).await.unwrap_or_default() {
            self.decided(lapsed).await;
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
        let Decided { ticket, status, by, reason } = decided;
        let key = Key::from(&ticket.request);
        let call = ticket.request.call.to_string();
        let write = record(Some(&ticket), &ticket.request, &ticket.plan);
        let decision = Stage::ApprovalDecided { write, decision: status.to_string(), by, reason };
        let recorded = self.audit.record(&call, decision, true).await;
        if status != Status::Approved {
            if let Err(error) = recorded {
                tracing::error!(%error, "a decision is not on record");
            }
            return;
        }
        let result = match recorded {
            Ok(()) => self.execute(Some(&ticket), &ticket.request, &ticket.plan).await,
            Err(error) => Err(not_recorded(&error)),
        };
        let id = ticket.id.clone();
        if let Err(error) = self.at_desk(move |desk| desk.settle(&key, &id, result)).await {
            tracing::error!(%error, "the end of an execution is not noted");
        }
    }

    /// Intent on the disk, then the effect, then what came of it.
    async fn execute(
        &self,
        ticket: Option<&Ticket>,
        request: &WriteRequest,
        plan: &Plan,
    ) -> Result<(), CapabilityError> {
        let call = request.call.to_string();
        let write = record(ticket, request, plan);
        self.audit
            .record(&call, Stage::Intent(write.clone()), true)
            .await
            .map_err(|error| not_recorded(&error))?;
        let done = self.workloads.execute(plan).await;
        let result = done.as_ref().map_or_else(ToString::to_string, |()| "done".to_owned());
        if let Err(error) = self.audit.record(&call, Stage::Effect { write, result }, true).await {
            tracing::error!(%error, %call, "what came of a write is not on record; its intent is");
        }
        done
    }

    /// The state of a request that is under way, or the end of one.
    async fn resume(&self, key: Key, ticket: Ticket) -> Result<WriteOutcome, CapabilityError> {
        let Ticket { id, plan, expires, settled, .. } = ticket;
        match settled {
            Settled::Pending | Settled::Executing => {
                Ok(WriteOutcome::ApprovalRequired { id, expires, plan })
            }
            Settled::Refused(reason) => {
                self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                Ok(WriteOutcome::Denied(reason))
            }
            Settled::Failed(error) => {
                self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                Err(error)
            }
            Settled::Executed(executed) => {
                let rollout = self.kubernetes.rollout(&plan.target).await?;
                if rollout.state != crate::capability::kubernetes::RolloutState::Progressing {
                    let id = id.clone();
                    self.at_desk(move |desk| desk.forget(&key, &id)).await?;
                }
                Ok(WriteOutcome::Performed { approval: Some(id), plan, executed, rollout })
            }
        }
    }

    async fn submit(
        &self,
        request: WriteRequest,
        plan: Plan,
    ) -> Result<WriteOutcome, CapabilityError> {
        let call = request.call.to_string();
        let asked = request.clone();
        let submitted = self.at_desk(move |desk| desk.submit(asked, plan)).await?;
        let ticket = submitted.map_err(|error| not_held(&error))?;
        let stage = Stage::ApprovalRequested(record(Some(&ticket), &request, &ticket.plan));
        if let Err(error) = self.audit.record(&call, stage, true).await {
            let (key, id) = (Key::from(&request), ticket.id.clone());
            self.at_desk(move |desk| desk.withdraw(&key, &id)).await?;
            return Err(not_recorded(&error));
        }
        self.submitted.notify_one();
        let Ticket { id, plan, expires, .. } = ticket;
        Ok(WriteOutcome::ApprovalRequired { id, expires, plan })
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
        let work = async move { effects.answer(request).await };
        self.0.tasks.spawn(work).await.map_err(|error| CapabilityError::Unavailable {
            caller: "the host failed at this; its operator finds why in its log",
            internal: error.to_string(),
        })?
    }
}

impl Effects {
    async fn answer(&self, request: WriteRequest) -> Result<WriteOutcome, CapabilityError> {
        match self.mode.writes() {
            WriteMode::Perform => {}
            WriteMode::Plan => {
                let plan = self.workloads.plan(request.verb, &request.target).await?;
                return Ok(WriteOutcome::Planned(plan));
            }
            WriteMode::Refuse => {
                return Ok(WriteOutcome::Denied("this server is read-only".to_owned()));
            }
        }
        let key = Key::from(&request);
        let held = key.clone();
        if let Some(ticket) = self.at_desk(move |desk| desk.find(&held)).await? {
            return self.resume(key, ticket).await;
        }
        let plan = self.workloads.plan(request.verb, &request.target).await?;
        if self.approval_required || request.verb.tier() == Tier::Destructive {
            return self.submit(request, plan).await;
        }
        self.execute(None, &request, &plan).await?;
        let rollout = self.kubernetes.rollout(&plan.target).await?;
        let executed = self.clock.now();
        Ok(WriteOutcome::Performed { approval: None, plan, executed, rollout })
    }
}

fn record(ticket: Option<&Ticket>, request: &WriteRequest, plan: &Plan) -> ApprovalRecord {
    ApprovalRecord::new(
        ticket.map(|t| t.id.to_string()),
        request.principal.to_string(),
        request.plugin.to_string(),
        request.digest.clone(),
        plan,
    )
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
