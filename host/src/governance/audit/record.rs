//! The record as it stands in the file. A wire format of its own: versioned, and read by the CLI.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::key::Checkpoint;
use crate::capability::WriteRequest;
use crate::domain::call::{Call, CapabilityUse, Outcome};
use crate::domain::decision::{Refusal, Rule};
use crate::domain::scope::Target;
use crate::domain::subject::{Completed, Subject};
use crate::domain::withheld::{Removed, Withheld};
use crate::domain::write::Plan;
use crate::governance::admission::Offer;
use crate::governance::approval::ApprovalFile;

/// The version of the format.
pub const SCHEMA: &str = "toolgate.audit/2";

/// One line of the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditLine {
    /// [`SCHEMA`]
    pub schema: String,
    /// The process that wrote it; `seq` counts within it.
    pub instance: String,
    /// From 1, without a gap: what the disk did not take has no number.
    pub seq: u64,
    /// The hash of the instance's record before it.
    pub prev: String,
    /// RFC 3339, UTC.
    pub at: String,
    /// The call, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub stage: Stage,
    /// SHA-256 over the line up to here.
    pub hash: String,
}

impl AuditLine {
    /// The checkpoint, where it is one.
    pub fn checkpoint(&self) -> Option<Checkpoint> {
        let Stage::Checkpoint(signed) = &self.stage else { return None };
        Some(Checkpoint {
            instance: self.instance.clone(),
            file: signed.file,
            through: signed.through,
            head: signed.head.clone(),
            at: self.at.clone(),
            closing: signed.closing,
            key: signed.key.clone(),
            signature: signed.signature.clone(),
        })
    }
}

/// What a record says beside its place in the chain.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    pub(super) at: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) call: Option<&'a str>,
    #[serde(flatten)]
    pub(super) stage: &'a Stage,
}

/// A step of a call's life.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "kebab-case")]
pub enum Stage {
    /// The first record of a process.
    Opened(OpenedRecord),
    /// The first record of a process in a further file.
    Continued {
        /// The number that this file will have once it is full.
        file: u64,
        /// What became of the one before.
        why: String,
        /// Files up to this number are removed once this is on the disk, as `keep_files` says.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        removed_to: Option<u64>,
    },
    /// Bytes without a line feed were found: a process died, or a disk filled up, within a line.
    /// They are no record, and what they announced did not happen.
    Torn {
        /// How many.
        torn_bytes: u64,
        /// Their SHA-256.
        torn_sha256: String,
    },
    /// Everything before it, signed.
    Checkpoint(CheckpointRecord),
    /// It came in; nothing has run.
    Received(Box<CallRecord>),
    /// It may run.
    Admitted {
        /// Who offers it.
        plugin: String,
        /// The code, exactly.
        digest: String,
        /// What a call can do at most.
        tier: String,
    },
    /// It may not.
    Refused(Decision),
    /// A capability is about to be used, or was refused.
    Used(UseRecord),
    /// A request is about to be sent to an API server. One that is repeated is there again.
    Request {
        /// The cluster.
        cluster: String,
        /// `GET`
        method: String,
        /// The path with its query.
        path: String,
    },
    /// A write is about to be executed. On disk before anything is sent.
    Intent(ApprovalRecord),
    /// What came of the write.
    Effect {
        /// What was executed.
        #[serde(flatten)]
        write: ApprovalRecord,
        /// `done`, or why not.
        result: String,
    },
    /// A write waits for a person.
    ApprovalRequested(ApprovalRecord),
    /// A person said yes or no, or nobody did in time.
    ApprovalDecided {
        /// What was decided.
        #[serde(flatten)]
        write: ApprovalRecord,
        /// `approved`, `denied`, `expired`.
        decision: String,
        /// Who decided.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// Which way each answer came: `command-line`, `console`, `file`, `webhook`, `client`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        through: Option<String>,
        /// Their words.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// It ended.
    Completed(OutcomeRecord),
    /// It ended without anybody closing its record: a fault of the host.
    Abandoned,
}

impl Stage {
    /// The word for people.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Opened(_) => "opened",
            Self::Continued { .. } => "continued",
            Self::Torn { .. } => "torn",
            Self::Checkpoint(_) => "checkpoint",
            Self::Received(_) => "received",
            Self::Admitted { .. } => "admitted",
            Self::Refused(_) => "refused",
            Self::Used(_) => "used",
            Self::Request { .. } => "request",
            Self::Intent(_) => "intent",
            Self::Effect { .. } => "effect",
            Self::ApprovalRequested(_) => "approval-requested",
            Self::ApprovalDecided { .. } => "approval-decided",
            Self::Completed(_) => "completed",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A process that begins to record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OpenedRecord {
    /// The program's version.
    pub version: String,
    /// The number that this file will have once it is full.
    pub file: u64,
    /// The key of this process's checkpoints.
    pub key: String,
    /// The key itself. It proves nothing: whoever checks the log should have it from elsewhere.
    pub public_key: String,
}

/// A signature over the chain so far. What is signed is in [`Checkpoint`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CheckpointRecord {
    /// The number of the file.
    pub file: u64,
    /// The number of the last record that it covers.
    pub through: u64,
    /// That record's hash.
    pub head: String,
    /// Whether the process ended with it.
    pub closing: bool,
    /// Which key.
    pub key: String,
    /// The signature.
    pub signature: String,
}

impl From<Checkpoint> for CheckpointRecord {
    fn from(checkpoint: Checkpoint) -> Self {
        let Checkpoint { instance: _, file, through, head, at: _, closing, key, signature } =
            checkpoint;
        Self { file, through, head, closing, key, signature }
    }
}

/// The question.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CallRecord {
    /// `alice@os`
    pub principal: String,
    /// For whom the caller says to ask, where it is a program that serves people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// The groups that the issuer vouches for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<String>,
    /// What the client says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// What is asked for: one key, `tool`, `prompt`, `resource` or `completion`.
    #[serde(flatten)]
    pub subject: SubjectRecord,
    /// The arguments, where the level says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<serde_json::Value>,
    /// The W3C trace context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// Whether nobody asked now: the host looks again at what the client watches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_reread: bool,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SubjectRecord {
    /// The tool's name.
    Tool(String),
    /// The prompt's name.
    Prompt(String),
    /// The resource's URI.
    Resource(String),
    /// An argument was being typed.
    Completion {
        /// Of this prompt, or
        #[serde(default, skip_serializing_if = "Option::is_none")]
        prompt: Option<String>,
        /// of this template.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        template: Option<String>,
        /// The argument.
        argument: String,
    },
}

impl From<&Subject> for SubjectRecord {
    fn from(subject: &Subject) -> Self {
        match subject {
            Subject::Tool(name) => Self::Tool(name.to_string()),
            Subject::Prompt(name) => Self::Prompt(name.to_string()),
            Subject::Resource(uri) => Self::Resource(uri.to_string()),
            Subject::Completion { of, argument } => {
                let (prompt, template) = match of {
                    Completed::Prompt(name) => (Some(name.to_string()), None),
                    Completed::Template(template) => (None, Some(template.to_string())),
                };
                Self::Completion { prompt, template, argument: argument.to_string() }
            }
        }
    }
}

impl std::fmt::Display for SubjectRecord {
    /// A tool by its name alone, as most calls are of tools.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tool(name) => f.write_str(name),
            Self::Prompt(name) => write!(f, "prompt {name}"),
            Self::Resource(uri) => write!(f, "resource {uri}"),
            Self::Completion { prompt, template, argument } => {
                let of = prompt.as_deref().or(template.as_deref()).unwrap_or("?");
                write!(f, "completion of `{argument}` for {of}")
            }
        }
    }
}

impl CallRecord {
    pub(super) fn new(call: &Call, arguments: Option<serde_json::Value>) -> Self {
        Self {
            principal: call.principal.to_string(),
            on_behalf_of: call.on_behalf_of.clone(),
            groups: call.principal.groups.clone(),
            client: call.client.clone(),
            subject: (&call.subject).into(),
            arguments,
            traceparent: call.traceparent.clone(),
            is_reread: call.is_reread,
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Decision {
    /// `denied`, `unknown-tool`, ...
    pub refusal: String,
    /// In words.
    pub reason: String,
    /// Which rule said so: `mode.read_only`, `nobody-touches-this:12`. None where it was no rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Who offers what was asked for, where somebody does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The code, exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Decision {
    pub(super) fn new(refusal: &Refusal, offer: Option<&Offer>) -> Self {
        let rule = match refusal {
            Refusal::Denied { rule, .. } => Some(rule.to_string()),
            Refusal::Unknown(_) | Refusal::InvalidArguments(_) | Refusal::Busy { .. } => None,
        };
        Self {
            refusal: refusal.as_str().to_owned(),
            reason: refusal.to_string(),
            rule,
            plugin: offer.map(|offer| offer.plugin.to_string()),
            digest: offer.map(|offer| offer.digest.clone()),
        }
    }
}

/// An object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TargetRecord {
    /// The cluster.
    pub cluster: String,
    /// The namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The kind.
    pub kind: String,
    /// The name; none for lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl From<&Target> for TargetRecord {
    fn from(target: &Target) -> Self {
        Self {
            cluster: target.cluster.to_string(),
            namespace: target.namespace.as_ref().map(ToString::to_string),
            kind: target.kind.to_string(),
            name: target.name.clone(),
        }
    }
}

/// A use of a capability.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UseRecord {
    /// What was used.
    pub capability: String,
    /// `get`, `list`, ...
    pub verb: String,
    /// On what.
    pub target: TargetRecord,
    /// Whether grant, mode and policy let it through.
    pub allowed: bool,
    /// Which rule said so: `writes-need-approval:12`, `grants.pods.kubernetes-read`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}

impl UseRecord {
    /// The key of the bound that the use went over, where it was refused for how often it was asked
    /// for: `rates.caller_writes_per_h`.
    pub fn over_rate(&self) -> Option<&str> {
        self.rule.as_deref().filter(|rule| !self.allowed && rule.starts_with("rates."))
    }
}

impl From<&CapabilityUse> for UseRecord {
    fn from(used: &CapabilityUse) -> Self {
        Self {
            capability: used.capability.to_string(),
            verb: used.verb.to_owned(),
            target: (&used.target).into(),
            allowed: used.allowed,
            rule: used.rule.as_ref().map(ToString::to_string),
        }
    }
}

/// A write.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApprovalRecord {
    /// The approval; none where the operator asks for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<String>,
    /// For whom.
    pub principal: String,
    /// For whom the caller says to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_behalf_of: Option<String>,
    /// By which plugin.
    pub plugin: String,
    /// By which code.
    pub digest: String,
    /// Which rule of the policy allows it, or asks a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// `restart`
    pub verb: String,
    /// Of `scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Of `rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The object.
    pub target: TargetRecord,
    /// The object's identity.
    pub uid: String,
    /// The object's specification, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// The object's specification, by SHA-256, where the kind has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl ApprovalRecord {
    /// The facts of a write.
    pub fn new(
        approval: Option<String>,
        request: &WriteRequest,
        rule: Option<&Rule>,
        plan: &Plan,
    ) -> Self {
        Self {
            approval,
            principal: request.principal.to_string(),
            on_behalf_of: request.on_behalf_of.clone(),
            plugin: request.plugin.to_string(),
            digest: request.digest.clone(),
            rule: rule.map(ToString::to_string),
            verb: plan.verb.as_str().to_owned(),
            replicas: plan.verb.replicas(),
            revision: plan.verb.revision(),
            target: TargetRecord {
                cluster: plan.target.cluster().to_string(),
                namespace: plan.target.namespace().map(ToString::to_string),
                kind: plan.target.kind().to_owned(),
                name: Some(plan.target.name().to_string()),
            },
            uid: plan.uid.clone(),
            generation: plan.version.generation(),
            content: plan.version.content().map(str::to_owned),
        }
    }
}

impl From<&ApprovalFile> for ApprovalRecord {
    /// What another process held, as its file tells it.
    fn from(file: &ApprovalFile) -> Self {
        let plan = &file.plan;
        Self {
            approval: Some(file.id.clone()),
            principal: file.principal.clone(),
            on_behalf_of: file.on_behalf_of.clone(),
            plugin: file.plugin.clone(),
            digest: file.digest.clone(),
            rule: Some(file.rule.clone()),
            verb: plan.verb.clone(),
            replicas: plan.replicas,
            revision: plan.revision,
            target: TargetRecord {
                cluster: plan.target.cluster.clone(),
                namespace: plan.target.namespace.clone(),
                kind: plan.target.kind.clone(),
                name: Some(plan.target.name.clone()),
            },
            uid: plan.uid.clone(),
            generation: plan.generation,
            content: plan.content.clone(),
        }
    }
}

/// The answer, without what it says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// `output`, `tool-error`, `trapped`, ...
    pub outcome: String,
    /// What went wrong, for the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The answer's size.
    pub bytes: usize,
    /// Whether something was left out.
    pub truncated: bool,
    /// Secrets that were replaced, in what was read and in the answer.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub redactions: u32,
    /// Characters that were removed, and marks of templates that were broken.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub sanitised: u32,
    /// The same by kind: `escapes`, `controls`, `bidi`, `invisible`, `tags`, `templates`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sanitised_by_kind: BTreeMap<String, u32>,
    /// From coming in to the end.
    pub duration_ms: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

fn by_kind(withheld: Withheld) -> BTreeMap<String, u32> {
    let Withheld { secrets: _, removed, defanged } = withheld;
    let Removed { escapes, controls, bidi, invisible, tags } = removed;
    let kinds = [
        ("escapes", escapes),
        ("controls", controls),
        ("bidi", bidi),
        ("invisible", invisible),
        ("tags", tags),
        ("templates", defanged),
    ];
    let there = kinds.into_iter().filter(|(_, n)| *n > 0);
    there.map(|(kind, n)| (kind.to_owned(), n)).collect()
}

impl OutcomeRecord {
    pub(super) fn new(
        outcome: &Outcome,
        withheld: Withheld,
        duration: std::time::Duration,
    ) -> Self {
        let (bytes, truncated, detail) = match outcome {
            Outcome::Output(output) => (output.bytes(), output.truncated, None),
            Outcome::Messages(written) => {
                (written.messages.iter().map(|message| message.text.len()).sum(), false, None)
            }
            Outcome::Content(content) => (content.text.len(), content.truncated, None),
            Outcome::Values(values) => (values.iter().map(String::len).sum(), false, None),
            Outcome::ToolError(text) | Outcome::NotFound(text) | Outcome::LimitExceeded(text) => {
                (text.len(), false, Some(text.clone()))
            }
            Outcome::Trapped { internal } | Outcome::HostFailed { internal } => {
                (0, false, Some(internal.clone()))
            }
            Outcome::Cancelled => (0, false, None),
        };
        let duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3;
        let outcome = outcome.as_str().to_owned();
        let redactions = withheld.secrets;
        let sanitised = withheld.removed.total().saturating_add(withheld.defanged);
        Self {
            outcome,
            detail,
            bytes,
            truncated,
            redactions,
            sanitised,
            sanitised_by_kind: by_kind(withheld),
            duration_ms,
        }
    }
}
