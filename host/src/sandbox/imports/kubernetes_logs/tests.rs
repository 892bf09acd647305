//! One log, from a cluster that a test makes up.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;

use super::*;
use crate::capability::kubernetes::{
    Deployment, EventQuery, Events, Kubernetes, List, NamespaceState, Node, Page, Pod, Rollout,
};
use crate::capability::logs::{LogPieces, OpenLog};
use crate::capability::{CapabilityError, ProgressSink};
use crate::domain::name::{ClusterName, Namespace, ObjectName};
use crate::domain::write::WorkloadRef;

/// Answers the requests for a log one after the other.
struct Scripted(Mutex<Vec<Script>>);

type Script = Vec<Result<&'static str, ()>>;

/// Pieces; then the end, or silence where the last one is empty.
struct Pieces(std::vec::IntoIter<Result<&'static str, ()>>);

#[async_trait]
impl LogPieces for Pieces {
    async fn next(&mut self) -> Option<Result<Bytes, CapabilityError>> {
        if self.0.as_slice().first() == Some(&Ok("")) {
            return std::future::pending().await;
        }
        match self.0.next()? {
            Ok(text) => Some(Ok(Bytes::from_static(text.as_bytes()))),
            Err(()) => Some(Err(broken())),
        }
    }
}

fn broken() -> CapabilityError {
    CapabilityError::Unavailable { caller: "it broke", internal: "reset".to_owned() }
}

fn nothing<T>() -> Result<T, CapabilityError> {
    Err(CapabilityError::NotFound("there are logs only".to_owned()))
}

#[async_trait]
impl Kubernetes for Scripted {
    async fn pods(&self, _: &List) -> Result<Page<Pod>, CapabilityError> {
        nothing()
    }

    async fn pod(
        &self,
        _: &ClusterName,
        _: &Namespace,
        _: &ObjectName,
    ) -> Result<Pod, CapabilityError> {
        nothing()
    }

    async fn deployments(&self, _: &List) -> Result<Page<Deployment>, CapabilityError> {
        nothing()
    }

    async fn nodes(&self, _: &List) -> Result<Page<Node>, CapabilityError> {
        nothing()
    }

    async fn namespaces(&self, _: &ClusterName) -> Result<Vec<NamespaceState>, CapabilityError> {
        nothing()
    }

    async fn namespace(
        &self,
        _: &ClusterName,
        _: &Namespace,
    ) -> Result<NamespaceState, CapabilityError> {
        nothing()
    }

    async fn rollout(&self, _: &WorkloadRef) -> Result<Rollout, CapabilityError> {
        nothing()
    }

    async fn pod_selector(&self, _: &WorkloadRef) -> Result<String, CapabilityError> {
        nothing()
    }

    async fn open_log(&self, _: &port::LogQuery) -> Result<OpenLog, CapabilityError> {
        let script = self.0.lock().unwrap().pop().expect("one attempt too many");
        let pieces = Box::new(Pieces(script.into_iter()));
        Ok(OpenLog { container: "app".to_owned(), pieces })
    }

    async fn events(&self, _: &EventQuery) -> Result<Events, CapabilityError> {
        nothing()
    }
}

fn reading(include: &[&str], lines_max: u32) -> Reading {
    let include = include.iter().map(|text| (*text).to_owned()).collect();
    let Ok(filter) = Filter::new(&LineFilter { include, exclude: Vec::new() }) else {
        panic!("the patterns are good")
    };
    Reading {
        query: port::LogQuery {
            cluster: "prod".parse().unwrap(),
            namespace: "shop".parse().unwrap(),
            pod: "web-1".parse().unwrap(),
            container: None,
            previous: false,
            tail_lines: None,
            since_s: None,
            timestamps: false,
            follow: false,
        },
        filter: Arc::new(filter),
        until: None,
        lines_max,
        bytes_max: LOG_BYTES_MAX,
        deadline: Instant::now() + Duration::from_secs(20),
        progress: None,
    }
}

/// Reads what the attempts give, the last one first.
async fn read_of(
    attempts: Vec<Script>,
    reading: &Reading,
) -> Result<ContainerLog, CapabilityError> {
    let cluster = Scripted(Mutex::new(attempts));
    let gathered = gather(&cluster, reading).await?;
    assert!(cluster.0.lock().unwrap().is_empty(), "an attempt was not made");
    Ok(gathered.into_log(&reading.query))
}

#[tokio::test(start_paused = true)]
async fn a_log_is_made_safe_before_a_guest_sees_it() {
    let text = "a\u{1b}[31mb\r\npassword=hunter2\n\u{fffd}";
    let log = read_of(vec![vec![Ok(text)]], &reading(&[], 100)).await.unwrap();
    assert_eq!(log.lines, ["ab", "password=[redacted:named]", "\u{fffd}"]);
    assert_eq!((log.redacted, log.removed, log.lines_read), (1, 6, 3));
    assert!(!log.truncated && matches!(log.ending, Ending::Log));
}

#[tokio::test(start_paused = true)]
async fn a_long_line_is_cut_and_searched_no_further() {
    let long: &'static str = Box::leak(("x".repeat(LINE_BYTES_MAX) + "needle").into_boxed_str());
    let log = read_of(vec![vec![Ok(long)]], &reading(&[], 100)).await.unwrap();
    assert!(log.truncated && log.lines[0].len() <= LINE_BYTES_MAX);
    assert!(log.lines[0].ends_with("[cut]"));
    let log = read_of(vec![vec![Ok(long)]], &reading(&["needle"], 100)).await.unwrap();
    assert_eq!((log.lines_read, log.lines_matched), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn no_pattern_tells_anything_of_a_secret() {
    let text = "password=hunter2 is used\nid AKIAIOSFODNN7EXAMPLE\n";
    for pattern in ["^password=h", "hunter", "AKIA", "password=.{7} ", "[hH]unter2?", "IOSF"] {
        let log = read_of(vec![vec![Ok(text)]], &reading(&[pattern], 100)).await.unwrap();
        assert_eq!((log.lines_read, log.lines_matched), (2, 0), "{pattern}");
        assert_eq!(log.redacted, 2, "{pattern}: the count does not depend on the pattern");
    }
}

#[tokio::test(start_paused = true)]
async fn the_newest_that_match_are_kept_and_all_are_counted() {
    let text = "error 1\nok\nerror 2\nok\nerror 3\n";
    let log = read_of(vec![vec![Ok(text)]], &reading(&["error"], 2)).await.unwrap();
    assert_eq!(log.lines, ["error 2", "error 3"]);
    assert_eq!((log.lines_read, log.lines_matched, log.truncated), (5, 3, true));
}

#[tokio::test(start_paused = true)]
async fn the_time_before_a_line_is_not_searched() {
    let mut reading = reading(&["^ok", "2026"], 100);
    reading.query.timestamps = true;
    let text = "2026-11-21T02:13:07Z ok\n2026-11-21T02:13:08Z bad\n";
    let log = read_of(vec![vec![Ok(text)]], &reading).await.unwrap();
    assert_eq!(log.lines, ["2026-11-21T02:13:07Z ok"]);
}

#[tokio::test(start_paused = true)]
async fn what_breaks_off_is_read_again_once() {
    let (half, whole) = (vec![Ok("hal"), Err(())], vec![Ok("whole\n")]);
    let log = read_of(vec![whole, half.clone()], &reading(&[], 100)).await.unwrap();
    assert_eq!((log.lines, log.lines_read), (vec!["whole".to_owned()], 1));
    let error = read_of(vec![half.clone(), half.clone()], &reading(&[], 100)).await.unwrap_err();
    assert_eq!(error, broken());
    let mut followed = reading(&[], 100);
    followed.query.follow = true;
    assert_eq!(read_of(vec![half], &followed).await.unwrap_err(), broken());
}

#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl ProgressSink for Heard {
    fn report(&self, done: u32, _: Option<u32>, message: &str) {
        self.0.lock().unwrap().push(format!("{done}: {message}"));
    }
}

#[tokio::test(start_paused = true)]
async fn following_ends_at_the_pattern_at_its_time_or_with_the_container() {
    for (script, until, ending, lines) in [
        (vec![Ok("a\nb\nc\n"), Ok("")], "b", Ending::Matched, vec!["a", "b"]),
        (vec![Ok("a\n"), Ok("")], "b", Ending::Time, vec!["a"]),
        (vec![Ok("a\n"), Ok("cb")], "b", Ending::Matched, vec!["a", "cb"]),
        (vec![Ok("a\n"), Ok("c\n")], "b", Ending::Log, vec!["a", "c"]),
    ] {
        let mut reading = reading(&["a|c"], 100);
        reading.query.follow = true;
        reading.until = Some(regex::Regex::new(until).unwrap());
        let heard = Arc::new(Heard::default());
        reading.progress = Some(heard.clone());
        let began = Instant::now();
        let log = read_of(vec![script], &reading).await.unwrap();
        assert_eq!(log.lines, lines);
        assert_eq!(log.ending, ending);
        let waited = began.elapsed() >= Duration::from_secs(19);
        assert_eq!(waited, matches!(ending, Ending::Time), "{lines:?}");
        let heard = heard.0.lock().unwrap();
        assert_eq!(!heard.is_empty(), waited);
        assert!(heard.iter().all(|text| text == "1: 1 lines read, 1 match"), "{heard:?}");
    }
}
