//! Approvals among processes: several servers on one state folder, many commands that answer at
//! once, one that watches, and a client that waits to hear of the end.

use std::collections::BTreeMap;

use expect_test::expect;
use serde_json::{Value, json};
use toolgate_tests::grants;

use crate::console::{SERVE, call, id_in};
use crate::program::{Home, Http, Pipe, terminate, until};

/// Servers on one folder.
const SERVERS: usize = 3;

/// Commands that answer one request at once.
const ANSWERS: usize = 5;

/// Callers that ask each server again at once.
const CALLERS: usize = 6;

fn furnished(more: &str) -> Home {
    let home = Home::new();
    let granted = grants("plugins/remediation", "namespaces = [\"shop\"]");
    let config =
        format!("[mode]\nread_only = false\n{more}[clusters.demo]\ndemo = true\n{granted}");
    home.furnish(&["plugins/remediation"], &config);
    home
}

fn checkout() -> Value {
    json!({"namespace": "shop", "deployment_name": "checkout"})
}

fn ask(http: &Http, client: &str) -> String {
    call(http, client, "restart_deployment", checkout())
}

/// What the log says of writes: stages of each approval, in order.
fn recorded(home: &Home) -> BTreeMap<String, Vec<String>> {
    let mut stages = BTreeMap::<String, Vec<String>>::new();
    let text = std::fs::read_to_string(home.path().join("state/audit/audit.jsonl")).unwrap();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let Some(approval) = record["approval"].as_str() else { continue };
        let more = record["decision"].as_str().or(record["result"].as_str());
        let stage = record["stage"].as_str().unwrap();
        let stage = more.map_or_else(|| stage.to_owned(), |more| format!("{stage} {more}"));
        stages.entry(approval.to_owned()).or_default().push(stage);
    }
    stages
}

#[test]
fn invariant_08_of_many_answers_in_many_processes_one_takes_effect_once() {
    let home = furnished("");
    let servers: Vec<Http> = (0..SERVERS).map(|_| Http::start(&home, &SERVE)).collect();
    let ids: Vec<String> = servers.iter().map(|http| id_in(&ask(http, "suite"))).collect();
    let pending = home.run(&["approvals", "list", "--json"]).json();
    assert_eq!(pending.as_array().unwrap().len(), SERVERS, "{pending}");

    // Everybody says yes at once, to requests of three servers, while callers ask again.
    let (printed, answers) = std::thread::scope(|scope| {
        let answer = |id: &String| home.run(&["approvals", "approve", id]);
        let commands: Vec<_> = (0..ANSWERS)
            .flat_map(|_| ids.iter().map(|id| scope.spawn(move || answer(id))))
            .collect();
        let again: Vec<_> = (0..CALLERS)
            .flat_map(|_| servers.iter().map(|http| scope.spawn(move || ask(http, "again"))))
            .collect();
        let printed: Vec<_> = commands.into_iter().map(|one| one.join().unwrap()).collect();
        let answers: Vec<_> = again.into_iter().map(|one| one.join().unwrap()).collect();
        (printed, answers)
    });
    // Whoever came too late is told so; nobody else fails.
    for command in &printed {
        assert!(command.code == Some(0) || command.code == Some(1), "{command:?}");
    }
    assert!(printed.iter().filter(|command| command.code == Some(0)).count() >= SERVERS);
    for answer in &answers {
        let fine = ["performed", "approval_required", "approval-required", "is executing it"];
        assert!(fine.iter().any(|word| answer.contains(word)), "{answer}");
    }
    for (id, http) in ids.iter().zip(&servers) {
        // Asking again waits for an execution that has begun.
        let told = ask(http, "last");
        assert!(told.contains("performed") || told.contains("approval_id"), "{id}: {told}");
    }
    let stages = recorded(&home);
    for id in &ids {
        let stages = &stages[id];
        expect![[r#"
            approval-requested
            approval-decided approved
            intent
            effect done"#]]
        .assert_eq(&stages.join("\n"));
    }
    // What was asked for anew meanwhile waits for another yes.
    for (id, stages) in stages.iter().filter(|(id, _)| !ids.contains(id)) {
        assert_eq!(stages, &["approval-requested"], "{id}");
    }
}

#[test]
fn invariant_08_of_a_yes_and_a_no_in_many_processes_the_first_counts() {
    let home = furnished("");
    let servers: Vec<Http> = (0..SERVERS).map(|_| Http::start(&home, &SERVE)).collect();
    let ids: Vec<String> = servers.iter().map(|http| id_in(&ask(http, "suite"))).collect();
    std::thread::scope(|scope| {
        for _ in 0..ANSWERS {
            for id in &ids {
                scope.spawn(|| home.run(&["approvals", "approve", id]));
                scope.spawn(|| home.run(&["approvals", "deny", id, "--reason", "no"]));
            }
        }
    });
    for (id, http) in ids.iter().zip(&servers) {
        let shown = || home.run(&["approvals", "show", id, "--json"]).json();
        let is_over = |shown: &Value| shown["status"] == "executed" || shown["status"] == "denied";
        let end = (0..1_000).map(|_| shown()).find(is_over).expect("it comes to an end");
        let told = ask(http, "last");
        let stages = recorded(&home)[id].join(", ");
        if end["status"] == "executed" {
            assert!(told.contains("performed"), "{told}");
            let once = "approval-requested, approval-decided approved, intent, effect done";
            assert_eq!(stages, once, "{id}");
        } else {
            assert!(told.contains("denied"), "{told}");
            assert_eq!(stages, "approval-requested, approval-decided denied", "{id}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_watcher_is_told_of_every_request_and_of_its_end() {
    let home = furnished("");
    let http = Http::start(&home, &SERVE);
    let before = id_in(&ask(&http, "suite"));
    let (mut for_people, shown) = home.watch(&[]);
    let (mut for_programs, told) = home.watch(&["--json"]);
    // What waited before is told first; what comes meanwhile as it comes.
    let mut seen = until(&shown, "pending");
    until(&told, &before);
    home.run(&["approvals", "deny", &before, "--reason", "not now"]).good();
    seen.extend(until(&shown, "denied"));
    ask(&http, "suite"); // Is told of the no; the next one asks anew.
    let after = id_in(&ask(&http, "suite"));
    seen.extend(until(&shown, &after));
    home.run(&["approvals", "approve", &after]).good();
    seen.extend(until(&shown, "executed"));
    // A yes that is executed at once is seen on its way or not.
    seen.retain(|line| !line.contains("approved   ") && !line.contains("executing"));
    expect![[r#"
        <id> pending     restart Deployment shop/checkout in demo, 1 yes missing
        <id> denied      restart Deployment shop/checkout in demo, denied by ada@os
        <id> pending     restart Deployment shop/checkout in demo, 1 yes missing
        <id> executed    restart Deployment shop/checkout in demo, approved by ada@os
    "#]]
    .assert_eq(&home.tame(&(seen.join("\n") + "\n")));
    let last = until(&told, "\"executed\"").pop().unwrap();
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["request"]["id"], &last["status"]), (&json!(after), &json!("executed")));
    for child in [&mut for_people, &mut for_programs] {
        terminate(&child.0);
        assert!(child.0.wait().unwrap().success());
    }
}

#[test]
fn a_client_that_subscribed_hears_of_the_end_and_reads_it() {
    let home = furnished("[serve]\nreread_every_s = 1\n");
    let mut session = Pipe::open(&home, &["serve"]);
    for (answer, end) in [("deny", "denied"), ("approve", "executed")] {
        let asked = session.call("restart_deployment", checkout());
        let id = id_in(&asked.to_string());
        let uri = json!({"uri": format!("toolgate://approvals/{id}")});
        let read = |session: &mut Pipe| {
            let read = session.request("resources/read", uri.clone());
            let text = read["result"]["contents"][0]["text"].as_str().expect("a text");
            serde_json::from_str::<Value>(text).unwrap()["status"].clone()
        };
        assert_eq!(read(&mut session), "pending");
        let subscribed = session.request("resources/subscribe", uri.clone());
        assert!(subscribed["error"].is_null(), "{subscribed}");
        home.run(&["approvals", answer, &id, "--reason", "because"]).good();
        // A look may fall between the yes and the effect: then it is told of again.
        let ended = (0..10).any(|_| {
            let heard = session.hear();
            assert_eq!(heard["method"], "notifications/resources/updated", "{heard}");
            assert_eq!(heard["params"]["uri"], uri["uri"]);
            read(&mut session) == end
        });
        assert!(ended, "it is {end} at the end");
        session.request("resources/unsubscribe", uri.clone());
        session.call("restart_deployment", checkout()); // Is told of the end.
    }
    session.close();
}
