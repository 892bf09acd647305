//! Who asks.

/// The caller of a tool, as the transport's authentication found it. Nothing a client merely says
/// about itself (its `clientInfo`) is part of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Principal {
    /// Unique within the issuer: `alice`.
    pub subject: String,
    /// The groups that the issuer vouches for.
    pub groups: Vec<String>,
    /// Who says so: `os` for the person at this machine, `loopback` for an unauthenticated caller
    /// of the loopback listener.
    pub issuer: String,
}

impl Principal {
    /// The person who started this process: caller and operator are one.
    pub fn local(user: &str) -> Self {
        Self { subject: user.to_owned(), groups: Vec::new(), issuer: "os".to_owned() }
    }

    /// Somebody on this machine, through the loopback listener.
    pub fn loopback() -> Self {
        Self { subject: "anonymous".to_owned(), groups: Vec::new(), issuer: "loopback".to_owned() }
    }
}

impl std::fmt::Display for Principal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.subject, self.issuer)
    }
}
