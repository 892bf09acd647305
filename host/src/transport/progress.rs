//! From a tool's reports to the client's notifications: the newest wins, the rest is left out.

use std::time::Duration;

use rmcp::model::{ProgressNotificationParam, ProgressToken};
use rmcp::{Peer, RoleServer};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::convert::plain;
use crate::capability::ProgressSink;

/// Between two notifications. People cannot read faster, and a tool may report in a tight loop.
const INTERVAL: Duration = Duration::from_millis(50);

/// How long an answer waits for a client to take the last report.
const FLUSH_MAX: Duration = Duration::from_secs(1);

/// Bytes of one report's words.
const MESSAGE_BYTES_MAX: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Report {
    done: u32,
    total: Option<u32>,
    message: String,
}

/// What a tool reports to. Holds one report, so it never blocks and never grows.
pub(super) struct Reports {
    latest: watch::Sender<Option<Report>>,
    floor: u32,
}

impl ProgressSink for Reports {
    fn report(&self, done: u32, total: Option<u32>, message: &str) {
        let done = done.saturating_add(self.floor);
        let total = total.map(|total| total.saturating_add(self.floor));
        self.latest.send_if_modified(|latest| {
            // Progress must increase with each notification.
            if latest.as_ref().is_some_and(|latest| latest.done >= done) {
                return false;
            }
            let total = total.filter(|total| *total >= done);
            *latest = Some(Report { done, total, message: plain(message, MESSAGE_BYTES_MAX) });
            true
        });
    }
}

/// Passes reports on to the client that gave the token.
pub(super) struct Notifier {
    latest: watch::Receiver<Option<Report>>,
    peer: Peer<RoleServer>,
    token: ProgressToken,
    sent: Option<u32>,
}

/// The two ends for one call; `floor` is what the client has been told of before.
pub(super) fn channel(
    peer: Peer<RoleServer>,
    token: ProgressToken,
    floor: u32,
) -> (Reports, Notifier) {
    let (sender, latest) = watch::channel(None);
    let sent = Some(floor).filter(|floor| *floor > 0);
    (Reports { latest: sender, floor }, Notifier { latest, peer, token, sent })
}

impl Notifier {
    /// Runs until the call is over, and sends what is left, so that no notification follows the
    /// answer. Gives the progress that was told.
    pub(super) async fn run(mut self, over: CancellationToken) -> u32 {
        let too_long = async {
            over.cancelled().await;
            tokio::time::sleep(FLUSH_MAX).await;
        };
        tokio::select! {
            () = too_long => {}
            () = self.pass_on(&over) => {}
        }
        self.sent.unwrap_or_default()
    }

    async fn pass_on(&mut self, over: &CancellationToken) {
        loop {
            tokio::select! {
                changed = self.latest.changed() => if changed.is_err() { break },
                () = over.cancelled() => break,
            }
            self.send().await;
            tokio::select! {
                () = tokio::time::sleep(INTERVAL) => {}
                () = over.cancelled() => break,
            }
        }
        self.send().await;
    }

    async fn send(&mut self) {
        let Some(report) = self.latest.borrow_and_update().clone() else { return };
        if self.sent.replace(report.done) == Some(report.done) {
            return;
        }
        let mut param = ProgressNotificationParam::new(self.token.clone(), report.done.into());
        param.total = report.total.map(f64::from);
        if !report.message.is_empty() {
            param.message = Some(report.message);
        }
        // A client that is gone loses its reports; the call is ended by other means.
        let _ = self.peer.notify_progress(param).await;
    }
}
