//! Where pods go: which node takes one, and why none does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::clock::seconds;
use super::pods::{Scene, conditions, is_going, is_ready, kind_of, waiting};
use super::quantity::milli;
use super::store::{set, text};

/// The resources that a node can run out of.
const RESOURCES: &[&str] = &["cpu", "memory"];

impl Scene<'_> {
    /// Puts a pod on a node, or notes why no node will have it.
    pub(super) fn schedule(&mut self, pod: &Value) {
        let Some(kind) = kind_of("", "pods") else { return };
        let message = match self.node_for(pod) {
            Ok(node) => return self.assign(pod, &node),
            Err(message) => message,
        };
        let unschedulable = |condition: &Value| text(condition, "/message") == message;
        if super::pods::condition(pod, "PodScheduled").is_some_and(unschedulable) {
            return;
        }
        let mut pending = pod.clone();
        let condition = json!({
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": null,
            "lastTransitionTime": seconds(self.now),
        });
        set(&mut pending, &["status", "conditions"], json!([condition]));
        let pending = self.store.write(kind, pending);
        self.tell(&pending, true, "FailedScheduling", &message);
    }

    /// Binds a pod to a node, where its containers are about to be made.
    pub(super) fn assign(&mut self, pod: &Value, node: &str) {
        let Some(kind) = kind_of("", "pods") else { return };
        let (namespace, name) = (text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
        let at = seconds(self.now);
        let mut bound = pod.clone();
        let spec = pod.get("spec").cloned().unwrap_or_default();
        set(&mut bound, &["spec", "nodeName"], json!(node));
        set(&mut bound, &["status", "startTime"], json!(at));
        let conditions = conditions(&at, "False", "ContainersNotReady");
        set(&mut bound, &["status", "conditions"], conditions);
        let statuses = waiting(&spec, "ContainerCreating");
        set(&mut bound, &["status", "containerStatuses"], statuses);
        let bound = self.store.write(kind, bound);
        let message = format!("Successfully assigned {namespace}/{name} to {node}");
        self.tell(&bound, false, "Scheduled", &message);
    }

    /// The node with the fewest pods among those that take this one.
    fn node_for(&self, pod: &Value) -> Result<String, String> {
        let (Some(nodes), Some(pods)) = (kind_of("", "nodes"), kind_of("", "pods")) else {
            return Err(String::new());
        };
        let placed: Vec<&Value> = self
            .store
            .all(pods, None)
            .map(|(_, pod)| pod.as_ref())
            .filter(|pod| !is_going(pod) && is_running_or_will(pod))
            .collect();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        let mut best: Option<(usize, &str)> = None;
        let mut total = 0;
        for (_, node) in self.store.all(nodes, None) {
            total += 1;
            let name = text(node, "/metadata/name");
            let here: Vec<&Value> =
                placed.iter().copied().filter(|pod| text(pod, "/spec/nodeName") == name).collect();
            let refused = refusals(node, pod, &here);
            if refused.is_empty() && best.is_none_or(|(count, _)| here.len() < count) {
                best = Some((here.len(), name));
            }
            for reason in refused {
                *reasons.entry(reason).or_default() += 1;
            }
        }
        if let Some((_, name)) = best {
            return Ok(name.to_owned());
        }
        let mut reasons: Vec<String> =
            reasons.iter().map(|(reason, count)| format!("{count} {reason}")).collect();
        reasons.sort();
        let reasons = reasons.join(", ");
        if total == 0 {
            return Err("no nodes available to schedule pods".to_owned());
        }
        Err(format!(
            "0/{total} nodes are available: {reasons}. preemption: 0/{total} nodes are available: \
             {total} Preemption is not helpful for scheduling."
        ))
    }
}

fn is_running_or_will(pod: &Value) -> bool {
    !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Why a node does not take a pod, in the scheduler's words. The first filter that fails decides,
/// but lacking resources are all named.
fn refusals(node: &Value, pod: &Value, here: &[&Value]) -> Vec<String> {
    if node.pointer("/spec/unschedulable") == Some(&json!(true)) {
        return vec!["node(s) were unschedulable".to_owned()];
    }
    let taints = node.pointer("/spec/taints").and_then(Value::as_array);
    for taint in taints.into_iter().flatten() {
        if text(taint, "/effect") != "PreferNoSchedule" && !tolerates(pod, taint) {
            let (key, value) = (text(taint, "/key"), text(taint, "/value"));
            return vec![format!("node(s) had untolerated taint {{{key}: {value}}}")];
        }
    }
    if !is_ready(node) {
        return vec!["node(s) were not ready".to_owned()];
    }
    let wanted = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let labels = node.pointer("/metadata/labels");
    let fits = |(key, value): (&String, &Value)| labels.and_then(|l| l.get(key)) == Some(value);
    if !wanted.into_iter().flatten().all(fits) {
        return vec!["node(s) didn't match Pod's node affinity/selector".to_owned()];
    }
    RESOURCES
        .iter()
        .filter(|resource| {
            let room = milli(text(node, &format!("/status/allocatable/{resource}")));
            let wants = requested(pod, resource);
            let taken: i128 = here.iter().map(|pod| requested(pod, resource)).sum();
            // A scenario may leave its nodes' sizes out.
            wants > 0 && room > 0 && taken + wants > room
        })
        .map(|resource| format!("Insufficient {resource}"))
        .collect()
}

fn tolerates(pod: &Value, taint: &Value) -> bool {
    let tolerations = pod.pointer("/spec/tolerations").and_then(Value::as_array);
    tolerations.into_iter().flatten().any(|toleration| {
        let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
        let exists = text(toleration, "/operator") == "Exists";
        (effect.is_empty() || effect == text(taint, "/effect"))
            && (key == text(taint, "/key") || (key.is_empty() && exists))
            && (exists || text(toleration, "/value") == text(taint, "/value"))
    })
}

fn requested(pod: &Value, resource: &str) -> i128 {
    amount(pod, "requests", resource)
}

/// What a pod's containers ask for together; a limit stands for a request that is not stated.
pub(super) fn amount(pod: &Value, list: &str, resource: &str) -> i128 {
    let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
    let of = |container: &Value, list: &str| {
        milli(text(container, &format!("/resources/{list}/{resource}")))
    };
    containers
        .into_iter()
        .flatten()
        .map(|container| match of(container, list) {
            0 if list == "requests" => of(container, "limits"),
            some => some,
        })
        .sum()
}
