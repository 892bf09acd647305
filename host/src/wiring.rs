//! Construction: from a configuration to a house. Holds no rule, and branches on no business data.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::access::{Offered, Permissions};
use crate::backend::demo::{DemoCluster, ScenarioError};
use crate::backend::kubernetes::{Bounds, Clusters, ConnectError, Connection, REQUEST_DEADLINE};
use crate::backend::webhook::{Address, WebhookError, Webhooks};
use crate::capability::{Clock, Journal, Outbox};
use crate::config::{self, Audit, AuditArguments, AuditStream, ClusterSource, Config};
use crate::domain::limits::Limits;
use crate::domain::name::{ClusterName, PluginId, ToolName, WebhookName};
use crate::effects::{self, Effects};
use crate::gateway::Gateway;
use crate::governance::admission::Governor;
use crate::governance::approval::{Answers, ApprovalError, Desk};
use crate::governance::audit::{
    self, Arguments, AuditError, AuditLog, Places, Rotation, Sink, StreamName,
};
use crate::governance::notices::{self, Copier, Notices, Stamp, copy_to};
use crate::governance::policy::{self, Policy, PolicyError};
use crate::governance::rate_limit::WriteBudget;
use crate::sandbox::{self, Compiler, Ports, Sandbox, SandboxError, Terms, Threads, Tool};

/// Why there is no house.
#[derive(Debug, thiserror::Error)]
pub enum WiringError {
    /// Clusters that cannot be connected with.
    #[error("{}", join(.0))]
    Connect(Vec<ConnectError>),
    /// A scenario that makes no sense.
    #[error("cluster `{cluster}`: {source}")]
    Scenario {
        /// Which.
        cluster: ClusterName,
        /// Why.
        source: ScenarioError,
    },
    /// The rules cannot be read, so nothing may run.
    #[error("cannot read the policy `{}`: {source}", .path.display())]
    UnreadablePolicy {
        /// The file.
        path: PathBuf,
        /// The operating system's word.
        source: io::Error,
    },
    /// The rules can be read and do not hold.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// Nothing can be put on record, so nothing may run.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Nobody can be told.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// Nobody can be asked.
    #[error(transparent)]
    Approvals(#[from] ApprovalError),
    /// Nothing can be run.
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    /// The system gives no threads, or no random numbers.
    #[error("{0}")]
    System(String),
}

fn join(errors: &[ConnectError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The folder of the audit log, in the state folder.
pub const AUDIT_DIR: &str = "audit";

/// The folder of the approvals, in the state folder.
pub const APPROVALS_DIR: &str = "approvals";

/// The folder of compiled code, in the cache folder.
const COMPILED_DIR: &str = "compiled";

/// A house that serves.
pub struct House {
    /// Where calls come in.
    pub gateway: Arc<Gateway>,
    /// Where writes go out.
    pub effects: Arc<Effects>,
    /// The embedded clusters.
    pub embedded: BTreeMap<ClusterName, DemoCluster>,
    audit: AuditLog,
    telling: Telling,
    stop: CancellationToken,
    executing: JoinHandle<()>,
    /// Last, so that everything that runs on them is told to end first.
    _threads: Threads,
}

impl House {
    /// Where everything is put on record: for those who show it or tell of it.
    pub fn audit(&self) -> &AuditLog {
        &self.audit
    }

    /// Stops; what has begun to be executed is finished first.
    pub async fn close(mut self) {
        self.stop.cancel();
        if let Err(error) = (&mut self.executing).await {
            tracing::error!(%error, "the executor of writes failed");
        }
        if let Err(error) = self.audit.close().await {
            tracing::error!(%error, "the last records may be lost");
        }
        self.telling.close().await;
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Builds the house.
///
/// # Errors
/// Why nothing can be served. A plugin that fails is no such reason.
#[expect(
    clippy::too_many_lines,
    reason = "a list: each part once, in the order they need each other"
)]
pub async fn build(config: Config, compiler: Compiler) -> Result<House, WiringError> {
    let Config {
        plugins_dir,
        state_dir,
        cache_dir,
        serve: _, // The transport's.
        console,  // Commands start it; here it is only told where it is.
        mode,
        clusters,
        default_cluster,
        grants,
        rates,
        limits,
        plugin_limits,
        settings,
        policy_file,
        approvals,
        audit,
        redaction,
        webhooks,
    } = config;
    let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
    crate::governance::redact::configure(&redaction);
    tokio::task::spawn_blocking(crate::governance::redact::prepare);
    let policy = Arc::new(policy(policy_file.as_deref(), &approvals)?);
    let instance = instance()?;
    let names: Vec<ClusterName> = clusters.keys().cloned().collect();
    let bounds = bounds(&clusters);
    let (connections, embedded) = connections(clusters)?;
    let clusters =
        Clusters::new(connections, &bounds, Arc::clone(&clock)).map_err(WiringError::Connect)?;
    let webhooks = Arc::new(Webhooks::open(addresses(webhooks), &clock)?);
    let (sinks, copiers) = copies(&audit.webhooks);
    let log = AuditLog::with(recorded(audit, sinks, &state_dir, &instance, &clock))?;
    let journal: Arc<dyn Journal> = Arc::new(log.clone());
    let clusters = Arc::new(clusters.with_journal(&journal));
    let (desk, answers) = approving(&state_dir.join(APPROVALS_DIR), instance.clone(), &clock)?;
    let telling = Telling::start(webhooks, copiers, &log, &answers, (instance, console), &clock);
    let effects = Arc::new(Effects::new(effects::Parts {
        writer: clusters.clone(),
        kubernetes: clusters.clone(),
        desk,
        audit: log.clone(),
        mode: mode.clone(),
        policy: Arc::clone(&policy),
        budget: WriteBudget::new(&rates),
        clock: Arc::clone(&clock),
    }));
    let permissions = Arc::new(Permissions::new(
        mode.clone(),
        Arc::clone(&policy),
        clusters.clone(),
        Arc::clone(&clock),
    ));
    let ports = Arc::new(Ports {
        objects: clusters.clone(),
        history: clusters.clone(),
        metrics: clusters.clone(),
        kubernetes: clusters,
        access: permissions.clone(),
        writes: Arc::new(effects::Requests(Arc::clone(&effects))),
        clock,
        mode: mode.clone(),
        policy: Arc::clone(&policy),
        clusters: names,
        default_cluster,
        io: tokio::runtime::Handle::current(),
    });
    let threads = Threads::start().map_err(system)?;
    let parts = sandbox::Parts {
        ports,
        cache_dir: Some(cache_dir.join(COMPILED_DIR)),
        compiler,
        lanes: threads.lanes(),
    };
    let terms = |id: &PluginId| terms(id, &grants, &limits, &plugin_limits, &settings);
    let sandbox = Sandbox::load(parts, &plugins_dir, terms).await?;
    permissions.learn(sandbox.tools().map(offered).collect());
    let governor = Governor::new(mode, policy, rates);
    let gateway = Arc::new(Gateway::new(log.clone(), governor, sandbox, answers));
    let stop = CancellationToken::new();
    let executing = tokio::spawn(Arc::clone(&effects).run(stop.clone()));
    let audit = log;
    Ok(House { gateway, effects, embedded, audit, telling, stop, executing, _threads: threads })
}

/// Whoever tells the operator's systems what happens.
struct Telling {
    webhooks: Arc<Webhooks>,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Telling {
    fn start(
        webhooks: Arc<Webhooks>,
        copiers: Vec<Copier>,
        log: &AuditLog,
        answers: &Arc<Answers>,
        (instance, console): (String, Option<SocketAddr>),
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let stop = CancellationToken::new();
        let mut tasks = Vec::new();
        if webhooks.names().next().is_some() {
            webhooks.start();
            let outbox: Arc<dyn Outbox> = webhooks.clone();
            let stamp = Arc::new(Stamp::new(instance.clone(), Arc::clone(clock)));
            tasks.extend(copiers.into_iter().map(|copier| {
                let (outbox, stamp) = (Arc::clone(&outbox), Arc::clone(&stamp));
                tokio::spawn(copier.run(outbox, stamp, log.clone(), stop.clone()))
            }));
            let (log, answers) = (log.clone(), Arc::clone(answers));
            let parts = notices::Parts { outbox, log, answers, stamp, instance, console };
            tasks.push(tokio::spawn(Notices::new(parts).run(stop.clone())));
        }
        Self { webhooks, stop, tasks }
    }

    /// Tells of what was recorded by now, and waits for it a little.
    async fn close(&mut self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut self.tasks);
        let told = async {
            for task in tasks {
                if let Err(error) = task.await {
                    tracing::error!(%error, "somebody who tells what happens failed");
                }
            }
        };
        self.webhooks.close(told).await;
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Where messages go, as the adapter wants to know it.
pub fn addresses(
    webhooks: BTreeMap<WebhookName, config::Webhook>,
) -> BTreeMap<WebhookName, Address> {
    let address = |(name, webhook)| {
        let config::Webhook { url, secret_file, ca_file, topics } = webhook;
        (name, Address { url, secret_file, ca_file, topics })
    };
    webhooks.into_iter().map(address).collect()
}

/// The two ends of each copy of the log that goes to a webhook.
fn copies(webhooks: &BTreeSet<WebhookName>) -> (Vec<Box<dyn Sink>>, Vec<Copier>) {
    let copy = |webhook: &WebhookName| {
        let (sink, copier) = copy_to(webhook.clone());
        let sink: Box<dyn Sink> = Box::new(sink);
        (sink, copier)
    };
    webhooks.iter().map(copy).unzip()
}

/// Who holds requests, and what the callers may read of them.
fn approving(
    folder: &Path,
    instance: String,
    clock: &Arc<dyn Clock>,
) -> Result<(Desk, Arc<Answers>), ApprovalError> {
    let desk = Desk::open(folder, instance, Arc::clone(clock))?;
    Ok((desk, Arc::new(Answers::open(folder, Arc::clone(clock))?)))
}

/// The rules: those of a file, or those that come with Toolgate.
///
/// # Errors
/// The file cannot be read, or every problem that is in it.
pub fn policy(file: Option<&Path>, approvals: &config::Approvals) -> Result<Policy, WiringError> {
    let approvals =
        policy::Approvals { required: approvals.required, expires_after: approvals.expires_after };
    let Some(path) = file else { return Ok(Policy::shipped(approvals)?) };
    let unreadable = |source| WiringError::UnreadablePolicy { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    let bound = u64::try_from(policy::TEXT_BYTES_MAX).unwrap_or(u64::MAX);
    let opened = std::fs::File::open(path).map_err(unreadable)?;
    // One byte more than is read tells that there are too many.
    opened.take(bound.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
    Ok(Policy::parse(&text, &format!("`{}`", path.display()), approvals)?)
}

fn recorded(
    audit: Audit,
    copies: Vec<Box<dyn Sink>>,
    state_dir: &Path,
    instance: &str,
    clock: &Arc<dyn Clock>,
) -> audit::Settings {
    let Audit {
        arguments,
        to_file,
        stream,
        webhooks: _, // They are the copies.
        deadline,
        file_bytes_max,
        keep_files,
        checkpoints,
    } = audit;
    audit::Settings {
        folder: state_dir.join(AUDIT_DIR),
        instance: instance.to_owned(),
        arguments: match arguments {
            AuditArguments::Metadata => Arguments::Metadata,
            AuditArguments::Request => Arguments::Request,
            AuditArguments::Full => Arguments::Full,
        },
        deadline,
        rotation: Rotation { file_bytes_max, keep_files },
        places: Places {
            file: to_file,
            stream: stream.map(|stream| match stream {
                AuditStream::Stdout => StreamName::Stdout,
                AuditStream::Stderr => StreamName::Stderr,
            }),
        },
        copies,
        checkpoints,
        clock: Arc::clone(clock),
    }
}

/// A tool, as questions about access see it.
fn offered(tool: &Arc<Tool>) -> (ToolName, Offered) {
    let offered = Offered { offer: Arc::clone(&tool.offer), grants: tool.grants() };
    (tool.listing.name.clone(), offered)
}

/// What the operator decided for one plugin.
pub fn terms(
    id: &PluginId,
    grants: &BTreeMap<PluginId, crate::domain::grant::Grants>,
    limits: &Limits,
    plugin_limits: &BTreeMap<PluginId, Limits>,
    settings: &BTreeMap<PluginId, BTreeMap<String, String>>,
) -> Terms {
    Terms {
        grants: grants.get(id).cloned().unwrap_or_default(),
        limits: plugin_limits.get(id).unwrap_or(limits).clone(),
        settings: settings.get(id).cloned().unwrap_or_default(),
    }
}

/// Where components are compiled: by this program, in a child of its own.
///
/// # Errors
/// Where the system does not say which program this is.
pub fn compiler() -> Result<Compiler, WiringError> {
    let program: PathBuf = std::env::current_exe().map_err(system)?;
    Ok(Compiler::Child(program))
}

fn bounds(clusters: &BTreeMap<ClusterName, ClusterSource>) -> BTreeMap<ClusterName, Bounds> {
    let said = clusters.iter().filter_map(|(name, source)| match source {
        ClusterSource::Kubeconfig { requests, .. } | ClusterSource::InCluster { requests } => {
            let deadline = requests.deadline.unwrap_or(REQUEST_DEADLINE);
            Some((name.clone(), Bounds { deadline, rate: Some(requests.rate) }))
        }
        // Nobody else is served by it.
        ClusterSource::Embedded { .. } => None,
    });
    said.collect()
}

type Connections = (BTreeMap<ClusterName, Connection>, BTreeMap<ClusterName, DemoCluster>);

fn connections(clusters: BTreeMap<ClusterName, ClusterSource>) -> Result<Connections, WiringError> {
    let (mut connections, mut embedded) = (BTreeMap::new(), BTreeMap::new());
    for (name, source) in clusters {
        let connection = match source {
            ClusterSource::Kubeconfig { context, file, requests: _ } => {
                Connection::Kubeconfig { path: file, context: Some(context) }
            }
            ClusterSource::InCluster { requests: _ } => Connection::InCluster,
            ClusterSource::Embedded { scenario, latency } => {
                let cluster = match &scenario {
                    Some(place) => DemoCluster::find(place),
                    None => DemoCluster::builtin(),
                };
                let cluster = cluster
                    .map_err(|source| WiringError::Scenario { cluster: name.clone(), source })?
                    .with_latency(latency);
                let client = cluster.client();
                embedded.insert(name.clone(), cluster);
                Connection::Client(client)
            }
        };
        connections.insert(name, connection);
    }
    Ok((connections, embedded))
}

/// Names this process in records: 64 random bits.
///
/// # Errors
/// The system has no random numbers.
pub fn instance() -> Result<String, WiringError> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(system)?;
    Ok(format!("{:016x}", u64::from_be_bytes(random)))
}

fn system(error: impl std::fmt::Display) -> WiringError {
    WiringError::System(error.to_string())
}
