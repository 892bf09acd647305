//! What is told about a request, in each of its states.

use expect_test::expect;
use toolgate_sdk::Guest as _;
use toolgate_sdk::types::{Change, Moment, Rollout, RolloutState};
use toolgate_sdk::writes::{Budget, Outcome, Pending, Performed, Plan};

use super::*;

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
            path: "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]"
                .to_owned(),
            before: None,
            after: Some("2026-11-21T02:13:07Z".to_owned()),
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
        warnings: vec!["this is namespace `shop`; there is also `shop-test`".to_owned()],
    }
}

fn done(state: RolloutState, approval: Option<&str>) -> Outcome {
    let message = "1 of 3 new replicas have been updated".to_owned();
    Outcome::Performed(Performed {
        approval: approval.map(str::to_owned),
        plan: plan(),
        executed: Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s: 5 },
        state,
        message: message.clone(),
        rollout: Some(Rollout {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            state,
            message,
            generation: 5,
            observed_generation: 5,
            desired: 3,
            updated: 1,
            ready: 3,
            available: 3,
            revision: None,
        }),
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
        Change: spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]: nothing -> 2026-11-21T02:13:07Z
        Warning: this is namespace `shop`; there is also `shop-test`
        Next: An operator runs `toolgate approvals show k7dm-4q2x`."#]].assert_eq(&reply.text);
}

#[test]
fn shows_the_plan_of_a_dry_run() {
    expect![[r#"
        Planned, not executed: restart of deployment `shop/web`
        Pods to be replaced: 60: web-1, web-2, … 58 more
        Replicas left meanwhile, at least: 45
        Disruption budget: web: 0 allowed now, 60 healthy of 60 needed
        Change: spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]: nothing -> 2026-11-21T02:13:07Z
        Warning: this is namespace `shop`; there is also `shop-test`
        Next: Nothing: this is a dry run, the operator's configuration executes no writes."#]].assert_eq(&text(Outcome::Planned(plan())));
}

#[test]
fn tells_how_far_the_rollout_is() {
    let texts = [
        text(done(RolloutState::Progressing, Some("k7dm-4q2x"))),
        text(done(RolloutState::Complete, None)),
        text(done(RolloutState::Stuck, None)),
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
        Next: Look at the new pods with list_failing_pods and get_pod_logs."#]].assert_eq(&texts.join("\n\n"));
}

#[test]
fn follows_a_pod_to_its_successor() {
    let Outcome::Performed(mut deleted) = done(RolloutState::Progressing, Some("k7dm-4q2x")) else {
        panic!("it is performed");
    };
    deleted.rollout = None;
    deleted.message = "0 of 1 replicas of its controller are ready".to_owned();
    expect![[r#"
        Performed: restart of deployment `shop/web`, 2026-11-21T02:13:07Z (5s ago), under approval k7dm-4q2x
        State: progressing: 0 of 1 replicas of its controller are ready
        Next: Follow it with list_pods until the successor is ready."#]].assert_eq(&text(Outcome::Performed(deleted)));
}

#[test]
fn makes_a_denial_an_error() {
    let Err(ToolError::Failed(why)) = answer(WHAT, Outcome::Denied("read-only mode".to_owned()))
    else {
        panic!("a denial is a failure");
    };
    expect!["denied: restart of deployment `shop/web`: read-only mode. Nothing was changed."]
        .assert_eq(&why);
}

/// So that the list of all tools stays small.
const DEFINITIONS_BYTES_MAX: usize = 5 * 950;

#[test]
fn offers_small_definitions() {
    let of = |d: &toolgate_sdk::Definition| {
        d.name.len()
            + d.title.as_ref().map_or(0, String::len)
            + d.description.len()
            + d.input_schema.len()
            + d.output_schema.as_ref().map_or(0, String::len)
    };
    let bytes: usize = Plugin::list().iter().map(of).sum();
    assert!(bytes <= DEFINITIONS_BYTES_MAX, "{bytes}");
}

#[test]
fn offers_these_definitions() {
    expect_test::expect_file!["../definitions.txt"]
        .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
}
