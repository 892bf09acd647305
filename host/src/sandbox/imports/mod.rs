//! The doors: one file for each interface of the contract, one shape for each function.
//!
//! Check (uses, grant, mode, policy, on the *target*), record the use, call the port, map the error. Owns
//! who may; must not know how. Read [`Door`] first.

mod access;
mod ambient;
mod convert;
mod fields;
mod kubernetes_cordon;
mod kubernetes_delete_pod;
mod kubernetes_events;
mod kubernetes_logs;
mod kubernetes_metrics;
mod kubernetes_pause;
mod kubernetes_read;
mod kubernetes_restart;
mod kubernetes_rollback;
mod kubernetes_scale;
mod kubernetes_secret_values;
mod objects;
mod pages;
mod rollouts;
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
use crate::domain::decision::{Rule, Verdict};
use crate::domain::name::{ClusterName, Namespace, ObjectName, ToolName};
use crate::domain::scope::{Scope, Target};
use crate::domain::subject::Subject;
use crate::governance::guard::{self, Guard};
use crate::governance::policy;
use crate::governance::redact::counted;

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
                "{} does not list `{capability}` under `uses` in its plugin's manifest",
                the(&scene.permit.call().subject)
            ))));
        }
        let (scene, meter) = (Arc::clone(scene), Arc::clone(&self.meter));
        let door = Door { scene: Arc::clone(&scene), capability, meter: Arc::clone(&meter) };
        let answer = {
            let _waiting = meter.enter_host();
            let mut passing = std::pin::pin!(pass(door));
            std::future::poll_fn(|cx| {
                let (polled, withheld) = counted(|| passing.as_mut().poll(cx));
                scene.trail.withhold(withheld);
                polled
            })
            .await
        };
        match answer {
            Ok(value) => Ok(Ok(value)),
            Err(Shut::Told(error)) => Ok(Err(error)),
            Err(Shut::NotRecorded(why)) => self.trap(Stop::NotRecorded(why)),
        }
    }
}

impl Door {
    /// Which tool asks for a write. Prompts and resources ask for none: what reads like a look must
    /// not change what it looks at, whatever a manifest says.
    fn tool(&self) -> Result<ToolName, Shut> {
        match &self.scene.permit.call().subject {
            Subject::Tool(name) => Ok(name.clone()),
            Subject::Prompt(_) | Subject::Resource(_) | Subject::Completion { .. } => {
                Err(Shut::Told(Error::Denied("only a tool may ask for a change".to_owned())))
            }
        }
    }

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
        self.note("reach", &target, false, Some(self.grant_rule())).await?;
        Err(refusal)
    }

    /// Checks a use against grant, mode and policy, and puts it on record either way.
    async fn check(&self, verb: &'static str, target: &Target) -> Result<(), Shut> {
        self.check_as(verb, target, is_namespaced(&target.kind)).await
    }

    /// The same for a kind of which only the cluster knows whether its objects are in namespaces.
    async fn check_as(
        &self,
        verb: &'static str,
        target: &Target,
        is_namespaced: bool,
    ) -> Result<(), Shut> {
        let (allowed, rule) = match self.verdict(verb, target, is_namespaced) {
            Verdict::Allow { rule } | Verdict::Ask { rule, terms: _ } => (true, rule),
            Verdict::Deny { rule } => (false, rule),
        };
        self.note(verb, target, allowed, Some(rule)).await?;
        if allowed {
            return Ok(());
        }
        Err(Shut::Told(missing(target)))
    }

    /// What mode, grant and policy say. Writes are asked for here, and decided on again where they are
    /// carried out.
    fn verdict(&self, verb: &str, target: &Target, is_namespaced: bool) -> Verdict {
        let CallScene { ports, grants, .. } = self.scene.as_ref();
        let scope = grants.scope(self.capability);
        let guard = Guard { mode: &ports.mode, scope, policy: &ports.policy };
        self.asking(verb, target, |question| guard.decide(question, is_namespaced))
    }

    fn asking<T>(
        &self,
        verb: &str,
        target: &Target,
        answer: impl FnOnce(&policy::Question<'_>) -> T,
    ) -> T {
        let CallScene { permit, ports, .. } = self.scene.as_ref();
        let (call, offer) = (permit.call(), permit.offer());
        answer(&policy::Question {
            principal: &call.principal,
            plugin: &offer.plugin,
            digest: &offer.digest,
            tool: &policy::offered_as(&call.subject),
            capability: self.capability,
            verb,
            target,
            dry_run: ports.mode.dry_run,
            at: self.now(),
        })
    }

    /// Whether an object that a list has found may be told of. Not on record by itself: the list is.
    fn sees(&self, verb: &str, found: impl FnOnce() -> Target) -> bool {
        let policy = &self.scene.ports.policy;
        if !policy.judges_names(verb) && !policy.judges_namespaces(verb) {
            return true;
        }
        let verdict = self.asking(verb, &found(), |question| policy.decide(question));
        !matches!(verdict, Verdict::Deny { .. })
    }

    /// The grant, as a rule that covers a use or does not.
    fn grant_rule(&self) -> Rule {
        guard::grant_rule(&self.scene.permit.offer().plugin, self.capability)
    }

    /// Whether what lies in the namespace may be seen, and so the namespace itself.
    fn grants_namespace(&self, name: &str) -> Result<bool, Shut> {
        let mode = &self.scene.ports.mode;
        Ok(self.scope()?.namespaces.contains(name) && mode.namespaces.contains(name))
    }

    /// Puts a use on record: one that is checked, or a look of the host's own that the guest did
    /// not ask for, and whose answer it does not get.
    async fn note(
        &self,
        verb: &'static str,
        target: &Target,
        allowed: bool,
        rule: Option<Rule>,
    ) -> Result<(), Shut> {
        let capability = self.capability;
        let used = CapabilityUse { capability, verb, target: target.clone(), allowed, rule };
        let begun = Instant::now();
        let recorded = self.scene.trail.used(&used).await;
        self.meter.add_recorded(begun.elapsed());
        recorded.map_err(|error| Shut::NotRecorded(error.to_string()))?;
        if allowed {
            return Ok(());
        }
        let plugin = &self.scene.permit.offer().plugin;
        let rule = used.rule.as_ref().map(tracing::field::display);
        tracing::info!(
            %plugin, capability = %self.capability, %verb, %target, rule,
            call = %self.scene.permit.call().id, "refused",
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

const NAMESPACE: &str = "Namespace";
/// Who asks, as the manifest knows it.
fn the(subject: &Subject) -> String {
    match subject {
        Subject::Tool(_) | Subject::Prompt(_) | Subject::Resource(_) => format!("the {subject}"),
        Subject::Completion { of, argument: _ } => format!("the {of}"),
    }
}

fn is_namespaced(kind: &str) -> bool {
    crate::domain::kind::own(kind).is_none_or(|kind| kind.namespaced)
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
