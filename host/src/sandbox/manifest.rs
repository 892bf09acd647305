//! `plugin.toml`: the author's key, read without running anything.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::Deserialize;

use crate::domain::capability::Capability;
use crate::domain::manifest::Manifest;
use crate::domain::name::{NameError, PluginId};

/// The file's name.
pub(super) const FILE: &str = "plugin.toml";

/// Bytes of a manifest.
pub(super) const BYTES_MAX: u64 = 64 << 10;

/// Bytes of a free text in it.
const TEXT_BYTES_MAX: usize = 512;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    name: String,
    version: String,
    description: String,
    contract: String,
    #[serde(default)]
    capabilities: BTreeMap<String, RawCapability>,
    #[serde(default)]
    tools: BTreeMap<String, RawOffer>,
    #[serde(default)]
    prompts: BTreeMap<String, RawOffer>,
    #[serde(default)]
    resources: BTreeMap<String, RawOffer>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCapability {
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOffer {
    #[serde(default)]
    uses: Vec<String>,
}

/// Reads a manifest for the plugin of the folder.
///
/// # Errors
/// All that is wrong with it, each with its path.
pub(super) fn parse(text: &str, folder: &PluginId) -> Result<Manifest, Vec<String>> {
    let raw: Raw =
        toml::from_str(text).map_err(|error| vec![error.to_string().trim_end().to_owned()])?;
    let Raw { name, version, description, contract, capabilities, tools, prompts, resources } = raw;
    let mut problems = Vec::new();
    if name != folder.as_str() {
        problems.push(format!(
            "name: it is `{name}`, but its folder is `{folder}`; make them the same"
        ));
    }
    for (field, text) in [("version", &version), ("description", &description)] {
        if text.is_empty() || text.len() > TEXT_BYTES_MAX {
            problems.push(format!("{field}: it has to have 1 to {TEXT_BYTES_MAX} bytes"));
        }
    }
    if !contract.starts_with("0.1.") && contract != "0.1" {
        problems.push(format!("contract: this host speaks 0.1.x, not `{contract}`"));
    }
    let mut asked = BTreeMap::new();
    for (name, RawCapability { reason }) in capabilities {
        match name.parse::<Capability>() {
            _ if reason.trim().is_empty() || reason.len() > TEXT_BYTES_MAX => {
                problems.push(format!(
                    "capabilities.{name}.reason: say why, in 1 to {TEXT_BYTES_MAX} bytes"
                ));
            }
            Ok(capability) => {
                asked.insert(capability, reason);
            }
            Err(error) => problems.push(format!("capabilities: {error}")),
        }
    }
    let tools = offers("tools", tools, &asked, Writes::May, &mut problems);
    let prompts = offers("prompts", prompts, &asked, Writes::MustNot, &mut problems);
    let resources = offers("resources", resources, &asked, Writes::MustNot, &mut problems);
    if tools.is_empty() && prompts.is_empty() && resources.is_empty() && problems.is_empty() {
        problems.push(
            "tools: there is none; add [tools.<name>], [prompts.<name>] or [resources.<name>] with \
             what it uses"
                .to_owned(),
        );
    }
    if problems.is_empty() {
        let (id, capabilities) = (folder.clone(), asked);
        Ok(Manifest { id, version, description, contract, capabilities, tools, prompts, resources })
    } else {
        Err(problems)
    }
}

/// Whether what is offered may change something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    May,
    /// Clients write prompts and read resources without asking anybody.
    MustNot,
}

/// One of the tables of what is offered, each with what it uses.
fn offers<N: FromStr<Err = NameError> + Ord>(
    table: &str,
    raw: BTreeMap<String, RawOffer>,
    asked: &BTreeMap<Capability, String>,
    writes: Writes,
    problems: &mut Vec<String>,
) -> BTreeMap<N, BTreeSet<Capability>> {
    let mut offered = BTreeMap::new();
    for (name, RawOffer { uses }) in raw {
        let mut used = BTreeSet::new();
        for word in uses {
            match word.parse::<Capability>() {
                Ok(capability) if !asked.contains_key(&capability) => problems.push(format!(
                    "{table}.{name}.uses: `{capability}` is not asked for; add [capabilities.{capability}]"
                )),
                Ok(capability) if capability.tier().writes() && writes == Writes::MustNot => {
                    problems.push(format!(
                        "{table}.{name}.uses: `{capability}` changes something, and {table} must \
                         not; offer a tool for it"
                    ));
                }
                Ok(capability) => {
                    used.insert(capability);
                }
                Err(error) => problems.push(format!("{table}.{name}.uses: {error}")),
            }
        }
        match name.parse::<N>() {
            Ok(name) => {
                offered.insert(name, used);
            }
            Err(error) => problems.push(format!("{table}: {error}")),
        }
    }
    offered
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"
        name = "pods"
        version = "0.1.0"
        description = "Pods"
        contract = "0.1.0"
        [capabilities.kubernetes-read]
        reason = "reads pods"
        [tools.list_pods]
        uses = ["kubernetes-read"]
    "#;

    fn folder() -> PluginId {
        "pods".parse().unwrap()
    }

    #[test]
    fn reads_a_manifest() {
        let manifest = parse(GOOD, &folder()).unwrap();
        assert!(manifest.capabilities.contains_key(&Capability::KubernetesRead));
        let tool = "list_pods".parse().unwrap();
        assert_eq!(manifest.tier(&tool), crate::domain::capability::Tier::Read);
    }

    #[test]
    fn says_all_that_is_wrong() {
        let text = GOOD
            .replace("name = \"pods\"", "name = \"bods\"")
            .replace("0.1.0\"\n        [cap", "2.0.0\"\n        [cap")
            .replace("uses = [\"kubernetes-read\"]", "uses = [\"kubernetes-logs\", \"shell\"]");
        let problems = parse(&text, &folder()).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:#?}");
        assert!(parse(&GOOD.replace("version", "verzion"), &folder()).is_err());
        assert!(parse("", &folder()).is_err());
    }
    #[test]
    fn lets_nothing_write_but_tools() {
        let prompt = GOOD.replace("[tools.list_pods]", "[prompts.look-around]");
        let manifest = parse(&prompt, &folder()).unwrap();
        assert!(manifest.prompts.contains_key(&"look-around".parse().unwrap()));
        let writes = prompt.replace("kubernetes-read", "kubernetes-restart");
        let problems = parse(&writes, &folder()).unwrap_err();
        assert!(problems[0].starts_with("prompts.look-around.uses: "), "{problems:#?}");
        let tool = writes.replace("[prompts.look-around]", "[tools.look_around]");
        assert!(parse(&tool, &folder()).is_ok());
        let resource = writes.replace("[prompts.", "[resources.");
        assert_eq!(parse(&resource, &folder()).unwrap_err().len(), 1);
    }
}
