//! Sets of rights, in which a right for every object takes in those for some.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

/// One thing that may be asked of the API server.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Right {
    /// The API group; empty for the core.
    pub group: Cow<'static, str>,
    /// `pods`, `pods/log`
    pub resource: Cow<'static, str>,
    /// `get`
    pub verb: &'static str,
}

impl Right {
    /// A right on a kind of Kubernetes itself.
    pub const fn new(group: &'static str, resource: &'static str, verb: &'static str) -> Self {
        Self { group: Cow::Borrowed(group), resource: Cow::Borrowed(resource), verb }
    }
}

/// Which objects a right is for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Names {
    /// Every one.
    Any,
    /// These: `resourceNames`.
    Only(BTreeSet<String>),
}

/// Rights, and the objects that they are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RightSet(BTreeMap<Right, Names>);

impl RightSet {
    /// Adds a right. One for no object at all is none: in a role, no names mean every object.
    pub fn add(&mut self, right: Right, names: Names) {
        if names == Names::Only(BTreeSet::new()) {
            return;
        }
        match (self.0.get_mut(&right), names) {
            (None, names) => {
                self.0.insert(right, names);
            }
            (Some(Names::Any), _) => {}
            (Some(held), Names::Any) => *held = Names::Any,
            (Some(Names::Only(held)), Names::Only(more)) => held.extend(more),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// In order of group, resource and verb.
    pub fn iter(&self) -> impl Iterator<Item = (&Right, &Names)> {
        self.0.iter()
    }
}
