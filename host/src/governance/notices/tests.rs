//! Which record makes which notice, by tables of records as they stand in the file.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::capability::outbox::{Accepted, Message, Undelivered};
use crate::capability::{Clock, WriteRequest};
use crate::domain::decision::{ApprovalTerms, Rule};
use crate::domain::name::WebhookName;
use crate::domain::principal::Principal;
use crate::domain::scope::{Patterns, Scope};
use crate::domain::webhook::Topic;
use crate::domain::write::{Plan, Verb, WorkloadKind, WorkloadRef, WriteTarget};
use crate::governance::approval::Desk;
use crate::governance::audit::{Arguments, FILE, Stage};

fn line(call: &str, stage: &Value) -> AuditLine {
    let mut record = json!({
        "schema": "toolgate.audit/2", "instance": "i", "seq": 1, "prev": "",
        "at": "2026-11-21T02:13:07Z", "call": call, "hash": "",
    });
    record.as_object_mut().unwrap().extend(stage.as_object().unwrap().clone());
    serde_json::from_value(record).unwrap()
}

fn write() -> Value {
    json!({
        "approval": "k7dm4q2xk7dm4q2x", "principal": "ada@os", "plugin": "remediation",
        "digest": "00", "rule": "writes-need-approval:12", "verb": "restart",
        "target": {"cluster": "demo", "namespace": "shop", "kind": "Deployment", "name": "web"},
        "uid": "u1", "generation": 3,
    })
}

fn with(stage: &str, more: &Value) -> Value {
    let mut record = write();
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record["stage"] = json!(stage);
    record
}

fn received(principal: &str) -> Value {
    json!({"stage": "received", "principal": principal, "tool": "list_pods"})
}

fn admitted() -> Value {
    json!({"stage": "admitted", "plugin": "pods", "digest": "00", "tier": "read"})
}

fn used(allowed: bool) -> Value {
    json!({
        "stage": "used", "capability": "kubernetes-read", "verb": "get", "allowed": allowed,
        "target": {"cluster": "demo", "namespace": "bank", "kind": "Pod", "name": "web"},
        "rule": "grants.pods.kubernetes-read",
    })
}

fn completed(outcome: &str) -> Value {
    json!({"stage": "completed", "outcome": outcome, "bytes": 0, "truncated": false,
           "duration_ms": 1.0, "detail": "it went over its limit `cpu_ms`\u{1b}[2J"})
}

/// What is told of the records, each a second after the other.
fn told(records: &[(&str, Value)]) -> String {
    let mut observer = Observer::new();
    let mut lines = Vec::new();
    for (second, (call, stage)) in records.iter().enumerate() {
        for heard in observer.hear(&line(call, stage), Duration::from_secs(second as u64)) {
            lines.push(match heard {
                Heard::Tell(notice) => serde_json::to_string(&notice).unwrap(),
                Heard::Requested(id) => format!("requested {id}"),
            });
        }
    }
    lines.join("\n")
}

fn check(records: &[(&str, Value)], expected: &Expect) {
    expected.assert_eq(&told(records));
}

#[test]
fn approvals_and_writes_are_told_one_by_one() {
    check(
        &[
            ("c1", received("ada@os")),
            ("c1", with("approval-requested", &json!({}))),
            ("c1", completed("output")),
            (
                "c1",
                with(
                    "approval-decided",
                    &json!({"decision": "approved", "by": "bob@os", "reason": "ok\u{202e}"}),
                ),
            ),
            ("c1", with("intent", &json!({}))),
            ("c1", with("effect", &json!({"result": "done"}))),
            (
                "c2",
                with("effect", &json!({"approval": null, "result": "not executed: it changed"})),
            ),
        ],
        &expect![[r#"
            requested k7dm4q2xk7dm4q2x
            {"type":"approval.decided","data":{"call":"c1","write":{"approval":"k7dm4q2xk7dm4q2x","principal":"ada@os","plugin":"remediation","digest":"00","rule":"writes-need-approval:12","verb":"restart","target":{"cluster":"demo","namespace":"shop","kind":"Deployment","name":"web"},"uid":"u1","generation":3},"decision":"approved","by":"bob@os","reason":"ok"}}
            {"type":"write.performed","data":{"call":"c1","write":{"approval":"k7dm4q2xk7dm4q2x","principal":"ada@os","plugin":"remediation","digest":"00","rule":"writes-need-approval:12","verb":"restart","target":{"cluster":"demo","namespace":"shop","kind":"Deployment","name":"web"},"uid":"u1","generation":3}}}
            {"type":"write.failed","data":{"call":"c2","write":{"principal":"ada@os","plugin":"remediation","digest":"00","rule":"writes-need-approval:12","verb":"restart","target":{"cluster":"demo","namespace":"shop","kind":"Deployment","name":"web"},"uid":"u1","generation":3},"error":"not executed: it changed"}}"#]],
    );
}

#[test]
fn a_limit_is_told_once_for_a_plugin_that_loops() {
    let mut records = Vec::new();
    for call in ["c1", "c2", "c3"] {
        let steps = [received("ada@os"), admitted(), completed("limit-exceeded")];
        records.extend(steps.map(|step| (call, step)));
    }
    records.push(("c4", received("eve@os")));
    let reason = "you make more than 1 calls a second";
    records.push(("c4", json!({"stage": "refused", "refusal": "busy", "reason": reason})));
    // A write beyond the budget of an hour: a limit of its caller, and no door that is tried.
    let mut beyond = used(false);
    beyond["rule"] = json!("rates.caller_writes_per_h");
    records.extend([("c5", received("bot@os")), ("c5", admitted()), ("c5", beyond)]);
    check(
        &records,
        &expect![[r#"
            {"type":"limit.hit","data":{"who":{"plugin":"pods"},"n_hits":1,"over_s":0,"last":{"call":"c1","principal":"ada@os","subject":"list_pods","what":"limit-exceeded","detail":"it went over its limit `cpu_ms`"}}}
            {"type":"limit.hit","data":{"who":{"principal":"eve@os"},"n_hits":1,"over_s":0,"last":{"call":"c4","principal":"eve@os","subject":"list_pods","what":"busy","detail":"you make more than 1 calls a second"}}}
            {"type":"limit.hit","data":{"who":{"principal":"bot@os"},"n_hits":1,"over_s":0,"last":{"call":"c5","principal":"bot@os","subject":"list_pods","what":"busy","detail":"kubernetes-read beyond `rates.caller_writes_per_h`"}}}"#]],
    );
}

#[test]
fn a_storm_of_refusals_is_told_of_the_plugin_and_of_the_caller() {
    let mut records = vec![("c1", received("eve@os")), ("c1", admitted())];
    records.extend(std::iter::repeat_n(("c1", used(false)), 25));
    check(
        &records,
        &expect![[r#"
        {"type":"denials.storm","data":{"who":{"plugin":"pods"},"n_denials":20,"over_s":19,"last":{"call":"c1","principal":"eve@os","subject":"list_pods","capability":"kubernetes-read","verb":"get","target":{"cluster":"demo","namespace":"bank","kind":"Pod","name":"web"},"reason":"grants.pods.kubernetes-read"}}}
        {"type":"denials.storm","data":{"who":{"principal":"eve@os"},"n_denials":20,"over_s":19,"last":{"call":"c1","principal":"eve@os","subject":"list_pods","capability":"kubernetes-read","verb":"get","target":{"cluster":"demo","namespace":"bank","kind":"Pod","name":"web"},"reason":"grants.pods.kubernetes-read"}}}"#]],
    );
}

#[test]
fn what_the_host_reads_again_is_no_storm() {
    let mut again = received("ada@os");
    again["is_reread"] = json!(true);
    let mut records = vec![("c1", again), ("c1", admitted())];
    records.extend(std::iter::repeat_n(("c1", used(false)), 25));
    check(&records, &expect![[""]]);
}

#[test]
fn refused_calls_are_a_storm_as_well_and_mistakes_are_none() {
    let refused = |refusal: &str| json!({"stage": "refused", "refusal": refusal, "reason": "no"});
    for (refusal, is_told) in [
        ("denied", true),
        ("unknown-tool", true),
        ("unknown-resource", true),
        ("invalid-arguments", false),
    ] {
        let calls: Vec<String> = (0..20).map(|n| format!("c{n}")).collect();
        let records: Vec<_> = calls
            .iter()
            .flat_map(|call| [(call.as_str(), received("eve@os")), (call, refused(refusal))])
            .collect();
        assert_eq!(told(&records).contains("denials.storm"), is_told, "{refusal}");
    }
}

#[test]
fn what_is_quiet_is_not_told() {
    let mut records = vec![("c1", received("ada@os")), ("c1", admitted())];
    records.extend(std::iter::repeat_n(("c1", used(true)), 100));
    records.extend([("c1", completed("tool-error")), ("c2", json!({"stage": "abandoned"}))]);
    check(&records, &expect![[""]]);
}

/// Keeps what it is left.
#[derive(Default)]
struct Kept {
    messages: Mutex<Vec<(Topic, Value)>>,
    came: tokio::sync::Notify,
}

#[async_trait]
impl Outbox for Kept {
    fn leave(&self, topic: Topic, message: &Message) {
        let body: Value = serde_json::from_slice(&message.body).unwrap();
        assert_eq!(body["id"], message.id.as_str());
        self.messages.lock().unwrap().push((topic, body));
        self.came.notify_one();
    }

    async fn bring(&self, _: &WebhookName, _: Message) -> Result<(), Undelivered> {
        Err(Undelivered("it only keeps".to_owned()))
    }

    async fn try_once(&self, _: &WebhookName, _: &Message) -> Result<Accepted, Undelivered> {
        Err(Undelivered("it only keeps".to_owned()))
    }
}

/// A request for a restart of `shop/web` that waits at the desk.
fn waits(desk: &Desk) -> String {
    let target = WriteTarget::Workload(WorkloadRef {
        cluster: "demo".parse().unwrap(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    });
    let all = Patterns::all;
    let request = WriteRequest {
        call: "call000000000001".parse().unwrap(),
        principal: Principal::local("ada"),
        on_behalf_of: None,
        plugin: "remediation".parse().unwrap(),
        digest: "0".repeat(64),
        tool: "restart_deployment".parse().unwrap(),
        verb: Verb::Restart,
        target: target.clone(),
        scope: Scope { clusters: all(), namespaces: all(), kinds: all(), names: all() },
        reason: None,
        resumes: false,
    };
    let plan = Plan::bare(request.verb, target);
    let rule = Rule::named("writes-need-approval");
    let submitted = desk.submit(request, plan, rule, ApprovalTerms::default()).unwrap();
    submitted.ticket.id.to_string()
}

#[tokio::test]
async fn records_that_came_too_fast_are_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
    let log =
        AuditLog::open(&folder.path().join("audit"), "i", Arguments::Full, Arc::clone(&clock))
            .unwrap();
    let answers = Answers::open(&folder.path().join("approvals"), Arc::clone(&clock)).unwrap();
    let kept = Arc::new(Kept::default());
    let outbox: Arc<dyn Outbox> = kept.clone();
    let desk = |instance: &str| {
        let path = folder.path().join("approvals");
        Desk::open(&path, instance.to_owned(), Arc::clone(&clock)).unwrap()
    };
    let (ours, theirs) = (desk("i"), desk("another"));
    let (id, _) = (waits(&ours), waits(&theirs));
    let notices = Notices::new(Parts {
        outbox,
        log: log.clone(),
        answers: Arc::new(answers),
        stamp: Arc::new(Stamp::new("i".to_owned(), Arc::clone(&clock))),
        instance: "i".to_owned(),
        console: Some(([127, 0, 0, 1], 8_081).into()),
    });
    for number in 0..1_500 {
        log.record(&format!("call{number}"), Stage::Abandoned, false).await.unwrap();
    }
    // The log signs a thousand records when its thread comes to it, and that is a record too.
    let file = folder.path().join("audit").join(FILE);
    let signed = async {
        while !std::fs::read_to_string(&file).unwrap().contains("\"checkpoint\"") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), signed).await.expect("it signs");
    let record =
        line("call000000000001", &with("approval-requested", &json!({"approval": id.as_str()})));
    log.record("call000000000001", record.stage, false).await.unwrap();
    log.lost_by_copy("webhook:archive", 3, "it answered 410");
    let stop = CancellationToken::new();
    stop.cancel();
    notices.run(stop).await;
    let mut seen = kept.messages.lock().unwrap().clone();
    let requested: Vec<_> = seen.extract_if(.., |(topic, _)| *topic == Topic::Approvals).collect();
    assert_eq!(requested.len(), 1, "of this process, and once: {requested:?}");
    let data = &requested[0].1["data"];
    assert_eq!(data["approval"]["request"]["id"], id.as_str());
    assert_eq!(data["console"], format!("http://127.0.0.1:8081/requests/{id}"));
    seen.sort_by_key(|(_, body)| body["data"]["part"].to_string());
    let seen: Vec<_> = seen
        .iter()
        .map(|(topic, body)| format!("{topic} {} {}", body["type"], body["data"]))
        .collect();
    expect![[r#"
        audit "audit.trouble" {"part":"copy webhook:archive","n_failures":3,"why":"it answered 410"}
        audit "audit.trouble" {"part":"notices","n_failures":479,"why":"records came faster than they could be told of; the log has them"}"#]].assert_eq(&seen.join("\n"));
}
