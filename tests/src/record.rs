//! The audit log as text: what happened, without what differs from run to run.

use std::path::{Path, PathBuf};
use std::time::Duration;

use toolgate::governance::audit::{
    ApprovalRecord, AuditLine, Decision, FILE, OutcomeRecord, Stage, TargetRecord, UseRecord,
};

/// How long the last records of a call may take to be written: they are left, not waited for.
const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// The audit log of a house.
#[derive(Debug)]
pub struct Record {
    file: PathBuf,
}

impl Record {
    /// The one in a folder.
    pub fn of(folder: &Path) -> Self {
        Self { file: folder.join(FILE) }
    }

    /// Every line, parsed. Half a line or a stranger's fails the test.
    pub fn lines(&self) -> Vec<AuditLine> {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).expect("a line is a record")).collect()
    }

    /// What was asked of API servers: each call makes several requests, which its trail leaves out.
    pub fn requests(&self) -> Vec<AuditLine> {
        let mut lines = self.lines();
        lines.retain(|line| matches!(line.stage, Stage::Request { .. }));
        lines
    }

    /// The log as text, once every call that came in has ended: call by call, in the order in which
    /// they came in.
    pub async fn text(&self) -> String {
        let mut lines = self.settled().await;
        let mut calls: Vec<Option<String>> = Vec::new();
        for line in &lines {
            if !calls.contains(&line.call) {
                calls.push(line.call.clone());
            }
        }
        lines.sort_by_key(|line| calls.iter().position(|call| *call == line.call));
        let texts: Vec<String> = lines.iter().map(|found| line(&found.stage) + "\n").collect();
        texts.concat()
    }

    /// Every line, once every call that came in has ended.
    pub async fn settled(&self) -> Vec<AuditLine> {
        let wait = async {
            loop {
                let lines = self.lines();
                let count = |of: fn(&Stage) -> bool| lines.iter().filter(|l| of(&l.stage)).count();
                let ended = count(|stage| {
                    matches!(stage, Stage::Completed(_) | Stage::Refused(_) | Stage::Abandoned)
                });
                if ended >= count(|stage| matches!(stage, Stage::Received(_))) {
                    let is_step = |line: &AuditLine| !is_beside_the_point(&line.stage);
                    return lines.into_iter().filter(is_step).collect();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(SETTLED_WITHIN, wait).await.expect("every call's end is recorded")
    }
}

/// A call makes many requests, which its trail leaves out; and what the log says of itself is for
/// those who check it.
fn is_beside_the_point(stage: &Stage) -> bool {
    matches!(
        stage,
        Stage::Request { .. }
            | Stage::Opened(_)
            | Stage::Continued { .. }
            | Stage::Torn { .. }
            | Stage::Checkpoint(_)
    )
}

/// One record as text.
pub fn line(stage: &Stage) -> String {
    let word = stage.as_str();
    let rest = match stage {
        Stage::Received(call) => {
            let arguments = call.arguments.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{} {} {arguments}", call.principal, call.subject)
        }
        Stage::Admitted { plugin, digest: _, tier } => format!("{plugin} ({tier})"),
        Stage::Refused(Decision { refusal, reason, .. }) => format!("{refusal}: {reason}"),
        Stage::Used(UseRecord { capability, verb, target: on, allowed, rule: _ }) => {
            let verdict = if *allowed { "allowed" } else { "denied" };
            format!("{capability} {verb} {} {verdict}", target(on))
        }
        Stage::Intent(record) | Stage::ApprovalRequested(record) => write(record),
        Stage::Effect { write: record, result } => format!("{} {result}", write(record)),
        Stage::ApprovalDecided { write: record, decision, by, through, reason } => {
            let mut by = by.clone().unwrap_or_else(|| "nobody".to_owned());
            // The one channel whose answers count less.
            if through.as_ref().is_some_and(|through| through.contains("client")) {
                by.push_str(" (client)");
            }
            let reason = reason.as_deref().unwrap_or_default();
            format!("{} {decision} by {by} {reason}", write(record))
        }
        Stage::Completed(OutcomeRecord { outcome, detail, .. }) => match detail {
            Some(detail) => format!("{outcome}: {detail}"),
            None => outcome.clone(),
        },
        Stage::Request { cluster, method, path } => format!("{cluster} {method} {path}"),
        Stage::Abandoned
        | Stage::Opened(_)
        | Stage::Continued { .. }
        | Stage::Torn { .. }
        | Stage::Checkpoint(_) => String::new(),
    };
    format!("{word:<9} {rest}").trim_end().to_owned()
}

fn write(record: &ApprovalRecord) -> String {
    let to = match (record.replicas, record.revision) {
        (Some(replicas), _) => format!(" to {replicas}"),
        (None, Some(revision)) => format!(" to revision {revision}"),
        (None, None) => String::new(),
    };
    format!("{} {}{to} for {}", record.verb, target(&record.target), record.principal)
}

fn target(on: &TargetRecord) -> String {
    let TargetRecord { cluster, namespace, kind, name } = on;
    let namespace = namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
    format!("{cluster}:{kind}:{namespace}{}", name.as_deref().unwrap_or("*"))
}
