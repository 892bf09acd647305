//! Getting one object, one page, or everything up to a bound.

use kube::Resource;
use kube::api::{GetParams, ListParams};
use kube::core::Request;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::about::About;
use super::ask::{ErrorAnswer, Failure, Take, Taken};
use super::connect::Link;
use super::convert::text;

/// Objects in one answer where everything is wanted; the same number as `kubectl` asks for.
const CHUNK: u32 = 500;

/// Of a kind that is none, how much goes to the log.
const KIND_BYTES_MAX: usize = 63;

/// A list as the API server writes it.
#[derive(Deserialize)]
pub(super) struct ListAnswer<K> {
    kind: String,
    #[serde(default)]
    metadata: ListAnswerMeta,
    /// `null` where there is none, in the answers of some aggregated servers.
    items: Option<Vec<K>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswerMeta {
    #[serde(rename = "continue")]
    token: Option<String>,
    remaining_item_count: Option<i64>,
}

/// One page.
pub(super) struct Chunk<K> {
    pub(super) items: Vec<K>,
    pub(super) continue_token: Option<String>,
    pub(super) remaining: Option<u64>,
}

/// Everything, or as much of it as the bound allows.
pub(super) struct All<T> {
    pub(super) items: Vec<T>,
    pub(super) truncated: bool,
}

impl Link {
    /// One object, undecoded.
    pub(super) async fn object<K: Resource<DynamicType = ()>>(
        &self,
        about: &About<'_>,
    ) -> Result<Taken, Failure> {
        let request = Request::new(K::url_path(&(), about.namespace))
            .get(about.name.unwrap_or_default(), &GetParams::default())
            .map_err(|error| Failure::Unsendable(error.to_string()))?;
        self.read(request, Take::Whole).await
    }

    /// One page of a list.
    pub(super) async fn page<K>(
        &self,
        about: &About<'_>,
        params: &ListParams,
    ) -> Result<Chunk<K>, Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned,
    {
        let kind = Some(K::kind(&()).into_owned());
        self.chunk(&K::url_path(&(), about.namespace), kind.as_deref(), params).await
    }

    /// One page of what is served under a path; of another kind than the one that is meant, where
    /// that is known, is garbage.
    pub(super) async fn chunk<K: DeserializeOwned>(
        &self,
        path: &str,
        kind: Option<&str>,
        params: &ListParams,
    ) -> Result<Chunk<K>, Failure> {
        let taken = match self.list(path, params).await {
            // The server has forgotten the moment at which the list began, and says where it goes
            // on as of now. For what people look for here, an object that came or went in between
            // is better than no list at all of a cluster that is larger than the server's memory.
            Err(Failure::Answered(ErrorAnswer {
                code: 410, continue_token: Some(token), ..
            })) if params.continue_token.as_ref().is_some_and(|stale| *stale != token) => {
                let params = ListParams { continue_token: Some(token), ..params.clone() };
                self.list(path, &params).await
            }
            taken => taken,
        }?;
        let answer: ListAnswer<K> = taken.decode()?;
        // While it is converted, one page is in memory once.
        drop(taken);
        let of_what = answer.kind.strip_suffix("List");
        let is_meant = |of: &str| of.is_empty() || kind.is_none_or(|kind| of == kind);
        if !of_what.is_some_and(is_meant) {
            let kind = text::prefix(&answer.kind, KIND_BYTES_MAX);
            return Err(Failure::Garbage(format!("a list of kind {kind:?}")));
        }
        Ok(Chunk {
            items: answer.items.unwrap_or_default(),
            continue_token: answer.metadata.token.filter(|token| !token.is_empty()),
            remaining: answer.metadata.remaining_item_count.and_then(|n| n.try_into().ok()),
        })
    }

    async fn list(&self, path: &str, params: &ListParams) -> Result<Taken, Failure> {
        let request = Request::new(path)
            .list(params)
            .map_err(|error| Failure::Unsendable(error.to_string()))?;
        self.read(request, Take::Whole).await
    }

    /// Every object that `convert` lets through, from at most `max` of them, `params.limit` or
    /// [`CHUNK`] at a time.
    pub(super) async fn all<K, T>(
        &self,
        about: &About<'_>,
        params: ListParams,
        max: usize,
        convert: impl FnMut(&K) -> Option<T> + Send,
    ) -> Result<All<T>, Failure>
    where
        K: Resource<DynamicType = ()> + DeserializeOwned + Send + Sync,
        T: Send,
    {
        self.all_of(&K::url_path(&(), about.namespace), params, max, convert).await
    }

    /// The same of what is served under a path.
    pub(super) async fn all_of<K, T>(
        &self,
        path: &str,
        mut params: ListParams,
        max: usize,
        mut convert: impl FnMut(&K) -> Option<T> + Send,
    ) -> Result<All<T>, Failure>
    where
        K: DeserializeOwned + Send + Sync,
        T: Send,
    {
        let limit = *params.limit.get_or_insert(CHUNK);
        let mut items = Vec::new();
        let mut seen = 0;
        // A server that gives fewer than it is asked for, or none, must not keep us here for ever.
        for _ in 0..2 * max.div_ceil(limit.max(1) as usize) {
            let chunk = match self.chunk::<K>(path, None, &params).await {
                Ok(chunk) => chunk,
                // Listing took longer than the server remembers; what came is from one moment.
                Err(Failure::Answered(answer)) if answer.code == 410 && seen > 0 => break,
                Err(failure) => return Err(failure),
            };
            let room = max - seen;
            seen += chunk.items.len().min(room);
            items.extend(chunk.items.iter().take(room).filter_map(&mut convert));
            let is_over = chunk.items.len() > room;
            match chunk.continue_token {
                None => return Ok(All { items, truncated: is_over }),
                Some(_) if seen == max => break,
                token => params.continue_token = token,
            }
        }
        Ok(All { items, truncated: true })
    }
}
