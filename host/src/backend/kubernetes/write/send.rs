//! A write as an HTTP request. The trial and the execution differ in nothing but `dryRun` and the
//! version that they hold for.

use http::{Method, Request, header};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::Resource;
use serde_json::{Value, json};

use super::super::ask::Failure;
use super::super::workload;
use super::Identity;
use crate::domain::write::{Body, Verb, WriteTarget};

/// Under this name the API server records who changed a field.
const FIELD_MANAGER: &str = "toolgate";

const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// The `scale` subresource is the same for every kind that has it, so its form is, too.
const MERGE: &str = "application/merge-patch+json";

/// What is sent.
pub(super) struct Sent<'a> {
    pub(super) verb: Verb,
    pub(super) target: &'a WriteTarget,
    pub(super) body: &'a Body,
    pub(super) dry_run: bool,
}

impl Sent<'_> {
    /// The request, which holds only for the object that was read, in the version that was read.
    pub(super) fn request(&self, identity: &Identity) -> Result<Request<Vec<u8>>, Failure> {
        let Identity { uid, resource_version, .. } = identity;
        let unsendable = |why: &dyn std::fmt::Display| Failure::Unsendable(why.to_string());
        let mut body: Value =
            serde_json::from_str(self.body.as_str()).map_err(|error| unsendable(&error))?;
        let held = json!({ "uid": uid, "resourceVersion": resource_version });
        let (method, form, subresource) = match self.verb {
            Verb::Delete => (Method::DELETE, "application/json", ""),
            Verb::Scale { .. } => (Method::PATCH, MERGE, "/scale"),
            Verb::Restart
            | Verb::Rollback { .. }
            | Verb::Pause
            | Verb::Resume
            | Verb::Cordon
            | Verb::Uncordon => (Method::PATCH, STRATEGIC, ""),
        };
        let Value::Object(fields) = &mut body else {
            return Err(unsendable(&"a body that is no object"));
        };
        let mut query = Vec::new();
        if self.dry_run {
            query.push("dryRun=All".to_owned());
        }
        if method == Method::DELETE {
            fields.insert("preconditions".to_owned(), held);
            if self.dry_run {
                // With a body the API server reads nothing else; in the address it is for its log.
                fields.insert("dryRun".to_owned(), json!(["All"]));
            }
        } else {
            let metadata = fields.entry("metadata").or_insert_with(|| json!({}));
            let Value::Object(metadata) = metadata else {
                return Err(unsendable(&"metadata that is no object"));
            };
            metadata.insert("uid".to_owned(), json!(uid));
            metadata.insert("resourceVersion".to_owned(), json!(resource_version));
            query.push(format!("fieldManager={FIELD_MANAGER}"));
        }
        let place = match self.target {
            WriteTarget::Workload(workload) => workload::url_path(workload),
            WriteTarget::Pod { namespace, .. } => Pod::url_path(&(), Some(namespace.as_str())),
            WriteTarget::Node { .. } => Node::url_path(&(), None),
        };
        let name = self.target.name();
        let mark = if query.is_empty() { "" } else { "?" };
        Request::builder()
            .method(method)
            .uri(format!("{place}/{name}{subresource}{mark}{}", query.join("&")))
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, form)
            .body(body.to_string().into_bytes())
            .map_err(|error| unsendable(&error))
    }
}
