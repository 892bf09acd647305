//! Changes to workloads, as requests that a person can approve.
//!
//! This room owns what is asked for. It changes nothing: the host makes the plan, asks a person and
//! executes, and the call follows what was executed until it is complete or stuck, or its time is
//! over.

use toolgate_sdk::kubernetes_delete_pod::{self, Deletion};
use toolgate_sdk::kubernetes_pause::{self, Pause};
use toolgate_sdk::kubernetes_restart::{self, Restart};
use toolgate_sdk::kubernetes_rollback::{self, Rollback};
use toolgate_sdk::kubernetes_scale::{self, Scale};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::WorkloadKind;
use toolgate_sdk::workload::Kind;
use toolgate_sdk::writes::{Request, answer};

#[arguments]
struct RestartArgs {
    deployment_name: String,
    namespace: String,
    /// Default deployment.
    kind: Option<Kind>,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

#[arguments]
struct PodArgs {
    pod_name: String,
    namespace: String,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

#[arguments]
#[serde(rename_all = "lowercase")]
#[derive(Clone, Copy)]
enum Scalable {
    Deployment,
    StatefulSet,
}

#[arguments]
struct ScaleArgs {
    deployment_name: String,
    namespace: String,
    /// Default deployment.
    kind: Option<Scalable>,
    #[schemars(range(min = 0, max = 1000))]
    replicas: u32,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

#[arguments]
struct RollbackArgs {
    deployment_name: String,
    namespace: String,
    /// Default deployment.
    kind: Option<Kind>,
    /// Omit for the one before.
    revision: Option<u64>,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

#[arguments]
struct PauseArgs {
    deployment_name: String,
    namespace: String,
    /// False resumes.
    paused: bool,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

/// How long what was executed is followed, at most. The deadline of the call mostly ends it before.
const FOLLOW_S: u32 = 600;

toolgate_sdk::plugin! {
    tool(
        "restart_deployment",
        "Restart deployment",
        "Requests a rolling restart. It may need a person's approval: then the same call again \
         tells what came of it, without a second request. Only state `complete` is success.",
        restart_deployment
    ),
    tool(
        "restart_pod",
        "Restart pod",
        "Requests the deletion of one pod, which its controller makes anew. Needs a person's \
         approval: the same call again tells what came of it.",
        restart_pod
    ),
    tool(
        "scale_deployment",
        "Scale deployment",
        "Requests another number of replicas. Approval as in restart_deployment.",
        scale_deployment
    ),
    tool(
        "rollback_deployment",
        "Roll back deployment",
        "Requests an older revision. Approval as in restart_deployment.",
        rollback_deployment
    ),
    tool(
        "pause_deployment",
        "Pause or resume deployment",
        "Requests that rollouts are held, or go on. Approval as in restart_deployment.",
        pause_deployment
    ),
}

fn restart_deployment(args: RestartArgs) -> Result<Reply<Request>, ToolError> {
    let RestartArgs { deployment_name: name, namespace, kind, reason, cluster } = args;
    let kind = kind.map_or(WorkloadKind::Deployment, Kind::into);
    let what = format!("restart of {} `{namespace}/{name}`", word(kind));
    let outcome =
        kubernetes_restart::follow(&Restart { cluster, kind, namespace, name, reason }, FOLLOW_S)?;
    answer(&what, outcome)
}

fn restart_pod(args: PodArgs) -> Result<Reply<Request>, ToolError> {
    let PodArgs { pod_name: pod, namespace, reason, cluster } = args;
    let what = format!("deletion of pod `{namespace}/{pod}`");
    let outcome =
        kubernetes_delete_pod::follow(&Deletion { cluster, namespace, pod, reason }, FOLLOW_S)?;
    answer(&what, outcome)
}

fn scale_deployment(args: ScaleArgs) -> Result<Reply<Request>, ToolError> {
    let ScaleArgs { deployment_name: name, namespace, kind, replicas, reason, cluster } = args;
    let kind = match kind {
        None | Some(Scalable::Deployment) => WorkloadKind::Deployment,
        Some(Scalable::StatefulSet) => WorkloadKind::StatefulSet,
    };
    let what = format!("scaling of {} `{namespace}/{name}` to {replicas}", word(kind));
    let outcome = kubernetes_scale::follow(
        &Scale { cluster, kind, namespace, name, replicas, reason },
        FOLLOW_S,
    )?;
    answer(&what, outcome)
}

fn rollback_deployment(args: RollbackArgs) -> Result<Reply<Request>, ToolError> {
    let RollbackArgs { deployment_name: name, namespace, kind, revision, reason, cluster } = args;
    let kind = kind.map_or(WorkloadKind::Deployment, Kind::into);
    let to = revision.map_or("the revision before".to_owned(), |n| format!("revision {n}"));
    let what = format!("rollback of {} `{namespace}/{name}` to {to}", word(kind));
    let outcome = kubernetes_rollback::follow(
        &Rollback { cluster, kind, namespace, name, revision, reason },
        FOLLOW_S,
    )?;
    answer(&what, outcome)
}

fn pause_deployment(args: PauseArgs) -> Result<Reply<Request>, ToolError> {
    let PauseArgs { deployment_name: name, namespace, paused, reason, cluster } = args;
    let does = if paused { "pause" } else { "resumption" };
    let what = format!("{does} of deployment `{namespace}/{name}`");
    let outcome =
        kubernetes_pause::follow(&Pause { cluster, namespace, name, paused, reason }, FOLLOW_S)?;
    answer(&what, outcome)
}

/// The kind, as its arguments are written.
fn word(kind: WorkloadKind) -> String {
    kind.word().to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
