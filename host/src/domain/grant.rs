//! What the operator gave a plugin.

use std::collections::BTreeMap;

use super::capability::Capability;
use super::scope::{Scope, Target};

/// The operator's key of the two: for each capability, how far it reaches.
#[derive(Debug, Clone, Default)]
pub struct Grants(BTreeMap<Capability, Scope>);

impl Grants {
    /// Adds or replaces a grant.
    pub fn give(&mut self, capability: Capability, scope: Scope) {
        self.0.insert(capability, scope);
    }

    /// Whether the capability is granted at all; ambient ones always are.
    pub fn has(&self, capability: Capability) -> bool {
        !capability.needs_grant() || self.0.contains_key(&capability)
    }

    /// Whether the capability may be used on the target: the only question that an effect asks.
    pub fn allows(&self, capability: Capability, target: &Target) -> bool {
        self.scope(capability).is_some_and(|scope| scope.contains(target))
    }

    /// How far the capability reaches.
    pub fn scope(&self, capability: Capability) -> Option<&Scope> {
        self.0.get(&capability)
    }

    /// Every grant, in order.
    pub fn iter(&self) -> impl Iterator<Item = (Capability, &Scope)> {
        self.0.iter().map(|(capability, scope)| (*capability, scope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_granted_until_it_is() {
        let mut grants = Grants::default();
        assert!(!grants.has(Capability::KubernetesLogs));
        assert!(grants.has(Capability::Log));
        grants.give(Capability::KubernetesLogs, Scope::all());
        assert!(grants.has(Capability::KubernetesLogs));
        assert!(!grants.has(Capability::KubernetesRead));
    }
}
