//! Disruption budgets. No write of ours asks them, as an eviction would: so a plan says what they
//! say.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::api::ListParams;
use kube::core::{Selector, SelectorExt};
use serde::Deserialize;

use super::super::about::About;
use super::super::ask::Failure;
use super::super::connect::Link;
use super::super::convert::{count, text};
use super::diff::plural;
use crate::domain::name::Namespace;
use crate::domain::write::Budget;

/// Disruption budgets of one namespace that a plan looks at.
const BUDGETS_MAX: usize = 500;

/// Disruption budgets that are named.
const NAMED_MAX: usize = 5;

/// The budgets of a namespace. They are worth a warning, not a failure: the account may well not be
/// allowed to read them.
pub(super) enum Budgets {
    Read(Vec<PodDisruptionBudget>),
    Unreadable,
}

/// The form in which servers before 1.21 have them.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
struct Old(PodDisruptionBudget);

impl Resource for Old {
    type DynamicType = ();
    type Scope = k8s_openapi::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "PodDisruptionBudget".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "policy".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1beta1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "poddisruptionbudgets".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.0.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.0.metadata
    }
}

impl Budgets {
    pub(super) async fn read(link: &Link, namespace: &Namespace) -> Self {
        let about = About::list("poddisruptionbudget", Some(namespace.as_str()));
        let listed = link
            .all(&about, ListParams::default(), BUDGETS_MAX, |b: &PodDisruptionBudget| {
                Some(b.clone())
            })
            .await;
        let listed = match listed {
            Err(Failure::Answered(answer)) if answer.code == 404 => {
                link.all(&about, ListParams::default(), BUDGETS_MAX, |Old(b): &Old| {
                    // There an empty selector selects nothing; now it selects everything.
                    let selector = b.spec.as_ref()?.selector.as_ref()?;
                    let is_empty = selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
                        && selector.match_expressions.as_ref().is_none_or(Vec::is_empty);
                    (!is_empty).then(|| b.clone())
                })
                .await
            }
            listed => listed,
        };
        match listed {
            Ok(all) => Self::Read(all.items),
            Err(failure) => {
                tracing::debug!(failure = %about.explain(failure), "no disruption budgets");
                Self::Unreadable
            }
        }
    }

    /// Those that cover a pod with these labels; none where they could not be read.
    pub(super) fn covering(&self, labels: &BTreeMap<String, String>) -> Option<Vec<Budget>> {
        let Self::Read(budgets) = self else { return None };
        let covers = |budget: &&PodDisruptionBudget| {
            // No selector selects nothing, an empty one everything.
            let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            selector.is_some_and(|selector| selector.matches(labels))
        };
        let covering = budgets.iter().filter(covers).filter_map(|budget| {
            let status = budget.status.as_ref();
            Some(Budget {
                name: text::message(budget.metadata.name.as_ref()?),
                allowed: count(status.map(|status| status.disruptions_allowed)),
                healthy: count(status.map(|status| status.current_healthy)),
                desired_healthy: count(status.map(|status| status.desired_healthy)),
            })
        });
        Some(covering.collect())
    }
}

/// How many pods a write ends.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    /// So many, at once.
    All(u32),
    /// So many at a time, and the next when those have successors.
    InTurn(u32),
}

/// What is to be said where a write ends these pods.
pub(super) fn warn(budgets: &[Budget], ends: Ends, does: &str, warnings: &mut Vec<String>) {
    let (Ends::All(at_once) | Ends::InTurn(at_once)) = ends;
    let named = |broken: &dyn Fn(&&Budget) -> bool| {
        let names = budgets.iter().filter(broken).take(NAMED_MAX);
        names.map(|budget| format!("`{}`", budget.name)).collect::<Vec<_>>().join(", ")
    };
    let spent = named(&|budget| budget.allowed == 0 && at_once > 0);
    if !spent.is_empty() {
        warnings.push(format!(
            "disruption budget {spent} allows no disruption now, and {does} does not ask it"
        ));
    }
    let ends = match ends {
        Ends::All(n) => format!("this ends {n} pods"),
        Ends::InTurn(n) => format!("{does} ends up to {n} pods at once"),
    };
    for budget in budgets.iter().filter(|b| (1..at_once).contains(&b.allowed)).take(NAMED_MAX) {
        let Budget { name, allowed, .. } = budget;
        warnings.push(format!(
            "disruption budget `{name}` allows {allowed} disruption{} now, and {ends} without \
             asking it",
            plural(*allowed as usize)
        ));
    }
}
