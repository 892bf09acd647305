//! What is said about a log, and where its lines are.

use expect_test::expect;
use toolgate_sdk::Guest as _;
use toolgate_sdk::kubernetes_logs::{Pods, WorkloadLog};
use toolgate_sdk::serde_json::{self, json};

use super::*;

fn args(more: &serde_json::Value) -> Args {
    let mut arguments = json!({"pod_name": "web-1", "namespace": "shop"});
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    serde_json::from_value(arguments).unwrap()
}

fn log(n_lines: usize) -> Log {
    let line = |i| format!("2026-11-21T02:13:{:02}.5Z GET /cart/{i}", i % 60);
    Log::from(PodLog {
        container: "app".to_owned(),
        lines: (0..n_lines).map(line).collect(),
        truncated: false,
        redacted: 0,
        removed: 0,
    })
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
    let log = Log { truncated: true, redacted: 2, removed: 3, ..log(1) };
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
    expect!["shop/web-1, container `app`: 474 lines, oldest first. 2526 older ones do not fit in one answer: use `include`, or a smaller `since_seconds`."].assert_eq(reply.text.lines().next().unwrap());
}

#[test]
fn says_how_many_lines_match_and_whether_all_were_looked_at() {
    let searched = json!({"include": "cart/1", "tail_lines": 3});
    let found = Log { lines_read: 90_000, matched: 4_000, truncated: true, ..log(3) };
    let reply = answer(&args(&searched), found);
    assert_eq!((reply.structured.line_count, reply.structured.lines_read), (3, 90_000));
    expect!["shop/web-1, container `app`: 4000 of 90000 lines match. There is more: older lines (`tail_lines` is 3, at most 5000), or long lines that were cut."].assert_eq(reply.text.lines().next().unwrap());
    let partial = ContainerLog {
        lines_read: 7,
        ending: Ending::Time,
        truncated: true,
        ..container_log("web-1", false, 0)
    };
    let partial = Log::from(partial);
    expect!["shop/web-1, container `app`: 0 of 7 lines match. Not all of the log could be read in time: use `since_seconds`."].assert_eq(&answer(&args(&searched), partial).text);
}

#[test]
fn says_how_following_ended() {
    let followed = |ending| {
        let log = ContainerLog { ending, ..container_log("web-1", false, 1) };
        let text = answer(&args(&json!({"follow_seconds": 5})), Log::followed(log, 5)).text;
        text.lines().next().unwrap().to_owned() + "\n"
    };
    expect![[r#"
        shop/web-1, container `app`: 1 line. Followed until the last of them.
        shop/web-1, container `app`: 1 line. Followed for at most 5 s.
        shop/web-1, container `app`: 1 line. Followed to its end: the container has ended.
    "#]]
    .assert_eq(&[Ending::Matched, Ending::Time, Ending::Log].map(followed).concat());
}

fn workload_args(more: &serde_json::Value) -> workload::Args {
    let mut arguments = json!({"namespace": "shop"});
    for (key, value) in more.as_object().unwrap() {
        arguments[key] = value.clone();
    }
    serde_json::from_value(arguments).unwrap()
}

fn container_log(pod: &str, previous: bool, n_lines: usize) -> ContainerLog {
    ContainerLog {
        pod: pod.to_owned(),
        container: "app".to_owned(),
        previous,
        lines: log(n_lines).lines,
        lines_read: n_lines as u64,
        lines_matched: n_lines as u64,
        truncated: false,
        ending: Ending::Log,
        redacted: 0,
        removed: 0,
        unavailable: None,
    }
}

#[test]
fn puts_each_log_of_a_workload_under_its_header() {
    let waiting = ContainerLog {
        unavailable: Some("waiting, CrashLoopBackOff".to_owned()),
        ..container_log("web-1", false, 0)
    };
    let cut = ContainerLog {
        truncated: true,
        lines_matched: 700,
        redacted: 1,
        ..container_log("web-2", false, 1)
    };
    let logs = vec![container_log("web-1", true, 2), waiting, cut];
    let log = WorkloadLog { logs, pods_total: 60, truncated: true };
    let reply = workload::answer(&workload_args(&json!({"workload": "web"})), log);
    expect![[r#"
        `web` in `shop`: 60 pods, 2 shown, failing first. Lines are oldest first. More was left out: `include`, `container` and `since_seconds` narrow. Secrets redacted: 1.

        == web-1 app, previous run: 2 lines
        2026-11-21T02:13:00.5Z GET /cart/0
        2026-11-21T02:13:01.5Z GET /cart/1

        == web-1 app: waiting, CrashLoopBackOff

        == web-2 app: the newest 1 lines
        2026-11-21T02:13:00.5Z GET /cart/0
    "#]]
    .assert_eq(&(reply.text + "\n"));
    expect![[r#"{"pods_total":60,"logs":[{"pod":"web-1","container":"app","previous":true,"line_count":2,"lines_read":2,"unavailable":null},{"pod":"web-1","container":"app","previous":false,"line_count":0,"lines_read":0,"unavailable":"waiting, CrashLoopBackOff"},{"pod":"web-2","container":"app","previous":false,"line_count":1,"lines_read":1,"unavailable":null}],"truncated":true,"secrets_redacted":1,"characters_removed":0}"#]].assert_eq(&serde_json::to_string(&reply.structured).unwrap());
}

#[test]
fn no_line_of_a_log_that_was_not_searched_to_its_end_is_not_none() {
    let header = |ending, lines_read, truncated, n_lines| {
        let found = ContainerLog {
            lines_read,
            truncated,
            ending,
            ..container_log("web-1", false, n_lines)
        };
        let log = WorkloadLog { logs: vec![found], pods_total: 1, truncated };
        let searched = workload_args(&json!({"workload": "web", "include": "panic"}));
        let text = workload::answer(&searched, log).text;
        text.lines().find(|line| line.starts_with("==")).unwrap().to_owned() + "\n"
    };
    expect![[r#"
        == web-1 app: 0 lines among the newest 100000; older ones were not searched
        == web-1 app: 1 line among the newest 100000; older ones were not searched
        == web-1 app: 0 lines
        == web-1 app: 0 lines
        == web-1 app: 0 lines among the 700 that were read; newer ones were not
    "#]]
    .assert_eq(
        &[
            header(Ending::Log, 100_000, true, 0),
            header(Ending::Log, 100_001, true, 1),
            header(Ending::Log, 100_000, false, 0),
            header(Ending::Log, 90, true, 0),
            header(Ending::Time, 700, true, 0),
        ]
        .concat(),
    );
}

#[test]
fn shares_the_room_of_one_answer() {
    let logs = vec![container_log("web-1", false, 5_000), container_log("web-2", false, 10)];
    let log = WorkloadLog { logs, pods_total: 2, truncated: false };
    let reply = workload::answer(&workload_args(&json!({"label_selector": "app=web"})), log);
    assert!(reply.truncated && reply.text.len() < LINES_BYTES_MAX + 2_048);
    assert_eq!(reply.structured.logs[1].line_count, 10, "a small one stays whole");
    assert!(reply.text.contains("GET /cart/4999") && !reply.text.contains("GET /cart/100\n"));
}

#[test]
fn says_whose_pods_are_meant() {
    for (arguments, expected) in [
        (json!({"workload": "web"}), Ok("deployment web")),
        (json!({"workload": "deployment/web"}), Ok("deployment web")),
        (json!({"workload": "StatefulSet/db"}), Ok("statefulset db")),
        (json!({"workload": "daemonset/agent"}), Ok("daemonset agent")),
        (json!({"label_selector": "app=web"}), Ok("app=web")),
        (
            json!({"workload": "job/x"}),
            Err("`workload` is a deployment's name, `statefulset/NAME` or `daemonset/NAME`"),
        ),
        (json!({}), Err("give `workload` or `label_selector`, one of them")),
        (
            json!({"workload": "a", "label_selector": "b"}),
            Err("give `workload` or `label_selector`, one of them"),
        ),
    ] {
        let meant = match workload::pods(&workload_args(&arguments)) {
            Ok(Pods::Selector(selector)) => Ok(selector),
            Ok(Pods::Workload((kind, name))) => {
                let kind = format!("{kind:?}").to_lowercase();
                Ok(format!("{} {name}", kind.trim_start_matches("workloadkind::")))
            }
            Err(ToolError::InvalidArguments(text) | ToolError::Failed(text)) => Err(text),
        };
        assert_eq!(meant.as_deref().map_err(String::as_str), expected, "{arguments}");
    }
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
