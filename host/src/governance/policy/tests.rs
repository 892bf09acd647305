use expect_test::{Expect, expect};

use super::*;

const APPROVALS: Approvals = Approvals { required: true, expires_after: Duration::from_mins(10) };

fn policy(text: &str) -> Policy {
    Policy::parse(text, "`test.cedar`", APPROVALS).unwrap_or_else(|error| panic!("{error}"))
}

fn alice() -> Principal {
    Principal { groups: vec!["sre".to_owned()], ..Principal::local("alice") }
}

/// `restart shop/Deployment/checkout`; `*` for no namespace and no name.
fn decide_at(policy: &Policy, who: &Principal, asked: &str, at: &str) -> String {
    let (verb, place) = asked.split_once(' ').unwrap();
    let mut parts = place.split('/').map(|part| (part != "*").then_some(part));
    let mut next = || parts.next().unwrap();
    let target = Target {
        cluster: "prod".parse().unwrap(),
        namespace: next().map(|name| name.parse().unwrap()),
        kind: next().unwrap().to_owned().into(),
        name: next().map(str::to_owned),
    };
    let capability = Capability::ALL
        .into_iter()
        .find(|capability| verbs_of(*capability).contains(&verb))
        .unwrap_or(Capability::KubernetesRead);
    let question = Question {
        principal: who,
        plugin: &"remediation".parse().unwrap(),
        digest: "d",
        tool: "restart_deployment",
        capability,
        verb,
        target: &target,
        dry_run: false,
        at: at.parse().unwrap(),
    };
    let verdict = policy.decide(&question);
    assert_eq!(verdict, policy.decide(&question), "what is remembered is what was decided");
    match verdict {
        Verdict::Allow { rule } => format!("allow {rule}"),
        Verdict::Deny { rule } => format!("deny {rule}"),
        Verdict::Ask { rule, terms } => {
            let ApprovalTerms { approvers, expires_after, .. } = terms;
            format!("ask {approvers} within {}s {rule}", expires_after.as_secs())
        }
    }
}

fn decide(policy: &Policy, asked: &str) -> String {
    decide_at(policy, &alice(), asked, "2026-11-21T09:00:00Z")
}

fn table(policy: &Policy, asked: &[&str], expected: &Expect) {
    let lines: Vec<String> =
        asked.iter().map(|asked| format!("{asked:<36} {}\n", decide(policy, asked))).collect();
    expected.assert_eq(&lines.concat());
}

const ASKED: [&str; 12] = [
    "get shop/Pod/web-1",
    "list */Pod/*",
    "list */Node/*",
    "get-log kube-system/Pod/coredns",
    "get kube-system/Secret/token",
    "restart shop/Deployment/checkout",
    "restart kube-system/Deployment/coredns",
    "scale kube-node-lease/Deployment/x",
    "cordon */Node/worker-1",
    "delete shop/Pod/web-1",
    "delete kube-public/Pod/web-1",
    "exec shop/Pod/web-1",
];

#[test]
fn the_shipped_rules() {
    table(
        &Policy::shipped(APPROVALS).unwrap(),
        &ASKED,
        &expect![[r#"
        get shop/Pod/web-1                   allow reads-are-allowed:9
        list */Pod/*                         allow reads-are-allowed:9
        list */Node/*                        allow reads-are-allowed:9
        get-log kube-system/Pod/coredns      allow reads-are-allowed:9
        get kube-system/Secret/token         allow reads-are-allowed:9
        restart shop/Deployment/checkout     ask 1 within 600s writes-need-approval:15
        restart kube-system/Deployment/coredns deny system-namespaces-stay-as-they-are:36
        scale kube-node-lease/Deployment/x   deny system-namespaces-stay-as-they-are:36
        cordon */Node/worker-1               ask 1 within 600s writes-need-approval:15
        delete shop/Pod/web-1                ask 1 within 600s deletions-need-approval:27
        delete kube-public/Pod/web-1         deny system-namespaces-stay-as-they-are:36
        exec shop/Pod/web-1                  deny policy-error
    "#]],
    );
}

#[test]
fn the_shipped_rules_where_approvals_are_not_required() {
    let approvals = Approvals { required: false, ..APPROVALS };
    table(
        &Policy::shipped(approvals).unwrap(),
        &ASKED,
        &expect![[r#"
        get shop/Pod/web-1                   allow reads-are-allowed:9
        list */Pod/*                         allow reads-are-allowed:9
        list */Node/*                        allow reads-are-allowed:9
        get-log kube-system/Pod/coredns      allow reads-are-allowed:9
        get kube-system/Secret/token         allow reads-are-allowed:9
        restart shop/Deployment/checkout     allow writes-without-approval:22
        restart kube-system/Deployment/coredns deny system-namespaces-stay-as-they-are:36
        scale kube-node-lease/Deployment/x   deny system-namespaces-stay-as-they-are:36
        cordon */Node/worker-1               allow writes-without-approval:22
        delete shop/Pod/web-1                ask 1 within 600s deletions-need-approval:27
        delete kube-public/Pod/web-1         deny system-namespaces-stay-as-they-are:36
        exec shop/Pod/web-1                  deny policy-error
    "#]],
    );
}

#[test]
fn an_empty_policy_denies() {
    for text in ["", "// nothing\n"] {
        assert_eq!(decide(&policy(text), "get shop/Pod/web-1"), "deny no-rule");
    }
}

#[test]
fn a_forbid_beats_every_permit() {
    let policy = policy(
        "permit (principal, action, resource);\n@id(\"closed\")\nforbid (principal in \
         Group::\"sre\", action, resource) when { resource has namespace && resource.namespace == \
         \"bank\" };",
    );
    assert_eq!(decide(&policy, "get bank/Pod/web-1"), "deny closed:2");
    assert_eq!(decide(&policy, "get shop/Pod/web-1"), "allow permit:1");
    let bob = Principal::local("bob");
    let at = "2026-11-21T09:00:00Z";
    assert_eq!(decide_at(&policy, &bob, "get bank/Pod/web-1", at), "allow permit:1");
}

#[test]
fn the_strictest_terms_win() {
    let policy = policy(
        r#"@id("free") permit (principal, action in Action::"write", resource);
           @id("one") @approval("required") @expires("1h")
           permit (principal, action == Action::"scale", resource);
           @id("two") @approval("required") @approvers("2")
           permit (principal in Group::"sre", action in [Action::"scale", Action::"pause"], resource);"#,
    );
    assert_eq!(decide(&policy, "restart shop/Deployment/web"), "allow free:1");
    assert_eq!(decide(&policy, "pause shop/Deployment/web"), "ask 2 within 600s two:4");
    assert_eq!(decide(&policy, "scale shop/Deployment/web"), "ask 2 within 600s one:2");
}

#[test]
fn what_cannot_be_undone_asks_whatever_the_rules_say() {
    let policy = policy("permit (principal, action, resource);");
    let asked = "delete shop/Pod/web-1";
    assert_eq!(decide(&policy, asked), "ask 1 within 600s destructive-always-asks");
}

#[test]
fn an_error_while_deciding_is_a_denial() {
    // A sum that is too large: valid by the schema, and an error when it is computed.
    let policy = policy(
        r#"permit (principal, action, resource);
           @id("sum") forbid (principal, action, resource)
           when { context.time.offset(duration("9223372036854775807ms")) > context.time };"#,
    );
    assert_eq!(decide(&policy, "get shop/Pod/web-1"), "deny policy-error:2");
}

#[test]
fn the_time_is_looked_at_each_time() {
    let policy = policy(
        r#"permit (principal, action in Action::"read", resource);
           permit (principal, action, resource)
           when { context.time.toTime() >= duration("8h") && context.time.toTime() < duration("18h")
                  && !["saturday", "sunday"].contains(context.weekday) };"#,
    );
    let asked = "restart shop/Deployment/checkout";
    for (at, verdict) in [
        ("2026-11-20T07:59:59Z", "deny no-rule"),
        ("2026-11-20T08:00:00Z", "allow permit:2"),
        ("2026-11-20T18:00:00Z", "deny no-rule"),
        ("2026-11-21T12:00:00Z", "deny no-rule"),
        ("2026-11-23T12:00:00Z", "allow permit:2"),
    ] {
        assert_eq!(decide_at(&policy, &alice(), asked, at), verdict, "{at}");
    }
}

#[test]
fn places_and_names_are_judged_where_rules_speak_of_them() {
    let policy = policy(
        r#"permit (principal, action in Action::"read", resource in Cluster::"prod");
           forbid (principal, action == Action::"get", resource in Namespace::"prod/bank");
           forbid (principal, action == Action::"get-log", resource)
           when { resource has name && resource.name like "db-*" };"#,
    );
    for (asked, verdict) in [
        ("get shop/Pod/web-1", "allow permit:1"),
        ("get bank/Pod/web-1", "deny forbid:2"),
        ("get */Namespace/bank", "deny forbid:2"),
        ("get */Namespace/shop", "allow permit:1"),
        ("get-log shop/Pod/db-1", "deny forbid:3"),
        ("get-log shop/Pod/web-1", "allow permit:1"),
        ("list bank/Pod/*", "allow permit:1"),
    ] {
        assert_eq!(decide(&policy, asked), verdict, "{asked}");
    }
    let judged = |verb| (policy.judges_namespaces(verb), policy.judges_names(verb));
    assert_eq!(judged("list"), (false, false));
    assert_eq!(judged("get"), (true, false));
    assert_eq!(judged("get-log"), (false, true));
    assert_eq!(judged("unknown"), (true, true));
}

#[test]
fn a_tool_that_can_do_nothing_for_a_caller_is_not_offered() {
    use Capability::{KubernetesRead, KubernetesRestart, KubernetesScale, Progress};
    let policy = policy(
        r#"permit (principal, action in Action::"read", resource);
           @approval("required")
           permit (principal in Group::"sre", action in Action::"write", resource)
           when { resource has namespace && resource.namespace == "shop" };
           @id("no-scaling") forbid (principal, action == Action::"scale", resource);
           forbid (principal, action == Action::"restart", resource)
           when { context.tool == "restart_daemonset" };"#,
    );
    let may = |who: &Principal, uses: &[Capability]| {
        policy.may(who, &uses.iter().copied().collect()).map_err(|rule| rule.to_string())
    };
    let (alice, bob) = (alice(), Principal::local("bob"));
    assert_eq!(may(&alice, &[KubernetesRead, KubernetesRestart]), Ok(()));
    assert_eq!(may(&alice, &[KubernetesScale]), Err("no-scaling:5".to_owned()));
    assert_eq!(may(&bob, &[KubernetesRead, KubernetesRestart]), Err("no-rule".to_owned()));
    assert_eq!(may(&bob, &[KubernetesRead]), Ok(()));
    assert_eq!(may(&bob, &[Progress]), Ok(()));
    assert_eq!(may(&bob, &[]), Ok(()));
}

fn wrong(text: &str, expected: &Expect) {
    let error = Policy::parse(text, "`test.cedar`", APPROVALS).unwrap_err();
    expected.assert_eq(&error.to_string());
}

#[test]
fn problems_are_told_with_their_lines() {
    wrong(
        "permit (principal, action, resource)\nwhen { resource.name == };\n",
        &expect![[r#"
        the policy `test.cedar` has 1 problem

        line 2: unexpected token `}`"#]],
    );
    wrong(
        r#"permit (principal, action == Action::"exec", resource);

           forbid (principal in Team::"x", action, resource)
           when { resource.namespace == "shop" };
           @id("a") @aproval("required")
           permit (principal, action in Action::"write", resource);
           @id("b") permit (principal, action, resource) when { context.tool == 3 };
           @id("b") permit (principal, action, resource);
           @approval("required") permit (principal, action, resource);
           permit (principal, action, resource) when { context.tier == "x" && false };"#,
        &expect![[r#"
            the policy `test.cedar` has 11 problems

            line 1: policy is impossible: the policy expression evaluates to false for all valid requests

            line 1: unable to find an applicable action given the policy scope constraints

            line 1: unrecognized action `Action::"exec"`
              hint: did you mean `Action::"get"`?

            line 3: unable to find an applicable action given the policy scope constraints

            line 3: unrecognized entity type `Team`
              hint: did you mean `User`?

            line 4: unable to guarantee safety of access to optional attribute `namespace` on entity type `Object`
              hint: try testing for the attribute's presence with `e has namespace && ..`

            line 5: there is no annotation `@aproval`
              hint: did you mean `@approval`?

            line 7: the types Long and String are not compatible
              hint: for policy `policy3`, both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible

            line 8: line 7 has a rule `b` already
              hint: say another name

            line 9: it asks a person before a read, which cannot wait
              hint: say `action in Action::"write"`, or name verbs that write

            line 10: policy is impossible: the policy expression evaluates to false for all valid requests"#]],
    );
    wrong(
        "permit (principal == ?principal, action, resource);",
        &expect![[r#"
        the policy `test.cedar` has 1 problem

        a rule is a template: it has `?principal` or `?resource`
          hint: say whom and what it is about in the rule itself"#]],
    );
    wrong(
        &format!(
            "permit (principal, action, resource) when {{ {}true{} }};",
            "(".repeat(40),
            ")".repeat(40)
        ),
        &expect![[r#"
            the policy `test.cedar` has 1 problem

            brackets are nested more than 32 deep
              hint: write it more simply"#]],
    );
}
