//! Kubernetes, through kube: what the ports `Kubernetes` and `Writer` promise, on real clusters.
//!
//! Owns: connections, requests and their bounds, and the way from the API server's objects to our
//! records. Must not: decide who may do what, or redact; whatever it returns is still hostile text.
//! Read [`Clusters`] first, then `ask` (one request: deadline, retries, bounds) and `convert`.

mod about;
mod ask;
mod breaker;
mod compare;
mod connect;
mod convert;
mod discover;
mod fetch;
mod history;
mod item;
mod log;
mod metrics;
mod objects;
mod pace;
mod read;
mod rights;
mod token;
mod trust;
mod workload;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

pub use ask::REQUEST_DEADLINE;
pub use connect::{ConnectError, Connection};

use crate::capability::{CapabilityError, Clock, Journal};
use crate::domain::name::ClusterName;
use crate::domain::rates::Rate;
use connect::Link;

/// What one cluster is asked at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Of one request with its retries.
    pub deadline: Duration,
    /// Of all requests together.
    pub rate: Option<Rate>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { deadline: REQUEST_DEADLINE, rate: None }
    }
}

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
    /// keep the others from being served. A cluster that is not in `bounds` has the usual ones:
    /// [`REQUEST_DEADLINE`], and no bound on its rate.
    pub fn new(
        connections: BTreeMap<ClusterName, Connection>,
        bounds: &BTreeMap<ClusterName, Bounds>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Vec<ConnectError>> {
        let mut links = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, connection) in connections {
            let bounds = bounds.get(&name).copied().unwrap_or_default();
            match Link::new(name.clone(), connection, bounds, Arc::clone(&clock)) {
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
