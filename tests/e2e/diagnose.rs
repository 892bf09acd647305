//! Workloads that fail in the real cluster, each in its own way, and what is said of each.

use k8s_openapi::api::core::v1::Event;
use kube::api::ListParams;
use serde_json::{Value, json};
use toolgate::domain::call::Outcome;
use toolgate_tests::House;

use crate::cluster::wait_for;
use crate::space::Space;
use crate::workloads::{deployed, deployment_of, rolled_out};

/// One that has the key `host`, and no other.
const SETTINGS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {host: till}
";

/// A workload that fails, when that has come to be, and what has to be said of it.
struct Failure {
    name: &'static str,
    /// What its container has beside a name and an image.
    container: Value,
    /// Of the status of a pod: whether the cluster itself shows the failure.
    shows: fn(&Value) -> bool,
    /// What is in an event, which is written after the status and apart from it.
    reported_as: Option<&'static str>,
    cause: &'static str,
    /// What an operator has to read in the answer: the sentence, and the decisive evidence.
    told: &'static [&'static str],
}

fn failures() -> [Failure; 7] {
    [crashing(), imageless(), homeless(), unwell(), keyless(), hungry(), uncalled()]
}

fn crashing() -> Failure {
    Failure {
        name: "crashing",
        container: json!({"args": ["echo no change left in the till; exit 3"]}),
        shows: |status| waits_for(status, "CrashLoopBackOff") && restarts(status) >= 2,
        reported_as: None,
        cause: "crash_loop",
        told: &[
            "container `main` crashes: exit code 3",
            "[status crashing-",
            "last run: exit code 3 (Error)",
            "previous run] no change left in the till",
        ],
    }
}

fn imageless() -> Failure {
    Failure {
        name: "imageless",
        container: json!({"image": "toolgate.test/nowhere:1", "args": ["exit 0"]}),
        shows: |status| waits_for(status, "ErrImagePull") || waits_for(status, "ImagePullBackOff"),
        reported_as: Some("Failed to pull image"),
        cause: "image_pull",
        told: &[
            "the image `toolgate.test/nowhere:1` of container `main` cannot be pulled: the \
             registry cannot be reached",
            "[event Failed, ",
            "Failed to pull image \"toolgate.test/nowhere:1\"",
        ],
    }
}

fn homeless() -> Failure {
    Failure {
        name: "homeless",
        container: json!({
            "args": ["exec sleep 3600"],
            "resources": {"requests": {"cpu": "999"}},
        }),
        shows: |status| condition(status, "PodScheduled")["reason"] == "Unschedulable",
        reported_as: None,
        cause: "unschedulable",
        told: &[
            "no node takes pod `homeless-",
            ": not enough cpu (",
            "[condition PodScheduled homeless-",
            "Insufficient cpu",
            "[requests of the pod] main cpu 999",
        ],
    }
}

fn unwell() -> Failure {
    Failure {
        name: "unwell",
        container: json!({
            "args": ["exec sleep 3600"],
            "livenessProbe": {
                "exec": {"command": ["cat", "/tmp/alive"]},
                "periodSeconds": 1,
                "failureThreshold": 2,
            },
        }),
        shows: |status| restarts(status) >= 1,
        reported_as: Some("Container main failed liveness probe"),
        cause: "liveness_probe",
        told: &[
            "the liveness probe of container `main` fails and has it restarted",
            "] Liveness probe failed: cat: can't open '/tmp/alive'",
            "] Container main failed liveness probe, will be restarted",
            "[livenessProbe] {\"exec\":{\"command\":[\"cat\",\"/tmp/alive\"]}",
        ],
    }
}

fn keyless() -> Failure {
    Failure {
        name: "keyless",
        container: json!({
            "args": ["exec sleep 3600"],
            "env": [{
                "name": "PORT",
                "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "port"}},
            }],
        }),
        shows: |status| waits_for(status, "CreateContainerConfigError"),
        reported_as: None,
        cause: "missing_config",
        told: &[
            "container `main` cannot be configured: there is no key `port` in config map `",
            "/settings`",
            "] CreateContainerConfigError: couldn't find key port in ConfigMap ",
        ],
    }
}

fn hungry() -> Failure {
    Failure {
        name: "hungry",
        container: json!({
            "args": ["exec tail /dev/zero"],
            "resources": {"limits": {"memory": "16Mi"}},
        }),
        shows: |status| {
            status["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"
        },
        reported_as: None,
        cause: "oom_killed",
        told: &[
            "container `main` is killed for want of memory: its limit is 16Mi",
            "exit code 137 (OOMKilled)",
        ],
    }
}

fn uncalled() -> Failure {
    Failure {
        name: "uncalled",
        container: json!({"args": ["exec no-such-program"], "command": ["/bin/no-shell"]}),
        shows: |status| {
            let state = &status["containerStatuses"][0];
            state["lastState"]["terminated"]["reason"] == "StartError"
                || state["state"]["terminated"]["reason"] == "StartError"
                || waits_for(status, "RunContainerError")
        },
        reported_as: None,
        cause: "container_cannot_start",
        told: &[
            "container `main` cannot be started: its command is not in the image",
            "/bin/no-shell",
        ],
    }
}

fn waits_for(status: &Value, reason: &str) -> bool {
    status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
}

fn restarts(status: &Value) -> u64 {
    status["containerStatuses"][0]["restartCount"].as_u64().unwrap_or_default()
}

fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
    let all = status["conditions"].as_array().map_or(&[][..], Vec::as_slice);
    all.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

async fn house(space: &Space) -> House {
    let name = &space.name;
    let config = format!(
        "[grants.diagnose.kubernetes-read]\nnamespaces = [\"{name}\"]\nkinds = [\"*\"]\n\
         [grants.diagnose.kubernetes-events]\nnamespaces = [\"{name}\"]\n\
         [grants.diagnose.kubernetes-logs]\nnamespaces = [\"{name}\"]\n"
    );
    space.cluster.house().with("plugins/diagnose").config(&config).build().await
}

/// What is said, as text and as data.
async fn diagnosis(house: &House, space: &Space, name: &str) -> (String, Value) {
    diagnosis_of(house, space, "deployment", name).await
}

async fn diagnosis_of(house: &House, space: &Space, kind: &str, name: &str) -> (String, Value) {
    let of = json!({"namespace": space.name, "kind": kind, "name": name});
    let outcome = house.call("alice", "diagnose_workload", of).await;
    let Ok(Outcome::Output(output)) = outcome else { panic!("{name}: {outcome:?}") };
    (output.text.clone(), output.structured.expect("an object"))
}

/// The causes, most certain first.
fn causes(said: &Value) -> Vec<&str> {
    let causes = said["causes"].as_array().expect("a list of causes");
    causes.iter().map(|cause| cause["cause"].as_str().expect("a cause has a name")).collect()
}

fn tells(name: &str, text: &str, expected: &[&str]) {
    for part in expected {
        assert!(text.contains(part), "{name}: `{part}` is not in:\n{text}");
    }
}

/// Waits until a pod of the workload is as `shows` wants it.
async fn failed(space: &Space, name: &str, shows: impl Fn(&Value) -> bool) {
    wait_for(&format!("`{name}` fails"), async || {
        let pods = space.pods(&format!("app={name}")).await;
        let mut states = pods.iter().map(|pod| serde_json::to_value(&pod.status).unwrap());
        states.any(|status| shows(&status)).then_some(())
    })
    .await;
}

/// Waits until the kubelet reports this of a pod: it is told of a probe at once, and tells the
/// cluster later.
async fn reported(space: &Space, pod: &str, message: &str) {
    wait_for(&format!("an event tells `{message}`"), async || {
        let events = space.of::<Event>().list(&ListParams::default()).await.expect("events");
        let tells = |event: &Event| {
            event.involved_object.name.as_ref().is_some_and(|name| name.starts_with(pod))
                && event.message.as_ref().is_some_and(|text| text.starts_with(message))
        };
        events.items.iter().any(tells).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_failure_is_named_with_its_evidence() {
    let space = Space::open("diagnose").await;
    space.apply(SETTINGS).await;
    let failures = failures();
    for Failure { name, container, .. } in &failures {
        space.apply(&deployment_of(&space, name, 1, container).to_string()).await;
    }
    deployed(&space, "sound", 1, "exec sleep 3600").await;
    let house = house(&space).await;
    for Failure { name, shows, reported_as, cause, told, .. } in failures {
        failed(&space, name, shows).await;
        if let Some(message) = reported_as {
            reported(&space, name, message).await;
        }
        let (text, said) = diagnosis(&house, &space, name).await;
        assert_eq!(causes(&said), [cause], "{name}:\n{text}");
        assert_eq!(said["causes"][0]["certainty"], "certain", "{name}:\n{text}");
        assert_eq!(said["healthy"], false, "{name}:\n{text}");
        assert_eq!(said["not_looked_at"], json!([]), "{name}:\n{text}");
        tells(name, &text, told);
    }
    let (text, said) = diagnosis(&house, &space, "sound").await;
    assert!(said["healthy"] == true && causes(&said).is_empty(), "{text}");
}

#[tokio::test]
async fn a_bad_rollout_is_named_with_its_revision() {
    let space = Space::open("rollout").await;
    let good = json!({"args": ["exec sleep 3600"]});
    let crashes = json!({"args": ["echo the new till does not open; exit 4"]});
    // Its pods run, and nobody ever may call them.
    let waits = json!({
        "args": ["exec sleep 3600"],
        "readinessProbe": {"exec": {"command": ["cat", "/tmp/ready"]}, "periodSeconds": 1},
    });
    let apply = async |name, container| {
        let mut manifest = deployment_of(&space, name, 2, container);
        manifest["spec"]["progressDeadlineSeconds"] = json!(5);
        space.apply(&manifest.to_string()).await;
    };
    for name in ["till", "counter"] {
        apply(name, &good).await;
    }
    for name in ["till", "counter"] {
        rolled_out(&space, name).await;
    }
    apply("till", &crashes).await;
    apply("counter", &waits).await;
    let house = house(&space).await;

    // Not after the first crash: the next run would begin, and end, while it is looked at.
    failed(&space, "till", |status| waits_for(status, "CrashLoopBackOff") && restarts(status) >= 2)
        .await;
    let (text, said) = diagnosis(&house, &space, "till").await;
    assert_eq!(causes(&said), ["crash_after_deploy"], "{text}");
    tells(
        "till",
        &text,
        &[
            "container `main` crashes since revision 2 (",
            // What a command says may be a password: it is told that it changed, not to what.
            "which changed spec.containers[0].args[0]: (a text of 15 bytes) -> (a text of 39",
            "[revision 2, ",
            "exit code 4",
            "previous run] the new till does not open",
            "rollback_deployment",
        ],
    );

    // Whoever asks about the pod learns of the revision, too.
    let pods = space.pods("app=till").await;
    let crashing = pods.iter().find(|pod| {
        let status = serde_json::to_value(&pod.status).unwrap();
        waits_for(&status, "CrashLoopBackOff")
    });
    let pod = crashing.and_then(|pod| pod.metadata.name.as_deref()).expect("one waits to be run");
    let (text, said) = diagnosis_of(&house, &space, "pod", pod).await;
    assert_eq!(causes(&said), ["crash_after_deploy"], "{text}");
    tells(pod, &text, &["container `main` crashes since revision 2 (", "[revision 2, "]);

    let is_stuck = |deployment: &Value| {
        condition(&deployment["status"], "Progressing")["reason"] == "ProgressDeadlineExceeded"
    };
    space.wait(("apps/v1", "Deployment", "counter"), "is stuck", is_stuck).await;
    reported(&space, "counter-", "Readiness probe failed").await;
    let (text, said) = diagnosis(&house, &space, "counter").await;
    assert_eq!(causes(&said), ["readiness_probe"], "{text}");
    tells(
        "counter",
        &text,
        &[
            "its readiness probe does not pass, since revision 2 (",
            "Readiness probe failed: cat: can't open '/tmp/ready'",
            "[revision 2, ",
            "containers[0].readinessProbe.exec.command: nothing -> ",
            "rollback_deployment",
        ],
    );
}
