//! What a call is about.

use std::fmt;

use super::name::{ArgumentName, PromptName, ToolName};
use super::uri::{ResourceUri, UriTemplate};

/// What a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A tool is to be run.
    Tool(ToolName),
    /// A prompt is to be written.
    Prompt(PromptName),
    /// A resource is to be read.
    Resource(ResourceUri),
    /// Values for an argument are wanted. The call's arguments hold what is typed of it so far,
    /// and what is filled in beside it.
    Completion {
        /// Of what.
        of: Completed,
        /// The argument that is being typed.
        argument: ArgumentName,
    },
}

/// What has arguments that can be completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completed {
    /// A prompt.
    Prompt(PromptName),
    /// A family of resources.
    Template(UriTemplate),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool(name) => write!(f, "tool `{name}`"),
            Self::Prompt(name) => write!(f, "prompt `{name}`"),
            Self::Resource(uri) => write!(f, "resource `{uri}`"),
            Self::Completion { of, argument } => write!(f, "argument `{argument}` of {of}"),
        }
    }
}

impl fmt::Display for Completed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prompt(name) => write!(f, "prompt `{name}`"),
            Self::Template(template) => write!(f, "template `{template}`"),
        }
    }
}
