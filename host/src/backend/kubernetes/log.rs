//! Reading a container's log: the newest lines, within a bound of bytes.

use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use kube::api::LogParams;
use kube::core::Request;

use super::Clusters;
use super::about::About;
use super::ask::{Failure, Take};
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{LogQuery, RawLog};

/// By which a pod says which of its containers is meant.
const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";

/// Containers that an error names.
const NAMED_MAX: usize = 20;

impl Clusters {
    pub(super) async fn read_log(&self, query: &LogQuery) -> Result<RawLog, CapabilityError> {
        let about = About::object("pod", Some(query.namespace.as_str()), query.pod.as_str());
        let container = match &query.container {
            Some(container) => container.as_str().to_owned(),
            None => container_of(&self.get::<Pod>(&query.cluster, &about).await?)?,
        };
        // One line more than wanted tells whether there is more. The server's own bound of bytes
        // is of no use: it keeps the oldest.
        let params = LogParams {
            container: Some(container.clone()),
            previous: query.previous,
            since_seconds: query.since_s.map(i64::from),
            tail_lines: Some(i64::from(query.tail_lines) + 1),
            timestamps: query.timestamps,
            ..LogParams::default()
        };
        let request = Request::new(Pod::url_path(&(), about.namespace))
            .logs(query.pod.as_str(), &params)
            .map_err(|error| about.explain(Failure::Unsendable(error.to_string())))?;
        let taken = self
            .link(&query.cluster)?
            .read(request, Take::Newest(query.bytes_max))
            .await
            .map_err(|failure| about.explain(failure))?;
        let mut bytes = taken.bytes;
        if taken.cut {
            drop_broken_line(&mut bytes);
        }
        let is_tailed = keep_lines(&mut bytes, query.tail_lines as usize);
        Ok(RawLog { container, bytes, truncated: taken.cut || is_tailed })
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

/// Drops what is left of a line whose beginning was cut off, unless there is nothing else.
fn drop_broken_line(bytes: &mut Vec<u8>) {
    let next = bytes.iter().position(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    if next < bytes.len() {
        bytes.drain(..next);
    }
}

/// Keeps the last lines; true where there were more.
fn keep_lines(bytes: &mut Vec<u8>, lines_max: usize) -> bool {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1);
    let mut starts: Vec<usize> = std::iter::once(0).chain(ends).collect();
    // What ends the last line starts none.
    if starts.last() == Some(&bytes.len()) {
        starts.pop();
    }
    let excess = starts.len().saturating_sub(lines_max);
    if excess == 0 {
        return false;
    }
    let keep_from = starts.get(excess).copied().unwrap_or(bytes.len());
    bytes.drain(..keep_from);
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::convert::object;
    use super::*;

    #[test]
    fn keeps_the_last_lines() {
        for (text, lines_max, expected, truncated) in [
            ("", 2, "", false),
            ("a\n", 2, "a\n", false),
            ("a\nb", 2, "a\nb", false),
            ("a\nb\n", 2, "a\nb\n", false),
            ("a\nb\nc\n", 2, "b\nc\n", true),
            ("a\nb\nc", 2, "b\nc", true),
            ("\n\n\n", 2, "\n\n", true),
            ("a\n", 0, "", true),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            assert_eq!(keep_lines(&mut bytes, lines_max), truncated, "{text:?}");
            assert_eq!(bytes, expected.as_bytes(), "{text:?}");
        }
    }

    #[test]
    fn drops_a_broken_line_unless_it_is_all_there_is() {
        for (text, expected) in [("oken\nb\n", "b\n"), ("oken\n", "oken\n"), ("oken", "oken")] {
            let mut bytes = text.as_bytes().to_vec();
            drop_broken_line(&mut bytes);
            assert_eq!(bytes, expected.as_bytes());
        }
    }

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
