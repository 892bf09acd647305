//! How the log fares: said beside the records, since those may be what fails.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// A part of the log that can fail by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The place that decides whether a record is taken.
    Records,
    /// The way from the file to the disk.
    Disk,
    /// Records are taken too late, or too many wait.
    Pace,
    /// Checkpoints, in the log or beside it.
    Checkpoints,
    /// A copy, by the name of its sink.
    Copy(String),
}

impl Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Records => f.write_str("records"),
            Self::Disk => f.write_str("disk"),
            Self::Pace => f.write_str("pace"),
            Self::Checkpoints => f.write_str("checkpoints"),
            Self::Copy(sink) => write!(f, "copy {sink}"),
        }
    }
}

/// What failed of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ailment {
    /// Whether the last attempt failed.
    pub fails: bool,
    /// Failures since the process began: records that were refused, or lost by a copy.
    pub n_failures: u64,
    /// The last failure.
    pub why: String,
}

/// Every part that ever failed.
pub type Ailments = BTreeMap<Part, Ailment>;

/// Takes note of failures, for whoever listens. Nobody waits for them.
#[derive(Clone)]
pub(super) struct Health {
    told: Arc<watch::Sender<Ailments>>,
    /// Something fails: saves looking closer after each record.
    is_ailing: Arc<AtomicBool>,
}

impl Health {
    pub(super) fn new() -> Self {
        Self { told: Arc::new(watch::Sender::default()), is_ailing: Arc::default() }
    }

    pub(super) fn listen(&self) -> watch::Receiver<Ailments> {
        self.told.subscribe()
    }

    pub(super) fn failed(&self, part: Part, n: u64, why: &dyn Display) {
        self.is_ailing.store(true, Ordering::Release);
        self.told.send_modify(|parts| {
            let new = || Ailment { fails: true, n_failures: 0, why: String::new() };
            let ailment = parts.entry(part).or_insert_with(new);
            ailment.fails = true;
            ailment.n_failures = ailment.n_failures.saturating_add(n);
            ailment.why = why.to_string();
        });
    }

    pub(super) fn is_well(&self, part: &Part) {
        if !self.is_ailing.load(Ordering::Acquire) {
            return;
        }
        self.told.send_if_modified(|parts| {
            let failed = parts.get_mut(part).filter(|ailment| ailment.fails);
            let is_news = failed.map(|ailment| ailment.fails = false).is_some();
            let is_ailing = parts.values().any(|ailment| ailment.fails);
            self.is_ailing.store(is_ailing, Ordering::Release);
            is_news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_failed_and_tells_when_it_is_well() {
        let health = Health::new();
        let mut heard = health.listen();
        health.is_well(&Part::Records);
        assert!(!heard.has_changed().unwrap(), "nothing ever failed");
        health.failed(Part::Records, 2, &"no space");
        health.failed(Part::Records, 1, &"still none");
        health.failed(Part::Copy("stdout".to_owned()), 5, &"it is gone");
        health.is_well(&Part::Records);
        let seen = heard.borrow_and_update().clone();
        let why = "still none".to_owned();
        assert_eq!(seen[&Part::Records], Ailment { fails: false, n_failures: 3, why });
        assert!(seen[&Part::Copy("stdout".to_owned())].fails);
        health.is_well(&Part::Records);
        assert!(!heard.has_changed().unwrap(), "it was well already");
    }
}
