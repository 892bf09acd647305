//! The life of one tool call, on one screen. Knows the order of the steps and no rule.

use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::capability::ProgressSink;
use crate::domain::call::{Outcome, ToolCall};
use crate::domain::capability::Tier;
use crate::domain::decision::Refusal;
use crate::domain::name::{PluginId, ToolName};
use crate::domain::principal::Principal;

/// A tool as clients see it.
#[derive(Debug, Clone)]
pub struct ToolListing {
    /// Its name.
    pub name: ToolName,
    /// The plugin that offers it.
    pub plugin: PluginId,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub input_schema: Arc<serde_json::Map<String, serde_json::Value>>,
    /// JSON Schema of the structured content, an object.
    pub output_schema: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
    /// What a call can do at most: hints for clients are derived from it.
    pub tier: Tier,
}

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

    /// Runs one call.
    async fn call(&self, call: ToolCall, context: CallContext) -> Result<Outcome, CallError>;
}
