//! What an operator's webhook can be told of.

use std::fmt;
use std::str::FromStr;

/// A sort of messages, as the operator chooses them for each webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Writes that wait for people, and what was decided about them.
    Approvals,
    /// What was written, or was tried and failed.
    Writes,
    /// Limits that plugins and callers ran into.
    Limits,
    /// Many refusals in a short time.
    Denials,
    /// The audit log, or what is told by it, has trouble.
    Audit,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Approvals, Self::Writes, Self::Limits, Self::Denials, Self::Audit];

    /// The word of the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approvals => "approvals",
            Self::Writes => "writes",
            Self::Limits => "limits",
            Self::Denials => "denials",
            Self::Audit => "audit",
        }
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Topic {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|topic| topic.as_str() == text).ok_or(())
    }
}
