//! Workloads and their rollouts in words: as arguments, and as answers tell them.

use crate::arguments;
use crate::types::{RolloutState, WorkloadKind};

// No doc comments within: they would become descriptions, which every client pays for.
#[allow(missing_docs, reason = "doc comments of arguments are paid for by every client")]
#[arguments]
#[serde(rename_all = "lowercase")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl From<Kind> for WorkloadKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Deployment => Self::Deployment,
            Kind::StatefulSet => Self::StatefulSet,
            Kind::DaemonSet => Self::DaemonSet,
        }
    }
}

impl WorkloadKind {
    /// As Kubernetes writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }
}

impl RolloutState {
    /// As answers tell it: `complete`, `progressing`, `stuck`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Progressing => "progressing",
            Self::Stuck => "stuck",
        }
    }
}
