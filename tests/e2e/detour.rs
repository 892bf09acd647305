//! Another way to the same API server: one that a test can cut, hold and slow.

use std::net::ToSocketAddrs as _;
use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use toolgate_tests::proxy::Proxy;

use crate::cluster::Cluster;

/// The way, and a kubeconfig in the folder with the way's address in place of the server's, whose
/// certificate stays meant.
pub(crate) async fn detour(cluster: &Cluster, folder: &Path) -> (Proxy, PathBuf) {
    let mut file = Kubeconfig::read_from(&cluster.kubeconfig).unwrap();
    let context = file.contexts.iter().find(|named| named.name == cluster.context).unwrap();
    let meant = context.context.as_ref().unwrap().cluster.clone();
    let named = file.clusters.iter_mut().find(|named| named.name == meant).unwrap();
    let found = named.cluster.as_mut().unwrap();
    let server: http::Uri = found.server.as_ref().unwrap().parse().unwrap();
    let host = server.host().unwrap().trim_matches(['[', ']']);
    let address = (host, server.port_u16().unwrap_or(443)).to_socket_addrs().unwrap().next();
    let proxy = Proxy::start(address.unwrap()).await;
    found.tls_server_name.get_or_insert_with(|| host.to_owned());
    found.server = Some(format!("https://{}", proxy.address()));
    let path = folder.join("kubeconfig");
    std::fs::write(&path, serde_json::to_vec(&file).unwrap()).unwrap();
    (proxy, path)
}
