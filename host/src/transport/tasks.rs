//! Tasks (the extension `io.modelcontextprotocol/tasks`): a call whose write waits for a person, as
//! something that its client can look at and take back, in place of calling again by itself.
//!
//! A task bears the name of its approval and lives in memory, as the request does. What became of the
//! request is told by the tool, called once more as a recorded call of the same caller, which makes
//! no new request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CreateTaskResult, DetailedTask, ErrorData, GetTaskResult, JsonObject, Task, TaskPayload,
    TaskStatus,
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ask::call_id;
use super::convert::{self, Era};
use super::server::log;
use crate::capability::progress::NoProgress;
use crate::confirm::{ApprovalError, OwnRequests, Standing, Status};
use crate::domain::call::{Call, Unfinished};
use crate::domain::decision::Refusal;
use crate::domain::name::{ApprovalId, ToolName};
use crate::domain::principal::Principal;
use crate::domain::subject::Subject;
use crate::gateway::{CallContext, CallError, Tools};

/// Tasks of one listener that are kept at once: more than requests may wait.
const TASKS_MAX: usize = 256;

/// How often a client may well look.
const POLL: Duration = Duration::from_secs(2);

/// How long the end of a task can be looked at, beyond the time in which its request would lapse.
const KEPT_FOR: Duration = Duration::from_hours(1);

/// How long a look waits for the tool to tell what became of it; many answer at once.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// What a task was made of.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) tools: Arc<dyn Tools>,
    pub(super) principal: Principal,
    pub(super) client: Option<String>,
    pub(super) on_behalf_of: Option<String>,
    pub(super) tool: ToolName,
    pub(super) arguments: Map<String, Value>,
}

/// The tasks of one listener.
#[derive(Default)]
pub(super) struct Tasks(Mutex<BTreeMap<ApprovalId, Arc<Kept>>>);

struct Kept {
    id: ApprovalId,
    origin: Origin,
    /// From the making of the request.
    ttl: Duration,
    forget_at: Instant,
    state: Mutex<State>,
    told: Notify,
}

enum State {
    /// The tool may be asked from then on.
    Open { not_before: Instant, message: Option<String> },
    /// The tool tells, until its call's own deadline at the latest.
    Telling,
    /// The end.
    Over { payload: TaskPayload, message: Option<String> },
}

impl Tasks {
    /// A task for a request that waited when the tool told of it; none where too many are kept
    /// already. Where somebody has answered since, the first look tells.
    pub(super) async fn make(
        &self,
        own: &OwnRequests,
        origin: Origin,
        id: &ApprovalId,
    ) -> Option<CreateTaskResult> {
        let standing = own.standing(&origin.principal, id).await.ok().flatten()?;
        let kept = {
            let mut all = self.lock();
            let now = Instant::now();
            all.retain(|_, kept| kept.forget_at > now);
            if !all.contains_key(id) && all.len() >= TASKS_MAX {
                let over = all.values().filter(|kept| kept.is_over());
                let oldest = over.min_by_key(|kept| kept.forget_at)?.id.clone();
                all.remove(&oldest);
            }
            let make = || Arc::new(Kept::new(id, origin, &standing, now));
            Arc::clone(all.entry(id.clone()).or_insert_with(make))
        };
        let answered = || (TaskPayload::Working, Some("answered; look again".to_owned()));
        let (payload, message) = waiting(&standing).unwrap_or_else(answered);
        let task = kept.shown(&standing, &payload, message);
        let mut result = CreateTaskResult::new(task);
        result.meta = convert::result_meta(Era::Modern);
        Some(result)
    }

    /// How far a task of the principal's is.
    pub(super) async fn get(
        &self,
        own: &OwnRequests,
        principal: &Principal,
        id: &str,
    ) -> Result<GetTaskResult, ErrorData> {
        let kept = self.find(principal, id)?;
        let standing = own.standing(principal, &kept.id).await.map_err(|error| {
            tracing::warn!(%error, id, "a task cannot be looked at");
            ErrorData::internal_error("the task cannot be looked at now; try again later", None)
        })?;
        let standing = standing.ok_or_else(unknown)?;
        if kept.end().is_none() {
            match waiting(&standing) {
                Some((payload, message)) => return Ok(kept.told(&standing, payload, message)),
                None => kept.settle(&standing).await,
            }
        }
        let (payload, message) = kept.end().unwrap_or_else(|| kept.under_way());
        Ok(kept.told(&standing, payload, message))
    }

    /// Takes a task of the principal's back, if it is not too late: the next look tells.
    pub(super) async fn cancel(
        &self,
        own: &OwnRequests,
        principal: &Principal,
        id: &str,
    ) -> Result<(), ErrorData> {
        let kept = self.find(principal, id)?;
        match own.withdraw(principal, &kept.id).await {
            Ok(_) => {}
            Err(error @ ApprovalError::Io(_)) => {
                tracing::error!(%error, id, "a request cannot be taken back");
                let text = "the request cannot be taken back now; try again later";
                return Err(ErrorData::internal_error(text, None));
            }
            // The look tells what it is instead.
            Err(error) => tracing::debug!(%error, id, "too late to take a request back"),
        }
        Ok(())
    }

    /// Whether there is such a task of the principal's: we ask nothing of one, so an update brings
    /// nothing.
    pub(super) fn update(&self, principal: &Principal, id: &str) -> Result<(), ErrorData> {
        self.find(principal, id).map(drop)
    }

    /// Another's task looks like none.
    fn find(&self, principal: &Principal, id: &str) -> Result<Arc<Kept>, ErrorData> {
        let id: ApprovalId = id.parse().map_err(|_| unknown())?;
        let all = self.lock();
        let found = all.get(&id).filter(|kept| kept.origin.principal == *principal);
        found.filter(|kept| kept.forget_at > Instant::now()).cloned().ok_or_else(unknown)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ApprovalId, Arc<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown() -> ErrorData {
    ErrorData::invalid_params("there is no such task, or it is forgotten", None)
}

/// What is told of a request that is not at its end.
fn waiting(standing: &Standing) -> Option<(TaskPayload, Option<String>)> {
    let message = match standing.status {
        Status::Pending => format!("waits for the yes of {}", people(standing.missing)),
        Status::Approved | Status::Executing => "approved; Toolgate executes it".to_owned(),
        Status::Denied
        | Status::Executed
        | Status::Failed
        | Status::Expired
        | Status::Interrupted => return None,
    };
    Some((TaskPayload::Working, Some(message)))
}

fn people(n: u8) -> String {
    if n == 1 { "1 person".to_owned() } else { format!("{n} people") }
}

impl Kept {
    fn new(id: &ApprovalId, origin: Origin, standing: &Standing, now: Instant) -> Self {
        Self {
            id: id.clone(),
            origin,
            ttl: standing.lapses_after + KEPT_FOR,
            forget_at: now + standing.lapses_in + KEPT_FOR,
            state: Mutex::new(State::Open { not_before: now, message: None }),
            told: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_over(&self) -> bool {
        matches!(*self.state(), State::Over { .. })
    }

    fn end(&self) -> Option<(TaskPayload, Option<String>)> {
        match &*self.state() {
            State::Over { payload, message } => Some((payload.clone(), message.clone())),
            State::Open { .. } | State::Telling => None,
        }
    }

    fn under_way(&self) -> (TaskPayload, Option<String>) {
        let message = match &*self.state() {
            State::Open { message, .. } => message.clone(),
            State::Telling | State::Over { .. } => None,
        };
        let executed = || "executed; the tool looks what became of it".to_owned();
        (TaskPayload::Working, Some(message.unwrap_or_else(executed)))
    }

    /// Brings the task to its end: by itself where nothing was done, by the tool where something was.
    async fn settle(self: &Arc<Self>, standing: &Standing) {
        let Standing { status, note, .. } = standing;
        if let Status::Denied | Status::Expired = status {
            let why = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
            let message = Some(format!("{status}{why}; nothing was changed"));
            *self.state() = State::Over { payload: TaskPayload::Cancelled, message };
            return;
        }
        let told = self.told.notified();
        tokio::pin!(told);
        // From here on no end is missed.
        told.as_mut().enable();
        {
            let mut state = self.state();
            if let State::Open { not_before, .. } = &*state
                && *not_before <= Instant::now()
            {
                *state = State::Telling;
                let this = Arc::clone(self);
                tokio::spawn(async move { this.tell().await });
            }
        }
        let _ = tokio::time::timeout(TOLD_WITHIN, told).await;
    }

    /// Has the tool tell what became of the request.
    async fn tell(&self) {
        let state = match self.ask().await {
            Ok(Some((payload, message))) => State::Over { payload, message },
            Ok(None) => {
                let message = Some("executed; it rolls out".to_owned());
                State::Open { not_before: Instant::now() + POLL, message }
            }
            Err(again_in) => {
                let message = Some("executed; the tool is asked again soon".to_owned());
                State::Open { not_before: Instant::now() + again_in, message }
            }
        };
        *self.state() = state;
        self.told.notify_waiters();
    }

    /// The end, or nothing where it rolls out, or after what time to ask again.
    async fn ask(&self) -> Result<Option<(TaskPayload, Option<String>)>, Duration> {
        let Origin { tools, principal, client, on_behalf_of, tool, arguments } =
            self.origin.clone();
        let id = call_id().map_err(|_| POLL)?;
        let call = Call {
            id: id.clone(),
            principal,
            client,
            on_behalf_of,
            subject: Subject::Tool(tool),
            arguments,
            traceparent: None,
            is_reread: false,
        };
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let context = CallContext { progress: Arc::new(NoProgress), cancel };
        let (came_of_it, unfinished) = match tools.resume(call, context).await {
            Ok((outcome, unfinished)) => (Ok(outcome), unfinished),
            Err(error) => (Err(error), None),
        };
        log(&id, &came_of_it);
        if let Err(CallError::Refused(Refusal::Busy { retry_after, .. })) = &came_of_it {
            return Err((*retry_after).max(POLL));
        }
        if unfinished == Some(Unfinished::RollsOut(self.id.clone())) {
            return Ok(None);
        }
        Ok(Some(match convert::answer(came_of_it, &id, Era::Modern) {
            Ok(result) => (TaskPayload::Completed { result: object(&result) }, None),
            Err(error) => (TaskPayload::Failed { error: object(&error) }, None),
        }))
    }

    fn shown(&self, standing: &Standing, payload: &TaskPayload, message: Option<String>) -> Task {
        let Standing { requested, changed, .. } = standing;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let task = Task::new(self.id.to_string(), TaskStatus::Working, requested, changed)
            .with_ttl_ms(millis(self.ttl))
            .with_poll_interval_ms(millis(POLL));
        let mut task = DetailedTask::new(task, payload.clone()).task;
        task.status_message = message;
        task
    }

    fn told(
        &self,
        standing: &Standing,
        payload: TaskPayload,
        message: Option<String>,
    ) -> GetTaskResult {
        let task = self.shown(standing, &payload, message);
        let mut result = GetTaskResult::new(DetailedTask::new(task, payload));
        result.meta = convert::result_meta(Era::Modern);
        result
    }
}

fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        Ok(_) | Err(_) => JsonObject::new(),
    }
}
