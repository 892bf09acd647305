//! Kubernetes, through kube: what the ports `Kubernetes` and `Writer` promise, on real clusters.
//!
//! Owns: connections, requests and their bounds, and the way from the API server's objects to our
//! records. Must not: decide who may do what, or redact; whatever it returns is still hostile text.
//! Read [`Clusters`] first, then `ask` (one request: deadline, retries, bounds) and `convert`.

mod about;
mod ask;
mod connect;
mod convert;
mod fetch;
mod log;
mod read;
mod rights;
mod workload;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use connect::{ConnectError, Connection};

use crate::capability::{CapabilityError, Clock, Journal};
use crate::domain::name::ClusterName;
use connect::Link;

/// The clusters of the operator's configuration, each behind one client.
pub struct Clusters {
    links: BTreeMap<ClusterName, Link>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Clusters {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clusters").field("links", &self.links).finish_non_exhaustive()
    }
}

impl Clusters {
    /// Reads every configuration and reports all that is wrong with them. No server is contacted:
    /// a client is made when the first request needs it, so that one cluster that is down does not
    /// keep the others from being served.
    pub fn new(
        connections: BTreeMap<ClusterName, Connection>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<ConnectError>> {
        let mut links = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, connection) in connections {
            match Link::new(name.clone(), connection, Arc::clone(&clock)) {
                Ok(link) => {
                    links.insert(name, link);
                }
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() { Ok(Self { links, clock }) } else { Err(problems) }
    }

    /// Has every request noted before it is sent.
    #[must_use]
    pub fn with_journal(mut self, journal: &Arc<dyn Journal>) -> Self {
        for link in self.links.values_mut() {
            link.note_in(Arc::clone(journal));
        }
        self
    }

    fn link(&self, cluster: &ClusterName) -> Result<&Link, CapabilityError> {
        self.links
            .get(cluster)
            .ok_or_else(|| CapabilityError::NotFound(format!("cluster `{cluster}` not found")))
    }
}
