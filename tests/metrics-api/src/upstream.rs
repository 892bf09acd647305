//! Asking the API server: for nodes and pods, and through it for what kubelets measure.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::arguments::Arguments;

/// Thousands of pods are listed in one answer.
const ANSWER_BYTES_MAX: usize = 256 << 20;
/// The API server waits for less before it gives up on us.
const ANSWER_LIMIT: Duration = Duration::from_secs(20);

pub(crate) struct Upstream {
    connector: TlsConnector,
    /// `host:port`
    address: String,
    name: ServerName<'static>,
    authorization: String,
}

impl Upstream {
    pub(crate) fn new(arguments: &Arguments) -> Result<Self> {
        let config = ClientConfig::builder()
            .with_root_certificates(authorities(&arguments.authority)?)
            .with_no_client_auth();
        let address = arguments.api_server.clone();
        let (host, _) = address.rsplit_once(':').context("the API server has no port")?;
        let name = ServerName::try_from(host.to_owned())?;
        let token = std::fs::read_to_string(&arguments.token)
            .with_context(|| format!("could not read `{}`", arguments.token.display()))?;
        let authorization = format!("Bearer {}", token.trim());
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), address, name, authorization })
    }

    /// The object or list at a path; the `Status` in its place comes with another status code.
    pub(crate) async fn get(&self, path: &str) -> Result<(StatusCode, Value)> {
        let asked = tokio::time::timeout(ANSWER_LIMIT, self.ask(path)).await;
        asked.with_context(|| format!("`{path}`: no answer within {} s", ANSWER_LIMIT.as_secs()))?
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Value)> {
        let stream = TcpStream::connect(&self.address).await?;
        let stream = self.connector.connect(self.name.clone(), stream).await?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let request = Request::get(path)
            .header("host", &self.address)
            .header("accept", "application/json")
            .header("authorization", &self.authorization)
            .body(Empty::<Bytes>::new())?;
        let (parts, body) = sender.send_request(request).await?.into_parts();
        let collected = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
        let Ok(bytes) = collected.map(http_body_util::Collected::to_bytes) else {
            bail!("`{path}`: the answer broke off, or is larger than {ANSWER_BYTES_MAX} bytes");
        };
        let value = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{path}`: {} without JSON", parts.status))?;
        Ok((parts.status, value))
    }
}

pub(crate) fn authorities(file: &Path) -> Result<RootCertStore> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(file)? {
        store.add(certificate)?;
    }
    Ok(store)
}

pub(crate) fn identity(
    certificate: &Path,
    key: &Path,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let key = PrivateKeyDer::from_pem_file(key)
        .with_context(|| format!("`{}` has no key", key.display()))?;
    Ok((certificates(certificate)?, key))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let read = || CertificateDer::pem_file_iter(file)?.collect::<Result<Vec<_>, _>>();
    let found = read().with_context(|| format!("could not read `{}`", file.display()))?;
    if found.is_empty() {
        bail!("`{}` has no certificate", file.display());
    }
    Ok(found)
}
