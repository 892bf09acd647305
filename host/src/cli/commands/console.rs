//! `toolgate console`, and the console that a server brings with it.

use std::io::Write as _;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{Answer, Desk};
use crate::cli::complaint::Complaint;
use crate::config::Config;
use crate::console::{CODE_LIVES, Console, ConsoleError, Key, Listener, Parts};
use crate::domain::mode::Mode;
use crate::wiring::{APPROVALS_DIR, AUDIT_DIR, House};

/// Whoever listens on this machine answers in far less.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// How often a server looks whether the console's address has become free: another has it until
/// its client leaves.
const LOOK_EVERY: Duration = Duration::from_secs(5);

pub(super) fn run(desk: &Desk) -> Answer {
    let state_dir = super::approvals::state_dir(desk)?;
    let url = find(&state_dir, desk.user())?.ok_or_else(|| {
        Complaint::new(
            "no console is served",
            "`toolgate serve --console 127.0.0.1:8081` serves one, or `[console] listen` in the \
             configuration",
        )
    })?;
    if desk.console.is_json() {
        let lives_s = CODE_LIVES.as_secs();
        desk.console.json(&json!({"url": url, "expires_in_s": lives_s}))?;
    } else {
        writeln!(desk.console.out(), "{url}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The newest console that answers. What another left behind when it was killed is removed.
fn find(state_dir: &std::path::Path, user: &str) -> std::io::Result<Option<String>> {
    for (name, key) in Key::find(state_dir)? {
        if TcpStream::connect_timeout(&key.address, ANSWERS_WITHIN).is_ok() {
            return key.login_url(user, jiff::Timestamp::now()).map(Some);
        }
        Key::remove(state_dir, &name)?;
    }
    Ok(None)
}

/// A console to be: its address is taken before anything else is made.
pub(super) struct Prepared {
    state_dir: PathBuf,
    mode: Mode,
    place: Place,
}

enum Place {
    Nowhere,
    Here(Listener),
    /// Another process of ours has it, and its console shows our requests too.
    Taken(SocketAddr),
}

impl Prepared {
    /// Takes the address. A server for many insists on it; of those that a client starts, one has it
    /// at a time.
    pub(super) async fn bind(config: &Config, insists: bool) -> Result<Self, Complaint> {
        let place = match config.console {
            None => Place::Nowhere,
            Some(address) => match Listener::bind(address).await {
                Ok(listener) => Place::Here(listener),
                Err(error) if error.is_taken() && !insists => {
                    tracing::info!("another process has the console's address, {address}");
                    Place::Taken(address)
                }
                Err(error) => return Err(error.into()),
            },
        };
        Ok(Self { state_dir: config.state_dir.clone(), mode: config.mode.clone(), place })
    }

    /// Where it will be.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        match &self.place {
            Place::Nowhere => None,
            Place::Here(listener) => Some(listener.local_addr()),
            Place::Taken(address) => Some(*address),
        }
    }

    /// Begins to serve.
    pub(super) fn start(self, house: &House) -> Result<Started, Complaint> {
        let Self { state_dir, mode, place } = self;
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let sandbox = house.gateway.sandbox();
        let parts = Parts {
            state_dir: state_dir.clone(),
            approvals_dir: state_dir.join(APPROVALS_DIR),
            audit_dir: state_dir.join(AUDIT_DIR),
            plugins: sandbox.plugins().to_vec(),
            failures: sandbox.failures().to_vec(),
            mode,
            clock: Arc::new(jiff::Timestamp::now),
        };
        let serving = match place {
            Place::Nowhere => None,
            Place::Here(listener) => {
                let console = Console::open(parts, listener)?;
                tracing::info!("the console listens on http://{}", console.address());
                Some(tokio::spawn(console.serve(stopped)))
            }
            Place::Taken(address) => Some(tokio::spawn(async move {
                tokio::select! {
                    () = stopped => {}
                    () = take_over(address, parts) => {}
                }
            })),
        };
        Ok(Started { state_dir, stop, serving })
    }
}

/// Serves the console once its address is free.
async fn take_over(address: SocketAddr, parts: Parts) {
    let listener = loop {
        tokio::time::sleep(LOOK_EVERY).await;
        match Listener::bind(address).await {
            Ok(listener) => break listener,
            Err(error) if error.is_taken() => {}
            Err(error) => {
                tracing::warn!(%error, "no console");
                return;
            }
        }
    };
    match Console::open(parts, listener) {
        Ok(console) => console.serve(std::future::pending()).await,
        Err(error) => tracing::warn!(%error, "no console"),
    }
}

/// A console that is served beside something else.
pub(super) struct Started {
    state_dir: PathBuf,
    stop: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Started {
    /// An address that signs the person in.
    pub(super) fn login_url(&self, desk: &Desk) -> std::io::Result<String> {
        let url = find(&self.state_dir, desk.user())?;
        Ok(url.unwrap_or_else(|| "toolgate console".to_owned()))
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        if let Some(serving) = self.serving
            && let Err(error) = serving.await
        {
            tracing::error!(%error, "the console failed");
        }
    }
}

impl From<ConsoleError> for Complaint {
    fn from(error: ConsoleError) -> Self {
        let hint = match &error {
            ConsoleError::Reachable(_) | ConsoleError::Bind { .. } => {
                "`--console` or `[console] listen` names an address of this machine only"
            }
            ConsoleError::Door(_) | ConsoleError::Approvals(_) => {
                "`state_dir` says where the console's key lies; only its owner may look inside"
            }
        };
        Self::new(error.to_string(), hint)
    }
}
