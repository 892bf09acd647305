//! `toolgate audit`: reads the log. Lines that make no sense are shown as such, never passed over.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::{Answer, Desk, block_on, interrupted};
use crate::cli::args::Audit;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Tone, printable};
use crate::governance::audit::{ApprovalRecord, AuditLine, FILE, Stage, TargetRecord};
use crate::wiring::AUDIT_DIR;

/// How often the end of the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The longest line that is read: arguments have at most 256 KiB.
const LINE_BYTES_MAX: u64 = 1 << 20;

pub(super) fn run(desk: &Desk, audit: &Audit) -> Answer {
    let path = super::approvals::state_dir(desk)?.join(AUDIT_DIR).join(FILE);
    let file = File::open(&path).map_err(|error| {
        let text = format!("`{}` cannot be read: {error}", path.display());
        Complaint::new(text, "the log begins with the first call")
    })?;
    let mut reader = BufReader::new(file);
    let lines = match audit.last {
        Some(n_calls) => last_calls(&mut reader, n_calls)?,
        None => Vec::new(),
    };
    for line in &lines {
        print(desk, audit, line)?;
    }
    while let Some(line) = next(&mut reader)? {
        print(desk, audit, &line)?;
    }
    if audit.follow {
        block_on(follow(desk, audit, reader))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(desk: &Desk, audit: &Audit, mut reader: BufReader<File>) -> Result<(), Complaint> {
    let mut stop = std::pin::pin!(interrupted());
    loop {
        while let Some(line) = next(&mut reader)? {
            print(desk, audit, &line)?;
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut stop => return Ok(()),
        }
    }
}

/// The next whole line. Half a line is one that is being written.
fn next(reader: &mut BufReader<File>) -> io::Result<Option<String>> {
    use std::io::Seek as _;
    let start = reader.stream_position()?;
    let mut bytes = Vec::new();
    reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
    let whole = bytes.last() == Some(&b'\n') || bytes.len() as u64 == LINE_BYTES_MAX;
    if bytes.is_empty() || !whole {
        reader.seek(io::SeekFrom::Start(start))?;
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// The lines of the last calls, from the first line of the earliest of them.
fn last_calls(reader: &mut BufReader<File>, n_calls: u32) -> io::Result<Vec<String>> {
    let n_calls = usize::try_from(n_calls).unwrap_or(usize::MAX);
    let mut calls: VecDeque<(String, Vec<String>)> = VecDeque::new();
    while let Some(line) = next(reader)? {
        let id = parse(&line).and_then(|record| record.call).unwrap_or_default();
        if let Some((_, lines)) = calls.iter_mut().rev().find(|(call, _)| *call == id) {
            lines.push(line);
            continue;
        }
        calls.push_back((id, vec![line]));
        if calls.len() > n_calls {
            calls.pop_front();
        }
    }
    Ok(calls.into_iter().flat_map(|(_, lines)| lines).collect())
}

/// A call is named by its beginning too: that is what the list shows.
fn is_of(record: &AuditLine, wanted: &str) -> bool {
    record.call.as_deref().is_some_and(|call| call.starts_with(wanted))
}

fn parse(line: &str) -> Option<AuditLine> {
    serde_json::from_str(line).ok()
}

fn print(desk: &Desk, audit: &Audit, line: &str) -> io::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    let record = parse(line);
    if let Some(wanted) = &audit.call
        && !record.as_ref().is_some_and(|record| is_of(record, wanted.as_str()))
    {
        return Ok(());
    }
    // A call makes many, so they are shown where one call is looked at.
    let is_request =
        record.as_ref().is_some_and(|record| matches!(record.stage, Stage::Request { .. }));
    if is_request && audit.call.is_none() && !desk.console.is_json() {
        return Ok(());
    }
    let mut out = desk.console.out();
    match record {
        _ if desk.console.is_json() => writeln!(out, "{}", ascii(line)),
        Some(record) => writeln!(out, "{}", words(&record)),
        None => writeln!(out, "{} {}", Tone::Bad.paint("unreadable"), printable(line)),
    }
}

/// JSON with every character beyond ASCII spelt out: the log holds what callers said, and a terminal
/// may obey some of it.
fn ascii(line: &str) -> String {
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
fn words(record: &AuditLine) -> String {
    let call: String = record.call.as_deref().unwrap_or("-").chars().take(8).collect();
    let call = printable(&call);
    let stage = record.stage.as_str();
    let (tone, text) = match &record.stage {
        Stage::Received(call) => {
            let arguments = call.arguments.as_ref().map(ToString::to_string).unwrap_or_default();
            (Tone::Strong, format!("{} {} {arguments}", call.principal, call.subject))
        }
        Stage::Admitted { plugin, tier, .. } => (Tone::Plain, format!("plugin {plugin}, {tier}")),
        Stage::Refused(refused) => (Tone::Bad, format!("{}: {}", refused.refusal, refused.reason)),
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
        Stage::ApprovalDecided { write, decision, by, reason } => {
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
