//! `toolgate audit verify`

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::{Answer, Desk};
use crate::cli::args::AuditVerify;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone, printable};
use crate::governance::audit::PublicKey;
use crate::governance::audit::files::{self, Trust};
use crate::governance::audit::verify::{Finding, Report};

/// Something is not as it was written: told apart from a log that cannot be read.
const FOUND: u8 = 3;

/// How often it is said how far it is.
const PROGRESS_EVERY: Duration = Duration::from_secs(1);

pub(super) fn run(desk: &Desk, verify: AuditVerify) -> Answer {
    let AuditVerify { from, public_key, checkpoints, dir } = verify;
    let folder = match dir {
        Some(dir) => dir,
        None => super::folder(desk)?,
    };
    let is_own_key = public_key.is_empty();
    let keys = public_key.iter().map(|text| key(text)).collect::<Result<_, _>>()?;
    let mut said = Instant::now();
    let mut progress = |done: u64, total: u64| {
        if said.elapsed() >= PROGRESS_EVERY {
            said = Instant::now();
            let percent = (done.saturating_mul(100)).checked_div(total).unwrap_or(100).min(100);
            // A report of progress that nobody takes is not missed.
            let _ = writeln!(desk.console.err(), "{percent} % of {} MiB read", total >> 20);
        }
    };
    let report = files::verify(&folder, Trust { keys, checkpoints, from }, &mut progress);
    let report = report.map_err(|error| {
        let text = format!("the log in `{}` cannot be verified: {error}", folder.display());
        Complaint::new(
            text,
            "it and its key begin with the first call; `--dir` names another folder",
        )
    })?;
    if desk.console.is_json() {
        desk.console.json(&serde_json::to_value(&report).map_err(std::io::Error::from)?)?;
    } else {
        tell(desk, &report, is_own_key)?;
    }
    Ok(if report.n_findings == 0 { ExitCode::SUCCESS } else { ExitCode::from(FOUND) })
}

fn key(text: &str) -> Result<PublicKey, Complaint> {
    let parsed = text.parse().or_else(|wanted: String| {
        let read = std::fs::read_to_string(text);
        read.map_err(|_| wanted).and_then(|text| text.parse())
    });
    parsed.map_err(|error| {
        let text = format!("`{}` is no public key, and no file that holds one", printable(text));
        Complaint::new(text, error)
    })
}

fn tell(desk: &Desk, report: &Report, is_own_key: bool) -> std::io::Result<()> {
    let mut out = desk.console.out();
    if !report.instances.is_empty() {
        let mut table = Table::new(["instance", "records", "signed through", "end"]);
        for found in &report.instances {
            let behind = found.last.saturating_sub(found.covered);
            let end = match (found.is_closed, behind) {
                (true, _) => Cell::from("closed"),
                (false, 0) => Cell::from("open"),
                (false, n) => Cell::new(format!("open, {n} not signed yet"), Tone::Warning),
            };
            let records = format!("{}-{}", found.first, found.last);
            table.row([
                Cell::from(found.instance.as_str()),
                Cell::from(records),
                Cell::from(found.covered.to_string()),
                end,
            ]);
        }
        desk.console.table(&table)?;
        writeln!(out)?;
    }
    for finding in &report.findings {
        writeln!(out, "{} {}", Tone::Bad.paint("found:"), printable(&told(finding)))?;
    }
    let more = report.n_findings.saturating_sub(report.findings.len() as u64);
    if more > 0 {
        writeln!(out, "{} and {more} more", Tone::Bad.paint("found:"))?;
    }
    let Report { n_records, n_checkpoints, n_torn, n_findings, is_unfinished, .. } = report;
    if *n_torn > 0 {
        writeln!(out, "{n_torn} lines were not finished, and later records tell of them.")?;
    }
    if *is_unfinished {
        writeln!(out, "The last line is not finished: it is being written, or a process died.")?;
    }
    let checked = format!("{n_records} records and {n_checkpoints} signatures checked");
    if *n_findings == 0 {
        writeln!(out, "{} {checked}.", Tone::Good.paint("nothing found:"))?;
        if is_own_key {
            let key =
                "The key lies beside the log; `--public-key` takes one that was kept elsewhere.";
            writeln!(out, "{}", Tone::Faint.paint(key))?;
        }
        return Ok(());
    }
    writeln!(out, "\n{checked}, {n_findings} findings.")?;
    writeln!(
        out,
        "Keep the files as they are, compare them with copies (other sinks, backups, the \
         checkpoints in the program's own log), and trust nothing of an instance after its first \
         finding."
    )
}

/// `audit.jsonl:17: record 12 of 0123456789abcdef was changed: ..`
fn told(finding: &Finding) -> String {
    let Finding { file, line, instance, seq, text } = finding;
    let file = file
        .as_deref()
        .map(|file| line.map_or_else(|| format!("{file}: "), |line| format!("{file}:{line}: ")));
    let record = match (instance, seq) {
        (Some(instance), Some(seq)) => format!("record {seq} of {instance} "),
        _ => String::new(),
    };
    format!("{}{record}{text}", file.unwrap_or_default())
}
