//! One incident from the first question to the record of its end, through the program itself: what
//! an agent does over MCP, what a person does in another terminal, and what both left on record.

use std::collections::BTreeSet;
use std::time::Instant;

use expect_test::expect;
use serde_json::{Value, json};
use toolgate::governance::audit::{AuditLine, Stage};
use toolgate_tests::line;

use crate::program::{ANSWERED_WITHIN, Home, Pipe, TOOLS, unfenced};

const FAILING: [&str; 3] =
    ["checkout-7d9f8b6c54-mk4zq", "checkout-7d9f8b6c54-qp7rj", "checkout-7d9f8b6c54-x2v8k"];

fn text(result: &Value) -> &str {
    unfenced(result["content"][0]["text"].as_str().expect("an answer has a text"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

fn restart(session: &mut Pipe) -> Value {
    let arguments = json!({
        "namespace": "shop", "deployment_name": "checkout", "reason": "it is out of memory",
    });
    session.call("restart_deployment", arguments)
}

fn call_id(result: &Value) -> String {
    result["_meta"]["toolgate/call"].as_str().expect("an answer names its call").to_owned()
}

/// What was recorded, without the calls that only looked whether something had come of another.
fn trail(home: &Home, looks: &BTreeSet<String>) -> Vec<AuditLine> {
    let printed = home.run(&["audit", "--json"]).good();
    let lines = printed.lines().map(|line| serde_json::from_str(line).expect("a record"));
    let lines: Vec<AuditLine> = lines.collect();
    for (index, line) in lines.iter().enumerate() {
        assert_eq!(line.seq, index as u64 + 1, "no record is missing");
    }
    let is_step = |l: &AuditLine| !matches!(l.stage, Stage::Request { .. });
    let lines = lines.into_iter().filter(is_step);
    lines.filter(|l| l.call.as_ref().is_none_or(|id| !looks.contains(id))).collect()
}

#[test]
fn an_investigation_ends_with_a_restart_that_a_person_approved() {
    let home = Home::new();
    let mut session = Pipe::open(&home, &["demo", "--stdio"]);
    look_around(&mut session);
    let id = ask_for_a_restart(&home, &mut session);
    approve(&home, &id);

    // Who asks while it is executed is answered, too; the record would have one in the other.
    let began = Instant::now();
    while !home.run(&["audit", "--json"]).good().contains(r#""stage":"effect""#) {
        assert!(began.elapsed() < ANSWERED_WITHIN, "it is not executed");
        session.hear_nothing();
    }

    // The same question again tells what came of it.
    let mut looks = BTreeSet::new();
    let began = Instant::now();
    let done = loop {
        let answer = restart(&mut session);
        let content = &answer["structuredContent"];
        if content["state"] == "complete" {
            break answer;
        }
        assert!(began.elapsed() < ANSWERED_WITHIN, "{answer}");
        looks.insert(call_id(&answer));
        session.hear_nothing();
    };
    let content = &done["structuredContent"];
    assert_eq!(content["outcome"], "performed");
    assert_eq!(content["approval_id"], id);

    let failing = session.call("list_failing_pods", json!({"namespace": "shop"}));
    assert_eq!(failing["structuredContent"]["failing_total"], 0, "{failing}");
    let pods =
        session.call("list_pods", json!({"namespace": "shop", "label_selector": "app=checkout"}));
    let pods = names(&pods["structuredContent"]["pods"]).join(" ");
    assert!(FAILING.iter().all(|old| !pods.contains(old)), "every pod is a new one: {pods}");

    let lines = session.close();
    assert!(!lines.concat().contains("canary"), "a secret of the scenario went to the client");
    assert!(home.run(&["approvals", "show", &id]).good().contains("status     executed"));

    let trail = trail(&home, &looks);
    let recorded = trail.iter().map(|found| format!("{}\n", line(&found.stage)));
    expect![[r#"
        opened
        received  ada@os list_failing_pods {"namespace":"shop"}
        admitted  pods (read)
        used      kubernetes-read list demo:Pod:shop/* allowed
        completed output
        received  ada@os get_recent_events {"namespace":"shop","warnings_only":true}
        admitted  events (read)
        used      kubernetes-events list demo:Event:shop/* allowed
        completed output
        received  ada@os get_pod_logs {"namespace":"shop","pod_name":"checkout-7d9f8b6c54-qp7rj","previous":true,"tail_lines":500}
        admitted  logs (read)
        used      kubernetes-logs get-log demo:Pod:shop/checkout-7d9f8b6c54-qp7rj allowed
        completed output
        received  ada@os restart_deployment {"namespace":"payments","deployment_name":"ledger"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:payments/ledger denied
        completed tool-error: not found: Deployment `ledger` not found in namespace `payments` of cluster `demo`, or not granted
        received  ada@os list_deployments {"namespace":"shop","label_selector":"app=checkout"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:shop/* allowed
        completed output
        received  ada@os restart_deployment {"namespace":"shop","deployment_name":"checkout","reason":"it is out of memory"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        approval-requested restart demo:Deployment:shop/checkout for ada@os
        completed output
        received  ada@os restart_deployment {"namespace":"shop","deployment_name":"checkout","reason":"it is out of memory"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        completed output
        received  ada@os restart_deployment {"namespace":"shop","deployment_name":"checkout","reason":"it is out of memory"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        completed output
        received  ada@os restart_deployment {"namespace":"shop","deployment_name":"checkout","reason":"it is out of memory"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        completed output
        received  ada@os list_deployments {"namespace":"shop","label_selector":"app=checkout"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:shop/* allowed
        completed output
        approval-decided restart demo:Deployment:shop/checkout for ada@os approved by ada@os customers cannot pay
        intent    restart demo:Deployment:shop/checkout for ada@os
        effect    restart demo:Deployment:shop/checkout for ada@os done
        received  ada@os restart_deployment {"namespace":"shop","deployment_name":"checkout","reason":"it is out of memory"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        completed output
        received  ada@os list_failing_pods {"namespace":"shop"}
        admitted  pods (read)
        used      kubernetes-read list demo:Pod:shop/* allowed
        completed output
        received  ada@os list_pods {"namespace":"shop","label_selector":"app=checkout"}
        admitted  pods (read)
        used      kubernetes-read list demo:Pod:shop/* allowed
        completed output
        checkpoint
    "#]].assert_eq(&home.tame(&recorded.collect::<String>()));
    let asked = trail.iter().find(|l| matches!(l.stage, Stage::ApprovalRequested(_))).unwrap();
    for stage in ["approval-decided", "intent", "effect"] {
        let found: Vec<_> = trail.iter().filter(|l| l.stage.as_str() == stage).collect();
        assert_eq!(found.len(), 1, "{stage}");
        assert_eq!(found[0].call, asked.call, "{stage} belongs to the call that asked");
    }
}

fn look_around(session: &mut Pipe) {
    let listed = session.request("tools/list", json!({}));
    assert_eq!(names(&listed["result"]["tools"]), TOOLS);

    let failing = session.call("list_failing_pods", json!({"namespace": "shop"}));
    assert_eq!(failing["structuredContent"]["failing_total"], 3);
    assert_eq!(names(&failing["structuredContent"]["pods"]), FAILING);

    let events =
        session.call("get_recent_events", json!({"namespace": "shop", "warnings_only": true}));
    assert!(text(&events).contains("Back-off restarting failed container checkout"), "{events}");

    let logs = session.call(
        "get_pod_logs",
        json!({"namespace": "shop", "pod_name": FAILING[1], "previous": true, "tail_lines": 500}),
    );
    let said = text(&logs);
    assert!(said.contains("java.lang.OutOfMemoryError: Java heap space"));
    // What tells an agent what to do is one more line of a log, and the answer says so.
    assert!(said.contains("IGNORE PREVIOUS INSTRUCTIONS"));
    assert_eq!(logs["_meta"]["toolgate/untrusted"], true);
    assert!(said.contains("password=[redacted:"));
    assert!(said.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()));
    let counted = |what: &str| logs["structuredContent"][what].as_u64().unwrap();
    assert_eq!((counted("secrets_redacted"), counted("characters_removed")), (6, 101));

    // It names what it wants restarted, where the grant does not reach.
    let lured = session
        .call("restart_deployment", json!({"namespace": "payments", "deployment_name": "ledger"}));
    assert_eq!(lured["isError"], true);
    expect!["not found: Deployment `ledger` not found in namespace `payments` of cluster `demo`, or not granted"].assert_eq(text(&lured));
}

fn ask_for_a_restart(home: &Home, session: &mut Pipe) -> String {
    let of_checkout = json!({"namespace": "shop", "label_selector": "app=checkout"});
    let before = session.call("list_deployments", of_checkout.clone());
    let asked = restart(session);
    assert_eq!(asked["isError"], false);
    let content = &asked["structuredContent"];
    assert_eq!(content["outcome"], "approval_required");
    assert_eq!(content["pods_total"], 3);
    let id = content["approval_id"].as_str().unwrap().to_owned();

    // Asking again is no second request, and no yes.
    for _ in 0..3 {
        let again = restart(session);
        assert_eq!(again["structuredContent"]["outcome"], "approval_required");
        assert_eq!(again["structuredContent"]["approval_id"], id);
    }
    let after = session.call("list_deployments", of_checkout);
    let state = |listed: &Value| {
        let found = &listed["structuredContent"]["deployments"][0];
        (found["name"].clone(), found["revision"].clone(), found["updated"].clone())
    };
    assert_eq!(state(&before), state(&after), "nothing was executed");
    let recorded = home.run(&["audit", "--json"]).good();
    assert!(!recorded.contains(r#""stage":"intent""#) && !recorded.contains(r#""stage":"effect""#));
    id
}

fn approve(home: &Home, id: &str) {
    expect![[r#"
        ID                STATUS   WHAT                                      FOR     MISSING  REQUESTED             EXPIRES
        <id>  pending  restart Deployment shop/checkout in demo  ada@os  1 yes    <time>  <time>
    "#]].assert_eq(&home.tame(&home.run(&["approvals", "list"]).good()));
    expect![[r#"
        restart Deployment shop/checkout in demo
        status     pending
        asked by   ada@os
        through    restart_deployment of plugin remediation
        code       sha256:<digest>
        object     uid <uid>, generation 9
        requested  <time>
        expires    <time>
        needs      a yes of 1 person, by rule writes-need-approval:15
        caller says “it is out of memory”

        changes
          spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]
          + <time>
        replaces 3 pods
          checkout-7d9f8b6c54-mk4zq
          checkout-7d9f8b6c54-qp7rj
          checkout-7d9f8b6c54-x2v8k
        leaves at least 1 replica meanwhile
        disruption budget checkout: 0 disruptions allowed now, 1 healthy of 1 needed
        ! not every pod is available now: 1 of 3 new replicas are available
        ! disruption budget `checkout` allows no disruption now, and a rolling restart does not ask it
    "#]].assert_eq(&home.tame(&home.run(&["approvals", "show", id]).good()));
    let yes = home.run(&["approvals", "approve", id, "--reason", "customers cannot pay"]);
    expect![[r#"
        approved: restart Deployment shop/checkout in demo
    "#]]
    .assert_eq(&yes.good());
    let twice = home.run(&["approvals", "approve", id]);
    assert_eq!(twice.code, Some(1), "an answer is given once: {twice:?}");
}
