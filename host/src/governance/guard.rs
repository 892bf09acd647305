//! May this use happen? All that stands above it, in order: mode, grant, policy. The one place where
//! the three are looked at together, for doors, for questions about access, and for explanations.

use super::policy::{Policy, Question};
use crate::domain::decision::{Rule, Verdict};
use crate::domain::mode::{Mode, WriteMode};
use crate::domain::scope::{Scope, Target};

const NAMESPACE: &str = "Namespace";

/// What stands above a use of one capability by one plugin.
#[derive(Debug, Clone, Copy)]
pub struct Guard<'a> {
    /// The operator's guardrails.
    pub mode: &'a Mode,
    /// How far the grant reaches; none where there is no grant.
    pub scope: Option<&'a Scope>,
    /// The operator's rules.
    pub policy: &'a Policy,
}

impl Guard<'_> {
    /// Decides on one use. `is_namespaced` says of the kind whether its objects are in namespaces,
    /// which only the cluster knows of some.
    pub fn decide(&self, question: &Question<'_>, is_namespaced: bool) -> Verdict {
        if question.capability.tier().writes() && self.mode.writes() == WriteMode::Refuse {
            return Verdict::Deny { rule: Rule::named("mode.read_only") };
        }
        let target = question.target;
        let whole = target.namespace.is_none() && is_namespaced;
        if !self.is_within_mode(target, whole) {
            return Verdict::Deny { rule: Rule::named("mode.namespaces") };
        }
        if !self.scope.is_some_and(|scope| is_within(scope, target, whole)) {
            let (plugin, capability) = (question.plugin, question.capability);
            return Verdict::Deny { rule: grant_rule(plugin, capability) };
        }
        // A list of all namespaces is one answer for all of them, and rules may have several.
        if whole && self.policy.judges_namespaces(question.verb) {
            return Verdict::Deny { rule: Rule::named("one-namespace-at-a-time") };
        }
        self.policy.decide(question)
    }

    /// A list of all namespaces is within what allows all of them.
    fn is_within_mode(&self, target: &Target, whole: bool) -> bool {
        let namespaces = &self.mode.namespaces;
        (!whole || namespaces.is_all())
            && self.mode.covers(target)
            && own_namespace(target).is_none_or(|name| namespaces.contains(name))
    }
}

/// The grant, as a rule that covers a use or does not.
pub fn grant_rule(plugin: &impl std::fmt::Display, capability: impl std::fmt::Display) -> Rule {
    Rule::named(format!("grants.{plugin}.{capability}"))
}

fn is_within(scope: &Scope, target: &Target, whole: bool) -> bool {
    (!whole || scope.namespaces.is_all())
        && scope.contains(target)
        && own_namespace(target).is_none_or(|name| scope.namespaces.contains(name))
}

/// Whoever may see what lies in a namespace may see the namespace itself, and nobody else.
fn own_namespace(target: &Target) -> Option<&str> {
    target.name.as_deref().filter(|_| target.kind == NAMESPACE)
}
