//! The guardrails that override everything below them.

use super::scope::Patterns;

/// What the operator switched on for the whole server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// Refuse every write. On unless the operator says otherwise.
    pub read_only: bool,
    /// Plan writes and never execute one; also while `read_only` is on.
    pub dry_run: bool,
    /// No grant reaches beyond these namespaces.
    pub namespaces: Patterns,
}

impl Default for Mode {
    fn default() -> Self {
        Self { read_only: true, dry_run: false, namespaces: Patterns::all() }
    }
}
