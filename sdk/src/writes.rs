//! What came of a request for a write: the contract's words, and one way to tell them.
//!
//! ```no_run
//! use toolgate_sdk::prelude::*;
//! use toolgate_sdk::{kubernetes_cordon, writes};
//!
//! fn cordon(node: String) -> Result<Reply<writes::Request>, ToolError> {
//!     let what = format!("cordon of node `{node}`");
//!     let outcome = kubernetes_cordon::request(&kubernetes_cordon::Cordon {
//!         cluster: None,
//!         node,
//!         unschedulable: true,
//!         reason: None,
//!     })?;
//!     writes::answer(&what, outcome)
//! }
//! ```

use std::fmt::Write as _;

pub use crate::bindings::toolgate::plugin::writes::{Budget, Outcome, Pending, Performed, Plan};
use crate::types::RolloutState;
use crate::{Reply, ToolError, age, one_line, output};

/// A request as data. Fields have no descriptions, because every tool that writes would repeat them.
#[output]
pub struct Request {
    /// performed, planned, `approval_required`
    pub outcome: &'static str,
    // What to do now.
    #[allow(missing_docs, reason = "doc comments of fields are paid for by every client")]
    pub next_step: String,
    #[allow(missing_docs, reason = "as above")]
    pub approval_id: Option<String>,
    #[allow(missing_docs, reason = "as above")]
    pub expires: Option<String>,
    #[allow(missing_docs, reason = "as above")]
    pub namespace: Option<String>,
    #[allow(missing_docs, reason = "as above")]
    pub name: String,
    #[allow(missing_docs, reason = "as above")]
    pub generation: Option<i64>,
    #[allow(missing_docs, reason = "as above")]
    pub pods_total: u32,
    #[allow(missing_docs, reason = "as above")]
    pub replicas_left: Option<u32>,
    #[allow(missing_docs, reason = "as above")]
    pub warnings: Vec<String>,
    #[allow(missing_docs, reason = "as above")]
    pub executed: Option<String>,
    /// complete, progressing, stuck
    pub state: Option<&'static str>,
}

/// Tells what came of the request for `what`: `restart of deployment shop/web`.
///
/// # Errors
/// A denial, so that no client takes it for a change.
pub fn answer(what: &str, outcome: Outcome) -> Result<Reply<Request>, ToolError> {
    match outcome {
        Outcome::Performed(done) => Ok(performed(what, done)),
        Outcome::Planned(plan) => Ok(planned(what, plan)),
        Outcome::ApprovalRequired(pending) => Ok(approval_required(what, pending)),
        Outcome::Denied(why) => {
            let why = one_line(&why);
            Err(ToolError::Failed(format!("denied: {what}: {why}. Nothing was changed.")))
        }
    }
}

fn performed(what: &str, done: Performed) -> Reply<Request> {
    let next_step = match (done.state, &done.rollout) {
        (RolloutState::Complete, _) => "Nothing: it is complete.",
        (RolloutState::Progressing, Some(_)) => {
            "Follow it with rollout_status until it is complete."
        }
        // Of what is no workload, only a deleted pod takes time.
        (RolloutState::Progressing, None) => {
            "Follow it with list_pods until the successor is ready."
        }
        (RolloutState::Stuck, _) => {
            "The state says what is in the way; list_failing_pods and get_pod_logs show new pods that \
             fail."
        }
    };
    let state = done.state.word();
    let mut text = format!("Performed: {what}, {} ({} ago)", done.executed.at, age(&done.executed));
    if let Some(approval) = &done.approval {
        let _ = write!(text, ", under approval {approval}");
    }
    let _ = write!(text, "\nState: {state}: {}\nNext: {next_step}", one_line(&done.message));
    let mut request = Request::new("performed", next_step, done.plan);
    request.approval_id = done.approval;
    request.executed = Some(done.executed.at);
    request.state = Some(state);
    Reply::new(text, request)
}

fn planned(what: &str, plan: Plan) -> Reply<Request> {
    let next_step = "Nothing: this is a dry run, the operator's configuration executes no writes.";
    let text = format!("Planned, not executed: {what}\n{}\nNext: {next_step}", describe(&plan));
    Reply::new(text, Request::new("planned", next_step, plan))
}

fn approval_required(what: &str, pending: Pending) -> Reply<Request> {
    let Pending { id, expires, plan, next_step } = pending;
    let next_step = one_line(&next_step);
    let text = format!(
        "Approval required, nothing was changed yet: {what}\nApproval: {id}, expires {expires}\n\
         {}\nNext: {next_step}",
        describe(&plan),
    );
    let mut request = Request::new("approval_required", &next_step, plan);
    request.approval_id = Some(id);
    request.expires = Some(expires);
    Reply::new(text, request)
}

/// What would happen, from the host's facts, in lines.
#[must_use]
pub fn describe(plan: &Plan) -> String {
    let does = match plan.verb.as_str() {
        "restart" | "rollback" | "resume" => "be replaced",
        _ => "end",
    };
    let mut text = format!("Pods to {does}: {}", plan.pods_total);
    if !plan.pods.is_empty() {
        let _ = write!(text, ": {}", plan.pods.join(", "));
        let named = u32::try_from(plan.pods.len()).unwrap_or(u32::MAX);
        let unnamed = plan.pods_total.saturating_sub(named);
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
        let shown = |value: &Option<String>| {
            value.as_deref().map_or_else(|| "nothing".to_owned(), one_line)
        };
        let (before, after) = (shown(&change.before), shown(&change.after));
        let _ = write!(text, "\nChange: {}: {before} -> {after}", one_line(&change.path));
    }
    for warning in &plan.warnings {
        let _ = write!(text, "\nWarning: {}", one_line(warning));
    }
    text
}

impl Request {
    fn new(outcome: &'static str, next_step: &str, plan: Plan) -> Self {
        Self {
            outcome,
            next_step: next_step.to_owned(),
            approval_id: None,
            expires: None,
            namespace: plan.namespace,
            name: plan.name,
            generation: plan.generation,
            pods_total: plan.pods_total,
            replicas_left: plan.replicas_left,
            warnings: plan.warnings,
            executed: None,
            state: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::types::{Change, Moment, Rollout, WorkloadKind};

    const WHAT: &str = "restart of deployment `shop/web`";

    fn plan() -> Plan {
        Plan {
            verb: "restart".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "web".to_owned(),
            uid: "2b0a1d1c-0000-4000-8000-000000000001".to_owned(),
            generation: Some(4),
            changes: vec![Change {
                path: "spec.template.spec.containers[0].image".to_owned(),
                before: None,
                after: Some("example.org/\nweb:2".to_owned()),
            }],
            pods: vec!["web-1".to_owned(), "web-2".to_owned()],
            pods_total: 60,
            replicas_left: Some(45),
            budgets: vec![Budget {
                name: "web".to_owned(),
                disruptions_allowed: 0,
                healthy: 60,
                desired_healthy: 60,
            }],
            warnings: vec!["the budget `web` allows no disruption now".to_owned()],
        }
    }

    fn done(state: RolloutState, approval: Option<&str>, rollout: Option<Rollout>) -> Outcome {
        Outcome::Performed(Performed {
            approval: approval.map(str::to_owned),
            plan: plan(),
            executed: Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s: 5 },
            state,
            message: "1 of 3 new replicas have been updated".to_owned(),
            rollout,
        })
    }

    fn text(outcome: Outcome) -> String {
        answer(WHAT, outcome).unwrap().text
    }

    #[test]
    fn asks_for_an_approval_and_says_what_would_happen() {
        let pending = Pending {
            id: "k7dm-4q2x".to_owned(),
            expires: "2026-11-21T02:28:07Z".to_owned(),
            plan: plan(),
            next_step: "An operator runs `toolgate approvals show k7dm-4q2x`.".to_owned(),
        };
        let reply = answer(WHAT, Outcome::ApprovalRequired(pending)).unwrap();
        assert_eq!(reply.structured.approval_id.as_deref(), Some("k7dm-4q2x"));
        assert_eq!(reply.structured.outcome, "approval_required");
        expect![[r#"
            Approval required, nothing was changed yet: restart of deployment `shop/web`
            Approval: k7dm-4q2x, expires 2026-11-21T02:28:07Z
            Pods to be replaced: 60: web-1, web-2, … 58 more
            Replicas left meanwhile, at least: 45
            Disruption budget: web: 0 allowed now, 60 healthy of 60 needed
            Change: spec.template.spec.containers[0].image: nothing -> example.org/ web:2
            Warning: the budget `web` allows no disruption now
            Next: An operator runs `toolgate approvals show k7dm-4q2x`."#]]
        .assert_eq(&reply.text);
    }

    #[test]
    fn shows_the_plan_of_a_dry_run() {
        let nothing = Plan {
            verb: "cordon".to_owned(),
            kind: "Node".to_owned(),
            namespace: None,
            changes: Vec::new(),
            pods: Vec::new(),
            pods_total: 0,
            replicas_left: None,
            budgets: Vec::new(),
            warnings: Vec::new(),
            ..plan()
        };
        let texts = [text(Outcome::Planned(plan())), text(Outcome::Planned(nothing))];
        expect![[r#"
            Planned, not executed: restart of deployment `shop/web`
            Pods to be replaced: 60: web-1, web-2, … 58 more
            Replicas left meanwhile, at least: 45
            Disruption budget: web: 0 allowed now, 60 healthy of 60 needed
            Change: spec.template.spec.containers[0].image: nothing -> example.org/ web:2
            Warning: the budget `web` allows no disruption now
            Next: Nothing: this is a dry run, the operator's configuration executes no writes.

            Planned, not executed: restart of deployment `shop/web`
            Pods to end: 0
            Next: Nothing: this is a dry run, the operator's configuration executes no writes."#]]
        .assert_eq(&texts.join("\n\n"));
    }

    #[test]
    fn tells_how_far_it_is() {
        let rollout = |state| {
            Some(Rollout {
                kind: WorkloadKind::Deployment,
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
                state,
                message: "1 of 3 new replicas have been updated".to_owned(),
                generation: 5,
                observed_generation: 5,
                desired: 3,
                updated: 1,
                ready: 3,
                available: 3,
                revision: None,
            })
        };
        let of_workload = |state, approval| text(done(state, approval, rollout(state)));
        let texts = [
            of_workload(RolloutState::Progressing, Some("k7dm-4q2x")),
            of_workload(RolloutState::Complete, None),
            of_workload(RolloutState::Stuck, None),
            text(done(RolloutState::Progressing, Some("k7dm-4q2x"), None)),
        ];
        expect![[r#"
            Performed: restart of deployment `shop/web`, 2026-11-21T02:13:07Z (5s ago), under approval k7dm-4q2x
            State: progressing: 1 of 3 new replicas have been updated
            Next: Follow it with rollout_status until it is complete.

            Performed: restart of deployment `shop/web`, 2026-11-21T02:13:07Z (5s ago)
            State: complete: 1 of 3 new replicas have been updated
            Next: Nothing: it is complete.

            Performed: restart of deployment `shop/web`, 2026-11-21T02:13:07Z (5s ago)
            State: stuck: 1 of 3 new replicas have been updated
            Next: The state says what is in the way; list_failing_pods and get_pod_logs show new pods that fail.

            Performed: restart of deployment `shop/web`, 2026-11-21T02:13:07Z (5s ago), under approval k7dm-4q2x
            State: progressing: 1 of 3 new replicas have been updated
            Next: Follow it with list_pods until the successor is ready."#]].assert_eq(&texts.join("\n\n"));
    }

    #[test]
    fn makes_a_denial_an_error() {
        let Err(ToolError::Failed(why)) =
            answer(WHAT, Outcome::Denied("read-only mode".to_owned()))
        else {
            panic!("a denial is a failure");
        };
        expect!["denied: restart of deployment `shop/web`: read-only mode. Nothing was changed."]
            .assert_eq(&why);
    }
}
