//! Prompts, resources and completions in the words of the protocol.

use rmcp::model::{
    ErrorData, GetPromptResult, Prompt, PromptArgument, PromptMessage, ReadResourceResult,
    Resource, ResourceContents, ResourceTemplate, Role as SaidBy,
};
use serde_json::json;

pub(super) use super::convert::no_resource;
use super::convert::{self, Era};
use crate::domain::call::{Content, Messages, Outcome, Role};
use crate::domain::name::CallId;
use crate::domain::prompt::PromptListing;
use crate::domain::resource::ResourceListing;
use crate::domain::uri::ResourceUri;
use crate::gateway::CallError;

/// A prompt as clients see it.
pub(super) fn prompt(listing: &PromptListing) -> Prompt {
    let arguments = listing.arguments.iter().map(|blank| {
        let mut argument = PromptArgument::new(blank.name.as_str()).with_required(blank.required);
        argument.description.clone_from(&blank.description);
        argument
    });
    let arguments = (!listing.arguments.is_empty()).then(|| arguments.collect());
    let mut prompt =
        Prompt::new(listing.name.as_str(), Some(listing.description.clone()), arguments);
    prompt.title.clone_from(&listing.title);
    prompt
}

/// A resource as clients see it.
pub(super) fn resource(listing: &ResourceListing) -> Resource {
    let mut resource = Resource::new(listing.uri.to_string(), listing.name.as_str())
        .with_description(listing.description.clone());
    resource.title.clone_from(&listing.title);
    resource.mime_type.clone_from(&listing.mime_type);
    resource
}

/// A family of resources as clients see it.
pub(super) fn template(listing: &ResourceListing) -> ResourceTemplate {
    let mut template = ResourceTemplate::new(listing.uri.to_string(), listing.name.as_str())
        .with_description(listing.description.clone());
    template.title.clone_from(&listing.title);
    template.mime_type.clone_from(&listing.mime_type);
    template
}

/// What a client reads of a prompt's call.
pub(super) fn written(
    came_of_it: Result<Outcome, CallError>,
    description: Option<String>,
    call: &CallId,
    era: Era,
) -> Result<GetPromptResult, ErrorData> {
    match came_of_it {
        Ok(Outcome::Messages(Messages { messages, provenance, withheld })) => {
            let said = messages.into_iter().map(|message| {
                let by = match message.role {
                    Role::User => SaidBy::User,
                    Role::Assistant => SaidBy::Assistant,
                };
                PromptMessage::new_text(by, message.text)
            });
            let mut result = GetPromptResult::new(said.collect());
            result.description = description;
            result.meta = Some(convert::answer_meta(false, &provenance, &withheld, call, era));
            Ok(result)
        }
        other => Err(convert::fault(other, call)),
    }
}

/// What a client reads of a resource's call.
pub(super) fn read(
    came_of_it: Result<Outcome, CallError>,
    uri: &ResourceUri,
    call: &CallId,
    era: Era,
) -> Result<ReadResourceResult, ErrorData> {
    match came_of_it {
        Ok(Outcome::Content(content)) => {
            let Content { text, mime_type, truncated, provenance, withheld } = content;
            let contents = ResourceContents::TextResourceContents {
                uri: uri.to_string(),
                mime_type,
                text,
                meta: None,
            };
            let mut result = ReadResourceResult::new(vec![contents]);
            result.meta = Some(convert::answer_meta(truncated, &provenance, &withheld, call, era));
            Ok(result)
        }
        Ok(Outcome::NotFound(text)) => {
            let data = json!({"uri": uri.as_str()});
            Err(ErrorData::resource_not_found(text, Some(data)))
        }
        other => Err(convert::fault(other, call)),
    }
}

/// What a client reads of a completion's call.
pub(super) fn proposed(
    came_of_it: Result<Outcome, CallError>,
    call: &CallId,
) -> Result<Vec<String>, ErrorData> {
    match came_of_it {
        Ok(Outcome::Values(values)) => Ok(values),
        other => Err(convert::fault(other, call)),
    }
}
