//! Reading objects of any kind through the door: what a grant covers, and what of it leaves the
//! host. A guest calls the host's functions as its arguments say, against the embedded cluster.

use expect_test::{Expect, expect};
use regex::Regex;
use serde_json::{Value, json};
use toolgate_tests::House;

/// A house in which the guest may read so far.
async fn house(scope: &str) -> House {
    let grants = format!(
        "[grants.reader.kubernetes-read]\n{scope}\n[grants.reader.kubernetes-metrics]\n{scope}\n"
    );
    House::of(&["guests/reader"], &grants).await
}

/// What the guest got.
async fn read(house: &House, arguments: Value) -> String {
    let answer = house.ask("alice", "read", arguments).await;
    answer.strip_prefix("output: ").unwrap_or(&answer).trim_end().to_owned()
}

/// Without what differs from run to run.
fn without_run(answer: &str) -> String {
    let time = Regex::new(r"\d{4}-\d\d-\d\dT[0-9:.]+Z").unwrap();
    let uid = Regex::new(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap();
    uid.replace_all(&time.replace_all(answer, "TIME"), "UID").into_owned()
}

async fn check(scope: &str, questions: &[Value], expected: Expect) {
    let house = house(scope).await;
    let mut seen = house.failures();
    for question in questions {
        let answer = read(&house, question.clone()).await;
        seen.push_str(&format!("> {question}\n{}\n\n", without_run(&answer)));
    }
    seen.push_str(&house.record().text().await);
    expected.assert_eq(&seen);
}

#[tokio::test]
async fn a_grant_is_narrow_by_kind_namespace_and_name() {
    check(
        "namespaces = [\"shop\"]\nkinds = [\"ConfigMap\", \"PersistentVolume\"]\nnames = [\"checkout-*\", \"pvc-*\"]",
        &[
            json!({ "do": "list", "kind": "cm", "fields": ["data"] }),
            json!({ "do": "list", "kind": "configmaps", "namespace": "kube-system" }),
            json!({ "do": "list", "kind": "pods", "namespace": "shop" }),
            json!({ "do": "get", "kind": "ConfigMap", "namespace": "shop", "name": "other" }),
            json!({ "do": "list", "kind": "pv", "fields": ["status.phase"] }),
            json!({ "do": "list", "kind": "pv", "namespace": "shop" }),
            json!({ "do": "get", "kind": "cm", "name": "frontend" }),
            json!({ "do": "list", "kind": "deploymnt" }),
            json!({ "do": "list", "kind": "Certificate" }),
            json!({ "do": "list", "kind": "events" }),
        ],
        expect![[r#"
            > {"do":"list","kind":"cm","fields":["data"]}
            v1 ConfigMap: 1
            {"metadata":{"name":"checkout-config","namespace":"shop","creationTimestamp":"TIME","uid":"UID"},"data":{"CART_TTL":"0","LOG_LEVEL":"info","LEGACY_SMTP_PASSWORD":"[redacted:named]","feature-flags.json":"{\"cart_cache\": true, \"one_click\": false}"},"apiVersion":"v1","kind":"ConfigMap"} redacted=1

            > {"do":"list","kind":"configmaps","namespace":"kube-system"}
            Error::NotFound("namespace `kube-system` not found in cluster `demo`, or not granted")

            > {"do":"list","kind":"pods","namespace":"shop"}
            Error::NotFound("nothing of kind Pod is granted in cluster `demo`")

            > {"do":"get","kind":"ConfigMap","namespace":"shop","name":"other"}
            Error::NotFound("ConfigMap `other` not found in namespace `shop` of cluster `demo`, or not granted")

            > {"do":"list","kind":"pv","fields":["status.phase"]}
            v1 PersistentVolume: 1
            {"status":{"phase":"Bound"},"metadata":{"name":"pvc-5b0a6f0e","creationTimestamp":"TIME","uid":"UID"},"apiVersion":"v1","kind":"PersistentVolume"} redacted=0

            > {"do":"list","kind":"pv","namespace":"shop"}
            Error::InvalidArgument("PersistentVolume objects are in no namespace")

            > {"do":"get","kind":"cm","name":"frontend"}
            Error::InvalidArgument("ConfigMap objects are in namespaces; name one")

            > {"do":"list","kind":"deploymnt"}
            Error::InvalidArgument("Kubernetes itself has no kind `deploymnt`; did you mean `Deployment`? a custom resource is named with its group, like `Certificate.cert-manager.io`")

            > {"do":"list","kind":"Certificate"}
            Error::InvalidArgument("Kubernetes itself has no kind `Certificate`; a custom resource is named with its group, like `Certificate.cert-manager.io`")

            > {"do":"list","kind":"events"}
            Error::InvalidArgument("events are read through `kubernetes-events`, which filters them by what they are about")

            received  alice@os read {"do":"list","kind":"cm","fields":["data"]}
            admitted  reader (read)
            used      kubernetes-read list demo:ConfigMap:shop/* allowed
            completed output
            received  alice@os read {"do":"list","kind":"configmaps","namespace":"kube-system"}
            admitted  reader (read)
            used      kubernetes-read list demo:ConfigMap:kube-system/* denied
            completed output
            received  alice@os read {"do":"list","kind":"pods","namespace":"shop"}
            admitted  reader (read)
            used      kubernetes-read list demo:Pod:* denied
            completed output
            received  alice@os read {"do":"get","kind":"ConfigMap","namespace":"shop","name":"other"}
            admitted  reader (read)
            used      kubernetes-read get demo:ConfigMap:shop/other denied
            completed output
            received  alice@os read {"do":"list","kind":"pv","fields":["status.phase"]}
            admitted  reader (read)
            used      kubernetes-read list demo:PersistentVolume:* allowed
            completed output
            received  alice@os read {"do":"list","kind":"pv","namespace":"shop"}
            admitted  reader (read)
            completed output
            received  alice@os read {"do":"get","kind":"cm","name":"frontend"}
            admitted  reader (read)
            completed output
            received  alice@os read {"do":"list","kind":"deploymnt"}
            admitted  reader (read)
            completed output
            received  alice@os read {"do":"list","kind":"Certificate"}
            admitted  reader (read)
            completed output
            received  alice@os read {"do":"list","kind":"events"}
            admitted  reader (read)
            completed output
        "#]],
    )
    .await;
}

#[tokio::test]
async fn secrets_are_read_only_where_they_are_named_and_never_shown() {
    let question = json!({ "do": "list", "kind": "secrets", "namespace": "shop" });
    let everything = house("namespaces = [\"*\"]").await;
    let refused = read(&everything, question.clone()).await;
    assert!(refused.contains("NotFound"), "{refused}");

    let named = house("namespaces = [\"*\"]\nkinds = [\"Secret\"]").await;
    let listed = read(&named, question).await;
    assert!(listed.contains("size_bytes") && listed.contains("fingerprint"), "{listed}");
    let client = named.cluster("demo").client();
    let api: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(client, "shop");
    let mut seen = 0;
    for secret in api.list(&kube::api::ListParams::default()).await.unwrap() {
        for value in secret.data.unwrap_or_default().into_values() {
            let base64 = serde_json::to_string(&value).unwrap();
            assert!(!listed.contains(base64.trim_matches('"')), "{listed}");
            seen += 1;
        }
    }
    assert!(seen > 0, "the scenario has secrets");
    for line in listed.lines().filter(|line| line.starts_with('{')) {
        let json = line.split(" redacted=").next().unwrap();
        let object: Value = serde_json::from_str(json).unwrap();
        for value in object["data"].as_object().unwrap().values() {
            let members: Vec<_> = value.as_object().unwrap().keys().collect();
            assert_eq!(members, ["size_bytes", "fingerprint"], "{object}");
        }
    }
}

#[tokio::test]
async fn custom_resources_are_read_only_where_they_are_named() {
    let list = json!({ "do": "list", "kind": "certificates.cert-manager.io", "fields": ["spec"] });
    check("namespaces = [\"shop\"]", std::slice::from_ref(&list), expect![[r#"
        > {"do":"list","kind":"certificates.cert-manager.io","fields":["spec"]}
        Error::NotFound("nothing of kind certificates.cert-manager.io is granted in cluster `demo`")

        received  alice@os read {"do":"list","kind":"certificates.cert-manager.io","fields":["spec"]}
        admitted  reader (read)
        used      kubernetes-read list demo:certificates.cert-manager.io:* denied
        completed output
    "#]]).await;
    check(
        "namespaces = [\"shop\"]\nkinds = [\"Certificate.cert-manager.io\"]",
        &[
            list,
            json!({
                "do": "get", "kind": "cert.cert-manager.io", "namespace": "shop", "name": "shop",
                "fields": ["spec.dnsNames", "status.conditions.status"],
            }),
            json!({ "do": "list", "kind": "issuers.cert-manager.io" }),
            json!({ "do": "list", "kind": "Lease.coordination.k8s.io" }),
        ],
        expect![[r#"
            > {"do":"list","kind":"certificates.cert-manager.io","fields":["spec"]}
            cert-manager.io/v1 Certificate: 1
            {"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"shop","namespace":"shop","creationTimestamp":"TIME","uid":"UID"},"spec":{"secretName":"shop-tls","dnsNames":["shop.example"],"issuerRef":{"name":"internal","kind":"ClusterIssuer"}}} redacted=0

            > {"do":"get","kind":"cert.cert-manager.io","namespace":"shop","name":"shop","fields":["spec.dnsNames","status.conditions.status"]}
            {"apiVersion":"cert-manager.io/v1","kind":"Certificate","metadata":{"name":"shop","namespace":"shop","creationTimestamp":"TIME","uid":"UID"},"spec":{"dnsNames":["shop.example"]},"status":{"conditions":[{"status":"True"}]}} redacted=0

            > {"do":"list","kind":"issuers.cert-manager.io"}
            Error::InvalidArgument("the cluster does not serve `issuers.cert-manager.io`")

            > {"do":"list","kind":"Lease.coordination.k8s.io"}
            Error::NotFound("nothing of kind Lease.coordination.k8s.io is granted in cluster `demo`")

            received  alice@os read {"do":"list","kind":"certificates.cert-manager.io","fields":["spec"]}
            admitted  reader (read)
            used      kubernetes-read discover demo:certificates.cert-manager.io:* allowed
            used      kubernetes-read list demo:Certificate.cert-manager.io:shop/* allowed
            completed output
            received  alice@os read {"do":"get","kind":"cert.cert-manager.io","namespace":"shop","name":"shop","fields":["spec.dnsNames","status.conditions.status"]}
            admitted  reader (read)
            used      kubernetes-read discover demo:cert.cert-manager.io:* allowed
            used      kubernetes-read get demo:Certificate.cert-manager.io:shop/shop allowed
            completed output
            received  alice@os read {"do":"list","kind":"issuers.cert-manager.io"}
            admitted  reader (read)
            used      kubernetes-read discover demo:issuers.cert-manager.io:* allowed
            completed output
            received  alice@os read {"do":"list","kind":"Lease.coordination.k8s.io"}
            admitted  reader (read)
            used      kubernetes-read list demo:Lease.coordination.k8s.io:* denied
            completed output
        "#]],
    )
    .await;
}

#[tokio::test]
async fn a_missing_namespace_is_an_error_and_never_the_whole_cluster() {
    let house = house("namespaces = [\"*\"]").await;
    for kind in ["pods", "configmaps", "cj"] {
        let answer =
            read(&house, json!({ "do": "list", "kind": kind, "namespace": "shopp" })).await;
        assert!(answer.contains("NotFound"), "{kind}: {answer}");
    }
    let answer = read(&house, json!({ "do": "pods", "namespace": "shopp" })).await;
    assert!(answer.contains("NotFound"), "{answer}");
}

#[tokio::test]
async fn a_namespace_is_seen_by_whoever_may_see_into_it() {
    let house = house("namespaces = [\"shop\"]").await;
    let listed =
        read(&house, json!({ "do": "list", "kind": "ns", "fields": ["metadata.name"] })).await;
    assert!(listed.starts_with("v1 Namespace: 1\n") && listed.contains("shop"), "{listed}");
    let other = json!({ "do": "get", "kind": "ns", "name": "kube-system" });
    assert!(read(&house, other).await.contains("NotFound"));
}

#[tokio::test]
async fn lists_page_through_all_granted_namespaces() {
    let house = house("namespaces = [\"*\"]").await;
    let mut names = Vec::new();
    let mut question = json!({
        "do": "list", "kind": "rs", "limit": 3, "fields": ["metadata.name"],
    });
    loop {
        let page = read(&house, question.clone()).await;
        let (objects, next) =
            page.split_once("next=").map_or((page.as_str(), None), |(o, n)| (o, Some(n)));
        for line in objects.lines().filter(|line| line.starts_with('{')) {
            let json = line.split(" redacted=").next().unwrap();
            let object: Value = serde_json::from_str(json).unwrap();
            names.push(object["metadata"]["name"].as_str().unwrap().to_owned());
        }
        let Some(next) = next else { break };
        question["continue"] = json!(next);
    }
    let client = house.cluster("demo").client();
    let api: kube::Api<k8s_openapi::api::apps::v1::ReplicaSet> = kube::Api::all(client);
    let all = api.list(&kube::api::ListParams::default()).await.unwrap();
    let expected: Vec<String> = all.items.into_iter().filter_map(|set| set.metadata.name).collect();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn an_answer_that_is_too_large_says_what_to_do() {
    let house = House::of(
        &["guests/reader"],
        "[grants.reader.kubernetes-read]\nnamespaces = [\"*\"]\n\
         [grants.reader.kubernetes-metrics]\nnamespaces = [\"*\"]\n\
         [plugins.reader.limits]\nhost_call_bytes_out_max = 4096\n",
    )
    .await;
    let large = read(&house, json!({ "do": "list", "kind": "pods" })).await;
    assert!(large.contains("LimitExceeded") && large.contains("`fields`"), "{large}");
    let small = json!({ "do": "list", "kind": "pods", "limit": 2, "fields": ["status.phase"] });
    assert!(read(&house, small).await.contains("Running"));
}

#[tokio::test]
async fn history_tells_what_each_revision_changed() {
    check(
        "namespaces = [\"shop\"]\nkinds = [\"Deployment\"]",
        &[
            json!({ "do": "history", "namespace": "shop", "name": "checkout" }),
            json!({ "do": "history", "namespace": "shop", "name": "nothing" }),
            json!({ "do": "history", "kind": "StatefulSet", "namespace": "shop", "name": "cart-db" }),
        ],
        expect![[r#"
            > {"do":"history","namespace":"shop","name":"checkout"}
            7 current=true replicas=Some(3) registry.example/shop/checkout:v2.14.0 Some("release checkout v2.14.0")
              spec.template.spec.containers[0].env[CART_CACHE].name: None -> Some("CART_CACHE")
              spec.template.spec.containers[0].env[CART_CACHE].value: None -> Some("(a text of 9 bytes)")
              spec.template.spec.containers[0].image: Some("registry.example/shop/checkout:v2.13.2") -> Some("registry.example/shop/checkout:v2.14.0")
            6 current=false replicas=Some(0) registry.example/shop/checkout:v2.13.2 Some("release checkout v2.13.2")

            > {"do":"history","namespace":"shop","name":"nothing"}
            Error::NotFound("Deployment `nothing` not found in namespace `shop` of cluster `demo`, or not granted")

            > {"do":"history","kind":"StatefulSet","namespace":"shop","name":"cart-db"}
            Error::NotFound("StatefulSet `cart-db` not found in namespace `shop` of cluster `demo`, or not granted")

            received  alice@os read {"do":"history","namespace":"shop","name":"checkout"}
            admitted  reader (read)
            used      kubernetes-read get demo:Deployment:shop/checkout allowed
            used      kubernetes-read list demo:ReplicaSet:shop/* allowed
            completed output
            received  alice@os read {"do":"history","namespace":"shop","name":"nothing"}
            admitted  reader (read)
            used      kubernetes-read get demo:Deployment:shop/nothing allowed
            used      kubernetes-read list demo:ReplicaSet:shop/* allowed
            completed output
            received  alice@os read {"do":"history","kind":"StatefulSet","namespace":"shop","name":"cart-db"}
            admitted  reader (read)
            used      kubernetes-read get demo:StatefulSet:shop/cart-db denied
            completed output
        "#]],
    )
    .await;
}

#[tokio::test]
async fn waiting_ends_with_the_rollout_or_with_the_wait() {
    let house = house("namespaces = [\"shop\"]").await;
    let wait = |name: &str, timeout_s: u32| json!({ "do": "wait", "namespace": "shop", "name": name, "timeout_s": timeout_s });
    let done = read(&house, wait("frontend", 60)).await;
    assert!(done.contains("Complete"), "{done}");
    let stuck = read(&house, wait("checkout", 1)).await;
    assert!(stuck.contains("Stuck") || stuck.contains("Progressing"), "{stuck}");
    let wrong = read(&house, wait("frontend", 601)).await;
    assert!(wrong.contains("InvalidArgument"), "{wrong}");
}

#[tokio::test]
async fn measurements_are_narrow_as_objects_are() {
    let house = house("namespaces = [\"shop\"]\nnames = [\"frontend*\", \"node-1\"]").await;
    let pods = read(&house, json!({ "do": "pods" })).await;
    assert!(
        !pods.is_empty() && pods.lines().all(|line| line.starts_with("shop/frontend")),
        "{pods}"
    );
    assert!(pods.lines().all(|line| line.contains("cpu=true memory=true")), "{pods}");
    let nodes = read(&house, json!({ "do": "nodes" })).await;
    assert_eq!(nodes.lines().count(), 1, "{nodes}");
    let other = read(&house, json!({ "do": "pods", "namespace": "kube-system" })).await;
    assert!(other.contains("NotFound"), "{other}");
}

#[tokio::test]
async fn a_value_of_a_secret_needs_a_grant_of_its_own() {
    let house = House::of(
        &["guests/secret-reader"],
        "[grants.secret-reader.kubernetes-secret-values]\nnamespaces = [\"shop\"]\n",
    )
    .await;
    let client = house.cluster("demo").client();
    let api: kube::Api<k8s_openapi::api::core::v1::Secret> = kube::Api::namespaced(client, "shop");
    let secrets = api.list(&kube::api::ListParams::default()).await.unwrap();
    let secret =
        secrets.items.iter().find(|s| s.data.as_ref().is_some_and(|d| !d.is_empty())).unwrap();
    let name = secret.metadata.name.clone().unwrap();
    let (key, value) = secret.data.as_ref().unwrap().first_key_value().unwrap();
    for (namespace, key, said) in [
        ("shop", key.as_str(), format!("{} bytes", value.0.len())),
        ("shop", "nothing", "has no key `nothing`".to_owned()),
        ("shop", "../x", "is made of letters".to_owned()),
        ("kube-system", key.as_str(), "NotFound".to_owned()),
    ] {
        let arguments = json!({ "namespace": namespace, "name": name, "key": key });
        let answer = house.ask("alice", "read_secret", arguments).await;
        assert!(answer.contains(&said), "{answer}");
    }
}
