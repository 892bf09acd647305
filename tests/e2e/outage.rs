//! A real API server that goes away and comes back, as seen through a way to it that the test cuts,
//! holds and slows; others use the server meanwhile.

use std::net::{SocketAddr, ToSocketAddrs as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use kube::config::Kubeconfig;
use serde_json::{Value, json};
use toolgate_tests::House;
use toolgate_tests::proxy::{Proxy, Way};

use crate::cluster::Cluster;
use crate::space::Space;

/// Short, so that silence is soon over.
const DEADLINE: Duration = Duration::from_secs(3);

/// Beyond the deadline, for a machine that does a lot besides this.
const SLACK: Duration = Duration::from_secs(10);

/// The kubeconfig with the way's address in place of the server's, whose certificate stays meant.
fn detour(cluster: &Cluster, to: impl FnOnce(SocketAddr) -> SocketAddr, folder: &Path) -> PathBuf {
    let mut file = Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let context = file.contexts.iter().find(|named| named.name == cluster.context).unwrap();
    let meant = context.context.as_ref().unwrap().cluster.clone();
    let named = file.clusters.iter_mut().find(|named| named.name == meant).unwrap();
    let found = named.cluster.as_mut().unwrap();
    let server: http::Uri = found.server.as_ref().unwrap().parse().unwrap();
    let host = server.host().unwrap().trim_matches(['[', ']']);
    let address = (host, server.port_u16().unwrap_or(443)).to_socket_addrs().unwrap().next();
    found.tls_server_name.get_or_insert_with(|| host.to_owned());
    found.server = Some(format!("https://{}", to(address.unwrap())));
    let path = folder.join("kubeconfig");
    std::fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
    path
}

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
    let mut to = None;
    let keep = |address| *to.insert(address);
    detour(&space.cluster, keep, folder.path());
    let mut proxy = Proxy::start(to.unwrap()).await;
    let address = proxy.address();
    let kubeconfig = detour(&space.cluster, |_| address, folder.path());
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
