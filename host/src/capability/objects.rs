//! Reading objects of any kind.
//!
//! What comes through this port is as the API server has it, secrets included: only the doors in
//! front of it make it safe, and they must.

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value;

use super::error::CapabilityError;
use super::kubernetes::{List, Page};
use crate::domain::kind::AskedKind;
use crate::domain::name::{ClusterName, Namespace, ObjectName};

/// A kind, as a cluster serves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedKind {
    /// The name in grants and records: `Deployment`, `Certificate.cert-manager.io`.
    pub canonical: Cow<'static, str>,
    /// `Certificate`
    pub kind: String,
    /// Empty for the core.
    pub group: String,
    /// `v1`
    pub version: String,
    /// `certificates`
    pub plural: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
}

impl ServedKind {
    /// `v1`, `apps/v1`
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }
}

/// Reads objects of any kind.
#[async_trait]
pub trait Objects: Send + Sync + 'static {
    /// What the cluster serves under a name.
    async fn served(
        &self,
        cluster: &ClusterName,
        asked: &AskedKind,
    ) -> Result<ServedKind, CapabilityError>;

    /// One object, less its managed fields.
    async fn object(
        &self,
        cluster: &ClusterName,
        kind: &ServedKind,
        namespace: Option<&Namespace>,
        name: &ObjectName,
    ) -> Result<Value, CapabilityError>;

    /// One page of objects, less their managed fields.
    async fn objects(
        &self,
        kind: &ServedKind,
        list: &List,
        field_selector: Option<&str>,
    ) -> Result<Page<Value>, CapabilityError>;
}
