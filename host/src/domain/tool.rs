//! A tool as clients see it.

use std::sync::Arc;

use super::capability::Tier;
use super::name::{PluginId, ToolName};

/// A tool as clients see it.
#[derive(Debug, Clone)]
pub struct ToolListing {
    /// Its name.
    pub name: ToolName,
    /// The plugin that offers it.
    pub plugin: PluginId,
    /// A name for people.
    pub title: Option<String>,
    /// What it does.
    pub description: String,
    /// JSON Schema of the arguments, an object.
    pub input_schema: Arc<serde_json::Map<String, serde_json::Value>>,
    /// JSON Schema of the structured content, an object.
    pub output_schema: Option<Arc<serde_json::Map<String, serde_json::Value>>>,
    /// What a call can do at most: hints for clients are derived from it.
    pub tier: Tier,
}
