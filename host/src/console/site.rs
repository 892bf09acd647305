//! The pages and where they are.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use http::StatusCode;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::door::Door;
use super::sessions::Sessions;
use super::watch::Watch;
use super::{
    ConsoleError, call, events, gate, history, layout, limits, login, plugins, request, requests,
    trail,
};
use crate::capability::Clock;
use crate::domain::mode::Mode;
use crate::governance::approval::Answers;
use crate::sandbox::{LoadError, Plugin};

/// What the console is made of.
pub struct Parts {
    /// Where requests, records and the console's own key lie.
    pub state_dir: PathBuf,
    /// The folder of the requests.
    pub approvals_dir: PathBuf,
    /// The folder of the audit log.
    pub audit_dir: PathBuf,
    /// The plugins that serve.
    pub plugins: Vec<Arc<Plugin>>,
    /// The plugins that do not.
    pub failures: Vec<LoadError>,
    /// The operator's guardrails.
    pub mode: Mode,
    /// The time.
    pub clock: Arc<dyn Clock>,
}

/// What every page has at hand.
pub(super) struct Site {
    pub(super) door: Door,
    pub(super) sessions: Sessions,
    /// The cookie's name. Ports of one address share cookies, so it names ours.
    pub(super) cookie: String,
    pub(super) answers: Arc<Answers>,
    pub(super) watch: Arc<Watch>,
    pub(super) plugins: Vec<Arc<Plugin>>,
    pub(super) failures: Vec<LoadError>,
    pub(super) mode: Mode,
    pub(super) end: CancellationToken,
    clock: Arc<dyn Clock>,
}

impl Site {
    pub(super) fn open(
        parts: Parts,
        address: SocketAddr,
        end: CancellationToken,
    ) -> Result<Self, ConsoleError> {
        let Parts { state_dir, approvals_dir, audit_dir, plugins, failures, mode, clock } = parts;
        let door = Door::open(&state_dir, address, clock.now());
        let door = door.map_err(ConsoleError::Door)?;
        Ok(Self {
            sessions: Sessions::new(*door.secret()),
            door,
            cookie: format!("toolgate_console_{}", address.port()),
            answers: Arc::new(Answers::open(&approvals_dir, Arc::clone(&clock))?),
            watch: Arc::new(Watch::new(audit_dir, approvals_dir)),
            plugins,
            failures,
            mode,
            end,
            clock,
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Every page. What is not in the first list is for who has entered.
pub(super) fn router(site: Arc<Site>) -> Router {
    let open = Router::new()
        .route("/login", get(login::show).post(login::enter))
        .route("/style.css", get(layout::style))
        .route("/live.js", get(layout::script))
        .route("/icon.svg", get(layout::icon));
    let closed = Router::new()
        .route("/", get(requests::show))
        .route("/requests/{id}", get(request::show))
        .route("/requests/{id}/answer", post(request::answer))
        .route("/history", get(history::show))
        .route("/trail", get(trail::show))
        .route("/calls/{id}", get(call::show))
        .route("/plugins", get(plugins::show))
        .route("/limits", get(limits::show))
        .route("/events", get(events::listen))
        .route("/logout", post(login::leave))
        .fallback(nothing)
        .layer(from_fn_with_state(Arc::clone(&site), gate::require_session));
    open.merge(closed)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(gate::pass))
        .layer(from_fn(gate::dress))
        .with_state(site)
}

async fn nothing() -> axum::response::Response {
    layout::notice(StatusCode::NOT_FOUND, "Not here", "There is no such page.")
}

async fn wrong_method() -> axum::response::Response {
    layout::notice(StatusCode::METHOD_NOT_ALLOWED, "Not like this", "The page cannot do that.")
}
