//! Tells open pages that there is something new. Not what: they ask for themselves again, so that
//! there is one way in which text becomes a page.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures::Stream;

use super::sessions::Session;
use super::site::Site;

/// How often it is looked for something new. A person does not notice it.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Times on pages grow old even where nothing happens.
const REFRESH_LOOKS: u32 = 30;

struct Listener {
    site: Arc<Site>,
    session: Arc<Session>,
    version: u64,
    looks: u32,
}

pub(super) async fn listen(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let version = site.version().await;
    let listener = Listener { site, session, version, looks: REFRESH_LOOKS };
    Sse::new(futures::stream::unfold(listener, |mut listener| async move {
        let event = listener.next().await?;
        Some((Ok(event), listener))
    }))
}

impl Listener {
    /// The next thing to tell; nothing more once the session or the console ends. The first comes
    /// at once: something may have happened while the page was on its way.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let version = self.site.version().await;
            self.looks += 1;
            if version != self.version || self.looks > REFRESH_LOOKS {
                self.version = version;
                self.looks = 0;
                return Some(Event::default().event("changed").data(version.to_string()));
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = self.site.end.cancelled() => return None,
            }
            if !self.site.sessions.holds(&self.session) {
                return None;
            }
        }
    }
}
