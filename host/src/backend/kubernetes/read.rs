//! The port `Kubernetes`.

use async_trait::async_trait;
use k8s_openapi::api::{apps, core};
use kube::Resource;
use kube::api::ListParams;
use serde::de::DeserializeOwned;

use super::about::About;
use super::ask::Failure;
use super::fetch::Chunk;
use super::workload::{self, Workload};
use super::{Clusters, convert};
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{
    Deployment, EVENTS_MAX, EventQuery, Events, Kubernetes, List, NamespaceState, Node, Page, Pod,
    Rollout,
};
use crate::capability::logs::{LogQuery, OpenLog};
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::write::WorkloadRef;

/// More namespaces than the largest clusters that Kubernetes is tested with have.
const NAMESPACES_MAX: usize = 10_000;

/// A page token of the API server is a few hundred bytes.
const CONTINUE_BYTES_MAX: usize = 4_096;

#[async_trait]
impl Kubernetes for Clusters {
    async fn pods(&self, list: &List) -> Result<Page<Pod>, CapabilityError> {
        let about = About::list("pod", namespace_of(list));
        self.list::<core::v1::Pod, _>(&about, list, convert::pod::pod).await
    }

    async fn pod(
        &self,
        cluster: &ClusterName,
        namespace: &Namespace,
        name: &ObjectName,
    ) -> Result<Pod, CapabilityError> {
        let about = About::object("pod", Some(namespace.as_str()), name.as_str());
        let pod = self.get::<core::v1::Pod>(cluster, &about).await?;
        Ok(convert::pod::pod(&pod))
    }

    async fn deployments(&self, list: &List) -> Result<Page<Deployment>, CapabilityError> {
        let about = About::list("deployment", namespace_of(list));
        self.list::<apps::v1::Deployment, _>(&about, list, convert::deployment::deployment).await
    }

    async fn nodes(&self, list: &List) -> Result<Page<Node>, CapabilityError> {
        self.list::<core::v1::Node, _>(&About::list("node", None), list, convert::node::node).await
    }

    async fn namespaces(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<NamespaceState>, CapabilityError> {
        let about = About::list("namespace", None);
        let all = self
            .link(cluster)?
            .all(&about, ListParams::default(), NAMESPACES_MAX, |namespace| {
                Some(convert::namespace(namespace))
            })
            .await
            .map_err(|failure| about.explain(failure))?;
        if all.truncated {
            return Err(CapabilityError::LimitExceeded(format!(
                "the cluster has more than {NAMESPACES_MAX} namespaces; name one"
            )));
        }
        let mut namespaces = all.items;
        namespaces.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(namespaces)
    }

    async fn namespace(
        &self,
        cluster: &ClusterName,
        name: &Namespace,
    ) -> Result<NamespaceState, CapabilityError> {
        let about = About::object("namespace", None, name.as_str());
        let namespace = self.get::<core::v1::Namespace>(cluster, &about).await?;
        Ok(convert::namespace(&namespace))
    }

    async fn rollout(&self, target: &WorkloadRef) -> Result<Rollout, CapabilityError> {
        let taken = self.link(&target.cluster)?.workload(target).await;
        taken
            .and_then(|taken| Workload::decode(target.kind, &taken))
            .map(|workload| workload.rollout())
            .map_err(|failure| workload::about(target).explain(failure))
    }

    async fn pod_selector(&self, target: &WorkloadRef) -> Result<String, CapabilityError> {
        let taken = self.link(&target.cluster)?.workload(target).await;
        let workload = taken
            .and_then(|taken| Workload::decode(target.kind, &taken))
            .map_err(|failure| workload::about(target).explain(failure))?;
        let selector = workload.selector().map(convert::deployment::selector).unwrap_or_default();
        if selector.is_empty() {
            // To a list it would mean every pod of the namespace.
            let why = "a workload without a selector that can be read".to_owned();
            return Err(workload::about(target).explain(Failure::Garbage(why)));
        }
        Ok(selector)
    }

    async fn open_log(&self, query: &LogQuery) -> Result<OpenLog, CapabilityError> {
        self.open(query).await
    }

    async fn events(&self, query: &EventQuery) -> Result<Events, CapabilityError> {
        let about = About::list("event", query.namespace.as_ref().map(Namespace::as_str));
        let params = ListParams { field_selector: event_fields(query)?, ..ListParams::default() };
        let all = self
            .link(&query.cluster)?
            .all(&about, params, EVENTS_MAX, |event| Some(convert::event::event(event)))
            .await
            .map_err(|failure| about.explain(failure))?;
        Ok(Events { events: all.items, truncated: all.truncated })
    }
}

impl Clusters {
    pub(super) async fn get<K>(
        &self,
        cluster: &ClusterName,
        about: &About<'_>,
    ) -> Result<K, CapabilityError>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let taken = self.link(cluster)?.object::<K>(about).await;
        taken.and_then(|taken| taken.decode()).map_err(|failure| about.explain(failure))
    }

    async fn list<K, T>(
        &self,
        about: &About<'_>,
        list: &List,
        convert: fn(&K) -> T,
    ) -> Result<Page<T>, CapabilityError>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let params = list_params(list)?;
        let chunk = self
            .link(&list.cluster)?
            .page::<K>(about, &params)
            .await
            .map_err(|failure| about.explain(failure))?;
        let chunk = checked(chunk, list.limit.max(1))?;
        Ok(Page {
            items: chunk.items.iter().map(convert).collect(),
            continue_token: chunk.continue_token,
            remaining: chunk.remaining,
        })
    }
}

/// What the API server is asked.
pub(super) fn list_params(list: &List) -> Result<ListParams, CapabilityError> {
    if list.continue_token.as_ref().is_some_and(|token| token.len() > CONTINUE_BYTES_MAX) {
        return Err(CapabilityError::InvalidArgument(format!(
            "the page token is longer than {CONTINUE_BYTES_MAX} bytes"
        )));
    }
    Ok(ListParams {
        label_selector: list.label_selector.clone(),
        // To the API server a limit of 0 means no limit.
        limit: Some(list.limit.max(1)),
        continue_token: list.continue_token.clone(),
        ..ListParams::default()
    })
}

/// The page, if the server kept to what it was asked.
pub(super) fn checked<K>(chunk: Chunk<K>, limit: u32) -> Result<Chunk<K>, CapabilityError> {
    if chunk.items.len() > limit as usize {
        return Err(CapabilityError::LimitExceeded(format!(
            "the cluster does not page its answers and gave more than {limit} objects; narrow the \
             list by namespace or by label selector"
        )));
    }
    Ok(chunk)
}

fn namespace_of(list: &List) -> Option<&str> {
    list.namespace.as_ref().map(Namespace::as_str)
}

/// The filter that the API server applies, so that ten thousand events of others are not carried
/// here to be thrown away.
fn event_fields(query: &EventQuery) -> Result<Option<String>, CapabilityError> {
    let mut fields = Vec::new();
    if let Some(kind) = &query.involved_kind {
        // A comma here would be a second filter.
        let is_kind =
            (1..=63).contains(&kind.len()) && kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !is_kind {
            return Err(CapabilityError::InvalidArgument(
                "a kind is written in 1 to 63 letters and digits, like `Pod`".to_owned(),
            ));
        }
        fields.push(format!("involvedObject.kind={kind}"));
    }
    if let Some(name) = &query.involved_name {
        fields.push(format!("involvedObject.name={name}"));
    }
    if query.warnings_only {
        fields.push("type!=Normal".to_owned());
    }
    Ok((!fields.is_empty()).then(|| fields.join(",")))
}
