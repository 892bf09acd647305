//! One run of a guest: a fresh store and a fresh instance, metered, bounded, and dropped.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use wasmtime::{Store, Trap, UpdateDeadline};

use super::errand::{Errand, Listed, Reply};
use super::load::Plugin;
use super::meter::Meter;
use super::reports::Reports;
use super::state::{CallScene, Scene, State, Stop};
use super::{Workshop, answer};
use crate::capability::ProgressSink;
use crate::domain::call::{Cost, Outcome};
use crate::domain::limits::Limits;
use crate::governance::admission::Permit;
use crate::governance::audit::Trail;

/// How a run ended, when not as the guest wanted.
#[derive(Debug)]
pub(super) enum Ended {
    Stopped(Stop),
    Deadline,
    Trapped(String),
    HostFailed(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Stopped(Stop::Limit(limit)) => write!(f, "it went over its limit `{limit}`"),
            Self::Stopped(Stop::CalledWhileListing(import)) => {
                write!(
                    f,
                    "it called `{import}`, but imports are closed while it lists what it offers"
                )
            }
            Self::Deadline => f.write_str("it went over its limit `deadline_ms`"),
            Self::Stopped(Stop::NotRecorded(why)) | Self::Trapped(why) | Self::HostFailed(why) => {
                f.write_str(why)
            }
        }
    }
}

/// Asks a plugin what it offers, with every import closed.
pub(super) async fn list(workshop: &Arc<Workshop>, plugin: &Arc<Plugin>) -> Result<Listed, Ended> {
    let limits = plugin.terms.limits.clone();
    let (shop, guest) = (Arc::clone(workshop), Arc::clone(plugin));
    let deadline = Duration::from_millis(limits.deadline_ms);
    let meter = Meter::new();
    let metered = Arc::clone(&meter);
    let work = async move {
        let mut room = Room::new(&shop, &guest, &limits, metered, Scene::Listing)?;
        let result = guest.exports.list(&mut room.store).await;
        room.finish(result)
    };
    match tokio::time::timeout(deadline, workshop.lanes.drive(meter, work)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => Err(Ended::HostFailed(error.to_string())),
        Err(_) => Err(Ended::Deadline),
    }
}

/// What a call is run with.
pub(super) struct Run {
    pub permit: Permit,
    pub trail: Arc<Trail>,
    pub progress: Arc<dyn ProgressSink>,
    pub cancel: CancellationToken,
}

/// Runs one call. Returning early (a cancellation, a dropped future) stops the guest at its next
/// tick.
pub(super) async fn call(workshop: &Arc<Workshop>, errand: Errand, run: Run) -> (Outcome, Cost) {
    let Run { permit, trail, progress, cancel } = run;
    let began = tokio::time::Instant::now();
    let mut cost = Cost::default();
    let plugin = Arc::clone(errand.plugin());
    let Ok(_queued) = Arc::clone(&plugin.queue).try_acquire_owned() else {
        let text = format!(
            "too many calls of plugin `{}` wait already (`queue_max`); try again in a moment",
            plugin.manifest.id
        );
        return (Outcome::LimitExceeded(text), cost);
    };
    let limits = plugin.terms.limits.clone();
    let deadline = began + Duration::from_millis(limits.deadline_ms);
    let turn = async {
        let of_plugin = Arc::clone(&plugin.turns).acquire_owned().await;
        (of_plugin, Arc::clone(&workshop.instances).acquire_owned().await)
    };
    // In this order: a turn that is free costs no timer.
    let turns = tokio::select! {
        biased;
        turns = turn => turns,
        () = cancel.cancelled() => return (Outcome::Cancelled, cost),
        () = tokio::time::sleep_until(deadline) => {
            return (Outcome::LimitExceeded(answer::limit("deadline_ms", &limits)), cost);
        }
    };
    cost.queued = began.elapsed();
    let scene = CallScene {
        trail: Arc::clone(&trail),
        grants: Arc::clone(&plugin.grants),
        settings: Arc::clone(&plugin.settings),
        ports: Arc::clone(&workshop.ports),
        limits: limits.clone(),
        permit,
        reports: Arc::new(Reports::new(Arc::clone(&progress))),
        progress,
        deadline,
    };
    let (shop, sent) = (Arc::clone(workshop), errand.clone());
    let meter = Meter::new();
    let metered = Arc::clone(&meter);
    let work = async move {
        let _turns = turns;
        guest(&shop, &sent, scene, metered).await
    };
    let (result, spent) = tokio::select! {
        biased;
        done = workshop.lanes.drive(meter, work) => match done {
            Ok(done) => done,
            Err(error) => (Err(Ended::HostFailed(error.to_string())), Cost::default()),
        },
        () = cancel.cancelled() => return (Outcome::Cancelled, cost),
        // Here, and not where the guest runs: its threads may be held up, ours are not.
        () = tokio::time::sleep_until(deadline) => (Err(Ended::Deadline), Cost::default()),
    };
    let outcome = answer::outcome(&errand, result, &trail);
    // With the look at the answer, which is the sandbox's work and not governance's.
    cost = Cost { queued: cost.queued, wall: began.elapsed(), ..spent };
    (outcome, cost)
}

async fn guest(
    workshop: &Arc<Workshop>,
    errand: &Errand,
    scene: CallScene,
    meter: Arc<Meter>,
) -> (Result<Reply, Ended>, Cost) {
    let limits = scene.limits.clone();
    let scene = Arc::new(scene);
    let call = Arc::clone(&scene);
    let (plugin, scene) = (errand.plugin(), Scene::Call(scene));
    let mut cost = Cost::default();
    let begun = tokio::time::Instant::now();
    let mut room = match Room::new(workshop, plugin, &limits, Arc::clone(&meter), scene) {
        Ok(room) => room,
        Err(ended) => return (Err(ended), cost),
    };
    let mut called = None;
    let work = async {
        let instance = plugin.exports.instantiate(&mut room.store).await?;
        cost.instantiate = begun.elapsed();
        called = Some(tokio::time::Instant::now());
        errand.ask(&mut room.store, &instance, call.permit.call()).await
    };
    let result = work.await;
    cost.host = meter.host();
    cost.guest = called.map_or(Duration::ZERO, |called| called.elapsed()).saturating_sub(cost.host);
    cost.recorded = meter.recorded();
    cost.port = meter.port();
    cost.host_calls = room.store.data().host_calls;
    let begun = tokio::time::Instant::now();
    let result = room.finish(result);
    cost.teardown = begun.elapsed();
    (result, cost)
}

/// A store and what belongs to it.
struct Room {
    store: Store<State>,
    _ticking: super::engine::Ticking,
}

impl Room {
    fn new(
        workshop: &Arc<Workshop>,
        plugin: &Arc<Plugin>,
        limits: &Limits,
        meter: Arc<Meter>,
        scene: Scene,
    ) -> Result<Self, Ended> {
        let id = plugin.manifest.id.clone();
        let state = State::new(id, limits, meter, scene);
        let mut store = Store::try_new(&workshop.engine, state)
            .map_err(|error| Ended::HostFailed(error.to_string()))?;
        store.limiter(|state| &mut state.limiter);
        store.set_hostcall_fuel(limits.host_call_bytes_in_max);
        store.set_max_component_handles(limits.handles_max);
        store.set_epoch_deadline(1);
        let cpu = Duration::from_millis(limits.cpu_ms);
        store.epoch_deadline_callback(move |mut cx| {
            if cx.data().meter.tick() >= cpu {
                return cx.data_mut().trap(Stop::Limit("cpu_ms"));
            }
            // Others pass, and a guest that has become slow changes lanes.
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now())))
        });
        Ok(Self { store, _ticking: workshop.ticker.run() })
    }

    /// What came of it.
    fn finish<T>(self, result: wasmtime::Result<T>) -> Result<T, Ended> {
        result.map_err(|error| ended(self.store.data(), &error))
    }
}

impl Drop for Room {
    /// Keeps what the guest wrote, however it ended.
    fn drop(&mut self) {
        answer::keep_streams(self.store.data());
    }
}

fn ended(state: &State, error: &wasmtime::Error) -> Ended {
    if let Some(stop) = &state.stop {
        return Ended::Stopped(stop.clone());
    }
    if let Some(limit) = state.limiter.refused {
        return Ended::Stopped(Stop::Limit(limit));
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Ended::Trapped("its stack is used up".to_owned()),
        Some(trap) => Ended::Trapped(trap.to_string()),
        None => untyped(&format!("{error:#}")),
    }
}

/// The runtime tells these limits only in words. The tests of hostile guests notice other words.
fn untyped(text: &str) -> Ended {
    let full = ["store handle limit exceeded", "resource table has no free keys"];
    if text.contains("fuel allocated for hostcalls") {
        Ended::Stopped(Stop::Limit("host_call_bytes_in_max"))
    } else if full.iter().any(|words| text.contains(words)) {
        Ended::Stopped(Stop::Limit("handles_max"))
    } else {
        Ended::Trapped(text.to_owned())
    }
}
