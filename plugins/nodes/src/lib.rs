//! Nodes and whether they are healthy.
//!
//! This room owns what counts as a problem of a node. It shows what nodes can give, not what is
//! used of it: usage is another authority.

use toolgate_sdk::kubernetes_read::Node;
use toolgate_sdk::prelude::*;

/// Rows in one answer: about 20 KB of text.
const ROWS_MAX: usize = 200;
const MESSAGE_CHARS_MAX: usize = 160;

#[arguments]
struct Args {
    /// Omit for all nodes.
    node_name: Option<String>,
    label_selector: Option<String>,
    cluster: Option<String>,
}

#[output]
struct NodeRow {
    name: String,
    ready: bool,
    unschedulable: bool,
    problems: Vec<String>,
    roles: Vec<String>,
    taints: Vec<String>,
    /// Allocatable, as are memory and pods.
    cpu: Option<String>,
    memory: Option<String>,
    pods: Option<String>,
    kubelet_version: String,
    internal_ip: Option<String>,
    created: String,
}

#[output]
struct NodeList {
    nodes: Vec<NodeRow>,
    total: u64,
    unhealthy: u64,
}

toolgate_sdk::plugin! {
    tool(
        "get_node_status",
        "Get node status",
        "Nodes with readiness, pressure, cordons, taints, kubelet version and allocatable CPU, \
         memory and pods (capacity, not usage). Nodes with problems come first.",
        get_node_status
    ),
}

fn get_node_status(args: Args) -> Result<Reply<NodeList>, ToolError> {
    let query = pages::query(args.cluster, None, args.label_selector);
    let mut nodes = pages::nodes(query, pages::OBJECTS_MAX);
    let mut found = Vec::new();
    for node in nodes.by_ref() {
        let node = node?;
        if args.node_name.as_ref().is_none_or(|name| *name == node.name) {
            found.push(node);
        }
    }
    if let (Some(name), true) = (&args.node_name, found.is_empty()) {
        return Err(ToolError::Failed(format!("not found: node `{}`", one_line(name))));
    }
    Ok(answer(found, nodes.unread().map_or(0, |unread| unread.at_least)))
}

fn answer(nodes: Vec<Node>, n_unread: u64) -> Reply<NodeList> {
    let mut nodes: Vec<(Vec<String>, Node)> =
        nodes.into_iter().map(|node| (problems(&node), node)).collect();
    // Stable: within each half the order of names stays.
    nodes.sort_by_key(|(problems, _)| problems.is_empty());
    let read = nodes.len() as u64;
    let unhealthy = nodes.iter().filter(|(problems, _)| !problems.is_empty()).count() as u64;
    let header = ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "CPU", "MEMORY", "PODS", "PROBLEMS"];
    let mut table = Table::new(&header).keep(ROWS_MAX).narrow_by("narrow with `label_selector`");
    let mut rows = Vec::new();
    for (problems, node) in nodes {
        let (cells, facts) = row(problems, node);
        if table.row(cells) {
            rows.push(facts);
        }
    }
    table.leave_out(n_unread);
    let total = read.saturating_add(n_unread);
    let text = if total == 0 {
        "No nodes match.".to_owned()
    } else {
        let noun = if total == 1 { "node" } else { "nodes" };
        let of = if n_unread > 0 { format!(" of the first {read}") } else { String::new() };
        format!("{total} {noun}, {unhealthy}{of} with problems\n\n{table}")
    };
    let truncated = table.left_out() > 0;
    Reply::new(text, NodeList { nodes: rows, total, unhealthy }).truncated(truncated)
}

/// What is wrong with a node: it is not ready, under pressure, or kept from taking pods.
fn problems(node: &Node) -> Vec<String> {
    let mut problems = Vec::new();
    if !node.conditions.iter().any(|condition| condition.kind == "Ready") {
        problems.push("does not report whether it is ready".to_owned());
    }
    for condition in &node.conditions {
        // `Ready`, and what agents add in its manner (`NetworkingReady`), should be true; every
        // other condition of a node names something bad.
        let good = if condition.kind.ends_with("Ready") { "True" } else { "False" };
        if condition.status == good {
            continue;
        }
        let since = condition
            .changed
            .as_ref()
            .map_or_else(String::new, |changed| format!(" for {}", age(changed)));
        let mut problem = format!("{}={}{since}", condition.kind, condition.status);
        if let Some(message) = condition.message.as_deref().or(condition.reason.as_deref()) {
            problem = format!("{problem}: {}", cut(&one_line(message), MESSAGE_CHARS_MAX));
        }
        problems.push(problem);
    }
    if node.unschedulable {
        problems.push("cordoned".to_owned());
    }
    problems
}

/// A node's line in the table, and the same as data.
fn row(problems: Vec<String>, node: Node) -> ([String; 9], NodeRow) {
    let ready = node
        .conditions
        .iter()
        .any(|condition| condition.kind == "Ready" && condition.status == "True");
    let allocatable = |resource: &str| {
        let found = node.allocatable.iter().find(|quantity| quantity.resource == resource);
        found.map(|quantity| quantity.amount.clone())
    };
    let (cpu, memory, pods) = (allocatable("cpu"), allocatable("memory"), allocatable("pods"));
    let status = match (ready, node.unschedulable) {
        (true, false) => "Ready",
        (true, true) => "Ready,SchedulingDisabled",
        (false, false) => "NotReady",
        (false, true) => "NotReady,SchedulingDisabled",
    };
    let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let roles = if node.roles.is_empty() { "<none>".to_owned() } else { node.roles.join(",") };
    let cells = [
        node.name.clone(),
        status.to_owned(),
        roles,
        age(&node.created),
        node.kubelet_version.clone(),
        or_none(&cpu),
        or_none(&memory),
        or_none(&pods),
        problems.join("; "),
    ];
    let facts = NodeRow {
        name: node.name,
        ready,
        unschedulable: node.unschedulable,
        problems,
        roles: node.roles,
        taints: node.taints,
        cpu,
        memory,
        pods,
        kubelet_version: node.kubelet_version,
        internal_ip: node.internal_ip,
        created: node.created.at,
    };
    (cells, facts)
}

#[cfg(test)]
mod tests;
