//! A way to a server that can be cut, held or slowed: between the house and a cluster that others
//! use at the same time.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What becomes of bytes on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// They arrive.
    Open,
    /// They arrive, each portion so much later.
    Slow(Duration),
    /// They stay on the way, and connections stay open.
    Held,
    /// Those to the server arrive; those from it stay on the way.
    Unanswered,
}

/// The way. It ends when this is dropped.
pub struct Proxy {
    to: SocketAddr,
    address: SocketAddr,
    way: watch::Sender<Way>,
    serving: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens on any port of this machine, for a server.
    pub async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, ways) = watch::channel(Way::Open);
        let serving = Some(tokio::spawn(serve(listener, to, ways)));
        Self { to, address, way, serving }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What becomes of bytes from now on, also of those that are held.
    pub fn make(&self, way: Way) {
        self.way.send_replace(way);
    }

    /// Refuses connections, and drops those that are open.
    pub async fn cut(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
            let _ = serving.await;
        }
    }

    /// Takes connections again, where it did before.
    pub async fn mend(&mut self) {
        self.cut().await;
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serving = Some(tokio::spawn(serve(listener, self.to, self.way.subscribe())));
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn serve(listener: TcpListener, to: SocketAddr, ways: watch::Receiver<Way>) {
    // Dropped with this, they end with it.
    let mut connections = JoinSet::new();
    while let Ok((here, _)) = listener.accept().await {
        let ways = ways.clone();
        connections.spawn(async move {
            let Ok(there) = TcpStream::connect(to).await else { return };
            let (from_here, to_here) = here.into_split();
            let (from_there, to_there) = there.into_split();
            tokio::select! {
                () = carry(from_here, to_there, ways.clone(), &[Way::Held]) => {}
                () = carry(from_there, to_here, ways, &[Way::Held, Way::Unanswered]) => {}
            }
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut ways: watch::Receiver<Way>,
    stays: &[Way],
) {
    let mut portion = vec![0; 16 << 10];
    while let Ok(n_bytes @ 1..) = from.read(&mut portion).await {
        let Ok(way) = ways.wait_for(|way| !stays.contains(way)).await.map(|way| *way) else {
            return;
        };
        if let Way::Slow(each) = way {
            tokio::time::sleep(each).await;
        }
        if to.write_all(&portion[..n_bytes]).await.is_err() {
            return;
        }
    }
}
