//! A record in words, for one line of a terminal.

use crate::cli::table::{Tone, printable};
use crate::governance::audit::{ApprovalRecord, AuditLine, Stage, TargetRecord};

/// JSON with every character beyond ASCII spelt out: the log holds what callers said, and a terminal
/// may obey some of it.
pub(super) fn ascii(line: &str) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(line.len());
    for c in line.chars() {
        if matches!(c, ' '..='~') {
            text.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a string does not fail.
                let _ = write!(text, "\\u{unit:04x}");
            }
        }
    }
    text
}

/// One record in one line.
pub(super) fn words(record: &AuditLine) -> String {
    let call: String = record.call.as_deref().unwrap_or("-").chars().take(8).collect();
    let call = printable(&call);
    let stage = record.stage.as_str();
    let (tone, text) = match &record.stage {
        Stage::Received(call) => {
            let arguments = call.arguments.as_ref().map(ToString::to_string).unwrap_or_default();
            let claim = call.on_behalf_of.as_ref().map(|who| format!(" for `{who}`"));
            let claim = claim.unwrap_or_default();
            (Tone::Strong, format!("{}{claim} {} {arguments}", call.principal, call.subject))
        }
        Stage::Admitted { plugin, tier, .. } => (Tone::Plain, format!("plugin {plugin}, {tier}")),
        Stage::Refused(refused) => {
            let rule = refused.rule.as_ref().map(|rule| format!(" ({rule})")).unwrap_or_default();
            (Tone::Bad, format!("{}: {}{rule}", refused.refusal, refused.reason))
        }
        Stage::Used(used) => {
            let tone = if used.allowed { Tone::Plain } else { Tone::Bad };
            let refused = if used.allowed { "" } else { "  REFUSED" };
            (tone, format!("{} {} {}{refused}", used.capability, used.verb, target(&used.target)))
        }
        Stage::Request { cluster, method, path } => {
            (Tone::Faint, format!("{method} {path} in {cluster}"))
        }
        Stage::Intent(write) => (Tone::Warning, written(write)),
        Stage::Effect { write, result } => (Tone::Warning, format!("{}: {result}", written(write))),
        Stage::ApprovalRequested(write) => (
            Tone::Warning,
            format!("{} as {}", written(write), write.approval.as_deref().unwrap_or("-")),
        ),
        Stage::ApprovalDecided { write, decision, by, reason, .. } => {
            let by = by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            let text = format!("{} {decision}{by}{why}", written(write));
            (Tone::Warning, text)
        }
        Stage::Completed(outcome) => {
            let detail = outcome.detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default();
            let text = format!(
                "{} {} bytes in {} ms{detail}",
                outcome.outcome, outcome.bytes, outcome.duration_ms
            );
            (Tone::Plain, text)
        }
        Stage::Abandoned => (Tone::Bad, "nobody closed the record".to_owned()),
        Stage::Opened(opened) => {
            (Tone::Faint, format!("instance {}, toolgate {}", record.instance, opened.version))
        }
        Stage::Continued { file, why, .. } => {
            (Tone::Faint, format!("instance {} in file {file}: {why}", record.instance))
        }
        Stage::Torn { torn_bytes, .. } => {
            (Tone::Bad, format!("{torn_bytes} bytes before this are half a line, and no record"))
        }
        Stage::Checkpoint(signed) => {
            (Tone::Faint, format!("instance {} through {}", record.instance, signed.through))
        }
    };
    let stage = tone.paint(&format!("{stage:<18}"));
    let at = printable(record.at.get(..19).unwrap_or(&record.at));
    format!("{} {call:<8} {stage} {}", Tone::Faint.paint(&at), printable(&text))
}

fn written(write: &ApprovalRecord) -> String {
    let to = match (write.replicas, write.revision) {
        (Some(replicas), _) => format!(" to {replicas}"),
        (None, Some(revision)) => format!(" to revision {revision}"),
        (None, None) => String::new(),
    };
    format!("{} {}{to}", write.verb, target(&write.target))
}

fn target(target: &TargetRecord) -> String {
    let TargetRecord { cluster, namespace, kind, name } = target;
    let namespace = namespace.as_ref().map(|n| format!("{n}/")).unwrap_or_default();
    format!("{kind} {namespace}{} in {cluster}", name.as_deref().unwrap_or("*"))
}
