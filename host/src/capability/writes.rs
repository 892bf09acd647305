//! Requesting a write. A guest's import states what it wants; who answers holds the request, asks a
//! person and executes it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::CapabilityError;
use super::writer::Progress;
use crate::domain::name::{ApprovalId, CallId, PluginId, ToolName};
use crate::domain::principal::Principal;
use crate::domain::scope::Scope;
use crate::domain::write::{Plan, Verb, WriteTarget};

/// A typed request for a write.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The call that it was made in.
    pub call: CallId,
    /// For whom.
    pub principal: Principal,
    /// For whom the caller says to ask: a claim, for the record only.
    pub on_behalf_of: Option<String>,
    /// By which plugin.
    pub plugin: PluginId,
    /// By which code, exactly.
    pub digest: String,
    /// By which tool.
    pub tool: ToolName,
    /// What.
    pub verb: Verb,
    /// On what.
    pub target: WriteTarget,
    /// How far the grant reaches: what a plan says of other objects stays within it.
    pub scope: Scope,
    /// The caller's own words, already cleaned and bounded. Quoted to the approver, never more.
    pub reason: Option<String>,
    /// Whether this only asks what became of a request that was made before, and makes none.
    pub resumes: bool,
}

/// What came of a request.
#[derive(Debug, Clone)]
pub enum WriteOutcome {
    /// The host executed it.
    Performed {
        /// The approval that it was done under.
        approval: Option<ApprovalId>,
        /// What was done.
        plan: Plan,
        /// When.
        executed: Timestamp,
        /// How far it is.
        progress: Progress,
    },
    /// Dry run.
    Planned(Plan),
    /// A person must say yes first.
    ApprovalRequired {
        /// What the approver types.
        id: ApprovalId,
        /// When the request lapses.
        expires: Timestamp,
        /// What they are asked.
        plan: Plan,
        /// Whether they see the reason of an earlier call instead of this one's.
        is_first_reason: bool,
    },
    /// No, and why, for the caller.
    Denied(String),
}

/// Takes requests for writes.
#[async_trait]
pub trait WriteRequests: Send + Sync + 'static {
    /// Asking again with the same request returns the state of the one that is under way.
    async fn request(&self, request: WriteRequest) -> Result<WriteOutcome, CapabilityError>;

    /// How far a request is that was performed, by its plan and the approval that it was done
    /// under. Once it is at its end, the same request is a new one.
    async fn progress(
        &self,
        request: &WriteRequest,
        plan: &Plan,
        approval: Option<&ApprovalId>,
    ) -> Progress;
}
