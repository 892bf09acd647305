//! Tells the operator's systems what happened: writes that wait for people and what came of them,
//! limits, storms of refusals, trouble of the audit log.
//!
//! Owns: what is told, when, and in which words. Fed by the audit log, so that a notice follows its
//! record and never precedes it; what the log cannot say of itself it says beside the records
//! (`audit/health.rs`). Must not: decide, answer, hold anybody up, or know how a message gets to a
//! webhook (`backend/webhook/`). Read [`Notices`] first, then `observer` (which record makes which
//! notice).

mod ailing;
mod copies;
mod notice;
mod observer;
mod tally;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

pub use copies::{Copier, CopySink, copy_to};
pub use notice::Stamp;

use crate::capability::Outbox;
use crate::domain::name::ApprovalId;
use crate::governance::approval::{Answers, Approval};
use crate::governance::audit::{Ailments, AuditLine, AuditLog};
use ailing::Ailing;
use notice::Notice;
use observer::{Heard, Observer};

/// How often counts are looked at, while there are any: they are told by the minute.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Approvals that are known to have been told: more than can wait at once.
const REQUESTED_MAX: usize = 256;

/// What notices are made of.
pub struct Parts {
    /// Where they go.
    pub outbox: Arc<dyn Outbox>,
    /// What happens.
    pub log: AuditLog,
    /// What waits for people.
    pub answers: Arc<Answers>,
    /// Numbers them.
    pub stamp: Arc<Stamp>,
    /// This process, as approvals name it.
    pub instance: String,
    /// Where the console of this process listens.
    pub console: Option<SocketAddr>,
}

/// Listens to the log, and tells.
pub struct Notices {
    parts: Parts,
    records: broadcast::Receiver<Arc<AuditLine>>,
    ailments: watch::Receiver<Ailments>,
    began: Instant,
    observer: Observer,
    ailing: Ailing,
    requested: VecDeque<String>,
}

impl Notices {
    /// Hears everything that is recorded from now on.
    pub fn new(parts: Parts) -> Self {
        let (records, ailments) = (parts.log.subscribe(), parts.log.ailments());
        Self {
            parts,
            records,
            ailments,
            began: Instant::now(),
            observer: Observer::new(),
            ailing: Ailing::default(),
            requested: VecDeque::new(),
        }
    }

    /// Tells until told to stop, and then of what was recorded by then.
    pub async fn run(mut self, stop: CancellationToken) {
        // What failed before anybody listened.
        self.ailments.mark_changed();
        let mut looks = tokio::time::interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_counting = self.observer.is_counting() || self.ailing.is_counting();
            tokio::select! {
                heard = self.records.recv() => match heard {
                    Ok(line) => self.hear(&line).await,
                    Err(RecvError::Lagged(n)) => self.missed(n).await,
                    Err(RecvError::Closed) => return,
                },
                Ok(()) = self.ailments.changed() => self.look(),
                _ = looks.tick(), if is_counting => self.due(),
                () = stop.cancelled() => return self.end().await,
            }
        }
    }

    async fn end(mut self) {
        loop {
            match self.records.try_recv() {
                Ok(line) => self.hear(&line).await,
                Err(TryRecvError::Lagged(n)) => self.missed(n).await,
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        self.look();
    }

    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    async fn hear(&mut self, line: &AuditLine) {
        for heard in self.observer.hear(line, self.now()) {
            match heard {
                Heard::Tell(notice) => self.tell(&notice, Some(&line.at)),
                Heard::Requested(id) => self.requested(&id, &line.at).await,
            }
        }
    }

    fn look(&mut self) {
        let ailments = self.ailments.borrow_and_update().clone();
        for notice in self.ailing.hear(&ailments, self.now()) {
            self.tell(&notice, None);
        }
    }

    fn due(&mut self) {
        let now = self.now();
        let notices = self.observer.due(now).into_iter().chain(self.ailing.due(now));
        for notice in notices.collect::<Vec<_>>() {
            self.tell(&notice, None);
        }
    }

    fn tell(&self, notice: &Notice, at: Option<&str>) {
        if let Some(topic) = notice.topic() {
            self.parts.outbox.leave(topic, &self.parts.stamp.message(notice, at));
        }
    }

    /// Records were lost to us: what they said is in the log, and what waits for people is told
    /// all the same.
    async fn missed(&mut self, n: u64) {
        tracing::error!(n, "records came faster than notices could be made of them");
        if let Some(notice) = self.ailing.missed(n, self.now()) {
            self.tell(&notice, None);
        }
        let answers = Arc::clone(&self.parts.answers);
        let pending = tokio::task::spawn_blocking(move || answers.pending()).await;
        let mut pending = match pending {
            Ok(Ok(pending)) => pending,
            Ok(Err(error)) => {
                return tracing::error!(%error, "what waits for people may not be told");
            }
            Err(error) => return tracing::error!(%error, "what waits for people is not told"),
        };
        pending.retain(|approval| approval.request.instance == self.parts.instance);
        for approval in pending.into_iter().rev() {
            self.tell_requested(approval, None);
        }
    }

    async fn requested(&mut self, id: &str, at: &str) {
        let Ok(id) = id.parse::<ApprovalId>() else { return };
        let answers = Arc::clone(&self.parts.answers);
        let found = {
            let id = id.clone();
            tokio::task::spawn_blocking(move || answers.find(&id)).await
        };
        match found {
            Ok(Ok(approval)) => self.tell_requested(approval, Some(at)),
            Ok(Err(error)) => tracing::error!(%id, %error, "a request is not told"),
            Err(error) => tracing::error!(%id, %error, "a request is not told"),
        }
    }

    fn tell_requested(&mut self, approval: Approval, at: Option<&str>) {
        let id = approval.request.id.clone();
        if self.requested.contains(&id) {
            return;
        }
        let console = self.parts.console.map(|address| format!("http://{address}/requests/{id}"));
        self.tell(&Notice::Requested { approval: Box::new(approval), console }, at);
        if self.requested.len() >= REQUESTED_MAX {
            self.requested.pop_front();
        }
        self.requested.push_back(id);
    }
}
