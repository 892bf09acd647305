//! `kubernetes-restart`: who may *request* a restart. Nothing is executed here.

use super::super::bindings::toolgate::plugin::kubernetes_restart as wit;
use super::super::state::State;
use super::convert::{clipped, kind_in, kind_out, moment, rollout};
use super::{Answer, Door, Shut, namespace, object};
use crate::capability::{WriteOutcome, WriteRequest};
use crate::domain::capability::Capability;
use crate::domain::write::{Plan, Verb, WorkloadRef};
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// Bytes of the caller's reason: a sentence or two for the approver.
const REASON_BYTES_MAX: usize = 512;

impl wit::Host for State {
    async fn request(&mut self, what: wit::Restart) -> Answer<wit::Outcome> {
        self.through(Capability::KubernetesRestart, |door| request(door, what)).await
    }
}

async fn request(door: Door, what: wit::Restart) -> Result<wit::Outcome, Shut> {
    let wit::Restart { cluster, kind, namespace: place, name, reason } = what;
    let workload = WorkloadRef {
        cluster: door.cluster(cluster).await?,
        kind: kind_in(kind),
        namespace: namespace(&place)?,
        name: object(&name)?,
    };
    let target = super::workload_target(&workload);
    door.check(Verb::Restart.as_str(), &target).await?;
    let (call, offer) = (door.scene.permit.call(), door.scene.permit.offer());
    let request = WriteRequest {
        call: call.id.clone(),
        principal: call.principal.clone(),
        plugin: offer.plugin.clone(),
        digest: offer.digest.clone(),
        tool: door.tool()?,
        verb: Verb::Restart,
        target: workload,
        reason: reason.map(|reason| quotation(&reason)),
    };
    let writes = door.scene.ports.writes.clone();
    let outcome = door.port(&target, async move { writes.request(request).await }).await?;
    Ok(told(&door, outcome))
}

/// One line, so that it cannot pass for a part of the approver's screen.
fn quotation(reason: &str) -> String {
    let words = make_safe(reason).text;
    let mut line = words.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&mut line, REASON_BYTES_MAX);
    line
}

fn told(door: &Door, outcome: WriteOutcome) -> wit::Outcome {
    let now = door.now();
    match outcome {
        WriteOutcome::Performed { approval, plan: done, executed, rollout: state } => {
            wit::Outcome::Performed(wit::Performed {
                approval: approval.map(|id| id.to_string()),
                plan: plan(&done),
                executed: moment(executed, now),
                rollout: rollout(&state),
            })
        }
        WriteOutcome::Planned(planned) => wit::Outcome::Planned(plan(&planned)),
        WriteOutcome::ApprovalRequired { id, expires, plan: pending } => {
            wit::Outcome::ApprovalRequired(wit::Pending {
                next_step: format!(
                    "a person has to run `toolgate approvals show {id}` and approve it; then call \
                     this tool again with the same arguments"
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
    let change = |c: &crate::domain::write::Change| wit::Change {
        path: clipped(&c.path),
        before: c.before.as_deref().map(clipped),
        after: c.after.as_deref().map(clipped),
    };
    wit::Plan {
        verb: plan.verb.as_str().to_owned(),
        kind: kind_out(plan.target.kind),
        namespace: plan.target.namespace.to_string(),
        name: plan.target.name.to_string(),
        uid: clipped(&plan.uid),
        generation: plan.generation,
        changes: plan.changes.iter().map(change).collect(),
        pods: plan.pods.iter().map(|pod| clipped(pod)).collect(),
        pods_total: plan.pods_total,
        warnings: plan.warnings.iter().map(|warning| clipped(warning)).collect(),
    }
}
