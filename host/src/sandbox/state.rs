//! What one instance carries: its meter, its bounds, and what it may reach.

use std::sync::Arc;

use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use super::limiter::Limiter;
use super::meter::Meter;
use super::reports::Reports;
use super::wasi::{self, Streams};
use crate::capability::{
    Access, Clock, History, Kubernetes, Metrics, Objects, ProgressSink, WriteRequests,
};
use crate::domain::grant::Grants;
use crate::domain::limits::Limits;
use crate::domain::mode::Mode;
use crate::domain::name::{ClusterName, PluginId};
use crate::governance::admission::Permit;
use crate::governance::audit::Trail;
use crate::governance::policy::Policy;

/// What the house gives to the sandbox: every effect a guest can have goes through one of these.
pub struct Ports {
    /// Reads.
    pub kubernetes: Arc<dyn Kubernetes>,
    /// Reads of any kind.
    pub objects: Arc<dyn Objects>,
    /// Revisions.
    pub history: Arc<dyn History>,
    /// Measurements.
    pub metrics: Arc<dyn Metrics>,
    /// Requests for writes.
    pub writes: Arc<dyn WriteRequests>,
    /// What a caller may do.
    pub access: Arc<dyn Access>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The operator's guardrails.
    pub mode: Mode,
    /// What the operator allows to whom, below the guardrails and the grants.
    pub policy: Arc<Policy>,
    /// The clusters that there are.
    pub clusters: Vec<ClusterName>,
    /// The one that is meant where none is named.
    pub default_cluster: Option<ClusterName>,
    /// Where ports are driven: a guest that computes does not hold up another one's answer.
    pub io: tokio::runtime::Handle,
}

/// What an instance was made for.
pub(super) enum Scene {
    /// Asking a plugin for its tools: every import is closed.
    Listing,
    /// One call.
    Call(Arc<CallScene>),
}

/// One call.
pub(super) struct CallScene {
    pub permit: Permit,
    pub trail: Arc<Trail>,
    pub grants: Arc<Grants>,
    pub settings: Arc<std::collections::BTreeMap<String, String>>,
    pub ports: Arc<Ports>,
    pub progress: Arc<dyn ProgressSink>,
    pub reports: Arc<Reports>,
    pub limits: Limits,
    /// When the call ends, done or not.
    pub deadline: tokio::time::Instant,
}

/// Why the host ended a guest: kept here, because a trap loses its reason on the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stop {
    Limit(&'static str),
    CalledWhileListing(&'static str),
    NotRecorded(String),
}

/// The data of a store.
pub(super) struct State {
    pub plugin: PluginId,
    pub limiter: Limiter,
    pub meter: Arc<Meter>,
    pub scene: Scene,
    pub stop: Option<Stop>,
    pub host_calls: u32,
    pub host_calls_max: u32,
    pub log_bytes_left: usize,
    pub log_dropped: u32,
    log_bytes_max: usize,
    /// Made when it is first asked for: most guests import no WASI.
    wasi: Option<(WasiCtx, Streams)>,
    table: ResourceTable,
}

impl State {
    pub(super) fn new(plugin: PluginId, limits: &Limits, meter: Arc<Meter>, scene: Scene) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(limits.handles_max);
        Self {
            plugin,
            limiter: Limiter::new(limits),
            meter,
            scene,
            stop: None,
            host_calls: 0,
            host_calls_max: limits.host_calls_max,
            log_bytes_left: limits.log_bytes_max,
            log_dropped: 0,
            log_bytes_max: limits.log_bytes_max,
            wasi: None,
            table,
        }
    }

    /// Where the guest's output went, if it has any.
    pub(super) fn streams(&self) -> Option<&Streams> {
        self.wasi.as_ref().map(|(_, streams)| streams)
    }

    /// Counts a call into the host.
    ///
    /// # Errors
    /// A trap, where there were too many, or where imports are closed.
    pub(super) fn count(&mut self, interface: &'static str) -> wasmtime::Result<()> {
        if matches!(self.scene, Scene::Listing) {
            return self.trap(Stop::CalledWhileListing(interface));
        }
        if self.host_calls >= self.host_calls_max {
            return self.trap(Stop::Limit("host_calls_max"));
        }
        self.host_calls += 1;
        Ok(())
    }

    /// Ends the guest.
    pub(super) fn trap<T>(&mut self, stop: Stop) -> wasmtime::Result<T> {
        self.stop = Some(stop);
        wasmtime::bail!("stopped by the host")
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let (ctx, _) = self.wasi.get_or_insert_with(|| wasi::context(self.log_bytes_max));
        WasiCtxView { ctx, table: &mut self.table }
    }
}

impl wasmtime_wasi_io::IoView for State {
    fn table(&mut self) -> &mut ResourceTable {
        &mut self.table
    }
}
