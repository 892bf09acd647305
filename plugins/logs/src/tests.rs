//! What is said about a log, and where its lines are.

use expect_test::expect;
use toolgate_sdk::Guest as _;
use toolgate_sdk::serde_json::{self, json};

use super::*;

fn args(more: &serde_json::Value) -> Args {
    let mut arguments = json!({"pod_name": "web-1", "namespace": "shop"});
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    serde_json::from_value(arguments).unwrap()
}

fn log(n_lines: usize) -> PodLog {
    let line = |i| format!("2026-11-21T02:13:{:02}.5Z GET /cart/{i}", i % 60);
    PodLog {
        container: "app".to_owned(),
        lines: (0..n_lines).map(line).collect(),
        truncated: false,
        redacted: 0,
        removed: 0,
    }
}

#[test]
fn introduces_the_lines_and_carries_them_once() {
    let reply = answer(&args(&json!({})), log(2));
    assert!(!reply.truncated);
    expect![[r#"
        shop/web-1, container `app`: 2 lines, oldest first.

        GET /cart/0
        GET /cart/1"#]]
    .assert_eq(&reply.text);
    expect![[r#"{"container":"app","line_count":2,"lines_read":2,"truncated":false,"secrets_redacted":0,"characters_removed":0,"first":"2026-11-21T02:13:00.5Z","last":"2026-11-21T02:13:01.5Z"}"#]].assert_eq(&serde_json::to_string(&reply.structured).unwrap());
}

#[test]
fn says_what_was_cut_redacted_and_removed() {
    let log = PodLog { truncated: true, redacted: 2, removed: 3, ..log(1) };
    let reply = answer(&args(&json!({"previous": true, "timestamps": true})), log);
    assert!(reply.truncated);
    expect![[r#"
        shop/web-1, container `app`, previous run: 1 line. There is more: older lines (`tail_lines` is 100, at most 5000), or long lines that were cut. Secrets redacted: 2. Control characters removed: 3.

        2026-11-21T02:13:00.5Z GET /cart/0"#]].assert_eq(&reply.text);
}

#[test]
fn keeps_the_newest_lines_of_a_long_log() {
    let mut long = log(3_000);
    long.lines.iter_mut().for_each(|line| line.push_str(&"x".repeat(100)));
    let reply = answer(&args(&json!({"tail_lines": 5000})), long);
    assert!(reply.truncated && reply.text.len() < LINES_BYTES_MAX + 1_024);
    assert!(reply.text.contains("GET /cart/2999"));
    expect!["shop/web-1, container `app`: 474 lines, oldest first. 2526 older ones do not fit in one answer: use `contains`, or a smaller `since_seconds`."].assert_eq(reply.text.lines().next().unwrap());
}

#[test]
fn searches_lines() {
    let reply = answer(&args(&json!({"contains": "CART/1"})), log(12));
    assert_eq!((reply.structured.line_count, reply.structured.lines_read), (3, 12));
    expect![[r#"
        shop/web-1, container `app`: 3 of 12 lines contain `CART/1`.

        GET /cart/1
        GET /cart/10
        GET /cart/11"#]]
    .assert_eq(&reply.text);
    let none = answer(&args(&json!({"contains": "2026"})), log(12));
    expect!["shop/web-1, container `app`: 0 of 12 lines contain `2026`."].assert_eq(&none.text);
}

#[test]
fn says_so_when_there_is_nothing() {
    expect!["shop/web-1, container `app`: no lines."]
        .assert_eq(&answer(&args(&json!({})), log(0)).text);
}

#[test]
fn offers_these_definitions() {
    expect_test::expect_file!["../definitions.txt"]
        .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
}
