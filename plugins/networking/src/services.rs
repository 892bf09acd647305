//! Services without ready endpoints, and why.

use std::collections::BTreeMap;

use toolgate_sdk::object::{self, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::{Value, json};

use crate::list;

const SERVICE_OF: &str = "kubernetes.io/service-name";

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Row {
    namespace: String,
    name: String,
    /// `no_pods_match`, `pods_not_ready`, `port_mismatch`, `no_endpoints`
    problem: &'static str,
    pods: usize,
}

#[output]
pub(crate) struct Checked {
    services: Vec<Row>,
    checked: usize,
}

pub(crate) fn check_services(args: Args) -> Result<Reply<Checked>, ToolError> {
    let Args { namespace, cluster } = args;
    let (cluster, within) = (cluster.as_deref(), namespace.as_deref());
    let (services, more_services) = list(cluster, "Service", within, &["spec"])?;
    let fields = ["metadata.labels", "endpoints.conditions", "ports"];
    let (slices, more_slices) = list(cluster, "EndpointSlice.discovery.k8s.io", within, &fields)?;
    let fields = ["metadata.labels", "status.phase", "status.conditions", "spec.containers.ports"];
    let (pods, more_pods) = list(cluster, "Pod", within, &fields)?;
    let found = Objects { services, slices, pods, more_services, more_slices, more_pods };
    Ok(answer(within, &found))
}

/// What was listed, and of what there is more than that.
#[derive(Default)]
struct Objects {
    services: Vec<Value>,
    slices: Vec<Value>,
    pods: Vec<Value>,
    more_services: bool,
    more_slices: bool,
    more_pods: bool,
}

fn answer(within: Option<&str>, found: &Objects) -> Reply<Checked> {
    let place = pages::place(within);
    let mut ready: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for slice in &found.slices {
        let service = slice.at("metadata.labels").key(SERVICE_OF).as_str().unwrap_or_default();
        let endpoints = slice.items("endpoints").iter();
        // What does not say is to be taken as ready.
        let n = endpoints.filter(|e| e.at("conditions.ready").as_bool().unwrap_or(true)).count();
        *ready.entry((slice.text("metadata.namespace"), service)).or_default() += n;
    }
    let (mut checked, mut n_open) = (0, 0);
    let mut table = Table::new(&["NAMESPACE", "SERVICE", "SELECTOR", "WHY"])
        .narrow_by("narrow with `namespace`");
    let mut rows = Vec::new();
    for service in &found.services {
        let (namespace, name) = (service.text("metadata.namespace"), service.text("metadata.name"));
        // Without a selector someone else fills the endpoints.
        if service.entries("spec.selector").next().is_none()
            || service.text("spec.type") == "ExternalName"
        {
            continue;
        }
        if ready.get(&(namespace, name)).copied().unwrap_or_default() > 0 {
            checked += 1;
            continue;
        }
        // Its endpoints may be in a slice that was not read.
        if found.more_slices {
            n_open += 1;
            continue;
        }
        checked += 1;
        let (problem, pods, why) = why(service, &found.pods, found.more_pods);
        let selector = object::selector(service.at("spec.selector"));
        if table.row([namespace.to_owned(), name.to_owned(), selector, why]) {
            rows.push(Row {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
                problem,
                pods,
            });
        }
    }
    let text = match (checked, table.is_empty()) {
        (0, _) if n_open > 0 => format!("No service in {place} could be judged."),
        (0, _) => format!("No services with a selector in {place}."),
        (n, true) if n_open > 0 => {
            let all = n + n_open;
            format!("{n} of {all} services with a selector in {place} have ready endpoints.")
        }
        (n, true) => format!("All {n} services with a selector in {place} have ready endpoints."),
        (n, false) => {
            let bad = rows.len() as u64 + table.left_out();
            format!("{bad} of {n} services in {place} have no ready endpoint\n\n{table}")
        }
    };
    let text = format!("{text}{}", unread(within, found, n_open));
    let truncated =
        found.more_services || found.more_slices || found.more_pods || table.left_out() > 0;
    Reply::new(text, Checked { services: rows, checked }).truncated(truncated)
}

/// What was not looked at, and what follows from it: the rest of a list is no outage.
fn unread(within: Option<&str>, found: &Objects, n_open: usize) -> String {
    let mut lines = Vec::new();
    if found.more_services {
        lines.push(crate::more("services", within));
    }
    if found.more_slices && n_open > 0 {
        let more = crate::more("endpoint slices", within);
        lines.push(format!("{n_open} more may have ready endpoints or not. {more}"));
    } else if found.more_slices {
        lines.push(crate::more("endpoint slices", within));
    }
    if found.more_pods {
        lines.push(crate::more("pods", within));
    }
    lines.into_iter().fold(String::new(), |text, line| text + "\n\n" + &line)
}

/// Why a service has no ready endpoint.
fn why(service: &Value, pods: &[Value], more_pods: bool) -> (&'static str, usize, String) {
    let namespace = service.text("metadata.namespace");
    let selector = json!({"matchLabels": service.at("spec.selector")});
    let here = || {
        pods.iter().filter(|pod| {
            pod.text("metadata.namespace") == namespace
                && !matches!(pod.text("status.phase"), "Succeeded" | "Failed")
        })
    };
    let behind: Vec<&Value> =
        here().filter(|pod| object::selects(&selector, pod.at("metadata.labels"))).collect();
    let n_ready = behind.iter().filter(|pod| is_ready(pod)).count();
    let unknown_port = unknown_port(service, &behind);
    // Of pods that were not read nobody can say that they do not match, are not ready, or lack a
    // port.
    if more_pods && (n_ready == 0 || unknown_port.is_some()) {
        let why = "not known: its pods may be among those that were not looked at";
        return ("no_endpoints", behind.len(), why.to_owned());
    }
    if behind.is_empty() {
        return ("no_pods_match", 0, nearly(service, here()));
    }
    if let Some(port) = unknown_port {
        let why = format!("no container of its {} pods has a port named `{port}`", behind.len());
        return ("port_mismatch", behind.len(), why);
    }
    if n_ready == 0 {
        let named = behind.iter().take(3).map(|pod| pod.text("metadata.name"));
        let named: Vec<&str> = named.collect();
        let why = format!("{} pods match, none is ready: {}", behind.len(), named.join(", "));
        return ("pods_not_ready", behind.len(), why);
    }
    let why = format!("{n_ready} pods match and are ready, but are not in its endpoint slices yet");
    ("no_endpoints", behind.len(), why)
}

/// No pod matches: which label is the one that none has?
fn nearly<'a>(service: &Value, pods: impl Iterator<Item = &'a Value> + Clone) -> String {
    let odd = service
        .entries("spec.selector")
        .find(|(key, value)| pods.clone().all(|pod| pod.at("metadata.labels").key(key) != *value));
    let Some((key, value)) = odd else {
        return "no pod has all labels of its selector together".to_owned();
    };
    let mut others: Vec<String> = pods
        .map(|pod| scalar(pod.at("metadata.labels").key(key)))
        .filter(|value| !value.is_empty())
        .collect();
    others.sort();
    others.dedup();
    others.truncate(5);
    let others = if others.is_empty() {
        "no pod has that label".to_owned()
    } else {
        format!("pods have {key}={}", others.join(", "))
    };
    format!("no pod has {key}={}; {others}", scalar(value))
}

fn is_ready(pod: &Value) -> bool {
    pod.items("status.conditions")
        .iter()
        .any(|c| c.text("type") == "Ready" && c.text("status") == "True")
}

/// A named target port that no pod has. Numbers need not be declared.
fn unknown_port(service: &Value, pods: &[&Value]) -> Option<String> {
    let named = |name: &str| {
        pods.iter()
            .flat_map(|pod| pod.items("spec.containers"))
            .flat_map(|container| container.items("ports"))
            .any(|port| port.text("name") == name)
    };
    let targets = service.items("spec.ports").iter().map(|port| port.text("targetPort"));
    targets.filter(|name| !name.is_empty()).find(|name| !named(name)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "as `json!` makes them")]
    fn service(name: &str, selector: Value, port: Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name},
            "spec": {"selector": selector, "ports": [{"port": 80, "targetPort": port}]}})
    }

    fn pod(app: &str, ready: &str) -> Value {
        json!({"metadata": {"namespace": "shop", "name": format!("{app}-1"), "labels": {"app": app}},
            "spec": {"containers": [{"ports": [{"name": "http", "containerPort": 8080}]}]},
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": ready}]}})
    }

    fn slice(service: &str, ready: bool) -> Value {
        json!({"metadata": {"namespace": "shop", "labels": {SERVICE_OF: service}},
            "endpoints": [{"conditions": {"ready": ready}}]})
    }

    #[test]
    fn says_why_a_service_has_no_endpoint() {
        let elsewhere =
            json!({"metadata": {"namespace": "bank", "name": "x", "labels": {"app": "typo"}}});
        let found = Objects {
            services: vec![
                service("well", json!({"app": "web"}), json!("http")),
                service("typo", json!({"app": "typo"}), json!(8080)),
                service("mixed", json!({"app": "web", "tier": "x"}), json!(8080)),
                service("unready", json!({"app": "cart"}), json!("http")),
                service("port", json!({"app": "web"}), json!("grpc")),
                service("lag", json!({"app": "web"}), json!(8080)),
                service("external", Value::Null, json!(80)),
            ],
            slices: vec![slice("well", true), slice("unready", false)],
            pods: vec![pod("web", "True"), pod("cart", "False"), elsewhere],
            ..Objects::default()
        };
        let reply = answer(Some("shop"), &found);
        assert_eq!((reply.structured.checked, reply.structured.services.len()), (6, 5));
        expect![[r#"
            5 of 6 services in `shop` have no ready endpoint

            NAMESPACE   SERVICE   SELECTOR         WHY
            shop        typo      app=typo         no pod has app=typo; pods have app=cart, web
            shop        mixed     app=web,tier=x   no pod has tier=x; no pod has that label
            shop        unready   app=cart         1 pods match, none is ready: cart-1
            shop        port      app=web          no container of its 1 pods has a port named `grpc`
            shop        lag       app=web          1 pods match and are ready, but are not in its endpoint slices yet"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_so_when_all_is_well() {
        let found = Objects {
            services: vec![service("well", json!({"app": "web"}), json!("http"))],
            slices: vec![slice("well", true)],
            ..Objects::default()
        };
        let well = answer(Some("shop"), &found).text;
        assert_eq!(well, "All 1 services with a selector in `shop` have ready endpoints.");
        let none = answer(Some("shop"), &Objects::default());
        assert_eq!(none.text, "No services with a selector in `shop`.");
    }

    #[test]
    fn a_list_that_is_cut_is_no_outage() {
        let found = |more_slices, more_pods| Objects {
            services: vec![
                service("well", json!({"app": "web"}), json!("http")),
                service("later", json!({"app": "later"}), json!("http")),
                service("unready", json!({"app": "cart"}), json!("http")),
                service("port", json!({"app": "web"}), json!("grpc")),
                service("lag", json!({"app": "web"}), json!(8080)),
            ],
            slices: vec![slice("well", true)],
            pods: vec![pod("web", "True"), pod("cart", "False")],
            more_services: more_slices,
            more_slices,
            more_pods,
        };
        let reply = answer(None, &found(true, true));
        assert!(reply.truncated && reply.structured.services.is_empty());
        assert_eq!(reply.structured.checked, 1);
        expect![[r#"
            1 of 5 services with a selector in the granted namespaces have ready endpoints.

            There are more services than the 2000 that were looked at: name a `namespace`.

            4 more may have ready endpoints or not. There are more endpoint slices than the 2000 that were looked at: name a `namespace`.

            There are more pods than the 2000 that were looked at: name a `namespace`."#]]
        .assert_eq(&reply.text);
        let reply = answer(Some("shop"), &found(false, true));
        assert!(reply.truncated);
        assert!(reply.structured.services.iter().all(|row| row.problem == "no_endpoints"));
        expect![[r#"
            4 of 5 services in `shop` have no ready endpoint

            NAMESPACE   SERVICE   SELECTOR    WHY
            shop        later     app=later   not known: its pods may be among those that were not looked at
            shop        unready   app=cart    not known: its pods may be among those that were not looked at
            shop        port      app=web     not known: its pods may be among those that were not looked at
            shop        lag       app=web     1 pods match and are ready, but are not in its endpoint slices yet

            There are more pods than the 2000 that were looked at."#]]
        .assert_eq(&reply.text);
    }

    #[test]
    fn judges_nothing_where_every_slice_may_be_missing() {
        let found = Objects {
            services: vec![service("later", json!({"app": "later"}), json!("http"))],
            more_slices: true,
            ..Objects::default()
        };
        let text = answer(Some("shop"), &found).text;
        assert!(text.starts_with("No service in `shop` could be judged.\n\n1 more may"), "{text}");
    }
}
