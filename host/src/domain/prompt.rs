//! A prompt as clients see it.

use super::name::{ArgumentName, PluginId, PromptName};

/// A prompt as clients see it.
#[derive(Debug, Clone)]
pub struct PromptListing {
    /// Its name.
    pub name: PromptName,
    /// The plugin that offers it.
    pub plugin: PluginId,
    /// A name for people.
    pub title: Option<String>,
    /// What it is for.
    pub description: String,
    /// The blanks that a caller fills in.
    pub arguments: Vec<PromptArgument>,
}

/// A blank in a prompt.
#[derive(Debug, Clone)]
pub struct PromptArgument {
    /// Its name.
    pub name: ArgumentName,
    /// What to fill in.
    pub description: Option<String>,
    /// Whether there is no prompt without it.
    pub required: bool,
}
