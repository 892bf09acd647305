//! Asking what may be done, without doing it.

use async_trait::async_trait;

use super::error::CapabilityError;
use crate::domain::capability::Capability;
use crate::domain::name::{ClusterName, Namespace, ObjectName, ToolName};
use crate::domain::principal::Principal;
use crate::domain::rbac::Right;

/// Asks an API server what the host's own account may do.
#[async_trait]
pub trait Rights: Send + Sync + 'static {
    /// Whether the account has the right, in a namespace or in the whole cluster, for one object or
    /// for every one. Nothing is done.
    async fn has(
        &self,
        cluster: &ClusterName,
        namespace: Option<&Namespace>,
        right: &Right,
        name: Option<&str>,
    ) -> Result<bool, CapabilityError>;
}

/// What is asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// For whom.
    pub principal: Principal,
    /// With which tool.
    pub tool: ToolName,
    /// Where.
    pub cluster: ClusterName,
    /// `None` asks for what lies outside of namespaces.
    pub namespace: Option<Namespace>,
    /// `None` asks for the namespace as a whole.
    pub name: Option<ObjectName>,
}

/// What is known of one capability that the tool uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// The capability.
    pub capability: Capability,
    /// Whether mode and grant cover the place.
    pub granted: bool,
    /// Whether a person has to say yes to each use.
    pub needs_approval: bool,
    /// What the host's own account lacks: `patch deployments.apps`.
    pub missing_rights: Vec<String>,
    /// Whether the API server was asked, and answered.
    pub rights_known: bool,
    /// Why not, and what the operator would change.
    pub obstacle: Option<String>,
}

impl Permission {
    /// Whether the use would be let through.
    pub fn allows(&self) -> bool {
        self.granted && self.missing_rights.is_empty()
    }
}

/// Says what a caller may do.
#[async_trait]
pub trait Access: Send + Sync + 'static {
    /// Each capability of the tool; `None` where the caller has no such tool.
    async fn check(&self, question: &Question) -> Option<Vec<Permission>>;
}
