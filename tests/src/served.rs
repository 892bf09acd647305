//! The demonstration cluster on a socket, for a process that may be killed.

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use toolgate::backend::demo::{DemoCluster, RecordedRequest};

/// A cluster that listens until it is told to drain.
pub struct Served {
    kubeconfig: String,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Served {
    /// On a port of its own, so that nobody reaches it who knew an earlier one.
    pub async fn start(cluster: &DemoCluster) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let kubeconfig = DemoCluster::kubeconfig(listener.local_addr().unwrap());
        let (end, ended) = oneshot::channel::<()>();
        let ended = async { drop(ended.await) };
        let serving = tokio::spawn(cluster.clone().serve(listener, ended));
        Self { kubeconfig, end, serving }
    }

    /// The way to it.
    #[must_use]
    pub fn kubeconfig(&self) -> &str {
        &self.kubeconfig
    }

    /// Closes the socket once what was sent through it is answered. What a process that is dead by
    /// now had sent may still lie there: only after this is what it did all that it did.
    pub async fn drain(self) {
        drop(self.end);
        self.serving.await.unwrap();
    }
}

/// What changed the cluster, oldest first: neither a rehearsal nor what it refused, such as a write
/// that another one had overtaken, which the host sends again.
#[must_use]
pub fn changes(cluster: &DemoCluster) -> Vec<RecordedRequest> {
    let mut requests = cluster.requests();
    requests.retain(|request| {
        let is_accepted = request.status.is_some_and(|status| (200..300).contains(&status));
        is_accepted && request.method != "GET" && !request.query.contains("dryRun=All")
    });
    requests
}
