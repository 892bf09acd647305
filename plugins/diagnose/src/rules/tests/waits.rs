//! What waits for something else, and is not held up by what it looks like.

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::serde_json::{Value, json};

use super::{causes, is_healthy};
use crate::facts::Facts;
use crate::sample::*;

/// A job with these numbers, and pods of it that were refused twenty minutes ago.
fn refused_job(condition: Option<&str>, status: &Value, pods: &[(&str, u64)]) -> Facts {
    let mut facts = job(condition, pods);
    facts.object["spec"] = json!({"parallelism": 2, "completions": 4});
    for (key, value) in status.as_object().unwrap() {
        facts.object["status"][key] = value.clone();
    }
    let told = event("FailedCreate", "pods \"web-x\" is forbidden: exceeded quota: small");
    facts.events.push(Event { last_seen: ago(1_200), ..about("Job", "web", told) });
    facts
}

#[test]
fn a_job_misses_pods_by_its_own_numbers() {
    let old = &[("web-a", 1_300)][..];
    let missing = ["quota (certain)"];
    let none: [&str; 0] = [];
    for (status, pods, expected) in [
        (json!({}), &[][..], &missing[..]),
        (json!({"active": 1}), old, &missing),
        (json!({"active": 2}), old, &none),
        (json!({"active": 1, "succeeded": 3}), old, &none),
        (json!({"active": 1, "succeeded": 2}), old, &missing),
        // Another pod came since then.
        (json!({"active": 1}), &[("web-a", 1_300), ("web-b", 600)], &none),
    ] {
        assert_eq!(causes(&refused_job(None, &status, pods)), expected, "{status}");
    }
    let without_end = |status| {
        let mut facts = refused_job(None, &status, old);
        facts.object["spec"] = json!({"parallelism": 2});
        causes(&facts)
    };
    assert_eq!(without_end(json!({"active": 1})), missing);
    assert_eq!(without_end(json!({"active": 1, "succeeded": 1})), none);
    let complete = refused_job(Some("Complete"), &json!({"succeeded": 4}), &[]);
    assert_eq!(causes(&complete), none);
    assert!(is_healthy(&complete));
    let never = refused_job(Some("Failed"), &json!({}), &[]);
    assert_eq!(causes(&never), missing, "its deadline passed before a pod came");
    let ran = refused_job(Some("Failed"), &json!({"failed": 3}), &[]);
    assert_eq!(causes(&ran), ["job_failed (certain)"]);
    let mut suspended = refused_job(None, &json!({}), &[]);
    suspended.object["spec"]["suspend"] = json!(true);
    assert_eq!(causes(&suspended), ["suspended (certain)"]);
}

/// A pod that has no node because of `message`, and a claim of it with this newest event.
fn claimed(message: &str, newest: &str) -> Facts {
    broken(|facts| {
        pending(&mut facts.pods[0], "Unschedulable", message);
        facts.claims.push(json!({"metadata": {"name": "data"}, "status": {"phase": "Pending"}}));
        let of_claim = |reason| about("PersistentVolumeClaim", "data", event(reason, "waiting"));
        if !newest.is_empty() {
            facts.events.push(of_claim(newest));
        }
        facts.events.push(of_claim("ProvisioningFailed"));
    })
}

#[test]
fn a_claim_that_waits_for_its_pod_holds_nothing_up() {
    let cpu = "0/3 nodes are available: 3 Insufficient cpu.";
    for newest in ["WaitForFirstConsumer", "WaitForPodScheduled"] {
        assert_eq!(causes(&claimed(cpu, newest)), ["unschedulable (certain)"]);
    }
    let others = [
        cpu,
        "0/3 nodes are available: 3 Insufficient memory.",
        "0/3 nodes are available: 3 node(s) had untolerated taint {gpu: true}.",
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
    ];
    for message in others {
        let found = causes(&claimed(message, ""));
        assert_eq!(found, ["unschedulable (certain)", "volume_unbound (possible)"], "{message}");
    }
    let unbound = "0/3 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let both = "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't find available \
                persistent volumes to bind.";
    for message in [unbound, both] {
        let found = causes(&claimed(message, ""));
        assert_eq!(found, ["unschedulable (certain)", "volume_unbound (certain)"], "{message}");
    }
    let mut lost = claimed(cpu, "");
    lost.claims[0]["status"]["phase"] = json!("Lost");
    assert_eq!(causes(&lost), ["unschedulable (certain)", "volume_unbound (certain)"]);
}
