//! `toolgate serve`

use std::process::ExitCode;
use std::sync::Arc;

use super::{Answer, Desk, block_on, build, interrupted};
use crate::cli::args::Serve;
use crate::cli::complaint::Complaint;
use crate::gateway::Tools;
use crate::transport::{self, HttpConfig, Listener, TransportError};
use crate::wiring::House;

pub(super) fn run(desk: &Desk, serve: &Serve) -> Answer {
    let config = desk.config()?;
    let http = config.serve.clone();
    block_on(async {
        // The port is taken first: what cannot listen need not load plugins.
        let listener = if serve.http {
            Some(Listener::bind(serve.listen.unwrap_or(http.listen), false).await?)
        } else {
            None
        };
        let house = build(config).await?;
        let stop = interrupted();
        announce(&house);
        let tools: Arc<dyn Tools> = house.gateway.clone();
        let served = match listener {
            Some(listener) => {
                tracing::info!("listening on http://{}/mcp", listener.local_addr());
                let http = HttpConfig {
                    allowed_hosts: http.allowed_hosts,
                    allowed_origins: http.allowed_origins,
                    ..HttpConfig::default()
                };
                transport::serve_http(tools, listener, http, stop).await
            }
            None => transport::serve_stdio(tools, desk.user(), stop).await,
        };
        house.close().await;
        served?;
        Ok(ExitCode::SUCCESS)
    })
}

/// What serves, for the log. What does not was told while it was loaded.
pub(super) fn announce(house: &House) {
    let sandbox = house.gateway.sandbox();
    let (n_plugins, n_failed) = (sandbox.plugins().len(), sandbox.failures().len());
    let n_tools = sandbox.tools().count();
    tracing::info!(n_plugins, n_failed, n_tools, "plugins are loaded");
}

impl From<TransportError> for Complaint {
    fn from(error: TransportError) -> Self {
        Self::new(error.to_string(), "`toolgate serve --help` says where it can listen")
    }
}
