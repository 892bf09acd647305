//! What waits for one webhook, and who brings it there: one at a time, in order, again and again
//! until it is taken or too old.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backoff::wait;
use super::post::{Post, Tried};
use crate::capability::outbox::{Message, Undelivered};

/// Messages that wait for one webhook: what a busy server tells in an hour. Beyond that the newest
/// are lost.
const LETTERS_MAX: usize = 1_000;

/// What they may hold together.
const BYTES_MAX: usize = 8 << 20;

/// How long a message is tried. Older ones are about something that is over: an approval waits for
/// ten minutes.
pub(super) const GIVEN_UP_AFTER: Duration = Duration::from_mins(30);

/// After so many tries a message lets the others pass: it may be the one thing that the webhook does
/// not take, and half a minute is what they wait for it.
const FIRST_TRIES: u32 = 5;

/// What was never tried does not wait longer, however long the webhook has been failing, unless that
/// asked for it: it may be what a person has to answer.
const FRESH_WAITS: Duration = Duration::from_secs(15);

type Done = oneshot::Sender<Result<(), Undelivered>>;

struct Letter {
    message: Message,
    since: Instant,
    n_tries: u32,
    done: Option<Done>,
}

#[derive(Default)]
struct Letters {
    waiting: VecDeque<Letter>,
    bytes: usize,
    n_lost: u64,
}

/// What waits for one webhook.
pub(super) struct Queue {
    name: String,
    letters: Mutex<Letters>,
    came: Notify,
}

impl Queue {
    pub(super) fn new(name: String) -> Self {
        Self { name, letters: Mutex::default(), came: Notify::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a message. Where there is no room, it is lost, and `done` is told.
    pub(super) fn leave(&self, message: Message, done: Option<Done>) {
        let letter = Letter { message, since: Instant::now(), n_tries: 0, done };
        let mut letters = self.lock();
        let bytes = letters.bytes + letter.message.body.len();
        if letters.waiting.len() >= LETTERS_MAX || bytes > BYTES_MAX {
            drop(letters);
            return self.lose(letter, "too many messages wait for it");
        }
        letters.bytes = bytes;
        letters.waiting.push_back(letter);
        drop(letters);
        self.came.notify_one();
    }

    /// How many messages were lost so far.
    pub(super) fn n_lost(&self) -> u64 {
        self.lock().n_lost
    }

    fn lose(&self, letter: Letter, why: &str) {
        let n_lost = {
            let mut letters = self.lock();
            letters.n_lost += 1;
            letters.n_lost
        };
        tracing::error!(
            webhook = %self.name, id = %letter.message.id, n_tries = letter.n_tries, n_lost,
            "a message is lost: {why}"
        );
        if let Some(done) = letter.done {
            let _ = done.send(Err(Undelivered(why.to_owned())));
        }
    }

    /// Loses everything that still waits.
    pub(super) fn lose_all(&self, why: &str) {
        let rest = std::mem::take(&mut self.lock().waiting);
        self.lock().bytes = 0;
        for letter in rest {
            self.lose(letter, why);
        }
    }

    /// Takes out what is too old.
    fn expired(&self, now: Instant) -> Vec<Letter> {
        let mut letters = self.lock();
        let is_old = |letter: &Letter| now.duration_since(letter.since) >= GIVEN_UP_AFTER;
        if !letters.waiting.iter().any(is_old) {
            return Vec::new();
        }
        let (old, rest): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut letters.waiting).into_iter().partition(is_old);
        letters.bytes = rest.iter().map(|letter| letter.message.body.len()).sum();
        letters.waiting = rest;
        old.into()
    }

    /// The next to be tried, and its place: it stays until it is taken out. Only the courier takes
    /// something out, so the place holds.
    fn next(&self) -> Option<(usize, Message, u32)> {
        let mut letters = self.lock();
        let first = letters.waiting.iter().position(|letter| letter.n_tries < FIRST_TRIES);
        let at = first.unwrap_or(0);
        let letter = letters.waiting.get_mut(at)?;
        letter.n_tries += 1;
        Some((at, letter.message.clone(), letter.n_tries))
    }

    fn take_out(&self, at: usize) -> Option<Letter> {
        let mut letters = self.lock();
        let letter = letters.waiting.remove(at)?;
        letters.bytes = letters.bytes.saturating_sub(letter.message.body.len());
        Some(letter)
    }

    /// Whether something waits, and whether something that was never tried.
    fn waits(&self) -> (bool, bool) {
        let letters = self.lock();
        let is_fresh = letters.waiting.iter().any(|letter| letter.n_tries == 0);
        (!letters.waiting.is_empty(), is_fresh)
    }
}

/// When the webhook is tried next.
struct Pause {
    n_failures: u32,
    failed: Instant,
    until: Instant,
    /// Before that it asked not to be tried, whatever there is.
    asked: Instant,
    random: fn() -> u32,
}

impl Pause {
    fn failed(&mut self, asked: Option<Duration>) -> Duration {
        self.n_failures = self.n_failures.saturating_add(1);
        self.failed = Instant::now();
        let wait = wait(self.n_failures, asked, (self.random)());
        self.until = self.failed + wait;
        self.asked = if asked.is_some() { self.until } else { self.failed };
        wait
    }

    fn over(&mut self) {
        self.n_failures = 0;
        self.until = Instant::now();
        self.asked = self.until;
    }

    /// When the next try is.
    fn until(&self, is_fresh: bool) -> Instant {
        let fresh = self.until.min(self.failed + FRESH_WAITS).max(self.asked);
        if is_fresh { fresh } else { self.until }
    }
}

/// How the end of the process is told.
#[derive(Clone, Default)]
pub(super) struct Ends {
    /// There is no time left to wait for anything: each message is tried once more.
    pub(super) hurry: CancellationToken,
    /// Nobody leaves messages any more.
    pub(super) closing: CancellationToken,
}

/// Brings what waits, until told to close and nothing waits any more.
pub(super) async fn run(queue: Arc<Queue>, post: Arc<dyn Post>, ends: Ends, random: fn() -> u32) {
    let now = Instant::now();
    let mut pause = Pause { n_failures: 0, failed: now, until: now, asked: now, random };
    loop {
        for letter in queue.expired(Instant::now()) {
            queue.lose(letter, "it was tried for too long");
        }
        let (is_any, is_fresh) = queue.waits();
        if !is_any {
            if ends.closing.is_cancelled() {
                return;
            }
            tokio::select! {
                () = queue.came.notified() => {}
                () = ends.closing.cancelled() => {}
            }
            continue;
        }
        let until = pause.until(is_fresh);
        if Instant::now() < until && !ends.hurry.is_cancelled() {
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = queue.came.notified() => {}
                () = ends.hurry.cancelled() => {}
            }
            continue;
        }
        bring(&queue, post.as_ref(), &mut pause, &ends).await;
    }
}

async fn bring(queue: &Queue, post: &dyn Post, pause: &mut Pause, ends: &Ends) {
    let Some((at, message, n_tries)) = queue.next() else { return };
    let (name, id) = (&queue.name, &message.id);
    // Of what is tried now, nothing is known at the end: it may have been taken.
    let tried = post.post(&message).await;
    let why = match tried {
        Tried::Taken(status) => {
            tracing::debug!(webhook = %name, %id, status, n_tries, "delivered");
            pause.over();
            if let Some(done) = queue.take_out(at).and_then(|letter| letter.done) {
                let _ = done.send(Ok(())); // Whoever does not wait need not know.
            }
            return;
        }
        Tried::Never(why) => {
            pause.over(); // It answers.
            why
        }
        Tried::Again(why, _) if ends.hurry.is_cancelled() => format!("{why}, and the process ends"),
        Tried::Again(why, asked) => {
            let again_ms = pause.failed(asked).as_millis();
            tracing::warn!(webhook = %name, %id, %why, again_ms, "a message was not taken");
            return;
        }
    };
    if let Some(letter) = queue.take_out(at) {
        queue.lose(letter, &why);
    }
}
