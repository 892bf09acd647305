//! Who has entered. Sessions live in memory only: they end with the process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::governance::approval::Approver;

/// A shift: nobody stays signed in longer.
pub(super) const LIVES: Duration = Duration::from_hours(12);

/// Without a page being opened or a request answered. What a page fetches by itself does not count.
pub(super) const IDLE_MAX: Duration = Duration::from_hours(1);

/// Sessions at once. One more ends the one that was idle for longest.
const SESSIONS_MAX: usize = 32;

/// Attempts to enter that fail, before the next has to wait.
const FAILURES_MAX: u32 = 10;

/// How long it takes until one failure is forgotten.
const FAILURE_FORGOTTEN: Duration = Duration::from_secs(6);

const PURPOSE: &[u8] = b"toolgate console form 1\n";

/// A person who has entered.
pub(super) struct Session {
    /// Whom the code was made for: the name that an answer carries.
    pub(super) approver: Approver,
    id: [u8; 32],
    key: [u8; 32],
}

impl Session {
    /// What every form of this session carries, and no other page knows.
    pub(super) fn form_token(&self) -> String {
        let bytes = self.sealer().map(|mac| mac.finalize().into_bytes()).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Whether a form is one of this session. Takes as long for a wrong one as for a right one.
    pub(super) fn owns_form(&self, token: &str) -> bool {
        let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        self.sealer().is_some_and(|mac| mac.verify_slice(&token).is_ok())
    }

    fn sealer(&self) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(PURPOSE);
        mac.update(&self.id);
        Some(mac)
    }
}

struct Held {
    session: Arc<Session>,
    since: Instant,
    seen: Instant,
}

/// The sessions, by the SHA-256 of their tokens: whoever could measure a search in the map would
/// learn about a hash, not about a token.
pub(super) struct Sessions {
    key: [u8; 32],
    held: Mutex<BTreeMap<[u8; 32], Held>>,
    failures: Mutex<(u32, Instant)>,
}

impl Sessions {
    pub(super) fn new(key: [u8; 32]) -> Self {
        let failures = Mutex::new((0, Instant::now()));
        Self { key, held: Mutex::default(), failures }
    }

    /// Begins a session and gives its token.
    ///
    /// # Errors
    /// Where the system gives no random numbers.
    pub(super) fn begin(&self, approver: Approver) -> std::io::Result<String> {
        let mut token = [0; 32];
        getrandom::fill(&mut token).map_err(std::io::Error::other)?;
        let token = URL_SAFE_NO_PAD.encode(token);
        let (id, now) = (hashed(&token), Instant::now());
        let session = Arc::new(Session { approver, id, key: self.key });
        let mut held = self.lock();
        if held.len() >= SESSIONS_MAX
            && let Some(oldest) = held.iter().min_by_key(|(_, held)| held.seen).map(|(id, _)| *id)
        {
            held.remove(&oldest);
        }
        held.insert(id, Held { session, since: now, seen: now });
        Ok(token)
    }

    /// The session of a token. `by_person` says that somebody did something, and the session goes on.
    pub(super) fn find(&self, token: &str, by_person: bool) -> Option<Arc<Session>> {
        let now = Instant::now();
        let mut all = self.lock();
        all.retain(|_, held| now - held.since < LIVES && now - held.seen < IDLE_MAX);
        let held = all.get_mut(&hashed(token))?;
        if by_person {
            held.seen = now;
        }
        Some(Arc::clone(&held.session))
    }

    /// Whether the session goes on: what a browser listens to ends with it.
    pub(super) fn holds(&self, session: &Session) -> bool {
        let (now, all) = (Instant::now(), self.lock());
        let held = all.get(&session.id);
        held.is_some_and(|held| now - held.since < LIVES && now - held.seen < IDLE_MAX)
    }

    pub(super) fn end(&self, session: &Session) {
        self.lock().remove(&session.id);
    }

    /// How long to wait before another attempt is looked at.
    pub(super) fn wait(&self) -> Option<Duration> {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let (count, since) = &mut *failures;
        let forgotten = since.elapsed().as_secs() / FAILURE_FORGOTTEN.as_secs();
        let forgotten = u32::try_from(forgotten).unwrap_or(u32::MAX);
        *count = count.saturating_sub(forgotten);
        *since += FAILURE_FORGOTTEN.saturating_mul(forgotten.min(FAILURES_MAX));
        if *count == 0 {
            *since = Instant::now();
        }
        (*count >= FAILURES_MAX).then(|| FAILURE_FORGOTTEN.saturating_sub(since.elapsed()))
    }

    /// Somebody came with what opens nothing.
    pub(super) fn failed(&self) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 = failures.0.saturating_add(1).min(FAILURES_MAX);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hashed(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Approver {
        Approver::local("ada").unwrap()
    }

    fn sessions() -> Sessions {
        Sessions::new([7; 32])
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_when_nobody_does_anything() {
        let sessions = sessions();
        let token = sessions.begin(ada()).unwrap();
        tokio::time::advance(IDLE_MAX.saturating_sub(Duration::from_secs(1))).await;
        assert_eq!(sessions.find(&token, true).unwrap().approver, ada());
        tokio::time::advance(IDLE_MAX.saturating_sub(Duration::from_secs(1))).await;
        assert!(sessions.find(&token, false).is_some(), "a page that looks after itself");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(sessions.find(&token, true).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_the_shift() {
        let sessions = sessions();
        let token = sessions.begin(ada()).unwrap();
        for _ in 0..23 {
            tokio::time::advance(Duration::from_mins(30)).await;
            assert!(sessions.find(&token, true).is_some());
        }
        tokio::time::advance(Duration::from_mins(30)).await;
        assert!(sessions.find(&token, true).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn forms_belong_to_one_session() {
        let sessions = sessions();
        let [ada, eve] = ["ada", "eve"].map(|user| {
            let token = sessions.begin(Approver::local(user).unwrap()).unwrap();
            sessions.find(&token, true).unwrap()
        });
        assert!(ada.owns_form(&ada.form_token()));
        assert!(!ada.owns_form(&eve.form_token()));
        assert!(!ada.owns_form(""));
        sessions.end(&ada);
        assert!(!sessions.holds(&ada) && sessions.holds(&eve));
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_has_to_wait() {
        let sessions = sessions();
        for _ in 0..FAILURES_MAX {
            assert_eq!(sessions.wait(), None);
            sessions.failed();
        }
        assert_eq!(sessions.wait(), Some(FAILURE_FORGOTTEN));
        tokio::time::advance(FAILURE_FORGOTTEN).await;
        assert_eq!(sessions.wait(), None);
        sessions.failed();
        assert!(sessions.wait().is_some());
        tokio::time::advance(Duration::from_hours(24)).await;
        assert_eq!(sessions.wait(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many_at_once() {
        let sessions = sessions();
        let first = sessions.begin(ada()).unwrap();
        for _ in 0..SESSIONS_MAX {
            tokio::time::advance(Duration::from_secs(1)).await;
            sessions.begin(ada()).unwrap();
        }
        assert!(sessions.find(&first, true).is_none());
        assert_eq!(sessions.lock().len(), SESSIONS_MAX);
    }
}
