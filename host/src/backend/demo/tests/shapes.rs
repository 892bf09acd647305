//! Requests that a typed client does not make, as kubectl or another program sends them.

use super::*;

pub(super) async fn send(
    cluster: &DemoCluster,
    method: &str,
    path: &str,
    (header, value): (&str, &str),
    body: &str,
) -> (u16, Value) {
    let request = http::Request::builder()
        .method(method)
        .uri(path)
        .header(header, value)
        .body(http_body_util::Full::new(bytes::Bytes::from(body.to_owned())))
        .unwrap();
    let response = cluster.respond(request).await;
    let code = response.status().as_u16();
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    (code, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

pub(super) const JSON: (&str, &str) = ("content-type", "application/json");
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/shop/deployments/checkout";

#[tokio::test]
async fn answers_in_the_shape_that_is_asked_for() {
    let cluster = cluster();
    let path = "/api/v1/namespaces/shop/pods?labelSelector=app%3Dcheckout";
    let accept = ("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json");
    let (code, table) = send(&cluster, "GET", path, accept, "").await;
    assert_eq!((code, &table["kind"]), (200, &json!("Table")));
    let statuses: Vec<&Value> =
        table["rows"].as_array().unwrap().iter().map(|row| &row["cells"][2]).collect();
    assert_eq!(statuses, ["Running", "CrashLoopBackOff", "Running"]);
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let accept = ("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    let (_, list) = send(&cluster, "GET", path, accept, "").await;
    assert_eq!(list["kind"], "PartialObjectMetadataList");
    assert!(list["items"][0].get("spec").is_none());
    let (_, list) = send(&cluster, "GET", path, JSON, "").await;
    assert_eq!((&list["kind"], &list["apiVersion"]), (&json!("PodList"), &json!("v1")));
    assert!(list["items"][0].get("kind").is_none());
}

#[tokio::test]
async fn refuses_requests_that_lead_nowhere() {
    let cluster = cluster();
    let html = ("accept", "text/html");
    let yaml = ("content-type", "application/apply-patch+yaml");
    for (method, path, header, body, code, reason) in [
        ("GET", "/api/v1/widgets", JSON, "", 404, Some("NotFound")),
        ("GET", "/apis/nothing.example/v1/widgets", JSON, "", 404, None),
        ("GET", "/openapi/v3", html, "", 404, None),
        ("GET", "/api/v1/namespaces/shop/pods/x/exec", JSON, "", 404, Some("NotFound")),
        ("GET", "/api/v1/pods", html, "", 406, Some("NotAcceptable")),
        ("POST", "/version", JSON, "", 405, Some("MethodNotAllowed")),
        ("DELETE", "/api/v1/namespaces", JSON, "", 405, Some("MethodNotAllowed")),
        ("PATCH", DEPLOYMENT, JSON, "{}", 415, Some("UnsupportedMediaType")),
        ("PATCH", DEPLOYMENT, yaml, "{}", 415, Some("UnsupportedMediaType")),
        ("PUT", DEPLOYMENT, JSON, "{", 400, Some("BadRequest")),
        ("PUT", DEPLOYMENT, JSON, "[]", 400, Some("BadRequest")),
        ("POST", "/api/v1/namespaces/shop/configmaps", JSON, "{}", 422, Some("Invalid")),
    ] {
        let (got, status) = send(&cluster, method, path, header, body).await;
        assert_eq!(got, code, "{method} {path}: {status}");
        assert_eq!(status.get("reason").and_then(Value::as_str), reason, "{method} {path}");
    }
}

#[tokio::test]
async fn refuses_changes_that_the_server_forbids() {
    let cluster = cluster();
    let merge = ("content-type", "application/merge-patch+json");
    let pod = "/api/v1/namespaces/shop/pods/checkout-7d9f8b6c54-qp7rj";
    for (path, body, code) in [
        (DEPLOYMENT, r#"{"spec": {"replicas": -1}}"#, 422),
        (DEPLOYMENT, r#"{"spec": {"replicas": "many"}}"#, 422),
        (DEPLOYMENT, r#"{"spec": {"selector": {"matchLabels": {"app": "x"}}}}"#, 422),
        (DEPLOYMENT, r#"{"metadata": {"name": "other"}}"#, 400),
        (DEPLOYMENT, r#"{"metadata": {"namespace": "other"}}"#, 400),
        (pod, r#"{"spec": {"nodeName": "node-1"}}"#, 422),
    ] {
        let (got, status) = send(&cluster, "PATCH", path, merge, body).await;
        assert_eq!(got, code, "{body}: {status}");
    }
}

#[tokio::test]
async fn replaces_a_whole_object() {
    let cluster = cluster();
    let path = "/api/v1/namespaces/shop/configmaps/checkout-config";
    let (_, mut object) = send(&cluster, "GET", path, JSON, "").await;
    object["data"] = json!({ "CART_TTL": "15m" });
    let body = object.to_string();
    let (code, replaced) = send(&cluster, "PUT", path, JSON, &body).await;
    assert_eq!((code, &replaced["data"]), (200, &json!({ "CART_TTL": "15m" })));
    // The same body again carries the version before the write.
    let (code, status) = send(&cluster, "PUT", path, JSON, &body).await;
    assert_eq!((code, &status["reason"]), (409, &json!("Conflict")));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_to_crashing_pods_stops_half_way() {
    let deployment = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: bank}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: 'example/web:1'}]}
";
    let node = "
apiVersion: v1
kind: Node
metadata: {name: one}
status: {conditions: [{type: Ready, status: 'True'}]}
";
    let files = [
        ("scenario.yaml", "{name: crash, restart: {bank/web: crash}}"),
        ("objects/a.yaml", node),
        ("objects/b.yaml", deployment),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()));
    let cluster = DemoCluster::from_files(&files).unwrap().with_step(Duration::from_secs(1));
    let deployments = api::<Deployment>(&cluster, "bank");
    let patch = Patch::Merge(restart());
    deployments.patch("web", &PatchParams::default(), &patch).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    let status = deployments.get("web").await.unwrap().status.unwrap();
    assert_eq!((status.updated_replicas, status.available_replicas), (Some(1), Some(3)));
    let pods = api::<Pod>(&cluster, "bank").list(&ListParams::default()).await.unwrap();
    let reasons: Vec<String> = pods
        .iter()
        .filter_map(|pod| pod.status.as_ref()?.container_statuses.as_ref()?.first())
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.clone())
        .collect();
    assert_eq!(reasons, ["CrashLoopBackOff"]);
    assert!(lock(&cluster.shared.busy).is_empty());
}

const CERTIFICATES: &str = "/apis/cert-manager.io/v1/namespaces/shop/certificates";

fn certificates() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": { "name": "certificates.cert-manager.io" },
        "spec": {
            "group": "cert-manager.io",
            "scope": "Namespaced",
            "names": { "plural": "certificates", "singular": "certificate", "kind": "Certificate",
                "shortNames": ["cert"] },
            "versions": [{ "name": "v1", "served": true, "storage": true,
                "schema": { "openAPIV3Schema": { "type": "object",
                    "x-kubernetes-preserve-unknown-fields": true } },
                "subresources": { "status": {} } }],
        },
    })
}

#[tokio::test]
async fn a_definition_brings_a_kind() {
    let scenario = [
        ("scenario.yaml", "name: x"),
        ("objects/a.yaml", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}"),
    ]
    .map(|(path, text)| (path.to_owned(), text.to_owned()));
    let cluster = DemoCluster::from_files(&scenario).unwrap();
    assert_eq!(send(&cluster, "GET", CERTIFICATES, JSON, "").await.0, 404);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let (code, made) = send(&cluster, "POST", path, JSON, &certificates().to_string()).await;
    assert_eq!((code, &made["status"]["conditions"][1]["type"]), (201, &json!("Established")));
    let (_, group) = send(&cluster, "GET", "/apis/cert-manager.io/v1", JSON, "").await;
    assert_eq!(group["resources"][0]["shortNames"], json!(["cert"]));
    let body = json!({ "apiVersion": "cert-manager.io/v1", "kind": "Certificate",
        "metadata": { "name": "web" }, "spec": { "secretName": "web-tls" } });
    let (code, _) = send(&cluster, "POST", CERTIFICATES, JSON, &body.to_string()).await;
    assert_eq!(code, 201);
    let path = format!("{CERTIFICATES}/web/status");
    let merge = ("content-type", "application/merge-patch+json");
    let status = r#"{"spec": {"secretName": "x"}, "status": {"revision": 2}}"#;
    let (code, patched) = send(&cluster, "PATCH", &path, merge, status).await;
    assert_eq!((code, &patched["status"]["revision"]), (200, &json!(2)));
    assert_eq!(patched["spec"]["secretName"], "web-tls");
    let (_, list) = send(&cluster, "GET", CERTIFICATES, JSON, "").await;
    assert_eq!(list["items"][0]["kind"], "Certificate");
}

#[tokio::test]
async fn one_autoscaler_is_there_in_both_versions() {
    let cluster = cluster();
    let path = |version: &str| {
        format!("/apis/autoscaling/{version}/namespaces/shop/horizontalpodautoscalers/frontend")
    };
    let (_, newer) = send(&cluster, "GET", &path("v2"), JSON, "").await;
    let (_, older) = send(&cluster, "GET", &path("v1"), JSON, "").await;
    assert_eq!(older["spec"]["targetCPUUtilizationPercentage"], 70);
    assert_eq!(older["metadata"]["uid"], newer["metadata"]["uid"]);
    let merge = ("content-type", "application/merge-patch+json");
    let body = r#"{"spec": {"targetCPUUtilizationPercentage": 50}}"#;
    let (code, _) = send(&cluster, "PATCH", &path("v1"), merge, body).await;
    assert_eq!(code, 200);
    let (_, newer) = send(&cluster, "GET", &path("v2"), JSON, "").await;
    let target = &newer["spec"]["metrics"][0]["resource"]["target"];
    assert_eq!(target["averageUtilization"], 50);
}

#[tokio::test]
async fn an_event_is_there_in_both_groups() {
    let cluster = cluster();
    let query = "?fieldSelector=reason%3DOOMKilling";
    let path = format!("/apis/events.k8s.io/v1/namespaces/default/events{query}");
    let (_, newer) = send(&cluster, "GET", &path, JSON, "").await;
    let path = format!("/api/v1/namespaces/default/events{query}");
    let (_, older) = send(&cluster, "GET", &path, JSON, "").await;
    assert_eq!(older["items"][0]["involvedObject"], newer["items"][0]["regarding"]);
    assert_eq!(older["items"].as_array().unwrap().len(), newer["items"].as_array().unwrap().len());
}

#[tokio::test]
async fn a_caller_may_do_everything_and_is_told_so() {
    let cluster = cluster();
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let ask = json!({ "spec": { "resourceAttributes": { "verb": "get", "resource": "pods" } } });
    let (code, review) = send(&cluster, "POST", path, JSON, &ask.to_string()).await;
    assert_eq!((code, &review["status"]["allowed"]), (201, &json!(true)));
    assert_eq!(send(&cluster, "POST", path, JSON, r#"{"spec": {}}"#).await.0, 422);
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let ask = json!({ "spec": { "namespace": "shop" } });
    let (code, review) = send(&cluster, "POST", path, JSON, &ask.to_string()).await;
    assert_eq!((code, &review["status"]["resourceRules"][0]["verbs"]), (201, &json!(["*"])));
}
