//! The operator's rules at work: real plugins against the embedded cluster, and the commands that
//! check, test and explain them.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use toolgate::wiring::WiringError;
use toolgate_tests::{House, grants};

use crate::program::Home;

const PLUGINS: [&str; 2] = ["plugins/pods", "plugins/remediation"];

/// Writes, and everything that the plugins ask for, everywhere: what is left is the rules'.
fn granted() -> String {
    let mode = "[mode]\nread_only = false\n".to_owned();
    PLUGINS.iter().fold(mode, |text, source| text + &grants(source, "namespaces = [\"*\"]"))
}

/// A house with these rules, or with those that come with Toolgate.
async fn house(rules: Option<&str>) -> (House, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = granted();
    if let Some(rules) = rules {
        let file = folder.path().join("policy.cedar");
        std::fs::write(&file, rules).unwrap();
        let _ = writeln!(config, "[policy]\nfile = {}", json!(file));
    }
    (House::of(&PLUGINS, &config).await, folder)
}

/// Asks, and shows answers and record: the first line of each answer.
async fn check(rules: Option<&str>, questions: &[(&str, Value)], expected: Expect) {
    let (house, _folder) = house(rules).await;
    let mut seen = String::new();
    for (tool, arguments) in questions {
        let answer = house.ask("alice", tool, arguments.clone()).await;
        let first = answer.lines().next().unwrap_or_default();
        let _ = writeln!(seen, "> {tool} {arguments}\n{first}\n");
    }
    for line in house.record().settled().await {
        if let toolgate::governance::audit::Stage::Used(used) = &line.stage {
            let rule = used.rule.as_deref().unwrap_or("-");
            let word = if used.allowed { "allowed" } else { "denied" };
            let place = used.target.namespace.as_deref().unwrap_or("*");
            let name = used.target.name.as_deref().unwrap_or("*");
            let kind = &used.target.kind;
            let _ = writeln!(seen, "{} {kind} {place}/{name} {word} by {rule}", used.verb);
        }
    }
    expected.assert_eq(&seen);
}

fn restart(namespace: &str, deployment: &str) -> (&'static str, Value) {
    ("restart_deployment", json!({"namespace": namespace, "deployment_name": deployment}))
}

#[tokio::test]
async fn the_shipped_rules_leave_system_namespaces_as_they_are() {
    let questions = [
        restart("shop", "checkout"),
        restart("kube-system", "coredns"),
        restart("kube-system", "there-is-none"),
        ("list_pods", json!({"namespace": "kube-system"})),
    ];
    check(None, &questions, expect![[r#"
        > restart_deployment {"namespace":"shop","deployment_name":"checkout"}
        output: Approval required, nothing was changed yet: restart of deployment `shop/checkout`

        > restart_deployment {"namespace":"kube-system","deployment_name":"coredns"}
        tool-error: not found: Deployment `coredns` not found in namespace `kube-system` of cluster `demo`, or not granted

        > restart_deployment {"namespace":"kube-system","deployment_name":"there-is-none"}
        tool-error: not found: Deployment `there-is-none` not found in namespace `kube-system` of cluster `demo`, or not granted

        > list_pods {"namespace":"kube-system"}
        output: 6 pods in `kube-system`: 6 Running

        restart Deployment shop/checkout allowed by writes-need-approval:15
        restart Deployment kube-system/coredns denied by system-namespaces-stay-as-they-are:36
        restart Deployment kube-system/there-is-none denied by system-namespaces-stay-as-they-are:36
        list Pod kube-system/* allowed by reads-are-allowed:9
    "#]]).await;
}

/// Rules about single namespaces and names: lists go one by one, and leave out what is not seen.
#[tokio::test]
async fn invariant_02_rules_hold_for_what_a_list_finds() {
    let rules = r#"
        permit (principal, action in Action::"read", resource);
        @id("not-the-system") forbid (principal, action, resource)
        when { resource has namespace && resource.namespace like "kube-*" };
        @id("not-checkout") forbid (principal, action, resource)
        when { resource has name && resource.name like "checkout-*" };
    "#;
    let (house, _folder) = house(Some(rules)).await;
    let all = house.ask("alice", "list_pods", json!({})).await;
    assert!(all.contains("frontend-"), "{all}");
    assert!(!all.contains("checkout-") && !all.contains("kube-system"), "{all}");
    let failing = house.ask("alice", "list_failing_pods", json!({})).await;
    assert!(!failing.contains("checkout-"), "{failing}");
    let listed = house.record().settled().await;
    let listed = listed.iter().filter_map(|line| {
        let toolgate::governance::audit::Stage::Used(used) = &line.stage else { return None };
        (used.verb == "list").then(|| used.target.namespace.clone()).flatten()
    });
    let listed: Vec<String> = listed.collect();
    assert!(listed.iter().any(|place| place == "shop"), "{listed:?}");
    assert!(!listed.iter().any(|place| place.starts_with("kube-")), "{listed:?}");
}

#[tokio::test]
async fn an_empty_policy_hides_every_tool_and_refuses_its_calls() {
    let (house, _folder) = house(Some("")).await;
    assert_eq!(house.tools("alice"), Vec::<String>::new());
    expect![
        "refused, denied: this server's policy allows you no use of it; its operator can say more"
    ]
    .assert_eq(&house.ask("alice", "list_pods", json!({})).await);
}

/// What is hidden is refused, and what is refused at once is hidden: for each tool and caller.
#[tokio::test]
async fn invariant_02_lists_and_calls_agree_on_what_the_policy_allows() {
    let rules = r#"
        permit (principal == User::"alice@os", action, resource);
        permit (principal == User::"bob@os", action in Action::"read", resource);
        forbid (principal == User::"alice@os", action == Action::"scale", resource);
    "#;
    let (house, _folder) = house(Some(rules)).await;
    let offered: Vec<String> =
        house.gateway().sandbox().tools().map(|tool| tool.listing.name.to_string()).collect();
    let mut hidden = String::new();
    for who in ["alice", "bob", "carol"] {
        let listed = house.tools(who);
        for tool in &offered {
            // Arguments that fit no tool: what is admitted ends there.
            let answer = house.ask(who, tool, json!({"no such argument": 1})).await;
            let is_refused = answer.starts_with("refused, denied");
            assert_eq!(is_refused, !listed.contains(tool), "{who} {tool}: {answer}");
            if is_refused {
                let _ = writeln!(hidden, "{who} {tool}");
            }
        }
    }
    expect![[r#"
        alice scale_deployment
        bob pause_deployment
        bob restart_deployment
        bob restart_pod
        bob rollback_deployment
        bob scale_deployment
        carol describe_pod
        carol get_pod_status
        carol list_failing_pods
        carol list_pods
        carol pause_deployment
        carol restart_deployment
        carol restart_pod
        carol rollback_deployment
        carol scale_deployment
    "#]]
    .assert_eq(&hidden);
}

#[tokio::test]
async fn rules_that_do_not_hold_are_no_rules_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.cedar");
    let config = format!("{}\n[policy]\nfile = {}", granted(), json!(file));
    let build = || House::builder().config(&config).try_build();
    let missing = build().await.err().expect("there is no file");
    assert!(matches!(missing, WiringError::UnreadablePolicy { .. }), "{missing}");
    std::fs::write(&file, "permit (principal, action, resource").unwrap();
    let broken = build().await.err().expect("it is no policy");
    assert!(matches!(broken, WiringError::Policy(_)), "{broken}");
}

const RULES: &str = r#"// Reading is free, but not in the bank.
@id("reads")
permit (principal, action in Action::"read", resource);

@id("two-for-scaling")
@approval("required")
@approvers("2")
@reason("required")
permit (principal in Group::"sre", action in [Action::"scale", Action::"restart"], resource);

@id("bank-is-closed")
forbid (principal, action, resource in Namespace::"demo/bank")
unless { principal in Group::"bankers" };
"#;

const CASES: &str = r#"
[defaults]
principal = "alice"
groups = ["sre"]
cluster = "demo"
kind = "Deployment"
name = "checkout"

[[case]]
verb = "scale"
namespace = "shop"
expect = "ask"
rule = "two-for-scaling"
approvers = 2

[[case]]
verb = "get"
namespace = "bank"
expect = "deny"
"#;

fn home() -> Home {
    let home = Home::new();
    let granted = granted();
    let config =
        format!("[clusters.demo]\ndemo = true\n{granted}\n[policy]\nfile = \"policy.cedar\"\n");
    home.furnish(&PLUGINS, &config);
    home.put("policy.cedar", RULES);
    home.put("cases.toml", CASES);
    home
}

#[test]
fn rules_are_checked_tested_and_explained() {
    let home = home();
    let failing = r#"
[[case]]
title = "the bank is open"
verb = "get"
namespace = "bank"
expect = "allow"
[[case]]
verb = "restart"
namespace = "shop"
expect = "ask"
approvers = 1
"#;
    home.put("failing.toml", format!("{CASES}{failing}"));
    home.put("strange.toml", "[[case]]\nverb = \"exec\"\nexpect = \"deny\"\n");
    home.put(
        "broken.cedar",
        "permit (principal, action, resource)\n  when { resource.nam == \"x\" };\n",
    );
    let explain = ["policy", "explain", "--tool", "restart_deployment"];
    let at = |more: &[&'static str]| [&explain[..], more].concat();
    let (sre, bank, none) = (
        at(&["--group", "sre", "--namespace", "shop", "--name", "checkout"]),
        at(&["--group", "sre", "--namespace", "bank", "--kind", "Deployment", "--name", "vault"]),
        at(&["--namespace", "shop", "--name", "checkout", "--kind", "Deployment"]),
    );
    let read = ["policy", "explain", "--tool", "list_pods", "--principal", "bob@corp"];
    let commands: [&[&str]; 9] = [
        &["policy", "check"],
        &["policy", "check", "broken.cedar"],
        &["policy", "test", "cases.toml"],
        &["policy", "test", "failing.toml"],
        &["policy", "test", "strange.toml"],
        &sre,
        &bank,
        &none,
        &read,
    ];
    home.check(&commands, &expect![[r#"
        $ toolgate policy check
        LINE  RULE             EFFECT  VERBS                                                                        ASKS
        2     reads            permit  get list get-log
        5     two-for-scaling  permit  restart scale                                                                2 people within 10m, with a reason
        11    bank-is-closed   forbid  get list get-log restart scale rollback pause resume cordon uncordon delete

        `<home>/policy.cedar`: 3 rules, no problems
        --- exit code 0

        $ toolgate policy check broken.cedar
        --- on standard error
        error: the policy `broken.cedar` has 1 problem

        line 2: attribute `nam` on entity type `Object` not found
          hint: did you mean `name`?

        hint: `toolgate policy check` looks again, and runs nothing
        --- exit code 1

        $ toolgate policy test cases.toml
        2 of 2 cases hold, by `<home>/policy.cedar`
        --- exit code 0

        $ toolgate policy test failing.toml
        CASE  WHAT                                            EXPECTED           FOUND
        3     the bank is open                                allow              deny by bank-is-closed:11
        4     alice restart Deployment shop/checkout in demo  ask, 1 to approve  ask by two-for-scaling:5, 2 to approve

        2 of 4 cases fail, by `<home>/policy.cedar`
        --- exit code 1

        $ toolgate policy test strange.toml
        --- on standard error
        error: case 1 of `strange.toml`: rules know no verb `exec`

        hint: a table is `[[case]]` with principal, verb, namespace, kind, name and expect; `[defaults]` says what cases have in common
        --- exit code 1

        $ toolgate policy explain --tool restart_deployment --group sre --namespace shop --name checkout
        VERB     OBJECT                            DECISION  BECAUSE
        restart  Deployment shop/checkout in demo  ask       rule `two-for-scaling`, line 5 of `<home>/policy.cedar`

        for ada@os of sre, with restart_deployment
        restart asks 2 people within 10m, with a reason
        --- exit code 0

        $ toolgate policy explain --tool restart_deployment --group sre --namespace bank --kind Deployment --name vault
        VERB     OBJECT                         DECISION  BECAUSE
        restart  Deployment bank/vault in demo  deny      rule `bank-is-closed`, line 11 of `<home>/policy.cedar`

        for ada@os of sre, with restart_deployment
        --- exit code 0

        $ toolgate policy explain --tool restart_deployment --namespace shop --name checkout --kind Deployment
        VERB     OBJECT                            DECISION  BECAUSE
        restart  Deployment shop/checkout in demo  deny      no rule of `<home>/policy.cedar` permits it

        for ada@os, with restart_deployment
        --- exit code 0

        $ toolgate policy explain --tool list_pods --principal bob@corp
        VERB  OBJECT         DECISION  BECAUSE
        get   Pod * in demo  deny      `<home>/policy.cedar` judges namespaces, so a list has to name one
        list  Pod * in demo  deny      `<home>/policy.cedar` judges namespaces, so a list has to name one

        for bob@corp, with list_pods
        --- exit code 0
    "#]]);
}

#[test]
fn programs_read_what_rules_decide_as_json() {
    let home = home();
    let commands: [&[&str]; 4] = [
        &["policy", "check", "--json"],
        &["policy", "test", "cases.toml", "--json"],
        &[
            "policy",
            "explain",
            "--json",
            "--tool",
            "restart_deployment",
            "--group",
            "sre",
            "--namespace",
            "shop",
            "--kind",
            "Deployment",
            "--name",
            "checkout",
        ],
        &["policy", "explain", "--json", "--tool", "no_such_tool"],
    ];
    home.check(&commands, &expect![[r#"
        $ toolgate policy check --json
        {"policy":"`<home>/policy.cedar`","problems":[],"rules":[{"rule":"reads","line":2,"effect":"permit","verbs":["get","list","get-log"],"approval":null},{"rule":"two-for-scaling","line":5,"effect":"permit","verbs":["restart","scale"],"approval":{"approvers":2,"reason_required":true,"requester_may_approve":false,"caller_may_confirm":false,"expires_after_s":600}},{"rule":"bank-is-closed","line":11,"effect":"forbid","verbs":["get","list","get-log","restart","scale","rollback","pause","resume","cordon","uncordon","delete"],"approval":null}]}
        --- exit code 0

        $ toolgate policy test cases.toml --json
        {"policy":"`<home>/policy.cedar`","cases":2,"failed":[]}
        --- exit code 0

        $ toolgate policy explain --json --tool restart_deployment --group sre --namespace shop --kind Deployment --name checkout
        {"principal":"ada@os","groups":["sre"],"tool":"restart_deployment","policy":"`<home>/policy.cedar`","uses":[{"capability":"kubernetes-restart","verb":"restart","cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout","granted":true,"decision":"ask","rule":"two-for-scaling","line":5,"because":"rule `two-for-scaling`, line 5 of `<home>/policy.cedar`","approval":{"approvers":2,"reason_required":true,"requester_may_approve":false,"caller_may_confirm":false,"expires_after_s":600}}]}
        --- exit code 0

        $ toolgate policy explain --json --tool no_such_tool
        --- on standard error
        {"error":"no plugin that loads has a tool `no_such_tool`","hint":"`toolgate tools` lists what there is"}
        --- exit code 1
    "#]]);
}

/// What is printed is what holds: a good beginning for rules of one's own.
#[test]
fn the_shipped_rules_are_printed_as_they_are() {
    let home = Home::new();
    let printed = home.run(&["policy", "show-default"]).good();
    assert_eq!(printed, toolgate::governance::policy::DEFAULT);
    home.put("policy.cedar", &printed);
    let commands: [&[&str]; 1] = [&["policy", "check", "policy.cedar"]];
    home.check(&commands, &expect![[r#"
        $ toolgate policy check policy.cedar
        LINE  RULE                                EFFECT  VERBS                                                       ASKS
        9     reads-are-allowed                   permit  get list get-log
        15    writes-need-approval                permit  restart scale rollback pause resume cordon uncordon         1 person within 10m, who asks may be one of them
        22    writes-without-approval             permit  restart scale rollback pause resume cordon uncordon
        27    deletions-need-approval             permit  delete                                                      1 person within 10m, who asks may be one of them
        36    system-namespaces-stay-as-they-are  forbid  restart scale rollback pause resume cordon uncordon delete
        41    system-secrets-stay-closed          forbid  get

        `policy.cedar`: 6 rules, no problems
        --- exit code 0
    "#]]);
    let schema = home.run(&["policy", "show-schema"]).good();
    assert_eq!(schema, toolgate::governance::policy::SCHEMA);
}
