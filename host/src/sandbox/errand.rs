//! What a guest is asked, and what it says: one shape for tools, prompts, resources and completions.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};
use wasmtime::Store;
use wasmtime::component::InstancePre;

use super::bindings::exports::toolgate::plugin::{prompts, resources, tools};
use super::gate::{Export, Inspection};
use super::load::{Plugin, Tool};
use super::offers::{Prompt, Resource};
use super::state::State;
use crate::domain::call::Call;
use crate::domain::name::ArgumentName;
use crate::governance::admission::Offer;

/// What a component exports, looked up once.
pub(super) struct Exports {
    instance: InstancePre<State>,
    tools: Option<tools::GuestIndices>,
    prompts: Option<prompts::GuestIndices>,
    resources: Option<resources::GuestIndices>,
}

/// What a plugin says it offers.
#[derive(Default)]
pub(super) struct Listed {
    pub tools: Vec<tools::Definition>,
    pub prompts: Vec<prompts::Definition>,
    pub resources: Vec<resources::Definition>,
}

impl Exports {
    pub(super) fn new(
        instance: InstancePre<State>,
        inspection: &Inspection,
    ) -> wasmtime::Result<Self> {
        let has = |export| inspection.offers.contains(&export);
        Ok(Self {
            tools: has(Export::Tools).then(|| tools::GuestIndices::new(&instance)).transpose()?,
            prompts: has(Export::Prompts)
                .then(|| prompts::GuestIndices::new(&instance))
                .transpose()?,
            resources: has(Export::Resources)
                .then(|| resources::GuestIndices::new(&instance))
                .transpose()?,
            instance,
        })
    }

    /// Makes the instance.
    pub(super) async fn instantiate(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<wasmtime::component::Instance> {
        self.instance.instantiate_async(store).await
    }

    /// Asks for everything that is offered.
    pub(super) async fn list(&self, store: &mut Store<State>) -> wasmtime::Result<Listed> {
        let instance = self.instantiate(store).await?;
        let mut listed = Listed::default();
        if let Some(found) = &self.tools {
            listed.tools = found.load(&mut *store, &instance)?.call_list(&mut *store).await?;
        }
        if let Some(found) = &self.prompts {
            listed.prompts = found.load(&mut *store, &instance)?.call_list(&mut *store).await?;
        }
        if let Some(found) = &self.resources {
            listed.resources = found.load(&mut *store, &instance)?.call_list(&mut *store).await?;
        }
        Ok(listed)
    }
}

/// What a guest is sent for.
#[derive(Clone)]
pub(super) enum Errand {
    Tool(Arc<Tool>),
    Prompt(Arc<Prompt>),
    Resource(Arc<Resource>, BTreeMap<ArgumentName, String>),
    CompletePrompt(Arc<Prompt>, ArgumentName),
    CompleteResource(Arc<Resource>, ArgumentName),
}

/// What it comes back with.
pub(super) enum Reply {
    Tool(Result<tools::Output, tools::ToolError>),
    Prompt(Result<Vec<prompts::Message>, prompts::PromptError>),
    Resource(Result<resources::Content, resources::ResourceError>),
    Values(Vec<String>),
}

impl Errand {
    /// Who is sent.
    pub(super) fn plugin(&self) -> &Arc<Plugin> {
        match self {
            Self::Tool(tool) => &tool.plugin,
            Self::Prompt(prompt) | Self::CompletePrompt(prompt, _) => &prompt.plugin,
            Self::Resource(resource, _) | Self::CompleteResource(resource, _) => &resource.plugin,
        }
    }

    /// What admission looks at.
    pub(super) fn offer(&self) -> &Arc<Offer> {
        match self {
            Self::Tool(tool) => &tool.offer,
            Self::Prompt(prompt) => &prompt.offer,
            Self::Resource(resource, _) => &resource.offer,
            Self::CompletePrompt(prompt, _) => &prompt.completion,
            Self::CompleteResource(resource, _) => &resource.completion,
        }
    }

    /// What it is for, as a log names it.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Tool(tool) => format!("tool {}", tool.listing.name),
            Self::Prompt(prompt) => format!("prompt {}", prompt.listing.name),
            Self::Resource(resource, _) => format!("resource {}", resource.listing.name),
            Self::CompletePrompt(prompt, argument) => {
                format!("argument {argument} of prompt {}", prompt.listing.name)
            }
            Self::CompleteResource(resource, variable) => {
                format!("variable {variable} of resource {}", resource.listing.name)
            }
        }
    }

    /// Asks the guest.
    pub(super) async fn ask(
        &self,
        store: &mut Store<State>,
        instance: &wasmtime::component::Instance,
        call: &Call,
    ) -> wasmtime::Result<Reply> {
        let exports = &self.plugin().exports;
        let missing = |export: Export| {
            // Loading compared what is listed with what is exported.
            wasmtime::format_err!("it does not export `{}`", export.as_str())
        };
        let (tools, prompts, resources) = (&exports.tools, &exports.prompts, &exports.resources);
        let tools = || tools.as_ref().ok_or_else(|| missing(Export::Tools));
        let prompts = || prompts.as_ref().ok_or_else(|| missing(Export::Prompts));
        let resources = || resources.as_ref().ok_or_else(|| missing(Export::Resources));
        Ok(match self {
            Self::Tool(tool) => {
                let arguments = serde_json::to_string(&call.arguments)?;
                let guest = tools()?.load(&mut *store, instance)?;
                let name = tool.listing.name.as_str();
                Reply::Tool(guest.call_call(&mut *store, name, &arguments).await?)
            }
            Self::Prompt(prompt) => {
                let given = of_prompt(given(&call.arguments, prompt.names()));
                let guest = prompts()?.load(&mut *store, instance)?;
                let name = prompt.listing.name.as_str();
                Reply::Prompt(guest.call_get(&mut *store, name, &given).await?)
            }
            Self::Resource(resource, variables) => {
                let pairs = variables.iter().map(|(name, value)| (name.to_string(), value.clone()));
                let given = of_resource(pairs.collect());
                let guest = resources()?.load(&mut *store, instance)?;
                let (name, uri) = (resource.listing.name.as_str(), uri(call));
                Reply::Resource(guest.call_read(&mut *store, name, &uri, &given).await?)
            }
            Self::CompletePrompt(prompt, argument) => {
                let beside = prompt.names().filter(|name| *name != argument);
                let given = of_prompt(given(&call.arguments, beside));
                let guest = prompts()?.load(&mut *store, instance)?;
                let (name, value) = (prompt.listing.name.as_str(), typed(call, argument));
                let argument = argument.as_str();
                let values = guest.call_complete(&mut *store, name, argument, value, &given).await;
                Reply::Values(values?)
            }
            Self::CompleteResource(resource, argument) => {
                let beside = resource.listing.uri.variables().filter(|name| *name != argument);
                let given = of_resource(given(&call.arguments, beside));
                let guest = resources()?.load(&mut *store, instance)?;
                let (name, value) = (resource.listing.name.as_str(), typed(call, argument));
                let argument = argument.as_str();
                let values = guest.call_complete(&mut *store, name, argument, value, &given).await;
                Reply::Values(values?)
            }
        })
    }
}

/// The URI as the caller wrote it.
fn uri(call: &Call) -> String {
    use crate::domain::subject::Subject;
    match &call.subject {
        Subject::Resource(uri) => uri.to_string(),
        Subject::Tool(_) | Subject::Prompt(_) | Subject::Completion { .. } => String::new(),
    }
}

/// What is typed of the argument so far.
fn typed<'a>(call: &'a Call, argument: &ArgumentName) -> &'a str {
    call.arguments.get(argument.as_str()).and_then(Value::as_str).unwrap_or_default()
}

/// The texts that are given for the names, in their order.
fn given<'a>(
    arguments: &Map<String, Value>,
    names: impl Iterator<Item = &'a ArgumentName>,
) -> Vec<(String, String)> {
    let text = |name: &ArgumentName| arguments.get(name.as_str()).and_then(Value::as_str);
    names.filter_map(|name| Some((name.to_string(), text(name)?.to_owned()))).collect()
}

fn of_prompt(pairs: Vec<(String, String)>) -> Vec<prompts::Given> {
    pairs.into_iter().map(|(name, value)| prompts::Given { name, value }).collect()
}

fn of_resource(pairs: Vec<(String, String)>) -> Vec<resources::Given> {
    pairs.into_iter().map(|(name, value)| resources::Given { name, value }).collect()
}
