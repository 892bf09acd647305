//! May this principal do that to this object? The operator's rules about who may use what on which
//! object, below mode and grants.
//!
//! Owns: the rules, and the verdict on one use of a capability. Must not: perform an effect, or know
//! what asks. Read [`Policy::decide`] first.

use std::borrow::Cow;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::capability::{Capability, Tier};
use crate::domain::decision::{ApprovalTerms, Rule, Verdict};
use crate::domain::name::PluginId;
use crate::domain::principal::Principal;
use crate::domain::scope::Target;
use crate::domain::subject::{Completed, Subject};

/// One use of a capability, about which there is a rule or not.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Through which plugin.
    pub plugin: &'a PluginId,
    /// The code, exactly.
    pub digest: &'a str,
    /// What was called, as [`offered_as`] writes it.
    pub tool: &'a str,
    /// The authority.
    pub capability: Capability,
    /// The Kubernetes verb: `get`, `list`, `restart`.
    pub verb: &'a str,
    /// On what.
    pub target: &'a Target,
    /// Whether a write would only be planned.
    pub dry_run: bool,
    /// When.
    pub at: Timestamp,
}

/// The rules.
#[derive(Debug)]
pub struct Policy {
    approvals_required: bool,
    terms: ApprovalTerms,
}

impl Policy {
    /// The rules that hold where the operator wrote none: reads are allowed, writes need approval.
    /// Without `approvals_required`, only those that cannot be undone do.
    pub fn shipped(approvals_required: bool, expires_after: Duration) -> Self {
        Self {
            approvals_required,
            terms: ApprovalTerms { expires_after, ..ApprovalTerms::default() },
        }
    }

    /// Decides on one use.
    pub fn decide(&self, question: &Question<'_>) -> Verdict {
        let ask = |id| Verdict::Ask { rule: Rule::named(id), terms: self.terms.clone() };
        match question.capability.tier() {
            Tier::Ambient | Tier::Read => Verdict::Allow { rule: Rule::named("reads") },
            Tier::Reversible if !self.approvals_required => {
                Verdict::Allow { rule: Rule::named("writes-without-approval") }
            }
            Tier::Reversible => ask("writes-need-approval"),
            Tier::Destructive => ask("deletions-need-approval"),
        }
    }
}

/// What was called, in the words of rules: a tool by its name, `prompt:NAME`, `resource`. Who types
/// an argument of something calls that.
pub fn offered_as(subject: &Subject) -> Cow<'_, str> {
    match subject {
        Subject::Tool(name) => Cow::Borrowed(name.as_str()),
        Subject::Prompt(name) | Subject::Completion { of: Completed::Prompt(name), .. } => {
            Cow::Owned(format!("prompt:{name}"))
        }
        Subject::Resource(_) | Subject::Completion { of: Completed::Template(_), .. } => {
            Cow::Borrowed("resource")
        }
    }
}
