//! Reads: errors, retries, pages, logs.

use serde_json::{Value, json};

use super::fake::{Fake, Reply, list, prod, status};
use crate::backend::kubernetes::Clusters;
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{EventQuery, Kubernetes, List};
use crate::capability::logs::{LogQuery, OpenLog};
use crate::domain::write::{WorkloadKind, WorkloadRef};

const WEB: &str = "GET /api/v1/namespaces/shop/pods/web-1";
const LOG: &str = "GET /api/v1/namespaces/shop/pods/web-1/log?&container=web&tailLines=2";

fn pod(name: &str) -> Value {
    json!({ "metadata": { "namespace": "shop", "name": name } })
}

async fn read_pod(clusters: Clusters) -> Result<String, CapabilityError> {
    let (namespace, name) = ("shop".parse().unwrap(), "web-1".parse().unwrap());
    clusters.pod(&prod(), &namespace, &name).await.map(|pod| pod.name)
}

fn pods_of_shop(limit: u32, token: Option<&str>) -> List {
    List {
        cluster: prod(),
        namespace: Some("shop".parse().unwrap()),
        label_selector: Some("app=web,tier!=cache".to_owned()),
        limit,
        continue_token: token.map(str::to_owned),
    }
}

fn log_query(tail_lines: u32) -> LogQuery {
    LogQuery {
        cluster: prod(),
        namespace: "shop".parse().unwrap(),
        pod: "web-1".parse().unwrap(),
        container: Some("web".parse().unwrap()),
        previous: false,
        tail_lines: Some(tail_lines),
        since_s: None,
        timestamps: false,
        follow: false,
    }
}

/// The pieces of a log, as text, and how it ended where that was not well.
async fn pieces(mut log: OpenLog) -> (Vec<String>, Option<CapabilityError>) {
    let mut texts = Vec::new();
    while let Some(piece) = log.pieces.next().await {
        match piece {
            Ok(bytes) => texts.push(String::from_utf8(bytes.to_vec()).unwrap()),
            Err(error) => {
                assert!(log.pieces.next().await.is_none(), "a failure is the end");
                return (texts, Some(error));
            }
        }
    }
    (texts, None)
}

fn caller_text<T: std::fmt::Debug>(result: Result<T, CapabilityError>) -> String {
    result.expect_err("this fails").caller_text()
}

#[tokio::test(start_paused = true)]
async fn tells_an_error_in_the_words_of_whoever_asked_and_keeps_the_rest() {
    const SECRET: &str = "dial tcp 10.1.2.3:6443 as system:serviceaccount:tools:toolgate";
    let cut = format!("{} … [cut]", "x".repeat(1_014));
    let busy = "the cluster is too busy and did nothing; try again later";
    let fault = "the cluster has a fault; try again later";
    let nonsense = "the cluster's answer makes no sense; its operator can say more";
    for (attempts, reply, expected) in [
        (1, || status(404, SECRET), "pod `web-1` not found in namespace `shop`"),
        (1, || Reply::Text(404, SECRET.to_owned()), nonsense),
        (
            1,
            || status(403, SECRET),
            "the cluster does not allow this server to do that; its operator can say more",
        ),
        (
            1,
            || status(401, SECRET),
            "the cluster does not accept this server's credentials; its operator can say more",
        ),
        (1, || status(400, "a\nb\u{1b}[0m"), "a b [0m"),
        (1, || Reply::Text(400, SECRET.to_owned()), nonsense),
        (1, || status(422, &"x".repeat(5_000)), cut.as_str()),
        (
            1,
            || status(409, SECRET),
            "pod `web-1` changed while this was under way, so nothing was done; ask again",
        ),
        (1, || Reply::Busy("60"), busy),
        (3, || Reply::Busy("1"), busy),
        (3, || Reply::Busy("soon"), busy),
        (3, || status(500, SECRET), fault),
        (3, || Reply::Text(503, SECRET.to_owned()), fault),
        (3, || Reply::Reset, "the cluster does not answer; try again later"),
        (3, || Reply::BreaksOff("{"), "the cluster does not answer; try again later"),
        (1, || Reply::Text(200, SECRET.to_owned()), nonsense),
        (1, || Reply::Text(200, "[".repeat(100_000)), nonsense),
        (1, || Reply::Json(200, json!({ "kind": "Service", "apiVersion": "v1" })), nonsense),
        (1, || Reply::Text(302, SECRET.to_owned()), nonsense),
        (1, || Reply::Silence, "the cluster did not answer in time; try again later"),
    ] as [(usize, fn() -> Reply, &str); 20]
    {
        let fake = (0..attempts).fold(Fake::default(), |fake, _| fake.expect(WEB, reply()));
        let error = fake.serve(read_pod).await.expect_err("this fails");
        let said = error.caller_text();
        assert_eq!(said, expected);
        assert!(!said.contains("10.1.2.3") && !said.contains("serviceaccount"), "{said}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_answer_is_a_limit() {
    let body = vec![vec![b' '; 1 << 20]; 33];
    let fake = Fake::default().expect(WEB, Reply::Chunks(body));
    assert_eq!(
        caller_text(fake.serve(read_pod).await),
        "the cluster's answer is larger than 32 MiB; ask for less at a time"
    );
}

#[tokio::test(start_paused = true)]
async fn repeats_a_read_until_it_succeeds_and_waits_as_long_as_it_is_told() {
    for (first, waited_ms) in [
        (Reply::Reset, 100),
        (status(500, "oops"), 100),
        (Reply::Busy("2"), 2_000),
        (Reply::Busy("0"), 100),
    ] {
        let begin = tokio::time::Instant::now();
        let fake = Fake::default().expect(WEB, first).expect(WEB, Reply::Json(200, pod("web-1")));
        assert_eq!(fake.serve(read_pod).await.unwrap(), "web-1");
        let waited = begin.elapsed().as_millis();
        assert!((waited_ms..waited_ms + 20).contains(&waited), "{waited} instead of {waited_ms}");
    }
}

#[tokio::test(start_paused = true)]
async fn gives_up_at_the_deadline() {
    let begin = tokio::time::Instant::now();
    let fake = Fake::default().expect(WEB, Reply::Reset).expect(WEB, Reply::Silence);
    caller_text(fake.serve(read_pod).await);
    let waited = begin.elapsed().as_millis();
    assert!((10_000..10_100).contains(&waited), "{waited}");
}

#[tokio::test]
async fn an_unknown_cluster_is_not_found() {
    Fake::default()
        .serve(|clusters| async move {
            let mut list = pods_of_shop(1, None);
            list.cluster = "staging".parse().unwrap();
            assert_eq!(caller_text(clusters.pods(&list).await), "cluster `staging` not found");
        })
        .await;
}

#[tokio::test]
async fn pages_pods() {
    const FIRST: &str =
        "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb%2Ctier%21%3Dcache&limit=2";
    let next = format!("{FIRST}&continue=t%26limit%3D9");
    let page = Reply::Json(
        200,
        json!({ "kind": "PodList", "metadata": { "continue": "t&limit=9", "remainingItemCount": 1 },
                "items": [pod("a"), pod("b")] }),
    );
    Fake::default()
        .expect(FIRST, page)
        .expect(&next, list(&[pod("c")], ""))
        .expect(&next, status(410, "The provided continue parameter is too old"))
        .serve(|clusters| async move {
            let first = clusters.pods(&pods_of_shop(2, None)).await.unwrap();
            let names: Vec<_> = first.items.iter().map(|pod| pod.name.as_str()).collect();
            assert_eq!(names, ["a", "b"]);
            assert_eq!(first.remaining, Some(1));
            let token = first.continue_token.as_deref();
            let second = clusters.pods(&pods_of_shop(2, token)).await.unwrap();
            assert_eq!((second.items.len(), second.continue_token), (1, None));
            assert_eq!(
                caller_text(clusters.pods(&pods_of_shop(2, token)).await),
                "the page token has expired; ask again from the first page"
            );
            let huge = "t".repeat(5_000);
            assert_eq!(
                caller_text(clusters.pods(&pods_of_shop(2, Some(&huge))).await),
                "the page token is longer than 4096 bytes"
            );
        })
        .await;
}

#[tokio::test]
async fn never_asks_for_everything_and_never_takes_more_than_it_asked_for() {
    const ONE: &str =
        "GET /api/v1/namespaces/shop/pods?&labelSelector=app%3Dweb%2Ctier%21%3Dcache&limit=1";
    Fake::default()
        .expect(ONE, list(&[pod("a"), pod("b")], ""))
        .serve(|clusters| async move {
            let said = caller_text(clusters.pods(&pods_of_shop(0, None)).await);
            assert!(said.contains("more than 1 objects"), "{said}");
        })
        .await;
}

#[tokio::test]
async fn lists_every_namespace_in_order() {
    let namespace =
        |name: &str| json!({ "metadata": { "name": name }, "status": { "phase": "Active" } });
    Fake::default()
        .expect("GET /api/v1/namespaces?&limit=500", list(&[namespace("b"), namespace("c")], "t"))
        .expect("GET /api/v1/namespaces?&limit=500&continue=t", list(&[namespace("a")], ""))
        .serve(|clusters| async move {
            let namespaces = clusters.namespaces(&prod()).await.unwrap();
            let names: Vec<_> =
                namespaces.iter().map(|namespace| namespace.name.as_str()).collect();
            assert_eq!(names, ["a", "b", "c"]);
        })
        .await;
}

fn events_about(kind: &str) -> EventQuery {
    EventQuery {
        cluster: prod(),
        namespace: None,
        involved_kind: Some(kind.to_owned()),
        involved_name: Some("web-1".parse().unwrap()),
        warnings_only: true,
    }
}

#[tokio::test]
async fn lists_events_by_page_and_lets_the_server_filter() {
    const PATH: &str = "GET /api/v1/events?&fieldSelector=involvedObject.kind%3DPod%2C\
                        involvedObject.name%3Dweb-1%2Ctype%21%3DNormal&limit=500";
    let event = json!({ "metadata": { "namespace": "shop" }, "involvedObject": { "kind": "Pod" },
                        "type": "Warning", "reason": "BackOff" });
    Fake::default()
        .expect(PATH, list(std::slice::from_ref(&event), "t"))
        .expect(&format!("{PATH}&continue=t"), status(410, "too old"))
        .serve(|clusters| async move {
            let events = clusters.events(&events_about("Pod")).await.unwrap();
            assert_eq!((events.events.len(), events.truncated), (1, true));
            for kind in ["", "Pod,type=Normal", "Pod type", &"P".repeat(64)] {
                let said = caller_text(clusters.events(&events_about(kind)).await);
                assert!(said.starts_with("a kind is written in"), "{said}");
            }
        })
        .await;
}

#[tokio::test]
async fn stops_listing_events_at_the_bound_and_with_a_server_that_pages_for_ever() {
    let event = json!({ "metadata": {}, "involvedObject": {} });
    let full = vec![event; 500];
    for (items, pages, expected) in [(full.as_slice(), 20, 10_000), (&[], 40, 0)] {
        let path = "GET /api/v1/events?&limit=500";
        let fake = (0..pages).fold(Fake::default(), |fake, page| {
            let token = if page == 0 { "" } else { "&continue=t" };
            fake.expect(&format!("{path}{token}"), list(items, "t"))
        });
        let mut query = events_about("Pod");
        (query.involved_kind, query.involved_name, query.warnings_only) = (None, None, false);
        let events = fake.serve(|clusters| async move { clusters.events(&query).await }).await;
        let events = events.unwrap();
        assert_eq!((events.events.len(), events.truncated), (expected, true));
    }
}

#[tokio::test(start_paused = true)]
async fn gives_a_log_as_it_comes_and_says_how_it_breaks_off() {
    let chunks = |texts: &[&str]| texts.iter().map(|t| t.as_bytes().to_vec()).collect();
    Fake::default()
        .expect(LOG, Reply::Chunks(chunks(&["one\ntw", "o\n"])))
        .expect(LOG, Reply::Busy("1"))
        .expect(LOG, Reply::Chunks(chunks(&["at the second attempt"])))
        .expect(LOG, Reply::BreaksOff("hal"))
        .expect(LOG, Reply::Hangs("hal"))
        .serve(|clusters| async move {
            let open = async || clusters.open_log(&log_query(2)).await.unwrap();
            let log = open().await;
            assert_eq!(log.container, "web");
            assert_eq!(pieces(log).await, (vec!["one\ntw".to_owned(), "o\n".to_owned()], None));
            assert_eq!(pieces(open().await).await.0, ["at the second attempt"]);
            for expected in [
                "the cluster does not answer; try again later",
                "the cluster did not answer in time; try again later",
            ] {
                let (texts, error) = pieces(open().await).await;
                assert_eq!(texts, ["hal"]);
                assert_eq!(error.unwrap().caller_text(), expected);
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn silence_ends_no_log_that_is_followed() {
    const FOLLOW: &str =
        "GET /api/v1/namespaces/shop/pods/web-1/log?&container=web&follow=true&tailLines=0";
    let query = LogQuery { follow: true, ..log_query(0) };
    Fake::default()
        .expect(FOLLOW, Reply::Hangs("a line\n"))
        .serve(|clusters| async move {
            let mut log = clusters.open_log(&query).await.unwrap();
            assert!(log.pieces.next().await.unwrap().is_ok());
            let long = std::time::Duration::from_secs(50);
            assert!(tokio::time::timeout(long, log.pieces.next()).await.is_err());
        })
        .await;
}

#[tokio::test]
async fn tells_the_selector_of_a_workload_and_never_an_empty_one() {
    const PATH: &str = "GET /apis/apps/v1/namespaces/shop/deployments/web";
    let target = WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    };
    let with = |selector: Value| {
        let spec = json!({ "selector": selector, "template": {} });
        Reply::Json(200, json!({ "metadata": { "name": "web" }, "spec": spec }))
    };
    Fake::default()
        .expect(PATH, with(json!({ "matchLabels": { "app": "web" } })))
        .expect(PATH, with(json!({})))
        .serve(|clusters| async move {
            assert_eq!(clusters.pod_selector(&target).await.unwrap(), "app=web");
            let error = clusters.pod_selector(&target).await.unwrap_err();
            assert!(matches!(error, CapabilityError::Unavailable { .. }), "{error:?}");
        })
        .await;
}

#[tokio::test]
async fn asks_the_pod_for_its_container_only_where_none_is_named() {
    const ALL: &str = "GET /api/v1/namespaces/shop/pods/web-1/log?&container=main&previous=true\
                       &sinceSeconds=60&tailLines=100&timestamps=true";
    let named = |names: &[&str]| {
        let containers: Vec<_> = names.iter().map(|name| json!({ "name": name })).collect();
        Reply::Json(200, json!({ "spec": { "containers": containers } }))
    };
    let mut query = log_query(100);
    (query.container, query.previous, query.since_s, query.timestamps) =
        (None, true, Some(60), true);
    Fake::default()
        .expect(WEB, named(&["main"]))
        .expect(ALL, Reply::Text(200, "line".to_owned()))
        .expect(WEB, named(&["a", "b"]))
        .expect(WEB, named(&["main"]))
        .expect(
            ALL,
            status(400, "previous terminated container \"main\" in pod \"web-1\" not found"),
        )
        .serve(|clusters| async move {
            assert_eq!(clusters.open_log(&query).await.unwrap().container, "main");
            assert_eq!(
                caller_text(clusters.open_log(&query).await),
                "the pod has 2 containers, name one: `a`, `b`"
            );
            let error = clusters.open_log(&query).await.unwrap_err();
            assert!(matches!(error, CapabilityError::InvalidArgument(_)), "{error:?}");
            assert!(error.caller_text().contains("previous terminated container"), "{error}");
        })
        .await;
}

#[tokio::test]
async fn reads_the_rollout_of_each_kind() {
    for (kind, path) in [
        (WorkloadKind::Deployment, "deployments"),
        (WorkloadKind::StatefulSet, "statefulsets"),
        (WorkloadKind::DaemonSet, "daemonsets"),
    ] {
        let target = WorkloadRef {
            cluster: prod(),
            kind,
            namespace: "shop".parse().unwrap(),
            name: "web".parse().unwrap(),
        };
        let found = json!({ "metadata": { "namespace": "shop", "name": "web", "generation": 4 } });
        let request = format!("GET /apis/apps/v1/namespaces/shop/{path}/web");
        Fake::default()
            .expect(&request, Reply::Json(200, found))
            .expect(&request, status(404, "not found"))
            .serve(|clusters| async move {
                let rollout = clusters.rollout(&target).await.unwrap();
                assert_eq!((rollout.kind, rollout.generation), (kind, 4));
                let said = caller_text(clusters.rollout(&target).await);
                assert!(said.ends_with("`web` not found in namespace `shop`"), "{said}");
            })
            .await;
    }
}
