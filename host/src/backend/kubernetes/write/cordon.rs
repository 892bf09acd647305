//! Keeping new pods away from a node, and letting them in again.

use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use serde_json::json;

use super::super::about::About;
use super::super::connect::Link;
use super::{Seen, diff, fetch, try_out};
use crate::capability::CapabilityError;
use crate::domain::name::ObjectName;
use crate::domain::write::{Body, Plan, Verb, WriteTarget};

/// More nodes than the largest clusters that Kubernetes is tested with have.
const NODES_MAX: usize = 5_000;

/// Nodes in one answer: with their images and conditions they are large objects.
const NODES_CHUNK: u32 = 100;

pub(super) async fn plan(
    link: &Link,
    verb: Verb,
    target: &WriteTarget,
    name: &ObjectName,
) -> Result<Plan, CapabilityError> {
    let about = About::object("node", None, name.as_str());
    let explain = |failure| about.explain(failure);
    let taken = fetch(link, target).await.map_err(explain)?;
    let Seen { object: before, identity } = Seen::of(target, &taken).map_err(explain)?;
    // `null` takes the field away, which is how a node that takes pods is stored.
    let unschedulable = (verb == Verb::Cordon).then_some(true);
    let body = Body::new(&json!({ "spec": { "unschedulable": unschedulable } }).to_string());
    let after = try_out(link, verb, target, &body, &identity).await.map_err(explain)?;
    let diff = diff::diff(verb, &before, &after);
    let mut warnings = Vec::new();
    if verb == Verb::Cordon {
        warnings.extend(others(link, name).await);
    }
    warnings.extend(diff.warnings);
    Ok(Plan {
        verb,
        target: target.clone(),
        uid: identity.uid,
        version: identity.version,
        changes: diff.changes,
        pods: Vec::new(),
        pods_total: 0,
        replicas_left: None,
        budgets: Vec::new(),
        warnings,
        owner: None,
        body,
    })
}

/// Whether some other node takes pods.
async fn others(link: &Link, name: &ObjectName) -> Option<String> {
    let about = About::list("node", None);
    let params = ListParams::default().limit(NODES_CHUNK);
    let takes_pods = |node: &Node| {
        let is_other = node.metadata.name.as_deref() != Some(name.as_str());
        (is_other && takes_pods(node)).then_some(())
    };
    match link.all(&about, params, NODES_MAX, takes_pods).await {
        Ok(all) if all.items.is_empty() && !all.truncated => Some(
            "no other node takes ordinary pods now: pods that end have nowhere to go".to_owned(),
        ),
        Ok(_) => None,
        Err(failure) => {
            tracing::debug!(failure = %about.explain(failure), "no other nodes");
            Some("whether another node takes pods could not be read".to_owned())
        }
    }
}

/// Ready, open, and without a taint that ordinary pods do not tolerate.
fn takes_pods(node: &Node) -> bool {
    let spec = node.spec.as_ref();
    let conditions = node.status.as_ref().and_then(|status| status.conditions.as_deref());
    let is_ready = conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    let is_closed = spec.is_some_and(|spec| spec.unschedulable == Some(true));
    let is_tainted = spec.is_some_and(|spec| {
        spec.taints
            .iter()
            .flatten()
            .any(|t| matches!(t.effect.as_str(), "NoSchedule" | "NoExecute"))
    });
    is_ready && !is_closed && !is_tainted
}
