//! From a configuration to a client: read at the start, connected at the first request, rebuilt
//! when its credentials expire or are refused.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::client::AuthError;
use kube::config::{ExecInteractiveMode, InClusterError, Kubeconfig, KubeconfigError};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Bounds;
use super::ask::Failure;
use super::breaker::Breaker;
use super::convert::text;
use super::discover::Discovered;
use super::pace::Pace;
use super::token::TokenFile;
use crate::capability::{CapabilityError, Clock, Journal, origin};
use crate::domain::name::ClusterName;

/// TCP and TLS together, as a part of a request's deadline: a server that takes longer than half
/// of it to greet would not answer in time either, and kube's own 30 s is three deadlines.
const CONNECT_PART: f64 = 0.5;

/// A credential program or a file on a slow disk. Below a request's deadline, so that what is late
/// is told by its name.
const CREDENTIALS_PART: f64 = 0.8;

/// What a failing credential program may say in our log.
const PROGRAM_SAYS_BYTES_MAX: usize = 512;

const CHECK_CONTEXT: &str = "check the context with `kubectl --context CONTEXT version`";

/// How to reach a cluster.
#[derive(Clone)]
pub enum Connection {
    /// A kubeconfig file.
    Kubeconfig {
        /// `None` means `KUBECONFIG`, else `~/.kube/config`, as `kubectl` has it.
        path: Option<PathBuf>,
        /// `None` means the file's current context.
        context: Option<String>,
    },
    /// The service account of the pod that this process runs in.
    InCluster,
    /// A client that somebody else made. Its own timeouts and retries stay as they are, below ours.
    Client(kube::Client),
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown())
    }
}

impl Connection {
    fn shown(&self) -> String {
        match self {
            Self::Kubeconfig { path, context } => {
                let file = path.as_ref().map_or_else(
                    || "the default kubeconfig".to_owned(),
                    |path| format!("kubeconfig `{}`", path.display()),
                );
                match context {
                    Some(context) => format!("context `{context}` of {file}"),
                    None => format!("the current context of {file}"),
                }
            }
            Self::InCluster => "the pod's service account".to_owned(),
            Self::Client(_) => "a ready client".to_owned(),
        }
    }
}

/// Why a cluster's configuration gives no client. For the operator: names the file and the context.
#[derive(Debug, Clone, thiserror::Error)]
#[error("cluster `{cluster}` cannot be connected with {with}: {problem}; {hint}")]
pub struct ConnectError {
    cluster: ClusterName,
    with: String,
    problem: String,
    hint: &'static str,
}

/// What went wrong, before it is known for which cluster.
struct Problem {
    problem: String,
    hint: &'static str,
}

/// The way to one cluster.
pub(super) struct Link {
    pub(super) name: ClusterName,
    connection: Connection,
    /// Of one request with its retries.
    pub(super) deadline: Duration,
    pub(super) pace: Option<Pace>,
    pub(super) breakers: Breakers,
    clock: Arc<dyn Clock>,
    journal: Option<Arc<dyn Journal>>,
    slot: Mutex<Slot>,
    pub(super) discovered: Discovered,
}

/// A client, with what it does not do by itself.
#[derive(Clone)]
struct Made {
    client: kube::Client,
    token: Option<Arc<TokenFile>>,
}

/// What one attempt is sent with.
pub(super) struct Ready {
    pub(super) client: kube::Client,
    pub(super) token: Option<Arc<TokenFile>>,
    /// Which of the link's clients this is.
    number: u64,
    /// Whether reading the configuration again may give a better one: it was not read for this
    /// very attempt.
    pub(super) is_old: bool,
}

#[derive(Default)]
struct Slot {
    ready: Option<Made>,
    /// Counts the clients that were made.
    number: u64,
    /// Kept when the request that began it gives up: a credential program that hangs then holds
    /// one thread, not one for each request.
    pending: Option<JoinHandle<Result<Made, ConnectError>>>,
}

/// Servers that fail apart from each other behind one address.
#[derive(Debug, Default)]
pub(super) struct Breakers {
    server: Breaker,
    /// An API of its own behind the API server, which answers for it with 503 where it is down.
    metrics: Breaker,
}

impl Breakers {
    /// The one that answers for the path.
    pub(super) fn of(&self, path: &str) -> &Breaker {
        if path.starts_with("/apis/metrics.k8s.io/") { &self.metrics } else { &self.server }
    }
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("with", &self.connection).finish_non_exhaustive()
    }
}

impl Link {
    pub(super) fn new(
        name: ClusterName,
        connection: Connection,
        Bounds { deadline, rate }: Bounds,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConnectError> {
        let ready = match &connection {
            Connection::Client(client) => Some(Made { client: client.clone(), token: None }),
            Connection::Kubeconfig { .. } | Connection::InCluster => {
                configuration(&connection, deadline)
                    .map_err(|problem| problem.of(&name, &connection))?;
                None
            }
        };
        let slot = Mutex::new(Slot { ready, number: 0, pending: None });
        let discovered = Discovered::default();
        let (pace, breakers) = (rate.map(Pace::new), Breakers::default());
        Ok(Self {
            name,
            connection,
            deadline,
            pace,
            breakers,
            clock,
            journal: None,
            slot,
            discovered,
        })
    }

    pub(super) fn note_in(&mut self, journal: Arc<dyn Journal>) {
        self.journal = Some(journal);
    }

    /// Puts a request on record, with the call that it is made for.
    pub(super) async fn note(&self, method: &str, path: &str) -> Result<(), CapabilityError> {
        match &self.journal {
            Some(journal) => {
                journal.request(&self.name, method, path, origin::call().as_ref()).await
            }
            None => Ok(()),
        }
    }

    /// The client; made now if there is none, or if its certificate has expired.
    pub(super) async fn client(&self) -> Result<Ready, Failure> {
        let mut slot = self.slot.lock().await;
        if let Some(Made { client, token }) = &slot.ready {
            let expired = client.valid_until().is_some_and(|until| until <= self.clock.now());
            if !expired {
                let (client, token) = (client.clone(), token.clone());
                let is_old = !matches!(self.connection, Connection::Client(_));
                return Ok(Ready { client, token, number: slot.number, is_old });
            }
        }
        let pending = slot.pending.get_or_insert_with(|| {
            let (name, connection) = (self.name.clone(), self.connection.clone());
            let deadline = self.deadline;
            // Reads files and may run the kubeconfig's credential program: not on an async thread.
            tokio::task::spawn_blocking(move || {
                connect(&connection, deadline).map_err(|problem| problem.of(&name, &connection))
            })
        });
        let credentials_timeout = self.deadline.mul_f64(CREDENTIALS_PART);
        let Ok(made) = timeout(credentials_timeout, pending).await else {
            return Err(Failure::Credentials(format!(
                "reading {} has not ended within {} s; does its credential program wait for \
                 somebody?",
                self.connection.shown(),
                credentials_timeout.as_secs_f64()
            )));
        };
        slot.pending = None;
        let made = made
            .map_err(|error| Failure::Transport(format!("connecting was cut off: {error}")))?
            .map_err(Failure::Connect)?;
        slot.number += 1;
        slot.ready = Some(made.clone());
        let Made { client, token } = made;
        Ok(Ready { client, token, number: slot.number, is_old: false })
    }

    /// Makes the next request read the configuration again, and open connections of its own: the
    /// client was turned away, and whoever renews a credential or an authority writes
    /// it there. A client that was made since is kept.
    pub(super) async fn forget(&self, refused: &Ready) {
        if matches!(self.connection, Connection::Client(_)) {
            return;
        }
        let mut slot = self.slot.lock().await;
        if slot.number == refused.number {
            slot.ready = None;
        }
    }

    /// The same for whichever client there is, without waiting: where the slot is taken, a new one
    /// is being made.
    pub(super) fn start_over(&self) {
        if matches!(self.connection, Connection::Client(_)) {
            return;
        }
        if let Ok(mut slot) = self.slot.try_lock() {
            slot.ready = None;
        }
    }
}

impl Problem {
    fn of(self, cluster: &ClusterName, connection: &Connection) -> ConnectError {
        let Self { problem, hint } = self;
        ConnectError { cluster: cluster.clone(), with: connection.shown(), problem, hint }
    }
}

fn connect(connection: &Connection, deadline: Duration) -> Result<Made, Problem> {
    if let Connection::Client(client) = connection {
        return Ok(Made { client: client.clone(), token: None });
    }
    let mut config = configuration(connection, deadline)?;
    // kube keeps a token for a minute after its file has a new one, and refuses a file that ends
    // in a line break, as every editor leaves it. Where both are given, `kubectl` takes the file.
    let token = config.auth_info.token_file.take().map(|path| {
        config.auth_info.token = None;
        Arc::new(TokenFile::new(path.into()))
    });
    let client = kube::Client::try_from(config).map_err(|error| client_error(&error))?;
    Ok(Made { client, token })
}

/// The configuration with every default of kube that matters replaced by ours.
fn configuration(connection: &Connection, deadline: Duration) -> Result<kube::Config, Problem> {
    let mut config = match connection {
        Connection::Kubeconfig { path, context } => {
            kubeconfig(path.as_ref(), context.as_ref()).map_err(|error| kubeconfig_error(&error))?
        }
        Connection::InCluster | Connection::Client(_) => {
            kube::Config::incluster().map_err(|error| in_cluster_error(&error))?
        }
    };
    config.connect_timeout = Some(deadline.mul_f64(CONNECT_PART));
    config.write_timeout = Some(deadline);
    // kube repeats any request up to 15 times on 429, 503 and 504, writes too. Only `ask` repeats.
    config.default_retry = false;
    if let Some(exec) = &mut config.auth_info.exec {
        // Our standard input is the MCP wire in stdio mode: a program that asks for a password
        // there would swallow a client's message.
        exec.interactive_mode = Some(ExecInteractiveMode::Never);
    }
    Ok(config)
}

fn kubeconfig(
    path: Option<&PathBuf>,
    context: Option<&String>,
) -> Result<kube::Config, KubeconfigError> {
    let mut file = match path {
        Some(path) => Kubeconfig::read_from(path)?,
        None => Kubeconfig::read()?,
    };
    if let Some(context) = context {
        file.current_context = Some(context.clone());
    }
    let proxy = proxy_of_context(&file);
    let mut config = kube::Config::try_from(file)?;
    // kube also takes a proxy from the environment, and then compares `NO_PROXY` with the proxy's
    // address instead of the server's. Only what the file says is certain to be meant.
    config.proxy_url = match proxy {
        Some(proxy) => Some(proxy.parse().map_err(KubeconfigError::ParseProxyUrl)?),
        None => None,
    };
    Ok(config)
}

fn proxy_of_context(file: &Kubeconfig) -> Option<String> {
    let current = file.current_context.as_ref()?;
    let context = file.contexts.iter().find(|context| &context.name == current)?;
    let cluster = &context.context.as_ref()?.cluster;
    let cluster = file.clusters.iter().find(|named| &named.name == cluster)?;
    cluster.cluster.as_ref()?.proxy_url.clone().filter(|proxy| !proxy.is_empty())
}

fn kubeconfig_error(error: &KubeconfigError) -> Problem {
    let (problem, hint) = match error {
        // The parser's own text quotes the file, and the file holds tokens.
        KubeconfigError::Parse(_) => (
            "the file is not a kubeconfig".to_owned(),
            "`kubectl config view --kubeconfig FILE` says where it is wrong",
        ),
        KubeconfigError::CurrentContextNotSet => (
            "the file has no current context".to_owned(),
            "name a `context` in this cluster's configuration",
        ),
        KubeconfigError::LoadContext(name) => (
            format!("the file has no context `{name}`"),
            "`kubectl config get-contexts` lists those that it has",
        ),
        KubeconfigError::FindPath | KubeconfigError::ReadConfig(..) => (
            error.to_string(),
            "check that the file exists and that this process may read it, or give its `path`",
        ),
        KubeconfigError::ParseProxyUrl(_) => {
            (error.to_string(), "give `proxy-url` as `http://HOST:PORT` or `socks5://HOST:PORT`")
        }
        KubeconfigError::LoadCertificateAuthority(_)
        | KubeconfigError::LoadClientCertificate(_)
        | KubeconfigError::LoadClientKey(_)
        | KubeconfigError::ParseCertificates(_) => (
            error.to_string(),
            "check the certificate files that the context names, or log in to the cluster again",
        ),
        KubeconfigError::KindMismatch
        | KubeconfigError::ApiVersionMismatch
        | KubeconfigError::LoadClusterOfContext(_)
        | KubeconfigError::MissingClusterUrl
        | KubeconfigError::ParseClusterUrl(_)
        | KubeconfigError::ParseNoProxy(_) => (error.to_string(), CHECK_CONTEXT),
    };
    Problem { problem, hint }
}

fn in_cluster_error(error: &InClusterError) -> Problem {
    Problem {
        problem: error.to_string(),
        hint: "this works only in a pod with a mounted service account token; elsewhere give a \
               kubeconfig",
    }
}

fn client_error(error: &kube::Error) -> Problem {
    if let kube::Error::Auth(error) = error {
        return auth_error(error);
    }
    if let kube::Error::ProxyProtocolUnsupported { .. } = error {
        return Problem {
            problem: "its `proxy-url` has a scheme that is not supported".to_owned(),
            hint: "give `proxy-url` as `http://HOST:PORT` or `socks5://HOST:PORT`",
        };
    }
    Problem { problem: error.to_string(), hint: CHECK_CONTEXT }
}

/// Why credentials could not be renewed, for the log.
pub(super) fn credentials_problem(error: &AuthError) -> String {
    let Problem { problem, hint } = auth_error(error);
    format!("{problem}; {hint}")
}

fn auth_error(error: &AuthError) -> Problem {
    let (problem, hint) = match error {
        // kube's own text carries the program's whole output: a token, where it printed one.
        AuthError::AuthExecRun { out, .. } => {
            let said = String::from_utf8_lossy(&out.stderr);
            let said = text::cut(&said, PROGRAM_SAYS_BYTES_MAX);
            (
                format!("its credential program failed with {}: {}", out.status, said.trim()),
                "run the program by hand; it cannot ask questions here, so log in beforehand",
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ParseTokenKey(_) => (
            "its credential program printed no valid credentials".to_owned(),
            "run the program by hand and compare with the context's `exec` section",
        ),
        AuthError::AuthExecStart(cause) => (
            format!("its credential program cannot be started: {cause}"),
            "install the program that the context's `exec` section names, on this process's PATH",
        ),
        AuthError::InvalidBasicAuth(_)
        | AuthError::InvalidBearerToken(_)
        | AuthError::UnrefreshableTokenResponse
        | AuthError::ExecPluginFailed
        | AuthError::MalformedTokenExpirationDate(_)
        | AuthError::AuthExecSerialize(_)
        | AuthError::AuthExec(_)
        | AuthError::ReadTokenFile(..)
        | AuthError::MissingCommand
        | AuthError::ExecMissingClusterInfo
        | AuthError::NoValidNativeRootCA(_) => {
            (error.to_string(), "check the user of the context, or log in to the cluster again")
        }
    };
    Problem { problem, hint }
}
