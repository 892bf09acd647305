//! From records to notices. Pure: what is told follows from the records, and from nothing else.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::notice::{Denial, Hit, Notice, Who, told};
use super::tally::{Rule, Tallies, Told};
use crate::governance::audit::{
    ApprovalRecord, AuditLine, Decision, OutcomeRecord, Stage, UseRecord,
};

/// A storm: somebody tries doors. A model that was told no twice tries otherwise or gives up.
const STORM: Rule = Rule { n: 20, within: Duration::from_mins(1), quiet: Duration::from_mins(10) };

/// The first limit is told; a plugin that loops hits it in each call.
const LIMIT: Rule = Rule { n: 1, within: Duration::from_mins(1), quiet: Duration::from_mins(10) };

/// Calls whose records are still coming: more than can be under way.
const CALLS_MAX: usize = 8_192;

/// Who called what.
#[derive(Debug, Clone, Default)]
struct Known {
    principal: Option<String>,
    subject: Option<String>,
    plugin: Option<String>,
    /// Nobody tries a door: the host looks again at what was let in once, and what it left out then
    /// it leaves out every few seconds.
    is_reread: bool,
}

/// Calls under way, the oldest first.
#[derive(Default)]
struct Calls {
    by_id: BTreeMap<String, Known>,
    order: VecDeque<String>,
}

impl Calls {
    fn open(&mut self, call: &str) -> &mut Known {
        if !self.by_id.contains_key(call) {
            self.order.push_back(call.to_owned());
            while self.order.len() > CALLS_MAX {
                let oldest = self.order.pop_front().unwrap_or_default();
                self.by_id.remove(&oldest);
            }
        }
        self.by_id.entry(call.to_owned()).or_default()
    }

    fn close(&mut self, call: &str) -> Known {
        // Calls end much in the order that they began in.
        if let Some(at) = self.order.iter().position(|id| id == call) {
            self.order.remove(at);
        }
        self.by_id.remove(call).unwrap_or_default()
    }
}

/// What follows from a record.
pub(super) enum Heard {
    /// It is told.
    Tell(Box<Notice>),
    /// This approval is to be told, as it stands in its files.
    Requested(String),
}

fn told_of(notice: Notice) -> Heard {
    Heard::Tell(Box::new(notice))
}

pub(super) struct Observer {
    calls: Calls,
    limits: Tallies<Who, Hit>,
    denials: Tallies<Who, Denial>,
}

impl Observer {
    pub(super) fn new() -> Self {
        Self { calls: Calls::default(), limits: Tallies::new(LIMIT), denials: Tallies::new(STORM) }
    }

    /// Whether it has to be asked from time to time.
    pub(super) fn is_counting(&self) -> bool {
        self.limits.is_counting() || self.denials.is_counting()
    }

    /// What went on since it was told last.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Notice> {
        let limits = self.limits.due(now).into_iter().map(limit);
        let storms = self.denials.due(now).into_iter().map(storm);
        limits.chain(storms).collect()
    }

    pub(super) fn hear(&mut self, line: &AuditLine, now: Duration) -> Vec<Heard> {
        let call = line.call.as_deref().unwrap_or_default();
        let tell = |notice| vec![told_of(notice)];
        match &line.stage {
            Stage::Received(record) => {
                let known = self.calls.open(call);
                known.principal = Some(told(&record.principal));
                known.subject = Some(told(&record.subject.to_string()));
                known.is_reread = record.is_reread;
                Vec::new()
            }
            Stage::Admitted { plugin, .. } => {
                self.calls.open(call).plugin = Some(told(plugin));
                Vec::new()
            }
            Stage::Refused(decision) => self.refused(call, decision, now),
            Stage::Used(used) if !used.allowed => self.denied(call, used, now),
            Stage::Completed(outcome) => self.completed(call, outcome, now),
            Stage::Abandoned => {
                self.calls.close(call);
                Vec::new()
            }
            Stage::ApprovalRequested(write) => {
                write.approval.clone().map(Heard::Requested).into_iter().collect()
            }
            Stage::ApprovalDecided { write, decision, by, through, reason } => {
                tell(Notice::Decided {
                    call: line.call.clone(),
                    write: Box::new(write.clone()),
                    decision: decision.clone(),
                    by: by.clone(),
                    through: through.clone(),
                    reason: reason.as_deref().map(told),
                })
            }
            Stage::Effect { write, result } => tell(effect(line.call.clone(), write, result)),
            Stage::Used(_)
            | Stage::Opened(_)
            | Stage::Continued { .. }
            | Stage::Torn { .. }
            | Stage::Checkpoint(_)
            | Stage::Request { .. }
            | Stage::Intent(_) => Vec::new(),
        }
    }

    fn refused(&mut self, call: &str, decision: &Decision, now: Duration) -> Vec<Heard> {
        let Known { principal, subject, plugin: _, is_reread } = self.calls.close(call);
        let Some(who) = principal.clone().map(Who::Principal) else { return Vec::new() };
        let (call, reason) = (call.to_owned(), Some(told(&decision.reason)));
        let notice = match decision.refusal.as_str() {
            "busy" => {
                let what = decision.refusal.clone();
                let hit = Hit { call, principal, subject, what, detail: reason };
                self.limits.count(who, hit, now).map(limit)
            }
            // A mistake, and not a door.
            "invalid-arguments" => None,
            _ if is_reread => None,
            _ => {
                let (capability, verb, target) = (None, None, None);
                let denial = Denial { call, principal, subject, capability, verb, target, reason };
                self.denials.count(who, denial, now).map(storm)
            }
        };
        notice.map(told_of).into_iter().collect()
    }

    fn denied(&mut self, call: &str, used: &UseRecord, now: Duration) -> Vec<Heard> {
        let Known { principal, subject, plugin, is_reread } = self.calls.open(call).clone();
        if is_reread {
            return Vec::new();
        }
        if let Some(rate) = used.over_rate() {
            let Some(who) = principal.clone().map(Who::Principal) else { return Vec::new() };
            let (call, what) = (call.to_owned(), "busy".to_owned());
            let detail = Some(told(&format!("{} beyond `{rate}`", used.capability)));
            let hit = Hit { call, principal, subject, what, detail };
            let limit = self.limits.count(who, hit, now).map(limit);
            return limit.map(told_of).into_iter().collect();
        }
        let whose = [plugin.map(Who::Plugin), principal.clone().map(Who::Principal)];
        let denial = Denial {
            call: call.to_owned(),
            principal,
            subject,
            capability: Some(used.capability.clone()),
            verb: Some(used.verb.clone()),
            target: Some(used.target.clone()),
            reason: used.rule.as_deref().map(told),
        };
        let count = |who| self.denials.count(who, denial.clone(), now);
        let storms = whose.into_iter().flatten().filter_map(count);
        storms.map(storm).map(told_of).collect()
    }

    fn completed(&mut self, call: &str, outcome: &OutcomeRecord, now: Duration) -> Vec<Heard> {
        let Known { principal, subject, plugin, is_reread: _ } = self.calls.close(call);
        if outcome.outcome != "limit-exceeded" {
            return Vec::new();
        }
        let Some(who) = plugin.map(Who::Plugin) else { return Vec::new() };
        let detail = outcome.detail.as_deref().map(told);
        let what = outcome.outcome.clone();
        let hit = Hit { call: call.to_owned(), principal, subject, what, detail };
        let limit = self.limits.count(who, hit, now).map(limit);
        limit.map(told_of).into_iter().collect()
    }
}

/// What the record of an effect says where it was done.
const DONE: &str = "done";

fn effect(call: Option<String>, write: &ApprovalRecord, result: &str) -> Notice {
    let write = Box::new(write.clone());
    if result == DONE {
        Notice::Performed { call, write }
    } else {
        Notice::Failed { call, write, error: told(result) }
    }
}

fn limit(told: Told<Who, Hit>) -> Notice {
    let Told { who, n, over, last } = told;
    Notice::Limit { who, n_hits: n, over_s: over.as_secs(), last }
}

fn storm(told: Told<Who, Denial>) -> Notice {
    let Told { who, n, over, last } = told;
    Notice::Storm { who, n_denials: n, over_s: over.as_secs(), last }
}
