//! Messages to somebody's system: signed, told after the record, tried again, and never in anybody's
//! way.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use expect_test::expect;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::time::Instant;
use toolgate_tests::authority::{Authority, Validity, tls};
use toolgate_tests::receiver::{Conduct, Got, Receiver};
use toolgate_tests::secrets::{Planted, Random, kinds};
use toolgate_tests::{House, grants};

use crate::program::Home;

/// A call takes less, whatever a webhook does: one that hangs does so for ten seconds.
const AT_ONCE: Duration = Duration::from_secs(5);

/// A key that only this test and its server have.
struct Key {
    dir: TempDir,
    text: String,
}

impl Key {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = "a key of the tests, which is long enough".to_owned();
        let key = Self { dir, text };
        key.put("key", &format!("{}\n", key.text));
        key
    }

    fn put(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        path
    }

    /// Lines of a configuration that name a webhook.
    fn webhook(&self, name: &str, receiver: &Receiver, more: &str) -> String {
        self.webhook_at(name, &format!("http://{}/hook", receiver.address()), more)
    }

    fn webhook_at(&self, name: &str, url: &str, more: &str) -> String {
        let file = self.dir.path().join("key");
        let file = file.display();
        format!("[webhooks.{name}]\nurl = \"{url}\"\nsecret_file = \"{file}\"\n{more}\n")
    }

    /// What a receiver does before it believes a message.
    fn verify(&self, got: &Got) {
        let (id, at) = (&got.headers["webhook-id"], &got.headers["webhook-timestamp"]);
        let age = jiff::Timestamp::now().as_second() - at.parse::<i64>().unwrap();
        assert!((0..=60).contains(&age), "{got:?}");
        let mut mac = Hmac::<Sha256>::new_from_slice(self.text.as_bytes()).unwrap();
        mac.update(format!("{id}.{at}.").as_bytes());
        mac.update(&got.body);
        let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        assert_eq!(got.headers["webhook-signature"], signature);
        assert_eq!(got.json()["id"], id.as_str());
        assert_eq!(got.headers["content-type"], "application/json");
        assert_eq!(got.request, "POST /hook HTTP/1.1");
    }
}

fn writes() -> String {
    let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
    format!("[mode]\nread_only = false\n{grants}")
}

fn restart(name: &str) -> Value {
    json!({"namespace": "shop", "deployment_name": name})
}

async fn writing(config: &str) -> House {
    House::of(&["plugins/remediation"], &format!("{}{config}", writes())).await
}

/// Asks for a write, and is told at once that somebody has to say yes.
async fn asks(house: &House, name: &str) {
    let begun = Instant::now();
    let answer = house.ask("alice", "restart_deployment", restart(name)).await;
    assert!(answer.contains("Approval required"), "{answer}");
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

fn kinds_of(got: &[Got]) -> Vec<String> {
    got.iter().map(Got::kind).collect()
}

/// Answers by a file, with nothing but what the message says.
fn drop_answer(state: &Path, message: &Value) {
    let approval = &message["data"]["approval"];
    let answer = json!({
        "id": approval["request"]["id"], "request_sha256": approval["request_sha256"],
        "approve": true, "by": "robot@tickets", "reason": "CHG-42",
    });
    let folder = state.join("approvals/drop");
    std::fs::write(folder.join(".draft"), answer.to_string()).unwrap();
    std::fs::rename(folder.join(".draft"), folder.join("answer.json")).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_answers_by_what_the_webhook_told_it() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let home = Home::new();
    let config = format!(
        "[clusters.demo]\ndemo = true\n[console]\nlisten = \"127.0.0.1:18081\"\n{}{}",
        writes(),
        key.webhook("tickets", &receiver, ""),
    );
    home.furnish(&["plugins/remediation"], &config);
    let arguments = ["--arg", "namespace=shop", "--arg", "deployment_name=checkout", "--wait"];
    let mut command = home.command(&["call", "restart_deployment"]);
    command.args(arguments).stdout(std::process::Stdio::piped());
    let asking = command.stderr(std::process::Stdio::piped()).spawn().unwrap();

    let requested = receiver.wait_for("approval.requested").await;
    key.verify(&requested);
    let message = requested.json();
    let id = message["data"]["approval"]["request"]["id"].as_str().unwrap();
    let shown = home.run(&["approvals", "show", id, "--json"]).json();
    assert_eq!(message["data"]["approval"], shown, "the same facts as on the command line");
    assert_eq!(message["data"]["console"], format!("http://127.0.0.1:18081/requests/{id}"));
    drop_answer(&home.path().join("state"), &message);

    let done = tokio::task::spawn_blocking(|| asking.wait_with_output()).await.unwrap().unwrap();
    assert!(done.status.success(), "{done:?}");
    let got = receiver.wait_until("end", |got| got.len() >= 3).await;
    let expected = ["approval.requested", "approval.decided", "write.performed"];
    assert_eq!(kinds_of(&got), expected);
    for got in &got {
        key.verify(got);
    }
    let told: Vec<_> = got
        .iter()
        .skip(1)
        .map(|got| home.tame(&serde_json::to_string_pretty(&got.json()["data"]).unwrap()))
        .collect();
    expect![[r#"
        {
          "call": "<id>",
          "write": {
            "approval": "<id>",
            "principal": "ada@os",
            "plugin": "remediation",
            "digest": "<digest>",
            "rule": "writes-need-approval:15",
            "verb": "restart",
            "target": {
              "cluster": "demo",
              "namespace": "shop",
              "kind": "Deployment",
              "name": "checkout"
            },
            "uid": "<uid>",
            "generation": 9
          },
          "decision": "approved",
          "by": "robot@tickets",
          "through": "file",
          "reason": "CHG-42"
        }
        {
          "call": "<id>",
          "write": {
            "approval": "<id>",
            "principal": "ada@os",
            "plugin": "remediation",
            "digest": "<digest>",
            "rule": "writes-need-approval:15",
            "verb": "restart",
            "target": {
              "cluster": "demo",
              "namespace": "shop",
              "kind": "Deployment",
              "name": "checkout"
            },
            "uid": "<uid>",
            "generation": 9
          }
        }"#]]
    .assert_eq(&told.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_taken_comes_again_the_same() {
    let garbage = Conduct::Says(b"\x00\xff what is this\r\n\r\n".to_vec());
    let never_ends =
        Conduct::Says([b"HTTP/1.1 500 Said\r\n".to_vec(), vec![b'x'; 100_000]].concat());
    for (name, conduct) in [
        ("500", Conduct::status(500, "")),
        ("429", Conduct::status(429, "retry-after: 1\r\n")),
        ("closed", Conduct::Closes),
        ("garbage", garbage),
        ("endless", never_ends),
    ] {
        let (key, receiver) = (Key::new(), Receiver::start(None).await);
        receiver.behave(conduct);
        let house = writing(&key.webhook("chat", &receiver, "")).await;
        asks(&house, "checkout").await;
        let first = receiver.wait_for("approval.requested").await;
        receiver.behave(Conduct::Takes);
        let got = receiver.wait_until(name, |got| got.len() >= 2).await;
        assert_eq!(got[1].headers["webhook-id"], first.headers["webhook-id"], "{name}");
        assert_eq!(got[1].body, first.body, "{name}");
        key.verify(&got[1]);
        assert_eq!(house.operator().answers.pending().unwrap().len(), 1, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_for_good_is_sent_once() {
    let elsewhere = Receiver::start(None).await;
    let redirect = format!("location: http://{}/hook\r\n", elsewhere.address());
    for conduct in [
        Conduct::status(410, ""),
        Conduct::status(404, ""),
        Conduct::status(307, &redirect),
        Conduct::status(301, &redirect),
    ] {
        let (key, receiver) = (Key::new(), Receiver::start(None).await);
        receiver.behave(conduct);
        let house = writing(&key.webhook("chat", &receiver, "")).await;
        asks(&house, "checkout").await;
        receiver.wait_for("approval.requested").await;
        receiver.behave(Conduct::Takes);
        asks(&house, "catalog").await;
        // What would be sent again would come before it.
        let got = receiver.wait_until("second", |got| got.len() >= 2).await;
        assert_ne!(got[0].headers["webhook-id"], got[1].headers["webhook-id"]);
        let name = &got[1].json()["data"]["approval"]["request"]["plan"]["target"]["name"];
        assert_eq!(name, "catalog");
    }
    assert!(elsewhere.got().is_empty(), "no redirect is followed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_that_hangs_holds_up_neither_calls_nor_the_end() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    receiver.behave(Conduct::Hangs);
    let config = format!(
        "[audit]\nsinks = [\"file\", \"webhook:chat\"]\n{}",
        key.webhook("chat", &receiver, "")
    );
    let house = writing(&config).await;
    for name in ["checkout", "catalog"] {
        asks(&house, name).await;
    }
    receiver.wait_until("message", |got| !got.is_empty()).await;
    let begun = Instant::now();
    house.inner.close().await;
    assert!(begun.elapsed() < AT_ONCE, "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn only_whom_the_authority_vouches_for_is_told() {
    let (ours, other) = (Authority::new("ours"), Authority::new("another"));
    for (signs, validity, is_told) in [
        (&ours, Validity::Now, true),
        (&other, Validity::Now, false),
        (&ours, Validity::Expired, false),
    ] {
        let certificate = signs.server(&["127.0.0.1"], validity);
        let receiver = Receiver::start(Some(tls(&certificate, None))).await;
        let key = Key::new();
        let ca_file = key.put("ca.pem", &ours.pem);
        let url = format!("https://{}/hook", receiver.address());
        let webhook = key.webhook_at("chat", &url, &format!("ca_file = \"{}\"", ca_file.display()));
        let house = writing(&webhook).await;
        asks(&house, "checkout").await;
        if is_told {
            key.verify(&receiver.wait_for("approval.requested").await);
        } else {
            house.inner.close().await; // Tried once more at the end.
            assert!(receiver.got().is_empty(), "{validity:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_the_records_are_the_lines_of_the_file() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let config = format!(
        "[audit]\nsinks = [\"file\", \"webhook:archive\"]\n{}",
        key.webhook("archive", &receiver, "events = []")
    );
    let house = writing(&config).await;
    let mut random = Random::new(7);
    let planted: Vec<_> = kinds()
        .iter()
        .take(5)
        .map(|kind| Planted::of(&kind.name, &kind.hit, &mut random))
        .collect();
    for (name, planted) in ["checkout", "catalog", "web", "frontend", "search"].iter().zip(&planted)
    {
        let mut arguments = restart(name);
        arguments["reason"] = json!(planted.text);
        house.ask("alice", "restart_deployment", arguments).await;
    }
    let file = house.audit_dir().join("audit.jsonl");
    let state = house.audit_dir();
    house.inner.close().await;
    let got = receiver.got();
    for got in &got {
        key.verify(got);
    }
    let lines = got.iter().flat_map(|got| {
        let message = got.json();
        assert_eq!(message["type"], "audit.records");
        let lines = message["data"]["lines"].as_array().unwrap().clone();
        lines.into_iter().map(|line| line.as_str().unwrap().to_owned())
    });
    let lines: Vec<String> = lines.collect();
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{e}: {state:?}"));
    assert_eq!(lines, text.lines().collect::<Vec<_>>());
    assert!(lines.last().unwrap().contains("\"closing\":true"), "{lines:?}");
    seen_nowhere(&planted, &got);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_loses_records_is_trouble_for_the_others_to_hear() {
    let (key, archive, chat) =
        (Key::new(), Receiver::start(None).await, Receiver::start(None).await);
    archive.behave(Conduct::status(410, ""));
    let config = format!(
        "[audit]\nsinks = [\"file\", \"webhook:archive\"]\n{}{}",
        key.webhook("archive", &archive, "events = []"),
        key.webhook("chat", &chat, "events = [\"audit\"]"),
    );
    let house = writing(&config).await;
    asks(&house, "checkout").await;
    let trouble = chat.wait_for("audit.trouble").await;
    key.verify(&trouble);
    let data = &trouble.json()["data"];
    assert_eq!(data["part"], "copy webhook:archive");
    assert_eq!(data["why"], "it answered 410");
    assert!(data["n_failures"].as_u64().unwrap() > 0, "{data}");
}

/// No delivered byte shows a planted secret, nor the key that messages are signed with.
fn seen_nowhere(planted: &[Planted], got: &[Got]) {
    let all: String = got.iter().map(|got| String::from_utf8_lossy(&got.body)).collect();
    for planted in planted {
        for part in planted.parts.iter().filter(|part| part.len() >= 8) {
            assert!(!all.contains(part.as_str()), "{}: {part}", planted.kind);
        }
    }
    assert!(!all.contains("a key of the tests"));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_planted_secret_is_in_what_approvers_are_told() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let house = writing(&key.webhook("chat", &receiver, "")).await;
    let mut random = Random::new(11);
    let planted: Vec<_> =
        kinds().iter().map(|kind| Planted::of(&kind.name, &kind.hit, &mut random)).collect();
    let text: Vec<_> = planted.iter().map(|planted| planted.text.as_str()).take(5).collect();
    let mut arguments = restart("checkout");
    arguments["reason"] = json!(format!("\u{1b}[2J\u{202e}{}", text.join(" ")));
    house.ask("alice", "restart_deployment", arguments).await;
    let requested = receiver.wait_for("approval.requested").await;
    seen_nowhere(&planted, std::slice::from_ref(&requested));
    let reason = requested.json()["data"]["approval"]["request"]["reason"].to_string();
    assert!(!reason.contains("\\u001b") && !reason.contains('\u{202e}'), "{reason}");
    assert!(requested.body.len() < 16 << 10, "{}", requested.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_loops_is_told_once() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let config = format!(
        "[limits]\ncpu_ms = 50\n{}",
        key.webhook("chat", &receiver, "events = [\"limits\"]")
    );
    let house = House::of(&["wat/endless-loop"], &config).await;
    for _ in 0..3 {
        let answer = house.ask("eve", "loop_forever", json!({})).await;
        assert!(answer.contains("limit"), "{answer}");
    }
    house.inner.close().await;
    let got = receiver.got();
    assert_eq!(kinds_of(&got), ["limit.hit"]);
    key.verify(&got[0]);
    let mut data = got[0].json()["data"].take();
    data["last"]["call"] = json!("<call>");
    expect![[r#"{"who":{"plugin":"endless-loop"},"n_hits":1,"over_s":0,"last":{"call":"<call>","principal":"eve@os","subject":"loop_forever","what":"limit-exceeded","detail":"the tool was stopped: it went over its limit `cpu_ms` of 50"}}"#]].assert_eq(&data.to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_denials_is_told_once() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let config = format!(
        "{}{}",
        grants("plugins/pods", "namespaces = [\"shop\"]"),
        key.webhook("chat", &receiver, "events = [\"denials\"]")
    );
    let house = House::of(&["plugins/pods"], &config).await;
    for _ in 0..25 {
        let answer = house.ask("eve", "list_pods", json!({"namespace": "payments"})).await;
        assert!(answer.contains("not found"), "{answer}");
    }
    house.inner.close().await;
    let got = receiver.got();
    assert_eq!(kinds_of(&got), ["denials.storm", "denials.storm"]);
    let whose: Vec<_> = got.iter().map(|got| got.json()["data"]["who"].to_string()).collect();
    assert_eq!(whose, [r#"{"plugin":"pods"}"#, r#"{"principal":"eve@os"}"#]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_secret_of_its_own_there_is_no_house() {
    let (key, receiver) = (Key::new(), Receiver::start(None).await);
    let file = key.dir.path().join("key");
    let refused = async |what: &str| {
        let house = House::builder().config(&key.webhook("chat", &receiver, "")).try_build().await;
        let error = house.err().unwrap_or_else(|| panic!("{what}")).to_string();
        error.replace(key.dir.path().to_str().unwrap(), "<dir>")
    };
    let mut seen = Vec::new();
    std::fs::write(&file, "short").unwrap();
    seen.push(refused("a short secret").await);
    std::fs::write(&file, "whsec_!").unwrap();
    seen.push(refused("no base64").await);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        seen.push(refused("everybody's secret").await);
    }
    std::fs::remove_file(&file).unwrap();
    seen.push(refused("no file").await);
    expect![[r#"
        webhook `chat`: `<dir>/key`: a key has less than 24 bytes
        webhook `chat`: `<dir>/key`: what follows `whsec_` is no base64
        webhook `chat`: `<dir>/key`: others can read or write it (mode 644)
        webhook `chat`: `<dir>/key`: No such file or directory (os error 2)"#]]
    .assert_eq(&seen.join("\n"));
    let _held = Arc::new(receiver);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_where_messages_go_and_whether_they_arrive() {
    let (key, takes, refuses) =
        (Key::new(), Receiver::start(None).await, Receiver::start(None).await);
    refuses.behave(Conduct::status(503, "retry-after: 60\r\n"));
    let home = Home::new();
    let config = format!(
        "[clusters.demo]\ndemo = true\n[audit]\nsinks = [\"file\", \"webhook:chat\"]\n{}{}",
        key.webhook("chat", &takes, ""),
        key.webhook("tickets", &refuses, "events = [\"approvals\"]"),
    );
    home.furnish(&[], &config);
    let seen = tokio::task::spawn_blocking(move || {
        let commands: [&[&str]; 5] = [
            &["webhooks", "list"],
            &["webhooks", "test"],
            &["webhooks", "test", "tickets", "--json"],
            &["webhooks", "test", "pager"],
            &["check"],
        ];
        let seen: String = commands.iter().map(|command| home.seen(command)).collect();
        regex::Regex::new("in [0-9]+ ms").unwrap().replace_all(&seen, "in <n> ms").into_owned()
    });
    expect![[r#"
        $ toolgate webhooks list
        NAME     HOST                    TOLD OF
        chat     http://127.0.0.1:<port>  approvals, writes, limits, denials, audit, copies of records
        tickets  http://127.0.0.1:<port>  approvals
        --- exit code 0
        $ toolgate webhooks test
        NAME     HOST                    RESULT
        chat     http://127.0.0.1:<port>  taken: 204 in <n> ms
        tickets  http://127.0.0.1:<port>  not taken: it answered 503
        --- exit code 1
        $ toolgate webhooks test tickets --json
        [{"name":"tickets","ok":false,"error":"it answered 503"}]
        --- exit code 1
        $ toolgate webhooks test pager
        --- on standard error
        error: there is no webhook `pager`

        hint: `toolgate webhooks list` shows them
        --- exit code 1
        $ toolgate check
        PLUGIN  CAPABILITY  TIER  CLUSTERS  NAMESPACES  KINDS  NAMES

        read-only is on, dry run is off, namespaces are limited to *
        --- exit code 0
    "#]].assert_eq(&seen.await.unwrap());
    let got = takes.got();
    assert_eq!(kinds_of(&got), ["webhook.test"]);
    key.verify(&got[0]);
    assert_eq!(refuses.got().len(), 2, "each is tried once");
}
