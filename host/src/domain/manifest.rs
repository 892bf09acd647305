//! What a plugin asks for: its `plugin.toml`, read without running it.

use std::collections::{BTreeMap, BTreeSet};

use super::capability::{Capability, Tier};
use super::name::{PluginId, PromptName, ResourceName, ToolName};

/// The author's key of the two.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The plugin's name, the same as its folder's.
    pub id: PluginId,
    /// The author's version, shown to operators.
    pub version: String,
    /// One line for lists.
    pub description: String,
    /// The contract that the plugin was built for: `0.1.0`.
    pub contract: String,
    /// What it wants, each with the author's reason.
    pub capabilities: BTreeMap<Capability, String>,
    /// Its tools, each with the capabilities that a call of it uses.
    pub tools: BTreeMap<ToolName, BTreeSet<Capability>>,
    /// Its prompts, each with what it uses: nothing that writes.
    pub prompts: BTreeMap<PromptName, BTreeSet<Capability>>,
    /// Its resources, each with what it uses: nothing that writes.
    pub resources: BTreeMap<ResourceName, BTreeSet<Capability>>,
}

impl Manifest {
    /// What the named tool can do at most.
    pub fn tier(&self, tool: &ToolName) -> Tier {
        self.tools.get(tool).map_or(Tier::Ambient, highest)
    }
}

/// The highest tier among capabilities.
pub fn highest(uses: &BTreeSet<Capability>) -> Tier {
    uses.iter().map(|capability| capability.tier()).max().unwrap_or(Tier::Ambient)
}
