//! How far a grant reaches.

use std::borrow::Cow;

use super::name::{ClusterName, Namespace};

/// Names with `*` for any run of characters. Empty allows nothing: an empty list never means all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Patterns(Vec<String>);

/// The longest pattern; no Kubernetes name is longer.
pub const PATTERN_BYTES_MAX: usize = 253;

impl Patterns {
    /// Takes patterns of name characters and `*`; gives the first one that is not.
    ///
    /// # Errors
    /// The text that is no pattern.
    pub fn new<I: IntoIterator<Item = String>>(patterns: I) -> Result<Self, String> {
        let patterns: Vec<String> = patterns.into_iter().collect();
        let valid = |p: &String| {
            let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'*');
            !p.is_empty() && p.len() <= PATTERN_BYTES_MAX && p.bytes().all(fits)
        };
        match patterns.iter().find(|p| !valid(p)) {
            Some(wrong) => Err(wrong.chars().take(64).flat_map(char::escape_debug).collect()),
            None => Ok(Self(patterns)),
        }
    }

    /// Everything.
    pub fn all() -> Self {
        Self(vec!["*".to_owned()])
    }

    /// Whether some pattern covers the name.
    pub fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// Whether every name is covered.
    pub fn is_all(&self) -> bool {
        self.0.iter().any(|p| p == "*")
    }

    /// The names themselves, where no pattern has a `*`.
    pub fn literals(&self) -> Option<&[String]> {
        self.0.iter().all(|p| !p.contains('*')).then_some(&self.0)
    }

    /// The patterns as they were written.
    pub fn as_slice(&self) -> &[String] {
        &self.0
    }
}

/// `*` matching without backtracking beyond the last star: linear enough for hostile names.
fn matches(pattern: &str, name: &str) -> bool {
    let (p, n) = (pattern.as_bytes(), name.as_bytes());
    let (mut pi, mut ni, mut retry) = (0, 0, None);
    while ni < n.len() {
        if p.get(pi) == Some(&b'*') {
            retry = Some((pi, ni));
            pi += 1;
        } else if p.get(pi) == n.get(ni) {
            pi += 1;
            ni += 1;
        } else if let Some((star, start)) = retry {
            retry = Some((star, start + 1));
            pi = star + 1;
            ni = start + 1;
        } else {
            return false;
        }
    }
    p.iter().skip(pi).all(|b| *b == b'*')
}

/// What a use of a capability aims at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The cluster, already resolved: there is no default any more.
    pub cluster: ClusterName,
    /// `None` for objects outside of namespaces.
    pub namespace: Option<Namespace>,
    /// The Kubernetes kind: `Pod`.
    pub kind: Cow<'static, str>,
    /// `None` for lists.
    pub name: Option<String>,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ", self.kind)?;
        if let Some(namespace) = &self.namespace {
            write!(f, "{namespace}/")?;
        }
        write!(f, "{} in {}", self.name.as_deref().unwrap_or("*"), self.cluster)
    }
}

/// The kind that no pattern covers.
pub const SECRET: &str = "Secret";

/// Events are granted by what they are about: see [`Scope::kinds`].
pub const EVENT: &str = "Event";

/// The extent of a grant. Every field narrows; the default of a field that the operator leaves out
/// is written where the configuration is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Clusters by name.
    pub clusters: Patterns,
    /// Namespaces by name; objects outside of namespaces are covered by `kinds` alone.
    pub namespaces: Patterns,
    /// Kubernetes kinds; of events, the kinds of the objects that they are about.
    pub kinds: Patterns,
    /// Object names, of events likewise. What a list returns is filtered by them.
    pub names: Patterns,
}

impl Scope {
    /// Everything that the capability can reach.
    pub fn all() -> Self {
        Self {
            clusters: Patterns::all(),
            namespaces: Patterns::all(),
            kinds: Patterns::all(),
            names: Patterns::all(),
        }
    }

    /// Whether the kind is covered. A pattern without a group means kinds of Kubernetes itself: a
    /// custom resource, `Certificate.cert-manager.io`, is covered only by one that names a group,
    /// and `Secret` only by its name, so that no star hands them out by accident.
    pub fn covers_kind(&self, kind: &str) -> bool {
        let mut patterns = self.kinds.as_slice().iter();
        match kind {
            SECRET => patterns.any(|pattern| pattern == SECRET),
            _ if kind.contains('.') => patterns.any(|p| p.contains('.') && matches(p, kind)),
            _ => self.kinds.contains(kind),
        }
    }

    /// Whether a kind of this group may be covered. Errs on the side of yes: what the kind is called
    /// is known only when the cluster was asked, and then [`Scope::covers_kind`] decides.
    pub fn reaches_group(&self, group: &str) -> bool {
        let of_group = format!(".{group}");
        self.kinds.as_slice().iter().filter(|pattern| pattern.contains('.')).any(|pattern| {
            match pattern.rsplit_once('*') {
                Some((_, tail)) => of_group.ends_with(tail) || tail.ends_with(&of_group),
                None => pattern.ends_with(&of_group),
            }
        })
    }

    /// Whether the target lies inside.
    pub fn contains(&self, target: &Target) -> bool {
        self.clusters.contains(target.cluster.as_str())
            && target.namespace.as_ref().is_none_or(|n| self.namespaces.contains(n.as_str()))
            && (target.kind == EVENT || self.covers_kind(&target.kind))
            && match &target.name {
                Some(name) => self.names.contains(name),
                None => true,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_cover_what_they_say() {
        for (pattern, name, covered) in [
            ("shop", "shop", true),
            ("shop", "shop-staging", false),
            ("shop-*", "shop-staging", true),
            ("shop-*", "shop", false),
            ("*-prod", "shop-prod", true),
            ("*-prod", "prod", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("*", "", true),
            ("*", "anything", true),
        ] {
            assert_eq!(matches(pattern, name), covered, "{pattern} on {name}");
        }
    }

    #[test]
    fn an_empty_list_covers_nothing() {
        assert!(!Patterns::default().contains("shop"));
        assert!(!Patterns::default().is_all());
    }

    #[test]
    fn a_bomb_of_stars_ends_quickly() {
        let pattern = "*a".repeat(60);
        let name = "a".repeat(50) + "b";
        assert!(!matches(&pattern, &name));
    }

    #[test]
    fn secrets_and_custom_resources_have_to_be_named() {
        for (patterns, kind, covered) in [
            (&["*"][..], "Pod", true),
            (&["*"], "Secret", false),
            (&["Sec*"], "Secret", false),
            (&["Secret"], "Secret", true),
            (&["*"], "Certificate.cert-manager.io", false),
            (&["*.cert-manager.io"], "Certificate.cert-manager.io", true),
            (&["Certificate.cert-manager.io"], "Certificate.cert-manager.io", true),
            (&["Certificate.cert-manager.io"], "Certificate.evil.io", false),
            (&["*.*"], "Pod", false),
        ] {
            let kinds = Patterns::new(patterns.iter().map(|p| (*p).to_owned())).unwrap();
            let scope = Scope { kinds, ..Scope::all() };
            assert_eq!(scope.covers_kind(kind), covered, "{patterns:?} on {kind}");
        }
    }

    #[test]
    fn a_group_is_reached_where_one_of_its_kinds_may_be() {
        for (patterns, reached) in [
            (&["*"][..], false),
            (&["Pod", "Secret"], false),
            (&["*.cert-manager.io"], true),
            (&["Cert*.cert-manager.io"], true),
            (&["Certificate.cert-manager.*"], true),
            (&["*.*"], true),
            (&["Certificate.cert-manager.io"], true),
            (&["Certificate.evil.io", "Lease.coordination.k8s.io"], false),
            (&["*.not-cert-manager.io"], false),
        ] {
            let kinds = Patterns::new(patterns.iter().map(|p| (*p).to_owned())).unwrap();
            let scope = Scope { kinds, ..Scope::all() };
            assert_eq!(scope.reaches_group("cert-manager.io"), reached, "{patterns:?}");
        }
    }

    #[test]
    fn scope_checks_each_axis() {
        let one = |text: &str| Patterns::new([text.to_owned()]).unwrap();
        let scope = Scope {
            clusters: one("prod"),
            namespaces: one("shop"),
            kinds: one("Pod"),
            names: one("web-*"),
        };
        let target = |cluster: &str, namespace: &str, kind, name: Option<&str>| Target {
            cluster: cluster.parse().unwrap(),
            namespace: Some(namespace.parse().unwrap()),
            kind: Cow::Borrowed(kind),
            name: name.map(str::to_owned),
        };
        assert!(scope.contains(&target("prod", "shop", "Pod", Some("web-1"))));
        assert!(scope.contains(&target("prod", "shop", "Pod", None)));
        assert!(!scope.contains(&target("dev", "shop", "Pod", Some("web-1"))));
        assert!(!scope.contains(&target("prod", "bank", "Pod", Some("web-1"))));
        assert!(!scope.contains(&target("prod", "shop", "Node", Some("web-1"))));
        assert!(!scope.contains(&target("prod", "shop", "Pod", Some("db-1"))));
    }
}
