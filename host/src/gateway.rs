//! The life of one call, on one screen. Knows the order of the steps and no rule.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::capability::ProgressSink;
use crate::confirm::OwnRequests;
use crate::domain::call::{Call, Cost, Outcome, Unfinished};
use crate::domain::decision::Refusal;
use crate::domain::name::ToolName;
use crate::domain::principal::Principal;
pub use crate::domain::prompt::PromptListing;
pub use crate::domain::resource::ResourceListing;
pub use crate::domain::tool::ToolListing;
use crate::governance::admission::{Governor, Offer};
use crate::governance::approval::Answers;
use crate::governance::audit::{AuditError, AuditLog};
use crate::permissions;
use crate::sandbox::{Sandbox, Tool};

/// What a call is given beside its arguments.
pub struct CallContext {
    /// Where reports of progress go.
    pub progress: Arc<dyn ProgressSink>,
    /// Fires when the caller takes the call back; the guest is stopped within 20 ms.
    pub cancel: CancellationToken,
}

/// A call that came to no outcome.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// It was not run: an answer, not a fault.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be put on record, so it was not run. The text is for the log.
    #[error("the audit log takes no record, so nothing runs: {0}")]
    NoRecord(String),
}

/// What the transport sees of the house.
#[async_trait]
pub trait Tools: Send + Sync + 'static {
    /// The tools that the principal may call, in order of name.
    fn list(&self, principal: &Principal) -> Vec<Arc<ToolListing>>;

    /// One tool, whoever may call it.
    fn tool(&self, name: &ToolName) -> Option<Arc<ToolListing>>;

    /// The prompts, in order of name.
    fn prompts(&self, principal: &Principal) -> Vec<Arc<PromptListing>>;

    /// The resources and families of resources: what the house tells of itself, then the others.
    fn resources(&self, principal: &Principal) -> Vec<Arc<ResourceListing>>;

    /// Runs one call.
    async fn call(&self, call: Call, context: CallContext) -> Result<Outcome, CallError>;

    /// As [`Tools::call`], with what the host noted of a write that did not end with it.
    async fn call_noting(
        &self,
        call: Call,
        context: CallContext,
    ) -> Result<(Outcome, Option<Unfinished>), CallError> {
        self.call(call, context).await.map(|outcome| (outcome, None))
    }

    /// As [`Tools::call_noting`], to learn what became of a write of an earlier call: it requests
    /// none. Refused where no house stands behind this.
    async fn resume(
        &self,
        call: Call,
        _context: CallContext,
    ) -> Result<(Outcome, Option<Unfinished>), CallError> {
        Err(Refusal::Unknown(call.subject).into())
    }

    /// The requests for writes that callers may ask about, each its own; none where none wait.
    fn own_requests(&self) -> Option<OwnRequests> {
        None
    }
}

/// The house, in the order in which a call walks through it.
pub struct Gateway {
    audit: AuditLog,
    governor: Governor,
    sandbox: Sandbox,
    approvals: Arc<Answers>,
}

impl Gateway {
    /// A house of these rooms.
    pub fn new(
        audit: AuditLog,
        governor: Governor,
        sandbox: Sandbox,
        approvals: Arc<Answers>,
    ) -> Self {
        Self { audit, governor, sandbox, approvals }
    }

    /// The plugins.
    pub fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// As [`Tools::call`], with what the run cost.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn call_with_cost(
        &self,
        call: Call,
        context: CallContext,
    ) -> Result<(Outcome, Cost), CallError> {
        self.run(call, context, false).await.map(|(outcome, cost, _)| (outcome, cost))
    }

    async fn run(
        &self,
        call: Call,
        context: CallContext,
        resumes: bool,
    ) -> Result<(Outcome, Cost, Option<Unfinished>), CallError> {
        let turn = self.governor.enter(&call.principal);
        let trail = Arc::new(self.audit.open_trail(&call, turn.is_ok()));
        if resumes {
            trail.resume();
        }
        let offer = permissions::offer(&call.subject).or_else(|| self.sandbox.offer(&call.subject));
        let verdict = self.governor.admit(call, offer.clone(), turn);
        trail.decided(&verdict, offer.as_deref()).await?; // No record, no call.
        let CallContext { progress, cancel } = context;
        let permit = verdict?; // Spent below, one way or the other.
        let (outcome, cost) = if permissions::answers(&permit.call().subject) {
            let told = permissions::told(permit, &self.governor, &self.sandbox, &self.approvals);
            (told.await, Cost::default())
        } else {
            self.sandbox.run(permit, &trail, progress, cancel).await
        };
        trail.close(&outcome);
        Ok((outcome, cost, trail.unfinished()))
    }
}

#[async_trait]
impl Tools for Gateway {
    fn list(&self, principal: &Principal) -> Vec<Arc<ToolListing>> {
        let admitted = |tool: &&Arc<Tool>| self.governor.admits(principal, &tool.offer).is_ok();
        self.sandbox.tools().filter(admitted).map(|tool| Arc::clone(&tool.listing)).collect()
    }

    fn tool(&self, name: &ToolName) -> Option<Arc<ToolListing>> {
        self.sandbox.tool(name).map(|tool| Arc::clone(&tool.listing))
    }

    fn prompts(&self, principal: &Principal) -> Vec<Arc<PromptListing>> {
        let admitted = |offer: &Offer| self.governor.admits(principal, offer).is_ok();
        let prompts = self.sandbox.prompts().filter(|prompt| admitted(&prompt.offer));
        prompts.map(|prompt| Arc::clone(&prompt.listing)).collect()
    }

    fn resources(&self, principal: &Principal) -> Vec<Arc<ResourceListing>> {
        let admitted = |offer: &Offer| self.governor.admits(principal, offer).is_ok();
        let offered = self.sandbox.resources().filter(|resource| admitted(&resource.offer));
        let offered = offered.map(|resource| Arc::clone(&resource.listing));
        permissions::listings().chain(offered).collect()
    }

    async fn call(&self, call: Call, context: CallContext) -> Result<Outcome, CallError> {
        self.run(call, context, false).await.map(|(outcome, _, _)| outcome)
    }

    async fn call_noting(
        &self,
        call: Call,
        context: CallContext,
    ) -> Result<(Outcome, Option<Unfinished>), CallError> {
        self.run(call, context, false).await.map(|(outcome, _, unfinished)| (outcome, unfinished))
    }

    async fn resume(
        &self,
        call: Call,
        context: CallContext,
    ) -> Result<(Outcome, Option<Unfinished>), CallError> {
        self.run(call, context, true).await.map(|(outcome, _, unfinished)| (outcome, unfinished))
    }

    fn own_requests(&self) -> Option<OwnRequests> {
        Some(OwnRequests::new(Arc::clone(&self.approvals)))
    }
}

impl From<AuditError> for CallError {
    fn from(error: AuditError) -> Self {
        Self::NoRecord(error.to_string())
    }
}
