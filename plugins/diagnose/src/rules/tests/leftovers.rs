//! Pods that failed and were replaced: they are left behind, and nothing is wrong.

use expect_test::expect;

use super::{causes, is_healthy, report};
use crate::facts::{Facts, Kind};
use crate::sample::*;

/// A job whose first pod failed, and whose second one ended well.
fn retried(exit_code: i32, reason: &str) -> Facts {
    let mut facts = job(Some("Complete"), &[("web-2-a", 1_200), ("web-2-b", 900)]);
    failed(&mut facts.pods[0], exit_code, reason, 910);
    succeeded(&mut facts.pods[1], 600);
    facts
}

#[test]
fn a_job_that_was_retried_is_complete() {
    let facts = retried(3, "Error");
    assert!(is_healthy(&facts));
    expect![[r#"
        Job `shop/web`: healthy, completed 10m ago

        1. pod_failed (possible): pod `web-2-a` failed 15m ago, and has been replaced
           - [status web-2-a/app] exit code 3 (Error) 15m ago
           - [node of web-2-a] node-1
           Next: Look at its node with get_node_status, and at its log with get_pod_logs; what is left of pods that were replaced may be deleted."#]].assert_eq(&report(&facts));
    assert_eq!(causes(&retried(137, "OOMKilled")), ["pod_failed (possible)"]);
    let mut full = retried(1, "Error");
    full.logs.push(log(false, &["write /data: no space left on device"]));
    assert_eq!(causes(&full), ["pod_failed (possible)"]);
    assert!(is_healthy(&full));
}

#[test]
fn a_job_that_runs_is_judged_by_its_newest_pods() {
    let running = |n_failed: usize, retry_runs: bool| {
        let mut pods = vec![("web-2-a", 500), ("web-2-b", 400), ("web-2-c", 300)];
        pods.truncate(n_failed);
        pods.extend(retry_runs.then_some(("web-2-d", 60)));
        let mut facts = job(None, &pods);
        for pod in facts.pods.iter_mut().take(n_failed) {
            failed(pod, 1, "Error", pod.created.age_s - 20);
        }
        facts
    };
    assert_eq!(causes(&running(1, false)), ["crash_loop (certain)"], "nothing else runs");
    assert!(!is_healthy(&running(1, false)));
    assert_eq!(causes(&running(1, true)), ["pod_failed (possible)"]);
    assert!(is_healthy(&running(1, true)));
    assert_eq!(causes(&running(3, true)), ["crash_loop (certain)"], "as the next will");
    assert!(!is_healthy(&running(3, true)));
    // Some of many pods fail, and the others go on.
    let mut many = running(3, true);
    many.pods.extend(["e", "f", "g"].map(|name| pod(name, 50)));
    assert!(is_healthy(&many));
}

/// What a node leaves behind that shuts down, beside pods that work.
fn shut_down() -> Facts {
    let mut facts = healthy();
    facts.pods.push(pod("web-2-c", 90_000));
    let left = &mut facts.pods[2];
    failed(left, 137, "Error", 7_000);
    left.reason = Some("Terminated".to_owned());
    left.message = Some("Pod was terminated in response to imminent node shutdown.".to_owned());
    facts
}

#[test]
fn what_a_node_left_behind_is_no_trouble_of_today() {
    let facts = shut_down();
    assert!(is_healthy(&facts));
    expect![[r#"
        Deployment `shop/web`: healthy, 2 of 2 pods ready since 2026-11-21T02:13:07Z (120m)

        1. pod_failed (possible): pod `web-2-c` failed 116m ago, and has been replaced
           - [status web-2-c] Terminated: Pod was terminated in response to imminent node shutdown.
           - [status web-2-c/app] exit code 137 (Error) 116m ago
           - [node of web-2-c] node-1
           Next: Look at its node with get_node_status, and at its log with get_pod_logs; what is left of pods that were replaced may be deleted."#]].assert_eq(&report(&facts));
    let mut old = shut_down();
    failed(&mut old.pods[2], 137, "Error", 89_000);
    assert_eq!(causes(&old), [""; 0]);
    let mut daemons = shut_down();
    daemons.kind = Kind::DaemonSet;
    assert!(is_healthy(&daemons));
    let mut missing = shut_down();
    missing.rollout = broken(|_| {}).rollout;
    missing.pods.remove(0);
    assert_eq!(causes(&missing), ["pod_failed (likely)"], "nobody stands in for it");
    assert!(!is_healthy(&missing));
}

#[test]
fn a_pod_by_itself_failed_for_the_reason_that_is_told() {
    let mut facts = shut_down();
    facts.kind = Kind::Pod;
    facts.rollout = None;
    facts.history.clear();
    facts.pods.drain(..2);
    assert_eq!(causes(&facts), ["pod_failed (certain)"]);
    assert!(!is_healthy(&facts));
    facts.pods[0].reason = None;
    assert_eq!(causes(&facts), ["crash_loop (certain)"]);
}

#[test]
fn an_eviction_explains_no_crash_of_another_pod() {
    let facts = broken(|facts| {
        crashing(first(facts), 1, "Error");
        failed(&mut facts.pods[1], 137, "Error", 3_000);
        facts.pods[1].reason = Some("Evicted".to_owned());
        facts.pods[1].message = Some("The node was low on resource: memory.".to_owned());
    });
    assert_eq!(causes(&facts), ["evicted (certain)", "crash_loop (certain)"]);
    // Of a pod by itself, an eviction is the last word, however old.
    let mut pod = facts;
    pod.kind = Kind::Pod;
    pod.pods.remove(0);
    pod.pods[0].created = ago(300_000);
    failed(&mut pod.pods[0], 137, "Error", 200_000);
    assert_eq!(causes(&pod), ["evicted (certain)"]);
}

#[test]
fn pods_that_failed_are_not_there() {
    let refused = broken(|facts| {
        failed(&mut facts.pods[0], 137, "Error", 90_000);
        let told = event("FailedCreate", "violates PodSecurity \"restricted:latest\"");
        facts.events.push(about("ReplicaSet", "web-2", told));
    });
    assert_eq!(causes(&refused), ["creation_refused (certain)", "pod_failed (likely)"]);
}
