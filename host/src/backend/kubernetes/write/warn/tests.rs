use serde_json::{Value, json};

use super::super::super::convert::object;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;

use super::*;

fn deployment(spec: &Value) -> Workload {
    let mut object_json = json!({
        "metadata": { "name": "web", "generation": 1 },
        "spec": { "template": { "metadata": { "labels": { "app": "web" } } } },
        "status": { "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
                    "availableReplicas": 1 },
    });
    for (key, value) in spec.as_object().unwrap() {
        object_json["spec"][key] = value.clone();
    }
    Workload::Deployment(object(object_json))
}

fn probed() -> Value {
    json!({ "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "web", "readinessProbe": {} }] } })
}

fn met(verb: Verb, workload: &Workload, total: u32, budgets: &Budgets) -> Met {
    let pods = Pods { total, ..Pods::default() };
    Met::from_parts(verb, workload, pods, budgets)
}

fn none() -> Budgets {
    Budgets::Read(Vec::new())
}

fn check(workload: &Workload, expected: &[&str]) {
    assert_eq!(met(Verb::Restart, workload, 1, &none()).warnings, expected);
}

#[test]
fn a_single_replica() {
    let fast = json!({ "rollingUpdate": { "maxUnavailable": 1, "maxSurge": 1 } });
    check(
        &deployment(&json!({ "replicas": 1, "strategy": fast })),
        &["single replica: it ends before its successor is ready, expect a brief outage"],
    );
    check(
        &deployment(&json!({})),
        &["single replica without a readiness probe: its successor gets requests as soon as \
           it runs, expect a brief outage"],
    );
    check(
        &deployment(&json!({ "template": probed() })),
        &["single replica: nothing else serves if its successor fails"],
    );
    check(
        &deployment(&json!({ "strategy": { "type": "Recreate" } })),
        &["strategy `Recreate`: all pods end before the first new one starts, an outage"],
    );
    check(
        &Workload::StatefulSet(object(json!({
            "metadata": { "generation": 1 }, "spec": { "replicas": 1 },
            "status": { "observedGeneration": 1, "readyReplicas": 1, "replicas": 1 },
        }))),
        &["single replica: it ends before its successor is ready, expect a brief outage"],
    );
}

#[test]
fn a_rollout_that_is_under_way() {
    let crashing = json!({
        "metadata": { "generation": 1 }, "spec": { "replicas": 3 },
        "status": { "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3,
                    "availableReplicas": 1 },
    });
    check(
        &Workload::Deployment(object(crashing)),
        &["not every pod is available now: 1 of 3 new replicas are available"],
    );
    let ending = json!({
        "metadata": { "generation": 1 }, "spec": { "replicas": 3 },
        "status": { "observedGeneration": 1, "replicas": 4, "updatedReplicas": 3 },
    });
    check(
        &Workload::Deployment(object(ending)),
        &["a rollout is already under way: 1 old replicas are yet to end"],
    );
    let partitioned = json!({ "rollingUpdate": { "partition": 2 } });
    check(
        &Workload::StatefulSet(object(json!({
            "metadata": { "generation": 1 },
            "spec": { "replicas": 3, "updateStrategy": partitioned },
            "status": { "observedGeneration": 1, "readyReplicas": 3, "updatedReplicas": 3,
                        "replicas": 3 },
        }))),
        &["partition 2: pods with a smaller ordinal are not restarted"],
    );
}

/// Reverted or not, a pod that never becomes ready holds up all others.
#[test]
fn a_stateful_set_with_pods_that_are_not_ready() {
    let set = |mut spec: Value| {
        spec["replicas"] = json!(3);
        Workload::StatefulSet(object(json!({
            "metadata": { "generation": 1 },
            "spec": spec,
            "status": { "observedGeneration": 1, "readyReplicas": 3, "replicas": 3 },
        })))
    };
    let waits = |verb, workload: &Workload, unready: u32| {
        let unready = (0..unready).map(|n| format!("web-{n}")).collect();
        let pods = Pods { total: 3, unready, ..Pods::default() };
        let warnings = Met::from_parts(verb, workload, pods, &none()).warnings;
        warnings.into_iter().find(|said| said.contains("not ready"))
    };
    let one = "pod `web-0` is not ready, and the controller replaces none meanwhile: where that \
               lasts, it has to be deleted by hand after this";
    let rollback = Verb::Rollback { revision: Some(3) };
    for verb in [Verb::Restart, rollback] {
        assert_eq!(waits(verb, &set(json!({})), 1).as_deref(), Some(one));
    }
    assert_eq!(
        waits(Verb::Restart, &set(json!({})), 7).as_deref(),
        Some(
            "pods `web-0`, `web-1`, `web-2`, `web-3`, `web-4` and 2 more are not ready, and the \
             controller replaces none meanwhile: where that lasts, they have to be deleted by hand \
             after this"
        )
    );
    assert_eq!(waits(Verb::Restart, &set(json!({})), 0), None);
    assert_eq!(waits(Verb::Scale { replicas: 2 }, &set(json!({})), 1), None);
    // There the controller waits for none, or for somebody's hand in any case.
    assert_eq!(waits(Verb::Restart, &set(json!({ "podManagementPolicy": "Parallel" })), 1), None);
    let by_hand = json!({ "updateStrategy": { "type": "OnDelete" } });
    assert_eq!(waits(Verb::Restart, &set(by_hand), 1), None);
}

#[test]
fn a_daemon_set_without_surge() {
    let status = json!({ "desiredNumberScheduled": 3, "updatedNumberScheduled": 3,
                         "numberAvailable": 3, "numberReady": 3,
                         "currentNumberScheduled": 3, "numberMisscheduled": 0 });
    let daemon_set = |strategy: Value| {
        Workload::DaemonSet(object(
            json!({ "spec": { "updateStrategy": strategy }, "status": status }),
        ))
    };
    check(&daemon_set(json!({})), &["each node is without its pod while that is replaced"]);
    check(&daemon_set(json!({ "rollingUpdate": { "maxSurge": "10%" } })), &[]);
    check(
        &daemon_set(json!({ "type": "OnDelete" })),
        &["strategy `OnDelete`: a pod is replaced only when somebody deletes it"],
    );
}

#[test]
fn budgets_that_select_the_pods_and_are_spent() {
    let budget = |name: &str, selector: Value, allowed: i32| {
        object::<PodDisruptionBudget>(json!({
            "metadata": { "name": name }, "spec": { "selector": selector },
            "status": { "disruptionsAllowed": allowed, "currentHealthy": 1,
                        "desiredHealthy": 1, "expectedPods": 1 },
        }))
    };
    let web = json!({ "matchLabels": { "app": "web" } });
    let budgets = Budgets::Read(vec![
        budget("spent", web.clone(), 0),
        budget("free", web, 1),
        budget("other", json!({ "matchLabels": { "app": "db" } }), 0),
        budget("all", json!({}), 0),
        budget("none", Value::Null, 0),
    ]);
    let one_at_a_time = json!({ "rollingUpdate": { "maxUnavailable": 1 } });
    let workload = deployment(&json!({ "template": probed(), "strategy": one_at_a_time }));
    let warnings_of = |budgets| met(Verb::Restart, &workload, 1, budgets).warnings;
    assert_eq!(
        warnings_of(&budgets).last().map(String::as_str),
        Some(
            "disruption budget `spent`, `all` allows no disruption now, and a rolling restart \
             does not ask it"
        )
    );
    assert_eq!(
        warnings_of(&Budgets::Unreadable).last().map(String::as_str),
        Some("disruption budgets could not be read")
    );
}

#[test]
fn a_share_is_rounded_as_the_controllers_do() {
    let share = |text: &str| IntOrString::String(text.to_owned());
    for (bound, replicas, up, expected) in [
        (share("25%"), 1, true, 1),
        (share("25%"), 1, false, 0),
        (share("25%"), 4, false, 1),
        (share("100%"), 3, false, 3),
        (share("many"), 3, true, 0),
        (share("18446744073709551615%"), 3, true, u32::MAX),
        (IntOrString::Int(-1), 3, true, 0),
    ] {
        assert_eq!(resolve(&bound, replicas, up), expected, "{bound:?} of {replicas}");
    }
}

#[test]
fn each_verb_says_what_it_means() {
    let healthy = |replicas: i32| {
        Workload::Deployment(object(json!({
            "metadata": { "generation": 1 },
            "spec": { "replicas": replicas, "template": probed() },
            "status": { "observedGeneration": 1, "replicas": replicas, "readyReplicas": replicas,
                        "updatedReplicas": replicas, "availableReplicas": replicas },
        })))
    };
    let (none_left, one_left) = (Verb::Scale { replicas: 0 }, Verb::Scale { replicas: 1 });
    let rollback = Verb::Rollback { revision: Some(3) };
    let rolling = json!({ "metadata": { "generation": 1 },
                          "spec": { "replicas": 3, "template": probed() },
                          "status": { "observedGeneration": 1, "replicas": 3,
                                      "updatedReplicas": 1, "availableReplicas": 2 } });
    let paused = |mut json: Value| {
        json["spec"]["paused"] = json!(true);
        Workload::Deployment(object(json))
    };
    for (verb, workload, pods, expected, left) in [
        (Verb::Restart, healthy(8), 8, vec![], 6),
        (rollback, healthy(8), 8, vec![], 6),
        (rollback, healthy(0), 0, vec!["there are no replicas, so nothing to replace"], 0),
        (Verb::Scale { replicas: 9 }, healthy(8), 0, vec![], 8),
        (Verb::Scale { replicas: 5 }, healthy(8), 3, vec![], 5),
        (
            one_left,
            healthy(8),
            7,
            vec!["a single replica is left: nothing else serves if it fails"],
            1,
        ),
        (
            none_left,
            healthy(8),
            8,
            vec!["no replicas: nothing serves until it is scaled up again"],
            0,
        ),
        (Verb::Pause, healthy(8), 0, vec![], 8),
        (
            Verb::Pause,
            Workload::Deployment(object(rolling.clone())),
            0,
            vec![
                "a rollout is under way and would stay half done: 1 of 3 new replicas have been \
                  made",
            ],
            2,
        ),
        (Verb::Resume, paused(rolling), 2, vec![], 2),
    ] {
        let met = met(verb, &workload, pods, &none());
        assert_eq!(
            (met.warnings, met.replicas_left),
            (expected.iter().map(|s| (*s).to_owned()).collect(), left),
            "{verb:?}"
        );
    }
}

fn budget(allowed: i32) -> Budgets {
    Budgets::Read(vec![object::<PodDisruptionBudget>(json!({
        "metadata": { "name": "web" }, "spec": { "selector": {} },
        "status": { "disruptionsAllowed": allowed, "currentHealthy": 8, "desiredHealthy": 7,
                    "expectedPods": 8 },
    }))])
}

#[test]
fn a_budget_that_allows_less_than_ends() {
    let budgets = budget(1);
    let workload = deployment(&json!({ "replicas": 8, "template": probed() }));
    let scaled = met(Verb::Scale { replicas: 5 }, &workload, 3, &budgets);
    assert_eq!((scaled.budgets.len(), scaled.budgets[0].allowed), (1, 1));
    assert!(
        scaled.warnings.contains(
            &"disruption budget `web` allows 1 disruption now, and this ends 3 pods without asking \
              it"
            .to_owned()
        ),
        "{:?}",
        scaled.warnings
    );
}

/// Of a rolling update counts how many pods it takes away at once, which its strategy says.
#[test]
fn a_budget_that_allows_less_than_a_rolling_update_takes_at_once() {
    let of = |mut spec: Value| {
        spec["replicas"] = json!(8);
        spec["template"] = probed();
        deployment(&spec)
    };
    let strategy = |rolling: Value| of(json!({ "strategy": { "rollingUpdate": rolling } }));
    let stateful = |strategy: Value| {
        Workload::StatefulSet(object(json!({
            "spec": { "replicas": 8, "template": probed(), "updateStrategy": strategy },
        })))
    };
    let daemons = |rolling: Value| {
        Workload::DaemonSet(object(json!({
            "spec": { "updateStrategy": { "rollingUpdate": rolling } },
            "status": { "desiredNumberScheduled": 8, "currentNumberScheduled": 8,
                        "numberMisscheduled": 0, "numberReady": 8 },
        })))
    };
    let recreate = || of(json!({ "strategy": { "type": "Recreate" } }));
    let rollback = Verb::Rollback { revision: Some(3) };
    let spent = "disruption budget `web` allows no disruption now, and a rolling restart does not \
                 ask it";
    let up_to = |n: u32, does: &str| {
        format!(
            "disruption budget `web` allows 1 disruption now, and {does} ends up to {n} pods at \
             once without asking it"
        )
    };
    let restart = "a rolling restart";
    for (verb, workload, pods, allowed, expected) in [
        (Verb::Restart, of(json!({})), 8, 1, Some(up_to(2, restart))),
        (rollback, of(json!({})), 8, 1, Some(up_to(2, "a rollback"))),
        (Verb::Resume, of(json!({ "paused": true })), 8, 1, Some(up_to(2, "a rollout"))),
        (Verb::Restart, recreate(), 8, 1, Some(up_to(8, restart))),
        (Verb::Restart, daemons(json!({ "maxUnavailable": "50%" })), 8, 1, Some(up_to(4, restart))),
        (Verb::Restart, of(json!({})), 8, 2, None),
        (Verb::Restart, strategy(json!({ "maxUnavailable": 1 })), 8, 1, None),
        (Verb::Restart, strategy(json!({ "maxUnavailable": 1 })), 8, 0, Some(spent.to_owned())),
        // Each goes when its successor is there.
        (Verb::Restart, strategy(json!({ "maxUnavailable": 0, "maxSurge": 1 })), 8, 0, None),
        (Verb::Restart, daemons(json!({ "maxSurge": 1, "maxUnavailable": 0 })), 8, 0, None),
        (Verb::Restart, of(json!({ "paused": true })), 8, 0, None),
        (Verb::Restart, of(json!({})), 1, 1, None),
        (Verb::Restart, of(json!({})), 0, 0, None),
        (Verb::Restart, stateful(json!({})), 8, 1, None),
        (Verb::Restart, stateful(json!({})), 8, 0, Some(spent.to_owned())),
        (Verb::Restart, stateful(json!({ "type": "OnDelete" })), 8, 0, None),
        // All of them are below the partition.
        (Verb::Restart, stateful(json!({ "rollingUpdate": { "partition": 8 } })), 0, 0, None),
    ] {
        let warnings = met(verb, &workload, pods, &budget(allowed)).warnings;
        let said = warnings.into_iter().find(|said| said.contains("disruption"));
        assert_eq!(said, expected, "{verb:?} of {pods}, {allowed} allowed");
    }
}
