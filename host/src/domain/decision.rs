//! May it run? The answers that are not a run.

use super::subject::Subject;

/// A call that was not run. An answer, not a fault: recorded and counted, never an error in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody offers it.
    #[error("there is no {0}")]
    Unknown(Subject),
    /// The arguments do not fit; each problem with its path.
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
            Self::Unknown(Subject::Tool(_)) => "unknown-tool",
            Self::Unknown(Subject::Prompt(_)) => "unknown-prompt",
            Self::Unknown(Subject::Resource(_)) => "unknown-resource",
            Self::Unknown(Subject::Completion { .. }) => "unknown-argument",
            Self::InvalidArguments(_) => "invalid-arguments",
            Self::Denied { .. } => "denied",
            Self::Busy(_) => "busy",
        }
    }
}
