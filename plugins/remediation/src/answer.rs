//! How the state of a request is told.

use std::fmt::Write as _;

use toolgate_sdk::prelude::*;
use toolgate_sdk::types::RolloutState;
use toolgate_sdk::writes::{Budget, Outcome, Pending, Performed, Plan};

/// The changes, the pods' names and the rollout's message are in the text alone.
#[output]
pub(crate) struct Request {
    pub(crate) outcome: &'static str,
    pub(crate) state: Option<&'static str>,
    pub(crate) approval_id: Option<String>,
    pub(crate) expires: Option<String>,
    pub(crate) pods_total: u32,
    pub(crate) replicas_left: Option<u32>,
    pub(crate) warnings: Vec<String>,
    pub(crate) next_step: String,
}

pub(crate) fn answer(what: &str, outcome: Outcome) -> Result<Reply<Request>, ToolError> {
    match outcome {
        Outcome::Performed(done) => Ok(performed(what, done)),
        Outcome::Planned(plan) => Ok(planned(what, plan)),
        Outcome::ApprovalRequired(pending) => Ok(approval_required(what, pending)),
        // An error, so that no client takes it for a change.
        Outcome::Denied(why) => {
            Err(ToolError::Failed(format!("denied: {what}: {why}. Nothing was changed.")))
        }
    }
}

fn performed(what: &str, done: Performed) -> Reply<Request> {
    let is_workload = done.rollout.is_some();
    let (state, next_step) = match done.state {
        RolloutState::Complete => ("complete", "Nothing: it is complete."),
        RolloutState::Progressing if is_workload => {
            ("progressing", "Follow it with rollout_status until it is complete.")
        }
        RolloutState::Progressing => {
            ("progressing", "Follow it with list_pods until the successor is ready.")
        }
        RolloutState::Stuck => {
            ("stuck", "Look at the new pods with list_failing_pods and get_pod_logs.")
        }
    };
    let mut text = format!("Performed: {what}, {} ({} ago)", done.executed.at, age(&done.executed));
    if let Some(approval) = &done.approval {
        let _ = write!(text, ", under approval {approval}");
    }
    let _ = write!(text, "\nState: {state}: {}\nNext: {next_step}", one_line(&done.message));
    let mut request = Request::new("performed", next_step.to_owned(), done.plan);
    request.approval_id = done.approval;
    request.state = Some(state);
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
    let does = match plan.verb.as_str() {
        "restart" | "rollback" | "resume" => "be replaced",
        _ => "end",
    };
    let mut text = format!("Pods to {does}: {}", plan.pods_total);
    if !plan.pods.is_empty() {
        let _ = write!(text, ": {}", plan.pods.join(", "));
        let unnamed = plan.pods_total.saturating_sub(n_of(&plan.pods));
        if unnamed > 0 {
            let _ = write!(text, ", … {unnamed} more");
        }
    }
    if let Some(left) = plan.replicas_left {
        let _ = write!(text, "\nReplicas left meanwhile, at least: {left}");
    }
    for Budget { name, disruptions_allowed, healthy, desired_healthy } in &plan.budgets {
        let _ = write!(
            text,
            "\nDisruption budget: {name}: {disruptions_allowed} allowed now, {healthy} healthy of \
             {desired_healthy} needed"
        );
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
            state: None,
            approval_id: None,
            expires: None,
            pods_total: plan.pods_total,
            replicas_left: plan.replicas_left,
            warnings: plan.warnings,
            next_step,
        }
    }
}
