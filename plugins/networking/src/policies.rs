//! What network policies mean for one pod.

use std::fmt::Write as _;

use toolgate_sdk::object::{self, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::list;

#[arguments]
pub(crate) struct Args {
    pod_name: String,
    namespace: String,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Explained {
    policies: Vec<String>,
    /// Whether only what a policy names comes in.
    ingress_restricted: bool,
    egress_restricted: bool,
}

#[derive(Clone, Copy)]
struct Direction {
    policy_type: &'static str,
    rules: &'static str,
    peers: &'static str,
    heading: &'static str,
}

const DIRECTIONS: [Direction; 2] = [
    Direction { policy_type: "Ingress", rules: "spec.ingress", peers: "from", heading: "In" },
    Direction { policy_type: "Egress", rules: "spec.egress", peers: "to", heading: "Out" },
];

pub(crate) fn explain_network_policies(args: Args) -> Result<Reply<Explained>, ToolError> {
    let Args { pod_name, namespace, cluster } = args;
    let cluster = cluster.as_deref();
    let fields = ["metadata.labels", "spec.hostNetwork"];
    let pod = object::get(cluster, "Pod", Some(&namespace), &pod_name, &fields)?;
    let kind = "NetworkPolicy.networking.k8s.io";
    let (policies, more) = list(cluster, kind, Some(&namespace), &["spec"])?;
    let mut reply = answer(&pod, &policies);
    if more {
        reply.text = format!("{}\n\n{}", reply.text, crate::more("network policies", Some("")));
    }
    Ok(reply.truncated(more))
}

fn answer(pod: &Value, policies: &[Value]) -> Reply<Explained> {
    let labels = pod.at("metadata.labels");
    let selecting: Vec<&Value> = policies
        .iter()
        .filter(|policy| object::selects(policy.at("spec.podSelector"), labels))
        .collect();
    let name = format!("{}/{}", pod.text("metadata.namespace"), pod.text("metadata.name"));
    let mut text = match selecting.len() {
        0 => format!("No network policy selects pod `{name}`: all traffic is allowed."),
        n => format!("{n} of {} network policies select pod `{name}`.", policies.len()),
    };
    if pod.flag("spec.hostNetwork") {
        text.push_str(
            "\nIt uses the node's network: policies do not apply to it on most clusters.",
        );
    }
    let mut restricted = [false; 2];
    for (direction, restricted) in DIRECTIONS.into_iter().zip(&mut restricted) {
        let applying: Vec<&Value> =
            selecting.iter().copied().filter(|policy| applies(policy, direction)).collect();
        *restricted = !applying.is_empty();
        if selecting.is_empty() {
            continue;
        }
        let _ = write!(text, "\n\n{}: {}", direction.heading, summary(&applying, direction));
    }
    let [ingress_restricted, egress_restricted] = restricted;
    let policies = selecting.iter().map(|policy| policy.text("metadata.name").to_owned()).collect();
    Reply::new(text, Explained { policies, ingress_restricted, egress_restricted })
}

/// Without types, a policy is about what comes in, and about what goes out if it has such rules.
fn applies(policy: &Value, direction: Direction) -> bool {
    let types = policy.items("spec.policyTypes");
    if types.is_empty() {
        return direction.policy_type == "Ingress" || !policy.items("spec.egress").is_empty();
    }
    types.iter().any(|name| name == direction.policy_type)
}

fn summary(applying: &[&Value], direction: Direction) -> String {
    if applying.is_empty() {
        return "everything, no policy is about this direction".to_owned();
    }
    let mut lines = Vec::new();
    for policy in applying {
        for rule in policy.items(direction.rules) {
            let line = rule_text(rule, direction);
            lines.push(format!("\n- {line} ({})", policy.text("metadata.name")));
        }
    }
    if lines.is_empty() {
        let names: Vec<&str> = applying.iter().map(|p| p.text("metadata.name")).collect();
        return format!("nothing ({})", names.join(", "));
    }
    format!("only{}", lines.concat())
}

fn rule_text(rule: &Value, direction: Direction) -> String {
    let peers: Vec<String> = rule.items(direction.peers).iter().map(peer).collect();
    let peers = if peers.is_empty() { "anyone".to_owned() } else { peers.join(" or ") };
    let ports: Vec<String> = rule.items("ports").iter().map(port).collect();
    let ports = if ports.is_empty() {
        "all ports".to_owned()
    } else {
        format!("ports {}", ports.join(", "))
    };
    format!("{} {peers}, {ports}", direction.peers)
}

fn peer(peer: &Value) -> String {
    let block = peer.at("ipBlock");
    if !block.is_null() {
        let except: Vec<String> = block.items("except").iter().map(scalar).collect();
        let except = if except.is_empty() {
            String::new()
        } else {
            format!(" except {}", except.join(", "))
        };
        return format!("{}{except}", block.text("cidr"));
    }
    let (pods, namespaces) = (peer.at("podSelector"), peer.at("namespaceSelector"));
    let of = |selector: &Value, noun: &str| match labels(selector) {
        all if all.is_empty() => format!("all {noun}"),
        some => format!("{noun} with {some}"),
    };
    match (pods.is_null(), namespaces.is_null()) {
        (false, false) => format!("{} in {}", of(pods, "pods"), of(namespaces, "namespaces")),
        (true, false) => format!("all pods in {}", of(namespaces, "namespaces")),
        _ => format!("{} of this namespace", of(pods, "pods")),
    }
}

fn labels(selector: &Value) -> String {
    let mut parts: Vec<String> = selector
        .entries("matchLabels")
        .map(|(key, value)| format!("{key}={}", scalar(value)))
        .collect();
    parts.extend(selector.items("matchExpressions").iter().map(|expression| {
        let values: Vec<String> = expression.items("values").iter().map(scalar).collect();
        let (key, operator) = (expression.text("key"), expression.text("operator"));
        format!("{key} {operator} ({})", values.join(","))
    }));
    parts.join(",")
}

fn port(port: &Value) -> String {
    let number = scalar(port.at("port"));
    let number = if number.is_empty() { "all".to_owned() } else { number };
    let end = port.int("endPort").map_or_else(String::new, |end| format!("-{end}"));
    let protocol = port.text("protocol");
    format!("{number}{end}/{}", if protocol.is_empty() { "TCP" } else { protocol })
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({"metadata": {"namespace": "shop", "name": "web-1", "labels": {"app": "web"}}})
    }

    fn policy(name: &str, mut spec: Value) -> Value {
        spec["podSelector"] = json!({"matchLabels": {"app": "web"}});
        json!({"metadata": {"name": name}, "spec": spec})
    }

    #[test]
    fn says_what_may_come_in_and_go_out() {
        let front = policy(
            "front",
            json!({"policyTypes": ["Ingress"], "ingress": [{
            "from": [
                {"namespaceSelector": {"matchLabels": {"team": "edge"}}, "podSelector": {}},
                {"podSelector": {"matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["a", "b"]}]}},
                {"namespaceSelector": {}},
                {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}],
            "ports": [{"port": 80}, {"port": 9000, "endPort": 9100, "protocol": "UDP"}]}, {}]}),
        );
        let closed = policy("no-egress", json!({"policyTypes": ["Egress"]}));
        let other = json!({"metadata": {"name": "cart"},
            "spec": {"podSelector": {"matchLabels": {"app": "cart"}}}});
        let reply = answer(&pod(), &[front, closed, other]);
        assert_eq!(reply.structured.policies, ["front", "no-egress"]);
        assert!(reply.structured.ingress_restricted && reply.structured.egress_restricted);
        expect![[r#"
            2 of 3 network policies select pod `shop/web-1`.

            In: only
            - from all pods in namespaces with team=edge or pods with tier In (a,b) of this namespace or all pods in all namespaces or 10.0.0.0/8 except 10.1.0.0/16, ports 80/TCP, 9000-9100/UDP (front)
            - from anyone, all ports (front)

            Out: nothing (no-egress)"#]].assert_eq(&reply.text);
    }

    #[test]
    fn knows_what_policies_leave_open() {
        let reply = answer(&pod(), &[]);
        assert!(!reply.structured.ingress_restricted);
        assert_eq!(
            reply.text,
            "No network policy selects pod `shop/web-1`: all traffic is allowed."
        );
        let mut host = pod();
        host["spec"] = json!({"hostNetwork": true});
        let typeless = answer(&host, &[policy("old", json!({"ingress": []}))]);
        expect![[r#"
            1 of 1 network policies select pod `shop/web-1`.
            It uses the node's network: policies do not apply to it on most clusters.

            In: nothing (old)

            Out: everything, no policy is about this direction"#]]
        .assert_eq(&typeless.text);
        let with_egress = policy("old", json!({"egress": [{"to": []}]}));
        assert!(answer(&pod(), &[with_egress]).structured.egress_restricted);
    }
}
