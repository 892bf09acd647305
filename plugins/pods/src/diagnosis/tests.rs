//! A table of pods: failing or not, and why.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use toolgate_sdk::kubernetes_read::{ContainerState, Pod};

use super::diagnose;
use crate::sample::{ago, condition, container, ended, init, pod, restarted, running, waiting};

fn check(pods: Vec<(&str, Pod)>, expected: &Expect) {
    let mut printed = String::new();
    for (case, pod) in pods {
        match diagnose(&pod) {
            None => {
                let _ = writeln!(printed, "{case} -> works");
            }
            Some(found) => {
                let _ = writeln!(printed, "{case} -> {}: {}", found.reason, found.detail);
            }
        }
    }
    expected.assert_eq(&printed);
}

fn aged(mut pod: Pod, age_s: u64) -> Pod {
    pod.created = ago(age_s);
    pod.conditions = vec![condition("PodScheduled", "True", "", age_s)];
    pod
}

fn unready(mut pod: Pod, age_s: u64, reason: &str) -> Pod {
    for container in &mut pod.containers {
        container.ready = false;
    }
    pod.conditions.push(condition("Ready", "False", reason, age_s));
    pod
}

#[allow(clippy::too_many_lines, reason = "a table")]
#[test]
fn looks_at_containers_and_not_at_the_phase() {
    let back_off = Some("back-off 5m0s restarting failed\ncontainer=app");
    let app = |state| container("app", state);
    check(
        vec![
            ("healthy", pod("Running", vec![app(running(3_000))])),
            (
                "crash loop, phase Running",
                pod(
                    "Running",
                    vec![
                        container("sidecar", running(3_000)),
                        restarted(
                            app(waiting("CrashLoopBackOff", back_off)),
                            12,
                            ended(1, "Error", 192),
                        ),
                    ],
                ),
            ),
            (
                "crash loop between two runs",
                pod("Running", vec![restarted(app(running(20)), 7, ended(1, "Error", 21))]),
            ),
            (
                "restarted once, long ago",
                pod("Running", vec![restarted(app(running(90_000)), 1, ended(1, "Error", 90_001))]),
            ),
            (
                "restarted often, long ago",
                pod("Running", vec![restarted(app(running(9_000)), 9, ended(1, "Error", 9_001))]),
            ),
            (
                "out of memory, recently",
                pod("Running", vec![restarted(app(running(900)), 1, ended(137, "OOMKilled", 901))]),
            ),
            (
                "out of memory, yesterday",
                pod(
                    "Running",
                    vec![restarted(app(running(86_400)), 1, ended(137, "OOMKilled", 86_401))],
                ),
            ),
            ("no such image", pod("Pending", vec![app(waiting("ImagePullBackOff", None))])),
            (
                "a missing config map",
                pod(
                    "Pending",
                    vec![app(waiting(
                        "CreateContainerConfigError",
                        Some("configmap \"app\" not found"),
                    ))],
                ),
            ),
            (
                "ended badly, not started again",
                pod("Running", vec![app(ContainerState::Terminated(ended(2, "Error", 30)))]),
            ),
        ],
        &expect![[r#"
            healthy -> works
            crash loop, phase Running -> CrashLoopBackOff: container `app`: last run: exit code 1 (Error) 3m12s ago; back-off 5m0s restarting failed container=app
            crash loop between two runs -> Restarting: container `app`: restarts: 7, last exit code 1 (Error) 21s ago
            restarted once, long ago -> works
            restarted often, long ago -> works
            out of memory, recently -> OOMKilled: container `app`: restarts: 1, last exit code 137 (OOMKilled) 15m ago
            out of memory, yesterday -> works
            no such image -> ImagePullBackOff: container `app`: it cannot start
            a missing config map -> CreateContainerConfigError: container `app`: configmap "app" not found
            ended badly, not started again -> Error: container `app`: exit code 2 (Error) 30s ago
        "#]],
    );
}

#[allow(clippy::too_many_lines, reason = "a table")]
#[test]
fn gives_pods_time_to_start() {
    let creating = || vec![container("app", waiting("ContainerCreating", None))];
    let initializing = |state| {
        let main = container("app", waiting("PodInitializing", None));
        vec![init("migrate", state), main]
    };
    let unscheduled = |reason: &str, age_s| {
        let mut found = pod("Pending", vec![container("app", ContainerState::Unknown)]);
        found.created = ago(age_s);
        found.conditions = vec![condition("PodScheduled", "False", reason, age_s)];
        found.conditions[0].message =
            Some("0/3 nodes are available: 3 Insufficient cpu.".to_owned());
        found
    };
    check(
        vec![
            ("just created", aged(pod("Pending", creating()), 20)),
            ("created long ago", aged(pod("Pending", creating()), 720)),
            ("init runs", aged(pod("Pending", initializing(running(30))), 40)),
            ("init runs and runs", aged(pod("Pending", initializing(running(1_200))), 1_210)),
            (
                "init failed",
                pod("Pending", initializing(ContainerState::Terminated(ended(1, "Error", 5)))),
            ),
            (
                "init in a crash loop",
                pod("Pending", initializing(waiting("CrashLoopBackOff", None))),
            ),
            ("unschedulable", unscheduled("Unschedulable", 15)),
            ("gated", unscheduled("SchedulingGated", 15)),
            ("gated for an hour", unscheduled("SchedulingGated", 3_600)),
            ("no state, new", aged(pod("Pending", vec![]), 5)),
            (
                "no state, old",
                aged(pod("Pending", vec![container("app", ContainerState::Unknown)]), 3_600),
            ),
        ],
        &expect![[r#"
            just created -> works
            created long ago -> ContainerCreating: container `app`: has not started for 12m; the events say why
            init runs -> works
            init runs and runs -> Init:Running: init container `migrate`: still running after 20m
            init failed -> Init:Error: init container `migrate`: exit code 1 (Error) 5s ago
            init in a crash loop -> Init:CrashLoopBackOff: init container `migrate`: it cannot start
            unschedulable -> Unschedulable: not scheduled for 15s: 0/3 nodes are available: 3 Insufficient cpu.
            gated -> works
            gated for an hour -> SchedulingGated: not scheduled for 60m: 0/3 nodes are available: 3 Insufficient cpu.
            no state, new -> works
            no state, old -> Pending: container `app`: no state of the container for 60m
        "#]],
    );
}

#[test]
fn tells_the_unready_from_the_slow() {
    let app = |age_s| vec![container("app", running(age_s))];
    let gated = {
        let mut found = pod("Running", app(900));
        found.conditions.push(condition("Ready", "False", "ReadinessGatesNotReady", 800));
        found
    };
    let sidecar = {
        let proxy = container("proxy", running(900));
        let mut found = pod("Running", vec![proxy, container("app", running(890))]);
        found.containers[0].init = true;
        found
    };
    check(
        vec![
            ("starting", unready(pod("Running", app(20)), 20, "ContainersNotReady")),
            ("never ready", unready(pod("Running", app(900)), 900, "ContainersNotReady")),
            ("unready since now", unready(pod("Running", app(90_000)), 5, "ContainersNotReady")),
            ("unready since some time", unready(pod("Running", app(90_000)), 192, "")),
            ("readiness gate", gated),
            ("sidecar", sidecar),
        ],
        &expect![[r#"
            starting -> works
            never ready -> NotReady: container `app`: runs for 15m but has not been ready for 15m
            unready since now -> works
            unready since some time -> NotReady: container `app`: runs for 25h but has not been ready for 3m12s
            readiness gate -> NotReady: all containers are ready, the pod is not, for 13m: ReadinessGatesNotReady
            sidecar -> works
        "#]],
    );
}

#[test]
fn knows_how_pods_end() {
    let job = |exit_code, reason: &str| {
        vec![container("job", ContainerState::Terminated(ended(exit_code, reason, 60)))]
    };
    let evicted = {
        let mut found = pod("Failed", vec![]);
        found.reason = Some("Evicted".to_owned());
        found.message = Some("The node was low on resource: memory.".to_owned());
        found
    };
    let deleting = |mut found: Pod, not_ready_s: Option<u64>| {
        found.deleting = true;
        found.conditions.extend(not_ready_s.map(|s| condition("Ready", "False", "", s)));
        found
    };
    let app = || vec![container("app", running(3_000))];
    check(
        vec![
            ("completed job", pod("Succeeded", job(0, "Completed"))),
            ("job with one part done", pod("Running", [app(), job(0, "Completed")].concat())),
            ("failed job", pod("Failed", job(3, "Error"))),
            ("failed job, out of memory", pod("Failed", job(137, "OOMKilled"))),
            ("evicted", evicted),
            ("failed, nothing known", pod("Failed", vec![])),
            ("lost", pod("Unknown", app())),
            ("being deleted", deleting(pod("Running", app()), None)),
            ("being deleted, ended", deleting(pod("Running", app()), Some(20))),
            ("being deleted for an hour", deleting(pod("Running", app()), Some(3_600))),
        ],
        &expect![[r#"
            completed job -> works
            job with one part done -> works
            failed job -> Error: container `job`: exit code 3 (Error) 60s ago
            failed job, out of memory -> OOMKilled: container `job`: exit code 137 (OOMKilled) 60s ago
            evicted -> Evicted: The node was low on resource: memory.
            failed, nothing known -> Failed: the pod ended in failure
            lost -> Unknown: the node does not report the pod's state
            being deleted -> works
            being deleted, ended -> works
            being deleted for an hour -> StuckTerminating: is being deleted and has not been ready for 60m: a finalizer, or a node that is gone
        "#]],
    );
}
