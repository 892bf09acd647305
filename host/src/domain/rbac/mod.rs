//! The smallest Kubernetes rights that grants need: for each capability, what its port asks of the
//! API server, and nothing more.

mod needs;
mod set;

use std::collections::{BTreeMap, BTreeSet};

use super::alike::looks_alike;
use super::grant::Grants;
use super::mode::{Mode, WriteMode};
use super::name::ClusterName;
use super::scope::{Patterns, Scope};
use needs::{Need, needs};

pub use set::{Names, Right, RightSet};

/// The rights of one service account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// In the whole cluster: Kubernetes knows no patterns of namespaces.
    pub cluster: RightSet,
    /// In one namespace each.
    pub namespaces: BTreeMap<String, RightSet>,
    /// Grants whose patterns of namespaces became rights in the whole cluster.
    pub widened: BTreeSet<String>,
    /// Rights on custom resources whose plural only the cluster knows: `certificates.example.com`.
    pub guessed: BTreeSet<String>,
    /// Patterns of kinds that no right stands for, with their grants.
    pub unmapped: BTreeSet<String>,
    /// Grants that need nothing now, because the mode refuses what they are for.
    pub refused: BTreeSet<String>,
}

/// What the grants need in a cluster.
pub fn rights<'a>(
    cluster: &ClusterName,
    mode: &Mode,
    grants: impl Iterator<Item = (&'a str, &'a Grants)>,
) -> Rights {
    let mut rights = Rights::default();
    for (plugin, grants) in grants {
        for (capability, scope) in grants.iter() {
            if !scope.clusters.contains(cluster.as_str()) {
                continue;
            }
            let grant = format!("grants.{plugin}.{capability}");
            if capability.tier().writes() && mode.writes() == WriteMode::Refuse {
                rights.refused.insert(grant);
                continue;
            }
            let needs = needs(capability, scope);
            for pattern in needs.unmapped {
                rights.unmapped.insert(format!("`{pattern}` of `{grant}.kinds`"));
            }
            rights.guessed.extend(needs.guessed);
            rights.add(&grant, scope, mode, &needs.each);
            let is_planned = capability.tier().writes() && capability.is_namespaced();
            if is_planned && !needs.each.is_empty() {
                rights.look_for_others(scope, mode);
            }
        }
    }
    rights
}

impl Rights {
    /// For the plan of a write, which names the granted namespaces that are easily taken for the one
    /// that is meant.
    fn look_for_others(&mut self, scope: &Scope, mode: &Mode) {
        let Some(places) = places(scope, mode) else {
            self.cluster.add(needs::NAMESPACES_LOOK, Names::Any);
            return;
        };
        for place in &places {
            if places.iter().any(|other| looks_alike(place, other)) {
                let rights = self.namespaces.entry(place.clone()).or_default();
                rights.add(needs::NAMESPACE_LOOK, Names::Any);
            }
        }
    }

    fn add(&mut self, grant: &str, scope: &Scope, mode: &Mode, needs: &[Need]) {
        let places = places(scope, mode);
        let all = scope.namespaces.is_all() && mode.namespaces.is_all();
        let is_namespaced = needs.iter().any(|need| need.namespaced);
        if places.is_none() && !all && is_namespaced {
            self.widened.insert(grant.to_owned());
            self.cluster.add(needs::NAMESPACES_LOOK, Names::Any);
        }
        let names = literal_names(&scope.names);
        for need in needs {
            // To Kubernetes' roles a namespace lies in itself.
            let is_place = matches!(need.names, needs::Narrowed::ByPlace);
            let of = match need.names {
                needs::Narrowed::ByName => names.clone(),
                needs::Narrowed::No | needs::Narrowed::ByPlace => Names::Any,
            };
            match &places {
                Some(places) if need.namespaced || is_place => {
                    for place in places {
                        let of_place = self.namespaces.entry(place.clone()).or_default();
                        of_place.add(need.right.clone(), of.clone());
                    }
                }
                _ => self.cluster.add(need.right.clone(), of),
            }
        }
    }
}

/// The namespaces that both allow, where they are named one by one.
fn places(scope: &Scope, mode: &Mode) -> Option<BTreeSet<String>> {
    let literals = scope.namespaces.literals().or_else(|| mode.namespaces.literals());
    let both = |n: &&String| scope.namespaces.contains(n) && mode.namespaces.contains(n);
    literals.map(|names| names.iter().filter(both).cloned().collect())
}

fn literal_names(names: &Patterns) -> Names {
    match names.literals() {
        Some(names) => Names::Only(names.iter().cloned().collect()),
        None => Names::Any,
    }
}

#[cfg(test)]
mod tests;
