//! How far a workload is, how it came there, and waiting until it is there.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::super::bindings::toolgate::plugin::kubernetes_read as wit;
use super::super::bindings::toolgate::plugin::types::{Change, Rollout, WorkloadKind};
use super::convert::{clipped, created};
use super::{Door, Shut, convert, namespace, object, within, workload_target};
use crate::capability::CapabilityError;
use crate::capability::history::Revision;
use crate::capability::kubernetes::{Rollout as State, RolloutState};
use crate::domain::scope::Target;
use crate::domain::write::{WorkloadKind as Kind, WorkloadRef};

/// The longest wait, in seconds: the progress deadline of a deployment is ten minutes by default.
const WAIT_MAX_S: u32 = 600;

/// Between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

/// What a tool needs, after the wait, to say how it went before its call's deadline.
const LEFT_FOR_ANSWER: Duration = Duration::from_secs(2);

/// Looks in a row that may fail: a rollout can take the API server's node with it.
const FAILURES_MAX: u32 = 5;

/// A workload as a guest names it.
pub(super) struct Named {
    pub cluster: Option<String>,
    pub kind: WorkloadKind,
    pub namespace: String,
    pub name: String,
}

impl Door {
    async fn workload(&self, named: Named) -> Result<(WorkloadRef, Target), Shut> {
        let workload = WorkloadRef {
            cluster: self.cluster(named.cluster).await?,
            kind: convert::kind_in(named.kind),
            namespace: namespace(&named.namespace)?,
            name: object(&named.name)?,
        };
        let target = workload_target(&workload);
        self.check("get", &target).await?;
        Ok((workload, target))
    }
}

pub(super) async fn status(door: Door, named: Named) -> Result<Rollout, Shut> {
    let (workload, target) = door.workload(named).await?;
    let kubernetes = Arc::clone(&door.scene.ports.kubernetes);
    let rollout = door.port(&target, async move { kubernetes.rollout(&workload).await }).await?;
    Ok(convert::rollout(&rollout))
}

pub(super) async fn history(door: Door, named: Named) -> Result<Vec<wit::Revision>, Shut> {
    let (workload, target) = door.workload(named).await?;
    let keeper = match workload.kind {
        Kind::Deployment => "ReplicaSet",
        Kind::StatefulSet | Kind::DaemonSet => "ControllerRevision",
    };
    // A look of the host's own: the guest is told what they keep of the workload it was granted.
    door.note("list", &Target { kind: keeper.into(), name: None, ..target.clone() }, true, None)
        .await?;
    let history = Arc::clone(&door.scene.ports.history);
    let found = door.port(&target, async move { history.revisions(&workload).await }).await?;
    let now = door.now();
    let revisions: Vec<_> = found.iter().map(|revision| told(revision, now)).collect();
    let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    let change = |c: &Change| 64 + c.path.len() + text(&c.before) + text(&c.after);
    let weight = |r: &wit::Revision| {
        let images: usize = r.images.iter().map(String::len).sum();
        256 + images + text(&r.change_cause) + r.changes.iter().map(change).sum::<usize>()
    };
    door.fits(revisions.iter().map(weight).sum())?;
    Ok(revisions)
}

fn told(revision: &Revision, now: jiff::Timestamp) -> wit::Revision {
    let text = |text: &Option<String>| text.as_ref().map(|text| clipped(text));
    let change = |change: &crate::domain::write::Change| Change {
        path: clipped(&change.path),
        before: text(&change.before),
        after: text(&change.after),
    };
    wit::Revision {
        number: revision.number,
        created: created(revision.created, now),
        current: revision.current,
        kept_by: clipped(&revision.kept_by),
        replicas: revision.replicas,
        images: revision.images.iter().map(|image| clipped(image)).collect(),
        change_cause: text(&revision.change_cause),
        changes: revision.changes.iter().map(change).collect(),
    }
}

/// When a wait of so many seconds ends: never so late that the call could not say how it went.
pub(super) fn wait_end(door: &Door, timeout_s: u32) -> Result<Instant, Shut> {
    let timeout_s = within("timeout-s", Some(timeout_s), WAIT_MAX_S, WAIT_MAX_S)?;
    let end = door.scene.deadline.checked_sub(LEFT_FOR_ANSWER).unwrap_or(door.scene.deadline);
    Ok((Instant::now() + Duration::from_secs(timeout_s.into())).min(end))
}

pub(super) async fn wait(door: Door, named: Named, timeout_s: u32) -> Result<Rollout, Shut> {
    let until = wait_end(&door, timeout_s)?;
    let (workload, target) = door.workload(named).await?;
    let kubernetes = Arc::clone(&door.scene.ports.kubernetes);
    let reports = Arc::clone(&door.scene.reports);
    let work = async move {
        let mut failures = 0;
        let mut latest = None;
        loop {
            // One look is made however late it is; each may take a little longer than the wait.
            match timeout_at(until + INTERVAL, kubernetes.rollout(&workload)).await {
                Ok(Ok(rollout)) => {
                    failures = 0;
                    let State { kind, name, message, .. } = &rollout;
                    reports.tell(&clipped(&format!("{} `{name}`: {message}", kind.as_str())));
                    if rollout.state != RolloutState::Progressing || Instant::now() >= until {
                        return Ok(rollout);
                    }
                    latest = Some(rollout);
                }
                Ok(Err(CapabilityError::Unavailable { caller, internal })) => {
                    failures += 1;
                    if failures >= FAILURES_MAX || Instant::now() >= until {
                        return Err(CapabilityError::Unavailable { caller, internal });
                    }
                }
                Ok(Err(error)) => return Err(error),
                Err(_) => {
                    return latest.ok_or_else(|| CapabilityError::Unavailable {
                        caller: "the cluster did not answer in time; try again later",
                        internal: format!("waiting for {workload}: no answer"),
                    });
                }
            }
            sleep_until((Instant::now() + INTERVAL).min(until)).await;
        }
    };
    let rollout = door.port(&target, work).await?;
    Ok(convert::rollout(&rollout))
}
