//! Which kinds a cluster serves: asked group by group, when a group is first meant, and remembered
//! for a while.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::ask::{Failure, Take};
use super::connect::Link;

/// How long an answer holds. A new version of a group appears when somebody upgrades a cluster or
/// an operator, and the old ones stay for long beside it.
const AGE_MAX: Duration = Duration::from_mins(10);

/// Groups that are remembered of one cluster. A group's kinds are a few KiB.
const GROUPS_MAX: usize = 64;

/// Versions of one group that are looked into: the first are the preferred ones.
const VERSIONS_MAX: usize = 8;

/// Kinds of one group. The largest that are known have a few hundred.
const KINDS_MAX: usize = 2_000;

/// A kind of a group.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub(super) version: String,
    pub(super) kind: String,
    pub(super) plural: String,
    pub(super) namespaced: bool,
    words: Vec<String>,
}

impl Served {
    /// Whether the kind is called so, in the plural, the singular or for short.
    pub(super) fn is_called(&self, word: &str) -> bool {
        self.kind.eq_ignore_ascii_case(word)
            || self.plural.eq_ignore_ascii_case(word)
            || self.words.iter().any(|other| other.eq_ignore_ascii_case(word))
    }
}

/// The groups that were asked for.
#[derive(Debug, Default)]
pub(super) struct Discovered(Mutex<BTreeMap<String, Known>>);

#[derive(Debug)]
struct Known {
    at: Instant,
    kinds: Arc<[Served]>,
}

impl Discovered {
    fn fresh(&self, group: &str) -> Option<Arc<[Served]>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.get(group).filter(|known| known.at.elapsed() < AGE_MAX)?;
        Some(Arc::clone(&known.kinds))
    }

    fn keep(&self, group: &str, kinds: &Arc<[Served]>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= GROUPS_MAX && !known.contains_key(group) {
            let oldest =
                known.iter().min_by_key(|(_, known)| known.at).map(|(name, _)| name.clone());
            if let Some(oldest) = oldest {
                known.remove(&oldest);
            }
        }
        known.insert(group.to_owned(), Known { at: Instant::now(), kinds: Arc::clone(kinds) });
    }

    /// What is known of the group turned out to be wrong.
    pub(super) fn forget(&self, group: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(group);
    }
}

#[derive(Deserialize)]
struct GroupAnswer {
    versions: Option<Vec<GroupVersion>>,
    #[serde(rename = "preferredVersion")]
    preferred: Option<GroupVersion>,
}

#[derive(Deserialize, PartialEq)]
struct GroupVersion {
    version: String,
}

#[derive(Deserialize)]
struct ResourcesAnswer {
    resources: Option<Vec<ResourceAnswer>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResourceAnswer {
    name: String,
    kind: String,
    #[serde(default)]
    singular_name: String,
    #[serde(default)]
    namespaced: bool,
    #[serde(default)]
    verbs: Vec<String>,
    short_names: Option<Vec<String>>,
}

impl Link {
    /// The kinds of a group, those of the preferred version first.
    pub(super) async fn group(&self, group: &str) -> Result<Arc<[Served]>, Failure> {
        if let Some(kinds) = self.discovered.fresh(group) {
            return Ok(kinds);
        }
        let answer: GroupAnswer = self.get_path(&format!("/apis/{group}")).await?;
        let mut versions = answer.versions.unwrap_or_default();
        versions.retain(|version| is_name(&version.version));
        versions.sort_by_key(|version| Some(version) != answer.preferred.as_ref());
        let mut kinds = Vec::new();
        for GroupVersion { version } in versions.into_iter().take(VERSIONS_MAX) {
            let answer: ResourcesAnswer =
                self.get_path(&format!("/apis/{group}/{version}")).await?;
            let resources = answer.resources.unwrap_or_default().into_iter();
            let room = KINDS_MAX.saturating_sub(kinds.len());
            kinds.extend(resources.filter_map(|found| served(&version, found)).take(room));
        }
        let kinds = Arc::from(kinds);
        self.discovered.keep(group, &kinds);
        Ok(kinds)
    }

    async fn get_path<T: serde::de::DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = http::Request::get(path)
            .body(Vec::new())
            .map_err(|error| Failure::Unsendable(error.to_string()))?;
        self.read(request, Take::Whole).await?.decode()
    }
}

/// Subresources and kinds that cannot be read are left out, and names that would not fit a path.
fn served(version: &str, found: ResourceAnswer) -> Option<Served> {
    let ResourceAnswer { name, kind, singular_name, namespaced, verbs, short_names } = found;
    let is_readable = verbs.iter().any(|verb| verb == "get" || verb == "list");
    let is_kind = (1..=63).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_readable && is_kind && is_name(&name)).then(|| Served {
        version: version.to_owned(),
        kind,
        plural: name,
        namespaced,
        words: short_names.unwrap_or_default().into_iter().chain([singular_name]).collect(),
    })
}

fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn remembers_so_many_groups_for_so_long() {
        let discovered = Discovered::default();
        let kinds: Arc<[Served]> = Arc::from(Vec::new());
        for n in 0..=GROUPS_MAX {
            discovered.keep(&format!("group-{n}"), &kinds);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!(discovered.fresh("group-0").is_none(), "the oldest made room");
        assert!(discovered.fresh("group-1").is_some());
        discovered.forget("group-1");
        assert!(discovered.fresh("group-1").is_none());
        tokio::time::advance(AGE_MAX).await;
        assert!(discovered.fresh("group-9").is_none());
    }
}
