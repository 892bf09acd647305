//! A tool's call whose write waits for a person whom its own client may ask, in both eras: before
//! 2026-07-28 by a request of ours while the call waits, since then by an answer that asks to be
//! called again. Both end in calling the tool again, which tells what became of the request.
//!
//! Decides nothing: whether the person may be asked and what the answer counts for is found by
//! [`OwnRequests`]. Whoever is not asked learns what anybody learns: that a person must approve.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientResult, ErrorData, InputRequest,
    InputRequiredResult, InputResponses, ServerRequest,
};
use rmcp::service::{PeerRequestOptions, RequestContext};
use rmcp::{Peer, RoleServer};
use serde_json::{Map, Value};

use super::ask::{client, era, on_behalf_of};
use super::convert::{self, Era};
use super::elicit::{self, Said};
use super::sealed::{Opened, Seal, fingerprint};
use super::server::{Asked, McpServer};
use super::tasks::Origin;
use crate::confirm::{ApprovalError, OwnRequests, Question, Status};
use crate::domain::call::Unfinished;
use crate::domain::name::{ApprovalId, ToolName};
use crate::domain::principal::Principal;
use crate::domain::subject::Subject;

/// The name of our question among those of an answer.
const QUESTION: &str = "approval";

/// How often a form that comes back without an answer in it is shown again.
const SHOWN_MAX: usize = 3;

/// How often it is looked whether somebody else has answered meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What the sessions of one listener share about questions.
pub(super) struct Questions {
    seal: Option<Seal>,
    /// What people are looking at now: nobody is shown the same form twice.
    shown: Mutex<BTreeSet<ApprovalId>>,
}

impl Questions {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { seal: Seal::new(), shown: Mutex::default() })
    }

    fn show(&self, id: &ApprovalId) -> Option<Shown<'_>> {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown.insert(id.clone()).then(|| Shown { questions: self, id: id.clone() })
    }
}

/// A form that somebody looks at, until this is dropped.
struct Shown<'a> {
    questions: &'a Questions,
    id: ApprovalId,
}

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.questions.shown.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

/// A tool's call, as often as it takes.
struct Confirming<'a> {
    server: &'a McpServer,
    own: OwnRequests,
    principal: Principal,
    tool: ToolName,
    arguments: Map<String, Value>,
    cx: &'a RequestContext<RoleServer>,
}

impl McpServer {
    /// Calls a tool, and has the person at the client asked where that is theirs to answer.
    pub(super) async fn call_confirming(
        &self,
        tool: ToolName,
        request: CallToolRequestParams,
        cx: &RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let CallToolRequestParams { arguments, input_responses, request_state, .. } = request;
        let arguments = arguments.unwrap_or_default();
        let Some(own) = self.tools().own_requests() else {
            let asked = self.ask(Subject::Tool(tool), arguments, 0, cx).await?;
            return convert::answer(asked.came_of_it, &asked.id, era(cx)).map(Into::into);
        };
        let principal = self.principal(&cx.extensions)?;
        let confirming = Confirming { server: self, own, principal, tool, arguments, cx };
        match era(cx) {
            Era::Legacy => confirming.in_session().await,
            Era::Modern => confirming.in_turns(request_state, input_responses).await,
        }
    }
}

impl Confirming<'_> {
    async fn call(&self, reported: u32) -> Result<Asked, ErrorData> {
        let subject = Subject::Tool(self.tool.clone());
        self.server.ask(subject, self.arguments.clone(), reported, self.cx).await
    }

    async fn question(&self, id: &ApprovalId) -> Option<Question> {
        let question = self.own.question(&self.principal, id).await;
        question.unwrap_or_else(|error| {
            tracing::warn!(%id, %error, "nobody can be asked about a request");
            None
        })
    }

    /// Asks while the call waits.
    async fn in_session(&self) -> Result<CallToolResponse, ErrorData> {
        let mut asked = self.call(0).await?;
        if let Some(Unfinished::Waits(id)) = &asked.unfinished
            && elicit::can_ask(self.cx)
            && self.settle(id).await
        {
            asked = self.call(asked.reported).await?;
        }
        convert::answer(asked.came_of_it, &asked.id, Era::Legacy).map(Into::into)
    }

    /// Whether something has become of the request, here or elsewhere.
    async fn settle(&self, id: &ApprovalId) -> bool {
        let Some(_shown) = self.server.questions().show(id) else { return false };
        for _ in 0..SHOWN_MAX {
            let Some(question) = self.question(id).await else { return false };
            let said = tokio::select! {
                said = show(&self.cx.peer, &question, self.over(id)) => said,
                () = self.cx.ct.cancelled() => return false,
            };
            let Some(said) = said else { return true };
            match self.take(id, &question.request_sha256, said).await {
                Ok(Taken::Answer) => return true,
                Ok(Taken::Nothing) => return false,
                Ok(Taken::Again) => {}
                // The tool tells it.
                Err(error) => {
                    tracing::debug!(%id, %error, "an answer is not taken");
                    return true;
                }
            }
        }
        false
    }

    /// Returns when the request waits no more: answered elsewhere, or lapsed.
    async fn over(&self, id: &ApprovalId) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            match self.own.standing(&self.principal, id).await {
                Ok(Some(standing)) if standing.status == Status::Pending => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    async fn take(
        &self,
        id: &ApprovalId,
        request_sha256: &str,
        said: Said,
    ) -> Result<Taken, ApprovalError> {
        let (approve, reason) = match said {
            Said::Yes(reason) => (true, reason),
            Said::No(reason) => (false, reason),
            Said::Nothing => return Ok(Taken::Nothing),
            Said::Incomplete => return Ok(Taken::Again),
        };
        let taken = self.own.answer(&self.principal, id, request_sha256, approve, reason).await;
        match taken {
            Ok(_) | Err(ApprovalError::AlreadyAnswered { .. }) => Ok(Taken::Answer),
            // Under way: the tool waits for its end, and tells it.
            Err(ApprovalError::Over { status: Status::Approved | Status::Executing, .. }) => {
                Ok(Taken::Answer)
            }
            Err(ApprovalError::ReasonRequired(_) | ApprovalError::Reason) => Ok(Taken::Again),
            Err(error) => Err(error),
        }
    }

    /// Asks by an answer, and takes what comes with the next call.
    async fn in_turns(
        &self,
        state: Option<String>,
        responses: Option<InputResponses>,
    ) -> Result<CallToolResponse, ErrorData> {
        let seal = self.server.questions().seal.as_ref().filter(|_| elicit::can_ask(self.cx));
        let Some(seal) = seal else { return self.or_task(self.call(0).await?).await };
        let call = fingerprint(&self.principal, &self.tool, &self.arguments);
        let mut done_with = None;
        if let Some(state) = state {
            let Opened { approval, request_sha256 } =
                seal.open(&call, &state).ok_or_else(not_ours)?;
            let answer = responses.as_ref().and_then(|responses| responses.get(QUESTION));
            let question = self.question(&approval).await;
            let reason_required = question.as_ref().is_some_and(|q| q.reason_required);
            let said = answer.map_or(Said::Incomplete, |a| elicit::said(a, reason_required));
            match self.take(&approval, &request_sha256, said).await {
                Ok(Taken::Again) => {
                    if let Some(question) = question {
                        return required(seal, &call, &question);
                    }
                }
                Ok(Taken::Answer | Taken::Nothing) => {}
                Err(error) => return Err(not_taken(&error)),
            }
            done_with = Some(approval);
        }
        let asked = self.call(0).await?;
        if let Some(Unfinished::Waits(id)) = &asked.unfinished
            && done_with.as_ref() != Some(id)
            && let Some(question) = self.question(id).await
        {
            return required(seal, &call, &question);
        }
        self.or_task(asked).await
    }

    /// What came of the call; where a write of it waits, and the client knows tasks, a task.
    async fn or_task(&self, asked: Asked) -> Result<CallToolResponse, ErrorData> {
        let Self { server, own, principal, tool, arguments, cx } = self;
        let Asked { id, came_of_it, unfinished, .. } = asked;
        if let Some(Unfinished::Waits(approval)) = unfinished
            && cx.client_capabilities().is_some_and(|client| client.supports_tasks())
        {
            let origin = Origin {
                tools: Arc::clone(server.tools()),
                principal: principal.clone(),
                client: client(cx),
                on_behalf_of: on_behalf_of(cx),
                tool: tool.clone(),
                arguments: arguments.clone(),
            };
            if let Some(task) = server.tasks().make(own, origin, &approval).await {
                return Ok(task.into());
            }
        }
        convert::answer(came_of_it, &id, Era::Modern).map(Into::into)
    }
}

/// What became of what a person said.
enum Taken {
    /// It is an answer.
    Answer,
    /// It is none, and the request waits on.
    Nothing,
    /// It lacks something.
    Again,
}

/// Shows a form, for as long as the request waits; nothing where that is over first.
async fn show(
    peer: &Peer<RoleServer>,
    question: &Question,
    over: impl Future<Output = ()>,
) -> Option<Said> {
    let id = &question.id;
    let request = match elicit::form(question) {
        Ok(form) => ServerRequest::ElicitRequest(form),
        Err(internal) => {
            tracing::error!(%id, internal, "no form for a question");
            return Some(Said::Nothing);
        }
    };
    let sent = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
    let mut sent = match sent {
        Ok(sent) => sent,
        Err(error) => {
            tracing::debug!(%id, %error, "a client cannot be asked");
            return Some(Said::Nothing);
        }
    };
    let answer = tokio::select! {
        answer = &mut sent.rx => answer,
        () = over => {
            // The client may have gone as well.
            let _ = sent.cancel(Some("the request is over".to_owned())).await;
            return None;
        }
    };
    Some(match answer {
        Ok(Ok(ClientResult::ElicitResult(result))) => {
            let answer = serde_json::to_value(result).unwrap_or_default();
            elicit::said(&answer, question.reason_required)
        }
        // Not an answer to this, an error of the client, or its end.
        Ok(Ok(_) | Err(_)) | Err(_) => Said::Nothing,
    })
}

/// The answer that asks.
fn required(
    seal: &Seal,
    call: &[u8; 32],
    question: &Question,
) -> Result<CallToolResponse, ErrorData> {
    let id = &question.id;
    let failed = |internal: &str| {
        tracing::error!(%id, internal, "no form for a question");
        ErrorData::internal_error("the person at the client cannot be asked", None)
    };
    let form = InputRequest::Elicitation(elicit::form(question).map_err(failed)?);
    let state = seal.close(call, question).ok_or_else(|| failed("it cannot be sealed"))?;
    let requests = BTreeMap::from([(QUESTION.to_owned(), form)]);
    let mut result = InputRequiredResult::new(Some(requests), Some(state));
    result.meta = convert::result_meta(Era::Modern);
    Ok(result.into())
}

fn not_ours() -> ErrorData {
    ErrorData::invalid_params(
        "the `requestState` is none that this server gave to this caller for this tool and these \
         arguments, or it is too old; nothing was answered: call the tool without it",
        None,
    )
}

fn not_taken(error: &ApprovalError) -> ErrorData {
    if let ApprovalError::Io(_) = error {
        tracing::error!(%error, "an answer cannot be taken");
        return ErrorData::internal_error("the answer cannot be taken now; try again later", None);
    }
    let text = format!("the answer is not taken: {error}; call the tool without `requestState`");
    ErrorData::invalid_params(text, None)
}
