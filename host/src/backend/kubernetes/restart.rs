//! The port `Workloads`: what a restart would do, and the one request that does it.

use async_trait::async_trait;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::Request;
use serde_json::{Value, json};

use super::Clusters;
use super::about::About;
use super::ask::{Failure, Take};
use super::connect::Link;
use super::convert::deployment::selector;
use super::plan::{self, PodSeen, Pods};
use super::warn::{self, Budgets};
use super::workload::{self, Workload};
use crate::capability::{CapabilityError, Workloads};
use crate::domain::write::{Plan, Verb, WorkloadRef};

/// Under this name the API server records who changed a field.
const FIELD_MANAGER: &str = "toolgate";

/// The annotation of the pod template that `kubectl rollout restart` writes as well.
pub(super) const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// Pods that a plan looks at. Who restarts more than this at once has other worries than a count.
const PODS_MAX: usize = 5_000;

/// Pods in one answer. They are the largest objects that we list: 250 are about 4 MiB.
const PODS_CHUNK: u32 = 250;

/// Disruption budgets of one namespace that a plan looks at.
const BUDGETS_MAX: usize = 500;

#[async_trait]
impl Workloads for Clusters {
    async fn plan(&self, verb: Verb, target: &WorkloadRef) -> Result<Plan, CapabilityError> {
        let link = self.link(&target.cluster)?;
        let about = workload::about(target);
        let explain = |failure| about.explain(failure);
        let taken = link.workload(target).await.map_err(explain)?;
        let before: Value = taken.decode().map_err(explain)?;
        let workload = Workload::decode(target.kind, &taken).map_err(explain)?;
        let identity = Identity::of(workload.metadata()).map_err(explain)?;

        let request = match verb {
            Verb::Restart => restart(target, &identity, self.clock.now(), true),
        };
        let taken = match request {
            Ok(request) => link.write(request, Take::Whole).await,
            Err(failure) => Err(failure),
        };
        let after: Value = taken.and_then(|taken| taken.decode()).map_err(explain)?;
        let diff = plan::diff(&before, &after);

        let pods = pods(link, target, &workload).await?;
        let budgets = budgets(link, target).await;
        let mut warnings = warn::warnings(&workload, &pods, &budgets);
        warnings.extend(diff.warnings);
        Ok(Plan {
            verb,
            target: target.clone(),
            uid: identity.uid,
            generation: identity.generation,
            changes: diff.changes,
            pods: pods.named,
            pods_total: pods.total,
            warnings,
        })
    }

    async fn execute(&self, plan: &Plan) -> Result<(), CapabilityError> {
        let Plan { verb, target, uid, generation, .. } = plan;
        let link = self.link(&target.cluster)?;
        let about = workload::about(target);
        let explain = |failure| about.explain(failure);
        let taken = link.workload(target).await.map_err(explain)?;
        let workload = Workload::decode(target.kind, &taken).map_err(explain)?;
        let identity = Identity::of(workload.metadata()).map_err(explain)?;
        let word = workload::word(target.kind);
        if identity.uid != *uid {
            return Err(CapabilityError::Conflict(format!(
                "{word} `{}` was deleted and made anew since the plan; ask again for a new plan",
                target.name
            )));
        }
        if identity.generation != *generation {
            return Err(CapabilityError::Conflict(format!(
                "{word} `{}` was changed since the plan (generation {generation} then, {} now); \
                 ask again for a new plan",
                target.name, identity.generation
            )));
        }
        // The fresh object's version goes with the patch: a change between the look above and the
        // patch makes the API server refuse it.
        let request = match verb {
            Verb::Restart => restart(target, &identity, self.clock.now(), false),
        };
        let written = match request {
            Ok(request) => link.write(request, Take::Nothing).await,
            Err(failure) => Err(failure),
        };
        written.map(|_| ()).map_err(|failure| about.written().explain(failure))
    }
}

/// What makes an object this one, in this state.
struct Identity {
    uid: String,
    resource_version: String,
    generation: i64,
}

impl Identity {
    /// Every stored object has all three; without them a patch would have no precondition.
    fn of(metadata: &ObjectMeta) -> Result<Self, Failure> {
        let present = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        match (present(&metadata.uid), present(&metadata.resource_version), metadata.generation) {
            (Some(uid), Some(resource_version), Some(generation)) => {
                Ok(Self { uid, resource_version, generation })
            }
            _ => Err(Failure::Garbage("an object without uid, version or generation".to_owned())),
        }
    }
}

fn restart(
    target: &WorkloadRef,
    identity: &Identity,
    now: Timestamp,
    dry_run: bool,
) -> Result<http::Request<Vec<u8>>, Failure> {
    let Identity { uid, resource_version, .. } = identity;
    let at = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let patch = Patch::Strategic(json!({
        "metadata": { "uid": uid, "resourceVersion": resource_version },
        "spec": { "template": { "metadata": { "annotations": { RESTARTED_AT: at } } } },
    }));
    let params = PatchParams {
        dry_run,
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    Request::new(workload::url_path(target))
        .patch(target.name.as_str(), &params, &patch)
        .map_err(|error| Failure::Unsendable(error.to_string()))
}

async fn pods(
    link: &Link,
    target: &WorkloadRef,
    workload: &Workload,
) -> Result<Pods, CapabilityError> {
    let about = About::list("pod", Some(target.namespace.as_str()));
    let labels = workload.selector().map(selector).unwrap_or_default();
    if labels.is_empty() {
        // An empty selector would list, and count, every pod of the namespace.
        let why = "a workload without a selector that can be read".to_owned();
        return Err(workload::about(target).explain(Failure::Garbage(why)));
    }
    let params = ListParams::default().labels(&labels).limit(PODS_CHUNK);
    let all = link
        .all(&about, params, PODS_MAX, |pod: &Pod| PodSeen::of(workload, pod))
        .await
        .map_err(|failure| about.explain(failure))?;
    Ok(Pods::new(all.items, all.truncated))
}

/// Budgets are worth a warning, not a failure: the account may well not be allowed to read them.
async fn budgets(link: &Link, target: &WorkloadRef) -> Budgets {
    let about = About::list("poddisruptionbudget", Some(target.namespace.as_str()));
    let listed = link
        .all(&about, ListParams::default(), BUDGETS_MAX, |b: &PodDisruptionBudget| Some(b.clone()))
        .await;
    match listed {
        Ok(all) => Budgets::Read(all.items),
        Err(failure) => {
            tracing::debug!(failure = %about.explain(failure), "no disruption budgets");
            Budgets::Unreadable
        }
    }
}
