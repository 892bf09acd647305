//! `kubernetes-read`: who may read pods, deployments, nodes, namespaces and rollouts.

use super::super::bindings::toolgate::plugin::kubernetes_read::{
    self as wit, DeploymentPage, Host, Namespace as NamespaceRecord, NodePage, Pod, PodPage,
};
use super::super::bindings::toolgate::plugin::types::{ListQuery, Rollout, WorkloadKind};
use super::super::state::State;
use super::{Answer, Door, Shut, convert, namespace, object, objects, rollouts};
use crate::domain::capability::Capability::KubernetesRead;
use crate::domain::scope::Target;

impl Host for State {
    async fn list_pods(&mut self, query: ListQuery) -> Answer<PodPage> {
        self.through(KubernetesRead, |door| list_pods(door, query)).await
    }

    async fn get_pod(
        &mut self,
        cluster: Option<String>,
        namespace: String,
        name: String,
    ) -> Answer<Pod> {
        self.through(KubernetesRead, |door| get_pod(door, cluster, namespace, name)).await
    }

    async fn list_deployments(&mut self, query: ListQuery) -> Answer<DeploymentPage> {
        self.through(KubernetesRead, |door| list_deployments(door, query)).await
    }

    async fn list_nodes(&mut self, query: ListQuery) -> Answer<NodePage> {
        self.through(KubernetesRead, |door| list_nodes(door, query)).await
    }

    async fn list_namespaces(&mut self, cluster: Option<String>) -> Answer<Vec<NamespaceRecord>> {
        self.through(KubernetesRead, |door| list_namespaces(door, cluster)).await
    }

    async fn await_rollout(
        &mut self,
        cluster: Option<String>,
        kind: WorkloadKind,
        namespace: String,
        name: String,
        timeout_s: u32,
    ) -> Answer<Rollout> {
        let workload = rollouts::Named { cluster, kind, namespace, name };
        self.through(KubernetesRead, |door| rollouts::wait(door, workload, timeout_s)).await
    }

    async fn rollout_history(
        &mut self,
        cluster: Option<String>,
        kind: WorkloadKind,
        namespace: String,
        name: String,
    ) -> Answer<Vec<wit::Revision>> {
        let workload = rollouts::Named { cluster, kind, namespace, name };
        self.through(KubernetesRead, |door| rollouts::history(door, workload)).await
    }

    async fn get_object(
        &mut self,
        cluster: Option<String>,
        kind: String,
        namespace: Option<String>,
        name: String,
        fields: Vec<String>,
    ) -> Answer<wit::Object> {
        let asked = objects::Asked { cluster, kind, namespace, name, fields };
        self.through(KubernetesRead, |door| objects::get(door, asked)).await
    }

    async fn list_objects(&mut self, query: wit::ObjectQuery) -> Answer<wit::ObjectPage> {
        self.through(KubernetesRead, |door| objects::list(door, query)).await
    }

    async fn now(&mut self) -> Answer<String> {
        // Tells nothing of any object: there is nothing to check, and nothing to put on record.
        self.through(KubernetesRead, async |door| {
            let now = door.now();
            Ok(convert::moment(now, now).at)
        })
        .await
    }

    async fn rollout_status(
        &mut self,
        cluster: Option<String>,
        kind: WorkloadKind,
        namespace: String,
        name: String,
    ) -> Answer<Rollout> {
        let workload = rollouts::Named { cluster, kind, namespace, name };
        self.through(KubernetesRead, |door| rollouts::status(door, workload)).await
    }
}

async fn list_pods(door: Door, query: ListQuery) -> Result<PodPage, Shut> {
    let kubernetes = door.scene.ports.kubernetes.clone();
    let fetch = |list| {
        let kubernetes = kubernetes.clone();
        async move { kubernetes.pods(&list).await }
    };
    let found = door.page(query, "Pod", |pod| &pod.name, fetch).await?;
    let now = door.now();
    let pods: Vec<Pod> = found.items.iter().map(|pod| convert::pod(pod, now)).collect();
    door.fits(convert::weight(&pods))?;
    Ok(PodPage { pods, continue_: found.next, remaining: found.remaining })
}

async fn get_pod(
    door: Door,
    cluster: Option<String>,
    place: String,
    name: String,
) -> Result<Pod, Shut> {
    let (cluster, place, name) = (door.cluster(cluster).await?, namespace(&place)?, object(&name)?);
    let target = Target {
        cluster: cluster.clone(),
        namespace: Some(place.clone()),
        kind: "Pod".into(),
        name: Some(name.to_string()),
    };
    door.check("get", &target).await?;
    let kubernetes = door.scene.ports.kubernetes.clone();
    let pod =
        door.port(&target, async move { kubernetes.pod(&cluster, &place, &name).await }).await?;
    Ok(convert::pod(&pod, door.now()))
}

async fn list_deployments(door: Door, query: ListQuery) -> Result<DeploymentPage, Shut> {
    let kubernetes = door.scene.ports.kubernetes.clone();
    let fetch = |list| {
        let kubernetes = kubernetes.clone();
        async move { kubernetes.deployments(&list).await }
    };
    let found = door.page(query, "Deployment", |d| &d.name, fetch).await?;
    let now = door.now();
    let deployments: Vec<_> = found.items.iter().map(|d| convert::deployment(d, now)).collect();
    let weight = |d: &wit::Deployment| {
        let images: usize = d.images.iter().map(String::len).sum();
        512 + images + convert::weight_of(&d.labels, &d.conditions)
    };
    door.fits(deployments.iter().map(weight).sum())?;
    Ok(DeploymentPage { deployments, continue_: found.next, remaining: found.remaining })
}

async fn list_nodes(door: Door, query: ListQuery) -> Result<NodePage, Shut> {
    let kubernetes = door.scene.ports.kubernetes.clone();
    let fetch = |list| {
        let kubernetes = kubernetes.clone();
        async move { kubernetes.nodes(&list).await }
    };
    let found = door.page(query, "Node", |node| &node.name, fetch).await?;
    let now = door.now();
    let nodes: Vec<_> = found.items.iter().map(|node| convert::node(node, now)).collect();
    let weight = |n: &wit::Node| 1_024 + convert::weight_of(&n.labels, &n.conditions);
    door.fits(nodes.iter().map(weight).sum())?;
    Ok(NodePage { nodes, continue_: found.next, remaining: found.remaining })
}

async fn list_namespaces(
    door: Door,
    cluster: Option<String>,
) -> Result<Vec<NamespaceRecord>, Shut> {
    let cluster = door.cluster(cluster).await?;
    let target =
        Target { cluster: cluster.clone(), namespace: None, kind: "Namespace".into(), name: None };
    door.check("list", &target).await?;
    let kubernetes = door.scene.ports.kubernetes.clone();
    let all = door.port(&target, async move { kubernetes.namespaces(&cluster).await }).await?;
    let names = &door.scope()?.names;
    let now = door.now();
    let mut granted = Vec::new();
    for namespace in &all {
        let found = || Target { name: Some(namespace.name.clone()), ..target.clone() };
        if names.contains(&namespace.name)
            && door.grants_namespace(&namespace.name)?
            && door.sees("list", found)
        {
            granted.push(convert::namespace(namespace, now));
        }
    }
    Ok(granted)
}
