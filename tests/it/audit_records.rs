//! What an auditor reads: every stage of the calls of one client, from the question to the effect,
//! with everything that is known of it, through the real program.

use std::collections::BTreeMap;
use std::path::Path;

use expect_test::expect;
use regex::Regex;
use serde_json::{Value, json};
use toolgate_tests::{grants, repository};

use crate::console::{SERVE, id_in};
use crate::program::{Home, Http, copy_folder};

const PLUGINS: [&str; 3] = ["plugins/logs", "plugins/pods", "plugins/remediation"];

/// The first rule is on line 1, and so on: the records name them.
const POLICY: &str = r#"@id("reads") permit (principal, action in Action::"read", resource);
@id("restarts-need-a-yes") @approval("required") @requester("may-approve")
permit (principal, action == Action::"restart", resource);
@id("never-scale")
forbid (principal, action == Action::"scale", resource);
@id("not-the-bank")
forbid (principal, action, resource) when { resource has namespace && resource.namespace == "bank" };
"#;

/// A pod whose log holds a secret, and what moves a cursor.
const POD: &str = "nightly-report-29384775-w8dzx";

fn served(home: &Home) -> Http {
    let scenario = home.path().join("scenario");
    copy_folder(&repository().join("host/scenarios/checkout-oom"), &scenario);
    let folder = scenario.join(format!("logs/shop/{POD}"));
    std::fs::create_dir_all(&folder).unwrap();
    let token = format!("ghp_{}", "aB3dE5gH7jK9mN1pQ3sT5vW7yZ9bC1dE3fG5");
    let log = format!("-2m5s using {token}\n-2m4s \u{1b}[31mred\u{1b}[0m \u{202e}reversed\n");
    std::fs::write(folder.join("report.log"), log).unwrap();
    home.put("policy.cedar", POLICY);
    let reach = "namespaces = [\"*\"]";
    let config = format!(
        "[policy]\nfile = \"policy.cedar\"\n[mode]\nread_only = false\n[clusters.demo]\nscenario = {}\ndemo = true\n",
        json!(scenario)
    );
    let granted = PLUGINS.map(|source| grants(source, reach)).concat();
    home.furnish(&PLUGINS, &(config + &granted));
    let checked = home.run(&["check"]);
    assert_eq!(checked.code, Some(0), "{checked:?}");
    Http::start(home, &SERVE)
}

/// Calls a tool as a program that serves erin would.
fn call(http: &Http, tool: &str, arguments: Value) -> String {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool,
        "arguments": arguments,
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
            "io.modelcontextprotocol/clientInfo": {"name": "suite", "version": "2.1"},
            "toolgate/on-behalf-of": "erin@example.org",
        },
    }});
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", tool),
        ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"),
    ];
    let answer = http.post(&headers, message.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.message().to_string()
}

/// The records of calls, in order, and of what is asked of a cluster the first of each call.
fn records(folder: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join("state/audit/audit.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut requests = BTreeMap::<String, usize>::new();
    let of_calls = records.filter(|record| {
        let call = record["call"].as_str().map(str::to_owned);
        call.is_some_and(|call| {
            let n = requests.entry(call).or_default();
            *n += usize::from(record["stage"] == "request");
            record["stage"] != "request" || *n == 1
        })
    });
    let mut records: Vec<Value> = of_calls.collect();
    // Call by call: what a person said comes to its call whenever it is seen.
    let mut calls: Vec<Value> = Vec::new();
    for record in &records {
        if !calls.contains(&record["call"]) {
            calls.push(record["call"].clone());
        }
    }
    records.sort_by_key(|record| calls.iter().position(|call| *call == record["call"]));
    records
}

/// One record, a line for each thing it says; its place in the chain is checked elsewhere.
fn shown(home: &Home, record: &Value) -> String {
    let mut text = format!("{}\n", record["stage"].as_str().unwrap());
    for (name, value) in record.as_object().unwrap() {
        let value = match name.as_str() {
            "schema" | "instance" | "seq" | "prev" | "hash" | "stage" => continue,
            "bytes" | "duration_ms" => {
                assert!(value.as_f64().unwrap() > 0.0, "{record}");
                "<n>".to_owned()
            }
            "path" => value.as_str().unwrap().split('?').next().unwrap().to_owned(),
            _ => value.as_str().map_or_else(|| value.to_string(), str::to_owned),
        };
        text.push_str(&format!("  {name:<12} {value}\n"));
    }
    let fingerprint = Regex::new("hmac-sha256:[0-9a-f]{32}").unwrap();
    fingerprint.replace_all(&home.tame(&text), "hmac-sha256:<hash>").into_owned()
}

#[test]
fn every_stage_says_all_that_an_auditor_asks_for() {
    let home = Home::new();
    let http = served(&home);
    let log = call(&http, "get_pod_logs", json!({"namespace": "shop", "pod_name": POD}));
    assert!(log.contains("[redacted:"), "{log}");
    let restart = json!({"namespace": "shop", "deployment_name": "checkout", "reason": "it leaks"});
    let id = id_in(&call(&http, "restart_deployment", restart.clone()));
    home.run(&["approvals", "approve", &id, "--reason", "seen with erin"]).good();
    let done = call(&http, "restart_deployment", restart);
    assert!(done.contains("\"performed\""), "{done}");
    call(&http, "list_pods", json!({"namespace": "bank"}));
    let scale = json!({"namespace": "shop", "deployment_name": "checkout", "replicas": 3});
    call(&http, "scale_deployment", scale);
    call(&http, "list_pods", json!({"namespace": "s".repeat(300_000)}));
    call(&http, "no_such_tool", json!({"password": "hunter2"}));
    drop(http);
    let lines = home.run(&["audit"]).good();
    assert!(lines.contains("anonymous@loopback for `erin@example.org` get_pod_logs {"), "{lines}");
    assert!(lines.contains("its operator can say more (never-scale:4)"), "{lines}");
    let records = records(home.path());
    let shown: Vec<_> = records.iter().map(|record| shown(&home, record)).collect();
    expect![[r#"
        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         get_pod_logs
          arguments    {"namespace":"shop","pod_name":"nightly-report-29384775-w8dzx"}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        admitted
          at           <time>
          call         <id>
          plugin       logs
          digest       <digest>
          tier         read

        used
          at           <time>
          call         <id>
          capability   kubernetes-logs
          verb         get-log
          target       {"cluster":"demo","namespace":"shop","kind":"Pod","name":"nightly-report-29384775-w8dzx"}
          allowed      true
          rule         reads:1

        request
          at           <time>
          call         <id>
          cluster      demo
          method       GET
          path         /api/v1/namespaces/shop/pods/nightly-report-29384775-w8dzx

        completed
          at           <time>
          call         <id>
          outcome      output
          bytes        <n>
          truncated    false
          redactions   1
          sanitised    10
          sanitised_by_kind {"bidi":1,"escapes":9}
          duration_ms  <n>

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         restart_deployment
          arguments    {"namespace":"shop","deployment_name":"checkout","reason":"it leaks"}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        admitted
          at           <time>
          call         <id>
          plugin       remediation
          digest       <digest>
          tier         reversible

        used
          at           <time>
          call         <id>
          capability   kubernetes-restart
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          allowed      true
          rule         restarts-need-a-yes:2

        request
          at           <time>
          call         <id>
          cluster      demo
          method       GET
          path         /apis/apps/v1/namespaces/shop/deployments/checkout

        approval-requested
          at           <time>
          call         <id>
          approval     <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          plugin       remediation
          digest       <digest>
          rule         restarts-need-a-yes:2
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          uid          <uid>
          generation   9

        completed
          at           <time>
          call         <id>
          outcome      output
          bytes        <n>
          truncated    false
          duration_ms  <n>

        approval-decided
          at           <time>
          call         <id>
          approval     <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          plugin       remediation
          digest       <digest>
          rule         restarts-need-a-yes:2
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          uid          <uid>
          generation   9
          decision     approved
          by           ada@os
          through      command-line
          reason       seen with erin

        intent
          at           <time>
          call         <id>
          approval     <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          plugin       remediation
          digest       <digest>
          rule         restarts-need-a-yes:2
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          uid          <uid>
          generation   9

        effect
          at           <time>
          call         <id>
          approval     <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          plugin       remediation
          digest       <digest>
          rule         restarts-need-a-yes:2
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          uid          <uid>
          generation   9
          result       done

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         restart_deployment
          arguments    {"namespace":"shop","deployment_name":"checkout","reason":"it leaks"}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        admitted
          at           <time>
          call         <id>
          plugin       remediation
          digest       <digest>
          tier         reversible

        used
          at           <time>
          call         <id>
          capability   kubernetes-restart
          verb         restart
          target       {"cluster":"demo","namespace":"shop","kind":"Deployment","name":"checkout"}
          allowed      true
          rule         restarts-need-a-yes:2

        request
          at           <time>
          call         <id>
          cluster      demo
          method       GET
          path         /apis/apps/v1/namespaces/shop/deployments/checkout

        completed
          at           <time>
          call         <id>
          outcome      output
          bytes        <n>
          truncated    false
          duration_ms  <n>

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         list_pods
          arguments    {"namespace":"bank"}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        admitted
          at           <time>
          call         <id>
          plugin       pods
          digest       <digest>
          tier         read

        used
          at           <time>
          call         <id>
          capability   kubernetes-read
          verb         list
          target       {"cluster":"demo","namespace":"bank","kind":"Pod"}
          allowed      false
          rule         not-the-bank:6

        completed
          at           <time>
          call         <id>
          outcome      tool-error
          detail       not found: namespace `bank` not found in cluster `demo`, or not granted
          bytes        <n>
          truncated    false
          duration_ms  <n>

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         scale_deployment
          arguments    {"namespace":"shop","deployment_name":"checkout","replicas":3}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        refused
          at           <time>
          call         <id>
          refusal      denied
          reason       this server's policy allows you no use of it; its operator can say more
          rule         never-scale:4
          plugin       remediation
          digest       <digest>

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         list_pods
          arguments    300016 bytes: more than are taken
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        refused
          at           <time>
          call         <id>
          refusal      invalid-arguments
          reason       the arguments do not fit: they weigh 300016 bytes, and at most 262144 are taken
          plugin       pods
          digest       <digest>

        received
          at           <time>
          call         <id>
          principal    anonymous@loopback
          on_behalf_of erin@example.org
          client       suite/2.1
          tool         no_such_tool
          arguments    {"password":"hmac-sha256:<hash>"}
          traceparent  00-0af7651916cd43dd8448eb211c80319c-<id>-01

        refused
          at           <time>
          call         <id>
          refusal      unknown-tool
          reason       there is no tool `no_such_tool`
    "#]].assert_eq(&shown.join("\n"));
}
