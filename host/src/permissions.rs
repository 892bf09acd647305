//! What the house tells of itself, and no plugin could: what the caller may do, and which clusters
//! there are and what became of its requests, as resources, and clusters as values for an argument
//! that is called `cluster`. Decides nothing, answers no request, and reads no cluster. A call of it is on record and admitted like any other.

use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value, json};

use crate::domain::call::{Content, Outcome};
use crate::domain::capability::{Capability, Tier};
use crate::domain::grant::Grants;
use crate::domain::limits::COMPLETIONS_MAX;
use crate::domain::mode::Mode;
use crate::domain::name::{ApprovalId, ClusterName};
use crate::domain::resource::ResourceListing;
use crate::domain::subject::Subject;
use crate::domain::uri::{ResourceUri, UriTemplate};
use crate::domain::withheld::Withheld;
use crate::governance::admission::{Governor, Offer, Permit};
use crate::governance::approval::Answers;
use crate::sandbox::{Plugin, Sandbox};
use crate::schema::Schema;

/// The argument that the house completes: a plugin does not know which clusters there are.
const CLUSTER: &str = "cluster";

/// What can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Document {
    Permissions,
    Clusters,
    Approvals,
    Approval,
}

impl Document {
    const ALL: [Self; 4] = [Self::Permissions, Self::Clusters, Self::Approvals, Self::Approval];

    fn uri(self) -> &'static str {
        match self {
            Self::Permissions => "toolgate://permissions",
            Self::Clusters => "toolgate://clusters",
            Self::Approvals => "toolgate://approvals",
            Self::Approval => "toolgate://approvals/{id}",
        }
    }

    fn listing(self) -> Option<ResourceListing> {
        let (name, title, description) = match self {
            Self::Permissions => (
                "permissions",
                "Your permissions",
                "What you may do here: the tools that you may call with their tiers, and how far \
                 each plugin's capabilities reach.",
            ),
            Self::Clusters => (
                "clusters",
                "Clusters",
                "The clusters that some plugin may reach, and the one that is meant where none is \
                 named.",
            ),
            Self::Approvals => (
                "approvals",
                "Your approvals",
                "The writes that you asked for and that people have to approve: where each stands, \
                 who is missing, what came of it. Nobody answers through this.",
            ),
            Self::Approval => (
                "approval",
                "One of your approvals",
                "Where a write stands that you asked for, who is missing, and what came of it. \
                 Subscribe to it to learn the answer.",
            ),
        };
        Some(ResourceListing {
            name: name.parse().ok()?,
            plugin: None,
            uri: self.uri().parse().ok()?,
            title: Some(title.to_owned()),
            description: description.to_owned(),
            mime_type: Some("application/json".to_owned()),
        })
    }

    /// The document of a URI, with what stands in place of its variable.
    fn of(uri: &ResourceUri) -> Option<(Self, Option<String>)> {
        static TEMPLATES: LazyLock<Vec<(Document, UriTemplate)>> = LazyLock::new(|| {
            let parsed = |document: Document| Some((document, document.uri().parse().ok()?));
            Document::ALL.into_iter().filter_map(parsed).collect()
        });
        TEMPLATES.iter().find_map(|(document, template)| {
            let mut variables = template.read(uri)?.into_values();
            Some((*document, variables.next()))
        })
    }
}

/// The documents, as clients see them.
pub fn listings() -> impl Iterator<Item = Arc<ResourceListing>> {
    static LISTINGS: LazyLock<Vec<Arc<ResourceListing>>> = LazyLock::new(|| {
        Document::ALL.into_iter().filter_map(Document::listing).map(Arc::new).collect()
    });
    LISTINGS.iter().cloned()
}

/// What admission looks at, where the subject is one of them.
pub fn offer(subject: &Subject) -> Option<Arc<Offer>> {
    static OFFER: LazyLock<Option<Arc<Offer>>> = LazyLock::new(|| {
        Some(Arc::new(Offer {
            plugin: "toolgate".parse().ok()?,
            digest: concat!("toolgate ", env!("CARGO_PKG_VERSION")).to_owned(),
            uses: BTreeSet::new(),
            tier: Tier::Ambient,
            arguments: Schema::compile(r#"{"type":"object","maxProperties":0}"#).ok()?,
        }))
    });
    document(subject).and_then(|_| OFFER.clone())
}

fn document(subject: &Subject) -> Option<(Document, Option<String>)> {
    match subject {
        Subject::Resource(uri) => Document::of(uri),
        Subject::Tool(_) | Subject::Prompt(_) | Subject::Completion { .. } => None,
    }
}

fn is_cluster(subject: &Subject) -> bool {
    match subject {
        Subject::Completion { argument, of: _ } => argument.as_str() == CLUSTER,
        Subject::Tool(_) | Subject::Prompt(_) | Subject::Resource(_) => false,
    }
}

/// Whether the house answers by itself.
pub fn answers(subject: &Subject) -> bool {
    is_cluster(subject) || document(subject).is_some()
}

/// Answers what was admitted: the permit is spent here.
pub async fn told(
    permit: Permit,
    governor: &Governor,
    sandbox: &Sandbox,
    answers: &Arc<Answers>,
) -> Outcome {
    let subject = &permit.call().subject;
    if is_cluster(subject) {
        return Outcome::Values(proposed(&permit, sandbox));
    }
    let value = match document(subject) {
        Some((Document::Permissions, _)) => permissions(&permit, governor, sandbox),
        Some((Document::Clusters, _)) => clusters(sandbox),
        Some((Document::Approvals | Document::Approval, id)) => {
            match approvals(&permit, answers, id).await {
                Ok(Some(value)) => value,
                Ok(None) => return Outcome::NotFound(format!("there is no {subject}")),
                Err(internal) => return Outcome::HostFailed { internal },
            }
        }
        None => {
            let internal = format!("the house has no {subject} of its own");
            return Outcome::HostFailed { internal };
        }
    };
    Outcome::Content(Content {
        text: value.to_string(),
        mime_type: Some("application/json".to_owned()),
        truncated: false,
        provenance: Vec::new(),
        withheld: Withheld::default(),
    })
}

/// The caller's own requests, read where that holds up nobody; none of another's.
async fn approvals(
    permit: &Permit,
    answers: &Arc<Answers>,
    id: Option<String>,
) -> Result<Option<Value>, String> {
    let (answers, principal) = (Arc::clone(answers), permit.call().principal.clone());
    let read = move || match id.map(|id| id.parse::<ApprovalId>()) {
        None => answers.tell_all(&principal).map(Some),
        Some(Ok(id)) => answers.tell(&principal, &id),
        Some(Err(_)) => Ok(None), // No name of any.
    };
    let told = tokio::task::spawn_blocking(read).await.map_err(|error| error.to_string())?;
    told.map_err(|error| error.to_string())
}

/// Clusters for an argument that is being typed: those that the plugin reaches which asks for it.
fn proposed(permit: &Permit, sandbox: &Sandbox) -> Vec<String> {
    let typed = permit.call().arguments.get(CLUSTER).and_then(Value::as_str).unwrap_or_default();
    let asks = |plugin: &&Arc<Plugin>| plugin.manifest.id == permit.offer().plugin;
    let plugin = sandbox.plugins().iter().find(asks);
    let reached = |name: &str| plugin.is_some_and(|plugin| reaches(&plugin.terms.grants, name));
    let (clusters, _) = sandbox.clusters();
    let names = clusters.iter().map(ClusterName::as_str);
    let fitting = names.filter(|name| name.starts_with(typed) && reached(name));
    fitting.take(COMPLETIONS_MAX).map(str::to_owned).collect()
}

fn reaches(grants: &Grants, cluster: &str) -> bool {
    grants.iter().any(|(_, scope)| scope.clusters.contains(cluster))
}

fn permissions(permit: &Permit, governor: &Governor, sandbox: &Sandbox) -> Value {
    let principal = &permit.call().principal;
    let admitted = sandbox.tools().filter(|tool| governor.admits(principal, &tool.offer).is_ok());
    let tools = admitted.map(|tool| &tool.listing).map(|listing| {
        json!({
            "name": listing.name.as_str(),
            "plugin": listing.plugin.as_str(),
            "tier": listing.tier.as_str(),
        })
    });
    let plugins = sandbox.plugins().iter().map(|plugin| {
        let asked = plugin.manifest.capabilities.keys();
        json!({
            "name": plugin.manifest.id.as_str(),
            "capabilities": granted(asked, &plugin.terms.grants),
        })
    });
    let Mode { read_only, dry_run, namespaces } = governor.mode();
    json!({
        "principal": principal.to_string(),
        "mode": {
            "read_only": read_only,
            "dry_run": dry_run,
            "namespaces": namespaces.as_slice(),
        },
        "tools": tools.collect::<Vec<_>>(),
        "plugins": plugins.collect::<Vec<_>>(),
    })
}

/// What both keys give, and how far it reaches.
fn granted<'a>(asked: impl Iterator<Item = &'a Capability>, grants: &Grants) -> Map<String, Value> {
    let one = |capability: &Capability| {
        let mut told = Map::new();
        told.insert("tier".to_owned(), json!(capability.tier().as_str()));
        if let Some(scope) = grants.scope(*capability) {
            told.insert("clusters".to_owned(), json!(scope.clusters.as_slice()));
            told.insert("namespaces".to_owned(), json!(scope.namespaces.as_slice()));
            told.insert("kinds".to_owned(), json!(scope.kinds.as_slice()));
            told.insert("names".to_owned(), json!(scope.names.as_slice()));
        }
        (capability.to_string(), Value::Object(told))
    };
    asked.filter(|capability| grants.has(**capability)).map(one).collect()
}

/// A cluster that no grant reaches is not told of.
fn clusters(sandbox: &Sandbox) -> Value {
    let (clusters, default) = sandbox.clusters();
    let is_reached =
        |name: &str| sandbox.plugins().iter().any(|plugin| reaches(&plugin.terms.grants, name));
    let reached = clusters.iter().filter(|cluster| is_reached(cluster.as_str()));
    let told = reached
        .map(|cluster| json!({"name": cluster.as_str(), "default": Some(cluster) == default}));
    json!({"clusters": told.collect::<Vec<_>>()})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_its_documents_and_nothing_else() {
        let names: Vec<_> = listings().map(|listing| listing.uri.to_string()).collect();
        let ours = ["permissions", "clusters", "approvals", "approvals/{id}"];
        assert_eq!(names, ours.map(|path| format!("toolgate://{path}")));
        let subject = |uri: &str| Subject::Resource(uri.parse().unwrap());
        let one = |uri: &str| uri.replace("{id}", "h6h3hjnnt4vehcgs");
        assert!(names.iter().all(|uri| offer(&subject(&one(uri))).is_some()));
        assert!(offer(&subject("toolgate://approvals/a/b")).is_none());
        assert!(offer(&subject("toolgate://other")).is_none());
        assert!(offer(&Subject::Tool("permissions".parse().unwrap())).is_none());
    }
}
