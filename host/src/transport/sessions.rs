//! The sessions of clients that begin with `initialize`: rmcp's, with a bound and with owners.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::Stream;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::streamable_http_server::session::local::{
    LocalSessionManager, LocalSessionManagerError,
};
use rmcp::transport::streamable_http_server::session::{
    ServerSseMessage, SessionId, SessionManager,
};

use crate::domain::principal::Principal;

/// A person may think for a while between two calls, and many clients cannot begin a new session
/// by themselves.
const IDLE_MAX: Duration = Duration::from_mins(30);

/// How long what was answered can be asked for again after a broken connection. rmcp keeps every
/// answer that long, and an answer may have 256 KiB.
const REPLAY_MAX: Duration = Duration::from_secs(5);

/// Why a session did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    /// As many as may be.
    #[error("there are too many sessions")]
    Full,
    /// What rmcp says.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// Every session of the listener.
pub(super) struct Sessions {
    local: LocalSessionManager,
    at_once_max: usize,
    /// Held while a session is made, so that two do not take the last place.
    making: tokio::sync::Mutex<()>,
    /// Who began each session. Its id is no secret between the callers behind one proxy.
    owners: Mutex<HashMap<SessionId, Principal>>,
}

impl Sessions {
    pub(super) fn new(at_once_max: usize) -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE_MAX);
        local.session_config.completed_cache_ttl = REPLAY_MAX;
        let making = tokio::sync::Mutex::default();
        Self { local, at_once_max, making, owners: Mutex::default() }
    }

    pub(super) async fn is_full(&self) -> bool {
        self.local.sessions.read().await.len() >= self.at_once_max
    }

    /// Remembers who began a session.
    pub(super) async fn own(&self, id: &str, principal: Principal) {
        let id = SessionId::from(id);
        self.owners().insert(id.clone(), principal);
        // It may have ended before it was owned.
        if !self.local.sessions.read().await.contains_key(&id) {
            self.owners().remove(&id);
        }
    }

    /// Whether there is such a session for this caller. Another's looks like none.
    pub(super) fn is_owned_by(&self, id: &str, principal: &Principal) -> bool {
        self.owners().get(id) == Some(principal)
    }

    fn owners(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Principal>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = <LocalSessionManager as SessionManager>::Transport;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError> {
        let _turn = self.making.lock().await;
        if self.is_full().await {
            return Err(SessionsError::Full);
        }
        Ok(self.local.create_session().await?)
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        self.owners().remove(id);
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.create_stream(id, message).await?)
    }

    async fn accept_message(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<(), SessionsError> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_session_is_its_owners_alone() {
        let sessions = Sessions::new(2);
        let (alice, bob) = (Principal::local("alice"), Principal::local("bob"));
        let (id, _transport) = sessions.create_session().await.unwrap();
        assert!(!sessions.is_owned_by(&id, &alice), "nobody's yet");
        sessions.own(&id, alice.clone()).await;
        assert!(sessions.is_owned_by(&id, &alice));
        assert!(!sessions.is_owned_by(&id, &bob));
        sessions.close_session(&id).await.unwrap();
        assert!(!sessions.is_owned_by(&id, &alice));
        sessions.own("gone", alice.clone()).await;
        assert!(!sessions.is_owned_by("gone", &alice));
    }

    #[tokio::test]
    async fn makes_no_more_sessions_than_it_may() {
        let sessions = Sessions::new(1);
        let first = sessions.create_session().await.unwrap();
        assert!(sessions.is_full().await);
        assert!(matches!(sessions.create_session().await, Err(SessionsError::Full)));
        sessions.close_session(&first.0).await.unwrap();
        assert!(sessions.create_session().await.is_ok());
    }
}
