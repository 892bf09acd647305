use std::sync::Arc;

use serde_json::{Value, json};

use super::clock::seconds;
use super::identity;
use super::pods::{Scene, is_going, is_ready, kind_of, owner_reference};
use super::registry::{Kind, find};
use super::store::{number, set, text, unset};

const SERVICE_LABEL: &str = "kubernetes.io/service-name";

/// Brings the endpoints of a namespace's services in line with its pods.
pub(super) fn sync(scene: &mut Scene<'_>, namespace: &str) -> Option<()> {
    let services = objects(scene, kind_of("", "services")?, namespace);
    let pods: Vec<Arc<Value>> = objects(scene, kind_of("", "pods")?, namespace)
        .into_iter()
        .filter(|pod| !is_going(pod) && !text(pod, "/status/podIP").is_empty())
        .filter(|pod| matches!(text(pod, "/status/phase"), "Running" | "Pending"))
        .collect();
    for service in services {
        let Some(selector) = service.pointer("/spec/selector").and_then(Value::as_object) else {
            continue;
        };
        let chosen: Vec<&Value> = pods
            .iter()
            .filter(|pod| {
                let labels = pod.pointer("/metadata/labels");
                selector.iter().all(|(key, value)| labels.and_then(|l| l.get(key)) == Some(value))
            })
            .map(Arc::as_ref)
            .collect();
        write_endpoints(scene, &service, &chosen)?;
        write_slice(scene, &service, &chosen)?;
    }
    Some(())
}

fn objects(scene: &Scene<'_>, kind: &'static Kind, namespace: &str) -> Vec<Arc<Value>> {
    scene.store.all(kind, Some(namespace)).map(|(_, object)| object.clone()).collect()
}

/// The service's ports as its endpoints name them: by the port that the pods listen on.
fn ports(service: &Value) -> Value {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports
        .into_iter()
        .flatten()
        .map(|port| {
            let number = number(port, "/targetPort").or_else(|| number(port, "/port"));
            let mut shown = json!({ "port": number, "protocol": "TCP" });
            if !text(port, "/name").is_empty() {
                set(&mut shown, &["name"], json!(text(port, "/name")));
            }
            shown
        })
        .collect()
}

fn reference(pod: &Value) -> Value {
    json!({
        "kind": "Pod",
        "namespace": text(pod, "/metadata/namespace"),
        "name": text(pod, "/metadata/name"),
        "uid": text(pod, "/metadata/uid"),
    })
}

/// The object that is there, or the start of a new one with the service's labels.
fn existing(scene: &Scene<'_>, kind: &Kind, service: &Value, name: &str) -> Value {
    let namespace = text(service, "/metadata/namespace");
    if let Some(object) = scene.store.read(kind, namespace, name) {
        return (*object).clone();
    }
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": identity::uid(&[kind.plural, namespace, name]),
            "creationTimestamp": seconds(scene.now),
            "labels": service.pointer("/metadata/labels").cloned().unwrap_or(json!({})),
        },
    })
}

fn write_endpoints(scene: &mut Scene<'_>, service: &Value, pods: &[&Value]) -> Option<()> {
    let kind = kind_of("", "endpoints")?;
    let addresses = |ready: bool| -> Vec<Value> {
        let pods = pods.iter().filter(|pod| is_ready(pod) == ready);
        pods.map(|pod| {
            json!({
                "ip": text(pod, "/status/podIP"),
                "nodeName": text(pod, "/spec/nodeName"),
                "targetRef": reference(pod),
            })
        })
        .collect()
    };
    let mut subset = json!({ "ports": ports(service) });
    for (field, ready) in [("addresses", true), ("notReadyAddresses", false)] {
        let addresses = addresses(ready);
        if !addresses.is_empty() {
            set(&mut subset, &[field], json!(addresses));
        }
    }
    let mut object = existing(scene, kind, service, text(service, "/metadata/name"));
    if pods.is_empty() {
        unset(&mut object, &["subsets"]);
    } else {
        set(&mut object, &["subsets"], json!([subset]));
    }
    scene.store.write_changed(kind, object);
    Some(())
}

fn write_slice(scene: &mut Scene<'_>, service: &Value, pods: &[&Value]) -> Option<()> {
    let kind = find("discovery.k8s.io", "v1", "endpointslices")?;
    let namespace = text(service, "/metadata/namespace");
    let of = text(service, "/metadata/name");
    let name = format!("{of}-{}", identity::suffix(&["endpointslices", namespace, of], 5));
    let mut object = existing(scene, kind, service, &name);
    let endpoints: Vec<Value> = pods
        .iter()
        .map(|pod| {
            let ready = is_ready(pod);
            json!({
                "addresses": [text(pod, "/status/podIP")],
                "conditions": { "ready": ready, "serving": ready, "terminating": false },
                "nodeName": text(pod, "/spec/nodeName"),
                "targetRef": reference(pod),
            })
        })
        .collect();
    set(&mut object, &["metadata", "labels", SERVICE_LABEL], json!(of));
    set(&mut object, &["metadata", "ownerReferences"], owner_reference(service));
    set(&mut object, &["addressType"], json!("IPv4"));
    set(&mut object, &["endpoints"], json!(endpoints));
    set(&mut object, &["ports"], ports(service));
    scene.store.write_changed(kind, object);
    Some(())
}
