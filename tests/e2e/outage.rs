//! A real API server that goes away and comes back, as seen through a way to it that the test cuts,
//! holds and slows; others use the server meanwhile.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use toolgate_tests::House;
use toolgate_tests::proxy::Way;

use crate::detour::detour;
use crate::space::Space;

/// Short, so that silence is soon over.
const DEADLINE: Duration = Duration::from_secs(3);

/// Beyond the deadline, for a machine that does a lot besides this.
const SLACK: Duration = Duration::from_secs(10);

async fn ask(house: &House, space: &Space) -> String {
    let begun = Instant::now();
    let answer = house.ask("alice", "list_pods", json!({"namespace": space.name})).await;
    let took = begun.elapsed();
    assert!(took < DEADLINE + SLACK, "{took:?}: {answer}");
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_is_told_and_its_end_is_noticed() {
    const GONE: &str = "unavailable: the cluster does not answer; try again later";
    const LATE: &str = "unavailable: the cluster did not answer in time; try again later";

    let space = Space::open("outage").await;
    let folder = tempfile::tempdir().unwrap();
    let (mut proxy, kubeconfig) = detour(&space.cluster, folder.path()).await;
    let text = |text: &str| Value::from(text).to_string();
    let config = format!(
        "[clusters.real]\nkubeconfig = {}\ncontext = {}\nrequest_deadline_ms = {}\n\
         [grants.pods.kubernetes-read]\nnamespaces = [{}]\n\
         [grants.pods.kubernetes-events]\nnamespaces = [{3}]\n",
        text(kubeconfig.to_str().unwrap()),
        text(&space.cluster.context),
        DEADLINE.as_millis(),
        text(&space.name),
    );

    // Away at our start.
    proxy.cut().await;
    let house = House::of(&["plugins/pods"], &config).await;
    let none = format!("output: No pods in `{}`.", space.name);
    assert_eq!(ask(&house, &space).await, format!("tool-error: {GONE}"));
    proxy.mend().await;
    assert_eq!(ask(&house, &space).await, none);

    // Away later.
    proxy.cut().await;
    assert_eq!(ask(&house, &space).await, format!("tool-error: {GONE}"));
    proxy.mend().await;
    assert_eq!(ask(&house, &space).await, none);

    // A connection that stays open while nothing arrives, as behind a firewall that forgot it.
    proxy.make(Way::Held);
    assert_eq!(ask(&house, &space).await, format!("tool-error: {LATE}"));
    proxy.make(Way::Open);
    assert_eq!(ask(&house, &space).await, none);

    // Slow is not away, until it is too slow.
    proxy.make(Way::Slow(Duration::from_millis(50)));
    assert_eq!(ask(&house, &space).await, none);
    proxy.make(Way::Slow(DEADLINE * 2));
    assert_eq!(ask(&house, &space).await, format!("tool-error: {LATE}"));
    proxy.make(Way::Open);
    assert_eq!(ask(&house, &space).await, none);
}
