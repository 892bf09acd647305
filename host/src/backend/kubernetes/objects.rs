//! The port `Objects`: any kind, as JSON.

use std::borrow::Cow;

use async_trait::async_trait;
use kube::api::{GetParams, ListParams};
use kube::core::Request;
use serde_json::Value;

use super::Clusters;
use super::about::About;
use super::ask::{Failure, Take};
use super::connect::Link;
use super::convert::text;
use super::discover::Served;
use super::fetch::Chunk;
use super::item::Item;
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{List, Page};
use crate::capability::objects::{Objects, ServedKind};
use crate::domain::kind::{AskedKind, KINDS, OwnKind};
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::similar::similar;

#[async_trait]
impl Objects for Clusters {
    async fn served(
        &self,
        cluster: &ClusterName,
        asked: &AskedKind,
    ) -> Result<ServedKind, CapabilityError> {
        let link = self.link(cluster)?;
        match asked {
            AskedKind::Own(kind, version) => own(link, kind, version.as_deref()).await,
            AskedKind::Other { word, group, version } => {
                other(link, word, group, version.as_deref()).await
            }
        }
    }

    async fn object(
        &self,
        cluster: &ClusterName,
        kind: &ServedKind,
        namespace: Option<&Namespace>,
        name: &ObjectName,
    ) -> Result<Value, CapabilityError> {
        let link = self.link(cluster)?;
        let namespace = namespace.map(Namespace::as_str);
        let about = About::object(&kind.kind, namespace, name.as_str());
        let request = Request::new(path(kind, namespace))
            .get(name.as_str(), &GetParams::default())
            .map_err(|error| about.explain(Failure::Unsendable(error.to_string())))?;
        let taken = link.read(request, Take::Whole).await;
        let item: Item = taken
            .and_then(|taken| taken.decode())
            .map_err(|failure| failed(link, kind, &about, failure))?;
        Ok(named(item, kind))
    }

    async fn objects(
        &self,
        kind: &ServedKind,
        list: &List,
        field_selector: Option<&str>,
    ) -> Result<Page<Value>, CapabilityError> {
        let namespace = list.namespace.as_ref().map(Namespace::as_str);
        let about = About::list(&kind.kind, namespace);
        let mut params = super::read::list_params(list)?;
        params.field_selector = field_selector.map(str::to_owned);
        let link = self.link(&list.cluster)?;
        let chunk = fitting(link, &path(kind, namespace), params)
            .await
            .map_err(|failure| failed(link, kind, &about, failure))?;
        let chunk = super::read::checked(chunk, list.limit.max(1))?;
        Ok(Page {
            items: chunk.items.into_iter().map(|item| named(item, kind)).collect(),
            continue_token: chunk.continue_token,
            remaining: chunk.remaining,
        })
    }
}

/// One page. Objects of some kinds are a hundred times larger than those of others: where a page is
/// too large, a smaller one may do, and the token goes on behind it.
async fn fitting(link: &Link, path: &str, mut params: ListParams) -> Result<Chunk<Item>, Failure> {
    loop {
        match (link.chunk(path, &params).await, params.limit) {
            (Err(Failure::TooLarge { .. }), Some(limit)) if limit > 1 => {
                params.limit = Some(limit / 8 + 1);
            }
            (chunk, _) => return chunk,
        }
    }
}

fn path(kind: &ServedKind, namespace: Option<&str>) -> String {
    let ServedKind { group, version, plural, .. } = kind;
    let root = if group.is_empty() {
        format!("/api/{version}")
    } else {
        format!("/apis/{group}/{version}")
    };
    match namespace {
        Some(namespace) => format!("{root}/namespaces/{namespace}/{plural}"),
        None => format!("{root}/{plural}"),
    }
}

/// The items of a list do not say what they are.
fn named(item: Item, kind: &ServedKind) -> Value {
    let Item(mut members) = item;
    members.insert("apiVersion".to_owned(), Value::from(kind.api_version()));
    members.insert("kind".to_owned(), Value::from(kind.kind.as_str()));
    Value::Object(members)
}

fn failed(link: &Link, kind: &ServedKind, about: &About<'_>, failure: Failure) -> CapabilityError {
    if let Failure::Answered(answer) = &failure
        && answer.code == 404
        && (about.name.is_none() || !answer.is_status)
    {
        // Not the object is missing but its kind.
        link.discovered.forget(&kind.group);
        return CapabilityError::InvalidArgument(format!(
            "the cluster does not serve `{} {}`",
            kind.api_version(),
            kind.kind
        ));
    }
    about.explain(failure)
}

async fn own(
    link: &Link,
    kind: &'static OwnKind,
    version: Option<&str>,
) -> Result<ServedKind, CapabilityError> {
    let served = |version: &str| ServedKind {
        canonical: kind.canonical(),
        kind: kind.name.to_owned(),
        group: kind.group.to_owned(),
        version: version.to_owned(),
        plural: kind.plural.to_owned(),
        namespaced: kind.namespaced,
    };
    let first = kind.versions.first().copied().unwrap_or("v1");
    match version {
        None if kind.versions.len() == 1 => return Ok(served(first)),
        Some(version) if version == first && kind.versions.len() == 1 => return Ok(served(first)),
        Some(version) if kind.group.is_empty() => {
            return Err(not_served(&format!("{} {}", text::one_line(version), kind.name), None));
        }
        None | Some(_) => {}
    }
    let found = match link.group(kind.group).await {
        Ok(found) => found,
        // A cluster that does not say what it serves may serve it all the same.
        Err(Failure::Answered(answer)) if answer.code == 403 => {
            return Ok(served(version.unwrap_or(first)));
        }
        Err(failure) => return Err(undiscovered(kind.group, failure)),
    };
    let is_served =
        |version: &str| found.iter().any(|f| f.version == version && f.plural == kind.plural);
    let wanted: Vec<&str> = version.map_or_else(|| kind.versions.to_vec(), |one| vec![one]);
    match wanted.into_iter().find(|version| is_served(version)) {
        Some(version) => Ok(served(version)),
        None => Err(not_served(&format!("{}.{}", kind.name, kind.group), None)),
    }
}

async fn other(
    link: &Link,
    word: &str,
    group: &str,
    version: Option<&str>,
) -> Result<ServedKind, CapabilityError> {
    let found = link.group(group).await.map_err(|failure| undiscovered(group, failure))?;
    let is_meant =
        |f: &&Served| f.is_called(word) && version.is_none_or(|version| f.version == version);
    // Events are granted by what they are about, which only their own door looks at.
    let is_event = |f: &Served| f.kind == "Event" && group == "events.k8s.io";
    match found.iter().find(is_meant) {
        Some(found) if !is_event(found) => {
            let own = KINDS.iter().find(|own| own.group == group && own.name == found.kind);
            Ok(ServedKind {
                canonical: own.map_or_else(
                    || Cow::Owned(format!("{}.{group}", found.kind)),
                    |own| Cow::Borrowed(own.name),
                ),
                kind: found.kind.clone(),
                group: group.to_owned(),
                version: found.version.clone(),
                plural: found.plural.clone(),
                namespaced: found.namespaced,
            })
        }
        _ => {
            let known = found.iter().flat_map(|found| [found.kind.as_str(), &found.plural]);
            let asked = match version {
                Some(version) => format!("{word}.{version}.{group}"),
                None => format!("{word}.{group}"),
            };
            Err(not_served(&asked, similar(word, known).filter(|meant| *meant != word)))
        }
    }
}

fn not_served(asked: &str, meant: Option<&str>) -> CapabilityError {
    let meant = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    CapabilityError::InvalidArgument(format!("the cluster does not serve `{asked}`{meant}"))
}

fn undiscovered(group: &str, failure: Failure) -> CapabilityError {
    if let Failure::Answered(answer) = &failure
        && answer.code == 404
    {
        return CapabilityError::InvalidArgument(format!(
            "the cluster does not serve the group `{group}`"
        ));
    }
    About::list("kind", None).explain(failure)
}
