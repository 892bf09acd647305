//! Under which name we are called, and from which page. A page on the web can make a browser call
//! this machine, and can make its own name mean this machine; it cannot lie in these two headers.

use http::header::{HOST, ORIGIN};
use http::uri::Authority;
use http::{HeaderMap, Uri};

use super::TransportError;

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// A host as a header names it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        // User info has no place in either header, and would hide the name behind another. A `*`
        // would match nothing, and whoever writes it means everything.
        let authority = text.parse::<Authority>().ok().filter(|_| !text.contains(['@', '*']))?;
        let port = authority.port_u16();
        // An authority with something after the colon that is no port has none, and is not right.
        if port.is_none() && authority.as_str().len() != authority.host().len() {
            return None;
        }
        let name = authority.host().to_ascii_lowercase();
        (!name.is_empty()).then_some(Self { name, port })
    }
}

/// A web origin: the port is always there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: &'static str,
    name: String,
    port: u16,
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let (scheme, default_port) = match scheme.to_ascii_lowercase().as_str() {
            "http" => ("http", 80),
            "https" => ("https", 443),
            _ => return None,
        };
        let Host { name, port } = Host::parse(authority)?;
        Some(Self { scheme, name, port: port.unwrap_or(default_port) })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", self.scheme, self.name, self.port)
    }
}

/// The names and pages that may call.
#[derive(Debug, Clone)]
pub(super) struct AllowList {
    hosts: Vec<Host>,
    origins: Vec<Origin>,
}

impl AllowList {
    /// Loopback names and our own pages on them, and what the operator adds. A host without a port
    /// is allowed with any.
    pub(super) fn new(
        hosts: &[String],
        origins: &[String],
        own_port: u16,
    ) -> Result<Self, TransportError> {
        let mut list = Self {
            hosts: LOOPBACK.map(|name| Host { name: name.to_owned(), port: None }).to_vec(),
            origins: LOOPBACK
                .map(|name| Origin { scheme: "http", name: name.to_owned(), port: own_port })
                .to_vec(),
        };
        for text in hosts {
            let host =
                Host::parse(text).ok_or_else(|| TransportError::AllowedHost(text.clone()))?;
            list.hosts.push(host);
        }
        for text in origins {
            let origin =
                Origin::parse(text).ok_or_else(|| TransportError::AllowedOrigin(text.clone()))?;
            list.origins.push(origin);
        }
        Ok(list)
    }

    /// Why a request with these headers may not call, in words for the caller.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let mut hosts = headers.get_all(HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(host), None) => host.to_str().ok().and_then(Host::parse),
            // HTTP/2 has it in the target.
            (None, None) => uri.authority().and_then(|authority| Host::parse(authority.as_str())),
            (_, Some(_)) => None,
        };
        let host = host.ok_or("the `Host` header is missing or malformed")?;
        let named = |allowed: &&Host| {
            allowed.name == host.name && (allowed.port.is_none() || allowed.port == host.port)
        };
        if !self.hosts.iter().any(|allowed| named(&allowed)) {
            return Err("the `Host` header names a host that is not allowed");
        }
        // Without the header it is no page that calls.
        let origin_allowed = |value: &http::HeaderValue| {
            let origin = value.to_str().ok().and_then(Origin::parse);
            origin.is_some_and(|origin| self.origins.contains(&origin))
        };
        if !headers.get_all(ORIGIN).iter().all(origin_allowed) {
            return Err("the `Origin` header names an origin that is not allowed");
        }
        Ok(())
    }

    /// The hosts, as rmcp writes them.
    pub(super) fn hosts(&self) -> impl Iterator<Item = String> {
        self.hosts.iter().map(|host| match host.port {
            Some(port) => format!("{}:{port}", host.name),
            None => host.name.trim_matches(['[', ']']).to_owned(),
        })
    }

    /// The origins, as rmcp writes them.
    pub(super) fn origins(&self) -> impl Iterator<Item = String> {
        self.origins.iter().map(ToString::to_string)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: Option<&str>, origin: Option<&str>) -> bool {
        let list = AllowList::new(
            &["toolgate.example".to_owned(), "gate.example:8443".to_owned()],
            &["https://app.example".to_owned()],
            8080,
        )
        .unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in [(HOST, host), (ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        list.check(&Uri::from_static("/mcp"), &headers).is_ok()
    }

    #[test]
    fn allows_loopback_and_configured_hosts() {
        for (host, ok) in [
            ("localhost", true),
            ("LOCALHOST:1", true),
            ("127.0.0.1:8080", true),
            ("[::1]:8080", true),
            ("toolgate.example", true),
            ("toolgate.example:99", true),
            ("gate.example:8443", true),
            ("gate.example", false),
            ("gate.example:8444", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("localhost@evil.example", false),
            ("evil.example@localhost", false),
            ("localhost:port", false),
            ("localhost:", false),
            ("127.0.0.1.", false),
            ("", false),
        ] {
            assert_eq!(allowed(Some(host), None), ok, "{host}");
        }
        assert!(!allowed(None, None));
    }

    #[test]
    fn allows_own_pages_and_configured_origins() {
        for (origin, ok) in [
            ("http://localhost:8080", true),
            ("http://127.0.0.1:8080", true),
            ("http://[::1]:8080", true),
            ("https://app.example", true),
            ("https://app.example:443", true),
            ("http://app.example", false),
            ("https://app.example:444", false),
            ("http://localhost", false),
            ("http://localhost:3000", false),
            ("https://localhost:8080", false),
            ("https://evil.example", false),
            ("https://app.example.evil.example", false),
            ("https://app.example@evil.example", false),
            ("null", false),
            ("", false),
        ] {
            assert_eq!(allowed(Some("localhost"), Some(origin)), ok, "{origin}");
        }
    }

    #[test]
    fn refuses_headers_that_come_twice() {
        let list = AllowList::new(&[], &[], 80).unwrap();
        let uri = Uri::from_static("/mcp");
        let mut headers = HeaderMap::new();
        headers.append(HOST, "localhost".parse().unwrap());
        headers.append(ORIGIN, "http://localhost".parse().unwrap());
        assert_eq!(list.check(&uri, &headers), Ok(()));
        headers.append(ORIGIN, "https://evil.example".parse().unwrap());
        assert!(list.check(&uri, &headers).is_err());
        headers.remove(ORIGIN);
        headers.append(HOST, "localhost".parse().unwrap());
        assert!(list.check(&uri, &headers).is_err());
    }

    #[test]
    fn refuses_entries_that_match_nothing() {
        for host in ["https://toolgate.example", "a b", "*", "*.example", "name:port", ""] {
            assert!(AllowList::new(&[host.to_owned()], &[], 80).is_err(), "{host}");
        }
        for origin in
            ["app.example", "https://app.example/", "ftp://app.example", "https://*", "null"]
        {
            assert!(AllowList::new(&[], &[origin.to_owned()], 80).is_err(), "{origin}");
        }
    }
}
