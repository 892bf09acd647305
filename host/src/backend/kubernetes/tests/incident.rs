//! One incident from the first look to the restart, on the embedded cluster.

use std::time::Duration;

use super::fake::{clusters, prod};
use crate::backend::demo::DemoCluster;
use crate::backend::kubernetes::{Clusters, Connection};
use crate::capability::kubernetes::{EventQuery, Kubernetes, List, RolloutState};
use crate::capability::logs::LogQuery;
use crate::capability::{CapabilityError, Writer};
use crate::domain::write::{Verb, WorkloadKind, WorkloadRef};

const CRASHED: &str = "checkout-7d9f8b6c54-qp7rj";

fn start() -> (DemoCluster, Clusters) {
    let demo = DemoCluster::builtin().unwrap();
    let clusters = clusters([(prod(), Connection::Client(demo.client()))].into());
    (demo, clusters)
}

fn shop(limit: u32, continue_token: Option<String>) -> List {
    List {
        cluster: prod(),
        namespace: Some("shop".parse().unwrap()),
        label_selector: None,
        limit,
        continue_token,
    }
}

fn checkout() -> WorkloadRef {
    WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "checkout".parse().unwrap(),
    }
}

#[tokio::test]
async fn pages_add_up_to_the_whole() {
    let (_demo, clusters) = start();
    let whole = clusters.pods(&shop(250, None)).await.unwrap();
    let names = |pods: &[crate::capability::kubernetes::Pod]| -> Vec<String> {
        pods.iter().map(|pod| pod.name.clone()).collect()
    };
    let mut paged = Vec::new();
    let mut token = None;
    loop {
        let page = clusters.pods(&shop(3, token)).await.unwrap();
        paged.extend(names(&page.items));
        token = page.continue_token;
        if token.is_none() {
            break;
        }
    }
    assert!(paged.len() > 3);
    assert_eq!(paged, names(&whole.items));
}

#[tokio::test]
async fn shows_why_a_pod_crashes() {
    let (_demo, clusters) = start();
    let (namespace, name) = ("shop".parse().unwrap(), CRASHED.parse().unwrap());
    let pod = clusters.pod(&prod(), &namespace, &name).await.unwrap();
    assert_eq!(pod.status, "CrashLoopBackOff");
    let ended = pod.containers.iter().find_map(|c| c.last_termination.as_ref()).unwrap();
    assert_eq!((ended.exit_code, ended.reason.as_str()), (137, "OOMKilled"));
    let query = EventQuery {
        cluster: prod(),
        namespace: Some(namespace.clone()),
        involved_kind: Some("Pod".to_owned()),
        involved_name: Some(name.clone()),
        warnings_only: true,
    };
    let events = clusters.events(&query).await.unwrap().events;
    assert!(events.iter().any(|event| event.reason == "BackOff" && event.count > 1));
    assert!(events.iter().all(|event| event.involved_name == CRASHED));
    let log = LogQuery {
        cluster: prod(),
        namespace,
        pod: name,
        container: None,
        previous: true,
        tail_lines: Some(5),
        since_s: None,
        timestamps: false,
        follow: false,
    };
    let mut log = clusters.open_log(&log).await.unwrap();
    assert_eq!(log.container, "checkout");
    let text = log.pieces.next().await.unwrap().unwrap();
    assert_eq!(String::from_utf8(text.to_vec()).unwrap().lines().count(), 5);
}

#[tokio::test(start_paused = true)]
async fn restarts_what_was_planned_once_and_follows_it_to_its_end() {
    let (demo, clusters) = start();
    let plan = clusters.plan(Verb::Restart, &checkout().into()).await.unwrap();
    let [change] = plan.changes.as_slice() else { panic!("{:?}", plan.changes) };
    assert!(change.path.ends_with("[kubectl.kubernetes.io/restartedAt]"), "{change:?}");
    assert_eq!((plan.pods.len(), plan.pods_total), (3, 3));

    clusters.execute(&plan).await.unwrap();
    let again = clusters.execute(&plan).await.unwrap_err();
    assert!(matches!(again, CapabilityError::Conflict(_)), "{again:?}");
    let writes = demo.requests().into_iter().filter(|request| request.method != "GET");
    let writes: Vec<_> = writes.map(|request| request.query.contains("dryRun=All")).collect();
    assert_eq!(writes, [true, false], "one trial and one patch");

    let mut rollout = clusters.rollout(&checkout()).await.unwrap();
    assert_eq!(rollout.state, RolloutState::Progressing);
    for _ in 0..100 {
        if rollout.state == RolloutState::Complete {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        rollout = clusters.rollout(&checkout()).await.unwrap();
    }
    panic!("the rollout does not end: {}", rollout.message);
}
