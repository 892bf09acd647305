//! The port `Writer`: what a write would do, and the one request that does it.
//!
//! One file for each verb says what is sent and what is worth knowing about it; `send` writes the
//! request down, `diff`, `pods`, `budgets` and `warn` look at what it would meet, `progress` and
//! `stuck` at what came of it. Nothing here sends a write before `execute`, save with `dryRun`.

mod autoscaler;
mod budgets;
mod cordon;
mod delete;
mod diff;
mod pause;
mod pods;
mod progress;
pub(super) mod restart;
mod rollback;
mod scale;
mod send;
mod stuck;
mod warn;

use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::Value;

use super::Clusters;
use super::about::About;
use super::ask::{Failure, Take, Taken};
use super::connect::Link;
use super::workload::{self, Workload};
use crate::capability::{CapabilityError, Progress, Writer};
use crate::domain::write::{Body, Plan, Verb, Version, WorkloadRef, WriteTarget};
use send::Sent;

/// How often a write is tried whose object changed between the look and the request, in all. A
/// rollout reports its state several times a second, and each report makes the version that was
/// looked at an old one: as many as client-go's `retry.DefaultRetry`.
const ATTEMPTS_MAX: u32 = 5;

/// Between two attempts, as there.
const ATTEMPTS_PAUSE: Duration = Duration::from_millis(10);

#[async_trait]
impl Writer for Clusters {
    async fn plan(&self, verb: Verb, target: &WriteTarget) -> Result<Plan, CapabilityError> {
        let slipped_in =
            |planned: &Result<_, _>| matches!(planned, Err(CapabilityError::Conflict(_)));
        repeated(slipped_in, || self.plan_once(verb, target)).await
    }

    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError> {
        let slipped_in = |sent: &Result<Result<(), Failure>, _>| {
            sent.as_ref().is_ok_and(|sent| sent.as_ref().is_err_and(Failure::is_conflict))
        };
        let sent = repeated(slipped_in, || self.execute_once(plan)).await?;
        sent.map_err(|failure| about(&plan.target).written().explain(failure))
    }

    async fn progress(&self, plan: &Plan) -> Result<Progress, CapabilityError> {
        // A rollout is read by several requests, each a large state of its own.
        Box::pin(progress::of(self.link(plan.target.cluster())?, plan)).await
    }
}

/// Looks and sends anew while something slips in between. A refused request has done nothing, and
/// each attempt looks whether the object is still the one that was meant.
async fn repeated<T, F: Future<Output = T>>(
    slipped_in: impl Fn(&T) -> bool,
    attempt: impl Fn() -> F,
) -> T {
    for _ in 1..ATTEMPTS_MAX {
        let done = attempt().await;
        if !slipped_in(&done) {
            return done;
        }
        tokio::time::sleep(ATTEMPTS_PAUSE).await;
    }
    attempt().await
}

impl Clusters {
    async fn plan_once(&self, verb: Verb, target: &WriteTarget) -> Result<Plan, CapabilityError> {
        let link = self.link(target.cluster())?;
        match (verb, target) {
            (
                Verb::Restart
                | Verb::Scale { .. }
                | Verb::Rollback { .. }
                | Verb::Pause
                | Verb::Resume,
                WriteTarget::Workload(workload),
            ) => self.plan_of_workload(link, verb, workload).await,
            (Verb::Delete, WriteTarget::Pod { namespace, name, .. }) => {
                delete::plan(link, target, namespace, name).await
            }
            (Verb::Cordon | Verb::Uncordon, WriteTarget::Node { name, .. }) => {
                cordon::plan(link, verb, target, name).await
            }
            (verb, target) => Err(misfit(verb, target)),
        }
    }

    /// What was sent, and what the server said to it; an error where nothing was sent, since it is
    /// not what was planned for any more.
    async fn execute_once(&self, plan: &Plan) -> Result<Result<(), Failure>, CapabilityError> {
        let Plan { verb, target, uid, version, body, .. } = plan;
        let link = self.link(target.cluster())?;
        let about = about(target);
        let found = fetch(link, target).await.and_then(|taken| Seen::of(target, &taken));
        let Seen { identity, .. } = found.map_err(|failure| about.explain(failure))?;
        let kind = about.kind;
        let name = target.name();
        if identity.uid != *uid {
            return Err(CapabilityError::Conflict(format!(
                "{kind} `{name}` was deleted and made anew since the plan; ask again for a new plan"
            )));
        }
        if identity.version != *version {
            let numbers = match (version, &identity.version) {
                (Version::Generation(then), Version::Generation(now)) => {
                    format!(" (generation {then} then, {now} now)")
                }
                _ => String::new(),
            };
            return Err(CapabilityError::Conflict(format!(
                "{kind} `{name}` was changed since the plan{numbers}; ask again for a new plan"
            )));
        }
        // The fresh object's version goes with the request: a change between the look above and the
        // request makes the API server refuse it.
        let request = Sent { verb: *verb, target, body, dry_run: false }.request(&identity);
        Ok(match request {
            Ok(request) => link.write(request, Take::Nothing).await.map(|_| ()),
            Err(failure) => Err(failure),
        })
    }

    async fn plan_of_workload(
        &self,
        link: &Link,
        verb: Verb,
        target: &WorkloadRef,
    ) -> Result<Plan, CapabilityError> {
        let written = WriteTarget::Workload(target.clone());
        let about = workload::about(target);
        let explain = |failure| about.explain(failure);
        let taken = link.workload(target).await.map_err(explain)?;
        let Seen { object: before, identity } = Seen::of(&written, &taken).map_err(explain)?;
        let workload = Workload::decode(target.kind, &taken).map_err(explain)?;
        pause::refuse(verb, target, &workload)?;
        let (verb, body) = match verb {
            Verb::Restart => (verb, restart::body(self.clock.now())),
            Verb::Scale { replicas } => (verb, scale::body(target.kind, replicas)?),
            Verb::Rollback { revision } => {
                let found = rollback::find(link, target, &workload, revision).await?;
                (Verb::Rollback { revision: Some(found.revision) }, found.body)
            }
            Verb::Pause | Verb::Resume => (verb, pause::body(target.kind, verb == Verb::Pause)?),
            Verb::Delete | Verb::Cordon | Verb::Uncordon => return Err(misfit(verb, &written)),
        };
        let after = try_out(link, verb, &written, &body, &identity).await.map_err(explain)?;
        let after =
            if let Verb::Scale { .. } = verb { scale::after(&before, &after) } else { after };
        let diff = diff::diff(verb, &before, &after);

        let mut met = warn::Met::of(link, verb, target, &workload).await?;
        let mut warnings = std::mem::take(&mut met.warnings);
        warnings.extend(diff.warnings);
        Ok(Plan {
            verb,
            target: written,
            uid: identity.uid,
            version: identity.version,
            changes: diff.changes,
            pods: met.pods.named,
            pods_total: met.pods.total,
            replicas_left: Some(met.replicas_left),
            budgets: met.budgets,
            warnings,
            owner: None,
            body,
        })
    }
}

/// Has the API server do everything but keep the change, and gives the object as it would be.
async fn try_out(
    link: &Link,
    verb: Verb,
    target: &WriteTarget,
    body: &Body,
    identity: &Identity,
) -> Result<Value, Failure> {
    let request = Sent { verb, target, body, dry_run: true }.request(identity)?;
    link.write(request, Take::Whole).await?.decode()
}

async fn fetch(link: &Link, target: &WriteTarget) -> Result<Taken, Failure> {
    match target {
        WriteTarget::Workload(workload) => link.workload(workload).await,
        WriteTarget::Pod { .. } => link.object::<Pod>(&about(target)).await,
        WriteTarget::Node { .. } => link.object::<Node>(&about(target)).await,
    }
}

/// What a request for the object is about.
fn about(target: &WriteTarget) -> About<'_> {
    match target {
        WriteTarget::Workload(workload) => workload::about(workload),
        WriteTarget::Pod { namespace, name, .. } => {
            About::object("pod", Some(namespace.as_str()), name.as_str())
        }
        WriteTarget::Node { name, .. } => About::object("node", None, name.as_str()),
    }
}

fn misfit(verb: Verb, target: &WriteTarget) -> CapabilityError {
    let (verb, kind) = (verb.as_str(), about(target).kind);
    CapabilityError::InvalidArgument(format!("`{verb}` is not for a {kind}"))
}

/// An object as it was read, for a write.
struct Seen {
    object: Value,
    identity: Identity,
}

/// What makes an object this one, in this state.
struct Identity {
    uid: String,
    resource_version: String,
    version: Version,
}

impl Seen {
    /// Every stored object has a UID and a version; without them a write would have no
    /// precondition.
    fn of(target: &WriteTarget, taken: &Taken) -> Result<Self, Failure> {
        let object: Value = taken.decode()?;
        let metadata: ObjectMeta =
            serde_json::from_value(object.get("metadata").cloned().unwrap_or_default())
                .map_err(|error| Failure::Garbage(error.to_string()))?;
        let version = match target {
            WriteTarget::Workload(_) => metadata.generation.map(Version::Generation),
            WriteTarget::Pod { .. } | WriteTarget::Node { .. } => {
                object.get("spec").map(|spec| Version::Content(digest(spec)))
            }
        };
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        match (present(metadata.uid), present(metadata.resource_version), version) {
            (Some(uid), Some(resource_version), Some(version)) => {
                Ok(Self { object, identity: Identity { uid, resource_version, version } })
            }
            _ => Err(Failure::Garbage("an object without uid, version or generation".to_owned())),
        }
    }
}

/// The same for the same content: a JSON object's fields have no order.
fn digest(value: &Value) -> String {
    use sha2::{Digest as _, Sha256};
    fn sorted(value: &Value) -> Value {
        match value {
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| *key);
                fields.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
            }
            Value::Array(items) => items.iter().map(sorted).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
        }
    }
    Sha256::digest(sorted(value).to_string()).iter().fold(String::new(), |mut hex, byte| {
        use std::fmt::Write as _;
        let _ = write!(hex, "{byte:02x}"); // Writing to a string does not fail.
        hex
    })
}
