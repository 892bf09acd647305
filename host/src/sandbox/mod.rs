//! The sandbox: loads plugins and runs their tools, each call in an instance of its own.
//!
//! Owns: the engine, plugins, instances and their limits. The only room that knows wasmtime. Must
//! not: know kube or rmcp, or decide policy. Read [`Sandbox::run`] first, then `imports`.

mod answer;
mod bindings;
mod cache;
mod compile;
mod engine;
pub mod gate;
mod imports;
mod lanes;
mod limiter;
mod link;
mod load;
mod manifest;
mod meter;
mod run;
mod state;
mod wasi;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use futures::StreamExt as _;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

pub use self::compile::{CHILD_ARGUMENT, Compiler, child_main};
pub use self::engine::INSTANCES_MAX;
pub use self::lanes::{Lanes, Threads};
pub use self::load::{Checked, LoadError, Plugin, Terms, Tool};
pub use self::state::Ports;
use crate::capability::ProgressSink;
use crate::domain::call::{Cost, Outcome};
use crate::domain::name::{PluginId, ToolName};
use crate::governance::admission::Permit;
use crate::governance::audit::Trail;

/// Why there is no sandbox at all.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The runtime does not start.
    #[error("the WebAssembly runtime does not start: {0}")]
    Engine(String),
    /// There is no folder of plugins.
    #[error("the plugin folder `{path}` cannot be read: {reason}")]
    Plugins {
        /// Where.
        path: String,
        /// Why not.
        reason: String,
    },
}

/// What a sandbox is made of.
pub struct Parts {
    /// Every effect that a guest can have.
    pub ports: Arc<Ports>,
    /// Where compiled code is kept; `None` keeps none.
    pub cache_dir: Option<PathBuf>,
    /// Where components are compiled.
    pub compiler: Compiler,
    /// Where guests compute: threads of their own, so that they never hold up the protocol.
    pub lanes: Lanes,
}

/// What every run needs.
struct Workshop {
    engine: wasmtime::Engine,
    ticker: engine::Ticker,
    cache: Option<cache::Cache>,
    compiler: Compiler,
    ports: Arc<Ports>,
    lanes: Lanes,
    instances: Arc<Semaphore>,
}

/// The plugins that serve.
pub struct Sandbox {
    workshop: Arc<Workshop>,
    tools: BTreeMap<ToolName, Arc<Tool>>,
    plugins: Vec<Arc<Plugin>>,
    failures: Vec<LoadError>,
}

/// Plugins that are loaded at once: the compiler is the heavy part, and it has its own threads.
const LOADS_AT_ONCE: usize = 2;

impl Sandbox {
    /// Loads every plugin of a folder. One that fails is told in [`Sandbox::failures`]; the others
    /// serve.
    ///
    /// # Errors
    /// Where nothing can serve at all.
    pub async fn load(
        parts: Parts,
        plugins_dir: &Path,
        terms: impl Fn(&PluginId) -> Terms,
    ) -> Result<Self, SandboxError> {
        let workshop = Arc::new(Workshop::new(parts)?);
        let dir = open(plugins_dir)?;
        let (ids, mut failures) = ids(&dir, plugins_dir)?;
        let loads = ids.into_iter().map(|id| {
            let terms = terms(&id);
            let (workshop, dir) = (&workshop, &dir);
            async move {
                let files = load::Files::read(dir, id, &terms.limits)?;
                load::load(workshop, files, terms).await
            }
        });
        let loaded: Vec<_> = futures::stream::iter(loads).buffered(LOADS_AT_ONCE).collect().await;
        let mut sandbox =
            Self { workshop, tools: BTreeMap::new(), plugins: Vec::new(), failures: Vec::new() };
        for result in loaded {
            if let Err(error) = result.and_then(|tools| sandbox.add(tools)) {
                failures.push(error);
            }
        }
        for error in &failures {
            for line in error.to_string().lines() {
                tracing::error!("{}", crate::governance::text::clean(line).text);
            }
        }
        sandbox.failures = failures;
        Ok(sandbox)
    }

    /// Adds a plugin's tools, all or none.
    fn add(&mut self, tools: Vec<Tool>) -> Result<(), LoadError> {
        let taken = tools.iter().find_map(|tool| {
            let other = self.tools.get(&tool.listing.name)?;
            Some((&tool.listing, &other.listing))
        });
        if let Some((tool, other)) = taken {
            return Err(LoadError {
                plugin: tool.plugin.to_string(),
                problems: vec![format!(
                    "its tool `{}` is offered by plugin `{}` already; rename one, or remove one of \
                     the two folders",
                    tool.name, other.plugin
                )],
            });
        }
        if let Some(tool) = tools.first() {
            self.plugins.push(Arc::clone(&tool.plugin));
        }
        for tool in tools {
            self.tools.insert(tool.listing.name.clone(), Arc::new(tool));
        }
        Ok(())
    }

    /// A tool by name.
    pub fn tool(&self, name: &ToolName) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// Every tool, in order of name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Tool>> {
        self.tools.values()
    }

    /// The plugins that serve, in order of name.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// The plugins that do not, and why.
    pub fn failures(&self) -> &[LoadError] {
        &self.failures
    }

    /// Runs the call that the permit is for: the permit is spent here.
    pub async fn run(
        &self,
        permit: Permit,
        trail: &Arc<Trail>,
        progress: Arc<dyn ProgressSink>,
        cancel: CancellationToken,
    ) -> (Outcome, Cost) {
        let Some(tool) = self.tools.get(&permit.call().tool) else {
            // Admission found the tool here; it cannot have gone.
            let internal = format!("`{}` was admitted and is not loaded", permit.call().tool);
            return (Outcome::HostFailed { internal }, Cost::default());
        };
        let run = run::Run { permit, trail: Arc::clone(trail), progress, cancel };
        run::call(&self.workshop, tool, run).await
    }
}

impl Workshop {
    fn new(parts: Parts) -> Result<Self, SandboxError> {
        let Parts { ports, cache_dir, compiler, lanes } = parts;
        let failed = |error: &dyn std::fmt::Display| SandboxError::Engine(error.to_string());
        let engine = engine::engine().map_err(|error| failed(&error))?;
        let ticker = engine::Ticker::start(&engine).map_err(|error| failed(&error))?;
        let cache = cache_dir.and_then(|folder| match cache::Cache::open(&folder, &engine) {
            Ok(cache) => Some(cache),
            Err(error) => {
                tracing::warn!(%error, "no cache of compiled code; every start compiles again");
                None
            }
        });
        let instances = usize::try_from(INSTANCES_MAX).unwrap_or(usize::MAX);
        Ok(Self {
            engine,
            ticker,
            cache,
            compiler,
            ports,
            lanes,
            instances: Arc::new(Semaphore::new(instances)),
        })
    }
}

/// Looks at every plugin of a folder as loading does, and runs nothing.
///
/// # Errors
/// Where the folder cannot be read.
pub fn check(
    plugins_dir: &Path,
    terms: impl Fn(&PluginId) -> Terms,
) -> Result<(Vec<Checked>, Vec<LoadError>), SandboxError> {
    let dir = open(plugins_dir)?;
    let (ids, mut failures) = ids(&dir, plugins_dir)?;
    let mut plugins = Vec::new();
    for id in ids {
        let terms = terms(&id);
        match load::Files::read(&dir, id, &terms.limits).and_then(|f| load::check(&f, &terms)) {
            Ok(checked) => plugins.push(checked),
            Err(error) => failures.push(error),
        }
    }
    Ok((plugins, failures))
}

fn unreadable(path: &Path, reason: &std::io::Error) -> SandboxError {
    SandboxError::Plugins { path: path.display().to_string(), reason: reason.to_string() }
}

fn open(path: &Path) -> Result<Dir, SandboxError> {
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| unreadable(path, &error))
}

/// The folders of the plugin folder, in order of name. What begins with a dot is passed over.
fn ids(dir: &Dir, path: &Path) -> Result<(Vec<PluginId>, Vec<LoadError>), SandboxError> {
    let (mut ids, mut failures) = (Vec::new(), Vec::new());
    for entry in dir.entries().map_err(|error| unreadable(path, &error))? {
        let entry = entry.map_err(|error| unreadable(path, &error))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_dir = dir.metadata(&name).is_ok_and(|metadata| metadata.is_dir());
        if name.starts_with('.') || !is_dir {
            continue;
        }
        match name.parse::<PluginId>() {
            Ok(id) => ids.push(id),
            Err(error) => {
                failures.push(LoadError { plugin: name, problems: vec![error.to_string()] });
            }
        }
    }
    ids.sort();
    Ok((ids, failures))
}
