//! A large cluster: five thousand pods in two hundred namespaces, through the program itself. No
//! kubelet is needed: a scheduler that does not exist leaves the pods alone, and their states are
//! written as a kubelet would.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use toolgate::governance::audit::{AuditLine, Stage};

use crate::cluster::{Cluster, SOON};
use crate::program::{Home, Pipe};

const NAMESPACES: usize = 200;
const PODS_EACH: usize = 25;
const PODS: usize = NAMESPACES * PODS_EACH;

/// Of every fourth namespace, all but this many pods are well.
const FAILING_EACH: usize = 2;

/// Requests under way at once; more only wait in the API server.
const AT_ONCE: usize = 48;

/// What the whole process may have had in memory at its worst: 60 MiB before the first call, and
/// a page of pods as bytes, as objects and as records; 97 MiB were measured of a debug build.
const RSS_KB_MAX: u64 = 160 << 10;

/// What a call has by itself.
const DEADLINE: Duration = Duration::from_secs(30);

/// As much as `kubectl apply` leaves on a pod of many lines.
const ANNOTATION_BYTES: usize = 8 << 10;

/// The namespaces and what is in them. They go with this, also where the test fails: ten thousand
/// objects are in everybody's way.
struct Crowd {
    client: Client,
    names: Vec<String>,
}

impl Crowd {
    async fn gather(client: Client) -> Self {
        let since = jiff::Timestamp::now().as_millisecond();
        let names: Vec<_> = (0..NAMESPACES).map(|n| format!("scale-{since}-{n:03}")).collect();
        let crowd = Self { client, names };
        let gate = Arc::new(Semaphore::new(AT_ONCE));
        let mut work = JoinSet::new();
        for (number, name) in crowd.names.iter().enumerate() {
            let (client, name, gate) = (crowd.client.clone(), name.clone(), Arc::clone(&gate));
            work.spawn(async move { fill(&client, &gate, number, &name).await });
        }
        while let Some(filled) = work.join_next().await {
            filled.unwrap();
        }
        crowd
    }

    fn failing(&self) -> BTreeSet<(String, String)> {
        let places = self.names.iter().enumerate().flat_map(|(number, name)| {
            (0..PODS_EACH).filter(move |pod| fails(number, *pod)).map(move |pod| (name, pod))
        });
        places.map(|(namespace, pod)| (namespace.clone(), pod_name(pod))).collect()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        let (client, names) = (self.client.clone(), std::mem::take(&mut self.names));
        // On a thread of its own: the test's runtime is about to end.
        let removed = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
            runtime.block_on(remove(client, names));
        });
        if removed.join().is_err() {
            eprintln!("namespaces `scale-*` could not be removed");
        }
    }
}

async fn remove(client: Client, names: Vec<String>) {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let mut work = JoinSet::new();
    for name in names {
        let (client, gate) = (client.clone(), Arc::clone(&gate));
        work.spawn(async move {
            let _turn = gate.acquire().await.unwrap();
            let pods: Api<Pod> = Api::namespaced(client.clone(), &name);
            let at_once = DeleteParams::default().grace_period(0);
            pods.delete_collection(&at_once, &ListParams::default()).await.unwrap();
            let all: Api<Namespace> = Api::all(client);
            all.delete(&name, &DeleteParams::default()).await.unwrap();
        });
    }
    while let Some(removed) = work.join_next().await {
        removed.unwrap();
    }
}

async fn fill(client: &Client, gate: &Semaphore, number: usize, name: &str) {
    let post = PostParams::default();
    {
        let _turn = gate.acquire().await.unwrap();
        let namespace = json!({"metadata": {"name": name, "labels": {"toolgate.test": "scale"}}});
        let all: Api<Namespace> = Api::all(client.clone());
        all.create(&post, &serde_json::from_value(namespace).unwrap()).await.unwrap();
    }
    // Pods are refused until it is there.
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), name);
    let began = Instant::now();
    while accounts.get_opt("default").await.unwrap().is_none() {
        assert!(began.elapsed() < SOON, "`{name}` has no service account");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), name);
    for pod in 0..PODS_EACH {
        let _turn = gate.acquire().await.unwrap();
        let object = serde_json::from_value(object(pod)).unwrap();
        pods.create(&post, &object).await.unwrap();
        let status = Patch::Merge(json!({"status": status(fails(number, pod))}));
        pods.patch_status(&pod_name(pod), &PatchParams::default(), &status).await.unwrap();
    }
}

fn fails(namespace: usize, pod: usize) -> bool {
    namespace.is_multiple_of(4) && pod < FAILING_EACH
}

fn pod_name(pod: usize) -> String {
    format!("web-{pod:02}")
}

fn object(pod: usize) -> Value {
    json!({
        "metadata": {
            "name": pod_name(pod), "labels": {"app": "web"},
            "annotations": {"toolgate.test/applied": "x".repeat(ANNOTATION_BYTES)},
        },
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "app", "image": "registry.invalid/app:1",
                            "env": [{"name": "SHOP", "value": "open"}]}],
        },
    })
}

fn status(is_failing: bool) -> Value {
    let now = jiff::Timestamp::now().to_string();
    let ready = if is_failing { "False" } else { "True" };
    let state = if is_failing {
        json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}})
    } else {
        json!({"running": {"startedAt": now}})
    };
    json!({
        "phase": "Running",
        "conditions": [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": now},
            {"type": "Ready", "status": ready, "lastTransitionTime": now},
        ],
        "containerStatuses": [{
            "name": "app", "image": "registry.invalid/app:1", "imageID": "", "ready": !is_failing,
            "restartCount": if is_failing { 7 } else { 0 }, "state": state,
        }],
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn finds_the_failing_among_five_thousand_pods_in_bounded_memory() {
    let cluster = Cluster::connect().await;
    let began = Instant::now();
    let crowd = Crowd::gather(cluster.client.clone()).await;
    eprintln!("{PODS} pods in {NAMESPACES} namespaces were made in {:?}", began.elapsed());

    let home = Home::new();
    home.furnish(
        &["plugins/pods"],
        &format!(
            "[clusters.real]\nkubeconfig = {}\ncontext = {}\n\
             [grants.pods.kubernetes-read]\nnamespaces = [\"*\"]\n\
             [grants.pods.kubernetes-events]\nnamespaces = [\"*\"]\n",
            Value::from(cluster.kubeconfig.display().to_string()),
            Value::from(cluster.context.as_str()),
        ),
    );
    let mut session = Pipe::open(&home, &["serve"]);
    let before_kb = session.peak_kb();
    let began = Instant::now();
    let result = session.call("list_failing_pods", json!({}));
    let took = began.elapsed();
    let after_kb = session.peak_kb();
    eprintln!("took {took:?}; at most {before_kb} KiB before it and {after_kb} KiB with it");
    assert!(result["isError"] != true, "{result}");
    assert!(took < DEADLINE, "{took:?}");
    assert!(after_kb < RSS_KB_MAX, "{after_kb} KiB");

    let content = &result["structuredContent"];
    assert!(content["checked"].as_u64().unwrap() >= PODS as u64, "{}", content["checked"]);
    let text = |row: &Value, key: &str| row[key].as_str().unwrap().to_owned();
    let rows = content["pods"].as_array().unwrap().iter();
    // Other tests have pods of their own, and some that fail.
    let rows = rows.filter(|row| crowd.names.contains(&text(row, "namespace")));
    let found: BTreeSet<_> = rows
        .inspect(|row| assert_eq!(row["reason"], "CrashLoopBackOff", "{row}"))
        .map(|row| (text(row, "namespace"), text(row, "name")))
        .collect();
    assert_eq!(found, crowd.failing());

    // Twice as often is not twice as much.
    for _ in 0..3 {
        session.call("list_failing_pods", json!({}));
    }
    let again_kb = session.peak_kb();
    eprintln!("and {again_kb} KiB after three more");
    assert!(again_kb < RSS_KB_MAX, "{again_kb} KiB");
    session.close();

    // The answer's own time is on record.
    let printed = home.run(&["audit", "--json"]).good();
    let lines = printed.lines().map(|line| serde_json::from_str::<AuditLine>(line).unwrap());
    let durations: Vec<f64> = lines
        .filter_map(|line| {
            let Stage::Completed(outcome) = line.stage else { return None };
            Some(outcome.duration_ms)
        })
        .collect();
    eprintln!("on record: {durations:?} ms");
    assert_eq!(durations.len(), 4);
    assert!(durations.iter().all(|ms| (1.0..30_000.0).contains(ms)), "{durations:?}");
}
