//! What nodes use, against what they can give.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toolgate_sdk::kubernetes_metrics::{self, NodeUsage};
use toolgate_sdk::kubernetes_read::Node;
use toolgate_sdk::prelude::*;
use toolgate_sdk::quantity;

const ROWS_MAX: usize = 200;

#[arguments]
pub(crate) struct Args {
    cluster: Option<String>,
}

#[output]
pub(crate) struct Row {
    name: String,
    cpu_m: u64,
    cpu_percent: Option<u64>,
    memory_bytes: u64,
    memory_percent: Option<u64>,
}

#[output]
pub(crate) struct Top {
    nodes: Vec<Row>,
    /// Nodes without a measurement.
    not_measured: Vec<String>,
}

pub(crate) fn top_nodes(args: Args) -> Result<Reply<Top>, ToolError> {
    let usage = kubernetes_metrics::list_nodes(args.cluster.as_deref())?;
    let (nodes, _) =
        pages::all(pages::nodes(pages::query(args.cluster, None, None), pages::OBJECTS_MAX))?;
    Ok(answer(usage, &nodes))
}

fn answer(usage: Vec<NodeUsage>, nodes: &[Node]) -> Reply<Top> {
    let by_name: BTreeMap<&str, &Node> =
        nodes.iter().map(|node| (node.name.as_str(), node)).collect();
    let measured = usage.first().map(|usage| age(&usage.measured));
    let not_measured: Vec<String> = nodes
        .iter()
        .filter(|node| usage.iter().all(|usage| usage.name != node.name))
        .map(|node| node.name.clone())
        .collect();
    let mut rows: Vec<Row> = usage
        .into_iter()
        .map(|usage| {
            let allocatable = |resource: &str| {
                let node = by_name.get(usage.name.as_str())?;
                let found = node.allocatable.iter().find(|q| q.resource == resource)?;
                if resource == "cpu" {
                    quantity::cpu_m(&found.amount)
                } else {
                    quantity::units(&found.amount)
                }
            };
            let of = |used, resource| quantity::percent(used, allocatable(resource)?);
            Row {
                cpu_m: usage.cpu_m,
                cpu_percent: of(usage.cpu_m, "cpu"),
                memory_bytes: usage.memory_bytes,
                memory_percent: of(usage.memory_bytes, "memory"),
                name: usage.name,
            }
        })
        .collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.cpu_percent.max(row.memory_percent)));
    let mut table = Table::new(&["NAME", "CPU", "CPU%", "MEMORY", "MEMORY%"]).keep(ROWS_MAX);
    let percent = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), |n| format!("{n}%"));
    rows.retain(|row| {
        table.row([
            row.name.clone(),
            quantity::cpu(row.cpu_m),
            percent(row.cpu_percent),
            quantity::bytes(row.memory_bytes),
            percent(row.memory_percent),
        ])
    });
    let mut text = match (table.is_empty(), measured) {
        (false, Some(age)) => format!("Measured {age} ago, in percent of allocatable\n\n{table}"),
        _ => "No node is measured.".to_owned(),
    };
    if !not_measured.is_empty() {
        let _ = write!(text, "\n\nNot measured: {}", not_measured.join(", "));
    }
    let truncated = table.left_out() > 0;
    Reply::new(text, Top { nodes: rows, not_measured }).truncated(truncated)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::kubernetes_read::Quantity;
    use toolgate_sdk::types::Moment;

    use super::*;

    fn ago(age_s: u64) -> Moment {
        Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s }
    }

    fn node(name: &str) -> Node {
        let quantity = |resource: &str, amount: &str| Quantity {
            resource: resource.to_owned(),
            amount: amount.to_owned(),
        };
        Node {
            name: name.to_owned(),
            labels: Vec::new(),
            created: ago(9),
            roles: Vec::new(),
            unschedulable: false,
            taints: Vec::new(),
            kubelet_version: String::new(),
            os_image: String::new(),
            internal_ip: None,
            capacity: Vec::new(),
            allocatable: vec![quantity("cpu", "3920m"), quantity("memory", "14Gi")],
            conditions: Vec::new(),
        }
    }

    fn usage(name: &str, cpu_m: u64, memory_bytes: u64) -> NodeUsage {
        NodeUsage { name: name.to_owned(), measured: ago(20), window_s: 30, cpu_m, memory_bytes }
    }

    #[test]
    fn shows_the_fullest_first() {
        let usage = vec![
            usage("node-1", 392, 1 << 30),
            usage("node-2", 100, 13 << 30),
            usage("gone", 100, 1 << 30),
        ];
        let reply = answer(usage, &[node("node-1"), node("node-2"), node("node-3")]);
        assert_eq!(reply.structured.nodes[0].memory_percent, Some(92));
        expect![[r#"
            Measured 20s ago, in percent of allocatable

            NAME     CPU    CPU%   MEMORY   MEMORY%
            node-2   100m   2%     13Gi     92%
            node-1   392m   10%    1Gi      7%
            gone     100m   -      1Gi      -

            Not measured: node-3"#]]
        .assert_eq(&reply.text);
        assert_eq!(answer(Vec::new(), &[]).text, "No node is measured.");
    }
}
