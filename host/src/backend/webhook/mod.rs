//! Webhooks: signed messages to addresses that the operator named.
//!
//! Owns: secrets, signatures, requests, what waits, and when it is tried again. Must not: know what
//! a message says, hold up whoever leaves one, or tell the path of an address, which may be a secret.
//! Read [`Webhooks`] first, then `courier` (what waits) and `post` (one try).

mod backoff;
mod courier;
mod post;
mod sign;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Uri;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::capability::outbox::{Accepted, Message, Undelivered};
use crate::capability::{Clock, Outbox};
use crate::domain::name::WebhookName;
use crate::domain::webhook::Topic;
use courier::{Ends, Queue};
use post::{Line, Post, Tried};
use sign::Secret;

/// The largest file with a secret or with authorities that is read: a bundle of all that browsers
/// trust has less.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How long the end of the process waits for what is under way: what a receiver nearby takes in,
/// and nobody notices.
const CLOSES_WITHIN: Duration = Duration::from_secs(2);

/// Why there is no way to a webhook.
#[derive(Debug, thiserror::Error)]
#[error("webhook `{webhook}`: {}{source}", named(.path.as_deref()))]
pub struct WebhookError {
    /// Which.
    pub webhook: WebhookName,
    /// The file that cannot be used, of its secret or of its authorities; none where it is the
    /// system's authorities.
    pub path: Option<PathBuf>,
    /// Why. Nothing of a secret is in it.
    pub source: io::Error,
}

fn named(path: Option<&Path>) -> String {
    path.map(|path| format!("`{}`: ", path.display())).unwrap_or_default()
}

/// One webhook, as the operator describes it.
#[derive(Debug, Clone)]
pub struct Address {
    /// Where messages go.
    pub url: Uri,
    /// The file with the secret that they are signed with.
    pub secret_file: PathBuf,
    /// The authorities that its certificate is trusted by, if not the system's.
    pub ca_file: Option<PathBuf>,
    /// What it is told of.
    pub topics: BTreeSet<Topic>,
}

struct Way {
    line: Arc<dyn Post>,
    queue: Arc<Queue>,
    topics: BTreeSet<Topic>,
}

/// The ways to all webhooks.
pub struct Webhooks {
    ways: BTreeMap<WebhookName, Way>,
    ends: Ends,
    couriers: Mutex<Vec<JoinHandle<()>>>,
}

impl Webhooks {
    /// Reads what the operator named. No webhook is contacted before there is a message for it.
    ///
    /// # Errors
    /// The first file that cannot be used.
    pub fn open(
        addresses: BTreeMap<WebhookName, Address>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, WebhookError> {
        let mut lines: BTreeMap<WebhookName, (Arc<dyn Post>, BTreeSet<Topic>)> = BTreeMap::new();
        for (name, address) in addresses {
            let Address { url, secret_file, ca_file, topics } = address;
            let failed = |path: Option<&Path>, source| {
                let (webhook, path) = (name.clone(), path.map(Path::to_owned));
                WebhookError { webhook, path, source }
            };
            let secret = secret(&secret_file).map_err(|e| failed(Some(&secret_file), e))?;
            let authorities = match &ca_file {
                Some(path) => Some(read(path).map_err(|e| failed(Some(path), e))?),
                None => None,
            };
            let line = Line::new(url, secret, authorities.as_deref(), Arc::clone(clock))
                .map_err(|e| failed(ca_file.as_deref(), e))?;
            lines.insert(name, (Arc::new(line), topics));
        }
        Ok(Self::over(lines))
    }

    fn over(lines: BTreeMap<WebhookName, (Arc<dyn Post>, BTreeSet<Topic>)>) -> Self {
        let way = |(name, (line, topics)): (WebhookName, _)| {
            let queue = Arc::new(Queue::new(name.to_string()));
            (name, Way { line, queue, topics })
        };
        let ways = lines.into_iter().map(way).collect();
        Self { ways, ends: Ends::default(), couriers: Mutex::default() }
    }

    /// Begins to deliver what is left from now on, and what was left before.
    pub fn start(&self) {
        let courier = |way: &Way| {
            let (queue, line) = (Arc::clone(&way.queue), Arc::clone(&way.line));
            tokio::spawn(courier::run(queue, line, self.ends.clone(), random))
        };
        let mut couriers = self.couriers.lock().unwrap_or_else(PoisonError::into_inner);
        couriers.extend(self.ways.values().map(courier));
    }

    /// Which there are.
    pub fn names(&self) -> impl Iterator<Item = &WebhookName> {
        self.ways.keys()
    }

    /// How many messages were lost so far.
    pub fn n_lost(&self) -> u64 {
        self.ways.values().map(|way| way.queue.n_lost()).sum()
    }

    /// Waits for whoever still leaves messages, and for what waits, tried once more: two seconds at
    /// most for all of it. What is left then is lost.
    pub async fn close(&self, leaving: impl Future<Output = ()>) {
        let until = Instant::now() + CLOSES_WITHIN;
        self.ends.hurry.cancel();
        let _ = tokio::time::timeout_at(until, leaving).await; // What they did not leave, they tell.
        self.ends.closing.cancel();
        let couriers =
            std::mem::take(&mut *self.couriers.lock().unwrap_or_else(PoisonError::into_inner));
        for mut courier in couriers {
            if tokio::time::timeout_at(until, &mut courier).await.is_err() {
                courier.abort();
            }
        }
        for way in self.ways.values() {
            way.queue.lose_all("the process ended");
        }
    }
}

impl Drop for Webhooks {
    fn drop(&mut self) {
        self.ends.hurry.cancel();
        self.ends.closing.cancel();
    }
}

#[async_trait]
impl Outbox for Webhooks {
    fn leave(&self, topic: Topic, message: &Message) {
        for way in self.ways.values().filter(|way| way.topics.contains(&topic)) {
            way.queue.leave(message.clone(), None);
        }
    }

    async fn bring(&self, webhook: &WebhookName, message: Message) -> Result<(), Undelivered> {
        let way = self.ways.get(webhook).ok_or_else(|| unknown(webhook))?;
        let (done, taken) = oneshot::channel();
        way.queue.leave(message, Some(done));
        taken.await.unwrap_or_else(|_| Err(Undelivered("the process ended".to_owned())))
    }

    async fn try_once(
        &self,
        webhook: &WebhookName,
        message: &Message,
    ) -> Result<Accepted, Undelivered> {
        let way = self.ways.get(webhook).ok_or_else(|| unknown(webhook))?;
        let begun = Instant::now();
        match way.line.post(message).await {
            Tried::Taken(status) => Ok(Accepted { status, took: begun.elapsed() }),
            Tried::Again(why, _) | Tried::Never(why) => Err(Undelivered(why)),
        }
    }
}

fn unknown(webhook: &WebhookName) -> Undelivered {
    Undelivered(format!("there is no webhook `{webhook}`"))
}

/// Spreads tries; a system without random numbers makes them come at once.
fn random() -> u32 {
    getrandom::u32().unwrap_or_default()
}

fn secret(path: &Path) -> io::Result<Secret> {
    let invalid = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
    let bytes = read_private(path)?;
    let text = String::from_utf8(bytes).map_err(|_| invalid("it is no text".to_owned()))?;
    Secret::parse(&text).map_err(|error| invalid(error.to_string()))
}

/// Others of the machine must not read it, nor anybody but its owner write it. A group may read:
/// that is how Kubernetes gives secrets to a pod's account.
#[cfg(unix)]
fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::PermissionsExt as _;
    let file = std::fs::File::open(path)?;
    let mode = file.metadata()?.permissions().mode();
    if mode & 0o027 != 0 {
        let text = format!("others can read or write it (mode {:03o})", mode & 0o777);
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
    }
    read_bounded(file)
}

#[cfg(not(unix))]
fn read_private(path: &Path) -> io::Result<Vec<u8>> {
    read(path)
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    read_bounded(std::fs::File::open(path)?)
}

fn read_bounded(file: std::fs::File) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(bytes)
}
