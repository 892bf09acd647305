//! Objects of any kind, revisions and measurements: what is asked of the API server, and what of
//! its answers.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::backend::kubernetes::Clusters;
use crate::capability::kubernetes::List;
use crate::capability::metrics::Usage;
use crate::capability::objects::ServedKind;
use crate::capability::{CapabilityError, Metrics, Objects};
use crate::domain::kind::AskedKind;

async fn served(clusters: &Clusters, kind: &str) -> Result<ServedKind, CapabilityError> {
    clusters.served(&prod(), &AskedKind::parse(kind).unwrap()).await
}

async fn shown(clusters: &Clusters, kind: &str) -> String {
    match served(clusters, kind).await {
        Ok(kind) => {
            let namespaced = if kind.namespaced { "" } else { " (cluster)" };
            format!("{} {} {}{namespaced}", kind.api_version(), kind.plural, kind.canonical)
        }
        Err(error) => error.caller_text(),
    }
}

fn list_of(namespace: Option<&str>, limit: u32, token: Option<&str>) -> List {
    List {
        cluster: prod(),
        namespace: namespace.map(|name| name.parse().unwrap()),
        label_selector: None,
        limit,
        continue_token: token.map(str::to_owned),
    }
}

fn group(versions: &[&str], preferred: &str) -> Reply {
    let versions: Vec<Value> = versions.iter().map(|v| json!({ "version": v })).collect();
    Reply::Json(
        200,
        json!({ "kind": "APIGroup", "versions": versions, "preferredVersion": { "version": preferred } }),
    )
}

fn resources(found: &[(&str, &str, bool)]) -> Reply {
    let resource = |(name, kind, namespaced): &(&str, &str, bool)| {
        json!({
            "name": name, "kind": kind, "namespaced": namespaced, "singularName": "",
            "verbs": ["get", "list"], "shortNames": ["short"],
        })
    };
    let found: Vec<Value> = found.iter().map(resource).collect();
    Reply::Json(200, json!({ "kind": "APIResourceList", "resources": found }))
}

#[tokio::test]
async fn asks_for_the_version_that_a_cluster_serves_and_remembers_it() {
    Fake::default()
        .expect("GET /apis/batch", group(&["v1beta1", "v1"], "v1"))
        .expect("GET /apis/batch/v1", resources(&[("jobs", "Job", true)]))
        .expect("GET /apis/batch/v1beta1", resources(&[("cronjobs", "CronJob", true)]))
        .serve(|clusters| async move {
            for _ in 0..2 {
                assert_eq!(shown(&clusters, "cj").await, "batch/v1beta1 cronjobs CronJob");
            }
            assert_eq!(
                shown(&clusters, "cronjobs.v1.batch").await,
                "the cluster does not serve `CronJob.batch`"
            );
            // One version alone is no question.
            assert_eq!(shown(&clusters, "deploy").await, "apps/v1 deployments Deployment");
            assert_eq!(shown(&clusters, "nodes").await, "v1 nodes Node (cluster)");
        })
        .await;
}

#[tokio::test]
async fn a_custom_kind_is_found_by_any_of_its_names() {
    let found = [
        ("certificates", "Certificate", true),
        ("clusterissuers", "ClusterIssuer", false),
        ("certificates/status", "Certificate", true),
        ("../secrets", "Trick", true),
        ("tricks", "Tr/ick", true),
    ];
    Fake::default()
        .expect("GET /apis/cert-manager.io", group(&["v1"], "v1"))
        .expect("GET /apis/cert-manager.io/v1", resources(&found))
        .expect("GET /apis/nothing.io", Reply::Text(404, "404 page not found".to_owned()))
        .expect("GET /apis/locked.io", status(403, "no"))
        .serve(|clusters| async move {
            let certificate = "cert-manager.io/v1 certificates Certificate.cert-manager.io";
            for (asked, expected) in [
                ("Certificate.cert-manager.io", certificate),
                ("certificates.cert-manager.io", certificate),
                ("certificates.v1.cert-manager.io", certificate),
                (
                    "clusterissuer.cert-manager.io",
                    "cert-manager.io/v1 clusterissuers ClusterIssuer.cert-manager.io (cluster)",
                ),
                (
                    "certificats.cert-manager.io",
                    "the cluster does not serve `certificats.cert-manager.io`; did you mean \
                     `Certificate`?",
                ),
                (
                    "certificates.v2.cert-manager.io",
                    "the cluster does not serve `certificates.v2.cert-manager.io`",
                ),
                ("Trick.cert-manager.io", "the cluster does not serve `Trick.cert-manager.io`"),
                ("Thing.nothing.io", "the cluster does not serve the group `nothing.io`"),
                (
                    "Thing.locked.io",
                    "the cluster does not allow this server to do that; its operator can say more",
                ),
            ] {
                assert_eq!(shown(&clusters, asked).await, expected, "{asked}");
            }
        })
        .await;
}

#[tokio::test]
async fn lists_say_what_their_items_are_and_an_old_token_is_told() {
    const PATH: &str = "GET /apis/apps/v1/namespaces/shop/replicasets?";
    let item = json!({ "metadata": { "name": "a", "managedFields": [{ "manager": "x" }] } });
    Fake::default()
        .expect(&format!("{PATH}&fieldSelector=metadata.name%3Da&limit=2"), list(&[item], "next"))
        .expect(&format!("{PATH}&limit=2&continue=old"), status(410, "too old"))
        .expect(&format!("{PATH}&limit=2"), Reply::Text(404, "404 page not found".to_owned()))
        .serve(|clusters| async move {
            let kind = served(&clusters, "rs").await.unwrap();
            let page = clusters
                .objects(&kind, &list_of(Some("shop"), 2, None), Some("metadata.name=a"))
                .await
                .unwrap();
            assert_eq!(
                page.items,
                [json!({ "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": { "name": "a" } })]
            );
            assert_eq!(page.continue_token.as_deref(), Some("next"));
            for (token, said) in [
                (
                    Some("old"),
                    "the list changed while it was read and its page token has expired; ask again \
                     from the first page",
                ),
                (None, "the cluster does not serve `apps/v1 ReplicaSet`"),
            ] {
                let error =
                    clusters.objects(&kind, &list_of(Some("shop"), 2, token), None).await.unwrap_err();
                assert_eq!(error.caller_text(), said);
            }
        })
        .await;
}

#[tokio::test]
async fn a_page_that_is_too_large_is_asked_for_in_parts() {
    let large = vec![vec![b' '; 1 << 20]; 33];
    Fake::default()
        .expect("GET /api/v1/configmaps?&limit=50", Reply::Chunks(large))
        .expect("GET /api/v1/configmaps?&limit=7", list(&[], "rest"))
        .serve(|clusters| async move {
            let kind = served(&clusters, "cm").await.unwrap();
            let page = clusters.objects(&kind, &list_of(None, 50, None), None).await.unwrap();
            assert_eq!(page.continue_token.as_deref(), Some("rest"));
        })
        .await;
}

#[tokio::test]
async fn measurements_are_read_exactly_and_paged_here() {
    const PODS: &str = "GET /apis/metrics.k8s.io/v1beta1/pods?&limit=500";
    let pod = |namespace: &str, name: &str| {
        json!({
            "metadata": { "namespace": namespace, "name": name },
            "timestamp": "2026-11-21T02:13:00Z", "window": "14.8s",
            "containers": [{ "name": "app", "usage": { "cpu": "1500001n", "memory": "2Ki" } }],
        })
    };
    let all = || list(&[pod("shop", "b"), pod("bank", "z"), pod("shop", "a")], "");
    Fake::default()
        .expect(PODS, all())
        .expect(PODS, all())
        .serve(|clusters| async move {
            let first = clusters.pod_usages(&list_of(None, 2, None)).await.unwrap();
            let names = |items: &[crate::capability::metrics::PodUsage]| {
                items.iter().map(|pod| pod.name.clone()).collect::<Vec<_>>()
            };
            assert_eq!(names(&first.items), ["z", "a"]);
            assert_eq!(first.remaining, Some(1));
            let usage = first.items[0].containers[0].1;
            assert_eq!(usage, Usage { cpu_m: 2, memory_bytes: 2_048 });
            assert_eq!(first.items[0].window_s, 15);
            let token = first.continue_token.as_deref();
            let second = clusters.pod_usages(&list_of(None, 2, token)).await.unwrap();
            assert_eq!(names(&second.items), ["b"]);
            assert_eq!(second.continue_token, None);
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_measures_nothing_says_so() {
    const NODES: &str = "GET /apis/metrics.k8s.io/v1beta1/nodes?&limit=500";
    let absent = Fake::default().expect(NODES, Reply::Text(404, "404 page not found".to_owned()));
    let down = (0..3).fold(Fake::default(), |fake, _| fake.expect(NODES, status(503, "down")));
    for fake in [absent, down] {
        let error = fake
            .serve(|clusters| async move { clusters.node_usages(&prod()).await.unwrap_err() })
            .await;
        assert!(error.caller_text().starts_with("the cluster serves no metrics"), "{error}");
    }
}
