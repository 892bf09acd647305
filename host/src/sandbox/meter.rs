//! What a call has used so far, and whether it has to leave the fast lane.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::lanes::FAST_CPU;

/// The meter of one call.
#[derive(Debug)]
pub(super) struct Meter {
    born: Instant,
    /// Microseconds since `born` up to which the guest's computing is counted.
    counted_us: AtomicU64,
    cpu_us: AtomicU64,
    host_ns: AtomicU64,
    recorded_ns: AtomicU64,
    port_ns: AtomicU64,
    is_slow: AtomicBool,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            counted_us: AtomicU64::new(0),
            cpu_us: AtomicU64::new(0),
            host_ns: AtomicU64::new(0),
            recorded_ns: AtomicU64::new(0),
            port_ns: AtomicU64::new(0),
            is_slow: AtomicBool::new(false),
        })
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Counts a guest's computing: the time inside of polls. What it waits for, in a host call or
    /// in a sleep of its own, is time that others have the threads.
    pub(super) async fn count<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|cx| self.poll(work.as_mut(), cx)).await
    }

    pub(super) fn poll<T>(
        &self,
        work: Pin<&mut impl Future<Output = T>>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<T> {
        self.counted_us.store(self.now_us(), Ordering::Relaxed);
        let polled = work.poll(cx);
        self.tick();
        polled
    }

    /// Counts up to now, in the middle of computing, and gives the sum.
    pub(super) fn tick(&self) -> Duration {
        let now = self.now_us();
        let since = self.counted_us.swap(now, Ordering::Relaxed);
        let spent = now.saturating_sub(since);
        let sum = self.cpu_us.fetch_add(spent, Ordering::Relaxed).saturating_add(spent);
        let sum = Duration::from_micros(sum);
        if sum >= FAST_CPU {
            self.is_slow.store(true, Ordering::Release);
        }
        sum
    }

    /// A host call begins; it ends with what is returned.
    pub(super) fn enter_host(&self) -> HostTime<'_> {
        HostTime(self, Instant::now())
    }

    /// What passed in host calls.
    pub(super) fn host(&self) -> Duration {
        Duration::from_nanos(self.host_ns.load(Ordering::Relaxed))
    }

    /// A use of a capability took this long to be on record.
    pub(super) fn add_recorded(&self, took: Duration) {
        self.recorded_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// What passed until uses were on record.
    pub(super) fn recorded(&self) -> Duration {
        Duration::from_nanos(self.recorded_ns.load(Ordering::Relaxed))
    }

    /// A port took this long to answer.
    pub(super) fn add_port(&self, took: Duration) {
        self.port_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// What passed inside ports.
    pub(super) fn port(&self) -> Duration {
        Duration::from_nanos(self.port_ns.load(Ordering::Relaxed))
    }

    /// Whether the guest has computed for so long that it belongs into the slow lane.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Acquire)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, Instant);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        self.0.host_ns.fetch_add(nanos(self.1.elapsed()), Ordering::Relaxed);
    }
}
