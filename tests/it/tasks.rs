//! A write that waits for a person, as a task: looked at, ended, taken back, and nobody else's.

use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use tokio::time::Instant;
use toolgate::governance::approval::ApprovalError;

use crate::elicitation::{CONFIRM, Fixture, Turns, restart, state, tamed, text, with};
use crate::later::Later;

/// Longer than a rollout of the embedded cluster takes.
const SOON: Duration = Duration::from_mins(1);

fn extensions() -> Value {
    json!({"io.modelcontextprotocol/tasks": {}})
}

fn turns(fixture: &Fixture, who: &str) -> Turns {
    Turns::with(fixture.tools(), who, json!({"extensions": extensions()}))
}

/// Calls, and is given a task.
async fn task(turns: &mut Turns) -> String {
    let answer = turns.call(restart("checkout"), json!({})).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    answer["result"]["taskId"].as_str().unwrap().to_owned()
}

async fn look(turns: &mut Turns, id: &str) -> Value {
    turns.request("tasks/get", json!({"taskId": id})).await["result"].take()
}

/// The first look at which the task does not work any more.
async fn ended(turns: &mut Turns, id: &str) -> Value {
    let began = Instant::now();
    loop {
        let seen = look(turns, id).await;
        if seen["status"] != "working" {
            return seen;
        }
        assert!(began.elapsed() < SOON, "it works on: {seen}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn shown(task: &Value) -> String {
    tamed(&format!("{} {}", task["status"], task["statusMessage"]))
}

#[tokio::test]
async fn a_task_works_until_its_write_has_rolled_out() {
    let fixture = Fixture::new("").await;
    let mut turns = turns(&fixture, "ada");
    let made = turns.call(restart("checkout"), json!({})).await["result"].take();
    let id = made["taskId"].as_str().unwrap().to_owned();
    assert_eq!(id, fixture.waiting().as_str());
    let mut facts = made.clone();
    facts.as_object_mut().unwrap().remove("_meta");
    expect![[r#"{"resultType":"task","taskId":"<id>","status":"working","statusMessage":"waits for the yes of 1 person","createdAt":"<time>","lastUpdatedAt":"<time>","ttlMs":4200000,"pollIntervalMs":2000}"#]].assert_eq(&tamed(&facts.to_string()));
    assert_eq!(task(&mut turns).await, id, "the same question is the same task");
    let working = look(&mut turns, &id).await;
    assert_eq!(
        (&working["status"], &working["resultType"]),
        (&json!("working"), &json!("complete"))
    );
    assert_eq!(fixture.writes(), 0);
    fixture.house.operator().approve(&fixture.waiting(), "olga");
    let done = ended(&mut turns, &id).await;
    assert_eq!((&done["status"], &done["result"]["isError"]), (&json!("completed"), &json!(false)));
    assert!(text(&done).contains("Performed"), "{done}");
    assert_eq!(look(&mut turns, &id).await["result"], done["result"], "and it stays");
    // Too late, and told as that.
    let late = turns.request("tasks/cancel", json!({"taskId": id})).await;
    assert_eq!(late["result"]["resultType"], "complete", "{late}");
    assert_eq!(look(&mut turns, &id).await["status"], "completed");
    assert_eq!(fixture.writes(), 1);
    assert!(fixture.pending().is_empty(), "looking asks for nothing");
}

/// Somebody may be faster than the call that asked.
#[tokio::test]
async fn what_is_over_before_its_call_has_ended_is_a_task_all_the_same() {
    let fixture = Fixture::new("").await;
    let later = Later::of(&fixture.house);
    later.by_minutes(11);
    let mut turns = Turns::with(later, "ada", json!({"extensions": extensions()}));
    let id = task(&mut turns).await;
    let seen = look(&mut turns, &id).await;
    expect![[r#""cancelled" "expired; nothing was changed""#]].assert_eq(&shown(&seen));
    assert_eq!(fixture.writes(), 0);
}

#[tokio::test]
async fn a_task_ends_with_a_no_or_where_it_is_taken_back() {
    let fixture = Fixture::new("").await;
    let mut turns = turns(&fixture, "ada");
    let denied = task(&mut turns).await;
    let id = fixture.waiting();
    fixture.house.operator().answer(&id, false, "olga", Some("not today")).unwrap();
    let mut seen = vec![shown(&ended(&mut turns, &denied).await)];
    // The next call tells the same, and the one after it asks anew.
    let told = turns.call(restart("checkout"), json!({})).await;
    seen.push(text(&told));
    let again = task(&mut turns).await;
    assert_ne!(again, denied);
    let waiting = fixture.waiting();
    turns.request("tasks/cancel", json!({"taskId": again})).await;
    seen.push(shown(&ended(&mut turns, &again).await));
    let late = fixture.house.operator().answer(&waiting, true, "olga", None).unwrap_err();
    assert!(matches!(late, ApprovalError::Over { .. }), "{late}");
    expect![[r#"
        "cancelled" "denied: not today; nothing was changed"
        denied: restart of deployment `shop/checkout`: the operator said no: not today. Nothing was changed.
        "cancelled" "denied: withdrawn by the one who asked; nothing was changed""#]].assert_eq(&seen.join("\n"));
    // The request is over before that is on record.
    let began = Instant::now();
    let mut decisions = fixture.decisions().await;
    while !decisions.contains("withdrawn") {
        assert!(began.elapsed() < SOON, "it is not recorded: {decisions}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        decisions = fixture.decisions().await;
    }
    expect![[r#"
        approval-decided restart demo:Deployment:shop/checkout for ada@os denied by olga@os not today
        approval-decided restart demo:Deployment:shop/checkout for ada@os denied by ada@os (client) withdrawn by the one who asked"#]].assert_eq(&decisions);
    assert_eq!(fixture.writes(), 0);
}

#[tokio::test]
async fn anothers_task_looks_like_none() {
    let fixture = Fixture::new("").await;
    let mut turns_of_ada = turns(&fixture, "ada");
    let id = task(&mut turns_of_ada).await;
    let mut eve = turns(&fixture, "eve");
    for method in ["tasks/get", "tasks/cancel", "tasks/update"] {
        let mut answers = Vec::new();
        for id in [id.as_str(), "nobody22nobody22", "../x", ""] {
            let params = json!({"taskId": id, "inputResponses": {}});
            answers.push(eve.request(method, params).await["error"].take());
        }
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{method}: {answers:#?}");
        assert_eq!(answers[0]["code"], -32602);
    }
    let update = json!({"taskId": id, "inputResponses": {"approval": {"action": "accept"}}});
    let updated = turns_of_ada.request("tasks/update", update).await;
    assert_eq!(updated["result"]["resultType"], "complete", "{updated}");
    assert_eq!(look(&mut turns_of_ada, &id).await["status"], "working", "nobody took it back");
    assert_eq!(fixture.pending().len(), 1);
}

#[tokio::test]
async fn a_task_never_asks_for_the_write_again() {
    let fixture = Fixture::new("").await;
    let mut turns = turns(&fixture, "ada");
    let id = task(&mut turns).await;
    fixture.house.operator().approve(&fixture.waiting(), "olga");
    // Somebody else is told the end first.
    let began = Instant::now();
    loop {
        let told = fixture.house.ask("ada", "restart_deployment", restart("checkout")).await;
        if told.contains("complete") || told.contains("Complete") {
            break;
        }
        assert!(began.elapsed() < SOON && told.contains("Performed"), "{told}");
    }
    let done = ended(&mut turns, &id).await;
    assert_eq!(done["status"], "completed");
    expect!["unavailable: what became of the request was told to an earlier call, and the request itself says it: look at `toolgate://approvals`"].assert_eq(&text(&done));
    assert_eq!((fixture.writes(), fixture.pending().len()), (1, 0));
}

#[tokio::test]
async fn only_clients_that_know_tasks_are_given_one() {
    let fixture = Fixture::new(CONFIRM).await;
    let mut plain = Turns::with(fixture.tools(), "ada", json!({}));
    let told = plain.call(restart("checkout"), json!({})).await;
    assert!(text(&told).contains("Approval required"), "{told}");
    let discovered = plain.request("server/discover", json!({})).await;
    assert_eq!(discovered["result"]["capabilities"]["extensions"], extensions());
    let unknown = plain.request("tasks/get", json!({"taskId": "nobody22nobody22"})).await;
    assert_eq!(unknown["error"]["code"], -32021, "{unknown}");
    // A person who can be asked is asked first.
    let both = json!({"elicitation": {}, "extensions": extensions()});
    let mut turns = Turns::with(fixture.tools(), "ada", both);
    let asked = turns.call(restart("checkout"), json!({})).await;
    let cancel = with(&state(&asked), json!({"action": "cancel"}));
    let answer = turns.call(restart("checkout"), cancel).await;
    assert_eq!(answer["result"]["resultType"], "task", "{answer}");
    assert_eq!(fixture.writes(), 0);
}
