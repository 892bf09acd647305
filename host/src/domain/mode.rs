//! The operator's guardrails: one line each, above every grant and every rule.

use super::scope::{Patterns, Target};

/// What holds for every call, whoever asks and whatever was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mode {
    /// Writes are refused.
    pub read_only: bool,
    /// Writes are planned and never performed, in read-only mode as well: a plan changes nothing.
    pub dry_run: bool,
    /// The only namespaces that anything may touch.
    pub namespaces: Patterns,
}

impl Default for Mode {
    /// Changes nothing until the operator says so.
    fn default() -> Self {
        Self { read_only: true, dry_run: false, namespaces: Patterns::all() }
    }
}

/// What becomes of a write that everything else allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// It takes its way: approval, then the cluster.
    Perform,
    /// It is answered with its plan.
    Plan,
    /// It is refused.
    Refuse,
}

impl Mode {
    /// What becomes of writes.
    pub fn writes(&self) -> WriteMode {
        match (self.dry_run, self.read_only) {
            (true, _) => WriteMode::Plan,
            (false, true) => WriteMode::Refuse,
            (false, false) => WriteMode::Perform,
        }
    }

    /// Whether the target lies inside of the allowed namespaces. What lies in no namespace does.
    pub fn covers(&self, target: &Target) -> bool {
        target.namespace.as_ref().is_none_or(|n| self.namespaces.contains(n.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_plans_even_where_writes_are_refused() {
        for (read_only, dry_run, writes) in [
            (true, false, WriteMode::Refuse),
            (true, true, WriteMode::Plan),
            (false, true, WriteMode::Plan),
            (false, false, WriteMode::Perform),
        ] {
            assert_eq!(Mode { read_only, dry_run, ..Mode::default() }.writes(), writes);
        }
        assert_eq!(Mode::default().writes(), WriteMode::Refuse);
    }

    #[test]
    fn covers_the_listed_namespaces_and_what_has_none() {
        let namespaces = Patterns::new(["shop".to_owned()]).unwrap();
        let mode = Mode { namespaces, ..Mode::default() };
        let target = |namespace: Option<&str>| Target {
            cluster: "prod".parse().unwrap(),
            namespace: namespace.map(|n| n.parse().unwrap()),
            kind: "Pod".into(),
            name: None,
        };
        assert!(mode.covers(&target(Some("shop"))));
        assert!(!mode.covers(&target(Some("bank"))));
        assert!(mode.covers(&target(None)));
    }
}
