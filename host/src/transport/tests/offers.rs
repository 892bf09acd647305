//! Prompts, resources, completion and subscriptions on the wire, in both eras.

use serde_json::{Value, json};

use super::http_client::Server;
use super::stdio::Client;
use super::{modern, request};
use crate::domain::subject::Subject;
use crate::transport::HttpConfig;
use crate::transport::subscriptions::SUBSCRIPTIONS_MAX;

/// The same request in both eras, and the two answers.
async fn both(method: &str, params: &Value) -> [Value; 2] {
    let mut legacy = Client::legacy("2025-06-18").await;
    let old = legacy.ask(request(1, method, params)).await;
    let new = Client::new().ask(modern(request(1, method, params))).await;
    [old, new]
}

#[tokio::test(start_paused = true)]
async fn says_that_there_are_prompts_resources_and_completions() {
    let hello = Client::new().ask(super::initialize("2025-06-18")).await;
    let found = Client::new().ask(modern(request(1, "server/discover", &json!({})))).await;
    for answer in [hello, found] {
        let capabilities = &answer["result"]["capabilities"];
        assert_eq!(capabilities["prompts"], json!({}), "{answer}");
        assert_eq!(capabilities["resources"], json!({"subscribe": true}), "{answer}");
        assert_eq!(capabilities["completions"], json!({}), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn lists_prompts_and_resources() {
    for (method, key, expected) in [
        (
            "prompts/list",
            "prompts",
            json!([
                {"name": "broken", "description": "Writes broken.", "arguments":
                    [{"name": "namespace", "description": "Where.", "required": true}]},
                {"name": "look", "description": "Writes look.", "arguments":
                    [{"name": "namespace", "description": "Where.", "required": true}]},
            ]),
        ),
        (
            "resources/list",
            "resources",
            json!([{"uri": "fake://fixed", "name": "fixed", "description": "Is fixed.",
                "mimeType": "text/plain"}]),
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            json!([{"uriTemplate": "fake://{name}/count", "name": "counter",
                "description": "Is counter.", "mimeType": "text/plain"}]),
        ),
    ] {
        let [old, new] = both(method, &json!({})).await;
        assert_eq!(old["result"][key], expected, "{old}");
        assert_eq!(new["result"][key], expected, "{new}");
        let hints = [&new["result"]["cacheScope"], &new["result"]["ttlMs"]];
        assert_eq!(hints, [&json!("private"), &json!(60_000)], "{new}");
        let [wrong, _] = both(method, &json!({"cursor": "after."})).await;
        assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
    }
}

#[tokio::test(start_paused = true)]
async fn writes_prompts_and_names_what_is_wrong() {
    let get = |name: &str| json!({"name": name, "arguments": {"namespace": "shop"}});
    for answer in both("prompts/get", &get("look")).await {
        let result = &answer["result"];
        assert_eq!(result["description"], "Writes look.", "{answer}");
        let message =
            json!([{"role": "user", "content": {"type": "text", "text": "look at \"shop\""}}]);
        assert_eq!(result["messages"], message);
        assert_eq!(result["_meta"]["toolgate/untrusted"], true);
        assert!(result["_meta"]["toolgate/call"].is_string());
    }
    for name in ["nothing", "No Name", "\u{1b}[31m"] {
        for answer in both("prompts/get", &get(name)).await {
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
            assert!(!answer.to_string().contains("\\u001b"), "{answer}");
        }
    }
    for answer in both("prompts/get", &get("broken")).await {
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        assert!(!answer.to_string().contains("SECRET"), "{answer}");
    }
    for answer in both("prompts/get", &json!({"name": 7})).await {
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn reads_resources_and_says_what_is_not_there_as_each_era_does() {
    for answer in both("resources/read", &json!({"uri": "fake://fixed"})).await {
        let contents =
            json!([{"uri": "fake://fixed", "mimeType": "text/plain", "text": "as ever"}]);
        assert_eq!(answer["result"]["contents"], contents, "{answer}");
        assert_eq!(answer["result"]["_meta"]["toolgate/untrusted"], true);
    }
    for uri in ["fake://nothing", "fake://gone/count", "not a uri", "fake://{name}/count"] {
        let [old, new] = both("resources/read", &json!({"uri": uri})).await;
        assert_eq!(
            (&old["error"]["code"], &new["error"]["code"]),
            (&json!(-32002), &json!(-32602))
        );
        assert_eq!(
            (&old["error"]["data"]["uri"], &new["error"]["data"]["uri"]),
            (&json!(uri), &json!(uri))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn completes_what_is_being_typed() {
    let ask = |of: Value, name: &str| {
        json!({"ref": of, "argument": {"name": name, "value": "sh"},
            "context": {"arguments": {"cluster": "demo"}}})
    };
    let prompt = json!({"type": "ref/prompt", "name": "look"});
    let mut client = Client::legacy("2025-11-25").await;
    let answer =
        client.ask(request(1, "completion/complete", &ask(prompt.clone(), "namespace"))).await;
    assert_eq!(answer["result"]["completion"]["values"], json!(["sh!"]), "{answer}");
    let call = client.house.last_call();
    let given = json!({"cluster": "demo", "namespace": "sh"});
    assert_eq!(Value::Object(call.arguments), given);
    assert!(matches!(call.subject, Subject::Completion { .. }));
    let template = json!({"type": "ref/resource", "uri": "fake://{name}/count"});
    for answer in both("completion/complete", &ask(template, "namespace")).await {
        assert_eq!(answer["result"]["completion"]["values"], json!(["sh!"]), "{answer}");
    }
    let nowhere = json!({"type": "ref/resource", "uri": "no uri"});
    for (of, name) in [(prompt.clone(), "other"), (prompt, "No Name"), (nowhere, "namespace")] {
        for answer in both("completion/complete", &ask(of.clone(), name)).await {
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tells_a_session_what_changed_until_it_wants_no_more() {
    let mut client = Client::legacy("2025-06-18").await;
    let uri = |uri: &str| json!({"uri": uri});
    for fixed_or_not in ["fake://fixed", "fake://a/count", "fake://a/count"] {
        let answer = client.ask(request(1, "resources/subscribe", &uri(fixed_or_not))).await;
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    // What is the same is not told; what is different is told each time.
    for _ in 0..3 {
        let told = client.receive().await;
        assert_eq!(told["method"], "notifications/resources/updated", "{told}");
        assert_eq!(told["params"]["uri"], "fake://a/count");
    }
    let call = client.house.last_call();
    assert_eq!(call.principal.to_string(), "alice@os", "a read of the one who subscribed");
    client.send(&request(2, "resources/unsubscribe", &uri("fake://a/count"))).await;
    loop {
        let message = client.receive().await;
        if message["id"] == 2 {
            break;
        }
        assert_eq!(message["method"], "notifications/resources/updated", "{message}");
    }
    let pong = client.ask(request(3, "ping", &json!({}))).await;
    assert_eq!(pong["result"], json!({}), "nothing is told any more");
}

#[tokio::test(start_paused = true)]
async fn watches_no_more_than_a_screen_of_resources() {
    let mut client = Client::legacy("2025-06-18").await;
    for n in 0..=SUBSCRIPTIONS_MAX {
        let uri = json!({"uri": format!("fake://n{n}/count")});
        client.send(&request(n + 100, "resources/subscribe", &uri)).await;
        let answer = loop {
            let message = client.receive().await;
            if !message["id"].is_null() {
                break message;
            }
        };
        let is_full = answer["error"]["code"] == -32602;
        assert_eq!(is_full, n == SUBSCRIPTIONS_MAX, "{n}: {answer}");
    }
    for uri in ["fake://gone/count", "fake://nothing", "no uri"] {
        let mut client = Client::legacy("2025-06-18").await;
        let answer = client.ask(request(1, "resources/subscribe", &json!({"uri": uri}))).await;
        assert_eq!(answer["error"]["code"], -32002, "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_reads_nothing_any_more() {
    let mut client = Client::legacy("2025-06-18").await;
    let uri = json!({"uri": "fake://a/count"});
    client.ask(request(1, "resources/subscribe", &uri)).await;
    client.receive().await;
    let house = client.house.clone();
    client.leave().await;
    let n_calls = house.n_calls();
    tokio::time::advance(std::time::Duration::from_secs(120)).await;
    tokio::task::yield_now().await;
    assert_eq!(house.n_calls(), n_calls);
}

#[tokio::test(start_paused = true)]
async fn tells_a_listener_what_changed() {
    let mut client = Client::new();
    let asked = json!({"notifications": {
        "toolsListChanged": true,
        "resourceSubscriptions": ["fake://a/count", "fake://fixed", "no uri"],
    }});
    client.send(&modern(request("ears", "subscriptions/listen", &asked))).await;
    let acknowledged = client.receive().await;
    assert_eq!(acknowledged["method"], "notifications/subscriptions/acknowledged");
    let honoured = json!({"resourceSubscriptions": ["fake://a/count", "fake://fixed"]});
    assert_eq!(acknowledged["params"]["notifications"], honoured, "{acknowledged}");
    for _ in 0..2 {
        let told = client.receive().await;
        assert_eq!(told["method"], "notifications/resources/updated", "{told}");
        assert_eq!(told["params"]["uri"], "fake://a/count");
        let key = "io.modelcontextprotocol/subscriptionId";
        assert_eq!(told["params"]["_meta"][key], "ears", "{told}");
    }
    // The other era's way to subscribe is not there.
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let mut other = Client::new();
        let answer = other.ask(modern(request(1, method, &json!({"uri": "fake://fixed"})))).await;
        assert_eq!(answer["error"]["code"], -32601, "{answer}");
    }
}

#[tokio::test]
async fn serves_them_over_http_as_well() {
    let server = Server::start(HttpConfig::default()).await;
    let read = |uri: &str| modern(request(1, "resources/read", &json!({"uri": uri})));
    let answer = server.ask(&read("fake://fixed")).await;
    assert_eq!(answer.message()["result"]["contents"][0]["text"], "as ever");
    let answer = server.ask(&read("fake://nothing")).await;
    assert_eq!(answer.message()["error"]["code"], -32602);
    let get = json!({"name": "look", "arguments": {"namespace": "shop"}});
    let answer = server.ask(&modern(request(1, "prompts/get", &get))).await;
    assert_eq!(answer.message()["result"]["messages"][0]["role"], "user");
    let session = server.session().await;
    for (method, params) in [
        ("prompts/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/subscribe", json!({"uri": "fake://fixed"})),
    ] {
        let answer = server.ask_in(&session, &request(1, method, &params)).await;
        assert!(answer.message()["result"].is_object(), "{method}: {answer:?}");
    }
    server.stop().await;
}
