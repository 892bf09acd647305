//! Restarts of workloads, as requests that a person can approve.
//!
//! This room owns how the state of a request is told. It restarts nothing: the host makes the plan,
//! asks a person and executes.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_restart::{self, Restart};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::{RolloutState, WorkloadKind};
use toolgate_sdk::writes::{Outcome, Pending, Performed, Plan};

#[arguments]
struct Args {
    deployment_name: String,
    namespace: String,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    /// Omit for the default.
    cluster: Option<String>,
}

#[output]
struct Request {
    /// performed, planned, `approval_required`
    outcome: &'static str,
    next_step: String,
    approval_id: Option<String>,
    expires: Option<String>,
    namespace: String,
    deployment: String,
    generation: i64,
    pods: Vec<String>,
    pods_total: u32,
    warnings: Vec<String>,
    executed: Option<String>,
    /// complete, progressing, stuck
    rollout_state: Option<&'static str>,
    rollout_message: Option<String>,
}

toolgate_sdk::plugin! {
    tool(
        "restart_deployment",
        "Restart deployment",
        "Requests a rolling restart of a deployment. It may need a person's approval: then the \
         answer has an id, and the same call again tells what came of it, without a second \
         request. Performed means started; see the rollout for whether it is complete.",
        restart_deployment
    ),
}

fn restart_deployment(args: Args) -> Result<Reply<Request>, ToolError> {
    let what = format!("restart of deployment `{}/{}`", args.namespace, args.deployment_name);
    let outcome = kubernetes_restart::request(&Restart {
        cluster: args.cluster,
        kind: WorkloadKind::Deployment,
        namespace: args.namespace,
        name: args.deployment_name,
        reason: args.reason,
    })?;
    answer(&what, outcome)
}

fn answer(what: &str, outcome: Outcome) -> Result<Reply<Request>, ToolError> {
    match outcome {
        Outcome::Performed(done) => Ok(performed(what, done)),
        Outcome::Planned(plan) => Ok(planned(what, plan)),
        Outcome::ApprovalRequired(pending) => Ok(approval_required(what, pending)),
        // An error, so that no client takes it for a restart.
        Outcome::Denied(why) => {
            Err(ToolError::Failed(format!("denied: {what}: {why}. Nothing was changed.")))
        }
    }
}

fn performed(what: &str, done: Performed) -> Reply<Request> {
    let (state, next_step) = match done.state {
        RolloutState::Complete => ("complete", "Nothing: the rollout is complete."),
        RolloutState::Progressing => {
            ("progressing", "Follow the rollout with list_deployments until it is complete.")
        }
        RolloutState::Stuck => {
            ("stuck", "Look at the new pods with list_failing_pods and get_pod_logs.")
        }
    };
    let mut text = format!("Performed: {what}, {} ({} ago)", done.executed.at, age(&done.executed));
    if let Some(approval) = &done.approval {
        let _ = write!(text, ", under approval {approval}");
    }
    let _ = write!(text, "\nRollout: {state}: {}\nNext: {next_step}", one_line(&done.message));
    let mut request = Request::new("performed", next_step.to_owned(), done.plan);
    request.approval_id = done.approval;
    request.executed = Some(done.executed.at);
    request.rollout_state = Some(state);
    request.rollout_message = Some(done.message);
    Reply::new(text, request)
}

fn planned(what: &str, plan: Plan) -> Reply<Request> {
    let next_step = "Nothing: this is a dry run, the operator's configuration executes no writes.";
    let text = format!("Planned, not executed: {what}\n{}\nNext: {next_step}", describe(&plan));
    Reply::new(text, Request::new("planned", next_step.to_owned(), plan))
}

fn approval_required(what: &str, pending: Pending) -> Reply<Request> {
    let Pending { id, expires, plan, next_step } = pending;
    let text = format!(
        "Approval required, nothing was changed yet: {what}\nApproval: {id}, expires {expires}\n\
         {}\nNext: {}",
        describe(&plan),
        one_line(&next_step)
    );
    let mut request = Request::new("approval_required", next_step, plan);
    request.approval_id = Some(id);
    request.expires = Some(expires);
    Reply::new(text, request)
}

/// What would happen, from the host's facts.
fn describe(plan: &Plan) -> String {
    let mut text = format!("Pods to be replaced: {}", plan.pods_total);
    if !plan.pods.is_empty() {
        let _ = write!(text, ": {}", plan.pods.join(", "));
        let unnamed = plan.pods_total.saturating_sub(n_of(&plan.pods));
        if unnamed > 0 {
            let _ = write!(text, ", … {unnamed} more");
        }
    }
    for change in &plan.changes {
        let before = change.before.as_deref().unwrap_or("nothing");
        let after = change.after.as_deref().unwrap_or("nothing");
        let _ =
            write!(text, "\nChange: {}: {} -> {}", change.path, one_line(before), one_line(after));
    }
    for warning in &plan.warnings {
        let _ = write!(text, "\nWarning: {}", one_line(warning));
    }
    text
}

fn n_of(pods: &[String]) -> u32 {
    u32::try_from(pods.len()).unwrap_or(u32::MAX)
}

impl Request {
    fn new(outcome: &'static str, next_step: String, plan: Plan) -> Self {
        Self {
            outcome,
            next_step,
            approval_id: None,
            expires: None,
            namespace: plan.namespace.unwrap_or_default(),
            deployment: plan.name,
            generation: plan.generation.unwrap_or_default(),
            pods: plan.pods,
            pods_total: plan.pods_total,
            warnings: plan.warnings,
            executed: None,
            rollout_state: None,
            rollout_message: None,
        }
    }
}

#[cfg(test)]
mod tests;
