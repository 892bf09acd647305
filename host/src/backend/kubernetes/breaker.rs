//! Leaves a server alone that has failed several times in a row, and asks it again by one request.
//!
//! Without it every caller of a server that hangs waits for the whole deadline, and a server that
//! comes up again is met by all of them at once.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row: what one call with its retries makes of a short fault is less.
const FAILURES: u32 = 5;

/// The first pause.
const PAUSE: Duration = Duration::from_secs(1);

/// The longest pause: within it a server that is back is noticed.
const PAUSE_MAX: Duration = Duration::from_secs(4);

/// One server's recent past.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed {
        failures: u32,
    },
    /// Left alone until then.
    Open {
        until: Instant,
        pause: Duration,
    },
    /// One request finds out.
    Probing {
        pause: Duration,
    },
}

impl Default for State {
    fn default() -> Self {
        Self::Closed { failures: 0 }
    }
}

/// The right to send one request. Dropped without an end (the caller gave up) it says nothing of
/// the server.
#[derive(Debug)]
pub(super) struct Attempt<'b> {
    breaker: &'b Breaker,
    is_probe: bool,
    ended: bool,
}

impl Breaker {
    /// Lets a request through.
    ///
    /// # Errors
    /// How long the server is still left alone.
    pub(super) fn enter(&self) -> Result<Attempt<'_>, Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, pause } if until <= now => {
                *state = State::Probing { pause };
                true
            }
            State::Open { until, .. } => return Err(until.duration_since(now)),
            State::Probing { pause } => return Err(pause.min(PAUSE)),
        };
        Ok(Attempt { breaker: self, is_probe, ended: false })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt<'_> {
    /// The server answered, whatever it said.
    pub(super) fn answered(mut self) {
        self.ended = true;
        *self.breaker.lock() = State::default();
    }

    /// It did not, or only with a fault of its own. Returns whether it is left alone from now on.
    pub(super) fn failed(mut self) -> bool {
        self.ended = true;
        let now = Instant::now();
        let mut state = self.breaker.lock();
        let open = |pause: Duration| State::Open { until: now + pause, pause };
        let (next, opened) = match *state {
            State::Closed { failures } if failures + 1 >= FAILURES => (open(PAUSE), true),
            State::Closed { failures } => (State::Closed { failures: failures + 1 }, false),
            State::Probing { pause } if self.is_probe => (open((pause * 2).min(PAUSE_MAX)), true),
            // One that was sent before the others failed: known by now.
            other @ (State::Probing { .. } | State::Open { .. }) => (other, false),
        };
        *state = next;
        opened
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if self.ended || !self.is_probe {
            return;
        }
        let mut state = self.breaker.lock();
        if let State::Probing { pause } = *state {
            // The next one finds out.
            *state = State::Open { until: Instant::now(), pause };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.enter().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_in_a_row_only() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES - 1);
        breaker.enter().unwrap().answered();
        fail(&breaker, FAILURES - 1);
        assert!(breaker.enter().unwrap().failed());
        assert_eq!(breaker.enter().unwrap_err(), PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn one_request_finds_out_and_the_pause_grows_to_its_bound() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES);
        for pause in [1, 2, 4, 4] {
            let pause = Duration::from_secs(pause);
            assert_eq!(breaker.enter().unwrap_err(), pause);
            tokio::time::advance(pause).await;
            let probe = breaker.enter().unwrap();
            breaker.enter().unwrap_err();
            assert!(probe.failed());
        }
        tokio::time::advance(PAUSE_MAX).await;
        breaker.enter().unwrap().answered();
        fail(&breaker, FAILURES - 1);
        breaker.enter().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_given_up_leaves_the_place_to_the_next() {
        let breaker = Breaker::default();
        fail(&breaker, FAILURES);
        tokio::time::advance(PAUSE).await;
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().answered();
        breaker.enter().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_sent_before_changes_nothing_afterwards() {
        let breaker = Breaker::default();
        let late = breaker.enter().unwrap();
        fail(&breaker, FAILURES);
        assert!(!late.failed());
        assert_eq!(breaker.enter().unwrap_err(), PAUSE);
    }
}
