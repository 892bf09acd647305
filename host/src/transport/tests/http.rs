use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::http_client::{Answer, Server, modern_headers};
use super::{PATIENCE, call, initialize, modern, request};
use crate::domain::principal::Principal;
use crate::transport::{HttpConfig, Listener, MESSAGE_BYTES_MAX, TransportError, serve_http};

async fn server() -> Server {
    Server::start(HttpConfig::default()).await
}

#[tokio::test]
async fn serves_requests_that_say_everything() {
    let server = server().await;
    let list = server.ask(&modern(request(1, "tools/list", &json!({})))).await;
    assert_eq!(list.status, 200);
    assert_eq!(list.message()["result"]["tools"].as_array().unwrap().len(), 50);
    assert_eq!(list.header("mcp-session-id"), None);

    let mut echo = modern(call("a", "echo"));
    echo["params"]["arguments"] = json!({"x": [1]});
    let answer = server.ask(&echo).await.message();
    assert_eq!(answer["id"], "a");
    assert_eq!(answer["result"]["structuredContent"], json!({"x": [1]}));
    assert_eq!(answer["result"]["resultType"], "complete");
    let seen = server.house.last_call();
    assert_eq!(seen.principal, Principal::loopback());
    assert_eq!(seen.client.as_deref(), Some("modern/2"));

    assert_eq!(server.ask(&modern(call(2, "fail"))).await.message()["result"]["isError"], true);
    assert_eq!(server.ask(&modern(call(3, "no_such"))).await.code(), -32602);
    let host = server.ask(&modern(call(4, "host"))).await;
    assert_eq!(host.code(), -32603);
    assert!(!host.body.contains("SECRET"));
    let discover = server.ask(&modern(request(5, "server/discover", &json!({})))).await;
    assert!(discover.message()["result"]["supportedVersions"].is_array());
    server.stop().await;
}

#[tokio::test]
async fn names_the_errors_of_the_newer_era() {
    let server = server().await;
    for method in ["no/such", "initialize", "ping", "logging/setLevel", "resources/subscribe"] {
        let unknown = server.ask(&modern(request(1, method, &json!({})))).await;
        assert_eq!((unknown.status, unknown.code()), (404, -32601), "{method}");
    }

    let list = modern(request(1, "tools/list", &json!({}))).to_string();
    let version = ("mcp-protocol-version", "2026-07-28");
    let bare = server.post(&[version], list.as_bytes()).await;
    assert_eq!((bare.status, bare.code()), (400, -32020));
    let wrong = server.post(&[version, ("mcp-method", "tools/call")], list.as_bytes()).await;
    assert_eq!((wrong.status, wrong.code()), (400, -32020));
    let none = request(1, "tools/list", &json!({}));
    let headers = [version, ("mcp-method", "tools/list")];
    let none = server.post(&headers, none.to_string().as_bytes()).await;
    assert_eq!((none.status, none.code()), (400, -32602));

    let old = list.replace("2026-07-28", "2024-11-05");
    let headers = [("mcp-protocol-version", "2024-11-05"), ("mcp-method", "tools/list")];
    let old = server.post(&headers, old.as_bytes()).await;
    assert_eq!((old.status, old.code()), (400, -32022));
    assert_eq!(
        old.message()["error"]["data"]["supported"],
        json!(["2025-06-18", "2025-11-25", "2026-07-28"])
    );
    for method in ["GET", "DELETE"] {
        assert_eq!(server.send(method, "/mcp", &[version], b"").await.status, 405, "{method}");
    }
}

#[tokio::test]
async fn serves_sessions_until_they_are_ended() {
    let server = server().await;
    let session = server.session().await;
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(server.ask_in(&session, &initialized).await.status, 202);
    let answer = server.ask_in(&session, &call(1, "echo")).await;
    assert_eq!(answer.message()["result"]["content"][0]["text"], "echoed");
    assert_eq!(server.house.last_call().client.as_deref(), Some("test/1"));
    let answer = server.ask_in(&session, &request(2, "no/such", &json!({}))).await;
    assert_eq!((answer.status, answer.code()), (200, -32601));
    let answer = server.ask_in(&session, &request(3, "tools/call", &json!({"name": 1}))).await;
    assert_eq!((answer.status, answer.code()), (200, -32602));
    let early = server.post(&[], call(1, "echo").to_string().as_bytes()).await;
    assert_eq!(early.status, 400, "a call without a session");

    let own = [("mcp-session-id", session.as_str())];
    assert_eq!(server.send("DELETE", "/mcp", &own, b"").await.status, 202);
    assert_eq!(server.send("DELETE", "/mcp", &own, b"").await.status, 404);
    assert_eq!(server.ask_in(&session, &call(4, "echo")).await.status, 404);
    assert_eq!(server.send("GET", "/mcp", &own, b"").await.status, 404);
    assert_eq!(server.send("PUT", "/mcp", &[], b"").await.status, 405);
    assert_eq!(server.send("POST", "/elsewhere", &[], b"{}").await.status, 404);
    server.stop().await;
}

#[tokio::test]
async fn answers_nonsense_and_goes_on() {
    let server = server().await;
    for (body, code) in [
        ("", -32700),
        ("{", -32700),
        ("[]", -32600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, -32600),
        ("3", -32600),
        (r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32600),
        (r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#, -32602),
    ] {
        let answer = server.post(&[], body.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (400, code), "{body}");
    }
    let init = initialize("2025-11-25").to_string();
    for content_type in ["", "text/plain", "application/jsonx"] {
        let answer = server.post(&[("content-type", content_type)], init.as_bytes()).await;
        assert_eq!((answer.status, answer.code()), (415, -32600), "{content_type}");
    }
    for (accept, status) in [("", 200), ("*/*", 200), ("text/html", 406)] {
        let answer = server.post(&[("accept", accept)], init.as_bytes()).await;
        assert_eq!(answer.status, status, "{accept}");
    }
    server.session().await;
    server.stop().await;
}

#[tokio::test]
async fn refuses_bodies_that_are_too_large() {
    let server = server().await;
    let body = vec![b' '; MESSAGE_BYTES_MAX + 1];
    let answer = server.post(&[], &body).await;
    assert_eq!((answer.status, answer.code()), (413, -32600));

    // Four large bodies are read at once. We open five, as the question may take one's place.
    let mut large = Vec::new();
    let announced = MESSAGE_BYTES_MAX.to_string();
    for _ in 0..5 {
        let headers = [("content-length", announced.as_str())];
        large.push(server.open("POST", "/mcp", &headers, &body[..1 << 20]).await);
    }
    let refused = async {
        while server.post(&[], &body[..1 << 20]).await.status != 503 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("no room");
    drop(large);

    // Who does not stop is not listened to for ever.
    let headers = [("content-length", ""), ("transfer-encoding", "chunked")];
    let mut stream = server.open("POST", "/mcp", &headers, b"").await;
    let chunk = format!("100000\r\n{}\r\n", " ".repeat(0x10_0000));
    let flood = async { while stream.write_all(chunk.as_bytes()).await.is_ok() {} };
    timeout(PATIENCE, flood).await.expect("the server closes");
    server.session().await;
}

#[tokio::test]
async fn refuses_foreign_names_and_pages() {
    let server = server().await;
    let init = initialize("2025-11-25").to_string();
    let own = format!("http://localhost:{}", server.addr.port());
    for (header, status) in [
        (("host", "evil.example"), 403),
        (("host", "localhost"), 200),
        (("origin", "https://evil.example"), 403),
        (("origin", "null"), 403),
        (("origin", "http://localhost:1"), 403),
        (("origin", own.as_str()), 200),
    ] {
        // Also what is no message, and what is no POST: nothing is looked at before.
        let answer = server.post(&[header], init.as_bytes()).await;
        assert_eq!(answer.status, status, "{header:?}");
        if status == 403 {
            assert_eq!(answer.code(), -32600);
            assert_eq!(server.post(&[header], b"{").await.status, 403);
            assert_eq!(server.send("GET", "/mcp", &[header], b"").await.status, 403);
        }
    }
    let config = HttpConfig {
        allowed_hosts: vec!["toolgate.example".to_owned()],
        allowed_origins: vec!["https://app.example".to_owned()],
        ..HttpConfig::default()
    };
    let server = Server::start(config).await;
    let headers = [("host", "toolgate.example"), ("origin", "https://app.example")];
    assert_eq!(server.post(&headers, init.as_bytes()).await.status, 200);
}

#[tokio::test]
async fn refuses_to_serve_with_a_list_that_is_wrong() {
    let listener = Listener::bind("127.0.0.1:0".parse().unwrap(), false).await.unwrap();
    let house = Server::start(HttpConfig::default()).await.house;
    let config = HttpConfig { allowed_origins: vec!["app".to_owned()], ..HttpConfig::default() };
    let error = serve_http(house, listener, config, std::future::pending()).await.unwrap_err();
    assert!(matches!(error, TransportError::AllowedOrigin(_)));
}

#[tokio::test]
async fn refuses_callers_that_authentication_did_not_see() {
    let server = Server::listen(HttpConfig::default(), true).await;
    for message in [call(1, "echo"), request(2, "tools/list", &json!({}))] {
        assert_eq!(server.ask(&modern(message)).await.code(), -32603);
    }
    assert!(server.house.calls.lock().unwrap().is_empty());
}

#[tokio::test]
async fn stops_a_call_whose_client_is_gone() {
    let server = server().await;
    let wait = modern(call(1, "wait"));
    let headers = modern_headers(&wait);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let stream = server.open("POST", "/mcp", &headers, wait.to_string().as_bytes()).await;
    timeout(PATIENCE, server.house.started.notified()).await.unwrap();
    drop(stream);
    timeout(PATIENCE, server.house.cancelled.notified()).await.expect("the call is told");

    let session = server.session().await;
    let wait = call(2, "wait");
    let (answer, ()) = tokio::join!(server.ask_in(&session, &wait), async {
        timeout(PATIENCE, server.house.started.notified()).await.unwrap();
        let cancel = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": 2}});
        assert_eq!(server.ask_in(&session, &cancel).await.status, 202);
    });
    timeout(PATIENCE, server.house.cancelled.notified()).await.expect("the call is told");
    assert_eq!(answer.messages(), Vec::<Value>::new(), "a call that was taken back");
    server.stop().await;
}

#[tokio::test]
async fn reports_progress_on_the_stream_of_the_call() {
    let server = server().await;
    let mut steps = modern(call(1, "steps"));
    steps["params"]["_meta"]["progressToken"] = json!(7);
    let session = server.session().await;
    for answer in [server.ask(&steps).await, {
        let steps =
            request(1, "tools/call", &json!({"name": "steps", "_meta": {"progressToken": 7}}));
        server.ask_in(&session, &steps).await
    }] {
        let mut messages = answer.messages();
        assert_eq!(messages.pop().unwrap()["id"], 1);
        let progress: Vec<_> =
            messages.iter().map(|m| m["params"]["progress"].as_f64().unwrap()).collect();
        assert!(progress.is_sorted_by(|a, b| a < b), "{progress:?}");
        assert!(progress.len() < 12 && progress.ends_with(&[10.0]), "{progress:?}");
    }
}

#[tokio::test]
async fn holds_sessions_to_a_bound() {
    let config = HttpConfig { sessions_max: 2, ..HttpConfig::default() };
    let server = Server::start(config).await;
    let first = server.session().await;
    server.session().await;
    let full = server.post(&[], initialize("2025-11-25").to_string().as_bytes()).await;
    assert_eq!((full.status, full.header("retry-after")), (503, Some("30")));
    // What needs no session is served, and an ended one makes room.
    assert_eq!(server.ask(&modern(call(1, "echo"))).await.status, 200);
    let own = [("mcp-session-id", first.as_str())];
    assert_eq!(server.send("DELETE", "/mcp", &own, b"").await.status, 202);
    server.session().await;
}

#[tokio::test]
async fn holds_connections_to_a_bound() {
    let config = HttpConfig { connections_max: 1, ..HttpConfig::default() };
    let server = Server::start(config).await;
    let mut held = server.open("GET", "/healthz", &[("connection", "")], b"").await;
    let mut status = [0; 12];
    held.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    let mut second = tokio::net::TcpStream::connect(server.addr).await.unwrap();
    second.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 503");
    drop(held);
    // The place is free as soon as the server has seen it.
    let again = async {
        while server.send("GET", "/healthz", &[], b"").await.status != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, again).await.expect("a place");
}

#[tokio::test]
async fn says_that_it_lives_and_ends_when_told() {
    let server = server().await;
    for path in ["/healthz", "/readyz"] {
        // A kubelet calls by address.
        let answer = server.send("GET", path, &[("host", "10.0.0.1")], b"").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    }
    // Neither an idle connection nor an open stream holds the end up for ever.
    let idle = server.open("GET", "/healthz", &[("connection", "")], b"").await;
    server.stop().await;
    drop(idle);
}

#[tokio::test]
async fn lets_a_running_call_finish_before_it_ends() {
    let server = server().await;
    let mut steps = modern(call(1, "steps"));
    steps["params"]["_meta"]["progressToken"] = json!(1);
    let headers = modern_headers(&steps);
    let headers: Vec<_> = headers.iter().map(|(n, v)| (*n, v.as_str())).collect();
    let mut stream = server.open("POST", "/mcp", &headers, steps.to_string().as_bytes()).await;
    // The first report shows that it runs.
    stream.readable().await.unwrap();
    stream.flush().await.unwrap();
    let (answer, ()) = tokio::join!(Answer::read(stream), server.stop());
    assert_eq!(answer.messages().last().unwrap()["id"], 1);
}
