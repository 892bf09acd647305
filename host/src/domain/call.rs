//! One call, from the question to what came of it.

use std::time::Duration;

use super::capability::Capability;
use super::decision::Rule;
use super::limits::ARGUMENTS_BYTES_MAX;
use super::name::{ApprovalId, CallId};
use super::principal::Principal;
use super::scope::Target;
use super::subject::Subject;
use super::withheld::Withheld;

/// A call as it came in. Exists only after authentication; nothing changes it afterwards.
#[derive(Debug, Clone)]
pub struct Call {
    /// Names the call in every record.
    pub id: CallId,
    /// Who asks.
    pub principal: Principal,
    /// What the client says it is: untrusted, for the record only.
    pub client: Option<String>,
    /// For whom the caller says to ask: a claim, for the record only. It widens nothing.
    pub on_behalf_of: Option<String>,
    /// What is asked for.
    pub subject: Subject,
    /// A JSON object, at most [`ARGUMENTS_BYTES_MAX`] bytes as text. Texts only, where a prompt or a
    /// completion is asked for; none for a resource, whose URI says everything.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// The W3C trace context, where the client sent a valid one.
    pub traceparent: Option<String>,
    /// Whether the host itself asks again for what the client watches.
    pub is_reread: bool,
}

impl Call {
    /// The most that arguments may weigh.
    pub const ARGUMENTS_BYTES_MAX: usize = ARGUMENTS_BYTES_MAX;

    /// What the arguments weigh as text.
    pub fn arguments_bytes(&self) -> usize {
        weight(|scale| serde_json::to_writer(scale, &self.arguments))
    }
}

/// Counts what is written to it.
struct Scale(usize);

impl std::io::Write for Scale {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The bytes of a text that nobody keeps.
fn weight(write: impl FnOnce(&mut Scale) -> serde_json::Result<()>) -> usize {
    let mut scale = Scale(0);
    match write(&mut scale) {
        Ok(()) => scale.0,
        Err(_) => usize::MAX,
    }
}

/// What a tool answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// For the model and for people.
    pub text: String,
    /// The same facts as an object.
    pub structured: Option<serde_json::Value>,
    /// Whether the plugin or the host left something out.
    pub truncated: bool,
    /// Where the facts come from: what the host handed to the guest.
    pub provenance: Vec<Provenance>,
    /// What was taken out, of what was read and of the answer.
    pub withheld: Withheld,
}

impl Output {
    /// What the answer weighs: its text and its structured content as JSON.
    pub fn bytes(&self) -> usize {
        let as_json = |value| weight(|scale| serde_json::to_writer(scale, value));
        self.text.len() + self.structured.as_ref().map_or(0, as_json)
    }
}

/// A prompt, written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Messages {
    /// In order.
    pub messages: Vec<Message>,
    /// Where the facts come from.
    pub provenance: Vec<Provenance>,
    /// What was taken out, of what was read and of the text.
    pub withheld: Withheld,
}

/// One message of a prompt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Who says it.
    pub role: Role,
    /// What.
    pub text: String,
}

/// Who says a message of a prompt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The person.
    User,
    /// The model.
    Assistant,
}

/// What was read of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its text.
    pub text: String,
    /// What kind of text.
    pub mime_type: Option<String>,
    /// Whether the plugin or the host left something out.
    pub truncated: bool,
    /// Where the facts come from.
    pub provenance: Vec<Provenance>,
    /// What was taken out, of what was read and of the text.
    pub withheld: Withheld,
}

/// One source of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// The capability that was used.
    pub capability: Capability,
    /// What it was used on.
    pub target: String,
}

/// What came of a call that was admitted.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The tool answered.
    Output(Output),
    /// The prompt is written.
    Messages(Messages),
    /// The resource was read.
    Content(Content),
    /// What the argument may be; at most
    /// [`COMPLETIONS_MAX`](super::limits::COMPLETIONS_MAX).
    Values(Vec<String>),
    /// The plugin failed, in words for the caller.
    ToolError(String),
    /// There is no such resource, or it lies outside of the grant: the two are not told apart.
    NotFound(String),
    /// The guest stopped with a trap, or broke the contract: a bug of the plugin.
    Trapped {
        /// For the log.
        internal: String,
    },
    /// A bound was reached; the text names it and its value.
    LimitExceeded(String),
    /// The caller took the call back.
    Cancelled,
    /// The host failed: not the caller's doing, nor the plugin's.
    HostFailed {
        /// For the log.
        internal: String,
    },
}

/// Who is to blame for a call that did not answer. One label for metrics; alerts look at `Host`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The arguments, or a change of mind.
    Caller,
    /// The plugin.
    Guest,
    /// Toolgate.
    Host,
}

impl Outcome {
    /// The word for records and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Output(_) => "output",
            Self::Messages(_) => "messages",
            Self::Content(_) => "content",
            Self::Values(_) => "values",
            Self::NotFound(_) => "not-found",
            Self::ToolError(_) => "tool-error",
            Self::Trapped { .. } => "trapped",
            Self::LimitExceeded(_) => "limit-exceeded",
            Self::Cancelled => "cancelled",
            Self::HostFailed { .. } => "host-failed",
        }
    }

    /// Who is to blame; nobody where there is an answer.
    pub fn blame(&self) -> Option<Blame> {
        match self {
            Self::Output(_) | Self::Messages(_) | Self::Content(_) | Self::Values(_) => None,
            Self::ToolError(_) | Self::NotFound(_) | Self::Cancelled => Some(Blame::Caller),
            Self::Trapped { .. } | Self::LimitExceeded(_) => Some(Blame::Guest),
            Self::HostFailed { .. } => Some(Blame::Host),
        }
    }
}

/// A write of a call that had not come to its end when the call had. Noted by the host, whatever the
/// guest says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfinished {
    /// It waits for a person's yes.
    Waits(ApprovalId),
    /// It was approved and executed, and rolls out.
    RollsOut(ApprovalId),
}

/// One use of a capability, for the record.
#[derive(Debug, Clone)]
pub struct CapabilityUse {
    /// What was used.
    pub capability: Capability,
    /// The Kubernetes verb: `get`, `list`, `restart`.
    pub verb: &'static str,
    /// On what.
    pub target: Target,
    /// Whether grant, mode and policy let it through.
    pub allowed: bool,
    /// Which rule said so; none for a look of the host's own.
    pub rule: Option<Rule>,
}

/// What a call cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// From admission to the end.
    pub wall: Duration,
    /// Time spent waiting for a turn.
    pub queued: Duration,
    /// Making the store and the instance.
    pub instantiate: Duration,
    /// Taking both down again.
    pub teardown: Duration,
    /// Inside the guest, lifting and lowering included.
    pub guest: Duration,
    /// Inside host functions.
    pub host: Duration,
    /// Of `host`: until uses were on record.
    pub recorded: Duration,
    /// Of `host`: inside ports, which is what the work itself takes.
    pub port: Duration,
    /// Calls into the host.
    pub host_calls: u32,
}
