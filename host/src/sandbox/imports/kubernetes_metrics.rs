//! `kubernetes-metrics`: who may read what pods and nodes use.

use std::sync::Arc;

use super::super::bindings::toolgate::plugin::kubernetes_metrics::{
    ContainerUsage, Host, NodeUsage, PodUsage, PodUsagePage,
};
use super::super::bindings::toolgate::plugin::types::ListQuery;
use super::super::state::State;
use super::convert::{clipped, created};
use super::{Answer, Door, Shut};
use crate::capability::metrics as port;
use crate::domain::capability::Capability::KubernetesMetrics;
use crate::domain::scope::Target;

impl Host for State {
    async fn list_pods(&mut self, query: ListQuery) -> Answer<PodUsagePage> {
        self.through(KubernetesMetrics, |door| pods(door, query)).await
    }

    async fn list_nodes(&mut self, cluster: Option<String>) -> Answer<Vec<NodeUsage>> {
        self.through(KubernetesMetrics, |door| nodes(door, cluster)).await
    }
}

async fn pods(door: Door, query: ListQuery) -> Result<PodUsagePage, Shut> {
    let metrics = Arc::clone(&door.scene.ports.metrics);
    let fetch = |list| {
        let metrics = Arc::clone(&metrics);
        async move { metrics.pod_usages(&list).await }
    };
    let found = door.page(query, "Pod", |usage: &port::PodUsage| &usage.name, fetch).await?;
    let now = door.now();
    let container = |(name, usage): &(String, port::Usage)| ContainerUsage {
        name: clipped(name),
        cpu_m: usage.cpu_m,
        memory_bytes: usage.memory_bytes,
    };
    let pod = |usage: &port::PodUsage| PodUsage {
        namespace: clipped(&usage.namespace),
        name: clipped(&usage.name),
        measured: created(usage.measured, now),
        window_s: usage.window_s,
        containers: usage.containers.iter().map(container).collect(),
    };
    let pods: Vec<_> = found.items.iter().map(pod).collect();
    let weight =
        |pod: &PodUsage| 256 + pod.containers.iter().map(|c| 64 + c.name.len()).sum::<usize>();
    door.fits(pods.iter().map(weight).sum())?;
    Ok(PodUsagePage { pods, continue_: found.next })
}

async fn nodes(door: Door, cluster: Option<String>) -> Result<Vec<NodeUsage>, Shut> {
    let cluster = door.cluster(cluster).await?;
    let target =
        Target { cluster: cluster.clone(), namespace: None, kind: "Node".into(), name: None };
    door.check("list", &target).await?;
    let metrics = Arc::clone(&door.scene.ports.metrics);
    let all = door.port(&target, async move { metrics.node_usages(&cluster).await }).await?;
    let names = &door.scope()?.names;
    let now = door.now();
    let node = |usage: &port::NodeUsage| NodeUsage {
        name: clipped(&usage.name),
        measured: created(usage.measured, now),
        window_s: usage.window_s,
        cpu_m: usage.usage.cpu_m,
        memory_bytes: usage.usage.memory_bytes,
    };
    let sees = |usage: &&port::NodeUsage| {
        let found = || Target { name: Some(usage.name.clone()), ..target.clone() };
        names.contains(&usage.name) && door.sees("list", found)
    };
    let nodes: Vec<_> = all.iter().filter(sees).map(node).collect();
    door.fits(nodes.iter().map(|node| 256 + node.name.len()).sum())?;
    Ok(nodes)
}
