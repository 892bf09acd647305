//! One plugin beside eight that compute without end: what it keeps of its speed.
//!
//! Ratios within one run, so that the machine's own speed does not matter; medians over short
//! windows that take turns, so that what else the machine does hits both sides alike.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use toolgate_tests::{House, Part, repository};

const LOOPERS: usize = 8;

/// Windows of each kind. A median of seven shrugs off three in which the machine was busy.
const WINDOWS: usize = 7;

const WINDOW: Duration = Duration::from_millis(600);

/// What the good plugin keeps of its calls per second.
const KEEPS: f64 = 0.8;

/// How many times as long its slow calls may take.
const SLOWER: f64 = 1.5;

#[derive(Debug, Clone, Copy)]
struct Window {
    calls_per_s: f64,
    p99_ms: f64,
}

/// Something else on the machine can spoil a measurement; a fault of ours spoils every one.
const ATTEMPTS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn looping_plugins_leave_a_good_one_its_speed() {
    let house = Arc::new(house().await);
    measure(&house).await; // Warms pages and caches up.
    let mut seen = Vec::new();
    for _ in 0..ATTEMPTS {
        let (keeps, slower) = attempt(&house).await;
        if keeps >= KEEPS && slower <= SLOWER {
            return;
        }
        seen.push((keeps, slower));
    }
    panic!("kept calls per second and p99, each to that of the plugin alone: {seen:.2?}");
}

async fn attempt(house: &Arc<House>) -> (f64, f64) {
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    for _ in 0..WINDOWS {
        alone.push(measure(house).await);
        let loopers = Loopers::start(house).await;
        beside.push(measure(house).await);
        loopers.stop().await;
    }
    let (alone, beside) = (median(&alone), median(&beside));
    let keeps = beside.calls_per_s / alone.calls_per_s;
    let slower = beside.p99_ms / alone.p99_ms;
    eprintln!(
        "alone {alone:.2?}\nbeside {LOOPERS} loops {beside:.2?}\nkeeps {keeps:.2}, p99 {slower:.2}"
    );
    (keeps, slower)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_but_honest_call_takes_its_turns_with_looping_ones() {
    let house = Arc::new(house().await);
    let loopers = Loopers::start(&house).await;
    let answer = house.ask("bob", "be_slow", json!({"ms": 100})).await;
    loopers.stop().await;
    assert!(answer.starts_with("output: busy for about 100 ms"), "{answer}");
}

async fn house() -> House {
    let file = repository().join("tests/wat/endless-loop.wat");
    let text = std::fs::read_to_string(file).unwrap();
    let mut builder = House::builder().with("guests/echo").with("guests/slow").alone();
    for number in 0..LOOPERS {
        let text = text.replace("loop_forever", &format!("loop_{number}"));
        builder = builder.with_part(Part::of_text(&format!("loop-{number}"), &text));
    }
    // What is measured is how guests share cores, and not how many calls are let in.
    let rates = "[rates]\ncaller_per_s = 100000\ntool_per_s = 100000\nplugin_per_s = 100000\n";
    builder.config(rates).build().await
}

/// The good plugin's calls, one after the other.
async fn measure(house: &House) -> Window {
    let began = Instant::now();
    let mut took_ms = Vec::new();
    while began.elapsed() < WINDOW {
        let one = Instant::now();
        house.call("bob", "echo", json!({"a": 1})).await.unwrap();
        took_ms.push(one.elapsed().as_secs_f64() * 1e3);
    }
    let n_calls = u32::try_from(took_ms.len()).unwrap();
    let calls_per_s = f64::from(n_calls) / began.elapsed().as_secs_f64();
    took_ms.sort_by(f64::total_cmp);
    Window { calls_per_s, p99_ms: took_ms[took_ms.len() * 99 / 100] }
}

fn median(windows: &[Window]) -> Window {
    let middle = |of: fn(&Window) -> f64| {
        let mut values: Vec<f64> = windows.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Window { calls_per_s: middle(|w| w.calls_per_s), p99_ms: middle(|w| w.p99_ms) }
}

/// Callers of the looping plugins, each of which asks again as soon as it is refused.
struct Loopers {
    stop: CancellationToken,
    callers: JoinSet<()>,
}

impl Loopers {
    async fn start(house: &Arc<House>) -> Self {
        let stop = CancellationToken::new();
        let mut callers = JoinSet::new();
        for number in 0..LOOPERS {
            let (house, stop) = (Arc::clone(house), stop.clone());
            callers.spawn(async move {
                while !stop.is_cancelled() {
                    let tool = format!("loop_{number}");
                    house.call_until("eve", &tool, json!({}), stop.clone()).await.unwrap();
                }
            });
        }
        // Every one of them has begun to compute when the good plugin is asked.
        tokio::time::sleep(Duration::from_millis(200)).await;
        Self { stop, callers }
    }

    async fn stop(mut self) {
        self.stop.cancel();
        while self.callers.join_next().await.is_some() {}
    }
}
