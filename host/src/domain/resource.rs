//! A resource as clients see it.

use super::name::{PluginId, ResourceName};
use super::uri::UriTemplate;

/// A resource, or a family of them, as clients see it.
#[derive(Debug, Clone)]
pub struct ResourceListing {
    /// What the plugin calls it.
    pub name: ResourceName,
    /// Who offers it; none for what the host tells of itself.
    pub plugin: Option<PluginId>,
    /// Where it is. Without variables it is one resource, and with them a family.
    pub uri: UriTemplate,
    /// A name for people.
    pub title: Option<String>,
    /// What is in it.
    pub description: String,
    /// What kind of text it is.
    pub mime_type: Option<String>,
}
