use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::clock::{micros, seconds};
use super::defaults::fill_pod_spec;
use super::identity;
use super::registry::{Kind, find};
use super::scenario::Outcome;
use super::store::{Store, number, set, text};

/// What a controller works on: the objects and the time at which it does so.
pub(super) struct Scene<'a> {
    pub(super) store: &'a mut Store,
    pub(super) now: Timestamp,
    /// Whether what happens is told in events; what lies further back than an hour is not.
    pub(super) tells: bool,
    /// What the pods of this workload come to, unless their image decides it.
    pub(super) outcome: Outcome,
    /// What the pods with an image come to.
    pub(super) images: &'a BTreeMap<String, Outcome>,
}

/// What a new pod is made from.
pub(super) struct Mould<'a> {
    /// The object that will own the pod.
    pub(super) owner: &'a Value,
    pub(super) template: &'a Value,
    pub(super) name: String,
    /// Labels beyond the template's.
    pub(super) labels: Vec<(&'static str, String)>,
    /// The node to run on, where the owner decides it.
    pub(super) node: Option<String>,
}

pub(super) fn kind_of(group: &str, plural: &str) -> Option<&'static Kind> {
    find(group, "v1", plural)
}

pub(super) fn is_going(object: &Value) -> bool {
    object.pointer("/metadata/deletionTimestamp").is_some()
}

/// Whether all of a pod's containers have ended for good.
pub(super) fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

pub(super) fn is_ready(pod: &Value) -> bool {
    condition(pod, "Ready").is_some_and(|ready| text(ready, "/status") == "True")
}

pub(super) fn condition<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array)?;
    conditions.iter().find(|condition| text(condition, "/type") == name)
}

/// The objects of a kind that `owner` controls.
pub(super) fn owned(store: &Store, kind: &'static Kind, owner: &Value) -> Vec<Arc<Value>> {
    let uid = text(owner, "/metadata/uid");
    store
        .all(kind, Some(text(owner, "/metadata/namespace")))
        .map(|(_, object)| object)
        .filter(|object| text(object, "/metadata/ownerReferences/0/uid") == uid)
        .cloned()
        .collect()
}

pub(super) fn owner_reference(owner: &Value) -> Value {
    json!([{
        "apiVersion": text(owner, "/apiVersion"),
        "kind": text(owner, "/kind"),
        "name": text(owner, "/metadata/name"),
        "uid": text(owner, "/metadata/uid"),
        "controller": true,
        "blockOwnerDeletion": true,
    }])
}

impl Scene<'_> {
    /// Tells an event about an object.
    pub(super) fn tell(&mut self, about: &Value, warning: bool, reason: &str, message: &str) {
        self.record(about, warning, (reason, message), 1);
    }

    /// Tells a warning about a pod that has by now happened so many times.
    pub(super) fn tell_times(&mut self, about: &Value, reason: &str, message: &str, times: u64) {
        if times > 0 {
            self.record(about, true, (reason, message), times);
        }
    }

    /// Writes an event, or counts on one that says the same.
    fn record(
        &mut self,
        about: &Value,
        warning: bool,
        (reason, message): (&str, &str),
        times: u64,
    ) {
        let Some(kind) = kind_of("", "events").filter(|_| self.tells) else { return };
        let name = text(about, "/metadata/name");
        let namespace = match text(about, "/metadata/namespace") {
            "" => "default",
            namespace => namespace,
        };
        let component = match (text(about, "/kind"), reason) {
            ("Pod", "Scheduled" | "FailedScheduling") => "default-scheduler",
            ("Pod", _) => "kubelet",
            ("ReplicaSet", _) => "replicaset-controller",
            ("StatefulSet", _) => "statefulset-controller",
            ("DaemonSet", _) => "daemonset-controller",
            ("Node", _) => "node-controller",
            _ => "deployment-controller",
        };
        let id = identity::hex(&[text(about, "/metadata/uid"), reason, message]);
        let event = format!("{name}.{}", id.get(..16).unwrap_or(&id));
        let modern = component == "default-scheduler";
        let mut source = json!({ "component": component });
        if component == "kubelet" {
            set(&mut source, &["host"], json!(text(about, "/spec/nodeName")));
        }
        let at = json!(seconds(self.now));
        if let Some(known) = self.store.read(kind, namespace, &event) {
            let mut again = (*known).clone();
            let counted = |pointer: &str| number(&known, pointer).unwrap_or(1).unsigned_abs();
            if modern {
                let series = json!({
                    "count": counted("/series/count") + 1,
                    "lastObservedTime": micros(self.now),
                });
                set(&mut again, &["series"], series);
            } else {
                let count = if times > 1 { times } else { counted("/count") + 1 };
                set(&mut again, &["count"], json!(count));
                set(&mut again, &["lastTimestamp"], at);
            }
            self.store.write_changed(kind, again);
            return;
        }
        let object = json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": event,
                "namespace": namespace,
                "uid": identity::uid(&["events", namespace, &event]),
                "creationTimestamp": at,
            },
            "involvedObject": {
                "apiVersion": text(about, "/apiVersion"),
                "kind": text(about, "/kind"),
                "name": name,
                "namespace": text(about, "/metadata/namespace"),
                "uid": text(about, "/metadata/uid"),
                "resourceVersion": text(about, "/metadata/resourceVersion"),
            },
            "reason": reason,
            "message": message,
            "type": if warning { "Warning" } else { "Normal" },
            // The scheduler writes through the newer API, which leaves the older times empty.
            "source": if modern { json!({}) } else { source },
            "firstTimestamp": if modern { Value::Null } else { at.clone() },
            "lastTimestamp": if modern { Value::Null } else { at },
            "count": if modern { Value::Null } else { json!(times) },
            "eventTime": if modern { json!(micros(self.now)) } else { Value::Null },
            "action": if modern { json!(if warning { "Scheduling" } else { "Binding" }) } else { Value::Null },
            "reportingComponent": component,
            "reportingInstance": if modern { json!("default-scheduler-cp-1") } else { json!("") },
        });
        self.store.write(kind, object);
    }

    /// Creates a pod, scheduled and waiting for its containers.
    pub(super) fn create_pod(&mut self, mould: &Mould<'_>) {
        let Some(kind) = kind_of("", "pods") else { return };
        let namespace = text(mould.owner, "/metadata/namespace");
        let version = self.store.version().to_string();
        let mut metadata = mould.template.get("metadata").cloned().unwrap_or(json!({}));
        for (label, value) in &mould.labels {
            set(&mut metadata, &["labels", label], json!(value));
        }
        let generated = mould.name.rsplit_once('-').map_or("", |(stem, _)| stem);
        for (field, value) in [
            ("name", json!(mould.name)),
            ("generateName", json!(format!("{generated}-"))),
            ("namespace", json!(namespace)),
            ("uid", json!(identity::uid(&["pods", namespace, &mould.name, &version]))),
            ("creationTimestamp", json!(seconds(self.now))),
            ("ownerReferences", owner_reference(mould.owner)),
        ] {
            set(&mut metadata, &[field], value);
        }
        let spec = mould.template.get("spec").cloned().unwrap_or(json!({}));
        let status = json!({ "phase": "Pending", "qosClass": qos(&spec) });
        let mut pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": spec,
            "status": status,
        });
        fill_pod_spec(&mut pod);
        let pod = self.store.write(kind, pod);
        self.tell(mould.owner, false, "SuccessfulCreate", &format!("Created pod: {}", mould.name));
        match &mould.node {
            Some(node) => self.assign(&pod, node),
            None => self.schedule(&pod),
        }
    }

    /// Takes a pod one step on in its life.
    pub(super) fn advance(&mut self, pod: &Value) {
        let Some(kind) = kind_of("", "pods") else { return };
        if is_going(pod) {
            remove(self.store, text(pod, "/metadata/namespace"), text(pod, "/metadata/name"));
            return;
        }
        if is_over(pod) {
            return;
        }
        if text(pod, "/spec/nodeName").is_empty() {
            return self.schedule(pod);
        }
        let Some(first) = pod.pointer("/status/containerStatuses/0") else { return };
        if first.pointer("/state/running").is_some() {
            let fresh = number(first, "/restartCount").unwrap_or(0) == 0;
            if fresh && !is_ready(pod) {
                self.settle_in(kind, pod);
            }
        } else {
            self.hold_or_start(kind, pod);
        }
    }

    pub(super) fn start(&mut self, kind: &'static Kind, pod: &Value) {
        let mut running = pod.clone();
        let at = seconds(self.now);
        let uid = text(pod, "/metadata/uid").to_owned();
        for status in statuses(&mut running) {
            let name = text(status, "/name").to_owned();
            let image = text(status, "/image").to_owned();
            set(status, &["state"], json!({ "running": { "startedAt": at } }));
            set(status, &["started"], json!(true));
            set(
                status,
                &["containerID"],
                json!(format!("containerd://{}", identity::hex(&[&uid, &name, "0"]))),
            );
            let repository = image.rsplit_once(':').map_or(image.as_str(), |(name, _)| name);
            set(
                status,
                &["imageID"],
                json!(format!("{repository}@sha256:{}", identity::hex(&[&image]))),
            );
        }
        let ip = address(&uid);
        set(&mut running, &["status", "phase"], json!("Running"));
        set(&mut running, &["status", "podIP"], json!(ip));
        set(&mut running, &["status", "podIPs"], json!([{ "ip": ip }]));
        let running = self.store.write(kind, running);
        let containers = running.pointer("/spec/containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let (name, image) = (text(container, "/name"), text(container, "/image"));
            let present = format!("Container image \"{image}\" already present on machine");
            self.tell(&running, false, "Pulled", &present);
            self.tell(&running, false, "Created", &format!("Created container: {name}"));
            self.tell(&running, false, "Started", &format!("Started container {name}"));
        }
    }

    pub(super) fn make_ready(&mut self, kind: &'static Kind, pod: &Value) {
        let mut ready = pod.clone();
        let at = seconds(self.now);
        for status in statuses(&mut ready) {
            set(status, &["ready"], json!(true));
        }
        set(&mut ready, &["status", "conditions"], conditions(&at, "True", ""));
        let ready = self.store.write(kind, ready);
        self.measure(&ready);
    }

    /// Writes what a metrics server would say about a pod that has just become ready.
    fn measure(&mut self, pod: &Value) {
        let Some(kind) = find("metrics.k8s.io", "v1beta1", "pods") else { return };
        let containers: Vec<Value> = pod
            .pointer("/spec/containers")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|container| {
                let wanted = |resource: &str, default: &str| match text(
                    container,
                    &format!("/resources/requests/{resource}"),
                ) {
                    "" => default.to_owned(),
                    some => some.to_owned(),
                };
                let usage =
                    json!({ "cpu": wanted("cpu", "4m"), "memory": wanted("memory", "24Mi") });
                json!({ "name": text(container, "/name"), "usage": usage })
            })
            .collect();
        let metrics = json!({
            "apiVersion": "metrics.k8s.io/v1beta1",
            "kind": "PodMetrics",
            "metadata": {
                "name": text(pod, "/metadata/name"),
                "namespace": text(pod, "/metadata/namespace"),
                "creationTimestamp": seconds(self.now),
                "labels": pod.pointer("/metadata/labels").cloned().unwrap_or(json!({})),
            },
            "timestamp": seconds(self.now),
            "window": "15s",
            "containers": containers,
        });
        self.store.write(kind, metrics);
    }

    /// Ends a pod: it goes at its next step.
    pub(super) fn end_pod(&mut self, owner: &Value, pod: &Value) {
        let Some(kind) = kind_of("", "pods").filter(|_| !is_going(pod)) else { return };
        let going = self.store.write(kind, terminating(pod, self.now, 30));
        let name = text(pod, "/metadata/name");
        self.tell(owner, false, "SuccessfulDelete", &format!("Deleted pod: {name}"));
        let containers = pod.pointer("/spec/containers").and_then(Value::as_array);
        for container in containers.into_iter().flatten() {
            let message = format!("Stopping container {}", text(container, "/name"));
            self.tell(&going, false, "Killing", &message);
        }
    }
}

/// A pod that has been asked to end.
pub(super) fn terminating(pod: &Value, now: Timestamp, grace: i64) -> Value {
    let mut going = pod.clone();
    let grace_length = std::time::Duration::from_secs(grace.clamp(0, 86_400).unsigned_abs());
    let at = super::clock::after(now, grace_length);
    set(&mut going, &["metadata", "deletionTimestamp"], json!(seconds(at)));
    set(&mut going, &["metadata", "deletionGracePeriodSeconds"], json!(grace.max(0)));
    going
}

/// Removes a pod and its measurements.
pub(super) fn remove(store: &mut Store, namespace: &str, name: &str) {
    let kinds = [kind_of("", "pods"), find("metrics.k8s.io", "v1beta1", "pods")];
    for kind in kinds.into_iter().flatten() {
        store.remove(kind, namespace, name);
    }
}

/// An address in the range that pods have here.
fn address(uid: &str) -> String {
    let digits = identity::hex(&[uid]);
    let octet = |at: usize| {
        digits.get(at..at + 2).and_then(|two| u8::from_str_radix(two, 16).ok()).unwrap_or(7)
    };
    format!("10.42.{}.{}", octet(0) % 3, octet(2).max(2))
}

pub(super) fn statuses(pod: &mut Value) -> impl Iterator<Item = &mut Value> {
    pod.pointer_mut("/status/containerStatuses").and_then(Value::as_array_mut).into_iter().flatten()
}

pub(super) fn waiting(spec: &Value, reason: &str) -> Value {
    let containers = spec.get("containers").and_then(Value::as_array);
    containers
        .into_iter()
        .flatten()
        .map(|container| {
            json!({
                "name": text(container, "/name"),
                "image": text(container, "/image"),
                "imageID": "",
                "ready": false,
                "started": false,
                "restartCount": 0,
                "lastState": {},
                "state": { "waiting": { "reason": reason } },
            })
        })
        .collect()
}

pub(super) fn conditions(at: &str, ready: &str, reason: &str) -> Value {
    let states = [
        ("PodReadyToStartContainers", "True"),
        ("Initialized", "True"),
        ("Ready", ready),
        ("ContainersReady", ready),
        ("PodScheduled", "True"),
    ];
    states
        .iter()
        .map(|(name, status)| {
            let mut condition = json!({
                "type": name,
                "status": status,
                "lastProbeTime": null,
                "lastTransitionTime": at,
            });
            if *status == "False" {
                set(&mut condition, &["reason"], json!(reason));
            }
            condition
        })
        .collect()
}

pub(super) fn qos(spec: &Value) -> &'static str {
    let containers = || spec.get("containers").and_then(Value::as_array).into_iter().flatten();
    let all = |list: &str| {
        containers().all(|container| {
            ["cpu", "memory"].iter().all(|resource| {
                container.pointer(&format!("/resources/{list}/{resource}")).is_some()
            })
        })
    };
    let same = containers().all(|container| {
        container.pointer("/resources/limits") == container.pointer("/resources/requests")
    });
    if all("limits") && same {
        "Guaranteed"
    } else if containers()
        .all(|container| container.get("resources").is_none_or(|r| r == &json!({})))
    {
        "BestEffort"
    } else {
        "Burstable"
    }
}
