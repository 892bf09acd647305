//! Houses to measure: one around the instant backend, one as the program itself builds it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use async_trait::async_trait;
use tempfile::TempDir;
use toolgate::capability::Clock;
use toolgate::config::Config;
use toolgate::domain::call::{Call, Cost, Outcome};
use toolgate::domain::capability::Capability;
use toolgate::domain::grant::Grants;
use toolgate::domain::mode::Mode;
use toolgate::domain::name::ToolName;
use toolgate::domain::principal::Principal;
use toolgate::domain::prompt::PromptListing;
use toolgate::domain::rates::{Rate, Rates};
use toolgate::domain::resource::ResourceListing;
use toolgate::domain::scope::{Patterns, Scope};
use toolgate::domain::tool::ToolListing;
use toolgate::gateway::{CallContext, CallError, Gateway, Tools};
use toolgate::governance::admission::Governor;
use toolgate::governance::approval::Answers;
use toolgate::governance::audit::{Arguments, AuditLog};
use toolgate::governance::policy::{Approvals, Policy};
use toolgate::sandbox::{self, Compiler, Ports, Sandbox, Terms, Threads};
use toolgate::wiring;

use crate::backend::Instantly;

/// The cluster of every house here.
pub(crate) const CLUSTER: &str = "demo";

/// A house around the instant backend. The log of records is real, on a real disk.
pub(crate) struct InstantHouse {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) backend: Arc<Instantly>,
    _threads: Threads,
    _dirs: TempDir,
}

impl InstantHouse {
    pub(crate) async fn new() -> Result<Self> {
        let dirs = tempfile::tempdir()?;
        let plugins = dirs.path().join("plugins");
        copy(&layout("plugins/logs")?, &plugins.join("logs"))?;
        copy(&layout("guests/echo")?, &plugins.join("echo"))?;

        let backend = Arc::new(Instantly::new());
        let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
        let mode = Mode { read_only: true, dry_run: false, namespaces: Patterns::all() };
        let audit = AuditLog::open(
            &dirs.path().join("audit"),
            "bench",
            Arguments::Metadata,
            Arc::clone(&clock),
        )?;
        let approvals = dirs.path().join("approvals");
        let approvals = Arc::new(Answers::open(&approvals, Arc::clone(&clock))?);
        let required = Approvals { required: true, expires_after: Duration::from_mins(10) };
        let policy = Arc::new(Policy::shipped(required)?);
        let threads = Threads::start()?;
        let parts = sandbox::Parts {
            ports: Arc::new(Ports {
                kubernetes: backend.clone(),
                objects: backend.clone(),
                history: backend.clone(),
                metrics: backend.clone(),
                access: backend.clone(),
                writes: backend.clone(),
                clock,
                mode: mode.clone(),
                policy: Arc::clone(&policy),
                clusters: vec![CLUSTER.parse()?],
                default_cluster: Some(CLUSTER.parse()?),
                io: tokio::runtime::Handle::current(),
            }),
            cache_dir: None,
            compiler: Compiler::InProcess,
            lanes: threads.lanes(),
        };
        let terms = |_: &_| {
            let mut grants = Grants::default();
            grants.give(Capability::KubernetesLogs, Scope::all());
            Terms { grants, ..Terms::default() }
        };
        let sandbox = Sandbox::load(parts, &plugins, terms).await?;
        ensure!(sandbox.failures().is_empty(), "{:?}", sandbox.failures());
        let governor = Governor::new(mode, policy, unbounded());
        let gateway = Arc::new(Gateway::new(audit, governor, sandbox, approvals));
        Ok(Self { gateway, backend, _threads: threads, _dirs: dirs })
    }
}

/// A house as the program builds it, on the embedded cluster, whose API takes `latency` for each
/// request.
pub(crate) async fn embedded(dirs: &Path, latency: Duration) -> Result<wiring::House> {
    copy(&layout("plugins/logs")?, &dirs.join("plugins/logs"))?;
    let text = config(latency, &["logs".to_owned()]);
    let config = Config::parse(&text, dirs).map_err(|error| anyhow::anyhow!("{error}"))?;
    let house = wiring::build(config, Compiler::InProcess).await?;
    let failures = house.gateway.sandbox().failures();
    ensure!(failures.is_empty(), "{failures:?}");
    Ok(house)
}

/// What is measured is the way of a call, and not how many are let in.
fn unbounded() -> Rates {
    let rate = Rate::new(1_000_000, 1_000_000);
    Rates {
        caller: rate,
        caller_in_flight_max: 1_000,
        tool: rate,
        plugin: rate,
        ..Rates::default()
    }
}

/// A configuration with every folder beside it, and these plugins allowed to read logs.
pub(crate) fn config(latency: Duration, plugins: &[String]) -> String {
    let mut text = format!(
        "plugins_dir = \"plugins\"\nstate_dir = \"state\"\ncache_dir = \"cache\"\n\
         [rates]\ncaller_per_s = 1000000\ntool_per_s = 1000000\nplugin_per_s = 1000000\n\
         caller_in_flight_max = 1000\n\
         [clusters.{CLUSTER}]\ndemo = true\nlatency_ms = {}\n",
        latency.as_millis()
    );
    for plugin in plugins {
        text.extend(["[grants.", plugin, ".kubernetes-logs]\nnamespaces = [\"*\"]\n"]);
    }
    text
}

/// Tools that keep what each call took, as seen from the gateway's door.
pub(crate) struct Timed {
    gateway: Arc<Gateway>,
    samples: Mutex<Vec<(Duration, Cost)>>,
}

impl Timed {
    pub(crate) fn new(gateway: Arc<Gateway>) -> Arc<Self> {
        Arc::new(Self { gateway, samples: Mutex::default() })
    }

    pub(crate) fn take(&self) -> Vec<(Duration, Cost)> {
        std::mem::take(&mut self.samples.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Tools for Timed {
    fn list(&self, principal: &Principal) -> Vec<Arc<ToolListing>> {
        self.gateway.list(principal)
    }

    fn tool(&self, name: &ToolName) -> Option<Arc<ToolListing>> {
        self.gateway.tool(name)
    }

    fn prompts(&self, principal: &Principal) -> Vec<Arc<PromptListing>> {
        self.gateway.prompts(principal)
    }

    fn resources(&self, principal: &Principal) -> Vec<Arc<ResourceListing>> {
        self.gateway.resources(principal)
    }

    async fn call(&self, call: Call, context: CallContext) -> Result<Outcome, CallError> {
        let begun = Instant::now();
        let (outcome, cost) = self.gateway.call_with_cost(call, context).await?;
        let took = begun.elapsed();
        self.samples.lock().unwrap_or_else(PoisonError::into_inner).push((took, cost));
        Ok(outcome)
    }
}

/// Where cargo puts what it builds: `release/` of it holds this program's neighbours.
pub(crate) fn target_dir() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let built = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    Ok(built.context("this program does not lie in a folder that cargo builds into")?.to_owned())
}

/// The program, built the same way as this one.
pub(crate) fn toolgate() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    let profile = program.parent().and_then(Path::parent).context("this program lies nowhere")?;
    let toolgate = profile.join(format!("toolgate{}", std::env::consts::EXE_SUFFIX));
    ensure!(
        toolgate.is_file(),
        "there is no `toolgate` beside this program: use `cargo xtask bench`"
    );
    Ok(toolgate)
}

/// A component as `cargo xtask plugins` lays it out.
pub(crate) fn layout(source: &str) -> Result<PathBuf> {
    let folder = target_dir()?.join(source);
    ensure!(folder.is_dir(), "`{source}` is not built: run `cargo xtask plugins` first");
    Ok(folder)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
