//! `toolgate demo` and `toolgate demo-cluster`: an incident to look at, without a cluster.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::console::Started;
use super::serve::until_stopped;
use super::{Answer, Desk, block_on, interrupted};
use crate::backend::demo::DemoCluster;
use crate::cli::args::{Demo, DemoCluster as ClusterArguments};
use crate::cli::complaint::Complaint;
use crate::cli::table::Tone;
use crate::config::Config;
use crate::transport::HttpConfig;

/// The demo's own folder, in the state folder: its approvals are nobody else's.
const DEMO_DIR: &str = "demo";

/// Where the demo keeps its approvals and its audit log.
pub(super) fn state_dir(desk: &Desk) -> Option<PathBuf> {
    desk.environment.state_dir().map(|dir| dir.join(DEMO_DIR))
}

pub(super) fn run(desk: &Desk, demo: &Demo) -> Answer {
    let Demo { http, stdio, console, plugins, scenario } = demo;
    let homeless = || {
        Complaint::new("there is no home folder", "set HOME, or XDG_STATE_HOME and XDG_CACHE_HOME")
    };
    let plugins = plugins.clone().or_else(own_plugins).ok_or_else(|| {
        Complaint::new(
            "the plugins are not beside the program",
            "`--plugins DIR` says where they are",
        )
    })?;
    let state = state_dir(desk).ok_or_else(homeless)?;
    let cache = desk.environment.cache_dir().ok_or_else(homeless)?;
    let mut config = Config::demo(plugins, state, cache)?.with_scenario(scenario);
    config.console = Some(*console);
    let listen = (!stdio).then_some(*http);
    let say = |address, console: &Started| welcome(desk, address, console);
    block_on(until_stopped(desk, config, listen, HttpConfig::default(), say))
}

/// Plugins that lie beside the program: `plugins/`, as they are shipped and as they are built.
fn own_plugins() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let beside = [program.parent(), program.parent().and_then(Path::parent)];
    beside.into_iter().flatten().map(|dir| dir.join("plugins")).find(|dir| dir.is_dir())
}

fn welcome(desk: &Desk, address: std::net::SocketAddr, console: &Started) -> std::io::Result<()> {
    let browser = console.login_url(desk)?;
    let mut err = desk.console.err();
    let strong = |text: &str| Tone::Strong.paint(text);
    writeln!(
        err,
        "\n{}\n\n  http://{address}/mcp\n\n{}\n\n  \
         Why does checkout fail? (namespace shop, cluster demo)\n\n{}\n\n  \
         toolgate approvals list\n  toolgate approvals show ID\n  toolgate approvals approve ID\n\n{}\n\n  \
         {browser}\n\n{}\n\n  \
         toolgate audit --follow\n",
        strong("The incident is served to MCP clients on"),
        strong("Ask your agent"),
        strong("It will want to restart something. Answer in another terminal"),
        strong("Or in a browser: this opens once within two minutes, then `toolgate console`"),
        strong("And everything is on record"),
    )
}

pub(super) fn cluster(desk: &Desk, arguments: &ClusterArguments) -> Answer {
    let ClusterArguments { listen, kubeconfig, scenario } = arguments;
    block_on(async {
        let cluster = DemoCluster::find(scenario).map_err(|error| {
            let hint = "a scenario is scenario.yaml, objects/ and logs/, or the name of one";
            Complaint::new(error.to_string(), hint)
        })?;
        let taken = |error: std::io::Error| {
            Complaint::new(
                format!("cannot listen on {listen}: {error}"),
                "`--listen` names another address",
            )
        };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        let text = DemoCluster::kubeconfig(address);
        let stop = interrupted();
        let mut err = desk.console.err();
        match kubeconfig {
            Some(path) => {
                std::fs::write(path, text).map_err(|error| {
                    let text = format!("`{}` cannot be written: {error}", path.display());
                    Complaint::new(text, "`--kubeconfig` names a file that may be written")
                })?;
                writeln!(err, "kubectl --kubeconfig {} get pods -A", path.display())?;
            }
            None => writeln!(err, "kubectl --server http://{address} get pods -A")?,
        }
        cluster.serve(listener, stop).await;
        Ok(ExitCode::SUCCESS)
    })
}
