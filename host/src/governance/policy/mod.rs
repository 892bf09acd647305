//! May this principal do that to this object? The operator's rules about who may use what on which
//! object, below mode and grants.
//!
//! Owns: the rules, and the verdict on one use of a capability. The only room that knows Cedar. Must
//! not: perform an effect, open a file, or know what asks. Read [`Policy::decide`] first;
//! `default.cedar` holds the rules of whoever wrote none, `schema.cedarschema` what rules can say.

mod annotations;
mod cache;
mod engine;
mod mentions;
mod rules;
#[cfg(test)]
mod tests;
mod text;
mod verbs;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::time::Duration;

use cedar_policy::PrincipalConstraint;
use jiff::Timestamp;

use self::cache::Cache;
use self::engine::Found;
use self::rules::Rules;
pub use self::rules::{PolicyError, PolicyProblem, RuleFacts, SCHEMA, TEXT_BYTES_MAX};
pub use self::verbs::{kinds as kinds_of, of as verbs_of};
use crate::domain::capability::{Capability, Tier};
use crate::domain::decision::{ApprovalTerms, Rule, Verdict};
use crate::domain::name::PluginId;
use crate::domain::principal::Principal;
use crate::domain::scope::Target;
use crate::domain::subject::{Completed, Subject};

/// The rules of whoever wrote none.
pub const DEFAULT: &str = include_str!("default.cedar");

/// What problems of the shipped rules would call them.
const DEFAULT_ORIGIN: &str = "that comes with Toolgate";

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

/// What the configuration says of approvals, which rules build on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Approvals {
    /// `approvals.required`: whether reversible writes ask by the shipped rules.
    pub required: bool,
    /// How long a request waits where its rule does not say.
    pub expires_after: Duration,
}

/// The rules, read once.
#[derive(Debug)]
pub struct Policy {
    rules: Rules,
    approvals: Approvals,
    cache: Cache,
}

impl Policy {
    /// The rules that hold where the operator wrote none.
    ///
    /// # Errors
    /// None: the text is part of the program and a test reads it.
    pub fn shipped(approvals: Approvals) -> Result<Self, PolicyError> {
        Self::parse(DEFAULT, DEFAULT_ORIGIN, approvals)
    }

    /// Rules from a text; `origin` is what problems call it.
    ///
    /// # Errors
    /// Every problem that is in it.
    pub fn parse(text: &str, origin: &str, approvals: Approvals) -> Result<Self, PolicyError> {
        let terms = ApprovalTerms {
            expires_after: approvals.expires_after,
            requester_may_approve: false, // A rule says so itself.
            ..ApprovalTerms::default()
        };
        let rules = Rules::parse(text, origin, &terms)?;
        Ok(Self { rules, approvals, cache: Cache::default() })
    }

    /// The rules, in order of their text.
    pub fn rules(&self) -> &[RuleFacts] {
        &self.rules.facts
    }

    /// Decides on one use. Whatever goes wrong while deciding is a denial.
    pub fn decide(&self, question: &Question<'_>) -> Verdict {
        let Some((verb, _)) = verbs::find(question.verb) else {
            return failed(&format!("rules know no verb `{}`", question.verb));
        };
        let mentions = self.rules.mentions.get(verb).copied().unwrap_or_default();
        self.cache.verdict(question, verb, mentions, || self.evaluate(question))
    }

    /// Decides anew, whatever is remembered.
    fn evaluate(&self, question: &Question<'_>) -> Verdict {
        let facts = |id| self.rules.by_id.get(id).and_then(|at| self.rules.facts.get(*at));
        match engine::ask(&self.rules, question, self.approvals.required) {
            Found::Permitted(ids) => {
                let mut permits: Vec<&RuleFacts> = ids.iter().filter_map(facts).collect();
                permits.sort_by_key(|facts| facts.rule.line);
                self.permitted(question, &permits)
            }
            Found::Forbidden(ids) => {
                let first = ids.iter().filter_map(facts).min_by_key(|facts| facts.rule.line);
                let rule = first.map_or_else(|| Rule::named("no-rule"), |facts| facts.rule.clone());
                Verdict::Deny { rule }
            }
            Found::Failed(id, error) => {
                let line = id.as_ref().and_then(facts).and_then(|facts| facts.rule.line);
                tracing::error!(%error, line, "a rule cannot be decided by, so it is a denial");
                Verdict::Deny { rule: Rule { line, ..Rule::named("policy-error") } }
            }
        }
    }

    /// Where several rules permit, what one of them asks for holds: the strictest terms win, over
    /// those that ask for less and those that ask for nothing.
    fn permitted(&self, question: &Question<'_>, permits: &[&RuleFacts]) -> Verdict {
        let Some(first) = permits.first() else {
            return failed("a permit came from no rule");
        };
        let tier = verbs::find(question.verb).map_or(Tier::Destructive, |(_, tier)| tier);
        let tier = tier.max(question.capability.tier());
        let asking = permits.iter().find(|facts| facts.asks.is_some());
        let terms = permits.iter().filter_map(|facts| facts.asks.clone()).reduce(|a, b| a.and(&b));
        match (asking, terms) {
            // A read cannot wait for anybody; that no rule says so was checked when it was read.
            (Some(asking), Some(_)) if !tier.writes() => {
                Verdict::Deny { rule: asking.rule.clone() }
            }
            (Some(asking), Some(terms)) => Verdict::Ask { rule: asking.rule.clone(), terms },
            // What cannot be undone asks a person, whatever the rules say.
            _ if tier == Tier::Destructive => {
                let expires_after = self.approvals.expires_after;
                let terms = ApprovalTerms { expires_after, ..ApprovalTerms::default() };
                Verdict::Ask { rule: Rule::named("destructive-always-asks"), terms }
            }
            _ => Verdict::Allow { rule: first.rule.clone() },
        }
    }

    /// Whether verdicts on a verb may differ from name to name of one kind in one place, so that
    /// what a list finds is to be judged one by one.
    pub fn judges_names(&self, verb: &str) -> bool {
        self.mentions(verb).is_none_or(|mentions| mentions.name)
    }

    /// Whether verdicts on a verb may differ from namespace to namespace, so that a list of all of
    /// them is to be judged one by one.
    pub fn judges_namespaces(&self, verb: &str) -> bool {
        self.mentions(verb).is_none_or(|mentions| mentions.namespace)
    }

    fn mentions(&self, verb: &str) -> Option<mentions::Mentions> {
        verbs::find(verb).and_then(|(at, _)| self.rules.mentions.get(at).copied())
    }

    /// Whether some use of these capabilities may be allowed on some object: what a list shows, and
    /// what a call is refused for at once. It looks at the highest tier among them, which is what
    /// whoever calls is after, and only at principals and verbs: what depends on more is decided
    /// where it is used.
    ///
    /// # Errors
    /// The rule that stands against it.
    pub fn may(&self, principal: &Principal, uses: &BTreeSet<Capability>) -> Result<(), Rule> {
        let highest = uses.iter().map(|capability| capability.tier()).max();
        let after = uses.iter().filter(|capability| Some(capability.tier()) == highest);
        let mut verbs = after.flat_map(|capability| verbs::of(*capability)).peekable();
        if verbs.peek().is_none() {
            return Ok(()); // Nothing that rules speak of.
        }
        let mut against = Rule::named("no-rule");
        for verb in verbs {
            let about = |facts: &&RuleFacts| facts.verbs.contains(verb);
            let mut facts = self
                .rules
                .facts
                .iter()
                .filter(about)
                .filter(|facts| self.concerns(&facts.principal, principal));
            let (mut permitted, mut forbidden) = (false, None);
            for facts in facts.by_ref() {
                permitted |= facts.permits;
                if !facts.permits && facts.is_unconditional && forbidden.is_none() {
                    forbidden = Some(facts.rule.clone());
                }
            }
            match forbidden {
                Some(rule) => against = rule,
                None if permitted => return Ok(()),
                None => {}
            }
        }
        Err(against)
    }

    fn concerns(&self, constraint: &PrincipalConstraint, principal: &Principal) -> bool {
        let words = &self.rules.words;
        let is_in = |place: &cedar_policy::EntityUid| {
            words.user(principal) == *place || words.groups(principal).any(|group| group == *place)
        };
        match constraint {
            PrincipalConstraint::Any => true,
            PrincipalConstraint::Eq(user) => words.user(principal) == *user,
            PrincipalConstraint::In(place) => is_in(place),
            PrincipalConstraint::Is(kind) => words.user(principal).type_name() == kind,
            PrincipalConstraint::IsIn(kind, place) => {
                words.user(principal).type_name() == kind && is_in(place)
            }
        }
    }
}

fn failed(error: &str) -> Verdict {
    tracing::error!(%error, "a use cannot be decided on, so it is a denial");
    Verdict::Deny { rule: Rule::named("policy-error") }
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
