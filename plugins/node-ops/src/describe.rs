//! One node, with what its pods ask of it.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_events::{self, EventList, EventQuery};
use toolgate_sdk::object::{self, Clock, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::quantity;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::Error;

const PODS_MAX: usize = 1_000;
/// Pods that are named: those that request most.
const PODS_SHOWN: usize = 15;
const EVENTS_MAX: u32 = 20;

#[arguments]
pub(crate) struct Args {
    node_name: String,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Sum {
    requests: u64,
    limits: u64,
    allocatable: u64,
}

#[output]
pub(crate) struct Description {
    ready: bool,
    unschedulable: bool,
    taints: Vec<String>,
    pods: Option<usize>,
    /// Thousandths of a core.
    cpu_m: Option<Sum>,
    memory_bytes: Option<Sum>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every tool")]
pub(crate) fn describe_node(args: Args) -> Result<Reply<Description>, ToolError> {
    let cluster = args.cluster.as_deref();
    let node = object::get(cluster, "Node", None, &args.node_name, &[])?;
    let fields = [
        "spec.containers.resources",
        "spec.initContainers.resources",
        "spec.initContainers.restartPolicy",
        "spec.overhead",
        "status.phase",
    ];
    let mut query = object::query(cluster, "Pod", None, &fields);
    query.field_selector = Some(format!("spec.nodeName={}", args.node_name));
    let pods = pages::all(pages::objects(query, PODS_MAX));
    let events = kubernetes_events::list(&EventQuery {
        cluster: args.cluster.clone(),
        namespace: None,
        involved_kind: Some("Node".to_owned()),
        involved_name: Some(args.node_name.clone()),
        warnings_only: false,
        limit: Some(EVENTS_MAX),
    });
    Ok(answer(&node, pods, events, &Clock::read()?))
}

/// What a pod asks for of one resource.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
struct Ask {
    requests: u64,
    limits: u64,
}

fn answer(
    node: &Value,
    pods: Result<(Vec<Value>, bool), Error>,
    events: Result<EventList, Error>,
    clock: &Clock,
) -> Reply<Description> {
    let taints: Vec<String> = node.items("spec.taints").iter().map(taint).collect();
    let ready = node
        .items("status.conditions")
        .iter()
        .any(|c| c.text("type") == "Ready" && c.text("status") == "True");
    let mut text = heading(node, ready, &taints, clock);
    let _ = write!(text, "\n\nConditions:\n{}", conditions(node, clock));
    let mut description = Description {
        ready,
        unschedulable: node.flag("spec.unschedulable"),
        taints,
        pods: None,
        cpu_m: None,
        memory_bytes: None,
    };
    let mut truncated = false;
    match pods {
        Ok((pods, more)) => {
            truncated = more;
            text.push_str(&resources(node, &pods, more, &mut description));
        }
        Err(error) => {
            let _ =
                write!(text, "\n\nPods: could not be read: {}", ToolError::from(error).reason());
        }
    }
    text.push_str(&event_lines(events));
    Reply::new(text, description).truncated(truncated)
}

fn heading(node: &Value, ready: bool, taints: &[String], clock: &Clock) -> String {
    let info = |field: &str| scalar(node.at("status.nodeInfo").key(field));
    let address = node
        .items("status.addresses")
        .iter()
        .find(|address| address.text("type") == "InternalIP")
        .map_or("-", |address| address.text("address"));
    let roles: Vec<&str> = node
        .entries("metadata.labels")
        .filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/"))
        .collect();
    let or_none =
        |list: Vec<&str>| if list.is_empty() { "<none>".to_owned() } else { list.join(", ") };
    let cordon = if node.flag("spec.unschedulable") { ", cordoned" } else { "" };
    format!(
        "Node:      {}\nStatus:    {}{cordon}, age {}\nRoles:     {}\nTaints:    {}\nAddress:   \
         {address}\nSystem:    {}, kernel {}, {}, kubelet {}",
        node.text("metadata.name"),
        if ready { "Ready" } else { "NotReady" },
        clock.age(node.text("metadata.creationTimestamp")),
        or_none(roles),
        or_none(taints.iter().map(String::as_str).collect()),
        info("osImage"),
        info("kernelVersion"),
        info("containerRuntimeVersion"),
        info("kubeletVersion"),
    )
}

fn taint(taint: &Value) -> String {
    let value = taint.text("value");
    let value = if value.is_empty() { String::new() } else { format!("={value}") };
    format!("{}{value}:{}", taint.text("key"), taint.text("effect"))
}

fn conditions(node: &Value, clock: &Clock) -> Table {
    let mut table = Table::new(&["CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    for condition in node.items("status.conditions") {
        table.row([
            condition.text("type").to_owned(),
            condition.text("status").to_owned(),
            clock.age(condition.text("lastTransitionTime")),
            condition.text("reason").to_owned(),
            condition.text("message").to_owned(),
        ]);
    }
    table
}

/// What the pods request, of what the node can give.
fn resources(node: &Value, pods: &[Value], more: bool, into: &mut Description) -> String {
    let live: Vec<&Value> = pods
        .iter()
        .filter(|pod| !matches!(pod.text("status.phase"), "Succeeded" | "Failed"))
        .collect();
    let mut table = Table::new(&["RESOURCE", "CAPACITY", "ALLOCATABLE", "REQUESTS", "LIMITS"]);
    for resource in ["cpu", "memory"] {
        let asks = live.iter().map(|pod| asked(pod, resource));
        let sum = asks.fold(Ask::default(), |sum, ask| Ask {
            requests: sum.requests.saturating_add(ask.requests),
            limits: sum.limits.saturating_add(ask.limits),
        });
        let of = |list: &str| amount(resource, &scalar(node.at(list).key(resource)));
        let (capacity, allocatable) = (of("status.capacity"), of("status.allocatable"));
        let part = |n: u64| match quantity::percent(n, allocatable) {
            Some(percent) => format!("{} ({percent}%)", print(resource, n)),
            None => print(resource, n),
        };
        table.row([
            resource.to_owned(),
            print(resource, capacity),
            print(resource, allocatable),
            part(sum.requests),
            part(sum.limits),
        ]);
        let sum = Sum { requests: sum.requests, limits: sum.limits, allocatable };
        if resource == "cpu" { into.cpu_m = Some(sum) } else { into.memory_bytes = Some(sum) }
    }
    let capacity = |list: &str| scalar(node.at(list).key("pods"));
    table.row([
        "pods".to_owned(),
        capacity("status.capacity"),
        capacity("status.allocatable"),
        live.len().to_string(),
        String::new(),
    ]);
    into.pods = Some(live.len());
    let least = if more { "the first " } else { "" };
    format!(
        "\n\nResources, by {least}{} pods that may be seen:\n{table}\n\nPods that request most \
         memory:\n{}",
        live.len(),
        largest(&live)
    )
}

fn largest(live: &[&Value]) -> Table {
    let mut rows: Vec<(Ask, Ask, &Value)> =
        live.iter().map(|pod| (asked(pod, "memory"), asked(pod, "cpu"), *pod)).collect();
    rows.sort_by_key(|(memory, cpu, _)| std::cmp::Reverse((memory.requests, cpu.requests)));
    let header = ["NAMESPACE", "NAME", "CPU REQUEST", "MEMORY REQUEST", "MEMORY LIMIT"];
    let mut table = Table::new(&header).keep(PODS_SHOWN);
    for (memory, cpu, pod) in rows {
        table.row([
            pod.text("metadata.namespace").to_owned(),
            pod.text("metadata.name").to_owned(),
            print("cpu", cpu.requests),
            print("memory", memory.requests),
            print("memory", memory.limits),
        ]);
    }
    table
}

/// As the scheduler counts: containers together, or the largest init container if that is more;
/// sidecars run beside all that follow them.
fn asked(pod: &Value, resource: &str) -> Ask {
    let of = |container: &Value| {
        let read = |list: &str| amount(resource, &scalar(container.at(list).key(resource)));
        Ask { requests: read("resources.requests"), limits: read("resources.limits") }
    };
    let plus = |a: Ask, b: Ask| Ask {
        requests: a.requests.saturating_add(b.requests),
        limits: a.limits.saturating_add(b.limits),
    };
    let mut sidecars = Ask::default();
    let mut peak = Ask::default();
    for container in pod.items("spec.initContainers") {
        let now = plus(sidecars, of(container));
        peak =
            Ask { requests: peak.requests.max(now.requests), limits: peak.limits.max(now.limits) };
        if container.text("restartPolicy") == "Always" {
            sidecars = now;
        }
    }
    let main = pod.items("spec.containers").iter().map(of).fold(sidecars, plus);
    let overhead = amount(resource, &scalar(pod.at("spec.overhead").key(resource)));
    Ask {
        requests: main.requests.max(peak.requests).saturating_add(overhead),
        limits: main.limits.max(peak.limits),
    }
}

fn amount(resource: &str, text: &str) -> u64 {
    let read = if resource == "cpu" { quantity::cpu_m(text) } else { quantity::units(text) };
    read.unwrap_or(0)
}

fn print(resource: &str, n: u64) -> String {
    if resource == "cpu" { quantity::cpu(n) } else { quantity::bytes(n) }
}

fn event_lines(events: Result<EventList, Error>) -> String {
    let list = match events {
        Ok(list) if list.events.is_empty() => {
            return "\n\nEvents: none that the cluster remembers".to_owned();
        }
        Ok(list) => list,
        Err(error) => {
            return format!("\n\nEvents: could not be read: {}", ToolError::from(error).reason());
        }
    };
    let mut table = Table::new(&["LAST SEEN", "TYPE", "REASON", "COUNT", "MESSAGE"]);
    for event in list.events {
        table.row([
            format!("{} ago", age(&event.last_seen)),
            event.severity,
            event.reason,
            event.count.to_string(),
            event.message,
        ]);
    }
    format!("\n\nEvents, newest first:\n{table}")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    fn node() -> Value {
        json!({
            "metadata": {"name": "node-1", "creationTimestamp": "2026-11-11T02:13:07Z",
                "labels": {"node-role.kubernetes.io/worker": ""}},
            "spec": {"unschedulable": true, "taints": [
                {"key": "gpu", "value": "true", "effect": "NoSchedule"},
                {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]},
            "status": {
                "addresses": [{"type": "InternalIP", "address": "10.0.0.4"}],
                "capacity": {"cpu": "4", "memory": "16Gi", "pods": "110"},
                "allocatable": {"cpu": "3920m", "memory": "14Gi", "pods": "110"},
                "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady",
                    "message": "kubelet is\nposting", "lastTransitionTime": "2026-11-21T01:13:07Z"}],
                "nodeInfo": {"osImage": "Debian", "kernelVersion": "6.12", "kubeletVersion": "v1.34.1",
                    "containerRuntimeVersion": "containerd://2.0"},
            },
        })
    }

    fn pod(name: &str, memory: &str, phase: &str) -> Value {
        json!({"metadata": {"name": name, "namespace": "shop"}, "status": {"phase": phase},
            "spec": {"containers": [{"resources": {
                "requests": {"cpu": "250m", "memory": memory}, "limits": {"memory": "1Gi"}}}]}})
    }

    #[test]
    fn shows_a_node_with_what_its_pods_request() {
        let pods = vec![
            pod("small", "64Mi", "Running"),
            pod("large", "512Mi", "Pending"),
            pod("over", "9Gi", "Succeeded"),
        ];
        let events = Ok(EventList { events: Vec::new(), total: 0, truncated: false });
        let clock = Clock::at("2026-11-21T02:13:07Z").unwrap();
        let reply = answer(&node(), Ok((pods, false)), events, &clock);
        assert!(!reply.truncated && reply.structured.ready && reply.structured.unschedulable);
        assert_eq!(reply.structured.cpu_m.as_ref().map(|sum| sum.requests), Some(500));
        expect![[r#"
            Node:      node-1
            Status:    Ready, cordoned, age 10d
            Roles:     worker
            Taints:    gpu=true:NoSchedule, node.kubernetes.io/unschedulable:NoSchedule
            Address:   10.0.0.4
            System:    Debian, kernel 6.12, containerd://2.0, kubelet v1.34.1

            Conditions:
            CONDITION   STATUS   SINCE   REASON         MESSAGE
            Ready       True     60m     KubeletReady   kubelet is posting

            Resources, by 2 pods that may be seen:
            RESOURCE   CAPACITY   ALLOCATABLE   REQUESTS     LIMITS
            cpu        4          3920m         500m (12%)   0 (0%)
            memory     16Gi       14Gi          576Mi (4%)   2Gi (14%)
            pods       110        110           2

            Pods that request most memory:
            NAMESPACE   NAME    CPU REQUEST   MEMORY REQUEST   MEMORY LIMIT
            shop        large   250m          512Mi            1Gi
            shop        small   250m          64Mi             1Gi

            Events: none that the cluster remembers"#]]
        .assert_eq(&reply.text);
        let denied = || Error::Denied("not granted".to_owned());
        let reply = answer(&node(), Err(denied()), Err(denied()), &clock);
        assert!(reply.text.ends_with(
            "Pods: could not be read: denied: not granted\n\nEvents: could not be read: denied: not \
             granted"
        ));
    }

    #[test]
    fn counts_as_the_scheduler_does() {
        let container = |cpu: &str, restart: Option<&str>| json!({"resources": {"requests": {"cpu": cpu}}, "restartPolicy": restart});
        let asks = |init: Vec<Value>, main: Vec<Value>| {
            let pod = json!({"spec": {"initContainers": init, "containers": main}});
            asked(&pod, "cpu").requests
        };
        let (a, b) = (container("100m", None), container("200m", None));
        assert_eq!(asks(Vec::new(), vec![a.clone(), b.clone()]), 300);
        assert_eq!(asks(vec![container("1", None)], vec![a.clone(), b.clone()]), 1_000);
        assert_eq!(asks(vec![a.clone()], vec![b.clone()]), 200);
        let sidecar = container("50m", Some("Always"));
        assert_eq!(asks(vec![sidecar.clone()], vec![b.clone()]), 250);
        assert_eq!(asks(vec![sidecar, container("1", None)], vec![b]), 1_050);
        let overhead = json!({"spec": {"overhead": {"cpu": "10m"}, "containers": [a]}});
        assert_eq!(asked(&overhead, "cpu").requests, 110);
        assert_eq!(asked(&json!({}), "memory"), Ask::default());
    }
}
