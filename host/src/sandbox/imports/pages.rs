//! Listing what is granted, page by page: the whole cluster where all of it is, else one namespace
//! after the other.

use std::borrow::Cow;
use std::future::Future;

use serde::{Deserialize, Serialize};

use super::super::bindings::toolgate::plugin::types::{Error, ListQuery};
use super::{Door, Shut, invalid, namespace, within};
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{List, Page};
use crate::domain::decision::Verdict;
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::scope::Target;

/// Objects of one page.
pub(super) const PAGE_MAX: u32 = 250;

/// Bytes of a selector.
const SELECTOR_BYTES_MAX: usize = 1_024;

/// Bytes of a cursor. The API server's own tokens have a few hundred.
const CURSOR_BYTES_MAX: usize = 4_096;

/// Namespaces that one page looks into before it returns what it has.
const NAMESPACES_PER_PAGE_MAX: usize = 64;

/// Where the next page begins.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cursor {
    #[serde(rename = "n", skip_serializing_if = "Option::is_none", default)]
    namespace: Option<String>,
    #[serde(rename = "t", skip_serializing_if = "Option::is_none", default)]
    token: Option<String>,
}

/// What a page is to be of.
pub(super) struct Listing {
    pub cluster: ClusterName,
    pub kind: Cow<'static, str>,
    pub is_namespaced: bool,
    pub namespace: Option<String>,
    pub label_selector: Option<String>,
    pub limit: u32,
    pub continue_: Option<String>,
}

/// What was found, and where to go on.
pub(super) struct Found<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
    pub remaining: Option<u64>,
}

impl Door {
    /// The namespaces that a query is about, in order. `None` is all of them in one request.
    pub(super) async fn namespaces(
        &self,
        cluster: &ClusterName,
        named: Option<&str>,
        kind: &str,
    ) -> Result<Vec<Option<Namespace>>, Shut> {
        if let Some(named) = named {
            return Ok(vec![Some(namespace(named)?)]);
        }
        let granted = &self.scope()?.namespaces;
        let mode = &self.scene.ports.mode.namespaces;
        let is_judged = self.scene.ports.policy.judges_namespaces("list");
        if granted.is_all() && mode.is_all() && !is_judged {
            return Ok(vec![None]);
        }
        // Names that the operator wrote need no look at the cluster, and no right to look.
        let names = match granted.literals().or_else(|| mode.literals()) {
            Some(names) => names.to_vec(),
            None => self.all_namespaces(cluster, kind).await?,
        };
        let mut names: Vec<Namespace> = names
            .iter()
            .filter(|name| granted.contains(name) && mode.contains(name))
            .filter_map(|name| name.parse().ok())
            .filter(|place| !is_judged || self.lists(cluster, place, kind))
            .collect();
        names.sort();
        names.dedup();
        Ok(names.into_iter().map(Some).collect())
    }

    /// Whether a list of the namespace would be allowed. One of many that is not is passed over.
    fn lists(&self, cluster: &ClusterName, place: &Namespace, kind: &str) -> bool {
        let (cluster, namespace) = (cluster.clone(), Some(place.clone()));
        let target = Target { cluster, namespace, kind: kind.to_owned().into(), name: None };
        !matches!(self.verdict("list", &target, true), Verdict::Deny { .. })
    }

    async fn all_namespaces(&self, cluster: &ClusterName, kind: &str) -> Result<Vec<String>, Shut> {
        let kind = Cow::Owned(kind.to_owned());
        let target = Target { cluster: cluster.clone(), namespace: None, kind, name: None };
        let whole = Target { kind: "Namespace".into(), ..target.clone() };
        self.note("list", &whole, true, None).await?;
        let kubernetes = self.scene.ports.kubernetes.clone();
        let cluster = cluster.clone();
        let all = self.port(&target, async move { kubernetes.namespaces(&cluster).await }).await?;
        Ok(all.into_iter().map(|namespace| namespace.name).collect())
    }

    /// An empty answer may mean that there is no such namespace, and the API server does not say.
    pub(super) async fn require_namespace(&self, target: &Target) -> Result<(), Shut> {
        let Some(name) = target.namespace.clone() else { return Ok(()) };
        let cluster = target.cluster.clone();
        let object = Some(name.to_string());
        let looked = Target {
            cluster: cluster.clone(),
            namespace: None,
            kind: "Namespace".into(),
            name: object,
        };
        self.note("get", &looked, true, None).await?;
        let kubernetes = self.scene.ports.kubernetes.clone();
        let work = async move {
            match kubernetes.namespace(&cluster, &name).await {
                // A server that may not look at namespaces cannot tell; the empty answer stands.
                Ok(_) | Err(CapabilityError::Forbidden { .. }) => Ok(()),
                Err(error) => Err(error),
            }
        };
        let whole = Target { name: None, ..target.clone() };
        self.port(&whole, work).await
    }

    /// One page over all that the query is about.
    pub(super) async fn page<T, F>(
        &self,
        query: ListQuery,
        kind: &'static str,
        name_of: impl Fn(&T) -> &str,
        fetch: impl Fn(List) -> F,
    ) -> Result<Found<T>, Shut>
    where
        T: Send + 'static,
        F: Future<Output = Result<Page<T>, CapabilityError>> + Send + 'static,
    {
        let ListQuery { cluster, namespace, label_selector, limit, continue_ } = query;
        let cluster = self.cluster(cluster).await?;
        let limit = within("limit", limit, PAGE_MAX, PAGE_MAX)?;
        let is_namespaced = super::is_namespaced(kind);
        let kind = Cow::Borrowed(kind);
        let listing =
            Listing { cluster, kind, is_namespaced, namespace, label_selector, limit, continue_ };
        self.page_of(listing, name_of, fetch).await
    }

    /// One page of a kind that the cluster may have had to be asked about.
    pub(super) async fn page_of<T, F>(
        &self,
        listing: Listing,
        name_of: impl Fn(&T) -> &str,
        fetch: impl Fn(List) -> F,
    ) -> Result<Found<T>, Shut>
    where
        T: Send + 'static,
        F: Future<Output = Result<Page<T>, CapabilityError>> + Send + 'static,
    {
        let Listing { cluster, kind, is_namespaced, namespace, label_selector, limit, continue_ } =
            listing;
        bounded("label-selector", label_selector.as_deref())?;
        let mut cursor = cursor(continue_.as_deref())?;
        let places = match (is_namespaced, namespace.as_deref()) {
            (true, named) => self.namespaces(&cluster, named, &kind).await?,
            (false, Some(_)) => {
                return Err(invalid(format!("{kind} objects are in no namespace")));
            }
            (false, None) => vec![None],
        };
        let one_named = namespace.is_some();
        let from = cursor.namespace.take();
        let behind = |place: &&Option<Namespace>| {
            place.as_ref().map(Namespace::as_str) >= from.as_deref() || place.is_none()
        };
        let places: Vec<&Option<Namespace>> = places.iter().filter(behind).collect();
        let names = self.scope()?.names.clone();
        let are_namespaces = kind == super::NAMESPACE;
        let mut found = Found { items: Vec::new(), next: None, remaining: None };
        for (place_idx, place) in places.iter().copied().enumerate() {
            let target = Target {
                cluster: cluster.clone(),
                namespace: place.clone(),
                kind: kind.clone(),
                name: None,
            };
            self.check_as("list", &target, is_namespaced).await?;
            let room = limit.saturating_sub(u32::try_from(found.items.len()).unwrap_or(limit));
            let list = List {
                cluster: cluster.clone(),
                namespace: place.clone(),
                label_selector: label_selector.clone(),
                limit: room,
                continue_token: cursor.token.take(),
            };
            let page = self.port(&target, fetch(list)).await?;
            if one_named && page.items.is_empty() {
                self.require_namespace(&target).await?;
            }
            for item in page.items {
                let name = name_of(&item);
                if names.contains(name)
                    && (!are_namespaces || self.grants_namespace(name)?)
                    && self
                        .sees("list", || Target { name: Some(name.to_owned()), ..target.clone() })
                {
                    found.items.push(item);
                }
            }
            // The server counts what is not granted too, and only of this place.
            let is_judged = self.scene.ports.policy.judges_names("list");
            let counts_all = names.is_all() && !is_judged && places.len() == 1 && !are_namespaces;
            found.remaining = page.remaining.filter(|_| counts_all);
            if page.continue_token.is_some() {
                let namespace = place.as_ref().map(ToString::to_string);
                found.next = Some(text(&Cursor { namespace, token: page.continue_token })?);
                break;
            }
            let full = found.items.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            let enough = full || place_idx + 1 >= NAMESPACES_PER_PAGE_MAX;
            if let (true, Some(Some(next))) = (enough, places.get(place_idx + 1)) {
                let namespace = Some(next.to_string());
                found.next = Some(text(&Cursor { namespace, token: None })?);
                break;
            }
        }
        Ok(found)
    }
}

/// A selector within its bound.
pub(super) fn bounded(name: &str, selector: Option<&str>) -> Result<(), Shut> {
    match selector {
        Some(selector) if selector.len() > SELECTOR_BYTES_MAX => {
            Err(invalid(format!("`{name}` has more than {SELECTOR_BYTES_MAX} bytes")))
        }
        Some(_) | None => Ok(()),
    }
}

fn cursor(text: Option<&str>) -> Result<Cursor, Shut> {
    let Some(text) = text else { return Ok(Cursor { namespace: None, token: None }) };
    let wrong = || invalid("`continue` is not what the page before returned".to_owned());
    if text.len() > CURSOR_BYTES_MAX {
        return Err(wrong());
    }
    serde_json::from_str(text).map_err(|_| wrong())
}

fn text(cursor: &Cursor) -> Result<String, Shut> {
    let failed = |_| Shut::Told(Error::Unavailable("the page's end cannot be written".to_owned()));
    serde_json::to_string(cursor).map_err(failed)
}
