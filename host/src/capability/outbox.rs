//! Messages to systems that the operator named: chats, ticket systems, archives.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::domain::name::WebhookName;
use crate::domain::webhook::Topic;

/// A message, whole: what is signed and sent, however often it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Stays the same over all tries, so that who receives it can tell a repetition.
    pub id: String,
    /// JSON.
    pub body: Arc<[u8]>,
}

/// Why a message did not arrive, in words for the operator: the address is not in them, since a
/// path may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Undelivered(pub String);

/// Who took a message at the first try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The HTTP status.
    pub status: u16,
    /// How long that took.
    pub took: Duration,
}

/// Brings messages to webhooks.
#[async_trait]
pub trait Outbox: Send + Sync + 'static {
    /// Leaves a message for every webhook that wants to hear of the topic, and waits for nothing.
    /// What cannot be kept or delivered is counted and told in the log.
    fn leave(&self, topic: Topic, message: &Message);

    /// Brings a message to one webhook, with as many tries as that takes.
    ///
    /// # Errors
    /// Why it was given up.
    async fn bring(&self, webhook: &WebhookName, message: Message) -> Result<(), Undelivered>;

    /// Tries once, past everything that waits.
    ///
    /// # Errors
    /// Why it did not arrive.
    async fn try_once(
        &self,
        webhook: &WebhookName,
        message: &Message,
    ) -> Result<Accepted, Undelivered>;
}
