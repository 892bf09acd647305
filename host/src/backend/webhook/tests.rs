//! What waits, on paused time: no test here waits for anything.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::courier::GIVEN_UP_AFTER;
use super::post::{Post, Tried};
use super::*;

type Say = Box<dyn Fn(&str, u32) -> Tried + Send + Sync>;

/// A webhook that notes what it is sent, and when.
struct Receiver {
    began: Instant,
    seen: Mutex<Vec<(u64, String)>>,
    say: Say,
    takes: Duration,
}

#[async_trait]
impl Post for Receiver {
    async fn post(&self, message: &Message) -> Tried {
        tokio::time::sleep(self.takes).await;
        let mut seen = self.seen.lock().unwrap();
        let n_before = seen.iter().filter(|(_, id)| *id == message.id).count();
        seen.push((self.began.elapsed().as_secs(), message.id.clone()));
        (self.say)(&message.id, u32::try_from(n_before).unwrap())
    }
}

fn receiver(
    takes: Duration,
    say: impl Fn(&str, u32) -> Tried + Send + Sync + 'static,
) -> Arc<Receiver> {
    let (began, seen) = (Instant::now(), Mutex::default());
    Arc::new(Receiver { began, seen, say: Box::new(say), takes })
}

fn name() -> WebhookName {
    "chat".parse().unwrap()
}

fn webhooks(receiver: &Arc<Receiver>) -> Webhooks {
    let line: Arc<dyn Post> = receiver.clone();
    let webhooks =
        Webhooks::over(BTreeMap::from([(name(), (line, BTreeSet::from([Topic::Approvals])))]));
    webhooks.start();
    webhooks
}

fn message(id: &str) -> Message {
    Message { id: id.to_owned(), body: b"{}".as_slice().into() }
}

fn again() -> Tried {
    Tried::Again("it answered 500".to_owned(), None)
}

fn ids(receiver: &Receiver) -> Vec<String> {
    receiver.seen.lock().unwrap().iter().map(|(_, id)| id.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn tries_again_later_and_later_with_the_same_id_and_in_order() {
    let receiver =
        receiver(
            Duration::ZERO,
            |id, n| {
                if id == "a" && n < 3 { again() } else { Tried::Taken(200) }
            },
        );
    let webhooks = webhooks(&receiver);
    webhooks.leave(Topic::Approvals, &message("a"));
    webhooks.leave(Topic::Writes, &message("of another topic"));
    webhooks.bring(&name(), message("b")).await.unwrap();
    assert_eq!(ids(&receiver), ["a", "a", "a", "a", "b"]);
    let took = receiver.began.elapsed();
    assert!(took >= Duration::from_millis(3_400) && took <= Duration::from_secs(8), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_webhook_never_takes_does_not_hold_up_the_others_for_long() {
    let receiver =
        receiver(Duration::ZERO, |id, _| if id == "bad" { again() } else { Tried::Taken(204) });
    let webhooks = webhooks(&receiver);
    webhooks.leave(Topic::Approvals, &message("bad"));
    webhooks.bring(&name(), message("good")).await.unwrap();
    let took = receiver.began.elapsed();
    assert!(took <= Duration::from_secs(32), "{took:?}");
    tokio::time::sleep(Duration::from_mins(8)).await;
    let begun = Instant::now();
    webhooks.bring(&name(), message("fresh")).await.unwrap();
    assert!(begun.elapsed() <= Duration::from_secs(15), "{:?}", begun.elapsed());
    tokio::time::sleep(GIVEN_UP_AFTER).await;
    assert_eq!(webhooks.n_lost(), 1, "it is given up");
    let n_tries = ids(&receiver).iter().filter(|id| *id == "bad").count();
    assert!((5..=30).contains(&n_tries), "{n_tries}");
}

#[tokio::test(start_paused = true)]
async fn a_webhook_is_left_alone_for_as_long_as_it_asks() {
    let asks = |n| Tried::Again("it answered 429".to_owned(), Some(Duration::from_secs(n)));
    let receiver =
        receiver(
            Duration::ZERO,
            move |id, n| if id == "a" && n == 0 { asks(60) } else { Tried::Taken(200) },
        );
    let webhooks = webhooks(&receiver);
    webhooks.leave(Topic::Approvals, &message("a"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    webhooks.leave(Topic::Approvals, &message("fresh"));
    tokio::time::sleep(Duration::from_secs(58)).await;
    assert_eq!(ids(&receiver), ["a"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ids(&receiver), ["a", "a", "fresh"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_final_is_lost_at_once_and_told() {
    let receiver = receiver(Duration::ZERO, |_, _| Tried::Never("it answered 410".to_owned()));
    let webhooks = webhooks(&receiver);
    let lost = webhooks.bring(&name(), message("a")).await.unwrap_err();
    assert_eq!(lost.to_string(), "it answered 410");
    assert_eq!((ids(&receiver).len(), webhooks.n_lost()), (1, 1));
    let other = "other".parse().unwrap();
    assert!(webhooks.bring(&other, message("a")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_down_is_not_asked_all_the_time_and_hears_all_when_it_is_back() {
    let receiver = receiver(Duration::ZERO, |_, _| again());
    let began = receiver.began;
    let back = Arc::new(Receiver {
        began,
        seen: Mutex::default(),
        say: Box::new(move |_, _| {
            if began.elapsed() < Duration::from_mins(10) { again() } else { Tried::Taken(200) }
        }),
        takes: Duration::ZERO,
    });
    let webhooks = webhooks(&back);
    for n in 0..20 {
        webhooks.leave(Topic::Approvals, &message(&format!("m{n}")));
    }
    tokio::time::sleep(Duration::from_mins(9)).await;
    let n_tries = back.seen.lock().unwrap().len();
    assert!(n_tries < 60, "{n_tries}");
    tokio::time::sleep(Duration::from_mins(12)).await;
    assert_eq!(webhooks.n_lost(), 0);
    let mut heard = ids(&back).split_off(n_tries);
    heard.sort();
    heard.dedup();
    assert_eq!(heard.len(), 20, "{heard:?}");
}

#[tokio::test(start_paused = true)]
async fn too_many_are_lost_and_counted_and_nobody_waits() {
    let receiver = receiver(Duration::from_hours(1), |_, _| again());
    let webhooks = webhooks(&receiver);
    for n in 0..1_010 {
        webhooks.leave(Topic::Approvals, &message(&format!("m{n}")));
    }
    assert_eq!(receiver.began.elapsed(), Duration::ZERO);
    assert_eq!(webhooks.n_lost(), 10);
    let large = Message { id: "large".to_owned(), body: vec![b'x'; 9 << 20].into() };
    webhooks.leave(Topic::Approvals, &large);
    assert_eq!(webhooks.n_lost(), 11);
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_what_is_under_way_and_not_for_long() {
    let quick = receiver(Duration::from_millis(100), |_, _| Tried::Taken(200));
    let webhooks_of_quick = webhooks(&quick);
    for n in 0..5 {
        webhooks_of_quick.leave(Topic::Approvals, &message(&format!("m{n}")));
    }
    webhooks_of_quick.close(async {}).await;
    assert_eq!((ids(&quick).len(), webhooks_of_quick.n_lost()), (5, 0));

    let deaf = receiver(Duration::from_hours(1), |_, _| Tried::Taken(200));
    let webhooks_of_deaf = webhooks(&deaf);
    webhooks_of_deaf.leave(Topic::Approvals, &message("a"));
    webhooks_of_deaf.leave(Topic::Approvals, &message("b"));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    webhooks_of_deaf.close(async {}).await;
    assert!(begun.elapsed() <= CLOSES_WITHIN, "{:?}", begun.elapsed());
    assert_eq!(webhooks_of_deaf.n_lost(), 2);
}
