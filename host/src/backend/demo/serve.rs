use std::{convert::Infallible, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{net::TcpListener, sync::Semaphore, task::JoinSet};

use super::DemoCluster;

/// How many connections are served at once. Further ones wait in the socket's own queue.
const CONNECTIONS_MAX: usize = 256;

/// How long a client may take to send its request line and headers.
const HEADERS_DEADLINE: Duration = Duration::from_secs(10);

/// How long connections may take to finish after the shutdown.
const DRAIN_DEADLINE: Duration = Duration::from_secs(2);

/// Serves the cluster to whoever can reach the socket until `shutdown` resolves.
///
/// There is no authentication: bind loopback only.
pub(super) async fn run(
    cluster: DemoCluster,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = accept(&listener, &slots) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, slot)) = accepted else { continue };
        let cluster = cluster.clone();
        connections.spawn(async move {
            let service = service_fn(|request: http::Request<Incoming>| {
                let cluster = cluster.clone();
                async move { Ok::<_, Infallible>(cluster.respond(request).await) }
            });
            let served = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEADERS_DEADLINE)
                .serve_connection(TokioIo::new(stream), service)
                .await;
            if let Err(error) = served {
                tracing::debug!(%error, "demo cluster: a connection ended early");
            }
            drop(slot);
        });
    }
    let drained = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(DRAIN_DEADLINE, drained).await.is_err() {
        connections.shutdown().await;
    }
}

async fn accept(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
) -> Option<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let slot = slots.clone().acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => Some((stream, slot)),
        Err(error) => {
            // Such as too many open files: it passes, and spinning would not help.
            tracing::debug!(%error, "demo cluster: could not accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

/// The text of a kubeconfig for a cluster served at `address`.
pub(super) fn kubeconfig(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: toolgate-demo
  cluster:
    server: http://{address}
users:
- name: toolgate-demo
  user: {{}}
contexts:
- name: toolgate-demo
  context:
    cluster: toolgate-demo
    user: toolgate-demo
    namespace: shop
current-context: toolgate-demo
"
    )
}
