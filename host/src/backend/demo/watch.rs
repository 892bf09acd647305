use std::{collections::VecDeque, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use serde_json::{Value, json};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until},
};

use super::Shared;
use super::list::parse_version;
use super::registry::Kind;
use super::request::{Form, Query};
use super::select::Selection;
use super::status::{Cause, Failure};
use super::store::{Change, Store, set};
use super::table;

/// How many watches and followed logs may be open at once: a client that leaks them notices.
pub(super) const STREAMS_MAX: usize = 256;

/// A watch without `timeoutSeconds` ends after the real server's shortest default.
const DEFAULT_LIFE: Duration = Duration::from_mins(30);

/// The longest that a client may ask for.
const LIFE_MAX: Duration = Duration::from_hours(24);

/// How often an idle watch is told the current version.
const BOOKMARK_PERIOD: Duration = Duration::from_mins(1);

/// What a request wants to see change.
struct Subject {
    kind: &'static Kind,
    namespace: Option<String>,
    selection: Selection,
    form: Form,
}

struct Watch {
    shared: Arc<Shared>,
    subject: Subject,
    announced: watch::Receiver<u64>,
    cursor: u64,
    ready: VecDeque<Value>,
    bookmarks: bool,
    bookmark_at: Instant,
    ends_at: Instant,
    headed: bool,
    over: bool,
    _slot: OwnedSemaphorePermit,
}

/// Opens a watch; the stream ends when its time is up or its place in history is lost.
pub(super) fn open(
    shared: &Arc<Shared>,
    kind: &'static Kind,
    namespace: Option<String>,
    query: &Query,
    form: Form,
) -> Result<BoxStream<'static, Bytes>, Failure> {
    let selection =
        Selection::parse(kind, query.text("labelSelector"), query.text("fieldSelector"))?;
    let initial = initial_events(query)?;
    let life = query
        .integer("timeoutSeconds")?
        .and_then(|seconds| u64::try_from(seconds).ok())
        .filter(|seconds| *seconds > 0)
        .map_or(DEFAULT_LIFE, Duration::from_secs)
        .min(LIFE_MAX);
    let asked = query.text("resourceVersion").map(parse_version).transpose()?.unwrap_or(0);
    let slot =
        shared.streams.clone().try_acquire_owned().map_err(|_| Failure::too_many_requests())?;
    let store = shared.store();
    let now = Instant::now();
    let mut watch = Watch {
        shared: shared.clone(),
        subject: Subject { kind, namespace, selection, form },
        announced: store.announced.subscribe(),
        cursor: if asked == 0 { store.version() } else { asked },
        ready: VecDeque::new(),
        bookmarks: query.flag("allowWatchBookmarks"),
        bookmark_at: now + BOOKMARK_PERIOD,
        ends_at: now + life,
        headed: false,
        over: false,
        _slot: slot,
    };
    if initial.unwrap_or(asked == 0) {
        watch.cursor = store.version();
        watch.list(&store);
        if initial == Some(true) && watch.bookmarks {
            let mark = watch.subject.bookmark(watch.cursor, true);
            watch.ready.push_back(mark);
        }
    }
    drop(store);
    Ok(stream::unfold(watch, |mut watch| async move {
        let event = watch.next().await?;
        Some((event, watch))
    })
    .boxed())
}

/// Whether the client asks for the present state as a stream.
fn initial_events(query: &Query) -> Result<Option<bool>, Failure> {
    let rule = query.text("resourceVersionMatch");
    let wanted = query.text("sendInitialEvents").map(|_| query.flag("sendInitialEvents"));
    let cause = match (wanted, rule) {
        (None, None) | (Some(_), Some("NotOlderThan")) => return Ok(wanted),
        (None, Some(_)) => Cause::forbidden(
            "resourceVersionMatch",
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        (Some(_), None) => Cause::forbidden(
            "resourceVersionMatch",
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (Some(_), Some(other)) => {
            Cause::not_supported("resourceVersionMatch", &format!("{other:?}"), "\"NotOlderThan\"")
        }
    };
    Err(Failure::invalid_options("meta.k8s.io", "ListOptions", "", &[cause]))
}

impl Subject {
    fn wants(&self, object: &Value) -> bool {
        self.selection.matches(object)
    }

    fn is_in_scope(&self, change: &Change) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| {
            change.key.path.split_once('/').is_some_and(|(inside, _)| inside == namespace)
        })
    }

    /// How a change looks to a client that sees only what it selected.
    fn event(&self, change: &Change) -> Option<(&'static str, Value)> {
        let was = change.before.as_deref().is_some_and(|before| self.wants(before));
        let is = !change.deleted && self.wants(&change.object);
        let event = match (was, is) {
            (false, true) => "ADDED",
            (true, true) => "MODIFIED",
            (true, false) => "DELETED",
            (false, false) => return None,
        };
        // What left the selection is shown as it last was in it, at the version of its leaving.
        let object = match (&change.before, event) {
            (Some(before), "DELETED") => {
                let mut last = (**before).clone();
                set(&mut last, &["metadata", "resourceVersion"], json!(change.version.to_string()));
                last
            }
            _ => (*change.object).clone(),
        };
        Some((event, object))
    }

    fn bookmark(&self, version: u64, initial_end: bool) -> Value {
        let mut metadata = json!({ "resourceVersion": version.to_string() });
        set(&mut metadata, &["creationTimestamp"], Value::Null);
        if initial_end {
            set(&mut metadata, &["annotations"], json!({ "k8s.io/initial-events-end": "true" }));
        }
        json!({
            "type": "BOOKMARK",
            "object": {
                "kind": self.kind.kind,
                "apiVersion": self.kind.api_version(),
                "metadata": metadata,
            },
        })
    }
}

impl Watch {
    fn list(&mut self, store: &Store) {
        let objects: Vec<Value> = store
            .all(self.subject.kind, self.subject.namespace.as_deref())
            .filter(|(_, object)| self.subject.wants(object))
            .map(|(_, object)| (**object).clone())
            .collect();
        for object in objects {
            self.push("ADDED", &object);
        }
    }

    fn push(&mut self, event: &str, object: &Value) {
        let now = self.shared.clock.now();
        let Subject { kind, form, .. } = &self.subject;
        let object = table::one(*form, kind, object, now, !self.headed);
        self.headed = true;
        self.ready.push_back(json!({ "type": event, "object": object }));
    }

    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                let mut line = event.to_string();
                line.push('\n');
                return Some(Bytes::from(line));
            }
            if self.over {
                return None;
            }
            self.announced.borrow_and_update();
            self.catch_up();
            if !self.ready.is_empty() {
                continue;
            }
            tokio::select! {
                changed = self.announced.changed() => self.over = changed.is_err(),
                () = sleep_until(self.ends_at) => {
                    self.over = true;
                    self.mark();
                }
                () = sleep_until(self.bookmark_at) => self.mark(),
            }
        }
    }

    fn mark(&mut self) {
        self.bookmark_at = Instant::now() + BOOKMARK_PERIOD;
        if self.bookmarks && self.subject.form == Form::Plain {
            let mark = self.subject.bookmark(self.cursor, false);
            self.ready.push_back(mark);
        }
    }

    fn catch_up(&mut self) {
        let (changes, version) = {
            let store = self.shared.store();
            (store.changes(self.subject.kind, self.cursor), store.version())
        };
        match changes {
            Ok(changes) => {
                for change in &changes {
                    if self.subject.is_in_scope(change)
                        && let Some((event, object)) = self.subject.event(change)
                    {
                        self.push(event, &object);
                    }
                }
                self.cursor = self.cursor.max(version);
            }
            Err(gone) => {
                let message =
                    format!("too old resource version: {} ({})", self.cursor, gone.oldest + 1);
                let status = Failure::expired(message).status();
                self.ready.push_back(json!({ "type": "ERROR", "object": status }));
                self.over = true;
            }
        }
    }
}
