//! The commands' bodies: each reads, asks the house, and prints.

mod approvals;
mod audit;
mod call;
mod check;
mod completion;
mod console;
mod demo;
mod inspect;
mod policy;
mod rbac;
mod serve;
mod tools;
mod webhooks;

use std::future::Future;
use std::io;
use std::process::ExitCode;

use super::args::{Cli, Command, Globals};
use super::complaint::Complaint;
use super::console::Console;
use crate::config::{Config, Environment};
use crate::telemetry::{self, Level};
use crate::wiring::{self, House, WiringError};

/// What every command has at hand.
struct Desk {
    globals: Globals,
    console: Console,
    environment: Environment,
}

type Answer = Result<ExitCode, Complaint>;

/// Runs a command.
///
/// # Errors
/// What to tell the person at the terminal.
pub fn run(cli: Cli) -> Answer {
    let Cli { globals, command } = cli;
    let console = Console::new(&globals);
    let desk = Desk { console, environment: Environment::of_process(), globals };
    let level = match command {
        Command::Serve(_) | Command::Demo(_) | Command::DemoCluster(_) => Level::Server,
        Command::Check
        | Command::Tools
        | Command::Call(_)
        | Command::Plugins
        | Command::Inspect(_)
        | Command::Rbac(_)
        | Command::Policy(_)
        | Command::Approvals(_)
        | Command::Webhooks(_)
        | Command::Console
        | Command::Audit(_)
        | Command::Completion(_) => Level::Quiet,
    };
    telemetry::start(level, desk.globals.verbose, console.is_colored());
    match command {
        Command::Serve(serve) => serve::run(&desk, &serve),
        Command::Check => check::run(&desk),
        Command::Tools => tools::run(&desk),
        Command::Call(call) => call::run(&desk, call),
        Command::Plugins => check::plugins(&desk),
        Command::Inspect(inspect) => inspect::run(&desk, &inspect),
        Command::Rbac(rbac) => rbac::run(&desk, &rbac),
        Command::Policy(policy) => policy::run(&desk, &policy.command),
        Command::Approvals(approvals) => approvals::run(&desk, approvals.command),
        Command::Webhooks(told) => webhooks::run(&desk, &told.command),
        Command::Console => console::run(&desk),
        Command::Audit(audit) => audit::run(&desk, audit),
        Command::Demo(demo) => demo::run(&desk, &demo),
        Command::DemoCluster(cluster) => demo::cluster(&desk, &cluster),
        Command::Completion(completion) => completion::run(&desk, completion),
    }
}

impl Desk {
    /// The operator's configuration.
    fn config(&self) -> Result<Config, Complaint> {
        let path = self.environment.find_config(self.globals.config.as_deref())?;
        Ok(Config::load(&path)?)
    }

    /// Who sits at this machine.
    fn user(&self) -> &str {
        self.environment.user.as_deref().unwrap_or("unknown")
    }
}

/// Runs what waits. Ends without waiting for a read of standard input, which cannot be taken back.
fn block_on<T>(work: impl Future<Output = Result<T, Complaint>>) -> Result<T, Complaint> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("io")
        .enable_all()
        .build()
        .map_err(|error| Complaint::new(error.to_string(), "the system gives no more threads"))?;
    let result = runtime.block_on(work);
    runtime.shutdown_background();
    result
}

/// The house of a configuration.
async fn build(config: Config) -> Result<House, Complaint> {
    let compiler = wiring::compiler()?;
    Ok(wiring::build(config, compiler).await?)
}

impl From<WiringError> for Complaint {
    fn from(error: WiringError) -> Self {
        let hint = match &error {
            WiringError::Connect(_) => "`kubectl config get-contexts` shows what there is",
            WiringError::Scenario { .. } => "a scenario is scenario.yaml, objects/ and logs/",
            WiringError::Audit(_) | WiringError::Approvals(_) => {
                "nothing runs that cannot be put on record; `state_dir` says where that is"
            }
            WiringError::UnreadablePolicy { .. } => {
                "`policy.file` names it, from the folder of the configuration"
            }
            WiringError::Policy(_) => "`toolgate policy check` looks again, and runs nothing",
            WiringError::Webhook(_) => {
                "`secret_file` holds a text of at least 24 bytes, or `whsec_` and base64; `chmod 600` \
                 it. `ca_file` holds certificates in PEM"
            }
            WiringError::Sandbox(_) => "`plugins_dir` says where plugins lie, one folder each",
            WiringError::System(_) => "look at the limits of this account and container",
        };
        Self::new(error.to_string(), hint)
    }
}

impl From<io::Error> for Complaint {
    fn from(error: io::Error) -> Self {
        Self::new(error.to_string(), "the answer could not be written")
    }
}

/// Until Ctrl-C, or whoever runs this says it is enough. Listens from now on, not from the first
/// poll: who reads that we serve may end us the next moment, and must not tear a call in two.
#[cfg(unix)]
fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{Signal, SignalKind, signal};
    /// Where the system gives no handler, the signal ends the process, as it always did.
    async fn fires(signal: Option<Signal>) {
        match signal {
            Some(mut signal) => drop(signal.recv().await),
            None => std::future::pending().await,
        }
    }
    let listen = |kind| fires(signal(kind).ok());
    let (terminate, interrupt) = (listen(SignalKind::terminate()), listen(SignalKind::interrupt()));
    async move {
        tokio::select! {
            () = terminate => {}
            () = interrupt => {}
        }
    }
}

/// Until Ctrl-C.
#[cfg(not(unix))]
async fn interrupted() {
    let _ = tokio::signal::ctrl_c().await;
}
