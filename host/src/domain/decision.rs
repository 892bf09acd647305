//! May it run? The answers that are not a run.

use super::name::ToolName;

/// A call that was not run. An answer, not a fault: recorded and counted, never an error in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No plugin offers the tool.
    #[error("there is no tool `{0}`")]
    UnknownTool(ToolName),
    /// The arguments do not fit the tool's schema; each problem with its path.
    #[error("the arguments do not fit: {}", .0.join("; "))]
    InvalidArguments(Vec<String>),
    /// A mode or a rule says no.
    #[error("{reason}")]
    Denied {
        /// Which rule: `mode.read_only`.
        rule: &'static str,
        /// In words for the caller.
        reason: String,
    },
    /// Too much at once; trying again later may succeed.
    #[error("{0}")]
    Busy(String),
}

impl Refusal {
    /// The word for records and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::UnknownTool(_) => "unknown-tool",
            Self::InvalidArguments(_) => "invalid-arguments",
            Self::Denied { .. } => "denied",
            Self::Busy(_) => "busy",
        }
    }
}
