//! Shows records. Lines that make no sense are shown as such, never passed over.

use std::collections::{BTreeSet, VecDeque};
use std::fs::File;
use std::io::{self, BufReader, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::words::{ascii, words};
use super::{Answer, Desk};
use crate::cli::args::{AuditFilter, AuditShow, Since};
use crate::cli::commands::{block_on, interrupted};
use crate::cli::complaint::Complaint;
use crate::cli::table::{Tone, printable};
use crate::governance::audit::files::{LogPart, next_line, parts};
use crate::governance::audit::{AuditLine, FILE, Stage, SubjectRecord};

/// How often the end of the file is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

pub(super) fn run(desk: &Desk, show: &AuditShow) -> Answer {
    let folder = super::folder(desk)?;
    let unreadable = |error: io::Error| {
        let text = format!("`{}` cannot be read: {error}", folder.join(FILE).display());
        Complaint::new(text, "the log begins with the first call")
    };
    let mut selection = Selection::new(&show.filter);
    if selection.by_call {
        // Who asked is said once, by a call's first record, and an approval by a later one.
        for part in parts(&folder).map_err(unreadable)? {
            each(part.file, &mut |line| selection.learn(parse(line).as_ref()))?;
        }
    }
    let parts = parts(&folder).map_err(unreadable)?;
    if parts.is_empty() {
        return Err(unreadable(io::Error::from_raw_os_error(2)));
    }
    let mut last = show.last.map(Last::new);
    let mut current = None;
    for LogPart { number, file, .. } in parts {
        let mut reader = Reader::new(file);
        while let Some(line) = reader.next()? {
            let record = parse(&line);
            if !selection.wants(record.as_ref()) {
                continue;
            }
            match &mut last {
                Some(last) => last.keep(line, record.and_then(|record| record.call)),
                None => print(desk, &selection, &line, record)?,
            }
        }
        if number.is_none() {
            current = Some(reader);
        }
    }
    for line in last.map(Last::into_lines).unwrap_or_default() {
        let record = parse(&line);
        print(desk, &selection, &line, record)?;
    }
    if show.follow {
        block_on(follow(desk, &mut selection, &folder, current))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn follow(
    desk: &Desk,
    selection: &mut Selection<'_>,
    folder: &Path,
    mut current: Option<Reader>,
) -> Result<(), Complaint> {
    let mut stop = std::pin::pin!(interrupted());
    loop {
        if let Some(reader) = &mut current {
            while let Some(line) = reader.next()? {
                let record = parse(&line);
                selection.learn(record.as_ref());
                if selection.wants(record.as_ref()) {
                    print(desk, selection, &line, record)?;
                }
            }
        }
        // Only at its end it is left: what was written to it last has been shown.
        if current.as_ref().is_none_or(|reader| !reader.is(&folder.join(FILE))) {
            match File::open(folder.join(FILE)) {
                Ok(file) => {
                    current = Some(Reader::new(file));
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut stop => return Ok(()),
        }
    }
}

/// A file that may grow.
struct Reader {
    lines: BufReader<File>,
    /// The end of the last whole line.
    at: u64,
}

impl Reader {
    fn new(file: File) -> Self {
        Self { lines: BufReader::with_capacity(256 << 10, file), at: 0 }
    }

    /// The next whole line. Half a line is one that is being written.
    fn next(&mut self) -> io::Result<Option<String>> {
        use std::io::Seek as _;
        let Some((line, is_ended)) = next_line(&mut self.lines)? else { return Ok(None) };
        if !is_ended {
            self.lines.seek(io::SeekFrom::Start(self.at))?;
            return Ok(None);
        }
        self.at = self.lines.stream_position()?;
        Ok(Some(String::from_utf8_lossy(&line).trim_end().to_owned()))
    }

    /// Whether the name leads to this file.
    #[cfg(unix)]
    fn is(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let (Ok(mine), Ok(there)) = (self.lines.get_ref().metadata(), std::fs::metadata(path))
        else {
            return true; // Nothing is there to go on with.
        };
        (mine.dev(), mine.ino()) == (there.dev(), there.ino())
    }

    #[cfg(not(unix))]
    fn is(&self, _path: &Path) -> bool {
        true
    }
}

fn each(file: File, visit: &mut dyn FnMut(&str)) -> io::Result<()> {
    let mut reader = Reader::new(file);
    while let Some(line) = reader.next()? {
        visit(&line);
    }
    Ok(())
}

fn parse(line: &str) -> Option<AuditLine> {
    serde_json::from_str(line).ok()
}

/// Which records are wanted.
struct Selection<'a> {
    filter: &'a AuditFilter,
    since: Option<jiff::Timestamp>,
    /// Some of what is asked for stands in one record of a call only.
    by_call: bool,
    callers: BTreeSet<String>,
    approved: BTreeSet<String>,
}

impl<'a> Selection<'a> {
    fn new(filter: &'a AuditFilter) -> Self {
        let AuditFilter { call: _, principal, tool, approval, since } = filter;
        let since = since.map(|since| match since {
            Since::At(at) => at,
            Since::Ago(seconds) => {
                let ago = jiff::SignedDuration::from_secs(seconds);
                jiff::Timestamp::now().checked_sub(ago).unwrap_or(jiff::Timestamp::MIN)
            }
        });
        let by_call = principal.is_some() || tool.is_some() || approval.is_some();
        let (callers, approved) = (BTreeSet::new(), BTreeSet::new());
        Self { filter, since, by_call, callers, approved }
    }

    fn learn(&mut self, record: Option<&AuditLine>) {
        let Some(record) = record.filter(|_| self.by_call) else { return };
        let Some(call) = &record.call else { return };
        match &record.stage {
            Stage::Received(received) => {
                let is_by = self.filter.principal.as_deref().is_none_or(|wanted| {
                    let name = received.principal.as_str();
                    name == wanted || name.split('@').next() == Some(wanted)
                });
                let is_of = self.filter.tool.as_ref().is_none_or(|wanted| {
                    matches!(&received.subject, SubjectRecord::Tool(name) if name == wanted.as_str())
                });
                if is_by && is_of {
                    self.callers.insert(call.clone());
                }
            }
            Stage::ApprovalRequested(write)
            | Stage::ApprovalDecided { write, .. }
            | Stage::Intent(write)
            | Stage::Effect { write, .. } => {
                let wanted = self.filter.approval.as_ref().map(ToString::to_string);
                if wanted.is_some() && write.approval == wanted {
                    self.approved.insert(call.clone());
                }
            }
            Stage::Opened(_)
            | Stage::Continued { .. }
            | Stage::Torn { .. }
            | Stage::Checkpoint(_)
            | Stage::Admitted { .. }
            | Stage::Refused(_)
            | Stage::Used(_)
            | Stage::Request { .. }
            | Stage::Completed(_)
            | Stage::Abandoned => {}
        }
    }

    fn wants(&self, record: Option<&AuditLine>) -> bool {
        let AuditFilter { call, principal, tool, approval, since: _ } = self.filter;
        let Some(record) = record else {
            // What cannot be read is shown where everything is.
            return call.is_none() && !self.by_call && self.since.is_none();
        };
        let of = record.call.as_deref();
        // A call is named by its beginning too: that is what the list shows.
        let is_call = call
            .as_ref()
            .is_none_or(|wanted| of.is_some_and(|call| call.starts_with(wanted.as_str())));
        let is_in = |calls: &BTreeSet<String>| of.is_some_and(|call| calls.contains(call));
        let is_by = (principal.is_none() && tool.is_none()) || is_in(&self.callers);
        let is_approved = approval.is_none() || is_in(&self.approved);
        let is_since = self
            .since
            .is_none_or(|since| record.at.parse::<jiff::Timestamp>().is_ok_and(|at| at >= since));
        is_call && is_by && is_approved && is_since
    }
}

/// The lines of the last calls, from the first line of the earliest of them.
struct Last {
    n_calls: usize,
    calls: VecDeque<(String, Vec<String>)>,
}

impl Last {
    fn new(n_calls: u32) -> Self {
        let n_calls = usize::try_from(n_calls).unwrap_or(usize::MAX);
        Self { n_calls, calls: VecDeque::new() }
    }

    fn keep(&mut self, line: String, call: Option<String>) {
        let Some(id) = call else { return };
        if let Some((_, lines)) = self.calls.iter_mut().rev().find(|(call, _)| *call == id) {
            lines.push(line);
            return;
        }
        self.calls.push_back((id, vec![line]));
        if self.calls.len() > self.n_calls {
            self.calls.pop_front();
        }
    }

    fn into_lines(self) -> Vec<String> {
        self.calls.into_iter().flat_map(|(_, lines)| lines).collect()
    }
}

fn print(
    desk: &Desk,
    selection: &Selection<'_>,
    line: &str,
    record: Option<AuditLine>,
) -> io::Result<()> {
    if line.is_empty() {
        return Ok(());
    }
    let mut out = desk.console.out();
    match record {
        _ if desk.console.is_json() => writeln!(out, "{}", ascii(line)),
        Some(record) if is_beside_the_point(&record.stage, selection) => Ok(()),
        Some(record) => writeln!(out, "{}", words(&record)),
        None => writeln!(out, "{} {}", Tone::Bad.paint("unreadable"), printable(line)),
    }
}

/// A call makes many requests, so they are shown where one call is looked at; what the log says of
/// itself is for `verify`.
fn is_beside_the_point(stage: &Stage, selection: &Selection<'_>) -> bool {
    match stage {
        Stage::Request { .. } => selection.filter.call.is_none(),
        Stage::Opened(_) | Stage::Continued { .. } | Stage::Checkpoint(_) => true,
        Stage::Torn { .. }
        | Stage::Received(_)
        | Stage::Admitted { .. }
        | Stage::Refused(_)
        | Stage::Used(_)
        | Stage::Intent(_)
        | Stage::Effect { .. }
        | Stage::ApprovalRequested(_)
        | Stage::ApprovalDecided { .. }
        | Stage::Completed(_)
        | Stage::Abandoned => false,
    }
}
