//! Calls that end before they answer: taken back, dropped, too late, too many.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolgate::governance::audit::Stage;
use toolgate_tests::{House, shown};

/// What is promised is 20 ms; a machine that is busy with something else gets some more.
const OUTCOME_WITHIN: Duration = Duration::from_millis(100);

/// Longer than a test waits for anything that comes at all.
const SOON: Duration = Duration::from_secs(5);

/// Bounds that no call of these tests reaches, and one call at a time.
const ONE_AT_A_TIME: &str = "[limits]\ncpu_ms = 60000\nconcurrency_max = 1\nqueue_max = 1\n";

/// About an hour.
const ENDLESS_MS: u64 = 3_600_000;

/// Begins a call that computes without end, and returns when the guest does.
async fn endless(
    house: &Arc<House>,
    cancel: &CancellationToken,
) -> tokio::task::JoinHandle<String> {
    let n_before = admitted(house);
    let (caller, token) = (Arc::clone(house), cancel.clone());
    let call = tokio::spawn(async move {
        let arguments = json!({"ms": ENDLESS_MS});
        shown(&caller.call_until("eve", "be_slow", arguments, token).await)
    });
    let began = Instant::now();
    while admitted(house) == n_before {
        assert!(began.elapsed() < SOON, "the call is not admitted");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Past the fast lane: a guest in the slow one has to be found there.
    tokio::time::sleep(Duration::from_millis(40)).await;
    call
}

fn admitted(house: &House) -> usize {
    let lines = house.record().lines();
    lines.iter().filter(|line| matches!(line.stage, Stage::Admitted { .. })).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures: `cargo xtask test` runs it alone, after the others"]
async fn a_cancelled_guest_ends_at_once_and_leaves_its_place() {
    let builder = House::builder().with("guests/slow").config(ONE_AT_A_TIME);
    let house = Arc::new(builder.build().await);
    let mut outcomes_ms = Vec::new();
    let mut places_ms = Vec::new();
    for _ in 0..15 {
        let cancel = CancellationToken::new();
        let call = endless(&house, &cancel).await;
        let cancelled = Instant::now();
        cancel.cancel();
        assert_eq!(call.await.unwrap(), "cancelled");
        outcomes_ms.push(cancelled.elapsed().as_secs_f64() * 1e3);
        let next = tokio::time::timeout(SOON, house.ask("bob", "be_slow", json!({"ms": 1}))).await;
        assert!(next.expect("the place is free").starts_with("output: busy"));
        places_ms.push(cancelled.elapsed().as_secs_f64() * 1e3);
    }
    let median = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        times[times.len() / 2]
    };
    let (outcome, place) = (median(&mut outcomes_ms), median(&mut places_ms));
    eprintln!(
        "cancelled: outcome after {outcome:.2} ms (at most {:.2}), the next call's answer after \
         {place:.2} ms (at most {:.2})",
        outcomes_ms[outcomes_ms.len() - 1],
        places_ms[places_ms.len() - 1]
    );
    assert!(outcome < OUTCOME_WITHIN.as_secs_f64() * 1e3, "{outcomes_ms:.1?}");
}

#[tokio::test]
async fn a_dropped_call_is_recorded_as_abandoned_and_leaves_its_place() {
    let house = Arc::new(House::of(&["guests/slow"], ONE_AT_A_TIME).await);
    let call = endless(&house, &CancellationToken::new()).await;
    call.abort();
    let next = tokio::time::timeout(SOON, house.ask("bob", "be_slow", json!({"ms": 1}))).await;
    assert!(next.expect("the place is free").starts_with("output: busy"));
    expect![[r#"
        received  eve@os be_slow {"ms":3600000}
        admitted  slow (ambient)
        abandoned
        received  bob@os be_slow {"ms":1}
        admitted  slow (ambient)
        completed output
    "#]]
    .assert_eq(&house.record().text().await);
}

#[tokio::test]
async fn a_call_beyond_the_queue_is_refused_at_once() {
    let house = Arc::new(House::of(&["guests/slow"], ONE_AT_A_TIME).await);
    let cancel = CancellationToken::new();
    let running = endless(&house, &cancel).await;
    let waiting = endless(&house, &cancel).await;
    let third = tokio::time::timeout(SOON, house.ask("bob", "be_slow", json!({"ms": 1}))).await;
    expect![[
        r#"limit-exceeded: too many calls of plugin `slow` wait already (`queue_max`); try again in a moment"#
    ]]
    .assert_eq(&third.expect("it does not wait"));
    cancel.cancel();
    assert_eq!(running.await.unwrap(), "cancelled");
    assert_eq!(waiting.await.unwrap(), "cancelled");
}

#[tokio::test]
async fn the_deadline_ends_a_call_that_computes_and_one_that_waits() {
    let limits = "[limits]\ndeadline_ms = 200\ncpu_ms = 60000\nconcurrency_max = 1\n";
    let house = House::of(&["guests/slow"], limits).await;
    let (computes, waits) = tokio::time::timeout(SOON, async {
        tokio::join!(
            house.ask("eve", "be_slow", json!({"ms": ENDLESS_MS})),
            house.ask("bob", "be_slow", json!({"ms": ENDLESS_MS})),
        )
    })
    .await
    .expect("both end");
    let text = "limit-exceeded: the tool was stopped: it went over its limit `deadline_ms` of 200";
    assert_eq!((computes.as_str(), waits.as_str()), (text, text));
}

#[tokio::test]
async fn more_calls_than_instances_are_all_answered() {
    let n_calls = 3 * toolgate::sandbox::INSTANCES_MAX;
    let limits = "[limits]\nconcurrency_max = 300\nqueue_max = 300\n\
                  [rates]\ncaller_in_flight_max = 300\ncaller_burst = 300\n";
    let house = Arc::new(House::of(&["guests/echo"], limits).await);
    let mut calls = JoinSet::new();
    for number in 0..n_calls {
        let house = Arc::clone(&house);
        calls.spawn(async move {
            let answer = house.ask("bob", "echo", json!({"n": number})).await;
            assert_eq!(answer, format!(r#"output: {{"n":{number}}}"#));
        });
    }
    while let Some(call) = calls.join_next().await {
        call.unwrap();
    }
}
