//! What fails in the zoo, and how what fails in it is mended.

use super::store::{number, unset};
use super::*;

fn zoo() -> DemoCluster {
    DemoCluster::named("failure-zoo").unwrap().with_step(Duration::from_secs(1))
}

fn all(cluster: &DemoCluster, plural: &str, namespace: &str) -> Vec<Value> {
    let kinds = custom::all(&cluster.shared.store());
    let kind = kinds.into_iter().find(|kind| kind.plural == plural).unwrap();
    let store = cluster.shared.store();
    store.all(kind, Some(namespace)).map(|(_, object)| (**object).clone()).collect()
}

/// A pod as an operator sums it up: whose it is, what holds it, how often it was started again.
fn summary(pod: &Value) -> String {
    let status = |field: &str| text(pod, &format!("/status/containerStatuses/0/{field}"));
    let held = pod.pointer("/status/conditions/0/reason").and_then(Value::as_str);
    let state = match status("state/waiting/reason") {
        "" if pods::is_ready(pod) => "Ready",
        "" if !status("state/running/startedAt").is_empty() => "Running",
        "" => held.unwrap_or("Ended"),
        waiting => waiting,
    };
    let last = status("lastState/terminated/reason");
    format!("{} {state} {last}", text(pod, "/metadata/labels/app")).trim_end().to_owned()
}

#[tokio::test]
async fn every_animal_is_ill_in_its_own_way() {
    let cluster = zoo();
    let mut pods: Vec<String> = all(&cluster, "pods", "zoo").iter().map(summary).collect();
    pods.extend(all(&cluster, "pods", "zoo-batch").iter().map(summary));
    pods.sort();
    assert_eq!(
        pods,
        [
            "api CrashLoopBackOff Error",
            "api Ready",
            "api Ready",
            "cache ImagePullBackOff",
            "encoder Ready",
            "encoder Ready",
            "front Ready",
            "front Ready",
            "front-old Ended",
            "ledger Ready",
            "mailer CreateContainerConfigError",
            "search Ready",
            "search Ready",
            "search Running",
            "thumbnails CrashLoopBackOff OOMKilled",
            "vision Unschedulable",
        ]
    );
    let mut told: Vec<String> = all(&cluster, "events", "zoo")
        .iter()
        .chain(&all(&cluster, "events", "zoo-batch"))
        .filter(|event| text(event, "/type") == "Warning")
        .map(|event| {
            let name = text(event, "/involvedObject/name");
            format!("{} {}", name.split('-').next().unwrap(), text(event, "/reason"))
        })
        .collect();
    told.sort();
    told.dedup();
    assert_eq!(
        told,
        [
            "api BackOff",
            "archive ProvisioningFailed",
            "cache Failed",
            "encoder FailedCreate",
            "front Evicted",
            "import BackoffLimitExceeded",
            "mailer Failed",
            "search Unhealthy",
            "thumbnails BackOff",
            "vision FailedScheduling",
        ]
    );
}

#[tokio::test]
async fn what_follows_from_the_pods_is_said_beside_them() {
    let cluster = zoo();
    let one = |plural: &str, namespace: &str, name: &str| {
        let objects = all(&cluster, plural, namespace);
        objects.into_iter().find(|object| text(object, "/metadata/name") == name).unwrap()
    };
    let search = one("deployments", "zoo", "search");
    let progressing = pods::condition(&search, "Progressing").unwrap();
    assert_eq!(text(progressing, "/reason"), "ProgressDeadlineExceeded");
    let encoder = one("deployments", "zoo-batch", "encoder");
    let failure = pods::condition(&encoder, "ReplicaFailure").unwrap();
    let message = text(failure, "/message");
    let quota = "is forbidden: exceeded quota: batch, requested: limits.memory=256Mi, used: \
                 limits.memory=512Mi, limited: limits.memory=512Mi";
    assert!(message.ends_with(quota), "{message}");
    let budget = one("poddisruptionbudgets", "zoo", "front");
    assert_eq!(number(&budget, "/status/disruptionsAllowed"), Some(0));
    assert!(one("endpoints", "zoo", "tickets").get("subsets").is_none());
    let mailer = one("pods", "zoo", &pod_of(&cluster, "mailer"));
    let why = text(&mailer, "/status/containerStatuses/0/state/waiting/message");
    assert_eq!(why, "couldn't find key smtp-host in ConfigMap zoo/mailer-config");
}

fn pod_of(cluster: &DemoCluster, app: &str) -> String {
    let pods = all(cluster, "pods", "zoo");
    let pod = pods.iter().find(|pod| text(pod, "/metadata/labels/app") == app).unwrap();
    text(pod, "/metadata/name").to_owned()
}

fn revision(object: Option<&std::collections::BTreeMap<String, String>>) -> &str {
    object.unwrap()["deployment.kubernetes.io/revision"].as_str()
}

#[tokio::test(start_paused = true)]
async fn a_rollback_mends_what_the_release_broke() {
    let cluster = zoo();
    let deployments = api::<Deployment>(&cluster, "zoo");
    let sets = api::<ReplicaSet>(&cluster, "zoo");
    let list = sets.list(&ListParams::default().labels("app=api")).await.unwrap();
    let old = list.iter().find(|s| revision(s.metadata.annotations.as_ref()) == "1").unwrap();
    let mut template = json!(old.spec.as_ref().unwrap().template);
    unset(&mut template, &["metadata", "labels", "pod-template-hash"]);
    let patch = json!([{ "op": "replace", "path": "/spec/template", "value": template }]);
    let form = ("content-type", "application/json-patch+json");
    let path = "/apis/apps/v1/namespaces/zoo/deployments/api";
    let (code, _) = shapes::send(&cluster, "PATCH", path, form, &patch.to_string()).await;
    assert_eq!(code, 200);
    let done = settled(&deployments, "api", is_complete).await;
    assert_eq!(revision(done.metadata.annotations.as_ref()), "3");
    let again = sets.get(&old.metadata.name.clone().unwrap()).await.unwrap();
    let annotations = again.metadata.annotations.unwrap();
    assert_eq!(annotations["deployment.kubernetes.io/revision"], "3");
    assert_eq!(annotations["deployment.kubernetes.io/revision-history"], "1");
    let pods: Vec<String> = all(&cluster, "pods", "zoo").iter().map(summary).collect();
    assert_eq!(pods.iter().filter(|pod| *pod == "api Ready").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_paused_deployment_waits_and_still_scales() {
    let cluster = zoo();
    let deployments = api::<Deployment>(&cluster, "zoo");
    let image = |paused: bool, replicas: u32| {
        json!({ "spec": { "paused": paused, "replicas": replicas, "template": { "spec": {
            "containers": [{ "name": "front", "image": "registry.example/zoo/front:9.4.0" }] } } } })
    };
    let params = PatchParams::default();
    let revision_of =
        |deployment: &Deployment| revision(deployment.metadata.annotations.as_ref()).to_owned();
    deployments.patch("front", &params, &Patch::Strategic(image(true, 3))).await.unwrap();
    let paused =
        settled(&deployments, "front", |d| d.status.as_ref().unwrap().ready_replicas == Some(3))
            .await;
    assert_eq!((revision_of(&paused).as_str(), is_complete(&paused)), ("1", true));
    deployments.patch("front", &params, &Patch::Strategic(image(false, 3))).await.unwrap();
    let done = settled(&deployments, "front", |d| {
        is_complete(d) && revision(d.metadata.annotations.as_ref()) == "2"
    })
    .await;
    assert_eq!(revision_of(&done), "2");
}

#[tokio::test(start_paused = true)]
async fn an_eviction_respects_the_budget() {
    let cluster = zoo();
    let send = |name: String| {
        let cluster = cluster.clone();
        async move {
            let body = json!({ "apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": { "name": name } });
            let path = format!("/api/v1/namespaces/zoo/pods/{name}/eviction");
            shapes::send(&cluster, "POST", &path, shapes::JSON, &body.to_string()).await
        }
    };
    let (code, status) = send(pod_of(&cluster, "front")).await;
    assert_eq!((code, &status["reason"]), (429, &json!("TooManyRequests")));
    assert_eq!(status["details"]["causes"][0]["reason"], "DisruptionBudget");
    let (code, status) = send(pod_of(&cluster, "ledger")).await;
    assert_eq!((code, &status["status"]), (201, &json!("Success")));
}

#[tokio::test(start_paused = true)]
async fn a_finalizer_holds_a_namespace_until_it_is_taken_away() {
    let cluster = zoo();
    let path = "/apis/cert-manager.io/v1/namespaces/zoo-old/certificates/old-site";
    let merge = ("content-type", "application/merge-patch+json");
    let body = r#"{"metadata": {"finalizers": null}}"#;
    let (code, _) = shapes::send(&cluster, "PATCH", path, merge, body).await;
    assert_eq!(code, 200);
    let namespace = "/api/v1/namespaces/zoo-old";
    let (code, _) = shapes::send(&cluster, "GET", namespace, shapes::JSON, "").await;
    assert_eq!(code, 404);
}

#[tokio::test(start_paused = true)]
async fn a_cordoned_node_takes_no_pod_until_it_is_uncordoned() {
    let cluster = zoo();
    let nodes = Api::<Node>::all(cluster.client());
    let cordon = |on: bool| Patch::Merge(json!({ "spec": { "unschedulable": on } }));
    nodes.patch("den-1", &PatchParams::default(), &cordon(true)).await.unwrap();
    let pods = api::<Pod>(&cluster, "zoo");
    let deployments = api::<Deployment>(&cluster, "zoo");
    let scale = Patch::Merge(json!({ "spec": { "replicas": 3 } }));
    deployments.patch("front", &PatchParams::default(), &scale).await.unwrap();
    let waiting = |d: &Deployment| d.status.as_ref().unwrap().replicas == Some(3);
    settled(&deployments, "front", waiting).await;
    let pending = ListParams::default().labels("app=front").fields("spec.nodeName=");
    let held = pods.list(&pending).await.unwrap().items;
    let why = held[0].status.as_ref().unwrap().conditions.as_ref().unwrap()[0].message.clone();
    assert!(why.as_ref().unwrap().contains("1 node(s) were unschedulable"), "{why:?}");
    nodes.patch("den-1", &PatchParams::default(), &cordon(false)).await.unwrap();
    settled(&deployments, "front", is_complete).await;
}
