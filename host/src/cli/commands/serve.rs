//! `toolgate serve`

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;

use super::console::{Prepared, Started};
use super::{Answer, Desk, block_on, build, interrupted};
use crate::cli::args::Serve;
use crate::cli::complaint::Complaint;
use crate::config::Config;
use crate::gateway::Tools;
use crate::transport::{self, HttpConfig, Listener, TransportError};
use crate::wiring::House;

pub(super) fn run(desk: &Desk, serve: &Serve) -> Answer {
    let mut config = desk.config()?;
    config.console = serve.console.or(config.console);
    let http = config.serve.clone();
    let listen = serve.http.then(|| serve.listen.unwrap_or(http.listen));
    let http = HttpConfig {
        allowed_hosts: http.allowed_hosts,
        allowed_origins: http.allowed_origins,
        reread_every: http.reread_every,
        ..HttpConfig::default()
    };
    let say = |address, _: &Started| {
        tracing::info!("listening on http://{address}/mcp");
        Ok(())
    };
    block_on(until_stopped(desk, config, listen, http, say))
}

/// Serves over HTTP, or without an address the one client on standard input and output.
pub(super) async fn until_stopped(
    desk: &Desk,
    config: Config,
    listen: Option<SocketAddr>,
    http: HttpConfig,
    say: impl FnOnce(SocketAddr, &Started) -> io::Result<()>,
) -> Answer {
    // The port is taken first: what cannot listen need not load plugins.
    let listener = match listen {
        Some(address) => Some(Listener::bind(address, false).await?),
        None => None,
    };
    let console = Prepared::bind(&config, listener.is_some()).await?;
    let reread_every = http.reread_every;
    let config = if listener.is_some() { config.with_free_stdout() } else { config };
    // The port may have been any; messages say where the console is.
    let config = Config { console: console.address(), ..config };
    let house = build(config).await?;
    let stop = interrupted();
    announce(&house);
    let console = console.start(&house)?;
    let tools: Arc<dyn Tools> = house.gateway.clone();
    let served = match listener {
        Some(listener) => {
            say(listener.local_addr(), &console)?;
            transport::serve_http(tools, listener, http, stop).await
        }
        None => transport::serve_stdio(tools, desk.user(), reread_every, stop).await,
    };
    console.close().await;
    house.close().await;
    served?;
    Ok(ExitCode::SUCCESS)
}

/// What serves, for the log. What does not was told while it was loaded.
fn announce(house: &House) {
    let sandbox = house.gateway.sandbox();
    let (n_plugins, n_failed) = (sandbox.plugins().len(), sandbox.failures().len());
    let (n_tools, n_prompts, n_resources) =
        (sandbox.tools().count(), sandbox.prompts().count(), sandbox.resources().count());
    tracing::info!(n_plugins, n_failed, n_tools, n_prompts, n_resources, "plugins are loaded");
}

impl From<TransportError> for Complaint {
    fn from(error: TransportError) -> Self {
        Self::new(error.to_string(), "`toolgate serve --help` says where it can listen")
    }
}
