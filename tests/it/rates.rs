//! More than is allowed is refused early, to who asks for it, and says when there is room again.

use expect_test::expect;
use serde_json::json;
use toolgate::governance::audit::{AuditLine, Stage};
use toolgate_tests::House;

/// No burst is earned back while a test runs.
const READS: &str = "
    [rates]
    caller_per_s = 1
    caller_burst = 2
    [grants.pods.kubernetes-read]
    namespaces = [\"shop\"]
    kinds = [\"Pod\"]
    [grants.pods.kubernetes-events]
    namespaces = [\"shop\"]
";

#[tokio::test]
async fn who_asks_too_often_is_refused_and_nobody_else() {
    let house = House::of(&["plugins/pods"], READS).await;
    let ask = async |who: &str| {
        let answer = house.ask(who, "list_pods", json!({"namespace": "nowhere"})).await;
        answer.lines().next().unwrap_or_default().to_owned()
    };
    let mut seen = String::new();
    for who in ["greedy", "greedy", "greedy", "ann"] {
        seen.push_str(&format!("{who}: {}\n", ask(who).await));
    }
    expect![[r#"
        greedy: tool-error: not found: namespace `nowhere` not found in cluster `demo`, or not granted
        greedy: tool-error: not found: namespace `nowhere` not found in cluster `demo`, or not granted
        greedy: refused, busy: you make more than 1 calls a second (`rates.caller_per_s`); try again in 1 s
        ann: tool-error: not found: namespace `nowhere` not found in cluster `demo`, or not granted
    "#]].assert_eq(&seen);
    let refused = "the record has the refusal, as it has each of the others";
    assert!(house.record().text().await.contains("rates.caller_per_s"), "{refused}");
}

/// What is not there, and what is not allowed, is asked for as often as everything else, and no more
/// of it is kept than a person would read.
#[tokio::test]
async fn who_asks_too_often_for_what_is_refused_is_refused_early() {
    let house = House::of(&["plugins/pods"], READS).await;
    let heavy = json!({"note": "x".repeat(200_000)});
    let mut seen = String::new();
    for tool in ["no_such_tool", "list_pods", "no_such_tool", "list_pods"] {
        let answer = match house.call("greedy", tool, heavy.clone()).await {
            Ok(outcome) => format!("{outcome:?}"),
            Err(refused) => refused.to_string(),
        };
        seen.push_str(&format!("{tool}: {answer}\n"));
    }
    expect![[r#"
        no_such_tool: there is no tool `no_such_tool`
        list_pods: the arguments do not fit: Additional properties are not allowed ('note' was unexpected)
        no_such_tool: you make more than 1 calls a second (`rates.caller_per_s`); try again in 1 s
        list_pods: you make more than 1 calls a second (`rates.caller_per_s`); try again in 1 s
    "#]].assert_eq(&seen);
    let record = house.record().text().await;
    expect![[r#"
        received  greedy@os no_such_tool "200011 bytes: too many for the record of a refusal"
        refused   unknown-tool: there is no tool `no_such_tool`
        received  greedy@os list_pods "200011 bytes: too many for the record of a refusal"
        refused   invalid-arguments: the arguments do not fit: Additional properties are not allowed ('note' was unexpected)
        received  greedy@os no_such_tool "200011 bytes: too many for the record of a refusal"
        refused   busy: you make more than 1 calls a second (`rates.caller_per_s`); try again in 1 s
        received  greedy@os list_pods "200011 bytes: too many for the record of a refusal"
        refused   busy: you make more than 1 calls a second (`rates.caller_per_s`); try again in 1 s
    "#]].assert_eq(&record);
}

#[tokio::test]
async fn writes_beyond_the_budget_of_an_hour_are_denied_before_anybody_is_asked() {
    let config = "
        [mode]
        read_only = false
        [rates]
        caller_writes_per_h = 1
        [grants.node-ops.kubernetes-cordon]
        namespaces = [\"*\"]
        [grants.node-ops.kubernetes-events]
        namespaces = [\"*\"]
        [grants.node-ops.kubernetes-metrics]
        namespaces = [\"*\"]
        [grants.node-ops.kubernetes-read]
        namespaces = [\"*\"]
    ";
    let house = House::of(&["plugins/node-ops"], config).await;
    assert_eq!(house.failures(), "");
    let ask = |node: &'static str| house.ask("alice", "cordon_node", json!({"node_name": node}));
    let first = ask("node-1").await;
    assert!(first.contains("approval"), "{first}");
    let again = ask("node-1").await;
    assert!(again.contains("approval"), "asking after a request is no other request: {again}");
    let second = ask("node-2").await;
    expect!["tool-error: denied: cordon of node `node-2`: you have asked for 1 writes within an hour (`rates.caller_writes_per_h`); the next one can be asked for in 60 min. Tell the person you work for what these were, and that none is left. Nothing was changed."].assert_eq(&second);
    assert_eq!(house.operator().answers.pending().unwrap().len(), 1);
    // The host's own record, whatever the plugin makes of it.
    let beyond = |line: &AuditLine| {
        let Stage::Used(used) = &line.stage else { return None };
        used.over_rate().map(str::to_owned)
    };
    let beyond: Vec<_> = house.record().lines().iter().filter_map(beyond).collect();
    assert_eq!(beyond, ["rates.caller_writes_per_h"]);
}
