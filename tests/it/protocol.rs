//! What the program makes of clients that do not keep to the protocol, and of many at once. The rules
//! themselves have their tests beside the transport; here, one session meets them all and goes on.

use std::collections::BTreeSet;

use expect_test::expect;
use serde_json::{Value, json};

use crate::program::{Home, Http, Pipe, TOOLS, hello};

/// Slow enough for calls to overlap, on any machine.
const SLOW_CLUSTER: &str = r#"
[clusters.demo]
demo = true
latency_ms = 700
[grants.pods.kubernetes-read]
namespaces = ["shop"]
[grants.pods.kubernetes-events]
namespaces = ["shop"]
"#;

/// Messages that are none, or are for nobody.
const BAD: [&str; 18] = [
    r#"{"jsonrpc":"#,
    "nonsense",
    "[]",
    r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
    "{}",
    r#""text""#,
    r#"{"jsonrpc":"1.0","id":2,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
    r#"{"jsonrpc":"2.0","id":3,"method":5}"#,
    r#"{"jsonrpc":"2.0","id":4,"method":"tools/destroy"}"#,
    r#"{"jsonrpc":"2.0","id":5,"method":"tools/call"}"#,
    r#"{"jsonrpc":"2.0","id":6,"method":"tools/call","params":"text"}"#,
    r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":5}}"#,
    r#"{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"list_pods","arguments":[]}}"#,
    r#"{"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"../../x","arguments":{}}}"#,
    r#"{"jsonrpc":"2.0","id":10,"method":"tools/list","params":{"cursor":"x"}}"#,
    r#"{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"list_pods","arguments":{"cluster":"\u0000"}}}"#,
];

/// Two lines that are large in different ways; each is answered without being held.
fn large() -> [String; 2] {
    let long =
        json!({"jsonrpc": "2.0", "id": 12, "method": "ping", "params": {"x": "x".repeat(5 << 20)}});
    ["[".repeat(200_000), long.to_string()]
}

#[test]
fn a_session_survives_messages_that_are_none() {
    let home = Home::new();
    let mut session = Pipe::open(&home, &["demo", "--stdio"]);
    let mut seen = String::new();
    let large = large();
    for line in BAD.into_iter().chain(large.iter().map(String::as_str)) {
        session.say(line);
        let answer = session.hear();
        let text = match answer["error"]["message"].as_str() {
            Some(message) => format!("{} {message}", answer["error"]["code"]),
            None => format!("isError {}", answer["result"]["content"][0]["text"]),
        };
        let shown: String = line.chars().take(100).collect();
        seen.push_str(&format!("{shown}\n    {} {text}\n", answer["id"]));
    }
    expect![[r#"
        {"jsonrpc":
            null -32700 the message is not JSON: EOF while parsing a value at line 1 column 11
        nonsense
            null -32700 the message is not JSON: expected ident at line 1 column 2
        []
            null -32600 batches are not served: send one message at a time
        [{"jsonrpc":"2.0","id":1,"method":"ping"}]
            null -32600 batches are not served: send one message at a time
        {}
            null -32600 `jsonrpc` must be "2.0"
        "text"
            null -32600 a message is a JSON object
        {"jsonrpc":"1.0","id":2,"method":"ping"}
            2 -32600 `jsonrpc` must be "2.0"
        {"jsonrpc":"2.0","id":null,"method":"ping"}
            null -32600 `id` must be a string or an integer
        {"jsonrpc":"2.0","id":1.5,"method":"ping"}
            null -32600 `id` must be a string or an integer
        {"jsonrpc":"2.0","id":3,"method":5}
            3 -32600 `method` must be a string
        {"jsonrpc":"2.0","id":4,"method":"tools/destroy"}
            4 -32601 there is no `tools/destroy`
        {"jsonrpc":"2.0","id":5,"method":"tools/call"}
            5 -32602 the parameters of `tools/call` have the wrong shape
        {"jsonrpc":"2.0","id":6,"method":"tools/call","params":"text"}
            6 -32600 `params` must be an object
        {"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":5}}
            7 -32602 the parameters of `tools/call` have the wrong shape
        {"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"list_pods","arguments":[]}}
            8 -32602 the parameters of `tools/call` have the wrong shape
        {"jsonrpc":"2.0","id":9,"method":"tools/call","params":{"name":"../../x","arguments":{}}}
            9 -32602 Unknown tool: `../../x`
        {"jsonrpc":"2.0","id":10,"method":"tools/list","params":{"cursor":"x"}}
            10 -32602 the cursor is not valid
        {"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":"list_pods","arguments":{"cluster":"
            11 isError "not found: cluster `` not found"
        [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
            null -32600 the message nests deeper than 64
        {"jsonrpc":"2.0","id":12,"method":"ping","params":{"x":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            null -32600 the message is larger than 4194304 bytes
    "#]].assert_eq(&seen);
    let listed = session.request("tools/list", json!({}));
    assert_eq!(listed["result"]["tools"].as_array().unwrap().len(), TOOLS.len());
    session.close();
}

#[test]
fn a_client_that_never_says_hello_gets_answers_and_no_tools() {
    let home = Home::new();
    for line in ["", "nonsense", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#] {
        let mut session = Pipe::start(&home, &["demo", "--stdio"]);
        session.say(line);
        let said = session.close().join("\n");
        assert!(!said.contains("inputSchema"), "{line}: {said}");
    }
}

#[test]
fn twenty_calls_at_once_do_not_keep_a_ping_waiting() {
    let home = Home::new();
    home.furnish(&["plugins/pods"], SLOW_CLUSTER);
    let mut session = Pipe::open(&home, &["serve"]);
    let ids: BTreeSet<i64> = (100..120).collect();
    for id in &ids {
        let call = json!({"name": "list_pods", "arguments": {"namespace": "shop"}});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call});
        session.say(&message.to_string());
    }
    session.say(r#"{"jsonrpc": "2.0", "id": "ping", "method": "ping"}"#);
    assert_eq!(session.hear()["id"], "ping", "a ping waits for no call");
    let mut answered = BTreeSet::new();
    while answered.len() < ids.len() {
        let answer = session.hear();
        assert!(answered.insert(answer["id"].as_i64().unwrap()), "answered twice: {answer}");
        // Some may be turned away, and are told so; none is forgotten.
        let turned_away = answer["result"]["isError"] == true;
        assert!(turned_away || answer["result"]["structuredContent"]["total"] == 11, "{answer}");
    }
    assert_eq!(answered, ids);
    session.close();
}

#[test]
fn a_client_that_leaves_in_the_middle_of_calls_leaves_nothing_behind() {
    let home = Home::new();
    home.furnish(&["plugins/pods"], SLOW_CLUSTER);
    let mut session = Pipe::open(&home, &["serve"]);
    for id in 100..104 {
        let call = json!({"name": "list_pods", "arguments": {"namespace": "shop"}});
        let message = json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": call});
        session.say(&message.to_string());
    }
    session.close();
    let recorded = home.run(&["audit"]).good();
    let count = |word: &str| recorded.matches(&format!(" {word} ")).count();
    assert_eq!((count("received"), count("completed")), (4, 4), "{recorded}");
}

#[test]
fn a_client_that_does_not_wait_leaves_a_record_with_an_end() {
    let home = Home::new();
    home.furnish(&["plugins/pods"], &SLOW_CLUSTER.replace("700", "5000"));
    let mut session = Pipe::open(&home, &["serve"]);
    let call = json!({"name": "list_pods", "arguments": {"namespace": "shop"}});
    let message = json!({"jsonrpc": "2.0", "id": 100, "method": "tools/call", "params": call});
    session.say(&message.to_string());
    session.close();
    let recorded = home.run(&["audit"]).good();
    let ends = recorded.lines().filter(|l| l.contains(" completed ") || l.contains(" abandoned "));
    assert_eq!(ends.count(), 1, "{recorded}");
}

#[test]
fn a_guest_that_writes_to_standard_output_reaches_no_client() {
    let home = Home::new();
    home.furnish(&["guests/stdout-forger", "guests/panicker"], "[clusters.demo]\ndemo = true\n");
    let mut session = Pipe::open(&home, &["serve"]);
    session.request("tools/list", json!({}));
    let forged = session.call("forge_stdout", json!({}));
    assert_eq!(forged["isError"], false, "{forged}");
    let panicked = session.call("panic", json!({}));
    assert_eq!(panicked["isError"], true, "{panicked}");
    let lines = session.close();
    // Three requests and the opening one: as many lines, each the answer to one of them.
    assert_eq!(lines.len(), 4, "{lines:#?}");
    for (index, line) in lines.iter().enumerate() {
        let message: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&message["jsonrpc"], &message["id"]), (&json!("2.0"), &json!(index + 1)));
        assert!(!line.contains("forged"), "{line}");
    }
}

/// What it is, its headers, and its body.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn http_turns_away_what_is_no_request() {
    let home = Home::new();
    let server = Http::start(&home, &["demo", "--http", "127.0.0.1:0"]);
    let port = server.address().rsplit(':').next().unwrap();
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello()});
    let hello = hello.to_string();
    let [deep, long] = large();
    let own_page = format!("http://localhost:{port}");
    let other_port = format!("http://127.0.0.1:{}", u16::from(port == "1") + 1);
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let cases: [Case<'_>; 14] = [
        ("as it should be", &[], &hello),
        ("from its own page", &[("Origin", &own_page)], &hello),
        ("from a page elsewhere", &[("Origin", "https://evil.example")], &hello),
        ("from a page of another port", &[("Origin", &other_port)], &hello),
        ("from a file", &[("Origin", "null")], &hello),
        ("under another name", &[("Host", "evil.example")], &hello),
        ("as a form", &[("Content-Type", "text/plain")], &hello),
        ("to somebody's session", &[("Mcp-Session-Id", "1")], &hello),
        ("of another version", &[("MCP-Protocol-Version", "1999-01-01")], list),
        ("not JSON", &[], BAD[0]),
        ("a batch", &[], BAD[3]),
        ("of no era", &[], list),
        ("deep", &[], &deep),
        ("long", &[], &long),
    ];
    let mut seen = String::new();
    for (case, headers, body) in cases {
        let answer = server.post(headers, body.as_bytes());
        let what = match answer.status {
            200 => answer.message()["result"]["protocolVersion"].to_string(),
            _ => answer.body.trim().to_owned(),
        };
        seen.push_str(&format!("{case}: {} {what}\n", answer.status));
        let allowed = answer.header("access-control-allow-origin");
        assert_eq!(allowed, None, "{case}: no page may read answers");
    }
    expect![[r#"
        as it should be: 200 "2025-11-25"
        from its own page: 200 "2025-11-25"
        from a page elsewhere: 403 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the `Origin` header names an origin that is not allowed"}}
        from a page of another port: 403 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the `Origin` header names an origin that is not allowed"}}
        from a file: 403 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the `Origin` header names an origin that is not allowed"}}
        under another name: 403 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the `Host` header names a host that is not allowed"}}
        as a form: 415 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the `Content-Type` must be `application/json`"}}
        to somebody's session: 404 {"jsonrpc":"2.0","error":{"code":-32600,"message":"there is no such session"}}
        of another version: 400 Bad Request: Unsupported MCP-Protocol-Version: 1999-01-01
        not JSON: 400 {"jsonrpc":"2.0","error":{"code":-32700,"message":"the message is not JSON: EOF while parsing a value at line 1 column 11"}}
        a batch: 400 {"jsonrpc":"2.0","error":{"code":-32600,"message":"batches are not served: send one message at a time"}}
        of no era: 400 Bad Request: Session ID is required
        deep: 400 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the message nests deeper than 64"}}
        long: 413 {"jsonrpc":"2.0","error":{"code":-32600,"message":"the message is larger than 4194304 bytes"}}
    "#]].assert_eq(&seen);
}

#[test]
fn http_serves_twenty_stateless_calls_at_once() {
    let home = Home::new();
    let server = Http::start(&home, &["demo", "--http", "127.0.0.1:0"]);
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": "list_pods",
        "arguments": {"namespace": "shop"},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    }});
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "list_pods"),
    ];
    let body = message.to_string();
    std::thread::scope(|scope| {
        let call = || server.post(&headers, body.as_bytes());
        let calls: Vec<_> = (0..20).map(|_| scope.spawn(call)).collect();
        for call in calls {
            let answer = call.join().unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let total = &answer.message()["result"]["structuredContent"]["total"];
            assert_eq!(total, 11, "{answer:?}");
            assert_eq!(answer.header("mcp-session-id"), None, "there are no sessions any more");
        }
    });
    // A header that says another tool than the body would pass whoever looks at headers only.
    let lying = [headers[0], headers[1], ("Mcp-Name", "get_pod_status")];
    let answer = server.post(&lying, body.as_bytes());
    assert_eq!((answer.status, &answer.message()["error"]["code"]), (400, &json!(-32020)));
}
