//! `[serve]`: the HTTP listener and who may talk to it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Serve;
use super::document::{Document, KeyPath};
use super::limits::bounded;
use super::problem::shown;
use super::raw::{RawConsole, RawServe};

/// Where the listener is if nobody says.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);

/// How often what a client watches is read again, if nobody says: a rollout's steps take longer.
const REREAD_EVERY: Duration = Duration::from_secs(10);

/// More often is a watch that an API server should serve itself; less often, nobody waits for.
const REREAD_S: RangeInclusive<i64> = 1..=3_600;

/// Each request compares against all of them.
const NAMES_MAX: usize = 64;

/// An address to listen on, as a file or a flag says it.
///
/// # Errors
/// What is wrong with it, and what to do.
pub fn listen_address(text: &str) -> Result<SocketAddr, (String, &'static str)> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        let hint = "say an IP address and a port: `127.0.0.1:8080`";
        return Err((format!("`{}` is no address to listen on", shown(text)), hint));
    };
    if !address.ip().is_loopback() {
        let text = format!("other machines can reach `{address}`, and callers would be anonymous");
        let hint = "listen on `127.0.0.1` or `[::1]`, and reach it from elsewhere through \
                    `kubectl port-forward`, a tunnel, or a proxy that authenticates";
        return Err((text, hint));
    }
    Ok(address)
}

pub(super) fn validate(
    raw: &RawServe,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Option<Serve> {
    let RawServe { listen, allowed_hosts, allowed_origins, reread_every_s } = raw;
    let listen = match listen.as_deref().map_or(Ok(LISTEN), listen_address) {
        Ok(address) => Some(address),
        Err((text, hint)) => {
            document.problem(&path.key("listen"), text, hint);
            None
        }
    };
    let hint = "say a host name, with its port where it is not the usual one: \
                `toolgate.example:8443`";
    names(allowed_hosts, is_authority, ("host", hint), &path.key("allowed_hosts"), document);
    let hint = "say scheme, host and port, without a path: `https://console.example`";
    names(allowed_origins, is_origin, ("origin", hint), &path.key("allowed_origins"), document);
    let reread_every = reread_every_s
        .and_then(|value| bounded(value, REREAD_S, &path.key("reread_every_s"), document))
        .map_or(REREAD_EVERY, Duration::from_secs);
    let lower = |names: &[String]| names.iter().map(|name| name.to_ascii_lowercase()).collect();
    Some(Serve {
        listen: listen?,
        allowed_hosts: lower(allowed_hosts),
        allowed_origins: lower(allowed_origins),
        reread_every,
    })
}

/// The console's address: a listener of its own, since callers and operators must not share one.
pub(super) fn validate_console(
    raw: &RawConsole,
    serve: Option<&Serve>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Option<SocketAddr> {
    let RawConsole { listen } = raw;
    let path = path.key("listen");
    match listen.as_deref().map(listen_address)? {
        Ok(address) if address.port() != 0 && serve.is_some_and(|s| s.listen == address) => {
            let text = format!("`{address}` is where MCP clients call");
            document.problem(&path, text, "give the console a port of its own: `127.0.0.1:8081`");
            None
        }
        Ok(address) => Some(address),
        Err((text, hint)) => {
            document.problem(&path, text, hint);
            None
        }
    }
}

fn names(
    values: &[String],
    fits: fn(&str) -> bool,
    (what, hint): (&str, &str),
    path: &KeyPath,
    document: &mut Document<'_>,
) {
    if values.len() > NAMES_MAX {
        let text = format!("{} are too many", values.len());
        document.problem(path, text, format!("name at most {NAMES_MAX}"));
        return;
    }
    for (idx, value) in values.iter().enumerate().filter(|(_, value)| !fits(value)) {
        document.problem(&path.item(idx), format!("`{}` is no {what}", shown(value)), hint);
    }
}

fn is_origin(text: &str) -> bool {
    let schemes = ["https://", "http://"];
    schemes.iter().find_map(|scheme| text.strip_prefix(scheme)).is_some_and(is_authority)
}

/// A host name or an IP address, and perhaps a port.
fn is_authority(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.split_once(']') else { return false };
        return address.parse::<Ipv6Addr>().is_ok()
            && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = match text.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.len() <= 253 && host.split('.').all(is_label) && port.is_none_or(is_port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listens_on_loopback_only() {
        for (text, ok) in [
            ("127.0.0.1:8080", true),
            ("127.0.0.9:0", true),
            ("[::1]:8080", true),
            ("0.0.0.0:8080", false),
            ("[::]:8080", false),
            ("10.0.0.1:80", false),
            ("localhost:8080", false),
            ("127.0.0.1", false),
            ("", false),
        ] {
            assert_eq!(listen_address(text).is_ok(), ok, "{text:?}");
        }
    }

    #[test]
    fn knows_hosts_and_origins() {
        for (text, host, origin) in [
            ("toolgate.example", true, false),
            ("toolgate.example:8443", true, false),
            ("[::1]:80", true, false),
            ("[::1", false, false),
            ("*", false, false),
            ("", false, false),
            ("a..b", false, false),
            ("a:b", false, false),
            ("a:0", false, false),
            ("https://console.example", false, true),
            ("http://localhost:3000", false, true),
            ("https://console.example/", false, false),
            ("https://", false, false),
            ("null", true, false),
            ("file://x", false, false),
        ] {
            assert_eq!(is_authority(text), host, "host {text:?}");
            assert_eq!(is_origin(text), origin, "origin {text:?}");
        }
    }
}
