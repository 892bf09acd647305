//! What reaches a client: nothing that a guest or a cluster slipped in.

use std::sync::Arc;

use expect_test::expect;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use toolgate::domain::principal::Principal;
use toolgate::gateway::Tools;
use toolgate::transport::{REREAD_EVERY, serve_io};
use toolgate_tests::{House, repository};

use crate::program::{copy_folder, unfenced};

/// Every line that a client reads of a session in which it calls these tools, by id.
async fn session(house: &House, calls: &[(&str, Value)]) -> Vec<Value> {
    let (client, server) = tokio::io::duplex(1 << 20);
    let (read, write) = tokio::io::split(server);
    let tools: Arc<dyn Tools> = house.gateway().clone();
    let serving =
        serve_io(tools, Principal::local("eve"), read, write, REREAD_EVERY, std::future::pending());
    let serving = tokio::spawn(serving);
    let (from_server, mut to_server) = tokio::io::split(client);
    let mut lines = BufReader::new(from_server).lines();
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"}});
    let mut messages =
        vec![json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello})];
    messages.push(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}));
    for (idx, (tool, arguments)) in calls.iter().enumerate() {
        let params = json!({"name": tool, "arguments": arguments});
        messages.push(
            json!({"jsonrpc": "2.0", "id": idx + 1, "method": "tools/call", "params": params}),
        );
    }
    for message in messages {
        to_server.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    let mut answers = Vec::new();
    while answers.len() <= calls.len() {
        let line = lines.next_line().await.unwrap().expect("the session goes on");
        answers.push(serde_json::from_str::<Value>(&line).expect("a line is a message"));
    }
    to_server.shutdown().await.unwrap();
    while let Some(line) = lines.next_line().await.unwrap() {
        answers.push(serde_json::from_str(&line).expect("a line is a message"));
    }
    serving.await.unwrap().unwrap();
    answers.sort_by_key(|answer| answer["id"].as_u64());
    answers.remove(0); // The handshake.
    answers
}

#[tokio::test]
async fn a_guest_that_fails_or_forges_tells_the_client_nothing() {
    let sources = ["guests/panicker", "guests/stdout-forger", "guests/lying-schema"];
    let house = House::of(&sources, "").await;
    let calls = [("panic", json!({})), ("forge_stdout", json!({})), ("lie", json!({}))];
    let answers = session(&house, &calls).await;
    assert_eq!(answers.len(), calls.len(), "{answers:#?}");
    let texts: Vec<_> = answers
        .iter()
        .map(|answer| {
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            let call = answer["result"]["_meta"]["toolgate/call"].as_str().unwrap();
            text.replace(call, "CALL")
        })
        .collect();
    expect![[r#"
        the tool stopped because of an error in the plugin; its operator finds the reason in the log under call `CALL`
        stdout=true stderr=true variables=0 1
        the tool stopped because of an error in the plugin; its operator finds the reason in the log under call `CALL`"#]].assert_eq(&texts.join("\n"));
    let wire = format!("{answers:?}");
    assert!(!wire.contains("swordfish") && !wire.contains("forged") && !wire.contains("many"));
}

/// A log as an attacker who owns a pod would write it.
const HOSTILE: [&str; 5] = [
    "-60m50s \u{1b}]0;owned\u{7}\u{1b}[31mred\u{1b}[0m",
    "-60m49s pass\u{200b}word=hunter2secret",
    "-60m48s left\u{202e}thgir\u{2066}",
    "-60m47s \u{e0041}\u{e0042}tag characters",
    "-60m46s key AKIAIOSFODNN7EXAMPLE in use",
];

#[tokio::test]
async fn invariant_11_what_a_pod_writes_is_data_and_nothing_else() {
    let scenario = tempfile::tempdir().unwrap();
    copy_folder(&repository().join("host/scenarios/checkout-oom"), scenario.path());
    let log = scenario.path().join("logs/shop/nightly-report-29384775-w8dzx/report.log");
    std::fs::write(&log, HOSTILE.join("\n") + "\n").unwrap();
    let config = format!(
        "[clusters.demo]\ndemo = true\nscenario = {:?}\n\
         [grants.logs.kubernetes-logs]\nnamespaces = [\"shop\"]\n",
        scenario.path()
    );
    let house = House::of(&["plugins/logs"], &config).await;
    let pod = json!({"namespace": "shop", "pod_name": "nightly-report-29384775-w8dzx"});
    let answers = session(&house, &[("get_pod_logs", pod)]).await;
    let result = &answers[0]["result"];
    let text = unfenced(result["content"][0]["text"].as_str().unwrap());
    expect![[r#"
        shop/nightly-report-29384775-w8dzx, container `report`: 5 lines, oldest first. Secrets redacted: 2. Control characters removed: 24.

        red
        password=[redacted:named]
        leftthgir
        tag characters
        key [redacted:aws-access-key] in use"#]].assert_eq(text);
    let meta = &result["_meta"];
    let fence = format!("<{}>\n", meta["toolgate/fence"].as_str().unwrap());
    assert!(result["content"][0]["text"].as_str().unwrap().starts_with(&fence));
    let withheld = json!({"secrets": 2, "escapes": 19, "bidi": 2, "invisible": 1, "tags": 2});
    assert_eq!(meta["toolgate/withheld"], withheld);
    expect![[r#"true [{"capability":"kubernetes-logs","target":"Pod shop/nightly-report-29384775-w8dzx in demo"}]"#]]
        .assert_eq(&format!("{} {}", meta["toolgate/untrusted"], meta["toolgate/provenance"]));
    let wire = format!("{answers:?}");
    for hidden in ["hunter2", "AKIAIOSFODNN7", "\\u{1b}", "\\u{202e}", "\\u{2066}", "\\u{e0041}"] {
        assert!(!wire.contains(hidden), "{hidden}: {wire}");
    }
}
