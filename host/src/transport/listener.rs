//! Where callers may come from: this machine, unless somebody checks who they are.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

use super::TransportError;

/// A socket that listens, on an address that is fit for its callers.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    addr: SocketAddr,
    authenticated: bool,
}

impl Listener {
    /// Listens on `addr`. An address that other machines can reach is refused unless callers are
    /// `authenticated`.
    pub async fn bind(addr: SocketAddr, authenticated: bool) -> Result<Self, TransportError> {
        if !authenticated && !is_loopback(addr) {
            return Err(TransportError::Unauthenticated(addr));
        }
        let failed = |source| TransportError::Bind { addr, source };
        let socket = TcpListener::bind(addr).await.map_err(failed)?;
        let addr = socket.local_addr().map_err(failed)?;
        Ok(Self { socket, addr, authenticated })
    }

    /// The address, with the port that the system chose where 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Whether every request carries the principal that authentication found.
    pub(super) fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    pub(super) async fn accept(&self) -> std::io::Result<TcpStream> {
        self.socket.accept().await.map(|(stream, _)| stream)
    }
}

fn is_loopback(addr: SocketAddr) -> bool {
    addr.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_which_addresses_stay_on_this_machine() {
        for (addr, loopback) in [
            ("127.0.0.1:80", true),
            ("127.8.9.1:80", true),
            ("[::1]:80", true),
            ("[::ffff:127.0.0.1]:80", true),
            ("0.0.0.0:80", false),
            ("[::]:80", false),
            ("[::ffff:10.0.0.1]:80", false),
            ("192.168.1.1:80", false),
        ] {
            assert_eq!(is_loopback(addr.parse().unwrap()), loopback, "{addr}");
        }
    }

    #[tokio::test]
    async fn refuses_to_be_reached_while_nothing_authenticates() {
        let addr = "0.0.0.0:0".parse().unwrap();
        let error = Listener::bind(addr, false).await.unwrap_err().to_string();
        assert!(error.contains("nothing authenticates callers"), "{error}");
        assert!(Listener::bind(addr, true).await.is_ok());
        let taken = Listener::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
        let error = Listener::bind(taken.local_addr(), false).await.unwrap_err();
        assert!(matches!(error, TransportError::Bind { .. }));
    }
}
