//! The person at the client as an approver, with the program as people run it, over both transports
//! and in both eras.

use std::io::Write as _;
use std::net::TcpStream;
use std::sync::mpsc::Receiver;

use serde_json::{Value, json};
use toolgate_tests::grants;

use crate::elicitation::{CONFIRM, policy, restart, text, yes};
use crate::program::{ANSWERED_WITHIN, Home, Http, Pipe, lines_of};

const ASKING: &str = "2025-11-25";

pub(crate) fn home() -> Home {
    let home = Home::new();
    let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
    let config = format!(
        "[clusters.demo]\ndemo = true\n[mode]\nread_only = false\n{grants}\n\
         [policy]\nfile = \"policy.cedar\"\n"
    );
    home.furnish(&["plugins/remediation"], &config);
    home.put("policy.cedar", policy(CONFIRM));
    home
}

fn hello() -> Value {
    json!({"protocolVersion": ASKING, "capabilities": {"elicitation": {}},
        "clientInfo": {"name": "asking", "version": "1"}})
}

fn message(id: &str, method: &str, params: Value) -> String {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string()
}

fn call() -> Value {
    json!({"name": "restart_deployment", "arguments": restart("checkout")})
}

/// One effect, and a record that says who said yes, and which way.
pub(crate) fn assert_executed_once(home: &Home, by: &str) {
    let lines = home.run(&["audit", "--json"]).good();
    let records: Vec<Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |stage: &str| records.iter().filter(|r| r["stage"] == stage).collect::<Vec<_>>();
    let [decided] = of("approval-decided")[..] else { panic!("one decision: {lines}") };
    assert_eq!(
        [&decided["decision"], &decided["by"], &decided["through"]],
        [&json!("approved"), &json!(by), &json!("client")]
    );
    assert_eq!((of("intent").len(), of("effect").len()), (1, 1), "{lines}");
}

#[test]
fn over_pipes_in_a_session() {
    let home = home();
    let mut pipe = Pipe::start(&home, &["serve"]);
    pipe.request("initialize", hello());
    pipe.say(r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#);
    pipe.say(&message("call", "tools/call", call()));
    let asked = pipe.hear();
    assert_eq!(asked["method"], "elicitation/create", "{asked}");
    pipe.say(&json!({"jsonrpc": "2.0", "id": asked["id"], "result": yes()}).to_string());
    let told = pipe.hear();
    assert_eq!(told["id"], "call");
    assert!(text(&told).contains("Performed"), "{told}");
    pipe.close();
    assert_executed_once(&home, "ada@os");
}

#[test]
fn progress_goes_on_where_it_stood_before_the_question() {
    let home = home();
    let mut pipe = Pipe::start(&home, &["serve"]);
    pipe.request("initialize", hello());
    pipe.say(r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#);
    let mut params = call();
    params["_meta"] = json!({"progressToken": "steps"});
    pipe.say(&message("call", "tools/call", params));
    let mut steps = Vec::new();
    let told = loop {
        let heard = pipe.hear();
        match heard["method"].as_str() {
            Some("elicitation/create") => {
                let answer = json!({"jsonrpc": "2.0", "id": heard["id"], "result": yes()});
                pipe.say(&answer.to_string());
            }
            Some("notifications/progress") => {
                steps.push(heard["params"]["progress"].as_f64().unwrap());
            }
            _ => break heard,
        }
    };
    assert!(text(&told).contains("Performed"), "{told}");
    assert!(!steps.is_empty() && steps.is_sorted_by(|a, b| a < b), "{steps:?}");
    pipe.close();
}

#[test]
fn a_client_that_leaves_while_it_is_asked_has_not_answered() {
    let home = home();
    let mut pipe = Pipe::start(&home, &["serve"]);
    pipe.request("initialize", hello());
    pipe.say(r#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#);
    pipe.say(&message("call", "tools/call", call()));
    assert_eq!(pipe.hear()["method"], "elicitation/create");
    pipe.close();
    let lines = home.run(&["audit", "--json"]).good();
    let records = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stages: Vec<_> = records
        .filter(|record| ["approval-decided", "intent"].iter().any(|s| record["stage"] == *s))
        .map(|record| format!("{} {}", record["stage"], record["decision"]))
        .collect();
    assert_eq!(stages, [r#""approval-decided" "expired""#]);
}

#[test]
fn over_pipes_in_turns() {
    let home = home();
    let mut pipe = Pipe::start(&home, &["serve"]);
    let mut params = modern(call());
    let asked = pipe.request("tools/call", params.clone());
    let state = asked["result"]["requestState"].as_str().expect("it asks").to_owned();
    params["requestState"] = json!(state);
    params["inputResponses"] = json!({"approval": yes()});
    let told = pipe.request("tools/call", params.clone());
    assert!(text(&told).contains("Performed"), "{told}");
    let again = pipe.request("tools/call", params.clone());
    assert!(text(&again).contains("executed already"), "{again}");
    pipe.close();
    // Another process has another key.
    let mut pipe = Pipe::start(&home, &["serve"]);
    let elsewhere = pipe.request("tools/call", params);
    assert!(text(&elsewhere).contains("none that this server gave"), "{elsewhere}");
    pipe.close();
    assert_executed_once(&home, "ada@os");
}

fn modern(mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    });
    params
}

#[test]
fn over_http_in_turns() {
    let home = home();
    let server = Http::start(&home, &["serve", "--http", "--listen", "127.0.0.1:0"]);
    let headers = [
        ("MCP-Protocol-Version", "2026-07-28"),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "restart_deployment"),
    ];
    let mut params = modern(call());
    let post = |params: &Value| {
        server.post(&headers, message("call", "tools/call", params.clone()).as_bytes())
    };
    let asked = post(&params).message();
    params["requestState"] = asked["result"]["requestState"].clone();
    params["inputResponses"] = json!({"approval": yes()});
    // From many connections at once, and once more: one effect.
    let told: Vec<_> = std::thread::scope(|scope| {
        let calls: Vec<_> =
            (0..8).map(|_| scope.spawn(|| text(&post(&params).message()))).collect();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    });
    assert!(told.iter().any(|told| told.contains("Performed")), "{told:#?}");
    let again = post(&params).message();
    assert!(text(&again).contains("executed already"), "{again}");
    drop(server);
    assert_executed_once(&home, "anonymous@loopback");
}

/// The messages of an answer that goes on while its client says more.
struct Stream(Receiver<String>);

impl Stream {
    fn open(server: &Http, session: &str, body: &str) -> Self {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMcp-Session-Id: {session}\r\n\
             MCP-Protocol-Version: {ASKING}\r\nContent-Length: {}\r\n\r\n",
            server.address(),
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
        Self(lines_of(stream))
    }

    fn hear(&self) -> Value {
        loop {
            let line = self.0.recv_timeout(ANSWERED_WITHIN).expect("the stream goes on");
            let data = line.strip_prefix("data:").map(str::trim).filter(|data| !data.is_empty());
            if let Some(data) = data {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

#[test]
fn over_http_in_a_session() {
    let home = home();
    let server = Http::start(&home, &["serve", "--http", "--listen", "127.0.0.1:0"]);
    let hello = server.post(&[], message("hello", "initialize", hello()).as_bytes());
    let session = hello.header("mcp-session-id").expect("a session").to_owned();
    let headers = [("Mcp-Session-Id", session.as_str()), ("MCP-Protocol-Version", ASKING)];
    let ready = br#"{"jsonrpc": "2.0", "method": "notifications/initialized"}"#;
    assert_eq!(server.post(&headers, ready).status, 202);
    let stream = Stream::open(&server, &session, &message("call", "tools/call", call()));
    let asked = stream.hear();
    assert_eq!(asked["method"], "elicitation/create", "on the stream of the call: {asked}");
    let answer = json!({"jsonrpc": "2.0", "id": asked["id"], "result": yes()}).to_string();
    assert_eq!(server.post(&headers, answer.as_bytes()).status, 202);
    let told = stream.hear();
    assert!(text(&told).contains("Performed"), "{told}");
    drop(server);
    assert_executed_once(&home, "anonymous@loopback");
}
