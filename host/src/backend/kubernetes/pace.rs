//! How many requests a second one API server is sent, all callers together.
//!
//! What comes too fast waits in line for as long as its caller can be asked to; a longer line is
//! refused at its end, early, instead of a deadline that passes for all of them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use crate::domain::rates::Rate;

/// The longest that a request stands in line: a caller waits for several in a row.
const LINE_MAX: Duration = Duration::from_secs(2);

/// The time since the line was opened.
#[derive(Debug, Clone)]
struct Elapsed(Instant);

impl Clock for Elapsed {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.elapsed()
    }
}

type Bucket =
    RateLimiter<NotKeyed, InMemoryState, Elapsed, NoOpMiddleware<<Elapsed as Clock>::Instant>>;

/// The requests of one cluster, in line.
pub(super) struct Pace {
    rate: Rate,
    clock: Elapsed,
    bucket: Bucket,
    waiting: AtomicU32,
    /// Held by the first in line. Tokio's locks are handed on in order.
    first: Mutex<()>,
}

/// The line is too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooFast {
    /// What the operator allows.
    pub(super) rate: Rate,
}

/// One who waits. Whoever gives up leaves the line.
struct InLine<'p>(&'p AtomicU32);

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        let clock = Elapsed(Instant::now());
        let quota = Quota::per_second(rate.per_s).allow_burst(rate.burst);
        let bucket = RateLimiter::direct_with_clock(quota, clock.clone());
        Self { rate, clock, bucket, waiting: AtomicU32::new(0), first: Mutex::new(()) }
    }

    /// Returns when the next request may be sent.
    pub(super) async fn turn(&self) -> Result<(), TooFast> {
        // Nobody waits, and there is a token: the usual case takes no lock.
        if self.waiting.load(Ordering::Relaxed) == 0 && self.bucket.check().is_ok() {
            return Ok(());
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _in_line = InLine(&self.waiting);
        let line = f64::from(before) / f64::from(self.rate.per_s.get());
        if line > LINE_MAX.as_secs_f64() {
            return Err(TooFast { rate: self.rate });
        }
        let _first = self.first.lock().await;
        while let Err(until) = self.bucket.check() {
            sleep(until.wait_time_from(self.clock.now())).await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_goes_at_once_and_the_rest_in_its_pace() {
        let pace = Pace::new(Rate::new(10, 5));
        let begun = Instant::now();
        let mut at = Vec::new();
        for _ in 0..8 {
            pace.turn().await.unwrap();
            at.push(begun.elapsed().as_millis());
        }
        assert_eq!(at[..5], [0; 5]);
        assert!(at[5] >= 100 && at[6] >= 200 && (300..=320).contains(&at[7]), "{at:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_of_a_line_of_two_seconds_is_refused_at_once() {
        let pace = Arc::new(Pace::new(Rate::new(10, 1)));
        pace.turn().await.unwrap();
        let begun = Instant::now();
        let mut line = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let pace = Arc::clone(&pace);
            line.spawn(async move { (pace.turn().await, begun.elapsed()) });
        }
        let ends = line.join_all().await;
        let refused: Vec<_> = ends.iter().filter(|(turn, _)| turn.is_err()).collect();
        assert_eq!(
            refused.len(),
            9,
            "21 stand in line: none before the first, two seconds' worth after it"
        );
        assert!(refused.iter().all(|(_, after)| after.is_zero()));
        let last = ends.iter().map(|(_, after)| *after).max().unwrap();
        assert!(last <= Duration::from_millis(2_200), "{last:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_the_line() {
        let pace = Pace::new(Rate::new(1, 1));
        pace.turn().await.unwrap();
        for _ in 0..10 {
            let gave_up = tokio::time::timeout(Duration::from_millis(1), pace.turn()).await;
            gave_up.unwrap_err();
        }
        tokio::time::advance(Duration::from_secs(1)).await;
        pace.turn().await.unwrap();
    }
}
