//! What a call has used so far, and whether it has to leave the fast lane.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::lanes::FAST_CPU;

/// The meter of one call.
#[derive(Debug)]
pub(super) struct Meter {
    born: Instant,
    /// Microseconds since `born` at which the guest was last given the CPU.
    resumed_us: AtomicU64,
    cpu_us: AtomicU64,
    host_us: AtomicU64,
    is_slow: AtomicBool,
    slow_lane: Arc<Semaphore>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Meter {
    pub(super) fn new(slow_lane: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            resumed_us: AtomicU64::new(0),
            cpu_us: AtomicU64::new(0),
            host_us: AtomicU64::new(0),
            is_slow: AtomicBool::new(false),
            slow_lane,
            place: Mutex::new(None),
        })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The guest has the CPU.
    pub(super) fn resume(&self) {
        self.resumed_us.store(self.now_us(), Ordering::Relaxed);
    }

    /// The guest gives the CPU up; what it had it for counts.
    pub(super) fn pause(&self) {
        let now = self.now_us();
        let since = self.resumed_us.swap(now, Ordering::Relaxed);
        self.cpu_us.fetch_add(now.saturating_sub(since), Ordering::Relaxed);
    }

    /// The guest waits for a host call: its place goes to another.
    pub(super) fn enter_host(&self) -> HostTime<'_> {
        self.pause();
        self.leave_lane();
        HostTime(self, self.now_us())
    }

    /// What the guest computed for.
    pub(super) fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_us.load(Ordering::Relaxed))
    }

    /// What it waited in host calls.
    pub(super) fn host(&self) -> Duration {
        Duration::from_micros(self.host_us.load(Ordering::Relaxed))
    }

    /// Whether the guest has computed for so long that it belongs into the slow lane.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Acquire)
    }

    /// Lets others pass. A guest that has computed for long goes on only in the slow lane, and with
    /// a place in it; the lane is first come, first served, so that its guests take turns.
    pub(super) async fn let_pass(self: Arc<Self>) {
        self.leave_lane();
        if self.cpu() >= FAST_CPU {
            self.is_slow.store(true, Ordering::Release);
            // The lane is never closed; were it, the deadline would still end the guest.
            if let Ok(place) = Arc::clone(&self.slow_lane).acquire_owned().await {
                *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
            }
        }
        tokio::task::yield_now().await;
        self.resume();
    }

    fn leave_lane(&self) {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, u64);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        let took = self.0.now_us().saturating_sub(self.1);
        self.0.host_us.fetch_add(took, Ordering::Relaxed);
        self.0.resume();
    }
}
