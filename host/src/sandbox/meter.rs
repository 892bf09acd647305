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
    /// The thread's own clock up to which the guest's computing is counted.
    counted_ns: AtomicU64,
    cpu_ns: AtomicU64,
    host_ns: AtomicU64,
    recorded_ns: AtomicU64,
    port_ns: AtomicU64,
    is_slow: AtomicBool,
}

impl Meter {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            counted_ns: AtomicU64::new(0),
            cpu_ns: AtomicU64::new(0),
            host_ns: AtomicU64::new(0),
            recorded_ns: AtomicU64::new(0),
            port_ns: AtomicU64::new(0),
            is_slow: AtomicBool::new(false),
        })
    }

    /// Counts a guest's computing: the CPU inside of polls. What it waits for, in a host call or in a
    /// sleep of its own, is time that others have the threads; and so is the time in which the
    /// system gives its core to somebody else.
    pub(super) async fn count<T>(&self, mut work: Pin<&mut impl Future<Output = T>>) -> T {
        poll_fn(|cx| self.poll(work.as_mut(), cx)).await
    }

    pub(super) fn poll<T>(
        &self,
        work: Pin<&mut impl Future<Output = T>>,
        cx: &mut std::task::Context<'_>,
    ) -> Poll<T> {
        // A poll stays on its thread.
        self.counted_ns.store(thread_cpu_ns(), Ordering::Relaxed);
        let polled = work.poll(cx);
        self.tick();
        polled
    }

    /// Counts up to now, in the middle of computing, and gives the sum.
    pub(super) fn tick(&self) -> Duration {
        let now = thread_cpu_ns();
        let since = self.counted_ns.swap(now, Ordering::Relaxed);
        let spent = now.saturating_sub(since);
        let sum = self.cpu_ns.fetch_add(spent, Ordering::Relaxed).saturating_add(spent);
        let sum = Duration::from_nanos(sum);
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

    /// Its use of a capability took this long to be on record.
    pub(super) fn add_recorded(&self, took: Duration) {
        self.recorded_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Of what passed in host calls, until uses were on record.
    pub(super) fn recorded(&self) -> Duration {
        Duration::from_nanos(self.recorded_ns.load(Ordering::Relaxed))
    }

    /// A port worked this long for it.
    pub(super) fn add_port(&self, took: Duration) {
        self.port_ns.fetch_add(nanos(took), Ordering::Relaxed);
    }

    /// Of what passed in host calls, inside ports.
    pub(super) fn port(&self) -> Duration {
        Duration::from_nanos(self.port_ns.load(Ordering::Relaxed))
    }

    /// Whether the guest has computed for so long that it belongs into the slow lane.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Acquire)
    }
}

/// A host call in progress.
pub(super) struct HostTime<'a>(&'a Meter, Instant);

impl Drop for HostTime<'_> {
    fn drop(&mut self) {
        self.0.host_ns.fetch_add(nanos(self.1.elapsed()), Ordering::Relaxed);
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
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
