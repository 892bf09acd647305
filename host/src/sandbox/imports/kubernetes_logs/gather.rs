//! Reads one log to its end, or to a bound, and keeps what is wanted of it.

use std::sync::Arc;
use std::time::Duration;

use regex::Regex;
use tokio::time::{Instant, timeout_at};

use super::super::super::bindings::toolgate::plugin::kubernetes_logs::{ContainerLog, Ending};
use super::LINE_BYTES_MAX;
use super::filter::{Filter, Newest, shown, without_time};
use crate::capability::logs::LogQuery;
use crate::capability::{CapabilityError, Kubernetes, ProgressSink};
use crate::domain::withheld::{Removed, Withheld};
use crate::governance::lines::SafeLines;

/// Bytes of a log that are read in one go. The kubelet keeps 50 MiB of a container by default.
const READ_BYTES_MAX: u64 = 1 << 30;

/// How often a log is read that breaks off.
const ATTEMPTS: u32 = 2;

/// How long a line of a followed log waits for the next one.
const IDLE: Duration = Duration::from_millis(250);

/// How often the client hears how far it is.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// Bytes of a piece that are taken at once.
const PART_BYTES: usize = 64 << 10;

/// How long one log may hold its thread: others' answers wait for it.
const TURN: Duration = Duration::from_millis(2);

/// Bytes of lines after which the clock is looked at.
const TURN_BYTES: usize = 4 << 10;

/// How long so many bytes may take. Ordinary patterns take microseconds; the worst that are accepted
/// take a tenth of a second each, and whoever sends eight of those shall not do so for minutes.
const STALL: Duration = Duration::from_secs(1);

/// What to read and what to keep.
pub(super) struct Reading {
    pub(super) query: LogQuery,
    pub(super) filter: Arc<Filter>,
    /// Ends it.
    pub(super) until: Option<Regex>,
    pub(super) lines_max: u32,
    pub(super) bytes_max: usize,
    pub(super) deadline: Instant,
    pub(super) progress: Option<Arc<dyn ProgressSink>>,
}

/// What was kept, and what is true of the rest.
pub(super) struct Gathered {
    pub(super) container: String,
    pub(super) newest: Newest,
    pub(super) ending: Ending,
    pub(super) redacted: u32,
    pub(super) removed: Removed,
    lines_read: u64,
    lines_matched: u64,
    has_dropped: bool,
}

impl Gathered {
    pub(super) fn is_truncated(&self) -> bool {
        self.newest.has_lost
            || self.has_dropped
            || matches!(self.ending, Ending::Time | Ending::Bytes)
    }

    pub(super) fn withheld(&self) -> Withheld {
        Withheld { secrets: self.redacted, removed: self.removed, defanged: 0 }
    }

    pub(super) fn into_log(self, query: &LogQuery) -> ContainerLog {
        ContainerLog {
            pod: query.pod.to_string(),
            previous: query.previous,
            truncated: self.is_truncated(),
            container: self.container,
            lines: self.newest.into_lines(),
            lines_read: self.lines_read,
            lines_matched: self.lines_matched,
            ending: self.ending,
            redacted: self.redacted,
            removed: self.removed.total(),
            unavailable: None,
        }
    }
}

/// Reads a log. Dropped, it ends the request.
pub(super) async fn gather(
    kubernetes: &dyn Kubernetes,
    reading: &Reading,
) -> Result<Gathered, CapabilityError> {
    let mut attempt = 1;
    loop {
        let mut state = State::new(reading);
        match state.read(kubernetes).await {
            // What breaks off is read again, once; what is followed has been seen already.
            Err(CapabilityError::Unavailable { internal, .. })
                if state.bytes_read > 0 && attempt < ATTEMPTS && !reading.query.follow =>
            {
                tracing::debug!(%internal, "a log breaks off and is read again");
                attempt += 1;
            }
            Err(error) => return Err(error),
            Ok((container, ending)) => return Ok(state.gathered(container, ending)),
        }
    }
}

/// One attempt.
struct State<'a> {
    reading: &'a Reading,
    safe: SafeLines,
    kept: Kept<'a>,
    bytes_read: u64,
    turn: Instant,
    reported: Instant,
}

/// What becomes of the lines.
struct Kept<'a> {
    reading: &'a Reading,
    newest: Newest,
    lines_read: u64,
    lines_matched: u64,
    is_matched: bool,
}

impl Kept<'_> {
    fn take(&mut self, line: &str) {
        if self.is_matched {
            return;
        }
        self.lines_read = self.lines_read.saturating_add(1);
        let (line, is_cut) = shown(line);
        let words = if self.reading.query.timestamps { without_time(line) } else { line };
        self.is_matched = self.reading.until.as_ref().is_some_and(|until| until.is_match(words));
        if !self.reading.filter.passes(words) && !self.is_matched {
            return;
        }
        self.lines_matched = self.lines_matched.saturating_add(1);
        if is_cut {
            self.newest.has_lost = true;
            self.newest.push(&format!("{line}{}", crate::governance::text::CUT));
        } else {
            self.newest.push(line);
        }
    }
}

impl<'a> State<'a> {
    fn new(reading: &'a Reading) -> Self {
        let newest = Newest::new(reading.lines_max, reading.bytes_max);
        let now = Instant::now();
        let kept = Kept { reading, newest, lines_read: 0, lines_matched: 0, is_matched: false };
        let safe = SafeLines::default();
        Self { reading, safe, kept, bytes_read: 0, turn: now, reported: now }
    }

    async fn read(
        &mut self,
        kubernetes: &dyn Kubernetes,
    ) -> Result<(String, Ending), CapabilityError> {
        let reading = self.reading;
        let opened = timeout_at(reading.deadline, kubernetes.open_log(&reading.query)).await;
        let Ok(opened) = opened else {
            return Err(CapabilityError::Unavailable {
                caller: "the cluster did not answer in time; try again later",
                internal: "a log was not opened before the deadline of the call".to_owned(),
            });
        };
        let mut log = opened?;
        let ending = loop {
            let wait = if reading.query.follow {
                reading.deadline.min(Instant::now() + IDLE)
            } else {
                reading.deadline
            };
            match timeout_at(wait, log.pieces.next()).await {
                Ok(None) => break Ending::Log,
                Ok(Some(piece)) => {
                    // What passed while waiting was no work.
                    self.turn = Instant::now();
                    self.take(&piece?).await?;
                }
                Err(_) if Instant::now() >= reading.deadline => break Ending::Time,
                Err(_) => {
                    self.turn = Instant::now();
                    self.safe.idle();
                    self.keep().await?;
                }
            }
            if self.kept.is_matched {
                break Ending::Matched;
            }
            if self.bytes_read >= READ_BYTES_MAX {
                break Ending::Bytes;
            }
            if Instant::now() >= reading.deadline {
                break Ending::Time;
            }
            self.report();
        };
        drop(log.pieces);
        self.safe.finish();
        self.turn = Instant::now();
        self.keep().await?;
        let ending = if self.kept.is_matched { Ending::Matched } else { ending };
        Ok((log.container, ending))
    }

    async fn take(&mut self, piece: &[u8]) -> Result<(), CapabilityError> {
        self.bytes_read = self.bytes_read.saturating_add(u64::try_from(piece.len()).unwrap_or(0));
        for part in piece.chunks(PART_BYTES) {
            self.safe.push(part);
            self.keep().await?;
        }
        Ok(())
    }

    /// Looks at the lines that are safe by now.
    async fn keep(&mut self) -> Result<(), CapabilityError> {
        while let Some(block) = self.safe.next_block() {
            let mut looked = 0;
            for line in block.lines() {
                self.kept.take(line);
                looked += line.len().min(LINE_BYTES_MAX);
                if looked >= TURN_BYTES {
                    looked = 0;
                    self.pause().await?;
                }
            }
            self.pause().await?;
        }
        Ok(())
    }

    /// Lets others have their turn.
    async fn pause(&mut self) -> Result<(), CapabilityError> {
        let took = self.turn.elapsed();
        if took >= STALL && !self.reading.filter.is_open() {
            return Err(CapabilityError::LimitExceeded(
                "the patterns take too long for these lines; use fewer, or simpler ones".to_owned(),
            ));
        }
        if took >= TURN {
            tokio::task::yield_now().await;
            self.turn = Instant::now();
        }
        Ok(())
    }

    fn report(&mut self) {
        let Some(progress) = &self.reading.progress else { return };
        if self.reported.elapsed() >= REPORT_EVERY {
            self.reported = Instant::now();
            let Kept { lines_read, lines_matched, .. } = &self.kept;
            let done = u32::try_from(*lines_read).unwrap_or(u32::MAX);
            let text = format!("{lines_read} lines read, {lines_matched} match");
            progress.report(done, None, &text);
        }
    }

    fn gathered(self, container: String, ending: Ending) -> Gathered {
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        Gathered {
            container,
            ending,
            newest: self.kept.newest,
            redacted: small(self.safe.redacted),
            removed: self.safe.removed,
            lines_read: self.kept.lines_read,
            lines_matched: self.kept.lines_matched,
            has_dropped: self.safe.has_dropped,
        }
    }
}
