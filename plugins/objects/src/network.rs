//! Cells of services, endpoints, ingresses and network policies.

use toolgate_sdk::object::{Clock, Fields as _, scalar};
use toolgate_sdk::serde_json::Value;

use crate::cluster::{joined, labels, or_none};

pub(crate) fn external(v: &Value, _: &Clock) -> String {
    let names = v.items("status.loadBalancer.ingress").iter().map(|ingress| {
        let ip = ingress.text("ip");
        (if ip.is_empty() { ingress.text("hostname") } else { ip }).to_owned()
    });
    let mut names: Vec<String> = names.collect();
    names.extend(v.items("spec.externalIPs").iter().map(scalar));
    if v.text("spec.type") == "ExternalName" {
        names.push(or_none(v, "spec.externalName"));
    }
    match (names.is_empty(), v.text("spec.type")) {
        (true, "LoadBalancer") => "<pending>".to_owned(),
        _ => joined(&names),
    }
}

/// `80:30080/TCP->http`: the port, the node's port, and what it leads to in the pod.
pub(crate) fn service_ports(v: &Value, _: &Clock) -> String {
    let ports = v.items("spec.ports").iter().map(|port| {
        let (number, target) = (scalar(port.at("port")), scalar(port.at("targetPort")));
        let node = port.int("nodePort").map_or_else(String::new, |node| format!(":{node}"));
        let protocol = port.text("protocol");
        let protocol = if protocol.is_empty() { "TCP" } else { protocol };
        let target = if target.is_empty() || target == number {
            String::new()
        } else {
            format!("->{target}")
        };
        format!("{number}{node}/{protocol}{target}")
    });
    joined(&ports.collect::<Vec<_>>())
}

pub(crate) fn slice_ports(v: &Value, _: &Clock) -> String {
    let ports = v.items("ports").iter().map(|port| scalar(port.at("port")));
    joined(&ports.collect::<Vec<_>>())
}

pub(crate) fn slice_ready(v: &Value, _: &Clock) -> String {
    let endpoints = v.items("endpoints");
    // What does not say is to be taken as ready.
    let ready = |endpoint: &&Value| endpoint.at("conditions.ready").as_bool().unwrap_or(true);
    format!("{}/{}", endpoints.iter().filter(ready).count(), endpoints.len())
}

pub(crate) fn ingress_hosts(v: &Value, _: &Clock) -> String {
    let hosts = v.items("spec.rules").iter().map(|rule| match rule.text("host") {
        "" => "*".to_owned(),
        host => host.to_owned(),
    });
    let hosts: Vec<String> = hosts.collect();
    if hosts.is_empty() { "*".to_owned() } else { hosts.join(",") }
}

pub(crate) fn ingress_tls(v: &Value, _: &Clock) -> String {
    let names = v.items("spec.tls").iter().map(|tls| tls.text("secretName").to_owned());
    joined(&names.collect::<Vec<_>>())
}

pub(crate) fn pod_selector(v: &Value, _: &Clock) -> String {
    let mut parts: Vec<String> = v
        .items("spec.podSelector.matchExpressions")
        .iter()
        .map(|e| {
            let values: Vec<String> = e.items("values").iter().map(scalar).collect();
            format!("{} {} ({})", e.text("key"), e.text("operator"), values.join(","))
        })
        .collect();
    if v.entries("spec.podSelector.matchLabels").next().is_some() {
        parts.insert(0, labels(v, "spec.podSelector.matchLabels"));
    }
    if parts.is_empty() { "<all pods>".to_owned() } else { parts.join(",") }
}
