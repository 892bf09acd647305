//! What a call has used so far, and whether it has to leave the fast lane.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::lanes::FAST_CPU;

/// The meter of one call.
#[derive(Debug)]
pub(super) struct Meter {
    /// CPU of the turns that are over.
    cpu_ns: AtomicU64,
    /// The thread's own clock as this turn began.
    began_ns: AtomicU64,
    host_us: AtomicU64,
    is_slow: AtomicBool,
    slow_lane: Arc<Semaphore>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Meter {
    pub(super) fn new(slow_lane: Arc<Semaphore>) -> Arc<Self> {
        Arc::new(Self {
            cpu_ns: AtomicU64::new(0),
            began_ns: AtomicU64::new(0),
            host_us: AtomicU64::new(0),
            is_slow: AtomicBool::new(false),
            slow_lane,
            place: Mutex::new(None),
        })
    }

    /// One turn of a guest, on one thread. Where it ends without a result, the guest waits for
    /// something, and holds no place while it does.
    pub(super) fn turn<T>(&self, poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
        self.began_ns.store(thread_cpu_ns(), Ordering::Relaxed);
        let polled = poll();
        self.cpu_ns.fetch_add(self.turn_ns(), Ordering::Relaxed);
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take();
        polled
    }

    fn turn_ns(&self) -> u64 {
        thread_cpu_ns().saturating_sub(self.began_ns.load(Ordering::Relaxed))
    }

    /// What the guest computed for, asked for within a turn of it. Time in which the system gave the
    /// CPU to somebody else does not count.
    pub(super) fn cpu(&self) -> Duration {
        Duration::from_nanos(self.cpu_ns.load(Ordering::Relaxed).saturating_add(self.turn_ns()))
    }

    /// The guest is in a host call for as long as what is returned lives.
    pub(super) fn enter_host(&self) -> HostTime<'_> {
        HostTime(self, Instant::now())
    }

    /// How long it was in host calls.
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
        if self.cpu() >= FAST_CPU {
            self.is_slow.store(true, Ordering::Release);
        }
        // The turn ends here, and with it the place.
        tokio::task::yield_now().await;
        if self.is_slow() {
            // The lane is never closed; were it, the deadline would still end the guest.
            if let Ok(place) = Arc::clone(&self.slow_lane).acquire_owned().await {
                *self.place.lock().unwrap_or_else(PoisonError::into_inner) = Some(place);
            }
        }
    }
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, Instant);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        let took = u64::try_from(self.1.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.0.host_us.fetch_add(took, Ordering::Relaxed);
    }
}

/// CPU that this thread has used.
#[cfg(unix)]
fn thread_cpu_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    part(now.tv_sec).saturating_mul(1_000_000_000).saturating_add(part(now.tv_nsec))
}

/// Elsewhere, the time that has passed stands for it.
#[cfg(not(unix))]
fn thread_cpu_ns() -> u64 {
    static BEGAN: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    u64::try_from(BEGAN.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
