//! Subscriptions to resources: what is watched is read again and again, each time as a call of the
//! one who subscribed, on record and admitted like any other. They end with their session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{ErrorData, ResourceUpdatedNotificationParam};
use rmcp::service::SubscriptionContext;
use rmcp::{Peer, RoleServer};
use serde_json::Map;
use sha2::{Digest as _, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::ask::call_id;
use super::convert;
use super::server::log;
use crate::capability::progress::NoProgress;
use crate::domain::call::{Call, Outcome};
use crate::domain::decision::Refusal;
use crate::domain::principal::Principal;
use crate::domain::subject::Subject;
use crate::domain::uri::ResourceUri;
use crate::gateway::{CallContext, CallError, Tools};

/// Resources that one session, or one connection, watches at once: a screen of them. Each costs a
/// read in every interval.
pub(super) const SUBSCRIPTIONS_MAX: usize = 16;

/// Resources that all sessions of a listener watch at once: at the usual pace, 26 reads a second.
const LISTENER_SUBSCRIPTIONS_MAX: usize = 256;

/// How often what is watched is read again, where nobody says. A rollout's steps take longer, and
/// an API server does not notice 16 reads in ten seconds.
pub const REREAD_EVERY: Duration = Duration::from_secs(10);

/// How the sessions of one listener watch, and how much together. Cheap to clone.
#[derive(Clone)]
pub(super) struct Pace {
    every: Duration,
    places: Arc<Semaphore>,
}

impl Pace {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, places: Arc::new(Semaphore::new(LISTENER_SUBSCRIPTIONS_MAX)) }
    }
}

/// A place in the session and one in the listener, given back where it is dropped.
struct Place {
    _session: OwnedSemaphorePermit,
    _listener: OwnedSemaphorePermit,
}

/// What is needed to read a resource as the one who subscribed.
pub(super) struct Watch {
    pub(super) tools: Arc<dyn Tools>,
    pub(super) principal: Principal,
    pub(super) client: Option<String>,
    pub(super) on_behalf_of: Option<String>,
    pub(super) uri: ResourceUri,
}

/// What was found, to be compared with what will be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Content([u8; 32]),
    Nothing,
}

impl Watch {
    /// Reads the resource. None where nothing can be said of it now: a cluster that does not answer
    /// has not changed.
    async fn look(&self, memory: &Memory) -> Result<Option<Seen>, ErrorData> {
        let id = call_id()?;
        let call = Call {
            id: id.clone(),
            principal: self.principal.clone(),
            client: self.client.clone(),
            on_behalf_of: self.on_behalf_of.clone(),
            subject: Subject::Resource(self.uri.clone()),
            arguments: Map::new(),
            traceparent: None,
            is_reread: memory.0.is_some(),
        };
        let cancel = CancellationToken::new();
        let _stop = cancel.clone().drop_guard();
        let context = CallContext { progress: Arc::new(NoProgress), cancel };
        let came_of_it = self.tools.call(call, context).await;
        log(&id, &came_of_it);
        Ok(match came_of_it {
            Ok(Outcome::Content(content)) => {
                let kind = content.mime_type.unwrap_or_default();
                let mut digest = Sha256::new();
                digest.update(kind.as_bytes());
                digest.update([0]);
                digest.update(content.text.as_bytes());
                Some(Seen::Content(digest.finalize().into()))
            }
            Ok(Outcome::NotFound(_)) | Err(CallError::Refused(Refusal::Unknown(_))) => {
                Some(Seen::Nothing)
            }
            Ok(_) | Err(_) => None,
        })
    }
}

/// Remembers what was seen last, and says when it is no longer so.
#[derive(Default)]
struct Memory(Option<Seen>);

impl Memory {
    fn is_news(&mut self, seen: Option<Seen>) -> bool {
        let Some(seen) = seen else { return false };
        let before = self.0.replace(seen);
        before.is_some_and(|before| before != seen)
    }
}

/// One resource that a session watches; ended where it is dropped.
struct Watched {
    _task: AbortOnDropHandle<()>,
    _place: Place,
}

/// What one session watches.
pub(super) struct Subscriptions {
    pace: Pace,
    places: Arc<Semaphore>,
    watched: Mutex<BTreeMap<String, Watched>>,
}

impl Subscriptions {
    pub(super) fn new(pace: Pace) -> Self {
        let places = Arc::new(Semaphore::new(SUBSCRIPTIONS_MAX));
        Self { pace, places, watched: Mutex::default() }
    }

    fn watched(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> Result<Place, ErrorData> {
        let full = |text: String| ErrorData::invalid_params(text, None);
        let session = Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            full(format!("at most {SUBSCRIPTIONS_MAX} resources are watched at once"))
        })?;
        let listener = Arc::clone(&self.pace.places).try_acquire_owned().map_err(|_| {
            full("others watch as much as can be watched at once; try again later".to_owned())
        })?;
        Ok(Place { _session: session, _listener: listener })
    }

    fn ticks(&self) -> Interval {
        let every = self.pace.every;
        let mut ticks = tokio::time::interval_at(Instant::now() + every, every);
        // A slow cluster is not asked twice at once for having been slow.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    }

    /// Begins to watch for a session. What cannot be read is not watched.
    pub(super) async fn add(&self, watch: Watch, peer: Peer<RoleServer>) -> Result<(), ErrorData> {
        let uri = watch.uri.to_string();
        if self.watched().contains_key(&uri) {
            return Ok(());
        }
        let place = self.place()?;
        let mut memory = Memory::default();
        let seen = watch.look(&memory).await?;
        if seen == Some(Seen::Nothing) {
            return Err(convert::no_resource(&uri));
        }
        memory.is_news(seen);
        let mut ticks = self.ticks();
        let told = uri.clone();
        let task = async move {
            loop {
                ticks.tick().await;
                if peer.is_transport_closed() {
                    return;
                }
                let Ok(seen) = watch.look(&memory).await else { continue };
                if memory.is_news(seen) {
                    let param = ResourceUpdatedNotificationParam::new(told.clone());
                    if peer.notify_resource_updated(param).await.is_err() {
                        return;
                    }
                }
            }
        };
        let task = AbortOnDropHandle::new(tokio::spawn(task));
        self.watched().insert(uri, Watched { _task: task, _place: place });
        Ok(())
    }

    /// Ends a subscription; none that there is not.
    pub(super) fn remove(&self, uri: &str) {
        self.watched().remove(uri);
    }

    /// Watches for a client that listens, until it leaves.
    pub(super) async fn listen(
        &self,
        watches: Vec<Watch>,
        cx: &SubscriptionContext,
    ) -> Result<(), ErrorData> {
        let mut watched = Vec::with_capacity(watches.len());
        for watch in watches {
            watched.push((watch, Memory::default(), self.place()?));
        }
        let mut ticks = self.ticks();
        let work = async {
            loop {
                for (watch, memory, _place) in &mut watched {
                    let Ok(seen) = watch.look(memory).await else { continue };
                    if memory.is_news(seen)
                        && cx.sink().notify_resource_updated(watch.uri.as_str()).await.is_err()
                    {
                        return;
                    }
                }
                ticks.tick().await;
            }
        };
        tokio::select! {
            () = work => {}
            () = cx.cancelled() => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_what_changes_and_nothing_else() {
        let mut memory = Memory::default();
        let content = |n| Some(Seen::Content([n; 32]));
        let looks = [None, content(1), content(1), None, content(2), Some(Seen::Nothing), None];
        let news: Vec<_> = looks.into_iter().map(|seen| memory.is_news(seen)).collect();
        assert_eq!(news, [false, false, false, false, true, true, false]);
        assert!(!memory.is_news(Some(Seen::Nothing)));
        assert!(memory.is_news(content(2)));
    }
}
