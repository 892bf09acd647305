use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::registry::Kind;
use super::status::Failure;

/// How many changes a watch or a page may lag behind. The real server keeps five minutes of
/// history; at the pace of a rollout this is more.
pub(super) const HISTORY_MAX: usize = 4_096;

/// How many objects the cluster holds: far above any scenario, far below what would hurt a laptop.
pub(super) const OBJECTS_MAX: usize = 20_000;

/// How many events are kept, the oldest going first: the real server forgets them after an hour.
const EVENTS_MAX: usize = 2_000;

/// A cluster that has lived a while does not count from one.
const FIRST_VERSION: u64 = 812_340;

/// Where an object is kept. The order is the real store's: by resource, then by the bytes of
/// `namespace/name`, and it decides how pages are cut.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    group: &'static str,
    plural: &'static str,
    pub(super) path: String,
}

impl Key {
    pub(super) fn new(kind: &Kind, namespace: &str, name: &str) -> Self {
        let path = if kind.namespaced { format!("{namespace}/{name}") } else { name.to_owned() };
        Self { group: kind.stored_group(), plural: kind.plural, path }
    }

    pub(super) fn at(kind: &Kind, path: String) -> Self {
        Self { group: kind.stored_group(), plural: kind.plural, path }
    }

    pub(super) fn of(kind: &Kind, object: &Value) -> Self {
        Self::new(kind, text(object, "/metadata/namespace"), text(object, "/metadata/name"))
    }

    fn is_of(&self, kind: &Kind) -> bool {
        self.group == kind.stored_group() && self.plural == kind.plural
    }
}

/// One write, as the history keeps it.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) version: u64,
    pub(super) key: Key,
    /// What the object was before; absent when it was created.
    pub(super) before: Option<Arc<Value>>,
    /// What it is now; for a deletion, what was deleted, at the deletion's version.
    pub(super) object: Arc<Value>,
    pub(super) deleted: bool,
}

/// The history no longer reaches back to the version asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Compacted {
    pub(super) oldest: u64,
}

/// All objects, their versions and the recent changes.
pub(super) struct Store {
    objects: BTreeMap<Key, Arc<Value>>,
    version: u64,
    history: VecDeque<Change>,
    history_max: usize,
    /// Changes at or before this version are forgotten.
    compacted: u64,
    events: VecDeque<Key>,
    pub(super) announced: watch::Sender<u64>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            objects: BTreeMap::new(),
            version: FIRST_VERSION,
            history: VecDeque::new(),
            history_max: HISTORY_MAX,
            compacted: FIRST_VERSION,
            events: VecDeque::new(),
            announced: watch::Sender::new(FIRST_VERSION),
        }
    }

    /// Forgets how the cluster came to be, so that clients see a start and not a construction.
    pub(super) fn forget_history(&mut self) {
        self.history.clear();
        self.compacted = self.version;
    }

    #[cfg(test)]
    pub(super) fn keep_history(&mut self, changes_max: usize) {
        self.history_max = changes_max;
    }

    pub(super) fn version(&self) -> u64 {
        self.version
    }

    pub(super) fn is_full(&self) -> bool {
        self.objects.len() >= OBJECTS_MAX
    }

    pub(super) fn read(&self, kind: &Kind, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.objects.get(&Key::new(kind, namespace, name)).cloned()
    }

    /// The object, or what a server answers where there is none.
    pub(super) fn find(
        &self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Result<Arc<Value>, Failure> {
        self.read(kind, namespace, name).ok_or_else(|| Failure::not_found(kind, name))
    }

    /// The objects of a kind, in the store's order.
    pub(super) fn all(
        &self,
        kind: &'static Kind,
        namespace: Option<&str>,
    ) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        let prefix = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        self.objects
            .range(Key::at(kind, prefix.clone())..)
            .take_while(move |(key, _)| key.is_of(kind) && key.path.starts_with(&prefix))
    }

    /// The objects of a kind as they were at an earlier version.
    pub(super) fn all_at(
        &self,
        kind: &'static Kind,
        namespace: Option<&str>,
        version: u64,
    ) -> Result<BTreeMap<Key, Arc<Value>>, Compacted> {
        let mut objects: BTreeMap<Key, Arc<Value>> =
            self.all(kind, namespace).map(|(k, o)| (k.clone(), o.clone())).collect();
        if version >= self.version {
            return Ok(objects);
        }
        if version < self.compacted {
            return Err(Compacted { oldest: self.compacted });
        }
        let prefix = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        for change in self.history.iter().rev().take_while(|change| change.version > version) {
            if !change.key.is_of(kind) || !change.key.path.starts_with(&prefix) {
                continue;
            }
            match &change.before {
                Some(before) => objects.insert(change.key.clone(), before.clone()),
                None => objects.remove(&change.key),
            };
        }
        Ok(objects)
    }

    /// The changes to one kind after a version.
    pub(super) fn changes(&self, kind: &Kind, after: u64) -> Result<Vec<Change>, Compacted> {
        if after < self.compacted {
            return Err(Compacted { oldest: self.compacted });
        }
        let first = self.history.partition_point(|change| change.version <= after);
        Ok(self.history.iter().skip(first).filter(|c| c.key.is_of(kind)).cloned().collect())
    }

    /// Creates or replaces an object and gives it the next version.
    pub(super) fn write(&mut self, kind: &Kind, mut object: Value) -> Arc<Value> {
        let key = Key::of(kind, &object);
        self.version += 1;
        set(&mut object, &["metadata", "resourceVersion"], json!(self.version.to_string()));
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        if kind.is("", "events") && before.is_none() {
            self.events.push_back(key.clone());
        }
        self.record(key, before, object.clone(), false);
        while self.events.len() > EVENTS_MAX
            && let Some(oldest) = self.events.pop_front()
        {
            self.take(&oldest);
        }
        object
    }

    /// Writes only if something other than the version differs.
    pub(super) fn write_changed(&mut self, kind: &Kind, object: Value) -> Arc<Value> {
        match self.objects.get(&Key::of(kind, &object)) {
            Some(current) if **current == object => current.clone(),
            _ => self.write(kind, object),
        }
    }

    /// Deletes an object; what was deleted carries the deletion's version.
    pub(super) fn remove(
        &mut self,
        kind: &Kind,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Value>> {
        self.take(&Key::new(kind, namespace, name))
    }

    fn take(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.version += 1;
        let mut last = (*before).clone();
        set(&mut last, &["metadata", "resourceVersion"], json!(self.version.to_string()));
        let last = Arc::new(last);
        self.record(key.clone(), Some(before), last.clone(), true);
        Some(last)
    }

    fn record(&mut self, key: Key, before: Option<Arc<Value>>, object: Arc<Value>, deleted: bool) {
        let version = self.version;
        self.history.push_back(Change { version, key, before, object, deleted });
        while self.history.len() > self.history_max
            && let Some(oldest) = self.history.pop_front()
        {
            self.compacted = oldest.version;
        }
        self.announced.send_replace(version);
    }
}

/// The string at a JSON pointer, empty if there is none.
pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
pub(super) fn number(object: &Value, pointer: &str) -> Option<i64> {
    object.pointer(pointer).and_then(Value::as_i64)
}

/// Sets a nested member, making the objects on the way.
pub(super) fn set(object: &mut Value, path: &[&str], value: Value) {
    let mut place = object;
    for name in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        let Value::Object(map) = place else { return };
        place = map.entry(*name).or_insert(Value::Null);
    }
    *place = value;
}

/// Removes a nested member.
pub(super) fn unset(object: &mut Value, path: &[&str]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut place = object;
    for name in parents {
        let Some(next) = place.get_mut(name) else { return };
        place = next;
    }
    if let Value::Object(map) = place {
        map.remove(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::super::registry::find;
    use super::*;

    fn map(namespace: &str, name: &str, data: &str) -> Value {
        json!({"metadata": {"namespace": namespace, "name": name}, "data": {"k": data}})
    }

    #[test]
    fn remembers_how_things_were() {
        let kind = find("", "v1", "configmaps").unwrap();
        let mut store = Store::new();
        store.write(kind, map("a", "one", "1"));
        let then = store.version();
        store.write(kind, map("a", "one", "2"));
        store.write(kind, map("a", "two", "1"));
        store.remove(kind, "a", "one").unwrap();
        let names = |objects: &BTreeMap<Key, Arc<Value>>| {
            objects.values().map(|o| text(o, "/data/k").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(names(&store.all_at(kind, None, then).unwrap()), ["1"]);
        assert_eq!(names(&store.all_at(kind, None, then + 2).unwrap()), ["2", "1"]);
        assert_eq!(store.changes(kind, then).unwrap().len(), 3);
        store.keep_history(1);
        store.write(kind, map("a", "three", "1"));
        let gone = Compacted { oldest: then + 3 };
        assert_eq!(store.all_at(kind, None, then).unwrap_err(), gone);
        assert_eq!(store.changes(kind, then).unwrap_err(), gone);
    }

    #[test]
    fn sorts_by_the_bytes_of_the_path() {
        let kind = find("", "v1", "configmaps").unwrap();
        let mut store = Store::new();
        store.write(kind, map("shop", "b", "1"));
        store.write(kind, map("shop-staging", "a", "1"));
        let paths: Vec<&str> = store.all(kind, None).map(|(key, _)| key.path.as_str()).collect();
        assert_eq!(paths, ["shop-staging/a", "shop/b"]);
        assert_eq!(store.all(kind, Some("shop")).count(), 1);
    }
}
