//! A backend that answers at once: whatever time a call takes with it, Toolgate took.

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::Value;
use toolgate::capability::access::{Access, Permission, Question};
use toolgate::capability::history::{History, Revision};
use toolgate::capability::kubernetes::{
    Deployment, EventQuery, Events, Kubernetes, List, NamespaceState, Node, Page, Pod, Rollout,
    RolloutState,
};
use toolgate::capability::logs::{LogQuery, OpenLog};
use toolgate::capability::metrics::{Metrics, NodeUsage, PodUsage};
use toolgate::capability::objects::{Objects, ServedKind};
use toolgate::capability::writes::{WriteOutcome, WriteRequest, WriteRequests};
use toolgate::capability::{CapabilityError, Progress};
use toolgate::domain::kind::AskedKind;
use toolgate::domain::name::{ApprovalId, ClusterName, Namespace, ObjectName};
use toolgate::domain::write::{Plan, WorkloadRef};

/// Lines of the log that it has.
pub(crate) const LINES: usize = 20;

/// Has one log and nothing else.
pub(crate) struct Instantly {
    log: Bytes,
}

impl Instantly {
    pub(crate) fn new() -> Self {
        let line = |n: usize| {
            format!(
                "2026-11-21T02:13:{n:02}.123456789Z level=info msg=\"order placed\" order={n} \
                 items=3 took=41ms\n"
            )
        };
        let bytes = (0..LINES).map(line).collect::<String>();
        Self { log: bytes.into() }
    }
}

fn nothing<T>() -> Result<T, CapabilityError> {
    Err(CapabilityError::NotFound("this backend has a log and nothing else".to_owned()))
}

#[async_trait]
impl Kubernetes for Instantly {
    async fn pods(&self, _: &List) -> Result<Page<Pod>, CapabilityError> {
        nothing()
    }

    async fn pod(
        &self,
        _: &ClusterName,
        _: &Namespace,
        _: &ObjectName,
    ) -> Result<Pod, CapabilityError> {
        nothing()
    }

    async fn deployments(&self, _: &List) -> Result<Page<Deployment>, CapabilityError> {
        nothing()
    }

    async fn nodes(&self, _: &List) -> Result<Page<Node>, CapabilityError> {
        nothing()
    }

    async fn namespaces(&self, _: &ClusterName) -> Result<Vec<NamespaceState>, CapabilityError> {
        nothing()
    }

    async fn namespace(
        &self,
        _: &ClusterName,
        _: &Namespace,
    ) -> Result<NamespaceState, CapabilityError> {
        nothing()
    }

    async fn rollout(&self, _: &WorkloadRef) -> Result<Rollout, CapabilityError> {
        nothing()
    }

    async fn pod_selector(&self, _: &WorkloadRef) -> Result<String, CapabilityError> {
        nothing()
    }

    async fn open_log(&self, _: &LogQuery) -> Result<OpenLog, CapabilityError> {
        let pieces = Box::new(vec![self.log.clone()].into_iter());
        Ok(OpenLog { container: "app".to_owned(), pieces })
    }

    async fn events(&self, _: &EventQuery) -> Result<Events, CapabilityError> {
        nothing()
    }
}

#[async_trait]
impl Objects for Instantly {
    async fn served(&self, _: &ClusterName, _: &AskedKind) -> Result<ServedKind, CapabilityError> {
        nothing()
    }

    async fn object(
        &self,
        _: &ClusterName,
        _: &ServedKind,
        _: Option<&Namespace>,
        _: &ObjectName,
    ) -> Result<Value, CapabilityError> {
        nothing()
    }

    async fn objects(
        &self,
        _: &ServedKind,
        _: &List,
        _: Option<&str>,
    ) -> Result<Page<Value>, CapabilityError> {
        nothing()
    }
}

#[async_trait]
impl History for Instantly {
    async fn revisions(&self, _: &WorkloadRef) -> Result<Vec<Revision>, CapabilityError> {
        nothing()
    }
}

#[async_trait]
impl Metrics for Instantly {
    async fn pod_usages(&self, _: &List) -> Result<Page<PodUsage>, CapabilityError> {
        nothing()
    }

    async fn node_usages(&self, _: &ClusterName) -> Result<Vec<NodeUsage>, CapabilityError> {
        nothing()
    }
}

#[async_trait]
impl WriteRequests for Instantly {
    async fn request(&self, _: WriteRequest) -> Result<WriteOutcome, CapabilityError> {
        nothing()
    }

    async fn progress(&self, _: &WriteRequest, _: &Plan, _: Option<&ApprovalId>) -> Progress {
        Progress { state: RolloutState::Complete, message: String::new(), rollout: None }
    }
}

#[async_trait]
impl Access for Instantly {
    async fn check(&self, _question: &Question) -> Option<Vec<Permission>> {
        None
    }
}
