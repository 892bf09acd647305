//! The sandbox: loads plugins and runs what they offer, each call in an instance of its own.
//!
//! Owns: the engine, plugins, instances and their limits. The only room that knows wasmtime. Must
//! not: know kube or rmcp, or decide policy. Read [`Sandbox::run`] first, then `imports`.

mod answer;
mod bindings;
mod cache;
mod compile;
mod engine;
mod errand;
pub mod gate;
mod imports;
mod lanes;
mod limiter;
mod link;
mod load;
mod manifest;
mod meter;
mod offers;
mod reports;
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
use self::errand::Errand;
pub use self::lanes::{Lanes, Threads};
use self::load::Offered;
pub use self::load::{Checked, LoadError, Plugin, Terms, Tool};
pub use self::offers::{OWN_SCHEME, Prompt, Resource};
pub use self::state::Ports;
use crate::capability::ProgressSink;
use crate::domain::call::{Cost, Outcome};
use crate::domain::name::{ClusterName, PluginId, PromptName, ToolName};
use crate::domain::subject::{Completed, Subject};
use crate::governance::admission::{Offer, Permit};
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
    prompts: BTreeMap<PromptName, Arc<Prompt>>,
    /// In order of their templates: where two read one URI, the first is meant.
    resources: Vec<Arc<Resource>>,
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
        let mut sandbox = Self {
            workshop,
            tools: BTreeMap::new(),
            prompts: BTreeMap::new(),
            resources: Vec::new(),
            plugins: Vec::new(),
            failures: Vec::new(),
        };
        for result in loaded {
            if let Err(error) = result.and_then(|offered| sandbox.add(offered)) {
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

    /// Adds what a plugin offers, all or nothing.
    fn add(&mut self, offered: Offered) -> Result<(), LoadError> {
        let Offered { plugin, tools, prompts, resources } = offered;
        let mut problems = Vec::new();
        let mut taken = |what: &str, name: &dyn std::fmt::Display, other: &Plugin| {
            problems.push(format!(
                "its {what} `{name}` is offered by plugin `{}` already; rename one, or remove one \
                 of the two folders",
                other.manifest.id
            ));
        };
        for tool in &tools {
            if let Some(other) = self.tools.get(&tool.listing.name) {
                taken("tool", &tool.listing.name, &other.plugin);
            }
        }
        for prompt in &prompts {
            if let Some(other) = self.prompts.get(&prompt.listing.name) {
                taken("prompt", &prompt.listing.name, &other.plugin);
            }
        }
        for (idx, resource) in resources.iter().enumerate() {
            let uri = &resource.listing.uri;
            let own = resources.iter().take(idx);
            let mut others = self.resources.iter().map(Arc::as_ref).chain(own);
            if let Some(other) = others.find(|other| other.listing.uri.reads_the_same(uri)) {
                taken("resource", uri, &other.plugin);
            }
        }
        if !problems.is_empty() {
            return Err(LoadError { plugin: plugin.manifest.id.to_string(), problems });
        }
        self.plugins.push(plugin);
        for tool in tools {
            self.tools.insert(tool.listing.name.clone(), Arc::new(tool));
        }
        for prompt in prompts {
            self.prompts.insert(prompt.listing.name.clone(), Arc::new(prompt));
        }
        self.resources.extend(resources.into_iter().map(Arc::new));
        self.resources.sort_by(|a, b| a.listing.uri.cmp(&b.listing.uri));
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

    /// Every prompt, in order of name.
    pub fn prompts(&self) -> impl Iterator<Item = &Arc<Prompt>> {
        self.prompts.values()
    }

    /// Every resource and family of resources.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<Resource>> {
        self.resources.iter()
    }

    /// What admission looks at, where somebody offers what is asked for.
    pub fn offer(&self, subject: &Subject) -> Option<Arc<Offer>> {
        Some(Arc::clone(self.errand(subject)?.offer()))
    }

    /// The clusters of the configuration, and the default one.
    pub fn clusters(&self) -> (&[ClusterName], Option<&ClusterName>) {
        let ports = &self.workshop.ports;
        (&ports.clusters, ports.default_cluster.as_ref())
    }

    fn errand(&self, subject: &Subject) -> Option<Errand> {
        match subject {
            Subject::Tool(name) => self.tools.get(name).cloned().map(Errand::Tool),
            Subject::Prompt(name) => self.prompts.get(name).cloned().map(Errand::Prompt),
            Subject::Resource(uri) => self.resources.iter().find_map(|resource| {
                let variables = resource.listing.uri.read(uri)?;
                Some(Errand::Resource(Arc::clone(resource), variables))
            }),
            Subject::Completion { of: Completed::Prompt(name), argument } => {
                let prompt = self.prompts.get(name)?;
                prompt.names().find(|known| *known == argument)?;
                Some(Errand::CompletePrompt(Arc::clone(prompt), argument.clone()))
            }
            Subject::Completion { of: Completed::Template(template), argument } => {
                let resource = self.resources.iter().find(|r| r.listing.uri == *template)?;
                resource.listing.uri.variables().find(|known| *known == argument)?;
                Some(Errand::CompleteResource(Arc::clone(resource), argument.clone()))
            }
        }
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
        let Some(errand) = self.errand(&permit.call().subject) else {
            // Admission found it here; it cannot have gone.
            let internal = format!("{} was admitted and is not there", permit.call().subject);
            return (Outcome::HostFailed { internal }, Cost::default());
        };
        let run = run::Run { permit, trail: Arc::clone(trail), progress, cancel };
        run::call(&self.workshop, errand, run).await
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
