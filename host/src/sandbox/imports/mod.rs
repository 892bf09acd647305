//! The doors: one file for each interface of the contract, one shape for each function.
//!
//! Check (uses, grant, mode, on the *target*), record the use, call the port, map the error. Owns
//! who may; must not know how. Read [`Door`] first.

mod access;
mod ambient;
mod convert;
mod kubernetes_cordon;
mod kubernetes_delete_pod;
mod kubernetes_events;
mod kubernetes_logs;
mod kubernetes_pause;
mod kubernetes_read;
mod kubernetes_restart;
mod kubernetes_rollback;
mod kubernetes_scale;
mod pages;
mod soon;
mod writes;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use futures::FutureExt as _;
use tokio::task::JoinError;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::bindings::toolgate::plugin::types::Error;
use super::meter::Meter;
use super::state::{CallScene, Scene, State, Stop};
use crate::capability::{CapabilityError, origin};
use crate::domain::call::CapabilityUse;
use crate::domain::capability::Capability;
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::scope::{Scope, Target};

/// One host call of a guest, on its way to a port.
pub(super) struct Door {
    scene: Arc<CallScene>,
    capability: Capability,
    meter: Arc<Meter>,
}

/// What a host function answers: the outer error ends the guest, the inner one it can read.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Why a door did not let a call through.
enum Shut {
    /// The guest reads why.
    Told(Error),
    /// The guest ends: what it wanted cannot be put on record.
    NotRecorded(String),
}

impl From<Error> for Shut {
    fn from(error: Error) -> Self {
        Self::Told(error)
    }
}

impl State {
    /// Counts the call and opens the door of its capability.
    async fn through<T, F: Future<Output = Result<T, Shut>>>(
        &mut self,
        capability: Capability,
        pass: impl FnOnce(Door) -> F,
    ) -> Answer<T> {
        self.count(capability.as_str())?;
        let Scene::Call(scene) = &self.scene else {
            return self.trap(Stop::CalledWhileListing(capability.as_str()));
        };
        if !scene.permit.uses(capability) {
            return Ok(Err(Error::Denied(format!(
                "the tool `{}` does not list `{capability}` under `uses` in its plugin's manifest",
                scene.permit.call().tool
            ))));
        }
        let meter = Arc::clone(&self.meter);
        let door = Door { scene: Arc::clone(scene), capability, meter: Arc::clone(&meter) };
        let answer = {
            let _waiting = meter.enter_host();
            pass(door).await
        };
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(Shut::Told(error)) => Ok(Err(error)),
            Err(Shut::NotRecorded(why)) => self.trap(Stop::NotRecorded(why)),
        }
    }
}

impl Door {
    /// How far the grant reaches. There is one, or the interface were not linked.
    fn scope(&self) -> Result<&Scope, Shut> {
        let missing = || Shut::Told(Error::Denied(format!("`{}` is not granted", self.capability)));
        self.scene.grants.scope(self.capability).ok_or_else(missing)
    }

    /// The cluster that is meant. One that is not granted is put on record, and looks like one that
    /// is not there.
    async fn cluster(&self, name: Option<String>) -> Result<ClusterName, Shut> {
        let ports = &self.scene.ports;
        let (meant, refusal) = match name {
            Some(name) => (
                ports.clusters.iter().find(|cluster| cluster.as_str() == name),
                Shut::Told(Error::NotFound(format!("cluster `{name}` not found"))),
            ),
            None => (
                ports.default_cluster.as_ref(),
                invalid("name a cluster: none that is granted is the default".to_owned()),
            ),
        };
        let Some(cluster) = meant else { return Err(refusal) };
        if self.scope()?.clusters.contains(cluster.as_str()) {
            return Ok(cluster.clone());
        }
        let (cluster, kind) = (cluster.clone(), "Cluster");
        let target = Target { cluster, namespace: None, kind: kind.into(), name: None };
        self.note("reach", &target, false).await?;
        Err(refusal)
    }

    /// Checks a use against the grant and the mode, and puts it on record either way.
    async fn check(&self, verb: &'static str, target: &Target) -> Result<(), Shut> {
        let scope = self.scope()?;
        let mode = &self.scene.ports.mode;
        // A list of all namespaces is allowed only where all are: others go one by one.
        let wide = target.namespace.is_some()
            || !is_namespaced(&target.kind)
            || (scope.namespaces.is_all() && mode.namespaces.is_all());
        let allowed = wide && scope.contains(target) && mode.covers(target);
        self.note(verb, target, allowed).await?;
        if allowed {
            return Ok(());
        }
        Err(Shut::Told(missing(target)))
    }

    /// Puts a use on record: one that is checked, or a look of the host's own that the guest did
    /// not ask for, and whose answer it does not get.
    async fn note(&self, verb: &'static str, target: &Target, allowed: bool) -> Result<(), Shut> {
        let capability = self.capability;
        let used = CapabilityUse { capability, verb, target: target.clone(), allowed };
        let begun = Instant::now();
        let recorded = self.scene.trail.used(&used).await;
        self.meter.add_recorded(begun.elapsed());
        recorded.map_err(|error| Shut::NotRecorded(error.to_string()))?;
        if allowed {
            return Ok(());
        }
        let plugin = &self.scene.permit.offer().plugin;
        tracing::info!(
            %plugin, capability = %self.capability, %verb, %target, call = %self.scene.permit.call().id,
            "refused: outside of `grants.{plugin}.{}` or `mode.namespaces`", self.capability,
        );
        Ok(())
    }

    /// Drives a port where ports are driven. Dropped with the call, the port's work ends too.
    async fn port<T: Send + 'static>(
        &self,
        target: &Target,
        work: impl Future<Output = Result<T, CapabilityError>> + Send + 'static,
    ) -> Result<T, Shut> {
        let meter = Arc::clone(&self.meter);
        let work = origin::on_behalf(self.scene.permit.call().id.clone(), work);
        let work = async move {
            let begun = Instant::now();
            let answer = AssertUnwindSafe(work).catch_unwind().await;
            meter.add_port(begun.elapsed());
            answer
        };
        match self.drive(Box::pin(work)).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Shut::Told(self.told(target, &error))),
            Ok(Err(_)) | Err(_) => {
                tracing::error!(capability = %self.capability, "a port failed");
                Err(Shut::Told(Error::Unavailable(
                    "the host failed at this; its operator finds why in its log".to_owned(),
                )))
            }
        }
    }

    /// What answers at once is not worth two changes of thread; what waits for a network does so
    /// on another thread than the guests', where none that computes holds it up.
    async fn drive<T: Send + 'static>(
        &self,
        mut work: Pin<Box<dyn Future<Output = T> + Send>>,
    ) -> Result<T, JoinError> {
        let io = &self.scene.ports.io;
        let first = std::future::poll_fn(|cx| {
            let _io = io.enter();
            Poll::Ready(work.as_mut().poll(cx))
        });
        match first.await {
            Poll::Ready(answer) => Ok(answer),
            Poll::Pending => AbortOnDropHandle::new(io.spawn(work)).await,
        }
    }

    fn told(&self, target: &Target, error: &CapabilityError) -> Error {
        match error {
            // The same words as for what is not granted: the two are not told apart.
            CapabilityError::NotFound(_) => missing(target),
            CapabilityError::InvalidArgument(_) => {
                Error::InvalidArgument(safe(&error.caller_text()))
            }
            CapabilityError::Conflict(_) => Error::Denied(safe(&error.caller_text())),
            CapabilityError::LimitExceeded(_) => Error::LimitExceeded(error.caller_text()),
            CapabilityError::Forbidden { .. } | CapabilityError::Unavailable { .. } => {
                tracing::warn!(
                    %error, capability = %self.capability, %target,
                    call = %self.scene.permit.call().id, "a port did not answer"
                );
                Error::Unavailable(error.caller_text())
            }
        }
    }

    /// Whether an answer of about so many bytes may be handed to the guest.
    fn fits(&self, bytes: usize) -> Result<(), Shut> {
        let bytes_max = self.scene.limits.host_call_bytes_out_max;
        if bytes <= bytes_max {
            return Ok(());
        }
        Err(Shut::Told(Error::LimitExceeded(format!(
            "this answer has more than {bytes_max} bytes (`host_call_bytes_out_max`); ask for less \
             at once with `limit`"
        ))))
    }

    fn now(&self) -> jiff::Timestamp {
        self.scene.ports.clock.now()
    }
}

fn is_namespaced(kind: &str) -> bool {
    !matches!(kind, "Node" | "Namespace")
}

/// One text for what is not there and for what the caller may not see.
fn missing(target: &Target) -> Error {
    let Target { cluster, namespace, kind, name } = target;
    Error::NotFound(match (name, namespace) {
        (Some(name), Some(namespace)) => format!(
            "{kind} `{name}` not found in namespace `{namespace}` of cluster `{cluster}`, or not granted"
        ),
        (Some(name), None) => {
            format!("{kind} `{name}` not found in cluster `{cluster}`, or not granted")
        }
        (None, Some(namespace)) => {
            format!("namespace `{namespace}` not found in cluster `{cluster}`, or not granted")
        }
        (None, None) => format!("nothing of kind {kind} is granted in cluster `{cluster}`"),
    })
}

fn invalid(text: String) -> Shut {
    Shut::Told(Error::InvalidArgument(text))
}

fn namespace(text: &str) -> Result<Namespace, Shut> {
    text.parse().map_err(|error: crate::domain::name::NameError| invalid(error.to_string()))
}

fn object(text: &str) -> Result<ObjectName, Shut> {
    text.parse().map_err(|error: crate::domain::name::NameError| invalid(error.to_string()))
}

/// A value within its bounds, or the default where there is none.
fn within(name: &str, value: Option<u32>, default: u32, max: u32) -> Result<u32, Shut> {
    match value {
        None => Ok(default),
        Some(value) if (1..=max).contains(&value) => Ok(value),
        Some(value) => Err(invalid(format!("`{name}` is {value}; it goes from 1 to {max}"))),
    }
}

/// Free text on its way to a guest.
fn safe(text: &str) -> String {
    crate::governance::redact::make_safe(text).text
}

fn workload_target(workload: &crate::domain::write::WorkloadRef) -> Target {
    Target {
        cluster: workload.cluster.clone(),
        namespace: Some(workload.namespace.clone()),
        kind: workload.kind.as_str().into(),
        name: Some(workload.name.to_string()),
    }
}
