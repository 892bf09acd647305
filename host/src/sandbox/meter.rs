//! What a call has used so far, and the lane that it runs in.
//!
//! A guest begins in the fast lane. One that has computed for [`FAST_CPU`] needs a place in the slow
//! lane to go on, and there are fewer of those than workers: guests that compute without end wait
//! for each other, and never for long in the way of one that does not.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// CPU that a call may use before it is asked to let others pass. A call of a usual tool takes 0.1
/// to 3 ms, in an interpreted language too.
pub(super) const FAST_CPU: Duration = Duration::from_millis(10);

/// The meter of one call.
#[derive(Debug)]
pub(super) struct Meter {
    born: Instant,
    /// Nanoseconds since `born` at which the guest was last given the CPU.
    resumed_ns: AtomicU64,
    cpu_ns: AtomicU64,
    host_ns: AtomicU64,
    recorded_ns: AtomicU64,
    port_ns: AtomicU64,
    slow_lane: Arc<Semaphore>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Meter {
    pub(super) fn new(slow_lane: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            resumed_ns: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            host_ns: AtomicU64::new(0),
            recorded_ns: AtomicU64::new(0),
            port_ns: AtomicU64::new(0),
            slow_lane,
            place: Mutex::new(None),
        })
    }

    fn now_ns(&self) -> u64 {
        nanos(self.born.elapsed())
    }

    /// The guest has the CPU.
    pub(super) fn resume(&self) {
        self.resumed_ns.store(self.now_ns(), Ordering::Relaxed);
    }

    /// The guest gives the CPU up; what it had it for counts.
    pub(super) fn pause(&self) {
        let now = self.now_ns();
        let since = self.resumed_ns.swap(now, Ordering::Relaxed);
        self.cpu_ns.fetch_add(now.saturating_sub(since), Ordering::Relaxed);
    }

    /// The guest waits for a host call: its place goes to another.
    pub(super) fn enter_host(&self) -> HostTime<'_> {
        self.pause();
        self.leave_lane();
        HostTime(self, self.now_ns())
    }

    /// What the guest computed for.
    pub(super) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed))
    }

    /// What it waited in host calls.
    pub(super) fn host(&self) -> Duration {
        Duration::from_nanos(self.host_ns.load(Ordering::Relaxed))
    }

    /// Its use of a capability took this long to be on record.
    pub(super) fn add_recorded(&self, took: Duration) {
        self.recorded_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Of what it waited, until uses were on record.
    pub(super) fn recorded(&self) -> Duration {
        Duration::from_nanos(self.recorded_ns.load(Ordering::Relaxed))
    }

    /// A port worked this long for it.
    pub(super) fn add_port(&self, took: Duration) {
        self.port_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Of what it waited, inside ports.
    pub(super) fn port(&self) -> Duration {
        Duration::from_nanos(self.port_ns.load(Ordering::Relaxed))
    }

    /// Lets others pass. A guest that has computed for long goes on only with a place in the slow
    /// lane; the lane is first come, first served, so that its guests take turns.
    pub(super) async fn let_pass(self: Arc<Self>) {
        self.leave_lane();
        if self.cpu() >= FAST_CPU {
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

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, u64);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        let took = self.0.now_ns().saturating_sub(self.1);
        self.0.host_ns.fetch_add(took, Ordering::Relaxed);
        self.0.resume();
    }
}
