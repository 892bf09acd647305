//! What a plugin says of its prompts and resources, checked against its manifest and our bounds. It
//! is said once, with every import closed, and holds for as long as the digest does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::bindings::exports::toolgate::plugin::{prompts, resources};
use super::load::Plugin;
use crate::domain::capability::Capability;
use crate::domain::limits::{
    ARGUMENT_CHARS_MAX, ARGUMENT_DESCRIPTION_BYTES_MAX, DESCRIPTION_BYTES_MAX, GIVEN_MAX,
    MIME_TYPE_BYTES_MAX, PROMPT_ARGUMENTS_MAX, PROMPTS_PER_PLUGIN_MAX, RESOURCES_PER_PLUGIN_MAX,
    TITLE_BYTES_MAX,
};
use crate::domain::manifest::highest;
use crate::domain::name::{ArgumentName, NameError, PromptName, ResourceName};
use crate::domain::prompt::{PromptArgument, PromptListing};
use crate::domain::resource::ResourceListing;
use crate::domain::uri::{UriError, UriTemplate};
use crate::governance::admission::Offer;
use crate::governance::text::clean;
use crate::schema::Schema;

/// The scheme of what the host tells of itself.
pub const OWN_SCHEME: &str = "toolgate";

/// A prompt that can be written.
pub struct Prompt {
    /// What clients see.
    pub listing: Arc<PromptListing>,
    /// What admission looks at.
    pub offer: Arc<Offer>,
    /// What admission looks at when an argument is completed.
    pub completion: Arc<Offer>,
    pub(super) plugin: Arc<Plugin>,
}

impl Prompt {
    /// The names of its arguments.
    pub(super) fn names(&self) -> impl Iterator<Item = &ArgumentName> {
        self.listing.arguments.iter().map(|argument| &argument.name)
    }
}

/// A resource that can be read, or a family of them.
pub struct Resource {
    /// What clients see.
    pub listing: Arc<ResourceListing>,
    /// What admission looks at.
    pub offer: Arc<Offer>,
    /// What admission looks at when a variable is completed.
    pub completion: Arc<Offer>,
    pub(super) plugin: Arc<Plugin>,
}

/// Checks what a plugin says of its prompts.
pub(super) fn prompts(
    plugin: &Arc<Plugin>,
    listed: Vec<prompts::Definition>,
) -> Result<Vec<Prompt>, Vec<String>> {
    if listed.len() > PROMPTS_PER_PLUGIN_MAX {
        let n = listed.len();
        return Err(vec![format!("it lists {n} prompts; the bound is {PROMPTS_PER_PLUGIN_MAX}")]);
    }
    let mut problems = Vec::new();
    let mut found: BTreeMap<PromptName, Prompt> = BTreeMap::new();
    for definition in listed {
        match prompt(plugin, definition) {
            Ok(prompt) => {
                if let Some(twice) = found.insert(prompt.listing.name.clone(), prompt) {
                    problems.push(format!("it lists the prompt `{}` twice", twice.listing.name));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    for name in plugin.manifest.prompts.keys().filter(|name| !found.contains_key(*name)) {
        problems.push(format!("its manifest has the prompt `{name}`, but `list` has no valid one"));
    }
    if problems.is_empty() { Ok(found.into_values().collect()) } else { Err(problems) }
}

/// Checks what a plugin says of its resources.
pub(super) fn resources(
    plugin: &Arc<Plugin>,
    listed: Vec<resources::Definition>,
) -> Result<Vec<Resource>, Vec<String>> {
    if listed.len() > RESOURCES_PER_PLUGIN_MAX {
        let n = listed.len();
        let text = format!("it lists {n} resources; the bound is {RESOURCES_PER_PLUGIN_MAX}");
        return Err(vec![text]);
    }
    let mut problems = Vec::new();
    let mut found: BTreeMap<ResourceName, Resource> = BTreeMap::new();
    for definition in listed {
        match resource(plugin, definition) {
            Ok(resource) => {
                if let Some(twice) = found.insert(resource.listing.name.clone(), resource) {
                    problems.push(format!("it lists the resource `{}` twice", twice.listing.name));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
    for name in plugin.manifest.resources.keys().filter(|name| !found.contains_key(*name)) {
        problems
            .push(format!("its manifest has the resource `{name}`, but `list` has no valid one"));
    }
    if problems.is_empty() { Ok(found.into_values().collect()) } else { Err(problems) }
}

fn prompt(plugin: &Arc<Plugin>, definition: prompts::Definition) -> Result<Prompt, String> {
    let prompts::Definition { name, title, description, arguments } = definition;
    let name: PromptName = name.parse().map_err(|error: NameError| error.to_string())?;
    let Some(uses) = plugin.manifest.prompts.get(&name) else {
        return Err(format!(
            "it lists the prompt `{name}`, which its manifest does not; add [prompts.{name}]"
        ));
    };
    let (title, description) = words(name.as_str(), title, &description)?;
    if arguments.len() > PROMPT_ARGUMENTS_MAX {
        return Err(format!("`{name}`: a prompt has at most {PROMPT_ARGUMENTS_MAX} arguments"));
    }
    let mut known = BTreeSet::new();
    let arguments = arguments
        .into_iter()
        .map(|argument| {
            let argument = blank(argument).map_err(|problem| format!("`{name}`: {problem}"))?;
            if !known.insert(argument.name.clone()) {
                return Err(format!("`{name}`: it has the argument `{}` twice", argument.name));
            }
            Ok(argument)
        })
        .collect::<Result<Vec<_>, String>>()?;
    let schema = schema_of(&arguments)?;
    let id = plugin.manifest.id.clone();
    let listing = PromptListing { name, plugin: id, title, description, arguments };
    Ok(Prompt {
        listing: Arc::new(listing),
        offer: offer(plugin, uses, schema),
        completion: offer(plugin, uses, schema_of_completion()?),
        plugin: Arc::clone(plugin),
    })
}

fn blank(argument: prompts::Argument) -> Result<PromptArgument, String> {
    let prompts::Argument { name, description, required } = argument;
    let name: ArgumentName = name.parse().map_err(|error: NameError| error.to_string())?;
    if description.as_ref().is_some_and(|text| text.len() > ARGUMENT_DESCRIPTION_BYTES_MAX) {
        return Err(format!(
            "the description of `{name}` has at most {ARGUMENT_DESCRIPTION_BYTES_MAX} bytes"
        ));
    }
    let description = description.map(|text| clean(&text).text);
    Ok(PromptArgument { name, description, required })
}

fn resource(plugin: &Arc<Plugin>, definition: resources::Definition) -> Result<Resource, String> {
    let resources::Definition { name, uri, title, description, mime_type } = definition;
    let name: ResourceName = name.parse().map_err(|error: NameError| error.to_string())?;
    let Some(uses) = plugin.manifest.resources.get(&name) else {
        return Err(format!(
            "it lists the resource `{name}`, which its manifest does not; add [resources.{name}]"
        ));
    };
    let (title, description) = words(name.as_str(), title, &description)?;
    let uri: UriTemplate =
        uri.parse().map_err(|error: UriError| format!("`{name}`: its URI: {error}"))?;
    if uri.scheme() == OWN_SCHEME {
        return Err(format!("`{name}`: the scheme `{OWN_SCHEME}` is the host's own"));
    }
    if !mime_type.as_deref().is_none_or(is_mime_type) {
        return Err(format!(
            "`{name}`: a media type is `text/plain` or alike, of at most {MIME_TYPE_BYTES_MAX} bytes"
        ));
    }
    let nothing = compiled(&json!({"type": "object", "maxProperties": 0}))?;
    let plugin_id = Some(plugin.manifest.id.clone());
    let listing = ResourceListing { name, plugin: plugin_id, uri, title, description, mime_type };
    Ok(Resource {
        listing: Arc::new(listing),
        offer: offer(plugin, uses, nothing),
        completion: offer(plugin, uses, schema_of_completion()?),
        plugin: Arc::clone(plugin),
    })
}

/// `type/subtype`, with parameters perhaps.
pub(super) fn is_mime_type(text: &str) -> bool {
    let printable = |b: u8| matches!(b, b' '..=b'~');
    text.len() <= MIME_TYPE_BYTES_MAX
        && text.bytes().all(printable)
        && text.split_once('/').is_some_and(|(kind, rest)| !kind.is_empty() && !rest.is_empty())
}

/// A title and a description: both are read by a model, so nothing invisible stays in them.
fn words(
    name: &str,
    title: Option<String>,
    description: &str,
) -> Result<(Option<String>, String), String> {
    if description.trim().is_empty() || description.len() > DESCRIPTION_BYTES_MAX {
        return Err(format!("`{name}`: a description has 1 to {DESCRIPTION_BYTES_MAX} bytes"));
    }
    if title.as_ref().is_some_and(|title| title.len() > TITLE_BYTES_MAX) {
        return Err(format!("`{name}`: a title has at most {TITLE_BYTES_MAX} bytes"));
    }
    Ok((title.map(|title| clean(&title).text), clean(description).text))
}

fn offer(plugin: &Arc<Plugin>, uses: &BTreeSet<Capability>, arguments: Schema) -> Arc<Offer> {
    Arc::new(Offer {
        plugin: plugin.manifest.id.clone(),
        digest: plugin.inspection.digest.to_string(),
        uses: uses.clone(),
        tier: highest(uses),
        arguments,
    })
}

/// What the arguments of a prompt must look like: the protocol has only texts.
fn schema_of(arguments: &[PromptArgument]) -> Result<Schema, String> {
    let property = |argument: &PromptArgument| {
        let least = usize::from(argument.required);
        let text = json!({"type": "string", "minLength": least, "maxLength": ARGUMENT_CHARS_MAX});
        (argument.name.to_string(), text)
    };
    let properties: serde_json::Map<_, _> = arguments.iter().map(property).collect();
    let required = arguments.iter().filter(|argument| argument.required);
    let required: Vec<&str> = required.map(|argument| argument.name.as_str()).collect();
    compiled(&json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    }))
}

/// A completion may be given more than is asked for: clients send all that they have.
fn schema_of_completion() -> Result<Schema, String> {
    compiled(&json!({
        "type": "object",
        "maxProperties": GIVEN_MAX + 1,
        "additionalProperties": {"type": "string", "maxLength": ARGUMENT_CHARS_MAX},
    }))
}

fn compiled(schema: &serde_json::Value) -> Result<Schema, String> {
    Schema::compile(&schema.to_string()).map_err(|error| format!("its arguments: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_media_type() {
        for good in ["text/plain", "text/markdown; charset=utf-8", "application/json"] {
            assert!(is_mime_type(good), "{good}");
        }
        let long = format!("text/{}", "x".repeat(200));
        for bad in ["", "text", "text/", "/plain", "text/\u{1b}[0m", "text/ä", &long] {
            assert!(!is_mime_type(bad), "{bad}");
        }
    }

    #[test]
    fn takes_the_texts_that_a_prompt_asks_for() {
        let blank = |name: &str, required| PromptArgument {
            name: name.parse().unwrap(),
            description: None,
            required,
        };
        let schema = schema_of(&[blank("namespace", true), blank("why", false)]).unwrap();
        let problems = |value: serde_json::Value| schema.problems(value.as_object().unwrap()).len();
        assert_eq!(problems(json!({"namespace": "shop"})), 0);
        assert_eq!(problems(json!({"namespace": "shop", "why": ""})), 0);
        assert_eq!(problems(json!({"namespace": ""})), 1);
        assert_eq!(problems(json!({})), 1);
        assert_eq!(problems(json!({"namespace": 7})), 1);
        assert_eq!(problems(json!({"namespace": "shop", "other": "x"})), 1);
        assert_eq!(problems(json!({"namespace": "x".repeat(ARGUMENT_CHARS_MAX + 1)})), 1);
    }

    #[test]
    fn a_completion_takes_any_few_texts() {
        let schema = schema_of_completion().unwrap();
        let given = |n: usize| {
            let pair = |n| (format!("a{n}"), json!("x"));
            (0..n).map(pair).collect::<serde_json::Map<_, _>>()
        };
        assert!(schema.problems(&given(GIVEN_MAX + 1)).is_empty());
        assert_eq!(schema.problems(&given(GIVEN_MAX + 2)).len(), 1);
    }
}
