//! From a folder to a plugin: read, gate, two keys, compile, link, list. What fails says exactly why
//! and what to add, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::sync::Arc;

use cap_std::fs::Dir;
use wasmtime::component::Component;

use super::bindings::exports::toolgate::plugin::tools::Definition;
use super::errand::Exports;
use super::gate::{Export, GateLimits, Inspection};
use super::offers::{Prompt, Resource};
use super::{Workshop, gate, link, manifest, offers, run};
use crate::domain::grant::Grants;
use crate::domain::limits::{DESCRIPTION_BYTES_MAX, Limits, TITLE_BYTES_MAX, TOOLS_PER_PLUGIN_MAX};
use crate::domain::manifest::Manifest;
use crate::domain::name::{PluginId, ToolName};
use crate::domain::tool::ToolListing;
use crate::governance::admission::Offer;
use crate::governance::text::clean;
use crate::schema::Schema;

/// Why a plugin does not serve. Each problem is for the operator: what, where, and what to add.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("plugin `{plugin}` does not load: {}", .problems.join("\n  and "))]
pub struct LoadError {
    /// The folder's name.
    pub plugin: String,
    /// All that is wrong, as far as it could be looked at.
    pub problems: Vec<String>,
}

/// What the operator decided for one plugin.
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// The operator's key of the two.
    pub grants: Grants,
    /// Its bounds.
    pub limits: Limits,
    /// Its settings, as JSON text.
    pub settings: BTreeMap<String, String>,
}

/// A plugin that serves.
pub struct Plugin {
    /// What it asked for.
    pub manifest: Manifest,
    /// What was found in it.
    pub inspection: Inspection,
    /// What the operator decided.
    pub terms: Arc<Terms>,
    pub(super) grants: Arc<Grants>,
    pub(super) settings: Arc<BTreeMap<String, String>>,
    pub(super) exports: Exports,
    pub(super) turns: Arc<tokio::sync::Semaphore>,
    pub(super) queue: Arc<tokio::sync::Semaphore>,
}

/// A tool that can be called.
pub struct Tool {
    /// What clients see.
    pub listing: Arc<ToolListing>,
    /// What admission looks at.
    pub offer: Arc<Offer>,
    pub(super) output: Option<Schema>,
    pub(super) plugin: Arc<Plugin>,
}

impl Tool {
    /// What the operator gave to its plugin.
    pub fn grants(&self) -> Arc<Grants> {
        Arc::clone(&self.plugin.grants)
    }
}

/// What a plugin offers.
pub(super) struct Offered {
    pub plugin: Arc<Plugin>,
    pub tools: Vec<Tool>,
    pub prompts: Vec<Prompt>,
    pub resources: Vec<Resource>,
}

/// Reads the two files of a plugin's folder.
pub(super) struct Files {
    pub id: PluginId,
    pub manifest: String,
    pub wasm: Vec<u8>,
}

impl Files {
    pub(super) fn read(plugins: &Dir, id: PluginId, limits: &Limits) -> Result<Self, LoadError> {
        let failed =
            |problem: String| LoadError { plugin: id.to_string(), problems: vec![problem] };
        let dir = plugins.open_dir(id.as_str()).map_err(|e| failed(format!("its folder: {e}")))?;
        let file = |name: &str, bytes_max: u64| match read(&dir, name, bytes_max) {
            Ok(bytes) => Ok(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(failed(format!(
                "there is no `{id}/{name}`; a plugin is plugin.toml and {id}.wasm"
            ))),
            Err(error) => Err(failed(format!("`{id}/{name}`: {error}"))),
        };
        let manifest = file(manifest::FILE, manifest::BYTES_MAX)?;
        let manifest = String::from_utf8(manifest)
            .map_err(|_| failed(format!("`{id}/{}` is not UTF-8", manifest::FILE)))?;
        let wasm = file(&format!("{id}.wasm"), limits.component_bytes_max as u64)?;
        Ok(Self { id, manifest, wasm })
    }
}

fn read(dir: &Dir, name: &str, bytes_max: u64) -> io::Result<Vec<u8>> {
    let file = dir.open(name)?;
    let size = file.metadata()?.len();
    if size > bytes_max {
        return Err(io::Error::other(format!("it has {size} bytes; the bound is {bytes_max}")));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What can be said of a plugin without running anything.
#[derive(Debug)]
pub struct Checked {
    /// What it asks for.
    pub manifest: Manifest,
    /// What was found in it.
    pub inspection: Inspection,
}

/// Looks at a plugin's files as loading does, up to where something would be compiled.
pub(super) fn check(files: &Files, terms: &Terms) -> Result<Checked, LoadError> {
    let Files { id, manifest: text, wasm } = files;
    let failed = |problems: Vec<String>| LoadError { plugin: id.to_string(), problems };
    let of_manifest = |problem: &String| format!("plugin.toml: {problem}");
    let manifest = manifest::parse(text, id)
        .map_err(|problems| failed(problems.iter().map(of_manifest).collect()))?;
    let inspection = gate::inspect(wasm, &GateLimits::new(&terms.limits))
        .map_err(|error| failed(vec![format!("{id}.wasm: {error}")]))?;
    compare(&manifest, &inspection).map_err(failed)?;
    link::links(&inspection, &manifest, &terms.grants).map_err(failed)?;
    Ok(Checked { manifest, inspection })
}

/// Makes a plugin of its files.
pub(super) async fn load(
    workshop: &Arc<Workshop>,
    files: Files,
    terms: Terms,
) -> Result<Offered, LoadError> {
    let id = files.id.clone();
    let failed = |problems: Vec<String>| LoadError { plugin: id.to_string(), problems };
    let one = |problem: String| failed(vec![problem]);

    let limits = terms.limits.clone();
    let look = move || check(&files, &terms).map(|checked| (checked, files, terms));
    let (checked, files, terms) = tokio::task::spawn_blocking(look)
        .await
        .map_err(|error| one(format!("the gate failed on it: {error}")))??;
    let Checked { manifest, inspection } = checked;
    let links = link::links(&inspection, &manifest, &terms.grants).map_err(failed)?;
    let component =
        compiled(workshop, &inspection, files.wasm, id.to_string(), limits.compile_cpu_s)
            .await
            .map_err(|error| one(format!("{id}.wasm does not compile: {error}")))?;
    let exports = link::linker(&workshop.engine, &links)
        .and_then(|linker| Exports::new(linker.instantiate_pre(&component)?, &inspection))
        .map_err(|error| one(format!("{id}.wasm does not fit the contract: {error:#}")))?;
    let plugin = Arc::new(Plugin {
        turns: Arc::new(tokio::sync::Semaphore::new(limits.concurrency_max)),
        queue: Arc::new(tokio::sync::Semaphore::new(limits.concurrency_max + limits.queue_max)),
        grants: Arc::new(terms.grants.clone()),
        settings: Arc::new(terms.settings.clone()),
        terms: Arc::new(terms),
        manifest,
        inspection,
        exports,
    });
    let listed =
        run::list(workshop, &plugin).await.map_err(|error| one(format!("its `list`: {error}")))?;
    let (tools, prompts, resources) = (
        tools(&plugin, listed.tools),
        offers::prompts(&plugin, listed.prompts),
        offers::resources(&plugin, listed.resources),
    );
    match (tools, prompts, resources) {
        (Ok(tools), Ok(prompts), Ok(resources)) => {
            Ok(Offered { plugin, tools, prompts, resources })
        }
        (tools, prompts, resources) => {
            let problems = [tools.err(), prompts.err(), resources.err()];
            Err(failed(problems.into_iter().flatten().flatten().collect()))
        }
    }
}

/// Whether the manifest and the component speak of the same kinds of things.
fn compare(manifest: &Manifest, inspection: &Inspection) -> Result<(), Vec<String>> {
    let Manifest { tools, prompts, resources, .. } = manifest;
    let of = |export| match export {
        Export::Tools => tools.is_empty(),
        Export::Prompts => prompts.is_empty(),
        Export::Resources => resources.is_empty(),
    };
    let problem = |export: Export| {
        let name = export.as_str();
        match (of(export), inspection.offers.contains(&export)) {
            (false, false) => Some(format!(
                "its manifest has [{name}], but it does not export `toolgate:plugin/{name}@0.1.x`"
            )),
            (true, true) => Some(format!(
                "it exports `{name}`, but its manifest has none; add [{name}.<name>] with what it \
                 uses"
            )),
            (true, false) | (false, true) => None,
        }
    };
    let problems: Vec<_> = Export::ALL.into_iter().filter_map(problem).collect();
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

async fn compiled(
    workshop: &Arc<Workshop>,
    inspection: &Inspection,
    wasm: Vec<u8>,
    plugin: String,
    cpu_s: u64,
) -> Result<Component, String> {
    let (workshop, digest) = (Arc::clone(workshop), inspection.digest);
    let work = move || {
        let engine = &workshop.engine;
        let kept = workshop.cache.as_ref().and_then(|cache| cache.get(engine, &digest));
        let component = if let Some(component) = kept {
            component
        } else {
            tracing::info!(target: "progress", plugin, "compiling; kept for the next start");
            let code = workshop.compiler.compile(engine, &wasm, cpu_s)?;
            if let Some(cache) = &workshop.cache {
                cache.put(&digest, &code);
            }
            super::cache::load(engine, &code).map_err(|error| format!("{error:#}"))?
        };
        // Made now, so that the first call does not pay for it.
        component.initialize_copy_on_write_image().map_err(|error| format!("{error:#}"))?;
        Ok(component)
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
}

/// Checks what a plugin says of its tools against its manifest and our bounds.
fn tools(plugin: &Arc<Plugin>, listed: Vec<Definition>) -> Result<Vec<Tool>, Vec<String>> {
    let mut problems = Vec::new();
    if listed.len() > TOOLS_PER_PLUGIN_MAX {
        return Err(vec![format!(
            "it lists {} tools; the bound is {TOOLS_PER_PLUGIN_MAX}",
            listed.len()
        )]);
    }
    let names: BTreeSet<String> = listed.iter().map(|tool| tool.name.clone()).collect();
    let mut tools: BTreeMap<ToolName, Tool> = BTreeMap::new();
    for definition in listed {
        match offer(plugin, definition) {
            Ok(tool) => {
                if let Some(twice) = tools.insert(tool.listing.name.clone(), tool) {
                    problems.push(format!("it lists the tool `{}` twice", twice.listing.name));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    for name in plugin.manifest.tools.keys().filter(|name| !names.contains(name.as_str())) {
        problems.push(format!("its manifest has the tool `{name}`, but `list` does not"));
    }
    if problems.is_empty() { Ok(tools.into_values().collect()) } else { Err(problems) }
}

/// Whether some text in a value, or some key, is not what it looks like.
fn hides(value: &serde_json::Value) -> bool {
    use serde_json::Value;
    let hidden = |text: &str| clean(text).removed.total() > 0;
    match value {
        Value::String(text) => hidden(text),
        Value::Array(items) => items.iter().any(hides),
        Value::Object(map) => map.iter().any(|(key, item)| hidden(key) || hides(item)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn offer(plugin: &Arc<Plugin>, definition: Definition) -> Result<Tool, String> {
    let Definition { name, title, description, input_schema, output_schema } = definition;
    let name: ToolName = name.parse().map_err(|e: crate::domain::name::NameError| e.to_string())?;
    let Some(uses) = plugin.manifest.tools.get(&name) else {
        return Err(format!(
            "it lists the tool `{name}`, which its manifest does not; add [tools.{name}]"
        ));
    };
    if description.trim().is_empty() || description.len() > DESCRIPTION_BYTES_MAX {
        return Err(format!("`{name}`: a description has 1 to {DESCRIPTION_BYTES_MAX} bytes"));
    }
    if title.as_ref().is_some_and(|title| title.len() > TITLE_BYTES_MAX) {
        return Err(format!("`{name}`: a title has at most {TITLE_BYTES_MAX} bytes"));
    }
    let schema = |what: &str, text: &str| {
        let problem = |problem| format!("`{name}`: its {what} schema: {problem}");
        let schema = Schema::compile(text).map_err(problem)?;
        // A schema's texts are read by a model as the description is.
        let decoded = serde_json::Value::Object(schema.json().as_ref().clone());
        if hides(&decoded) {
            return Err(problem("it has control or invisible characters".to_owned()));
        }
        Ok(schema)
    };
    let arguments = schema("input", &input_schema)?;
    let output = output_schema.as_deref().map(|text| schema("output", text)).transpose()?;
    let id = plugin.manifest.id.clone();
    let tier = plugin.manifest.tier(&name);
    let listing = ToolListing {
        name: name.clone(),
        plugin: id.clone(),
        // A description is read by a model: nothing invisible in it.
        title: title.map(|title| clean(&title).text),
        description: clean(&description).text,
        input_schema: Arc::clone(arguments.json()),
        output_schema: output.as_ref().map(|schema| Arc::clone(schema.json())),
        tier,
    };
    let digest = plugin.inspection.digest.to_string();
    let offer = Offer { plugin: id, digest, uses: uses.clone(), tier, arguments };
    let plugin = Arc::clone(plugin);
    Ok(Tool { listing: Arc::new(listing), offer: Arc::new(offer), output, plugin })
}
