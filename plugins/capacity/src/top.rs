//! What pods use, against what they request and may have.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use toolgate_sdk::kubernetes_metrics::PodUsage;
use toolgate_sdk::kubernetes_read::{Pod, Quantity};
use toolgate_sdk::prelude::*;
use toolgate_sdk::quantity;

const ROWS_MAX: usize = 50;

#[arguments]
#[derive(Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Order {
    Cpu,
    Memory,
}

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    label_selector: Option<String>,
    /// memory if omitted
    #[serde(default = "memory")]
    order: Order,
    cluster: Option<String>,
}

fn memory() -> Order {
    Order::Memory
}

#[output]
pub(crate) struct Row {
    namespace: String,
    name: String,
    cpu_m: u64,
    memory_bytes: u64,
    /// Of the limits.
    memory_percent: Option<u64>,
}

#[output]
pub(crate) struct Top {
    pods: Vec<Row>,
    total: usize,
}

pub(crate) fn top_pods(args: Args) -> Result<Reply<Top>, ToolError> {
    let Args { namespace, label_selector, order, cluster } = args;
    let place = pages::place(namespace.as_deref());
    let query = pages::query(cluster, namespace, label_selector);
    let (usage, more) = pages::all(pages::pod_usage(query.clone(), pages::OBJECTS_MAX))?;
    let (pods, _) = pages::all(pages::pods(query, pages::OBJECTS_MAX))?;
    Ok(answer(&place, usage, &pods, order, more))
}

/// What the containers of a pod request or may have together.
#[derive(Default)]
struct Bounds {
    cpu_request: u64,
    memory_request: u64,
    /// None where a container has none.
    memory_limit: Option<u64>,
}

fn answer(
    place: &str,
    mut usage: Vec<PodUsage>,
    pods: &[Pod],
    order: Order,
    more: bool,
) -> Reply<Top> {
    let pods: BTreeMap<(&str, &str), &Pod> =
        pods.iter().map(|pod| ((&*pod.namespace, &*pod.name), pod)).collect();
    let sums = |usage: &PodUsage| {
        usage.containers.iter().fold((0_u64, 0_u64), |(cpu_m, memory), container| {
            (cpu_m.saturating_add(container.cpu_m), memory.saturating_add(container.memory_bytes))
        })
    };
    usage.sort_by_key(|usage| {
        let (cpu_m, memory) = sums(usage);
        Reverse(if order == Order::Cpu { cpu_m } else { memory })
    });
    let header =
        ["NAMESPACE", "NAME", "CPU", "CPU REQUEST", "MEMORY", "MEMORY REQUEST", "MEMORY LIMIT"];
    let mut table =
        Table::new(&header).keep(ROWS_MAX).narrow_by("narrow with `namespace` or `label_selector`");
    let (total, mut rows) = (usage.len(), Vec::new());
    for usage in usage {
        let (cpu_m, memory_bytes) = sums(&usage);
        let found = pods.get(&(&*usage.namespace, &*usage.name));
        let found = found.map(|pod| bounds(pod, &usage));
        let limit = found.as_ref().and_then(|bounds| bounds.memory_limit);
        let cells = [
            usage.namespace.clone(),
            usage.name.clone(),
            quantity::cpu(cpu_m),
            share(cpu_m, found.as_ref().map(|b| b.cpu_request), quantity::cpu),
            quantity::bytes(memory_bytes),
            share(memory_bytes, found.as_ref().map(|b| b.memory_request), quantity::bytes),
            share(memory_bytes, limit, quantity::bytes),
        ];
        if table.row(cells) {
            rows.push(Row {
                namespace: usage.namespace,
                name: usage.name,
                cpu_m,
                memory_bytes,
                memory_percent: limit.and_then(|limit| quantity::percent(memory_bytes, limit)),
            });
        }
    }
    let text = if total == 0 {
        format!("No pod in {place} is measured.")
    } else {
        let least = if more { "at least " } else { "" };
        format!("{least}{total} pods in {place}, by what they use now\n\n{table}")
    };
    let truncated = more || table.left_out() > 0;
    Reply::new(text, Top { pods: rows, total }).truncated(truncated)
}

/// `64Mi (150%)`: the bound, and how much of it is used.
fn share(used: u64, bound: Option<u64>, print: fn(u64) -> String) -> String {
    match bound.map(|bound| (print(bound), quantity::percent(used, bound))) {
        Some((bound, Some(percent))) => format!("{bound} ({percent}%)"),
        Some(_) | None => "-".to_owned(),
    }
}

/// Of the containers that are measured together: beside the main ones an init container that goes on
/// beside them (`restartPolicy: Always`). One that has ended uses nothing and counts for nothing.
fn bounds(pod: &Pod, usage: &PodUsage) -> Bounds {
    let is_measured = |name: &str| usage.containers.iter().any(|measured| measured.name == name);
    let counted = || {
        let containers = pod.containers.iter();
        containers.filter(|container| !container.init || is_measured(&container.name))
    };
    let find = |list: &[Quantity], resource: &str| {
        list.iter().find(|q| q.resource == resource).map(|q| q.amount.clone())
    };
    let sum = |read: fn(&str) -> Option<u64>, resource: &str| {
        counted()
            .filter_map(|container| read(&find(&container.requests, resource)?))
            .fold(0_u64, u64::saturating_add)
    };
    Bounds {
        cpu_request: sum(quantity::cpu_m, "cpu"),
        memory_request: sum(quantity::units, "memory"),
        memory_limit: counted()
            .map(|container| quantity::units(&find(&container.limits, "memory")?))
            .try_fold(0_u64, |sum, limit| Some(sum.saturating_add(limit?)))
            .filter(|limit| *limit > 0),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::kubernetes_metrics::ContainerUsage;
    use toolgate_sdk::kubernetes_read::{Container, ContainerState};
    use toolgate_sdk::types::Moment;

    use super::*;

    fn moment() -> Moment {
        Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s: 9 }
    }

    fn usage(name: &str, cpu_m: u64, memory_bytes: u64) -> PodUsage {
        PodUsage {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            measured: moment(),
            window_s: 30,
            containers: vec![ContainerUsage { name: "app".to_owned(), cpu_m, memory_bytes }; 2],
        }
    }

    fn pod<const N: usize>(name: &str, limits: [Option<&str>; N]) -> Pod {
        let quantity = |resource: &str, amount: &str| Quantity {
            resource: resource.to_owned(),
            amount: amount.to_owned(),
        };
        let container = |limit: Option<&str>| Container {
            name: "app".to_owned(),
            image: String::new(),
            init: false,
            ready: true,
            restart_count: 0,
            state: ContainerState::Running(moment()),
            last_termination: None,
            requests: vec![quantity("cpu", "250m"), quantity("memory", "64Mi")],
            limits: limit.map(|limit| quantity("memory", limit)).into_iter().collect(),
        };
        Pod {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: String::new(),
            labels: Vec::new(),
            created: moment(),
            deleting: false,
            phase: "Running".to_owned(),
            status: "Running".to_owned(),
            reason: None,
            message: None,
            node: None,
            pod_ip: None,
            host_ip: None,
            qos_class: None,
            service_account: None,
            owner: None,
            conditions: Vec::new(),
            containers: limits.into_iter().map(container).collect(),
        }
    }

    #[test]
    fn shows_the_largest_first_against_requests_and_limits() {
        let used = || vec![usage("web", 100, 60 << 20), usage("cart", 10, 90 << 20)];
        let pods = [pod("web", [Some("64Mi"), Some("64Mi")]), pod("cart", [Some("64Mi"), None])];
        let reply = answer("`shop`", used(), &pods, Order::Memory, false);
        assert!(!reply.truncated);
        expect![[r#"
            2 pods in `shop`, by what they use now

            NAMESPACE   NAME   CPU    CPU REQUEST   MEMORY   MEMORY REQUEST   MEMORY LIMIT
            shop        cart   20m    500m (4%)     180Mi    128Mi (140%)     -
            shop        web    200m   500m (40%)    120Mi    128Mi (93%)      128Mi (93%)"#]]
        .assert_eq(&reply.text);
        let reply = answer("`shop`", used(), &[], Order::Cpu, false);
        assert_eq!(reply.structured.pods[0].name, "web");
        assert_eq!(reply.structured.pods[0].memory_percent, None);
    }

    #[test]
    fn counts_init_containers_that_go_on() {
        let mut mesh = pod("web", [Some("64Mi"), Some("64Mi"), Some("64Mi")]);
        for (container, name) in mesh.containers.iter_mut().zip(["migrate", "mesh", "app"]) {
            name.clone_into(&mut container.name);
            container.init = name != "app";
        }
        let mut used = usage("web", 100, 40 << 20);
        "mesh".clone_into(&mut used.containers[1].name);
        let reply = answer("`shop`", vec![used], &[mesh], Order::Memory, false);
        expect!["shop        web    200m   500m (40%)    80Mi     128Mi (62%)      128Mi (62%)"]
            .assert_eq(reply.text.lines().last().unwrap());
    }

    #[test]
    fn is_bounded() {
        let many = (0..60).map(|i| usage(&format!("web-{i}"), i, i)).collect();
        let reply = answer("`shop`", many, &[], Order::Cpu, true);
        assert!(reply.truncated && reply.text.starts_with("at least 60 pods"));
        assert_eq!(reply.structured.pods.len(), ROWS_MAX);
        let none = answer("`shop`", Vec::new(), &[], Order::Cpu, false);
        assert_eq!(none.text, "No pod in `shop` is measured.");
    }
}
