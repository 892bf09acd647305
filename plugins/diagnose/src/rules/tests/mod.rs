//! Each cause by what shows it, and by what only looks like it.

mod around;
mod inside;
mod leftovers;
mod readiness;
mod waits;

use expect_test::expect;

use super::*;
use crate::report;
use crate::sample::*;

/// `cause (certainty)` of all findings.
pub(super) fn causes(facts: &Facts) -> Vec<String> {
    let told = diagnose(facts).into_iter();
    told.map(|finding| format!("{} ({})", finding.cause, finding.certainty.word())).collect()
}

pub(super) fn sentence(facts: &Facts) -> String {
    diagnose(facts).into_iter().next().map(|finding| finding.sentence).unwrap_or_default()
}

pub(super) fn report(facts: &Facts) -> String {
    report::tell(facts, diagnose(facts)).text
}

pub(super) fn is_healthy(facts: &Facts) -> bool {
    let told = report::tell(facts, diagnose(facts));
    toolgate_sdk::serde_json::to_value(&told.structured).unwrap()["healthy"] == true
}

#[test]
fn finds_nothing_where_all_is_well() {
    let facts = healthy();
    let reply = report::tell(&facts, diagnose(&facts));
    assert!(
        toolgate_sdk::serde_json::to_string(&reply.structured)
            .unwrap()
            .contains("\"healthy\":true")
    );
    expect!["Deployment `shop/web`: healthy, 2 of 2 pods ready since 2026-11-21T02:13:07Z (120m)"]
        .assert_eq(&reply.text);
}

#[test]
fn says_what_it_sees_where_no_rule_fits() {
    let facts = broken(|facts| {
        creating(&mut facts.pods[0]);
        facts.events.push(event("Odd", "something\nelse"));
        facts.gaps.push(("Service".to_owned(), "denied: not granted".to_owned()));
    });
    assert_eq!(causes(&facts), [""; 0]);
    expect![[r#"
        Deployment `shop/web`: not healthy, 1 of 2 pods ready; rollout: 1 of 2 updated replicas are available

        None of the known causes fits. What is seen:
           - [status web-2-a] Running, age 22h
           - [event Odd, 60s ago, pod web-2-a] something else (3 times)
           Next: find_recent_changes, get_recent_events, and get_workload_logs for what the programs say. Pods that have just started may need another minute.

        Not looked at: Service: denied: not granted"#]].assert_eq(&report(&facts));
}
