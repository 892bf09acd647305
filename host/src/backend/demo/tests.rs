//! The embedded cluster as a real client sees it.

mod shapes;
mod zoo;

use std::time::Duration;

use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::{Deployment, ReplicaSet, StatefulSet},
    core::v1::{ConfigMap, Endpoints, Event, Node, Pod},
};
use kube::{
    Api, Error,
    api::{
        DeleteParams, ListParams, LogParams, Patch, PatchParams, Preconditions, WatchEvent,
        WatchParams,
    },
};
use serde_json::{Value, json};

use super::*;

const CRASHED: &str = "checkout-7d9f8b6c54-qp7rj";
const RUNNING: &str = "checkout-7d9f8b6c54-x2v8k";

fn cluster() -> DemoCluster {
    DemoCluster::builtin().unwrap().with_step(Duration::from_secs(1))
}

fn api<K>(cluster: &DemoCluster, namespace: &str) -> Api<K>
where
    K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    Api::namespaced(cluster.client(), namespace)
}

/// The code, reason and message of a refusal.
fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (u16, String, String) {
    match result {
        Err(Error::Api(status)) => (status.code, status.reason.clone(), status.message.clone()),
        other => panic!("expected a refusal by the API, not {other:?}"),
    }
}

fn restart() -> Value {
    let at = json!({ "kubectl.kubernetes.io/restartedAt": "2026-01-01T00:00:00Z" });
    json!({ "spec": { "template": { "metadata": { "annotations": at } } } })
}

#[tokio::test]
async fn shows_the_incident() {
    let cluster = cluster();
    let pods = api::<Pod>(&cluster, "shop");
    let labelled = ListParams::default().labels("app=checkout");
    let found = pods.list(&labelled).await.unwrap();
    assert_eq!(found.items.len(), 3);
    let crashed = pods.get(CRASHED).await.unwrap();
    let status = &crashed.status.unwrap().container_statuses.unwrap()[0];
    let waiting = status.state.as_ref().unwrap().waiting.as_ref().unwrap();
    assert_eq!(waiting.reason.as_deref(), Some("CrashLoopBackOff"));
    let last = status.last_state.as_ref().unwrap().terminated.as_ref().unwrap();
    assert_eq!((last.reason.as_deref(), last.exit_code), (Some("OOMKilled"), 137));
    let events = api::<Event>(&cluster, "shop");
    let about =
        ListParams::default().fields(&format!("involvedObject.name={CRASHED},type=Warning"));
    assert!(events.list(&about).await.unwrap().items.len() >= 2);
    let nodes: Api<Node> = Api::all(cluster.client());
    let pressed = nodes.list(&ListParams::default()).await.unwrap().items.into_iter().filter(|n| {
        let conditions = n.status.as_ref().unwrap().conditions.as_ref().unwrap();
        conditions.iter().any(|c| c.type_ == "MemoryPressure" && c.status == "True")
    });
    assert_eq!(pressed.count(), 1);
}

#[tokio::test]
async fn brings_up_workloads_that_state_no_status() {
    let cluster = cluster();
    for (namespace, name, replicas) in
        [("shop-staging", "checkout", 2), ("payments", "ledger", 3), ("kube-system", "coredns", 2)]
    {
        let deployment = api::<Deployment>(&cluster, namespace).get(name).await.unwrap();
        let status = deployment.status.unwrap();
        assert_eq!(status.ready_replicas, Some(replicas), "{namespace}/{name}");
        assert_eq!(status.unavailable_replicas, None, "{namespace}/{name}");
        let labelled = ListParams::default().labels(&format!("app={name}"));
        let pods = api::<Pod>(&cluster, namespace).list(&labelled).await.unwrap();
        assert_eq!(pods.items.len(), usize::try_from(replicas).unwrap());
    }
    let proxies = ListParams::default().labels("k8s-app=kube-proxy");
    assert_eq!(api::<Pod>(&cluster, "kube-system").list(&proxies).await.unwrap().items.len(), 3);
}

#[tokio::test]
async fn refuses_as_the_server_words_it() {
    let cluster = cluster();
    let pods = api::<Pod>(&cluster, "shop");
    let maps = api::<ConfigMap>(&cluster, "shop");
    assert_eq!(
        refusal(pods.get("absent").await),
        (404, "NotFound".into(), "pods \"absent\" not found".into())
    );
    let deployments = api::<Deployment>(&cluster, "shop");
    assert_eq!(refusal(deployments.get("absent").await).2, "deployments.apps \"absent\" not found");
    let existing: ConfigMap =
        serde_json::from_value(json!({"metadata": {"name": "checkout-config"}})).unwrap();
    let taken = refusal(maps.create(&kube::api::PostParams::default(), &existing).await);
    let message = "configmaps \"checkout-config\" already exists";
    assert_eq!(taken, (409, "AlreadyExists".into(), message.into()));
    let bad = ListParams::default().fields("spec.image=x");
    assert_eq!(
        refusal(pods.list(&bad).await),
        (400, "BadRequest".into(), "field label not supported: spec.image".into())
    );
}

#[tokio::test]
async fn pages_through_a_collection() {
    let cluster = cluster();
    let pods: Api<Pod> = Api::all(cluster.client());
    let all = pods.list(&ListParams::default()).await.unwrap();
    let mut names = Vec::new();
    let mut params = ListParams::default().limit(4);
    loop {
        let page = pods.list(&params).await.unwrap();
        names.extend(page.items.iter().map(|pod| pod.metadata.name.clone().unwrap()));
        assert_eq!(page.metadata.resource_version, all.metadata.resource_version);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = ListParams::default().limit(4).continue_token(&token),
            None => break,
        }
    }
    let expected: Vec<_> = all.items.into_iter().map(|pod| pod.metadata.name.unwrap()).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn serves_logs_with_their_parameters() {
    let cluster = cluster();
    let pods = api::<Pod>(&cluster, "shop");
    let previous = LogParams { previous: true, ..LogParams::default() };
    let log = pods.logs(CRASHED, &previous).await.unwrap();
    assert!(log.lines().count() > 200);
    assert!(log.trim_end().ends_with("at java.base/java.lang.Thread.run(Thread.java:1583)"));
    for planted in [
        "hunter2-canary",
        "AKIAIOSFODNN7EXAMPLE",
        "Bearer eyJ",
        "pass-canary@",
        "\u{1b}[31m",
        "\u{1b}]8;;",
        "\u{1b}]52;",
        "\u{200b}",
        "\u{202e}",
        "\u{e0064}",
        "IGNORE PREVIOUS INSTRUCTIONS",
    ] {
        assert!(log.contains(planted), "{planted:?}");
    }
    let tail = LogParams { tail_lines: Some(2), timestamps: true, ..previous.clone() };
    let tail = pods.logs(CRASHED, &tail).await.unwrap();
    assert_eq!(tail.lines().count(), 2);
    assert!(tail.starts_with("20") && tail.contains("Z \tat "), "{tail}");
    let short = LogParams { limit_bytes: Some(10), ..previous };
    assert_eq!(pods.logs(CRASHED, &short).await.unwrap().len(), 10);
    // A container that waits to be restarted shows the log of its last run.
    let waiting = pods.logs(CRASHED, &LogParams::default()).await.unwrap();
    assert!(waiting.contains("OutOfMemoryError"));
    let recent = LogParams { since_seconds: Some(12), ..LogParams::default() };
    assert_eq!(pods.logs(RUNNING, &recent).await.unwrap().lines().count(), 2);
}

#[tokio::test]
async fn refuses_logs_in_the_kubelets_words() {
    let cluster = cluster();
    let one = LogParams::default();
    let payments = api::<Pod>(&cluster, "payments");
    let gateway = payments.list(&ListParams::default().labels("app=gateway")).await.unwrap();
    let gateway = gateway.items[0].metadata.name.clone().unwrap();
    let bad = |message: String| (400, "BadRequest".to_owned(), message);
    assert_eq!(
        refusal(payments.logs(&gateway, &one).await),
        bad(format!(
            "a container name must be specified for pod {gateway}, choose one of: [gateway proxy]"
        ))
    );
    let named = |name: &str| LogParams { container: Some(name.into()), ..LogParams::default() };
    assert!(payments.logs(&gateway, &named("proxy")).await.unwrap().contains("proxy ready"));
    assert_eq!(
        refusal(payments.logs(&gateway, &named("x")).await),
        bad(format!("container x is not valid for pod {gateway}"))
    );
    assert_eq!(
        refusal(payments.logs("ledger-debug", &one).await).2,
        "container \"debug\" in pod \"ledger-debug\" is waiting to start: trying and failing to \
         pull image"
    );
    let previous = LogParams { previous: true, ..named("proxy") };
    assert_eq!(
        refusal(payments.logs(&gateway, &previous).await).2,
        format!("previous terminated container \"proxy\" in pod \"{gateway}\" not found")
    );
    assert_eq!(payments.logs("fraud-model-0", &one).await.unwrap(), "");
    let negative = LogParams { tail_lines: Some(-1), ..LogParams::default() };
    assert_eq!(refusal(payments.logs(&gateway, &negative).await).0, 422);
}

#[tokio::test(start_paused = true)]
async fn follows_a_log_until_its_container_ends() {
    let cluster = cluster();
    let pods = api::<Pod>(&cluster, "shop-staging");
    let pod = pods.list(&ListParams::default().labels("app=checkout")).await.unwrap().items[0]
        .metadata
        .name
        .clone()
        .unwrap();
    let follow = LogParams { follow: true, tail_lines: Some(1), ..LogParams::default() };
    let mut lines = pods.log_stream(&pod, &follow).await.unwrap().lines();
    for _ in 0..4 {
        assert!(lines.try_next().await.unwrap().is_some());
    }
    pods.delete(&pod, &DeleteParams::default()).await.unwrap();
    let rest = tokio::time::timeout(Duration::from_secs(60), lines.try_collect::<Vec<_>>()).await;
    assert!(rest.unwrap().is_ok());
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let cluster = cluster();
    let deployments = api::<Deployment>(&cluster, "shop");
    let before = deployments.get("checkout").await.unwrap();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    let planned = deployments.patch("checkout", &dry, &Patch::Strategic(restart())).await.unwrap();
    assert_eq!(planned.metadata.generation, Some(10));
    assert_eq!(planned.metadata.resource_version, before.metadata.resource_version);
    assert_eq!(deployments.get("checkout").await.unwrap(), before);
    let unknown = cluster.client();
    let request =
        http::Request::patch("/apis/apps/v1/namespaces/shop/deployments/checkout?dryRun=Some")
            .header("content-type", "application/merge-patch+json")
            .body(b"{}".to_vec())
            .unwrap();
    let refused = refusal(unknown.request::<Value>(request).await);
    assert_eq!((refused.0, refused.1.as_str()), (422, "Invalid"));
}

#[tokio::test]
async fn a_write_on_stale_ground_conflicts() {
    let cluster = cluster();
    let deployments = api::<Deployment>(&cluster, "shop");
    let params = PatchParams::default();
    let stale = json!({ "metadata": { "resourceVersion": "1", "labels": { "x": "y" } } });
    assert_eq!(
        refusal(deployments.patch("checkout", &params, &Patch::Merge(stale)).await),
        (
            409,
            "Conflict".into(),
            "Operation cannot be fulfilled on deployments.apps \"checkout\": the object has been \
             modified; please apply your changes to the latest version and try again"
                .into()
        )
    );
    // Another object of the same name: the server finds the field immutable.
    let other = json!({ "metadata": { "uid": "00000000-0000-4000-a000-000000000000" } });
    let refused = refusal(deployments.patch("checkout", &params, &Patch::Merge(other)).await);
    assert_eq!((refused.0, refused.1.as_str()), (422, "Invalid"));
    assert!(refused.2.contains("metadata.uid: Invalid value"), "{}", refused.2);
    let elsewhere = Preconditions { uid: Some("other".into()), resource_version: None };
    let guarded = DeleteParams { preconditions: Some(elsewhere), ..DeleteParams::default() };
    let pods = api::<Pod>(&cluster, "shop");
    assert_eq!(refusal(pods.delete(CRASHED, &guarded).await.map(|_| ())).0, 409);
}

#[tokio::test]
async fn only_a_change_of_the_spec_is_a_new_generation() {
    let cluster = cluster();
    let sets = api::<StatefulSet>(&cluster, "shop");
    let params = PatchParams::apply("tests");
    let params = PatchParams { field_manager: params.field_manager, ..PatchParams::default() };
    let before = sets.get("cart-db").await.unwrap();
    let same = sets.patch("cart-db", &params, &Patch::Merge(json!({}))).await.unwrap();
    assert_eq!(same.metadata.resource_version, before.metadata.resource_version);
    let label = json!({ "metadata": { "labels": { "x": "y" } } });
    let labelled = sets.patch("cart-db", &params, &Patch::Merge(label)).await.unwrap();
    assert_eq!(labelled.metadata.generation, before.metadata.generation);
    assert_ne!(labelled.metadata.resource_version, before.metadata.resource_version);
    let managers = labelled.metadata.managed_fields.unwrap();
    assert_eq!(managers.last().unwrap().manager.as_deref(), Some("tests"));
    let scaled = json!({ "spec": { "replicas": 3 } });
    let scaled = sets.patch("cart-db", &params, &Patch::Merge(scaled)).await.unwrap();
    assert_eq!(scaled.metadata.generation, before.metadata.generation.map(|g| g + 1));
    let status = json!({ "status": { "replicas": 99 } });
    let kept = sets.patch("cart-db", &params, &Patch::Merge(status)).await.unwrap();
    assert_eq!(kept.status.unwrap().replicas, 2);
}

/// Waits until `done` says so of the deployment, at most five minutes of the cluster's time.
async fn settled(
    deployments: &Api<Deployment>,
    name: &str,
    done: impl Fn(&Deployment) -> bool,
) -> Deployment {
    for _ in 0..300 {
        let deployment = deployments.get(name).await.unwrap();
        if done(&deployment) {
            return deployment;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("`{name}` did not settle: {:?}", deployments.get(name).await.unwrap().status);
}

fn is_complete(deployment: &Deployment) -> bool {
    let status = deployment.status.as_ref().unwrap();
    status.observed_generation == deployment.metadata.generation
        && status.updated_replicas == deployment.spec.as_ref().unwrap().replicas
        && status.replicas == status.updated_replicas
        && status.available_replicas == status.updated_replicas
}

#[tokio::test(start_paused = true)]
async fn a_restart_replaces_the_pods_and_heals_checkout() {
    let cluster = cluster();
    let deployments = api::<Deployment>(&cluster, "shop");
    let patch = Patch::Strategic(restart());
    let patched = deployments.patch("checkout", &PatchParams::default(), &patch).await.unwrap();
    assert_eq!(patched.metadata.generation, Some(10));
    assert!(!is_complete(&patched));
    let healed = settled(&deployments, "checkout", is_complete).await;
    assert_eq!(healed.metadata.generation, Some(10));
    let annotations = healed.metadata.annotations.unwrap();
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "8");
    let conditions = healed.status.unwrap().conditions.unwrap();
    let reasons: Vec<_> = conditions.iter().map(|c| c.reason.clone().unwrap()).collect();
    assert_eq!(reasons, ["MinimumReplicasAvailable", "NewReplicaSetAvailable"]);

    let sets = api::<ReplicaSet>(&cluster, "shop");
    let sets = sets.list(&ListParams::default().labels("app=checkout")).await.unwrap();
    let replicas: Vec<_> = sets.iter().map(|s| s.spec.as_ref().unwrap().replicas).collect();
    assert_eq!((sets.items.len(), replicas.iter().flatten().sum::<i32>()), (3, 3));

    let pods = api::<Pod>(&cluster, "shop");
    let pods_now = pods.list(&ListParams::default().labels("app=checkout")).await.unwrap();
    assert_eq!(pods_now.items.len(), 3);
    for pod in &pods_now {
        let status = pod.status.as_ref().unwrap();
        assert!(status.container_statuses.as_ref().unwrap().iter().all(|c| c.ready));
        assert_ne!(pod.spec.as_ref().unwrap().node_name.as_deref(), Some("node-2"));
        let log = pods.logs(pod.metadata.name.as_ref().unwrap(), &LogParams::default()).await;
        assert!(log.unwrap().contains("starting version=v2.14.0"));
    }
    let endpoints = api::<Endpoints>(&cluster, "shop").get("checkout").await.unwrap();
    let subset = &endpoints.subsets.unwrap()[0];
    assert_eq!(subset.addresses.as_ref().map(Vec::len), Some(3));
    assert_eq!(subset.not_ready_addresses, None);
    let events = api::<Event>(&cluster, "shop").list(&ListParams::default()).await.unwrap();
    for reason in
        ["ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Pulled", "Started", "Killing"]
    {
        assert!(events.iter().any(|e| e.reason.as_deref() == Some(reason)), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollout_never_has_too_few_or_too_many_pods() {
    let cluster = cluster();
    let deployments = api::<Deployment>(&cluster, "payments");
    let params = PatchParams::default();
    deployments.patch("ledger", &params, &Patch::Merge(restart())).await.unwrap();
    // A quarter of three: one more, none fewer.
    settled(&deployments, "ledger", |deployment| {
        let status = deployment.status.as_ref().unwrap();
        assert!(status.replicas <= Some(4), "{status:?}");
        assert!(status.available_replicas >= Some(3), "{status:?}");
        is_complete(deployment)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn scales_and_replaces_what_is_deleted() {
    let cluster = cluster();
    let deployments = api::<Deployment>(&cluster, "payments");
    let scale = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    let scaled = deployments.patch_scale("ledger", &PatchParams::default(), &scale).await.unwrap();
    assert_eq!(scaled.spec.unwrap().replicas, Some(5));
    settled(&deployments, "ledger", is_complete).await;
    let pods = api::<Pod>(&cluster, "payments");
    let labelled = ListParams::default().labels("app=ledger");
    let before = pods.list(&labelled).await.unwrap();
    assert_eq!(before.items.len(), 5);
    let victim = before.items[0].metadata.name.clone().unwrap();
    let going = pods.delete(&victim, &DeleteParams::default()).await.unwrap().left().unwrap();
    assert!(going.metadata.deletion_timestamp.is_some());
    settled(&deployments, "ledger", |d| !is_complete(d)).await;
    settled(&deployments, "ledger", is_complete).await;
    assert_eq!(refusal(pods.get(&victim).await).0, 404);
    assert_eq!(pods.list(&labelled).await.unwrap().items.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_restarts_from_its_last_pod() {
    let cluster = cluster();
    let pods = api::<Pod>(&cluster, "shop");
    let params = WatchParams::default().labels("app=cart-db").timeout(60);
    let version = pods.list(&ListParams::default()).await.unwrap().metadata.resource_version;
    let events = pods.watch(&params, &version.unwrap()).await.unwrap();
    let sets = api::<StatefulSet>(&cluster, "shop");
    sets.patch("cart-db", &PatchParams::default(), &Patch::Strategic(restart())).await.unwrap();
    let gone: Vec<String> = events
        .filter_map(|event| async move {
            match event.unwrap() {
                WatchEvent::Deleted(pod) => pod.metadata.name,
                _ => None,
            }
        })
        .collect()
        .await;
    assert_eq!(gone, ["cart-db-1", "cart-db-0"]);
    let status = sets.get("cart-db").await.unwrap().status.unwrap();
    assert_eq!((status.ready_replicas, status.updated_replicas), (Some(2), Some(2)));
    assert_eq!(status.current_revision, status.update_revision);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_what_enters_and_leaves_its_selection() {
    let cluster = cluster();
    let maps = api::<ConfigMap>(&cluster, "shop");
    let params = WatchParams::default().labels("team=x").timeout(30);
    let version = maps.list(&ListParams::default()).await.unwrap().metadata.resource_version;
    let mut events = maps.watch(&params, &version.unwrap()).await.unwrap().boxed();
    for value in [json!("x"), json!("y"), json!("x")] {
        let label = json!({ "metadata": { "labels": { "team": value } } });
        let params = PatchParams::default();
        maps.patch("checkout-config", &params, &Patch::Merge(label)).await.unwrap();
    }
    maps.delete("checkout-config", &DeleteParams::default()).await.unwrap();
    let mut seen = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        seen.push(match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(_) => "error",
        });
    }
    assert_eq!(seen, ["added", "deleted", "added", "deleted", "bookmark"]);
}

#[tokio::test]
async fn a_watch_from_too_far_back_is_told_so() {
    let cluster = cluster();
    let maps = api::<ConfigMap>(&cluster, "shop");
    let mut events = maps.watch(&WatchParams::default(), "1").await.unwrap().boxed();
    let Some(Ok(WatchEvent::Error(status))) = events.next().await else {
        panic!("expected an error event")
    };
    assert_eq!((status.code, status.reason.as_str()), (410, "Expired"));
    assert!(status.message.starts_with("too old resource version: 1 ("), "{}", status.message);
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn watches_are_bounded() {
    let cluster = cluster();
    let maps = api::<ConfigMap>(&cluster, "shop");
    let mut open = Vec::new();
    for _ in 0..watch::STREAMS_MAX {
        open.push(maps.watch(&WatchParams::default(), "0").await.unwrap());
    }
    let refused = refusal(maps.watch(&WatchParams::default(), "0").await.map(|_| ()));
    assert_eq!((refused.0, refused.1.as_str()), (429, "TooManyRequests"));
    open.pop();
    assert!(maps.watch(&WatchParams::default(), "0").await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn takes_its_time_and_remembers_what_it_was_asked() {
    let cluster = cluster().with_latency(Duration::from_millis(200));
    let started = tokio::time::Instant::now();
    let deployments = api::<Deployment>(&cluster, "shop");
    let params = PatchParams { field_manager: Some("toolgate".into()), ..PatchParams::default() };
    deployments.patch("checkout", &params, &Patch::Strategic(restart())).await.unwrap();
    assert!(started.elapsed() >= Duration::from_millis(200));
    let requests = cluster.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.method, "PATCH");
    assert_eq!(request.path, "/apis/apps/v1/namespaces/shop/deployments/checkout");
    assert!(request.query.contains("fieldManager=toolgate"), "{}", request.query);
    assert_eq!(request.content_type.as_deref(), Some("application/strategic-merge-patch+json"));
    assert!(request.body.contains("restartedAt"));
}

#[tokio::test]
async fn serves_the_same_on_a_socket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert!(DemoCluster::kubeconfig(address).contains(&address.to_string()));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(cluster().serve(listener, async { drop(stopped.await) }));
    let config = kube::Config::new(format!("http://{address}").parse().unwrap());
    let pods: Api<Pod> = Api::namespaced(kube::Client::try_from(config).unwrap(), "shop");
    assert_eq!(refusal(pods.get("absent").await).2, "pods \"absent\" not found");
    assert_eq!(pods.get(CRASHED).await.unwrap().metadata.name.as_deref(), Some(CRASHED));
    drop(stop);
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
}

#[test]
fn a_bad_scenario_is_refused_with_file_and_reason() {
    let scenario = ("scenario.yaml", "name: x");
    let pod =
        "{apiVersion: v1, kind: Pod, metadata: {name: p, namespace: ns}, spec: {containers: 3}}";
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: m, namespace: ns}}";
    for (files, expected) in [
        (vec![("objects/a.yaml", map)], "`scenario.yaml`: is missing"),
        (vec![("scenario.yaml", "nome: x")], "`scenario.yaml`"),
        (vec![scenario, ("objects/a.yaml", pod)], "`objects/a.yaml`: Pod `ns/p`: "),
        (vec![scenario, ("objects/a.yaml", "{kind: Frob}")], "is not a kind that is served"),
        (
            vec![scenario, ("objects/a.yaml", map), ("objects/b.yaml", map)],
            "`objects/b.yaml`: ConfigMap `ns/m` is there twice",
        ),
        (
            vec![
                scenario,
                ("objects/a.yaml", "{apiVersion: v1, kind: Node, metadata: {name: $ago(x)}}"),
            ],
            "`$ago(x)` is no time",
        ),
        (vec![scenario, ("logs/n/p/c.log", "hello")], "line 1 does not begin with a time"),
        (vec![scenario, ("logs/x.log", "")], "log files are named"),
    ] {
        let files: Vec<(String, String)> =
            files.iter().map(|(path, text)| ((*path).into(), (*text).into())).collect();
        let error = DemoCluster::from_files(&files).err().unwrap().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn the_shipped_scenarios_are_what_lies_in_their_directories() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    for name in builtin::names() {
        let dir = scenarios.join(name);
        let mut shipped = builtin::files(name).unwrap();
        shipped.sort();
        assert_eq!(scenario::read(&dir).unwrap(), shipped);
        assert!(DemoCluster::load(&dir).is_ok());
        assert!(DemoCluster::find(Path::new("/absent").join(name).as_path()).is_ok());
    }
    let unknown = DemoCluster::named("x").err().unwrap().to_string();
    assert!(unknown.ends_with("are `checkout-oom`, `failure-zoo`"), "{unknown}");
    assert!(DemoCluster::find(&scenarios.join("absent")).is_err());
}
