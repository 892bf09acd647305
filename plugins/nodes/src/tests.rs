//! Nodes and their problems.

use expect_test::expect;
use toolgate_sdk::Guest as _;
use toolgate_sdk::kubernetes_read::Quantity;
use toolgate_sdk::types::{Condition, Moment};

use super::*;

fn ago(age_s: u64) -> Moment {
    Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s }
}

fn condition(kind: &str, status: &str, message: Option<&str>) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status: status.to_owned(),
        reason: None,
        message: message.map(str::to_owned),
        changed: Some(ago(192)),
    }
}

fn node(name: &str, conditions: Vec<Condition>) -> Node {
    let quantity = |resource: &str, amount: &str| Quantity {
        resource: resource.to_owned(),
        amount: amount.to_owned(),
    };
    Node {
        name: name.to_owned(),
        labels: Vec::new(),
        created: ago(864_000),
        roles: Vec::new(),
        unschedulable: false,
        taints: Vec::new(),
        kubelet_version: "v1.34.1".to_owned(),
        os_image: "Debian".to_owned(),
        internal_ip: None,
        capacity: Vec::new(),
        allocatable: vec![quantity("cpu", "3920m"), quantity("memory", "14Gi")],
        conditions,
    }
}

#[test]
fn puts_nodes_with_problems_first() {
    let pressed = vec![
        condition("Ready", "True", None),
        condition("MemoryPressure", "True", Some("kubelet has\ninsufficient memory")),
        condition("DiskPressure", "False", None),
    ];
    let gone = vec![
        condition("Ready", "Unknown", Some("Kubelet stopped posting node status.")),
        condition("MemoryPressure", "Unknown", None),
    ];
    let mut cordoned = node("node-3", vec![condition("Ready", "True", None)]);
    cordoned.unschedulable = true;
    cordoned.roles = vec!["control-plane".to_owned()];
    let reply = answer(
        vec![
            node("node-1", vec![condition("Ready", "True", None)]),
            node("node-2", pressed),
            cordoned,
            node("node-4", gone),
            node("node-5", Vec::new()),
        ],
        0,
    );
    assert!(!reply.truncated);
    assert_eq!((reply.structured.total, reply.structured.unhealthy), (5, 4));
    expect![[r#"
        5 nodes, 4 with problems

        NAME     STATUS                     ROLES           AGE   VERSION   CPU     MEMORY   PODS   PROBLEMS
        node-2   Ready                      <none>          10d   v1.34.1   3920m   14Gi     -      MemoryPressure=True for 3m12s: kubelet has insufficient memory
        node-3   Ready,SchedulingDisabled   control-plane   10d   v1.34.1   3920m   14Gi     -      cordoned
        node-4   NotReady                   <none>          10d   v1.34.1   3920m   14Gi     -      Ready=Unknown for 3m12s: Kubelet stopped posting node status.; MemoryPressure=Unknown for 3m12s
        node-5   NotReady                   <none>          10d   v1.34.1   3920m   14Gi     -      does not report whether it is ready
        node-1   Ready                      <none>          10d   v1.34.1   3920m   14Gi     -"#]].assert_eq(&reply.text);
}

#[test]
fn says_what_the_list_leaves_out() {
    let healthy = || node("node-1", vec![condition("Ready", "True", None)]);
    let reply = answer((0..=ROWS_MAX).map(|_| healthy()).collect(), 3);
    assert!(reply.truncated);
    assert_eq!((reply.structured.nodes.len(), reply.structured.total), (200, 204));
    assert!(reply.text.starts_with("204 nodes, 0 of the first 201 with problems"));
    assert!(reply.text.ends_with("… 4 more: narrow with `label_selector`"));
}

#[test]
fn says_so_when_there_are_none() {
    assert_eq!(answer(Vec::new(), 0).text, "No nodes match.");
}

#[test]
fn offers_these_definitions() {
    expect_test::expect_file!["../definitions.txt"]
        .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
}
