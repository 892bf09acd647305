//! The smallest Kubernetes rights that grants need: for each capability, what its port asks of the
//! API server, and nothing more.

use std::collections::{BTreeMap, BTreeSet};

use super::capability::Capability;
use super::grant::Grants;
use super::mode::Mode;
use super::name::ClusterName;

/// One thing that may be asked of the API server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// The API group; empty for the core.
    pub group: &'static str,
    /// `pods`, `pods/log`
    pub resource: &'static str,
    /// `get`
    pub verb: &'static str,
}

/// What a right is needed for, by kind of object: a grant that leaves the kind out needs it not.
struct Need {
    kind: &'static str,
    namespaced: bool,
    right: Right,
}

const fn need(
    kind: &'static str,
    namespaced: bool,
    group: &'static str,
    resource: &'static str,
    verb: &'static str,
) -> Need {
    Need { kind, namespaced, right: Right { group, resource, verb } }
}

const READ: &[Need] = &[
    need("Pod", true, "", "pods", "get"),
    need("Pod", true, "", "pods", "list"),
    need("Deployment", true, "apps", "deployments", "get"),
    need("Deployment", true, "apps", "deployments", "list"),
    need("StatefulSet", true, "apps", "statefulsets", "get"),
    need("DaemonSet", true, "apps", "daemonsets", "get"),
    need("Node", false, "", "nodes", "list"),
    need("Namespace", false, "", "namespaces", "list"),
];

/// The pod itself is read for the container that is meant where none is named.
const LOGS: &[Need] =
    &[need("Pod", true, "", "pods/log", "get"), need("Pod", true, "", "pods", "get")];

const EVENTS: &[Need] = &[need("Event", true, "", "events", "list")];

/// A plan names the pods and the disruption budgets that a restart would touch.
const RESTART: &[Need] = &[
    need("Deployment", true, "apps", "deployments", "get"),
    need("Deployment", true, "apps", "deployments", "patch"),
    need("StatefulSet", true, "apps", "statefulsets", "get"),
    need("StatefulSet", true, "apps", "statefulsets", "patch"),
    need("DaemonSet", true, "apps", "daemonsets", "get"),
    need("DaemonSet", true, "apps", "daemonsets", "patch"),
];

const RESTART_SURROUNDINGS: &[Right] = &[
    Right { group: "", resource: "pods", verb: "list" },
    Right { group: "policy", resource: "poddisruptionbudgets", verb: "list" },
];

/// An empty list may mean that there is no such namespace: the host looks.
const NAMESPACE_LOOK: Right = Right { group: "", resource: "namespaces", verb: "get" };

/// Which namespaces match a pattern: the host looks.
const NAMESPACES_LOOK: Right = Right { group: "", resource: "namespaces", verb: "list" };

fn needs(capability: Capability) -> &'static [Need] {
    match capability {
        Capability::KubernetesRead => READ,
        Capability::KubernetesLogs => LOGS,
        Capability::KubernetesEvents => EVENTS,
        Capability::KubernetesRestart => RESTART,
        Capability::KubernetesMetrics
        | Capability::KubernetesSecretValues
        | Capability::KubernetesScale
        | Capability::KubernetesRollback
        | Capability::KubernetesPause
        | Capability::KubernetesCordon
        | Capability::KubernetesDeletePod
        | Capability::Access
        | Capability::Progress
        | Capability::Log
        | Capability::Config => &[],
    }
}

/// The rights of one service account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rights {
    /// In the whole cluster: Kubernetes knows no patterns of namespaces.
    pub cluster: BTreeSet<Right>,
    /// In one namespace each.
    pub namespaces: BTreeMap<String, BTreeSet<Right>>,
    /// Grants whose patterns of namespaces became rights in the whole cluster.
    pub widened: BTreeSet<String>,
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
            let literals = scope.namespaces.literals().or_else(|| mode.namespaces.literals());
            let places: Option<Vec<&String>> = literals.map(|names| {
                let both =
                    |n: &&String| scope.namespaces.contains(n) && mode.namespaces.contains(n);
                names.iter().filter(both).collect()
            });
            let all = scope.namespaces.is_all() && mode.namespaces.is_all();
            if places.is_none() && !all {
                rights.widened.insert(format!("grants.{plugin}.{capability}"));
                rights.cluster.insert(NAMESPACES_LOOK);
            }
            for Need { kind, namespaced, right } in needs(capability) {
                if !scope.kinds.contains(kind) {
                    continue;
                }
                let mut wanted = vec![*right];
                if *namespaced && right.verb == "list" {
                    wanted.push(NAMESPACE_LOOK);
                }
                if capability == Capability::KubernetesRestart {
                    wanted.extend_from_slice(RESTART_SURROUNDINGS);
                }
                match &places {
                    Some(places) if *namespaced => {
                        for place in places {
                            let of_place = rights.namespaces.entry((*place).clone()).or_default();
                            of_place.extend(wanted.iter().copied());
                        }
                    }
                    _ => rights.cluster.extend(wanted),
                }
            }
        }
    }
    rights
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::scope::{Patterns, Scope};

    fn one(capability: Capability, namespaces: &[&str], kinds: &[&str]) -> Rights {
        let patterns =
            |words: &[&str]| Patterns::new(words.iter().map(ToString::to_string)).unwrap();
        let mut grants = Grants::default();
        let scope =
            Scope { namespaces: patterns(namespaces), kinds: patterns(kinds), ..Scope::all() };
        grants.give(capability, scope);
        rights(&"prod".parse().unwrap(), &Mode::default(), [("p", &grants)].into_iter())
    }

    #[test]
    fn a_named_namespace_needs_nothing_of_the_cluster() {
        let rights = one(Capability::KubernetesLogs, &["shop"], &["*"]);
        assert!(rights.cluster.is_empty() && rights.widened.is_empty());
        let shop: Vec<_> = rights.namespaces["shop"].iter().map(|r| (r.resource, r.verb)).collect();
        assert_eq!(shop, [("pods", "get"), ("pods/log", "get")]);
    }

    #[test]
    fn a_pattern_is_said_to_be_widened() {
        let rights = one(Capability::KubernetesEvents, &["shop-*"], &["*"]);
        assert_eq!(rights.widened.len(), 1);
        assert!(rights.cluster.contains(&NAMESPACES_LOOK) && rights.namespaces.is_empty());
    }

    #[test]
    fn a_kind_that_is_left_out_needs_no_right() {
        let rights = one(Capability::KubernetesRead, &["shop"], &["Deployment"]);
        let shop = &rights.namespaces["shop"];
        assert!(shop.iter().all(|right| right.resource != "pods"), "{shop:?}");
        assert!(rights.cluster.is_empty());
    }

    #[test]
    fn only_a_restart_may_patch() {
        for capability in Capability::ALL {
            let rights = one(capability, &["*"], &["*"]);
            let patches = rights.cluster.iter().any(|right| right.verb == "patch");
            assert_eq!(patches, capability == Capability::KubernetesRestart, "{capability}");
        }
    }
}
