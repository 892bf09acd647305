//! What the records add up to: the last calls, what each plugin used, and which limits were hit.
//! Everything that is kept is bounded; what records say in words is kept as it is, and is shown as
//! text of others.

use std::collections::{BTreeMap, VecDeque};

use super::records::Read;
use crate::governance::audit::{
    ApprovalRecord, AuditLine, CallRecord, OutcomeRecord, Stage, TargetRecord,
};

/// Calls that are kept. A row has about 1 KB.
pub(super) const CALLS_MAX: usize = 4_000;

/// Hits of limits that are kept.
const HITS_MAX: usize = 500;

/// Plugins whose use is counted: more than anybody has, less than an attacker could name.
const PLUGINS_MAX: usize = 256;

/// Characters of a text that are kept of one row; the page of a call has the rest.
const CHARS_MAX: usize = 300;

/// How a call ended, as far as it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Runs, or its process ended.
    Open,
    /// Answered.
    Good,
    /// A write waits for a person.
    Asked,
    /// The tool failed, or what was asked for is not there.
    Failed,
    /// It was not run, or something that it wanted was refused.
    Refused,
    /// It ran into a limit, or came when there was no room.
    Limit,
    /// The plugin or the host broke.
    Broken,
}

/// A call in one row.
#[derive(Debug, Clone)]
pub(super) struct CallRow {
    pub(super) id: String,
    pub(super) at: String,
    pub(super) principal: String,
    pub(super) client: Option<String>,
    pub(super) subject: String,
    pub(super) arguments: String,
    pub(super) plugin: Option<String>,
    pub(super) tier: Option<String>,
    pub(super) n_uses: u32,
    pub(super) n_refused: u32,
    /// The last thing that was used, in words.
    pub(super) used: Option<String>,
    /// The request that came of it.
    pub(super) approval: Option<String>,
    pub(super) end: End,
    /// `output`, `tool-error`, ..., or the refusal.
    pub(super) outcome: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) duration_ms: Option<f64>,
}

/// What a plugin did, since the first record that was read.
#[derive(Debug, Clone, Default)]
pub(super) struct Used {
    pub(super) n_calls: u64,
    pub(super) n_failed: u64,
    pub(super) n_limits: u64,
    /// By capability: allowed and refused.
    pub(super) capabilities: BTreeMap<String, (u64, u64)>,
}

/// A limit that was hit.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) at: String,
    pub(super) call: String,
    pub(super) subject: String,
    pub(super) plugin: Option<String>,
    pub(super) principal: String,
    pub(super) what: String,
    pub(super) detail: String,
}

/// The sum of the records.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// By when they came in; the key counts.
    calls: BTreeMap<u64, CallRow>,
    by_id: BTreeMap<String, u64>,
    next: u64,
    pub(super) used: BTreeMap<String, Used>,
    pub(super) hits: VecDeque<Hit>,
    pub(super) since: Option<String>,
    pub(super) n_records: u64,
    pub(super) n_unreadable: u64,
    pub(super) is_partial: bool,
}

impl Ledger {
    /// Adds what was read.
    pub(super) fn add(&mut self, read: Read) {
        self.n_unreadable += read.n_unreadable;
        self.is_partial |= read.bytes_left_out > 0;
        for line in read.lines {
            self.apply(line);
        }
    }

    /// The calls that came in before the one of the key, the newest first.
    pub(super) fn calls(&self, before: Option<u64>) -> impl Iterator<Item = (u64, &CallRow)> {
        self.calls.range(..before.unwrap_or(u64::MAX)).rev().map(|(key, row)| (*key, row))
    }

    pub(super) fn n_calls(&self) -> usize {
        self.calls.len()
    }

    fn apply(&mut self, line: AuditLine) {
        self.n_records += 1;
        if self.since.is_none() {
            self.since = Some(line.at.clone());
        }
        let Some(id) = line.call else { return };
        if let Stage::Received(call) = &line.stage {
            self.open(CallRow::of(id, line.at, call));
            return;
        }
        // One whose beginning is older than what was read is left out: nobody knows who asked.
        let Some(row) = self.by_id.get(&id).and_then(|key| self.calls.get_mut(key)) else { return };
        if let Some(approval) = approval(&line.stage) {
            row.approval = Some(short(approval));
        }
        match line.stage {
            Stage::Admitted { plugin, tier, .. } => {
                let plugin = short(&plugin);
                row.tier = Some(short(&tier));
                row.plugin = Some(plugin.clone());
                self.count(Some(plugin), |used| used.n_calls += 1);
            }
            Stage::Refused(refused) => {
                row.end = if is_no(&refused.refusal) { End::Refused } else { End::Limit };
                row.outcome = Some(short(&refused.refusal));
                row.detail = Some(short(&refused.reason));
                if row.end == End::Limit {
                    self.hit(&id, &line.at, &refused.refusal, &refused.reason);
                }
            }
            Stage::Used(record) => {
                let plugin = row.plugin.clone();
                row.n_uses = row.n_uses.saturating_add(1);
                row.n_refused += u32::from(!record.allowed);
                row.used = Some(short(&format!("{} {}", record.verb, target(&record.target))));
                self.count(plugin, |used| {
                    let (allowed, refused) =
                        used.capabilities.entry(short(&record.capability)).or_default();
                    *if record.allowed { allowed } else { refused } += 1;
                });
                if let Some(rate) = record.over_rate() {
                    let detail = format!("{} beyond `{rate}`", record.capability);
                    self.hit(&id, &line.at, "busy", &detail);
                }
            }
            Stage::Completed(outcome) => {
                row.complete(&outcome);
                let (end, plugin) = (row.end, row.plugin.clone());
                if end == End::Limit {
                    let detail = outcome.detail.unwrap_or_default();
                    self.hit(&id, &line.at, &outcome.outcome, &detail);
                }
                self.count(plugin, |used| used.n_failed += u64::from(end == End::Broken));
            }
            Stage::Abandoned => {
                row.end = End::Broken;
                row.outcome = Some("abandoned".to_owned());
            }
            Stage::Opened(_)
            | Stage::Continued { .. }
            | Stage::Torn { .. }
            | Stage::Checkpoint(_)
            | Stage::Received(_)
            | Stage::Request { .. }
            | Stage::Intent(_)
            | Stage::Effect { .. }
            | Stage::ApprovalRequested(_)
            | Stage::ApprovalDecided { .. } => {}
        }
    }

    fn open(&mut self, row: CallRow) {
        if self.calls.len() >= CALLS_MAX
            && let Some((_, oldest)) = self.calls.pop_first()
        {
            self.by_id.remove(&oldest.id);
        }
        self.by_id.insert(row.id.clone(), self.next);
        self.calls.insert(self.next, row);
        self.next += 1;
    }

    fn count(&mut self, plugin: Option<String>, what: impl FnOnce(&mut Used)) {
        let Some(plugin) = plugin else { return };
        if self.used.contains_key(&plugin) || self.used.len() < PLUGINS_MAX {
            what(self.used.entry(plugin).or_default());
        }
    }

    fn hit(&mut self, call: &str, at: &str, what: &str, detail: &str) {
        let Some(row) = self.by_id.get(call).and_then(|key| self.calls.get(key)) else { return };
        let hit = Hit {
            at: at.to_owned(),
            call: call.to_owned(),
            subject: row.subject.clone(),
            plugin: row.plugin.clone(),
            principal: row.principal.clone(),
            what: short(what),
            detail: short(detail),
        };
        self.count(hit.plugin.clone(), |used| used.n_limits += 1);
        if self.hits.len() >= HITS_MAX {
            self.hits.pop_back();
        }
        self.hits.push_front(hit);
    }
}

impl CallRow {
    /// A call that has come in.
    fn of(id: String, at: String, call: &CallRecord) -> Self {
        Self {
            id,
            at,
            principal: short(&call.principal),
            client: call.client.as_deref().map(short),
            subject: short(&call.subject.to_string()),
            arguments: call.arguments.as_ref().map(in_short).unwrap_or_default(),
            plugin: None,
            tier: None,
            n_uses: 0,
            n_refused: 0,
            used: None,
            approval: None,
            end: End::Open,
            outcome: None,
            detail: None,
            duration_ms: None,
        }
    }

    fn complete(&mut self, outcome: &OutcomeRecord) {
        self.duration_ms = Some(outcome.duration_ms);
        self.detail = outcome.detail.as_deref().map(short);
        self.end = end(&outcome.outcome, self);
        self.outcome = Some(short(&outcome.outcome));
    }
}

/// Whether a refusal is an answer to what was asked, and not to when or how often.
fn is_no(refusal: &str) -> bool {
    refusal == "denied" || refusal == "invalid-arguments" || refusal.starts_with("unknown-")
}

fn end(outcome: &str, row: &CallRow) -> End {
    match outcome {
        "limit-exceeded" => End::Limit,
        "trapped" | "host-failed" => End::Broken,
        "output" | "messages" | "content" | "values" if row.approval.is_some() => End::Asked,
        "output" | "messages" | "content" | "values" if row.n_refused > 0 => End::Refused,
        "output" | "messages" | "content" | "values" => End::Good,
        _ => End::Failed,
    }
}

/// The request that a record is about.
pub(super) fn approval(stage: &Stage) -> Option<&str> {
    match stage {
        Stage::Intent(write)
        | Stage::Effect { write, .. }
        | Stage::ApprovalRequested(write)
        | Stage::ApprovalDecided { write, .. } => write.approval.as_deref(),
        Stage::Opened(_)
        | Stage::Continued { .. }
        | Stage::Torn { .. }
        | Stage::Checkpoint(_)
        | Stage::Received(_)
        | Stage::Admitted { .. }
        | Stage::Refused(_)
        | Stage::Used(_)
        | Stage::Request { .. }
        | Stage::Completed(_)
        | Stage::Abandoned => None,
    }
}

/// An object in words.
pub(super) fn target(target: &TargetRecord) -> String {
    let TargetRecord { cluster, namespace, kind, name } = target;
    let namespace = namespace.as_ref().map(|n| format!("{n}/")).unwrap_or_default();
    format!("{kind} {namespace}{} in {cluster}", name.as_deref().unwrap_or("*"))
}

/// A write in words.
pub(super) fn written(write: &ApprovalRecord) -> String {
    let to = match (write.replicas, write.revision) {
        (Some(replicas), _) => format!(" to {replicas}"),
        (None, Some(revision)) => format!(" to revision {revision}"),
        (None, None) => String::new(),
    };
    format!("{} {}{to}", write.verb, target(&write.target))
}

/// Arguments as `key=value`, which is what people read; JSON where they are nested.
pub(super) fn in_short(arguments: &serde_json::Value) -> String {
    use serde_json::Value;
    let Value::Object(map) = arguments else { return short(&arguments.to_string()) };
    let pairs = map.iter().map(|(key, value)| match value {
        Value::String(text) => format!("{key}={text}"),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            format!("{key}={value}")
        }
    });
    short(&pairs.collect::<Vec<_>>().join(" "))
}

fn short(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}
