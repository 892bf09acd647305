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
    host_us: AtomicU64,
    is_slow: AtomicBool,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            born: Instant::now(),
            counted_us: AtomicU64::new(0),
            cpu_us: AtomicU64::new(0),
            host_us: AtomicU64::new(0),
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
        HostTime(self, self.now_us())
    }

    /// What passed in host calls.
    pub(super) fn host(&self) -> Duration {
        Duration::from_micros(self.host_us.load(Ordering::Relaxed))
    }

    /// Whether the guest has computed for so long that it belongs into the slow lane.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Acquire)
    }
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, u64);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        let took = self.0.now_us().saturating_sub(self.1);
        self.0.host_us.fetch_add(took, Ordering::Relaxed);
    }
}
