//! One prompt: from a function with types to what the contract exports, and back.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub use crate::bindings::prompts::exports::toolgate::plugin::prompts::{
    Argument, Definition, Given, Guest, Message, PromptError, Role,
};
use crate::complete::Asked;
use crate::types::Error;
use crate::{ToolError, cut, schema};

/// How much of a wrong argument is repeated in an error.
const ECHO_CHARS_MAX: usize = 200;

/// A prompt, written. A text becomes one message of the user.
#[derive(Debug, Clone, Default)]
pub struct Messages(Vec<Message>);

impl Messages {
    /// What the user says next.
    #[must_use]
    pub fn user(self, text: impl Into<String>) -> Self {
        self.said(Role::User, text.into())
    }

    /// What the model says next.
    #[must_use]
    pub fn assistant(self, text: impl Into<String>) -> Self {
        self.said(Role::Assistant, text.into())
    }

    fn said(mut self, role: Role, text: String) -> Self {
        self.0.push(Message { role, text });
        self
    }
}

impl From<String> for Messages {
    fn from(text: String) -> Self {
        Self::default().user(text)
    }
}

impl From<Error> for PromptError {
    fn from(error: Error) -> Self {
        match ToolError::from(error) {
            ToolError::InvalidArguments(text) => Self::InvalidArguments(text),
            ToolError::Failed(text) => Self::Failed(text),
        }
    }
}

/// The definition of a prompt, with the arguments that its type has.
pub fn define<A: JsonSchema, M: Into<Messages>>(
    name: &str,
    title: &str,
    description: &str,
    _write: fn(A) -> Result<M, PromptError>,
) -> Definition {
    Definition {
        name: name.to_owned(),
        title: Some(title.to_owned()),
        description: description.to_owned(),
        arguments: arguments(&schema::of_arguments::<A>()),
    }
}

/// The members of an object's schema, in the order in which a person fills them in: what has to be
/// there comes first.
fn arguments(schema: &str) -> Vec<Argument> {
    let schema: Value = serde_json::from_str(schema).unwrap_or_default();
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return Vec::new();
    };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut arguments: Vec<Argument> = properties
        .iter()
        .map(|(name, property)| Argument {
            name: name.clone(),
            description: property.get("description").and_then(Value::as_str).map(str::to_owned),
            required: required.contains(&name.as_str()),
        })
        .collect();
    // Where comes before what: the places decide what can be proposed for the others. Stable.
    let is_place = |name: &str| matches!(name, "cluster" | "namespace");
    arguments.sort_by_key(|argument| (!argument.required, !is_place(&argument.name)));
    arguments
}

/// Writes a prompt: arguments from texts, messages to the contract's.
pub fn run<A: DeserializeOwned, M: Into<Messages>>(
    write: fn(A) -> Result<M, PromptError>,
    arguments: Vec<Given>,
) -> Result<Vec<Message>, PromptError> {
    let pairs = arguments.into_iter().map(|Given { name, value }| (name, value));
    let arguments = read(pairs).map_err(PromptError::InvalidArguments)?;
    Ok(write(arguments)?.into().0)
}

/// A struct of texts. What a form left empty is not there.
pub(crate) fn read<A: DeserializeOwned>(
    pairs: impl Iterator<Item = (String, String)>,
) -> Result<A, String> {
    let object: Map<String, Value> = pairs
        .filter(|(_, value)| !value.trim().is_empty())
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    serde_json::from_value(Value::Object(object))
        .map_err(|error| cut(&error.to_string(), ECHO_CHARS_MAX))
}

/// What is asked of a completion.
#[must_use]
pub fn asked(argument: String, value: String, given: Vec<Given>) -> Asked {
    let given = given.into_iter().map(|Given { name, value }| (name, value)).collect();
    Asked { argument, value, given }
}

/// What to say when the host asks for a prompt that is not there.
#[must_use]
pub fn unknown(name: &str) -> PromptError {
    PromptError::Failed(format!("this plugin has no prompt `{}`", cut(name, ECHO_CHARS_MAX)))
}

/// The definitions as lines of text, for a plugin's snapshot.
#[must_use]
pub fn print(definitions: &[Definition]) -> String {
    let mut text = String::new();
    for prompt in definitions {
        let title = prompt.title.as_deref().unwrap_or_default();
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}\n{title}\n{}", prompt.name, prompt.description);
        for argument in &prompt.arguments {
            let need = if argument.required { "required" } else { "optional" };
            let description = argument.description.as_deref().unwrap_or_default();
            let _ = writeln!(text, "  {} ({need}): {description}", argument.name);
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::*;

    #[arguments]
    struct Args {
        /// Where to look.
        namespace: String,
        cluster: Option<String>,
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every prompt")]
    fn look(args: Args) -> Result<String, PromptError> {
        let Args { namespace, cluster } = args;
        Ok(format!("{namespace} of {}", cluster.as_deref().unwrap_or("the default")))
    }

    fn given(pairs: &[(&str, &str)]) -> Vec<Given> {
        let one = |(name, value): &(&str, &str)| Given {
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        };
        pairs.iter().map(one).collect()
    }

    #[test]
    fn describes_the_arguments() {
        expect_test::expect![[r#"
            look
            Look
            Looks.
              namespace (required): Where to look.
              cluster (optional): 

        "#]]
        .assert_eq(&print(&[define("look", "Look", "Looks.", look)]));
    }

    #[test]
    fn writes_one_message_of_a_text() {
        let messages = run(look, given(&[("namespace", "shop"), ("cluster", " ")])).unwrap();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].text, "shop of the default");
        assert!(matches!(messages[0].role, Role::User));
    }

    #[test]
    fn refuses_arguments_that_do_not_fit() {
        for pairs in [&[][..], &[("namespace", "")], &[("namespace", "a"), ("other", "b")]] {
            let refused = run(look, given(pairs)).unwrap_err();
            assert!(matches!(refused, PromptError::InvalidArguments(_)), "{refused:?}");
        }
    }
}
