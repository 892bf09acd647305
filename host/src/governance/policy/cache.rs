//! Verdicts that hold for as long as the policy does, so that the same question is decided once.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use super::mentions::Mentions;
use super::{Question, engine};
use crate::domain::capability::Capability;
use crate::domain::decision::Verdict;
use crate::domain::principal::Principal;

/// Verdicts that are kept: thousands of callers in dozens of namespaces, in a few megabytes. Beyond
/// it all are forgotten: who asks for ever new names pays for each of them, and so do few others.
const VERDICTS_MAX: usize = 20_000;

/// What rules may look at, or not.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Part {
    /// No rule about the verb looks at it.
    Any,
    /// What it is, where there is one.
    This(Option<String>),
}

impl Part {
    fn of(is_mentioned: bool, value: impl FnOnce() -> Option<String>) -> Self {
        if is_mentioned { Self::This(value()) } else { Self::Any }
    }
}

/// Everything that the verdict depends on, beside the rules.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Key {
    principal: Principal,
    plugin: String,
    digest: String,
    tool: String,
    capability: Capability,
    verb: usize,
    cluster: String,
    namespace: Part,
    kind: String,
    name: Part,
    dry_run: bool,
}

impl Key {
    fn of(question: &Question<'_>, verb: usize, mentions: Mentions) -> Self {
        let target = question.target;
        let namespace = || engine::namespace_of(target).map(str::to_owned);
        Self {
            principal: question.principal.clone(),
            plugin: question.plugin.to_string(),
            digest: question.digest.to_owned(),
            tool: question.tool.to_owned(),
            capability: question.capability,
            verb,
            cluster: target.cluster.to_string(),
            namespace: Part::of(mentions.namespace, namespace),
            kind: target.kind.to_string(),
            name: Part::of(mentions.name, || target.name.clone()),
            dry_run: question.dry_run,
        }
    }
}

/// Verdicts by question.
#[derive(Debug, Default)]
pub(super) struct Cache(RwLock<HashMap<Key, Verdict>>);

impl Cache {
    /// The verdict that is known, or the one that deciding comes to.
    pub(super) fn verdict(
        &self,
        question: &Question<'_>,
        verb: usize,
        mentions: Mentions,
        decide: impl FnOnce() -> Verdict,
    ) -> Verdict {
        if mentions.time {
            return decide();
        }
        let key = Key::of(question, verb, mentions);
        if let Some(known) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return known.clone();
        }
        let verdict = decide();
        let mut verdicts = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if verdicts.len() >= VERDICTS_MAX {
            verdicts.clear();
        }
        verdicts.insert(key, verdict.clone());
        verdict
    }
}
