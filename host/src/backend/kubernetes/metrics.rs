//! The port `Metrics`: metrics.k8s.io/v1beta1, which another server serves behind the API server.

use async_trait::async_trait;
use jiff::Timestamp;
use kube::api::ListParams;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Clusters;
use super::about::About;
use super::ask::Failure;
use super::convert::text;
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{List, Page};
use crate::capability::metrics::{Metrics, NodeUsage, PodUsage, Usage};
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::quantity;

const ROOT: &str = "/apis/metrics.k8s.io/v1beta1";

/// Pods, or nodes, of one question: the server does not page, and Kubernetes itself is tested with
/// 150,000 pods, which are more than anybody looks at.
const USAGES_MAX: usize = 50_000;

/// Containers of a pod.
const CONTAINERS_MAX: usize = 100;

const ABSENT: &str = "the cluster serves no metrics: metrics.k8s.io is not there, or does not \
                      answer (metrics-server is what usually serves it)";

#[derive(Deserialize)]
struct Measured {
    metadata: Metadata,
    timestamp: Option<String>,
    #[serde(default)]
    window: String,
    #[serde(default)]
    containers: Vec<ContainerMeasured>,
    usage: Option<Amounts>,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    namespace: String,
}

#[derive(Deserialize)]
struct ContainerMeasured {
    name: String,
    usage: Amounts,
}

#[derive(Deserialize)]
struct Amounts {
    cpu: Option<String>,
    memory: Option<String>,
}

impl Amounts {
    fn usage(&self) -> Usage {
        Usage {
            cpu_m: self.cpu.as_deref().and_then(quantity::in_thousandths).unwrap_or(0),
            memory_bytes: self.memory.as_deref().and_then(quantity::in_units).unwrap_or(0),
        }
    }
}

#[async_trait]
impl Metrics for Clusters {
    /// The server gives all at once, so the pages are ours: a token is the last pod's name.
    async fn pod_usages(&self, list: &List) -> Result<Page<PodUsage>, CapabilityError> {
        let path = match list.namespace.as_ref().map(Namespace::as_str) {
            Some(namespace) => format!("{ROOT}/namespaces/{namespace}/pods"),
            None => format!("{ROOT}/pods"),
        };
        let labels = list.label_selector.clone();
        let mut usages = self.measured(&list.cluster, "pod", &path, labels, pod).await?;
        usages.sort_by_cached_key(key);
        if let Some(last) = &list.continue_token {
            usages.retain(|usage| key(usage) > *last);
        }
        let limit = usize::try_from(list.limit.max(1)).unwrap_or(usize::MAX);
        let rest = usages.len().saturating_sub(limit);
        usages.truncate(limit);
        let continue_token = if rest > 0 { usages.last().map(key) } else { None };
        Ok(Page { items: usages, continue_token, remaining: u64::try_from(rest).ok() })
    }

    async fn node_usages(&self, cluster: &ClusterName) -> Result<Vec<NodeUsage>, CapabilityError> {
        let path = format!("{ROOT}/nodes");
        let mut usages = self.measured(cluster, "node", &path, None, node).await?;
        usages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(usages)
    }
}

impl Clusters {
    async fn measured<T: Send>(
        &self,
        cluster: &ClusterName,
        kind: &'static str,
        path: &str,
        label_selector: Option<String>,
        convert: fn(&Measured) -> Option<T>,
    ) -> Result<Vec<T>, CapabilityError>
    where
        Measured: DeserializeOwned,
    {
        let params = ListParams { label_selector, ..ListParams::default() };
        let all = self.link(cluster)?.all_of(path, params, USAGES_MAX, convert).await;
        let all = match all {
            Ok(all) => all,
            Err(Failure::Answered(answer)) if matches!(answer.code, 404 | 503) => {
                let internal = answer.to_string();
                return Err(CapabilityError::Unavailable { caller: ABSENT, internal });
            }
            Err(failure) => return Err(About::list(kind, None).explain(failure)),
        };
        if all.truncated {
            return Err(CapabilityError::LimitExceeded(format!(
                "the cluster measures more than {USAGES_MAX} {kind}s; name a namespace"
            )));
        }
        Ok(all.items)
    }
}

/// A name holds no slash.
fn key(usage: &PodUsage) -> String {
    format!("{}/{}", usage.namespace, usage.name)
}

#[expect(clippy::unnecessary_wraps, reason = "what converts may leave something out")]
fn pod(measured: &Measured) -> Option<PodUsage> {
    let container = |c: &ContainerMeasured| (text::message(&c.name), c.usage.usage());
    Some(PodUsage {
        namespace: text::message(&measured.metadata.namespace),
        name: text::message(&measured.metadata.name),
        measured: time(measured),
        window_s: window_s(&measured.window),
        containers: measured.containers.iter().take(CONTAINERS_MAX).map(container).collect(),
    })
}

fn node(measured: &Measured) -> Option<NodeUsage> {
    Some(NodeUsage {
        name: text::message(&measured.metadata.name),
        measured: time(measured),
        window_s: window_s(&measured.window),
        usage: measured.usage.as_ref()?.usage(),
    })
}

fn time(measured: &Measured) -> Option<Timestamp> {
    measured.timestamp.as_deref()?.parse().ok()
}

/// `1m0.5s`, as Go writes durations, in seconds and rounded up; 0 for what is none.
fn window_s(text: &str) -> u32 {
    let mut rest = text;
    let mut milliseconds: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Some((number, behind)) = rest.split_at_checked(digits) else { return 0 };
        let letters = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let Some((unit, behind)) = behind.split_at_checked(letters) else { return 0 };
        let (Some(thousandths), Some((times, parts))) =
            (quantity::in_thousandths(number), of_second(unit))
        else {
            return 0;
        };
        milliseconds =
            milliseconds.saturating_add(thousandths.saturating_mul(times).div_ceil(parts));
        rest = behind;
    }
    u32::try_from(milliseconds.div_ceil(1_000)).unwrap_or(u32::MAX)
}

fn of_second(unit: &str) -> Option<(u64, u64)> {
    Some(match unit {
        "h" => (3_600, 1),
        "m" => (60, 1),
        "s" => (1, 1),
        "ms" => (1, 1_000),
        "us" | "µs" => (1, 1_000_000),
        "ns" => (1, 1_000_000_000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_windows_as_go_writes_them() {
        for (text, seconds) in [
            ("30s", 30),
            ("1m0s", 60),
            ("10.062s", 11),
            ("1h2m3.5s", 3_724),
            ("500ms", 1),
            ("20000000µs", 20),
            ("", 0),
            ("x", 0),
            ("30", 0),
            ("-1s", 0),
            ("99999999999999999999999999999999999h", u32::MAX),
        ] {
            assert_eq!(window_s(text), seconds, "{text}");
        }
    }
}
