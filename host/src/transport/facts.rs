//! The protocol's log: facts about calls that a client may want beside the answer.
#![expect(
    deprecated,
    reason = "the protocol deprecates logging; clients of both eras still use it"
)]

use rmcp::model::LoggingLevel;

use crate::domain::call::Outcome;
use crate::domain::decision::Refusal;
use crate::domain::subject::Subject;
use crate::gateway::CallError;

/// What is worth a log message, and how loud. Answers and failures of the tool speak for themselves.
pub(super) fn of(came_of_it: &Result<Outcome, CallError>) -> Option<(LoggingLevel, &'static str)> {
    match came_of_it {
        Ok(
            Outcome::Output(_)
            | Outcome::Messages(_)
            | Outcome::Content(_)
            | Outcome::Values(_)
            | Outcome::ToolError(_)
            | Outcome::NotFound(_)
            | Outcome::Cancelled,
        ) => None,
        Ok(outcome @ Outcome::LimitExceeded(_)) => Some((LoggingLevel::Warning, outcome.as_str())),
        Ok(outcome @ (Outcome::Trapped { .. } | Outcome::HostFailed { .. })) => {
            Some((LoggingLevel::Error, outcome.as_str()))
        }
        Err(CallError::Refused(refusal)) => match refusal {
            Refusal::Unknown(_) | Refusal::InvalidArguments(_) => None,
            Refusal::Denied { .. } | Refusal::Busy { .. } => {
                Some((LoggingLevel::Notice, refusal.as_str()))
            }
        },
        Err(CallError::NoRecord(_)) => Some((LoggingLevel::Critical, "no-record")),
    }
}

/// What a call is about: the kind, and which.
pub(super) fn subject(subject: &Subject) -> (&'static str, String) {
    match subject {
        Subject::Tool(name) => ("tool", name.to_string()),
        Subject::Prompt(name) => ("prompt", name.to_string()),
        Subject::Resource(uri) => ("resource", uri.to_string()),
        Subject::Completion { of: _, argument } => ("completion", argument.to_string()),
    }
}

/// How grave a level is: RFC 5424, turned round.
pub(super) fn gravity(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
