//! Causes that lie around a pod: nodes, volumes, quotas, deletions, disks, services, jobs.

use expect_test::expect;
use toolgate_sdk::kubernetes_read::ContainerState;
use toolgate_sdk::serde_json::json;

use super::{causes, report, sentence};
use crate::facts::Kind;
use crate::rules::scheduling;
use crate::sample::*;

#[test]
fn names_what_keeps_a_pod_from_every_node() {
    let facts = broken(|facts| {
        let message = "0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 \
                       node(s) had taint {gpu: true}, that the pod didn't tolerate. preemption: 0/3 \
                       nodes are available: 3 No preemption victims found for incoming pod.";
        pending(&mut facts.pods[0], "Unschedulable", message);
        facts.events.push(event("FailedScheduling", message));
    });
    assert_eq!(causes(&facts), ["unschedulable (certain)"]);
    expect![[r#"
        Deployment `shop/web`: not healthy, 1 of 2 pods ready; rollout: 1 of 2 updated replicas are available

        1. unschedulable (certain): no node takes pod `web-2-a`: not enough cpu (1 node); not enough memory (1 node); taint `gpu: true` is not tolerated (1 node)
           - [condition PodScheduled web-2-a] 0/3 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 node(s) had taint {gpu: true}, that the pod didn't tolerate. preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.
           Next: Compare with what nodes have left: get_node_status; lower requests, add nodes, or correct selector, affinity or tolerations."#]].assert_eq(&report(&facts));
    let gated = broken(|facts| pending(&mut facts.pods[0], "SchedulingGated", "gates"));
    assert_eq!(causes(&gated), ["scheduling_gated (certain)"]);
    let earlier = broken(|facts| {
        creating(&mut facts.pods[0]);
        facts
            .events
            .push(event("FailedScheduling", "0/3 nodes are available: 3 Insufficient cpu."));
    });
    assert_eq!(causes(&earlier), [""; 0], "it has a node now");
}

#[test]
fn reads_what_the_scheduler_says() {
    for (message, expected) in [
        ("0/1 nodes are available: 1 Insufficient cpu.", "not enough cpu (1 node)"),
        (
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.",
            "no node matches its node selector or affinity (3 nodes)",
        ),
        (
            "0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules.",
            "pod affinity or anti-affinity (3 nodes)",
        ),
        (
            "0/2 nodes are available: 1 node(s) were unschedulable, 1 Too many pods.",
            "nodes are cordoned (1 node); nodes have as many pods as they may (1 node)",
        ),
        (
            "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.",
            "a volume claim is not bound",
        ),
        ("persistentvolumeclaim \"data\" not found", "a volume claim does not exist"),
        (
            "0/2 nodes are available: 2 node(s) had volume node affinity conflict.",
            "its volume is bound to other nodes (2 nodes)",
        ),
        (
            "0/2 nodes are available: 2 node(s) had untolerated taint {node.kubernetes.io/disk-pressure: }.",
            "taint `node.kubernetes.io/disk-pressure:` is not tolerated (2 nodes)",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't match pod topology spread constraints.",
            "topology spread constraints (2 nodes)",
        ),
        (
            "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports.",
            "its host port is taken (2 nodes)",
        ),
        ("skip schedule deleting pod", ""),
        ("", ""),
    ] {
        assert_eq!(scheduling::reasons(message).join("; "), expected, "{message}");
    }
}

#[test]
fn names_volumes() {
    let mount = |message: &str| {
        broken(|facts| {
            creating(&mut facts.pods[0]);
            facts.events.push(event("FailedAttachVolume", message));
        })
    };
    let facts = mount("Multi-Attach error for volume \"pv-1\": already used by pod(s) web-1");
    assert_eq!(causes(&facts), ["volume_not_mounted (certain)"]);
    assert!(sentence(&facts).contains("attached to another node"));
    let over = broken(|facts| facts.events.push(event("FailedMount", "timed out")));
    assert_eq!(causes(&over), [""; 0]);
    // The kubelet pulls images when all volumes are there.
    for (message, reason) in [
        ("failed to sync secret cache: timed out waiting for the condition", "ErrImagePull"),
        ("configmap \"settings\" not found", "ImagePullBackOff"),
    ] {
        let over = broken(|facts| {
            creating(&mut facts.pods[0]);
            facts.pods[0].containers[0].state = waiting(reason, "");
            facts.events.push(event("FailedMount", message));
        });
        assert_eq!(causes(&over), ["image_pull (certain)"]);
    }
    let claim = |phase: &str, pod_pending: bool| {
        broken(|facts| {
            if pod_pending {
                creating(&mut facts.pods[0]);
            }
            facts.claims.push(json!({"metadata": {"name": "data"}, "status": {"phase": phase}}));
            facts.events.push(about(
                "PersistentVolumeClaim",
                "data",
                event("ProvisioningFailed", "storageclass \"fast\" not found"),
            ));
        })
    };
    assert_eq!(causes(&claim("Pending", true)), ["volume_unbound (certain)"]);
    assert_eq!(causes(&claim("Bound", true)), [""; 0]);
    assert_eq!(causes(&claim("Pending", false)), [""; 0], "for whoever comes first");
}

#[test]
fn names_quotas_and_other_refusals() {
    let refused = |message: &str, n_pods: usize, kind: &str| {
        broken(|facts| {
            facts.pods.truncate(n_pods);
            facts.events.push(about(kind, "web-2", event("FailedCreate", message)));
            facts.quotas.push(json!({"metadata": {"name": "small"},
                "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}}}));
        })
    };
    let quota = "Error creating: pods \"web-2-c\" is forbidden: exceeded quota: small, requested: \
                 pods=1, used: pods=1, limited: pods=1";
    let facts = refused(quota, 1, "ReplicaSet");
    assert_eq!(causes(&facts), ["quota (certain)"]);
    expect![[r#"
        Deployment `shop/web`: not healthy, 1 of 2 pods ready; rollout: 1 of 2 updated replicas are available

        1. quota (certain): no new pods are created: the quota `small` is used up
           - [event FailedCreate, 60s ago, replicaset web-2] Error creating: pods "web-2-c" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1 (3 times)
           - [quota small] pods 1/1
           Next: Raise the quota or ask for less: get_resource on the ResourceQuota."#]].assert_eq(&report(&facts));
    assert_eq!(causes(&refused(quota, 2, "ReplicaSet")), [""; 0], "all pods are there now");
    for (message, cause, expected) in [
        ("failed quota: small: must specify limits.memory", "quota", "demands requests"),
        ("violates PodSecurity \"restricted:latest\"", "creation_refused", "pod security"),
        (
            "error looking up service account shop/x: serviceaccount \"x\" not found",
            "creation_refused",
            "service account does not exist",
        ),
        ("admission webhook \"v.example.org\" denied the request", "creation_refused", "refuses"),
    ] {
        let facts = refused(message, 1, "ReplicaSet");
        assert_eq!(causes(&facts), [format!("{cause} (certain)")]);
        assert!(sentence(&facts).contains(expected), "{}", sentence(&facts));
    }
    let by_condition = broken(|facts| {
        facts.object["status"] = json!({"conditions": [
            {"type": "ReplicaFailure", "status": "True", "message": quota}]});
    });
    assert_eq!(causes(&by_condition), ["quota (certain)"]);
}

#[test]
fn names_deletions_that_do_not_end() {
    let deleting = |at: &str, finalizers: &[&str]| {
        broken(|facts| {
            facts.object["metadata"] = json!({"name": "web", "deletionTimestamp": at,
                "finalizers": finalizers});
        })
    };
    let facts = deleting("2026-11-21T01:13:07Z", &["example.org/protect"]);
    assert_eq!(causes(&facts), ["stuck_finalizer (certain)"]);
    assert!(sentence(&facts).ends_with("deleted for 60m and waits for `example.org/protect`"));
    assert_eq!(causes(&deleting("2026-11-21T01:13:07Z", &[])), ["stuck_terminating (likely)"]);
    assert_eq!(causes(&deleting("2026-11-21T02:12:07Z", &["x"])), [""; 0], "a minute ago");
    let pod = broken(|facts| {
        facts.pods[0].deleting = true;
        facts.leaving.push(json!({"metadata": {"name": "web-2-a", "finalizers": ["x"],
            "deletionTimestamp": "2026-11-21T01:13:07Z"}}));
    });
    assert_eq!(causes(&pod), ["stuck_finalizer (certain)"]);
    let kept = broken(|facts| facts.object["metadata"]["finalizers"] = json!(["x"]));
    assert_eq!(causes(&kept), [""; 0], "it is not being deleted");
}

#[test]
fn names_full_disks() {
    let evicted = |message: &str| {
        broken(|facts| {
            let pod = &mut facts.pods[0];
            pod.created = ago(600);
            pod.phase = "Failed".to_owned();
            pod.reason = Some("Evicted".to_owned());
            pod.message = Some(message.to_owned());
            pod.containers[0].ready = false;
            pod.containers[0].state = ContainerState::Terminated(ended(137, "Error", 300));
        })
    };
    let low = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi";
    assert_eq!(causes(&evicted(low)), ["disk_full (certain)"]);
    assert_eq!(causes(&evicted("The node was low on resource: memory.")), ["evicted (certain)"]);
    let mut replaced = evicted(low);
    replaced.rollout = healthy().rollout;
    assert_eq!(causes(&replaced), ["disk_full (possible)"]);
    let says = |line: &str| {
        broken(|facts| {
            crashing(first(facts), 1, "Error");
            facts.logs.push(log(true, &["start", line]));
        })
    };
    assert_eq!(
        causes(&says("write /data/wal: no space left on device")),
        ["disk_full (likely)"],
        "which explains the crash"
    );
    assert_eq!(
        causes(&says("inotify_add_watch: no space left on device")),
        ["crash_loop (certain)"],
        "no more watches"
    );
}

#[test]
fn names_services_that_lead_nowhere() {
    let facts = |selector, ready: bool| {
        broken(|facts| {
            facts.services.push(service(selector));
            facts.slices.push(slice(ready));
        })
    };
    let app = || json!({"app": "web"});
    assert_eq!(causes(&facts(app(), true)), [""; 0]);
    assert_eq!(causes(&facts(app(), false)), ["service_without_endpoints (likely)"]);
    let unlike = facts(json!({"app": "wep"}), false);
    assert_eq!(causes(&unlike), ["service_without_endpoints (likely)"]);
    assert!(sentence(&unlike).contains("selects `app=wep`, which the pods do not have"));
    assert_eq!(causes(&facts(json!({"app": "wep"}), true)), [""; 0], "it leads elsewhere");
    assert_eq!(causes(&facts(json!({}), false)), [""; 0], "it has no selector");
    let port = broken(|facts| {
        facts.services.push(service(app()));
        facts.spec["containers"][0]["ports"][0]["name"] = json!("web");
    });
    assert_eq!(causes(&port), ["service_without_endpoints (certain)"]);
    let consequence = broken(|facts| {
        facts.services.push(service(app()));
        facts.slices.push(slice(false));
        facts.pods.truncate(1);
        crashing(first(facts), 1, "Error");
    });
    assert_eq!(
        causes(&consequence),
        ["crash_loop (certain)", "service_without_endpoints (possible)"]
    );
    let unread = broken(|facts| {
        facts.services.push(service(app()));
        facts.gaps.push(("EndpointSlice".to_owned(), "denied".to_owned()));
    });
    assert_eq!(causes(&unread), [""; 0], "nobody looked");
}

#[test]
fn names_what_was_stopped_on_purpose() {
    let zero = broken(|facts| {
        facts.object["spec"]["replicas"] = json!(0);
        facts.pods.clear();
    });
    assert_eq!(causes(&zero), ["scaled_to_zero (certain)"]);
    let paused = |updated: u32| {
        broken(|facts| {
            facts.object["spec"]["paused"] = json!(true);
            facts.rollout.as_mut().unwrap().updated = updated;
        })
    };
    assert_eq!(causes(&paused(0)), ["rollout_paused (certain)"]);
    assert_eq!(causes(&paused(2)), [""; 0], "there is nothing to roll out");
}

#[test]
fn judges_jobs_by_their_conditions() {
    let job = |kind: &str, reason: &str| {
        let mut facts = healthy();
        facts.kind = Kind::Job;
        facts.rollout = None;
        facts.history.clear();
        facts.pods.clear();
        facts.object["status"] = json!({"conditions": [{"type": kind, "status": "True",
            "reason": reason, "lastTransitionTime": "2026-11-21T02:03:07Z"}]});
        facts
    };
    assert_eq!(causes(&job("Failed", "DeadlineExceeded")), ["job_failed (certain)"]);
    let complete = job("Complete", "");
    assert_eq!(causes(&complete), [""; 0]);
    assert_eq!(report(&complete), "Job `shop/web`: healthy, completed 10m ago");
    let mut crashed = job("Failed", "BackoffLimitExceeded");
    crashed.pods.push(pod("web-2-a", 600));
    crashed.pods[0].phase = "Failed".to_owned();
    first(&mut crashed).state = ContainerState::Terminated(ended(3, "Error", 60));
    assert_eq!(causes(&crashed), ["crash_loop (certain)"], "which is why");
}
