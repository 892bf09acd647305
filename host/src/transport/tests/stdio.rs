use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{
    AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf, duplex,
    split,
};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{House, PATIENCE, call, initialize, modern, request};
use crate::domain::principal::Principal;
use crate::transport::{MESSAGE_BYTES_MAX, TransportError, serve_io};

pub(super) struct Client {
    pub(super) house: Arc<House>,
    server: JoinHandle<Result<(), TransportError>>,
    shutdown: CancellationToken,
    write: WriteHalf<DuplexStream>,
    lines: Lines<BufReader<ReadHalf<DuplexStream>>>,
}

impl Client {
    pub(super) fn new() -> Self {
        let house = Arc::new(House::default());
        let (ours, theirs) = duplex(64 << 10);
        let (read, write) = split(theirs);
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(serve_io(
            house.clone(),
            Principal::local("alice"),
            read,
            write,
            Duration::from_secs(1),
            shutdown.clone().cancelled_owned(),
        ));
        let (read, write) = split(ours);
        Self { house, server, shutdown, write, lines: BufReader::new(read).lines() }
    }

    pub(super) async fn legacy(version: &str) -> Self {
        let mut client = Self::new();
        let answer = client.ask(initialize(version)).await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        client.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        client
    }

    pub(super) async fn send(&mut self, message: &Value) {
        self.send_raw(message.to_string().as_bytes()).await;
    }

    async fn send_raw(&mut self, line: &[u8]) {
        self.write.write_all(line).await.unwrap();
        self.write.write_all(b"\n").await.unwrap();
    }

    pub(super) async fn receive(&mut self) -> Value {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("an answer").unwrap();
        serde_json::from_str(&line.expect("a line")).unwrap()
    }

    pub(super) async fn ask(&mut self, message: Value) -> Value {
        self.send(&message).await;
        let answer = self.receive().await;
        assert_eq!(answer["id"], message["id"], "{answer}");
        answer
    }

    /// The client leaves, and the server ends.
    pub(super) async fn leave(mut self) {
        self.write.shutdown().await.unwrap();
        self.ended().await;
    }

    /// The server ends by itself.
    async fn ended(self) {
        timeout(PATIENCE, self.server).await.expect("the server ends").unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn lists_tools_in_pages_and_in_order() {
    let mut legacy = Client::legacy("2025-11-25").await;
    let mut names = Vec::new();
    let mut params = json!({});
    let mut pages = 0;
    loop {
        let answer = legacy.ask(request(1, "tools/list", &params)).await;
        let result = &answer["result"];
        assert!(result["resultType"].is_null() && result["ttlMs"].is_null(), "{result}");
        names.extend(result["tools"].as_array().unwrap().iter().map(|t| t["name"].clone()));
        pages += 1;
        if result["nextCursor"].is_null() {
            break;
        }
        params = json!({"cursor": result["nextCursor"]});
    }
    assert_eq!((pages, names.len()), (3, 120));
    assert!(names.is_sorted_by_key(ToString::to_string));

    for cursor in ["", "after.", "after.Not A Name", "x"] {
        let answer = legacy.ask(request(2, "tools/list", &json!({"cursor": cursor}))).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_what_a_client_needs_to_know_in_both_eras() {
    let mut legacy = Client::legacy("2025-06-18").await;
    let old = legacy.ask(request(1, "tools/list", &json!({}))).await["result"].clone();
    let new = Client::new().ask(modern(request(1, "tools/list", &json!({})))).await;
    let new = new["result"].clone();
    assert_eq!(old["tools"], new["tools"]);
    assert_eq!(new["resultType"], "complete");
    assert_eq!(new["cacheScope"], "private");
    assert_eq!(new["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "toolgate");
    let echo = &old["tools"][0];
    assert_eq!(
        echo,
        &json!({
            "name": "echo",
            "title": "The echo",
            "description": "Does echo.",
            "inputSchema": {"type": "object"},
            "outputSchema": {"type": "object"},
            "annotations": {
                "readOnlyHint": true, "destructiveHint": false,
                "idempotentHint": true, "openWorldHint": true,
            },
        })
    );
}

/// What is served, whichever way a client finds out.
fn capabilities() -> Value {
    json!({
        "completions": {},
        "logging": {},
        "prompts": {},
        "resources": {"subscribe": true},
        "tools": {},
    })
}

#[tokio::test(start_paused = true)]
async fn discovers_only_what_there_is() {
    let mut client = Client::new();
    let answer = client.ask(modern(request(1, "server/discover", &json!({})))).await;
    let result = &answer["result"];
    assert_eq!(result["supportedVersions"], json!(["2025-06-18", "2025-11-25", "2026-07-28"]));
    assert_eq!(result["capabilities"], capabilities());
    assert!(result["instructions"].as_str().unwrap().contains("untrusted"));
    let methods =
        ["no/such", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"];
    for method in methods {
        let answer = client.ask(modern(request(2, method, &json!({"level": "info"})))).await;
        assert_eq!(answer["error"]["code"], -32601, "{method}: {answer}");
    }
    let mut old = modern(request(3, "tools/list", &json!({})));
    old["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2024-11-05");
    assert_eq!(client.ask(old).await["error"]["code"], -32022);
}

#[tokio::test(start_paused = true)]
async fn negotiates_the_newest_version_that_begins_with_a_handshake() {
    for asked in ["2024-11-05", "2025-03-26", "2026-07-28", "1999-01-01"] {
        let answer = Client::new().ask(initialize(asked)).await;
        assert_eq!(answer["result"]["protocolVersion"], "2025-11-25", "{asked}");
        assert_eq!(answer["result"]["serverInfo"]["name"], "toolgate");
        assert_eq!(answer["result"]["capabilities"], capabilities());
    }
}

#[tokio::test(start_paused = true)]
async fn calls_a_tool_and_says_who_asks() {
    let mut client = Client::legacy("2025-11-25").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";
    let params = json!({"name": "echo", "arguments": {"a": 1}, "_meta": {"traceparent": trace}});
    let answer = client.ask(request("x", "tools/call", &params)).await;
    let result = &answer["result"];
    assert_eq!(result["content"], json!([{"type": "text", "text": "echoed"}]));
    assert_eq!(result["structuredContent"], json!({"a": 1}));
    assert_eq!(result["isError"], false);
    let call = client.house.last_call();
    assert_eq!(result["_meta"]["toolgate/call"], call.id.as_str());
    assert_eq!(call.principal, Principal::local("alice"));
    assert_eq!(call.client.as_deref(), Some("test/1"));
    assert_eq!(call.traceparent.as_deref(), Some(trace));
}

#[tokio::test(start_paused = true)]
async fn tells_a_tools_failure_from_a_wrong_request() {
    let mut client = Client::legacy("2025-11-25").await;
    for tool in ["fail", "trap", "limit", "deny"] {
        let answer = client.ask(call(1, tool)).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(!answer.to_string().contains("SECRET"));
    }
    for (tool, code) in [
        ("no_such", -32602),
        ("Not A Name", -32602),
        ("", -32602),
        ("host", -32603),
        ("record", -32603),
    ] {
        let answer = client.ask(call(1, tool)).await;
        assert_eq!(answer["error"]["code"], code, "{tool}: {answer}");
        assert!(!answer.to_string().contains("SECRET"));
    }
    for params in [
        json!({}),
        json!({"name": 1}),
        json!({"name": "echo", "arguments": "text"}),
        json!({"name": "echo", "arguments": [1]}),
        json!({"arguments": {}}),
    ] {
        let answer = client.ask(request(1, "tools/call", &params)).await;
        assert_eq!(answer["error"]["code"], -32602, "{params}: {answer}");
    }
    let answer = client.ask(request(1, "logging/setLevel", &json!({"level": "loud"}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test(start_paused = true)]
async fn answers_nonsense_and_goes_on() {
    let mut client = Client::new();
    for (line, code) in [
        (&b"nonsense"[..], -32700),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1", -32700),
        (b"\xff\xfe", -32700),
        (b"[]", -32600),
        (b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]", -32600),
        (b"17", -32600),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", -32600),
    ] {
        client.send_raw(line).await;
        let answer = client.receive().await;
        assert_eq!(answer["error"]["code"], code, "{answer}");
        assert!(answer.get("id").is_none());
    }
    // Broken answers and notifications are not answered; neither ends the conversation.
    client.send_raw(b"").await;
    client.send_raw(b"{\"jsonrpc\":\"1.0\",\"id\":1,\"result\":{}}\r").await;
    client
        .send_raw(b"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":1,\"message\":\"\"}}")
        .await;
    client.send_raw(b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\"}").await;
    let early = client.ask(call(1, "echo")).await;
    assert_eq!(early["error"]["code"], -32602, "a call before the handshake: {early}");
    assert_eq!(client.ask(initialize("2025-11-25")).await["error"], Value::Null);
    assert_eq!(client.ask(call(1, "echo")).await["result"]["isError"], false);
}

#[tokio::test(start_paused = true)]
async fn skips_a_line_that_is_too_long() {
    let mut client = Client::legacy("2025-11-25").await;
    let line = vec![b' '; MESSAGE_BYTES_MAX + 1];
    client.send_raw(&line).await;
    let answer = client.receive().await;
    assert_eq!(answer["error"]["code"], -32600, "{answer}");
    assert_eq!(client.ask(call(1, "echo")).await["result"]["isError"], false);
}

#[tokio::test(start_paused = true)]
async fn stops_a_call_that_the_client_takes_back_and_does_not_answer_it() {
    let mut client = Client::legacy("2025-11-25").await;
    client.send(&call(5, "wait")).await;
    client.house.started.notified().await;
    let before = tokio::time::Instant::now();
    client
        .send(&json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": 5}}))
        .await;
    timeout(PATIENCE, client.house.cancelled.notified()).await.expect("the call is told");
    assert!(before.elapsed().as_millis() < 20);
    // The next answer is the next call's: the first got none.
    assert_eq!(client.ask(call(6, "echo")).await["result"]["isError"], false);
}

#[tokio::test(start_paused = true)]
async fn reports_progress_in_order_and_not_too_often() {
    let mut client = Client::legacy("2025-11-25").await;
    let params = json!({"name": "steps", "_meta": {"progressToken": "p"}});
    client.send(&request(1, "tools/call", &params)).await;
    let mut seen = Vec::new();
    let answer = loop {
        let message = client.receive().await;
        if message["method"] != "notifications/progress" {
            break message;
        }
        assert_eq!(message["params"]["progressToken"], "p");
        let message = &message["params"];
        assert!(!message["message"].as_str().is_some_and(|text| text.contains('\n')));
        seen.push(message["progress"].as_f64().unwrap());
    };
    assert_eq!(answer["id"], 1);
    // 220 ms of reports, each 20 ms: at most one in 50 ms, and the last in any case.
    assert!(seen.is_sorted_by(|a, b| a < b), "{seen:?}");
    assert!((4..=6).contains(&seen.len()), "{seen:?}");
    assert_eq!((seen.first(), seen.last()), (Some(&1.0), Some(&10.0)));

    // Nobody asked, nobody is told.
    assert_eq!(client.ask(call(2, "steps")).await["result"]["isError"], true);
}

#[tokio::test(start_paused = true)]
async fn sends_log_messages_to_those_who_asked() {
    let mut client = Client::legacy("2025-11-25").await;
    client.ask(call(1, "limit")).await;
    client.ask(request(2, "logging/setLevel", &json!({"level": "warning"}))).await;
    client.ask(call(3, "deny")).await;
    client.send(&call(4, "limit")).await;
    let message = client.receive().await;
    assert_eq!(message["method"], "notifications/message");
    assert_eq!(message["params"]["level"], "warning");
    assert_eq!(message["params"]["data"]["outcome"], "limit-exceeded");
    assert_eq!(client.receive().await["id"], 4);

    let mut client = Client::new();
    client.ask(modern(call(1, "limit"))).await;
    let mut loud = modern(call(2, "limit"));
    loud["params"]["_meta"]["io.modelcontextprotocol/logLevel"] = json!("debug");
    client.send(&loud).await;
    assert_eq!(client.receive().await["method"], "notifications/message");
    assert_eq!(client.receive().await["id"], 2);
}

#[tokio::test(start_paused = true)]
async fn answers_what_was_asked_before_the_input_ended() {
    let mut client = Client::legacy("2025-11-25").await;
    // The last line needs no line break.
    client.write.write_all(call(1, "echo").to_string().as_bytes()).await.unwrap();
    client.write.shutdown().await.unwrap();
    assert_eq!(client.receive().await["id"], 1);
    client.ended().await;
}

#[tokio::test(start_paused = true)]
async fn ends_soon_after_the_input_even_if_a_call_does_not() {
    let mut client = Client::legacy("2025-11-25").await;
    client.send(&call(1, "wait")).await;
    client.house.started.notified().await;
    let before = tokio::time::Instant::now();
    client.write.shutdown().await.unwrap();
    timeout(PATIENCE, client.house.cancelled.notified()).await.expect("the call is told");
    client.ended().await;
    assert!(before.elapsed().as_secs() < 3, "{:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn ends_on_shutdown_and_when_nobody_reads() {
    let client = Client::legacy("2025-11-25").await;
    client.shutdown.cancel();
    client.ended().await;

    let Client { server, write, lines, .. } = Client::legacy("2025-11-25").await;
    drop((write, lines));
    timeout(PATIENCE, server).await.expect("the server ends").unwrap().unwrap();
}
