//! What is told: a wire format of its own, typed, made by the host.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;

use crate::capability::Clock;
use crate::capability::outbox::Message;
use crate::domain::webhook::Topic;
use crate::governance::approval::Approval;
use crate::governance::audit::{ApprovalRecord, TargetRecord};
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// How much of a text is told: a sentence or two. The record has all of it.
const TEXT_BYTES_MAX: usize = 500;

/// A text of others, as it is told: bounded, and without secrets and what a terminal would obey.
pub(super) fn told(text: &str) -> String {
    // What is cut away need not be looked at.
    let mut begin = text.to_owned();
    cut(&mut begin, 8 * TEXT_BYTES_MAX);
    let mut told = make_safe(&begin).text;
    cut(&mut told, TEXT_BYTES_MAX);
    told
}

/// Whom it is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Who {
    /// A plugin.
    Plugin(String),
    /// A caller.
    Principal(String),
}

/// A limit that was hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Hit {
    /// The call.
    pub(super) call: String,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<String>,
    /// What was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// `limit-exceeded`, `trapped`, `busy`
    pub(super) what: String,
    /// Which limit, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// A use, or a call, that was refused.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Denial {
    /// The call.
    pub(super) call: String,
    /// Who called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) principal: Option<String>,
    /// What was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    /// What was to be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) capability: Option<String>,
    /// How.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) verb: Option<String>,
    /// On what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) target: Option<TargetRecord>,
    /// The rule that refused it, or why the call was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// What happened, with everything that is told of it.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", content = "data")]
pub(super) enum Notice {
    /// A write waits for people.
    #[serde(rename = "approval.requested")]
    Requested {
        /// As `toolgate approvals show --json` prints it.
        approval: Box<Approval>,
        /// Where a browser on the server's machine shows it.
        #[serde(skip_serializing_if = "Option::is_none")]
        console: Option<String>,
    },
    /// They answered, or nobody did in time.
    #[serde(rename = "approval.decided")]
    Decided {
        /// The call that asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// What was decided about.
        write: Box<ApprovalRecord>,
        /// `approved`, `denied`, `expired`, ...
        decision: String,
        /// Who.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Which way each answer came.
        #[serde(skip_serializing_if = "Option::is_none")]
        through: Option<String>,
        /// Why.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A cluster was changed.
    #[serde(rename = "write.performed")]
    Performed {
        /// The call that asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// What was done.
        write: Box<ApprovalRecord>,
    },
    /// A write was tried, or about to be, and was not done.
    #[serde(rename = "write.failed")]
    Failed {
        /// The call that asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        call: Option<String>,
        /// What was to be done.
        write: Box<ApprovalRecord>,
        /// Why not.
        error: String,
    },
    /// A limit was hit.
    #[serde(rename = "limit.hit")]
    Limit {
        /// Whose.
        who: Who,
        /// How often, since it was told last.
        n_hits: u64,
        /// Within how long.
        over_s: u64,
        /// The last of them.
        last: Hit,
    },
    /// Many refusals within a short time.
    #[serde(rename = "denials.storm")]
    Storm {
        /// Whose.
        who: Who,
        /// How many, since it was told last.
        n_denials: u64,
        /// Within how long.
        over_s: u64,
        /// The last of them.
        last: Denial,
    },
    /// A part of the audit log fails, or of what is told by it.
    #[serde(rename = "audit.trouble")]
    Trouble {
        /// `records`, `disk`, `pace`, `checkpoints`, `copy NAME`, `notices`
        part: String,
        /// Records that were refused or lost since it was told last.
        n_failures: u64,
        /// The last failure.
        why: String,
    },
    /// It has been well for a while.
    #[serde(rename = "audit.recovered")]
    Recovered {
        /// As above.
        part: String,
        /// Records that were refused or lost in all.
        n_failures: u64,
        /// How long it failed.
        lasted_s: u64,
    },
    /// Copies of the audit log's records: lines as they stand in the file, without their line feed.
    #[serde(rename = "audit.records")]
    Records {
        /// The first first.
        lines: Vec<String>,
    },
    /// The operator wants to know whether it arrives.
    #[serde(rename = "webhook.test")]
    Test {
        /// By which name it is configured.
        webhook: String,
    },
}

impl Notice {
    /// Who wants to hear of it; nobody in particular of copies and tests.
    pub(super) fn topic(&self) -> Option<Topic> {
        match self {
            Self::Requested { .. } | Self::Decided { .. } => Some(Topic::Approvals),
            Self::Performed { .. } | Self::Failed { .. } => Some(Topic::Writes),
            Self::Limit { .. } => Some(Topic::Limits),
            Self::Storm { .. } => Some(Topic::Denials),
            Self::Trouble { .. } | Self::Recovered { .. } => Some(Topic::Audit),
            Self::Records { .. } | Self::Test { .. } => None,
        }
    }
}

#[derive(Serialize)]
struct Envelope<'n> {
    id: &'n str,
    #[serde(flatten)]
    notice: &'n Notice,
    at: &'n str,
    instance: &'n str,
}

/// Makes messages of notices: numbers them, and says who tells.
pub struct Stamp {
    instance: String,
    clock: Arc<dyn Clock>,
    n: AtomicU64,
}

impl Stamp {
    /// Of one process.
    pub fn new(instance: String, clock: Arc<dyn Clock>) -> Self {
        Self { instance, clock, n: AtomicU64::new(0) }
    }

    /// A message, of now or of the time of a record.
    pub(super) fn message(&self, notice: &Notice, at: Option<&str>) -> Message {
        let n = self.n.fetch_add(1, Ordering::Relaxed) + 1;
        let id = format!("msg_{}_{n}", self.instance);
        let now = self.clock.now().to_string();
        let at = at.unwrap_or(&now);
        let envelope = Envelope { id: &id, notice, at, instance: &self.instance };
        let body = serde_json::to_vec(&envelope).unwrap_or_else(|error| {
            // Nothing in it can fail: keys are text, and so are all values.
            tracing::error!(%error, %id, "a notice cannot be written");
            Vec::new()
        });
        Message { id, body: body.into() }
    }

    /// What a webhook is sent to see whether it arrives.
    pub fn test(&self, webhook: &str) -> Message {
        self.message(&Notice::Test { webhook: webhook.to_owned() }, None)
    }
}
