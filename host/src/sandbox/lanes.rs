//! Two lanes of threads for guests, so that one that computes without end is never long in the way
//! of one that does not.
//!
//! A guest begins in the fast lane. Once it has computed for [`FAST_CPU`], what is left of it moves
//! to the slow lane: fewer threads than there are cores, and the system is told that they matter
//! less, so that a thread that wakes up with work for a quick guest, for the protocol or for the
//! audit log goes first. There, guests take turns from tick to tick.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinError;
use tokio_util::task::AbortOnDropHandle;

use super::meter::Meter;

/// CPU that a call may use before it moves to the slow lane. A call of a usual tool takes 0.1 to
/// 3 ms, in an interpreted language too.
pub(super) const FAST_CPU: Duration = Duration::from_millis(10);

/// How much less than others the threads of the slow lane matter: beside a thread as usual on the
/// same core, one of them gets a tenth.
#[cfg(target_os = "linux")]
const SLOW_NICENESS: i32 = 10;

/// The threads. They end with this value; what still runs on them ends at its next tick.
#[derive(Debug)]
pub struct Threads {
    lanes: Lanes,
    runtimes: Vec<Runtime>,
}

impl Threads {
    /// Starts them.
    ///
    /// # Errors
    /// Where the system gives no threads.
    pub fn start() -> std::io::Result<Self> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        // At least two, so that an instance that is being made does not hold up all others.
        let fast = runtime("guest", cores.max(2)).build()?;
        // One core is always left to whoever is quick.
        let n_slow = cores.saturating_sub(1).max(1);
        let slow = runtime("slow-guest", n_slow).on_thread_start(matter_less).build()?;
        let lanes = Lanes { fast: fast.handle().clone(), slow: slow.handle().clone() };
        Ok(Self { lanes, runtimes: vec![fast, slow] })
    }

    /// The way to them.
    pub fn lanes(&self) -> Lanes {
        self.lanes.clone()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        for runtime in self.runtimes.drain(..) {
            runtime.shutdown_background(); // It may be an async task that drops this.
        }
    }
}

fn runtime(name: &str, n_threads: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(n_threads).thread_name(name).enable_time();
    builder
}

/// Linux counts niceness by thread; elsewhere it would be the whole process.
fn matter_less() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, SLOW_NICENESS) {
        tracing::warn!(%error, "threads of guests that compute for long matter as much as others");
    }
}

/// The way to the threads.
#[derive(Debug, Clone)]
pub struct Lanes {
    fast: Handle,
    slow: Handle,
}

impl Lanes {
    /// Does a guest's work on these threads. Dropped early, the guest ends at its next tick.
    ///
    /// # Errors
    /// Where the work panicked, or the threads have ended.
    pub(super) async fn drive<T, F>(&self, meter: Arc<Meter>, work: F) -> Result<T, JoinError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let slow = self.slow.clone();
        let task = self.fast.spawn(async move {
            let mut work = Box::pin(work);
            let quick = poll_fn(|cx| match meter.poll(work.as_mut(), cx) {
                Poll::Ready(done) => Poll::Ready(Some(done)),
                Poll::Pending if meter.is_slow() => Poll::Ready(None),
                Poll::Pending => Poll::Pending,
            });
            if let Some(done) = quick.await {
                return Ok(done);
            }
            let rest = async move { meter.count(work.as_mut()).await };
            AbortOnDropHandle::new(slow.spawn(rest)).await
        });
        AbortOnDropHandle::new(task).await?
    }
}
