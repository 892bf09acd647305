//! What pods and nodes use now, where a cluster measures it.

use async_trait::async_trait;
use jiff::Timestamp;

use super::error::CapabilityError;
use super::kubernetes::{List, Page};
use crate::domain::name::ClusterName;

/// Reads from metrics.k8s.io.
#[async_trait]
pub trait Metrics: Send + Sync + 'static {
    /// One page of pods, in order of namespace and name.
    async fn pod_usages(&self, list: &List) -> Result<Page<PodUsage>, CapabilityError>;
    /// Every node, in order of name.
    async fn node_usages(&self, cluster: &ClusterName) -> Result<Vec<NodeUsage>, CapabilityError>;
}

/// An amount of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Thousandths of a core.
    pub cpu_m: u64,
    /// Working set.
    pub memory_bytes: u64,
}

/// What a pod uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodUsage {
    /// Where.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// When it was measured.
    pub measured: Option<Timestamp>,
    /// Over how long CPU is an average.
    pub window_s: u32,
    /// By container.
    pub containers: Vec<(String, Usage)>,
}

/// What a node uses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeUsage {
    /// Its name.
    pub name: String,
    /// When it was measured.
    pub measured: Option<Timestamp>,
    /// Over how long CPU is an average.
    pub window_s: u32,
    /// All of it.
    pub usage: Usage,
}
