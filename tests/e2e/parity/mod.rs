//! The embedded cluster against a real API server: the same requests to both, answer by answer.
//!
//! The requests are data, in `cases/`. What cannot be the same stands in `differences.txt`, one to
//! a line with its reason; a difference that is not listed fails the test, and so does a line whose
//! difference is gone, so that the list only shrinks.

mod answer;
mod discovery;
mod side;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use answer::{Answer, compare};
use side::Side;

/// A controller needs a moment, and the machine may be busy with other tests.
const SOON: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(100);

/// One request, and what of the answers is to be the same.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// Unique among all cases: the list of differences names it.
    name: String,
    /// Method and path. `{policy}` is the group's version that the server has, `$name` what an
    /// earlier case kept.
    request: String,
    /// The media type of the body; JSON unless it says otherwise.
    #[serde(rename = "type")]
    content_type: Option<String>,
    accept: Option<String>,
    body: Option<Value>,
    /// A body that is not JSON.
    raw: Option<String>,
    /// What is compared beside the code, the kind and all that a `Status` says.
    #[serde(default)]
    compare: Vec<String>,
    /// What a refusal says that is the server's own wording and not part of its meaning.
    #[serde(default)]
    ignore: Vec<String>,
    /// The order of a list means nothing here: it comes from a cache.
    #[serde(default)]
    unordered: bool,
    /// What later cases may say as `$name`.
    #[serde(default)]
    keep: BTreeMap<String, String>,
    /// Asked again until these hold: what is done by a controller, or soon after.
    #[serde(default)]
    until: BTreeMap<String, Value>,
}

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/parity")
}

fn cases() -> Vec<Case> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(here().join("cases"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut cases: Vec<Case> = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let read: Vec<Case> = serde_saphyr::from_str(&text)
            .unwrap_or_else(|error| panic!("`{}`: {error}", file.display()));
        cases.extend(read);
    }
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases have one name");
    cases
}

/// What is known to differ: `case: pointer`, each with its reason; one `*` stands for anything.
fn listed() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(here().join("differences.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (what, why) = line.split_once(" | ").unwrap_or_else(|| panic!("no reason: {line}"));
            (what.trim().to_owned(), why.trim().to_owned())
        })
        .collect()
}

fn covers(line: &str, what: &str) -> bool {
    match line.split_once('*') {
        Some((start, end)) if !line.contains("/*") => {
            what.len() >= start.len() + end.len() && what.starts_with(start) && what.ends_with(end)
        }
        _ => line == what,
    }
}

#[tokio::test]
async fn the_embedded_cluster_answers_as_a_real_one() {
    let mut embedded = Side::embedded().await;
    let mut real = Side::real().await;
    let mut found = discovery::differences(&embedded, &real).await;
    for case in cases() {
        let (here, there) = tokio::join!(ask(&mut embedded, &case), ask(&mut real, &case));
        found.extend(compare(&case, &here, &there));
    }
    real.leave().await;
    let listed = listed();
    let unlisted: Vec<String> = found
        .iter()
        .filter(|(what, _)| !listed.keys().any(|line| covers(line, what)))
        .map(|(what, how)| format!("{what}\n{how}"))
        .collect();
    let gone: Vec<&String> =
        listed.keys().filter(|line| !found.keys().any(|what| covers(line, what))).collect();
    assert!(unlisted.is_empty(), "{} new differences:\n{}", unlisted.len(), unlisted.join("\n"));
    assert!(gone.is_empty(), "no longer different, take the lines out: {gone:#?}");
}

/// Asks one side, again and again while it does not hold what the case waits for.
async fn ask(side: &mut Side, case: &Case) -> Answer {
    let (method, path) = case.request.split_once(' ').expect("a method and a path");
    let give_up = Instant::now() + SOON;
    loop {
        let body = case.raw.clone().or_else(|| case.body.as_ref().map(Value::to_string));
        let content = case.content_type.as_deref();
        let answer = side.send(method, path, (content, case.accept.as_deref()), body).await;
        let holds = case.until.iter().all(|(at, wanted)| answer.at(at) == *wanted);
        let name = &case.name;
        assert!(holds || Instant::now() < give_up, "{name}: does not come to be as it waits for");
        if holds {
            for (name, pointer) in &case.keep {
                side.keep(name, &answer.raw(pointer));
            }
            return answer;
        }
        sleep(POLL).await;
    }
}
