//! metrics.k8s.io for a cluster of the tests, from what its kubelets measure.
//!
//! This program owns the answers of one aggregated API: nodes and pods with their processor time
//! and memory. It must not decide who may ask: the API server has done so, and nobody else gets a
//! connection. Read `answer` first.

mod answer;
mod arguments;
mod upstream;

use std::io::Write as _;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

use crate::arguments::Arguments;
use crate::upstream::Upstream;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let arguments = Arguments::parse(std::env::args().skip(1))?;
    let upstream = Arc::new(Upstream::new(&arguments)?);
    let acceptor = TlsAcceptor::from(Arc::new(server_config(&arguments)?));
    let listener = TcpListener::bind(&arguments.listen)
        .await
        .with_context(|| format!("could not listen at `{}`", arguments.listen))?;
    loop {
        let (stream, _) = listener.accept().await?;
        let (acceptor, upstream) = (acceptor.clone(), Arc::clone(&upstream));
        tokio::spawn(async move {
            if let Err(error) = serve(acceptor, stream, upstream).await {
                log(&format!("a connection failed: {error:#}"));
            }
        });
    }
}

/// Lets in who has a certificate of a front proxy: the API server.
fn server_config(arguments: &Arguments) -> Result<ServerConfig> {
    let clients = Arc::new(upstream::authorities(&arguments.clients)?);
    let verifier = WebPkiClientVerifier::builder(clients).build()?;
    let (certificates, key) = upstream::identity(&arguments.certificate, &arguments.key)?;
    Ok(ServerConfig::builder()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates, key)?)
}

async fn serve(acceptor: TlsAcceptor, stream: TcpStream, upstream: Arc<Upstream>) -> Result<()> {
    let stream = acceptor.accept(stream).await.context("no agreement on TLS")?;
    let service = service_fn(move |request: Request<_>| {
        let upstream = Arc::clone(&upstream);
        async move {
            let (parts, _) = request.into_parts();
            let (status, body) = match answer::answer(&upstream, &parts.method, &parts.uri).await {
                Ok(answer) => answer,
                Err(error) => {
                    log(&format!("{} {}: {error:#}", parts.method, parts.uri));
                    answer::unavailable()
                }
            };
            respond(status, &body)
        }
    });
    hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await?;
    Ok(())
}

fn respond(
    status: StatusCode,
    body: &serde_json::Value,
) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
}

/// Its standard error is a file that `cargo xtask e2e status` names.
fn log(text: &str) {
    // Where even that fails there is nobody to tell.
    let _written = writeln!(std::io::stderr(), "{text}");
}
