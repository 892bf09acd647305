//! One resource: from a function with types to what the contract exports, and back.

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::bindings::resources::exports::toolgate::plugin::resources::{
    Content, Definition, Given, Guest, ResourceError,
};
use crate::complete::Asked;
use crate::types::Error;
use crate::{ToolError, cut, prompt};

/// How much of a wrong name is repeated in an error.
const ECHO_CHARS_MAX: usize = 200;

impl Content {
    /// A text of the definition's media type.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), mime_type: None, truncated: false }
    }

    /// A value as JSON. Leave out what changes by itself, such as ages: a subscriber is told of
    /// everything that reads differently.
    ///
    /// # Errors
    /// The value cannot be written as JSON.
    pub fn json(value: &impl Serialize) -> Result<Self, ResourceError> {
        let text = serde_json::to_string(value)
            .map_err(|error| ResourceError::Failed(format!("the content is not JSON: {error}")))?;
        Ok(Self::text(text))
    }

    /// The same content, marked as cut short where `truncated` is true.
    #[must_use]
    pub fn truncated(self, truncated: bool) -> Self {
        Self { truncated, ..self }
    }
}

impl From<Error> for ResourceError {
    /// What cannot be a name is the name of nothing.
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound(text) | Error::InvalidArgument(text) => Self::NotFound(text),
            other @ (Error::Denied(_) | Error::Unavailable(_) | Error::LimitExceeded(_)) => {
                match ToolError::from(other) {
                    ToolError::InvalidArguments(text) | ToolError::Failed(text) => {
                        Self::Failed(text)
                    }
                }
            }
        }
    }
}

/// The definition of a resource.
#[must_use]
pub fn define(name: &str, uri: &str, title: &str, description: &str, mime: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        uri: uri.to_owned(),
        title: Some(title.to_owned()),
        description: description.to_owned(),
        mime_type: Some(mime.to_owned()),
    }
}

/// Reads a resource: variables from texts.
pub fn run<A: DeserializeOwned>(
    read: fn(A) -> Result<Content, ResourceError>,
    variables: Vec<Given>,
) -> Result<Content, ResourceError> {
    let pairs = variables.into_iter().map(|Given { name, value }| (name, value));
    read(prompt::read(pairs).map_err(ResourceError::NotFound)?)
}

/// What is asked of a completion.
#[must_use]
pub fn asked(argument: String, value: String, given: Vec<Given>) -> Asked {
    let given = given.into_iter().map(|Given { name, value }| (name, value)).collect();
    Asked { argument, value, given }
}

/// What to say when the host asks for a resource that is not there.
#[must_use]
pub fn unknown(name: &str) -> ResourceError {
    ResourceError::NotFound(format!("this plugin has no resource `{}`", cut(name, ECHO_CHARS_MAX)))
}

/// The definitions as lines of text, for a plugin's snapshot.
#[must_use]
pub fn print(definitions: &[Definition]) -> String {
    let mut text = String::new();
    for resource in definitions {
        let lines = [
            resource.name.as_str(),
            &resource.uri,
            resource.title.as_deref().unwrap_or_default(),
            &resource.description,
            resource.mime_type.as_deref().unwrap_or_default(),
        ];
        text.push_str(&lines.join("\n"));
        text.push_str("\n\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[arguments]
    struct Place {
        cluster: String,
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every resource")]
    fn name(place: Place) -> Result<Content, ResourceError> {
        Ok(Content::text(place.cluster).truncated(true))
    }

    #[test]
    fn reads_with_the_variables_of_its_uri() {
        let given = |name: &str| Given { name: name.to_owned(), value: "demo".to_owned() };
        let content = run(name, vec![given("cluster")]).unwrap();
        assert_eq!((content.text.as_str(), content.truncated), ("demo", true));
        let refused = run(name, vec![given("other")]).unwrap_err();
        assert!(matches!(refused, ResourceError::NotFound(_)), "{refused:?}");
    }

    #[test]
    fn says_of_what_is_no_name_that_it_is_not_there() {
        let not_found =
            ResourceError::from(Error::InvalidArgument("`A` is no namespace".to_owned()));
        assert!(matches!(not_found, ResourceError::NotFound(_)));
        let failed = ResourceError::from(Error::Unavailable("no answer".to_owned()));
        assert!(matches!(failed, ResourceError::Failed(text) if text.starts_with("unavailable: ")));
    }
}
