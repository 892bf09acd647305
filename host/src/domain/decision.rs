//! May it? The answers of admission that are not a run, and those of policy.

use std::fmt;
use std::time::Duration;

use super::subject::Subject;

/// What policy says of one use of a capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may.
    Allow {
        /// The rule that says so.
        rule: Rule,
    },
    /// It may, once people have said yes.
    Ask {
        /// The rule that says so.
        rule: Rule,
        /// Who has to say yes, and how.
        terms: ApprovalTerms,
    },
    /// It may not. No rule names what nothing allows.
    Deny {
        /// The rule that forbids it, or what went wrong while deciding.
        rule: Rule,
    },
}

impl Verdict {
    /// The rule that it comes from.
    pub fn rule(&self) -> &Rule {
        match self {
            Self::Allow { rule } | Self::Ask { rule, .. } | Self::Deny { rule } => rule,
        }
    }
}

/// Where a verdict comes from: a rule of the policy with its line, or a guardrail by its key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// `writes-need-approval`, `mode.read_only`, `no-rule`
    pub id: String,
    /// The line in the policy's text on which the rule begins.
    pub line: Option<u32>,
}

impl Rule {
    /// A rule that is no line of a policy.
    pub fn named(id: impl Into<String>) -> Self {
        Self { id: id.into(), line: None }
    }
}

impl fmt::Display for Rule {
    /// `writes-need-approval:12`, as files and lines are written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}", self.id),
            None => f.write_str(&self.id),
        }
    }
}

/// What a yes must be to count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// People who have to say yes, each another one: 1 to 5.
    pub approvers: u8,
    /// Whether a yes or a no says why.
    pub reason_required: bool,
    /// Whether who asked may say yes too where caller and operator are one person. An authenticated
    /// caller never may, whatever this says.
    pub requester_may_approve: bool,
    /// Whether the caller's own client may be asked (elicitation), which counts as the requester.
    pub caller_may_confirm: bool,
    /// How long the request waits for its answers.
    pub expires_after: Duration,
}

impl Default for ApprovalTerms {
    /// One person within ten minutes: longer than a page takes, shorter than a cluster stays as it
    /// was planned for.
    fn default() -> Self {
        Self {
            approvers: 1,
            reason_required: false,
            requester_may_approve: true,
            caller_may_confirm: false,
            expires_after: Duration::from_mins(10),
        }
    }
}

impl ApprovalTerms {
    /// What satisfies both: where several rules ask, each of them holds.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            approvers: self.approvers.max(other.approvers),
            reason_required: self.reason_required || other.reason_required,
            requester_may_approve: self.requester_may_approve && other.requester_may_approve,
            caller_may_confirm: self.caller_may_confirm && other.caller_may_confirm,
            expires_after: self.expires_after.min(other.expires_after),
        }
    }

    /// Whether a yes under these terms is one under the others too. How long a request may wait is
    /// not compared: the answer has come.
    pub fn satisfy(&self, other: &Self) -> bool {
        let both = self.and(other);
        Self { expires_after: self.expires_after, ..both } == *self
    }
}

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
        /// Which rule: `mode.read_only`, or one of the policy with its line.
        rule: Rule,
        /// In words for the caller.
        reason: String,
    },
    /// Too much at once; trying again later may succeed.
    #[error("{reason}; try again in {}", seconds(.retry_after))]
    Busy {
        /// The bound that was met.
        reason: String,
        /// When there is room again, at the earliest.
        retry_after: Duration,
    },
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
            Self::Busy { .. } => "busy",
        }
    }
}

/// Never "0 s": who tries again at once is refused again.
fn seconds(wait: &Duration) -> String {
    format!("{} s", wait.as_millis().div_ceil(1_000).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_joined_by_what_is_stricter() {
        let lax = ApprovalTerms {
            requester_may_approve: true,
            caller_may_confirm: true,
            ..ApprovalTerms::default()
        };
        let strict = ApprovalTerms {
            approvers: 2,
            reason_required: true,
            expires_after: Duration::from_mins(5),
            ..ApprovalTerms::default()
        };
        assert_eq!(lax.and(&strict), strict);
        assert_eq!(strict.and(&lax), strict);
        assert!(strict.satisfy(&lax));
        assert!(!lax.satisfy(&strict));
        let later = ApprovalTerms { expires_after: Duration::from_mins(1), ..lax.clone() };
        assert!(lax.satisfy(&later), "the answer has come");
    }

    #[test]
    fn a_rule_is_written_with_its_line() {
        assert_eq!(Rule::named("mode.read_only").to_string(), "mode.read_only");
        let rule = Rule { line: Some(12), ..Rule::named("writes-need-approval") };
        assert_eq!(rule.to_string(), "writes-need-approval:12");
    }
}
