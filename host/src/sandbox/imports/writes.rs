//! What every door of a write shares: who may *request* it. Nothing is executed here.

use tokio::time::{Instant, sleep_until, timeout_at};

use super::super::bindings::toolgate::plugin::{types, writes as wit};
use super::super::reports::Reports;
use super::convert::{clipped, moment, rollout, state};
use super::rollouts::{INTERVAL, wait_end};
use super::{Door, Shut, namespace, object};
use crate::capability::kubernetes::RolloutState;
use crate::capability::{WriteOutcome, WriteRequest, WriteRequests};
use crate::domain::call::Unfinished;
use crate::domain::scope::Target;
use crate::domain::write::{Budget, Change, Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// Bytes of the caller's reason: a sentence or two for the approver.
const REASON_BYTES_MAX: usize = 512;

/// A workload, as a guest names it.
pub(super) async fn workload(
    door: &Door,
    cluster: Option<String>,
    kind: WorkloadKind,
    place: &str,
    name: &str,
) -> Result<WriteTarget, Shut> {
    let cluster = door.cluster(cluster).await?;
    Ok(WorkloadRef { cluster, kind, namespace: namespace(place)?, name: object(name)? }.into())
}

/// Asks for a write, on behalf of the guest's caller.
pub(super) async fn request(
    door: Door,
    verb: Verb,
    written: WriteTarget,
    reason: Option<String>,
    wait_s: Option<u32>,
) -> Result<wit::Outcome, Shut> {
    let until = wait_s.map(|wait_s| wait_end(&door, wait_s)).transpose()?;
    let target = Target::from(&written);
    door.check(verb.as_str(), &target).await?;
    let (call, offer) = (door.scene.permit.call(), door.scene.permit.offer());
    let request = WriteRequest {
        call: call.id.clone(),
        principal: call.principal.clone(),
        on_behalf_of: call.on_behalf_of.clone(),
        plugin: offer.plugin.clone(),
        digest: offer.digest.clone(),
        tool: door.tool()?,
        verb,
        target: written,
        scope: door.scope()?.clone(),
        reason: reason.map(|reason| quotation(&reason)),
        resumes: door.scene.trail.resumes(),
    };
    let (writes, reports) = (door.scene.ports.writes.clone(), door.scene.reports.clone());
    let work = async move {
        let outcome = writes.request(request.clone()).await?;
        match until {
            Some(until) => Ok(follow(writes.as_ref(), &reports, &request, outcome, until).await),
            None => Ok(outcome),
        }
    };
    let outcome = door.port(&target, work).await?;
    Ok(told(&door, outcome))
}

/// Waits for the end of what was performed.
async fn follow(
    writes: &dyn WriteRequests,
    reports: &Reports,
    request: &WriteRequest,
    outcome: WriteOutcome,
    until: Instant,
) -> WriteOutcome {
    let WriteOutcome::Performed { approval, plan, executed, mut progress } = outcome else {
        return outcome;
    };
    let about =
        format!("{} of {} `{}`", plan.verb.as_str(), plan.target.kind(), plan.target.name());
    loop {
        reports.tell(&clipped(&format!("{about}: {}", progress.message)));
        if progress.state != RolloutState::Progressing || Instant::now() >= until {
            break;
        }
        sleep_until((Instant::now() + INTERVAL).min(until)).await;
        let look = writes.progress(request, &plan, approval.as_ref());
        // The last look is made however late it is, and may take a little longer than the wait.
        match timeout_at(until + INTERVAL, look).await {
            Ok(now) => progress = now,
            Err(_) => break,
        }
    }
    WriteOutcome::Performed { approval, plan, executed, progress }
}

/// One line, so that it cannot pass for a part of the approver's screen.
fn quotation(reason: &str) -> String {
    let words = make_safe(reason).text;
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&mut line, REASON_BYTES_MAX);
    line
}

/// What the client is to know of, whatever the guest makes of it.
fn unfinished(outcome: &WriteOutcome) -> Option<Unfinished> {
    match outcome {
        WriteOutcome::ApprovalRequired { id, .. } => Some(Unfinished::Waits(id.clone())),
        WriteOutcome::Performed { approval: Some(id), progress, .. }
            if progress.state == RolloutState::Progressing =>
        {
            Some(Unfinished::RollsOut(id.clone()))
        }
        WriteOutcome::Performed { .. } | WriteOutcome::Planned(_) | WriteOutcome::Denied(_) => None,
    }
}

fn told(door: &Door, outcome: WriteOutcome) -> wit::Outcome {
    let now = door.now();
    if let Some(unfinished) = unfinished(&outcome) {
        door.scene.trail.leave_unfinished(unfinished);
    }
    match outcome {
        WriteOutcome::Performed { approval, plan: done, executed, progress } => {
            wit::Outcome::Performed(wit::Performed {
                approval: approval.map(|id| id.to_string()),
                plan: plan(&done),
                executed: moment(executed, now),
                state: state(progress.state),
                message: clipped(&progress.message),
                rollout: progress.rollout.as_ref().map(rollout),
            })
        }
        WriteOutcome::Planned(planned) => wit::Outcome::Planned(plan(&planned)),
        WriteOutcome::ApprovalRequired { id, expires, plan: pending, is_first_reason } => {
            let first =
                if is_first_reason { "; they see the reason of the first call" } else { "" };
            wit::Outcome::ApprovalRequired(wit::Pending {
                next_step: format!(
                    "a person has to run `toolgate approvals show {id}` and approve it; then call \
                     this tool again with the same arguments{first}"
                ),
                id: id.to_string(),
                expires: moment(expires, now).at,
                plan: plan(&pending),
            })
        }
        WriteOutcome::Denied(reason) => wit::Outcome::Denied(clipped(&reason)),
    }
}

fn plan(plan: &Plan) -> wit::Plan {
    let change = |change: &Change| types::Change {
        path: clipped(&change.path),
        before: change.before.as_deref().map(clipped),
        after: change.after.as_deref().map(clipped),
    };
    let budget = |budget: &Budget| wit::Budget {
        name: clipped(&budget.name),
        disruptions_allowed: budget.allowed,
        healthy: budget.healthy,
        desired_healthy: budget.desired_healthy,
    };
    wit::Plan {
        verb: plan.verb.as_str().to_owned(),
        kind: plan.target.kind().to_owned(),
        namespace: plan.target.namespace().map(ToString::to_string),
        name: plan.target.name().to_string(),
        uid: clipped(&plan.uid),
        generation: plan.version.generation(),
        changes: plan.changes.iter().map(change).collect(),
        pods: plan.pods.iter().map(|pod| clipped(pod)).collect(),
        pods_total: plan.pods_total,
        replicas_left: plan.replicas_left,
        budgets: plan.budgets.iter().map(budget).collect(),
        warnings: plan.warnings.iter().map(|warning| clipped(warning)).collect(),
    }
}
