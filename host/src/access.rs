//! What a caller may do, told before it is tried: from the same grants, mode and rights by which the
//! doors decide. It decides nothing itself, and never looks whether an object exists.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;

use crate::capability::Clock;
use crate::capability::access::{Access, Permission, Question, Rights};
use crate::domain::capability::Capability;
use crate::domain::decision::Verdict;
use crate::domain::grant::Grants;
use crate::domain::mode::{Mode, WriteMode};
use crate::domain::name::{Namespace, ObjectName, PluginId, ToolName};
use crate::domain::rbac::{self, Names, Right};
use crate::domain::scope::{Patterns, Scope, Target};
use crate::governance::admission::Offer;
use crate::governance::policy::{self, Policy};

/// A tool, and what the operator gave to its plugin.
#[derive(Debug, Clone)]
pub struct Offered {
    /// What it may use.
    pub offer: Arc<Offer>,
    /// How far.
    pub grants: Arc<Grants>,
}

/// The tools of a house, once they are loaded.
pub struct Permissions {
    mode: Mode,
    policy: Arc<Policy>,
    rights: Arc<dyn Rights>,
    clock: Arc<dyn Clock>,
    tools: OnceLock<BTreeMap<ToolName, Offered>>,
}

impl Permissions {
    /// Knows the operator's rules and no tool yet.
    pub fn new(
        mode: Mode,
        policy: Arc<Policy>,
        rights: Arc<dyn Rights>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { mode, policy, rights, clock, tools: OnceLock::new() }
    }

    /// Learns the tools, once: they do not change while the house stands.
    pub fn learn(&self, tools: BTreeMap<ToolName, Offered>) {
        if self.tools.set(tools).is_err() {
            tracing::error!("the tools of the house were told twice");
        }
    }

    async fn permission(
        &self,
        question: &Question,
        offered: &Offered,
        capability: Capability,
    ) -> Permission {
        let (allows, asks) = self.policy_says(question, offered, capability);
        let obstacle = self.obstacle(question, offered, capability);
        let obstacle = obstacle.or_else(|| {
            (!allows).then(|| "this server's policy allows it to nobody like you there".to_owned())
        });
        let granted = obstacle.is_none();
        let needs_approval = asks && self.mode.writes() == WriteMode::Perform;
        let mut permission = Permission {
            capability,
            granted,
            needs_approval,
            missing_rights: Vec::new(),
            rights_known: false,
            obstacle,
        };
        if granted {
            self.ask(question, offered, &mut permission).await;
        }
        permission
    }

    /// Whether the policy allows some use of the capability at the place, and whether it asks a person
    /// for one.
    fn policy_says(
        &self,
        question: &Question,
        offered: &Offered,
        capability: Capability,
    ) -> (bool, bool) {
        let (mut allows, mut asks) = (policy::verbs_of(capability).is_empty(), false);
        let Question { principal, tool, cluster, namespace, name } = question;
        for verb in policy::verbs_of(capability) {
            for kind in policy::kinds_of(capability) {
                let target = Target {
                    cluster: cluster.clone(),
                    namespace: namespace.clone().filter(|_| *kind != "Node"),
                    kind: (*kind).into(),
                    name: name.as_ref().filter(|_| *verb != "list").map(ToString::to_string),
                };
                let verdict = self.policy.decide(&policy::Question {
                    principal,
                    plugin: &offered.offer.plugin,
                    digest: &offered.offer.digest,
                    tool: tool.as_str(),
                    capability,
                    verb,
                    target: &target,
                    dry_run: self.mode.dry_run,
                    at: self.clock.now(),
                });
                match verdict {
                    Verdict::Allow { .. } => allows = true,
                    Verdict::Ask { .. } => (allows, asks) = (true, true),
                    Verdict::Deny { .. } => {}
                }
            }
        }
        (allows, asks)
    }

    /// Why mode or grant do not cover the place.
    fn obstacle(
        &self,
        question: &Question,
        offered: &Offered,
        capability: Capability,
    ) -> Option<String> {
        if capability.tier().writes() && self.mode.writes() == WriteMode::Refuse {
            return Some("this server is read-only (`mode.read_only`)".to_owned());
        }
        if !capability.needs_grant() {
            return None;
        }
        let plugin: &PluginId = &offered.offer.plugin;
        let key = format!("grants.{plugin}.{capability}");
        let Some(scope) = offered.grants.scope(capability) else {
            return Some(format!("`{key}` is not there"));
        };
        let Question { cluster, namespace, name, .. } = question;
        if !scope.clusters.contains(cluster.as_str()) {
            return Some(format!("`{key}.clusters` does not cover `{cluster}`"));
        }
        // What it reaches may lie in none, and then it does not matter which is meant.
        let namespace = namespace.as_ref().filter(|_| capability.is_namespaced());
        if let Some(namespace) = namespace.map(Namespace::as_str) {
            if !self.mode.namespaces.contains(namespace) {
                return Some(format!("`mode.namespaces` does not cover `{namespace}`"));
            }
            if !scope.namespaces.contains(namespace) {
                return Some(format!("`{key}.namespaces` does not cover `{namespace}`"));
            }
        }
        match name.as_ref().map(ObjectName::as_str) {
            Some(name) if !scope.names.contains(name) => {
                Some(format!("`{key}.names` does not cover `{name}`"))
            }
            _ => None,
        }
    }

    /// Asks the API server for each right that the capability needs at the place.
    async fn ask(&self, question: &Question, offered: &Offered, permission: &mut Permission) {
        let capability = permission.capability;
        let Some(scope) = offered.grants.scope(capability) else { return };
        let place = question.namespace.as_ref().map(ToString::to_string);
        let namespaces = place.clone().and_then(|place| Patterns::new([place]).ok());
        let mut grants = Grants::default();
        let scope = Scope {
            namespaces: namespaces.unwrap_or_else(|| scope.namespaces.clone()),
            ..scope.clone()
        };
        grants.give(capability, scope);
        let plugin = offered.offer.plugin.as_str();
        let needed = rbac::rights(&question.cluster, &self.mode, [(plugin, &grants)].into_iter());
        let everywhere = needed.cluster.iter().map(|right| (None, right));
        let here = needed.namespaces.values().flat_map(rbac::RightSet::iter);
        let here = here.map(|right| (question.namespace.as_ref(), right));
        for (namespace, (right, names)) in everywhere.chain(here) {
            let name = one_of(names, question.name.as_ref());
            match self.rights.has(&question.cluster, namespace, right, name).await {
                Ok(true) => {}
                Ok(false) => permission.missing_rights.push(told(right)),
                Err(error) => {
                    tracing::warn!(%error, cluster = %question.cluster, "rights cannot be asked for");
                    permission.missing_rights.clear();
                    return;
                }
            }
        }
        permission.rights_known = true;
        if !permission.missing_rights.is_empty() {
            permission.obstacle = Some(format!(
                "the cluster does not allow this server to {}; its operator applies what \
                 `toolgate rbac` prints",
                permission.missing_rights.join(", ")
            ));
        }
    }
}

/// The object that a right is asked about, where it is for some only: the one that is meant, or the
/// first, since a role has them all.
fn one_of<'a>(names: &'a Names, meant: Option<&'a ObjectName>) -> Option<&'a str> {
    let Names::Only(names) = names else { return None };
    let meant = meant.map(ObjectName::as_str).filter(|meant| names.contains(*meant));
    meant.or_else(|| names.first().map(String::as_str))
}

fn told(right: &Right) -> String {
    let Right { group, resource, verb, .. } = right;
    if group.is_empty() {
        format!("{verb} {resource}")
    } else {
        format!("{verb} {resource}.{group}")
    }
}

#[async_trait]
impl Access for Permissions {
    async fn check(&self, question: &Question) -> Option<Vec<Permission>> {
        let offered = self.tools.get()?.get(&question.tool)?;
        let mut permissions = Vec::new();
        for capability in &offered.offer.uses {
            permissions.push(self.permission(question, offered, *capability).await);
        }
        Some(permissions)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::capability::CapabilityError;
    use crate::domain::name::ClusterName;
    use crate::domain::principal::Principal;
    use crate::schema::Schema;

    /// An account that may do everything but patch.
    struct NoPatch;

    #[async_trait]
    impl Rights for NoPatch {
        async fn has(
            &self,
            _cluster: &ClusterName,
            _namespace: Option<&Namespace>,
            right: &Right,
            _name: Option<&str>,
        ) -> Result<bool, CapabilityError> {
            Ok(right.verb != "patch")
        }
    }

    /// An account that may get and patch one object.
    struct OnlyWeb;

    #[async_trait]
    impl Rights for OnlyWeb {
        async fn has(
            &self,
            _cluster: &ClusterName,
            _namespace: Option<&Namespace>,
            right: &Right,
            name: Option<&str>,
        ) -> Result<bool, CapabilityError> {
            Ok(!matches!(right.verb, "get" | "patch") || name == Some("web"))
        }
    }

    fn permissions(mode: Mode, capability: Capability, namespaces: &str) -> Permissions {
        let namespaces = Patterns::new([namespaces.to_owned()]).unwrap();
        let scope = Scope { namespaces, ..Scope::all() };
        with_rights(mode, capability, scope, Arc::new(NoPatch))
    }

    fn with_rights(
        mode: Mode,
        capability: Capability,
        scope: Scope,
        rights: Arc<dyn Rights>,
    ) -> Permissions {
        let approvals =
            policy::Approvals { required: true, expires_after: std::time::Duration::from_mins(10) };
        let policy = Arc::new(Policy::shipped(approvals).unwrap());
        let clock = Arc::new(jiff::Timestamp::now);
        let permissions = Permissions::new(mode, policy, rights, clock);
        let mut grants = Grants::default();
        grants.give(capability, scope);
        let offer = Offer {
            plugin: "p".parse().unwrap(),
            digest: "d".to_owned(),
            uses: BTreeSet::from([capability, Capability::Progress]),
            tier: capability.tier(),
            arguments: Schema::compile(r#"{"type":"object"}"#).unwrap(),
        };
        let offered = Offered { offer: Arc::new(offer), grants: Arc::new(grants) };
        permissions.learn(BTreeMap::from([("tool".parse().unwrap(), offered)]));
        permissions
    }

    #[tokio::test]
    async fn rights_for_some_objects_are_asked_about_these() {
        let mode = || Mode { read_only: false, ..Mode::default() };
        let of = |names: &[&str]| {
            let scope = Scope {
                namespaces: Patterns::new(["shop".to_owned()]).unwrap(),
                kinds: Patterns::new(["Deployment".to_owned()]).unwrap(),
                names: Patterns::new(names.iter().map(ToString::to_string)).unwrap(),
                ..Scope::all()
            };
            with_rights(mode(), Capability::KubernetesRestart, scope, Arc::new(OnlyWeb))
        };
        for (names, allows) in [(&["web"][..], true), (&["api", "web"], false), (&["*"], false)] {
            let permission = first(&of(names), "shop").await;
            assert_eq!(permission.allows(), allows, "{names:?}: {permission:?}");
        }
    }

    #[tokio::test]
    async fn what_lies_in_no_namespace_may_be_used_from_any() {
        for capability in [Capability::Access, Capability::KubernetesCordon] {
            let mode = Mode { read_only: false, ..Mode::default() };
            let scope = Scope { namespaces: Patterns::default(), ..Scope::all() };
            let rights = Arc::new(OnlyWeb);
            let permission = first(&with_rights(mode, capability, scope, rights), "shop").await;
            assert!(permission.granted, "{capability}: {permission:?}");
        }
    }

    async fn first(permissions: &Permissions, namespace: &str) -> Permission {
        let question = Question {
            principal: Principal::local("sre"),
            tool: "tool".parse().unwrap(),
            cluster: "prod".parse().unwrap(),
            namespace: Some(namespace.parse().unwrap()),
            name: None,
        };
        permissions.check(&question).await.unwrap().swap_remove(0)
    }

    #[tokio::test]
    async fn says_what_stands_in_the_way() {
        let writing = || Mode { read_only: false, ..Mode::default() };
        for (mode, capability, namespace, obstacle) in [
            (Mode::default(), Capability::KubernetesLogs, "shop", None),
            (
                Mode::default(),
                Capability::KubernetesLogs,
                "bank",
                Some("`grants.p.kubernetes-logs.namespaces` does not cover `bank`"),
            ),
            (
                Mode::default(),
                Capability::KubernetesRestart,
                "shop",
                Some("this server is read-only (`mode.read_only`)"),
            ),
            (
                writing(),
                Capability::KubernetesRestart,
                "shop",
                Some(
                    "the cluster does not allow this server to patch daemonsets.apps, patch \
                     deployments.apps, patch statefulsets.apps; its operator applies what \
                     `toolgate rbac` prints",
                ),
            ),
        ] {
            let permission = first(&permissions(mode, capability, "shop"), namespace).await;
            assert_eq!(permission.obstacle.as_deref(), obstacle, "{capability} on {namespace}");
            assert_eq!(permission.allows(), obstacle.is_none());
            assert_eq!(
                permission.needs_approval,
                capability.tier().writes() && namespace == "shop" && permission.granted
            );
        }
    }
}
