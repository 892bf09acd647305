//! Pods that are not ready although their containers are.

use expect_test::expect;
use toolgate_sdk::kubernetes_events::Event;

use super::{causes, is_healthy, report, sentence};
use crate::facts::{Facts, Kind};
use crate::sample::*;

/// A lost node with the first pod, told of in an event or not.
fn lost(with_event: bool) -> Facts {
    broken(|facts| {
        unready(&mut facts.pods[0], None, 300);
        if with_event {
            let told = event("NodeNotReady", "Node is not ready");
            facts.events.push(Event { last_seen: ago(310), ..told });
        }
    })
}

fn of_pod(mut facts: Facts) -> Facts {
    facts.kind = Kind::Pod;
    facts.name = "web-2-a".to_owned();
    facts.rollout = None;
    facts.pods.truncate(1);
    facts
}

#[test]
fn names_lost_nodes() {
    let facts = lost(true);
    assert_eq!(causes(&facts), ["node_lost (certain)"]);
    expect![[r#"
        Deployment `shop/web`: not healthy, 1 of 2 pods ready; rollout: 1 of 2 updated replicas are available

        1. node_lost (certain): node `node-1` does not report any more: pod `web-2-a` is not ready, and what is said of its containers is old
           - [condition Ready web-2-a] False since 5m
           - [event NodeNotReady, 5m10s ago, pod web-2-a] Node is not ready (3 times)
           - [node of web-2-a] node-1
           Next: See whether the node is ready: get_node_status with `node_name`, and describe_node for its events."#]].assert_eq(&report(&facts));
    assert_eq!(causes(&lost(false)), ["node_lost (likely)"], "nobody says so");
    let came_back = broken(|facts| {
        unready(&mut facts.pods[0], Some("ReadinessGatesNotReady"), 90);
        let told = event("NodeNotReady", "Node is not ready");
        facts.events.push(Event { last_seen: ago(900), ..told });
    });
    assert_eq!(causes(&came_back), ["pod_not_ready (certain)"]);
    let mut both = lost(true);
    unready(&mut both.pods[1], None, 290);
    assert_eq!(causes(&both), ["node_lost (certain)"], "they are on one node");
    assert!(sentence(&both).contains("pod `web-2-a` (and 1 other pod) is not ready"));
    both.pods[1].node = Some("node-2".to_owned());
    assert_eq!(causes(&both), ["node_lost (certain)", "node_lost (likely)"]);
}

#[test]
fn a_pod_of_a_lost_node_is_not_healthy() {
    let pod = of_pod(lost(true));
    assert_eq!(causes(&pod), ["node_lost (certain)"]);
    assert!(!is_healthy(&pod));
    // The cluster wants to have it deleted, which nobody is there to do.
    let mut leaving = of_pod(lost(true));
    leaving.pods[0].deleting = true;
    assert_eq!(causes(&leaving), ["node_lost (certain)"]);
    assert!(sentence(&leaving).contains("is being deleted and not ready"));
    assert!(report(&leaving).contains("not healthy, 0 of 1 pods ready"));
    assert!(!is_healthy(&leaving));
}

#[test]
fn a_pod_that_leaves_a_lost_node_counts_until_others_stand_in_for_it() {
    let mut facts = lost(true);
    facts.pods[0].deleting = true;
    assert_eq!(causes(&facts), ["node_lost (certain)"]);
    assert!(!is_healthy(&facts));
    facts.rollout = healthy().rollout;
    facts.pods.push(pod("web-2-c", 200));
    assert_eq!(causes(&facts), ["node_lost (possible)"]);
    assert!(is_healthy(&facts));
}

#[test]
fn names_what_else_keeps_pods_unready() {
    let gated = |since_s| {
        broken(|facts| {
            let pod = &mut facts.pods[0];
            unready(pod, Some("ReadinessGatesNotReady"), since_s);
            let said = "the status of pod readiness gate \"example.org/target\" is not \"True\"";
            pod.conditions[1].message = Some(said.to_owned());
        })
    };
    expect![[r#"
        Deployment `shop/web`: not healthy, 1 of 2 pods ready; rollout: 1 of 2 updated replicas are available

        1. pod_not_ready (certain): all containers of pod `web-2-a` are ready, the pod is not, for 10m: a readiness gate holds it back
           - [condition Ready web-2-a] False since 10m: ReadinessGatesNotReady: the status of pod readiness gate "example.org/target" is not "True"
           - [node of web-2-a] node-1
           Next: Find what has to open spec.readinessGates with get_resource; get_node_status for the node."#]].assert_eq(&report(&gated(600)));
    assert!(!is_healthy(&of_pod(gated(600))));
    assert_eq!(causes(&gated(20)), [""; 0], "it may still open");
    assert!(!is_healthy(&gated(20)));
}
