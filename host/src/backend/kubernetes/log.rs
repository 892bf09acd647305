//! Reading a container's log, as it comes.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::LogParams;
use kube::client::Body;
use kube::core::Request;
use tokio::time::timeout;

use super::Clusters;
use super::about::About;
use super::ask::{Failure, next_chunk};
use crate::capability::CapabilityError;
use crate::capability::logs::{LogPieces, LogQuery, OpenLog};
use crate::domain::name::{Namespace, ObjectName};

/// By which a pod says which of its containers is meant.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Containers that an error names.
const NAMED_MAX: usize = 20;

impl Clusters {
    pub(super) async fn open(&self, query: &LogQuery) -> Result<OpenLog, CapabilityError> {
        let about = About::object("pod", Some(query.namespace.as_str()), query.pod.as_str());
        let container = match &query.container {
            Some(container) => container.as_str().to_owned(),
            None => container_of(&self.get::<Pod>(&query.cluster, &about).await?)?,
        };
        // The server's own bound of bytes is of no use: it keeps the oldest.
        let params = LogParams {
            container: Some(container.clone()),
            follow: query.follow,
            previous: query.previous,
            since_seconds: query.since_s.map(i64::from),
            tail_lines: query.tail_lines.map(i64::from),
            timestamps: query.timestamps,
            ..LogParams::default()
        };
        let request = Request::new(Pod::url_path(&(), about.namespace))
            .logs(query.pod.as_str(), &params)
            .map_err(|error| about.explain(Failure::Unsendable(error.to_string())))?;
        let link = self.link(&query.cluster)?;
        let body = link.open(request).await.map_err(|failure| about.explain(failure))?;
        let pieces = Pieces {
            body: Some(body),
            namespace: query.namespace.clone(),
            pod: query.pod.clone(),
            waits_for_lines: query.follow,
            deadline: link.deadline,
        };
        Ok(OpenLog { container, pieces: Box::new(pieces) })
    }
}

/// A log's body. A failure ends it.
struct Pieces {
    body: Option<Body>,
    namespace: Namespace,
    pod: ObjectName,
    /// Silence is no failure where new lines are waited for.
    waits_for_lines: bool,
    /// Of each piece.
    deadline: Duration,
}

#[async_trait]
impl LogPieces for Pieces {
    async fn next(&mut self) -> Option<Result<Bytes, CapabilityError>> {
        let body = self.body.as_mut()?;
        let piece = if self.waits_for_lines {
            next_chunk(body).await
        } else {
            let in_time = timeout(self.deadline, next_chunk(body)).await;
            in_time.unwrap_or(Some(Err(Failure::TimedOut(self.deadline))))
        };
        match piece? {
            Ok(bytes) => Some(Ok(bytes)),
            Err(failure) => {
                self.body = None;
                let about = About::object("pod", Some(self.namespace.as_str()), self.pod.as_str());
                Some(Err(about.explain(failure)))
            }
        }
    }
}

/// The container that `kubectl logs` would read.
fn container_of(pod: &Pod) -> Result<String, CapabilityError> {
    let spec = pod.spec.as_ref();
    let names: Vec<&str> = spec
        .map(|spec| spec.containers.as_slice())
        .unwrap_or_default()
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let init: Vec<&str> = spec
        .and_then(|spec| spec.init_containers.as_deref())
        .unwrap_or_default()
        .iter()
        .map(|container| container.name.as_str())
        .collect();
    let default = pod.metadata.annotations.as_ref().and_then(|a| a.get(DEFAULT_CONTAINER));
    if let Some(default) = default
        && names.iter().chain(&init).any(|name| name == default)
    {
        return Ok(default.clone());
    }
    if let [only] = names.as_slice() {
        return Ok((*only).to_owned());
    }
    let mut said = format!("the pod has {} containers, name one: {}", names.len(), list(&names));
    if !init.is_empty() {
        said.push_str("; or an init container: ");
        said.push_str(&list(&init));
    }
    Err(CapabilityError::InvalidArgument(super::convert::text::one_line(&said)))
}

fn list(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::convert::object;
    use super::*;

    #[test]
    fn chooses_the_container_as_kubectl_does() {
        let one = json!({ "containers": [{ "name": "a" }], "initContainers": [{ "name": "i" }] });
        let two = json!({ "containers": [{ "name": "a" }, { "name": "b" }],
                          "initContainers": [{ "name": "i" }] });
        let annotated = |default: &str| json!({ "annotations": { DEFAULT_CONTAINER: default } });
        let several = "the pod has 2 containers, name one: `a`, `b`; or an init container: `i`";
        for (metadata, spec, expected) in [
            (json!({}), &one, Ok("a")),
            (annotated("b"), &two, Ok("b")),
            (annotated("i"), &two, Ok("i")),
            (annotated("gone"), &one, Ok("a")),
            (annotated("gone"), &two, Err(several)),
            (json!({}), &two, Err(several)),
        ] {
            let chosen = container_of(&object(json!({ "metadata": metadata, "spec": spec })));
            let chosen = chosen.map_err(|error| error.to_string());
            assert_eq!(chosen.as_deref().map_err(String::as_str), expected, "{metadata}");
        }
    }
}
