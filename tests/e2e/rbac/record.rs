//! What the API server has on record of the account, beside what the audit log has.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use toolgate::governance::audit::Stage;
use toolgate::wiring::AUDIT_DIR;
use toolgate_tests::Record;

use super::account::{Atom, printed_atoms};
use super::ground::Ground;
use crate::cluster::wait_for;

/// `GET /api/v1/nodes`, and how often.
type Requests = BTreeMap<String, usize>;

/// After the program has ended. Request by request, both records are the same; none was refused
/// for want of a right; and no right was given that nothing needed.
pub(super) async fn check(ground: &Ground) {
    let ours = recorded(ground);
    let n_ours: usize = ours.values().sum();
    for what in ["/selfsubjectaccessreviews", "GET /apis/apps", "follow=true", "dryRun=All"] {
        assert!(ours.keys().any(|line| line.contains(what)), "no `{what}` is on record");
    }
    let seen = || ground.one.cluster.audited_of(&ground.account.user);
    // The last ones are written after they were answered.
    wait_for("the API server has them all on record", async || {
        (seen().len() >= n_ours).then_some(())
    })
    .await;
    let seen = seen();
    let theirs = count(seen.iter().map(|event| {
        let verb = event["verb"].as_str().unwrap();
        format!("{} {}", method(verb), event["requestURI"].as_str().unwrap())
    }));
    let more_than = |one: &Requests, other: &Requests| -> Vec<String> {
        let more = one.iter().filter(|(line, n)| other.get(*line).is_none_or(|m| m < *n));
        more.map(|(line, n)| format!("{n} x {line}")).collect()
    };
    let unrecorded = more_than(&theirs, &ours);
    assert!(unrecorded.is_empty(), "left without a record:\n{}", unrecorded.join("\n"));
    let unsent = more_than(&ours, &theirs);
    assert!(unsent.is_empty(), "on record, but never arrived:\n{}", unsent.join("\n"));
    eprintln!("{n_ours} requests, {} different ones: both records agree", ours.len());

    let refused: BTreeSet<String> = seen
        .iter()
        .filter(|event| event["responseStatus"]["code"] == 403)
        .map(|event| {
            event["responseStatus"]["message"].to_string() + &event["requestURI"].to_string()
        })
        .collect();
    assert!(refused.is_empty(), "rights are missing: {refused:#?}");

    // Which names there are, the operator says: a right has to be of use for one of them.
    let nameless = |atom: &Atom| Atom { name: None, ..atom.clone() };
    let used: Vec<Atom> = seen.iter().filter_map(used).collect();
    let given: BTreeSet<Atom> = printed_atoms(&ground.printed).iter().map(nameless).collect();
    let unused: Vec<String> = given
        .iter()
        .filter(|given| !used.iter().any(|used| given.covers(used)))
        .map(ToString::to_string)
        .collect();
    assert!(unused.is_empty(), "rights that nothing used:\n{}", unused.join("\n"));
}

fn recorded(ground: &Ground) -> Requests {
    let record = Record::of(&ground.home.path().join("state").join(AUDIT_DIR));
    count(record.requests().into_iter().map(|line| {
        let Stage::Request { method, path, .. } = line.stage else { unreachable!() };
        format!("{method} {path}")
    }))
}

fn count(lines: impl Iterator<Item = String>) -> Requests {
    let mut requests = Requests::new();
    for line in lines {
        *requests.entry(line).or_default() += 1;
    }
    requests
}

/// The method that the API server takes for a verb.
fn method(verb: &str) -> &'static str {
    match verb {
        "get" | "list" | "watch" => "GET",
        "create" | "post" => "POST",
        "update" | "put" => "PUT",
        "patch" => "PATCH",
        "delete" | "deletecollection" => "DELETE",
        other => panic!("the API server recorded a verb `{other}`"),
    }
}

/// What a request asked of the authorizer; none for a path that is no object's.
fn used(event: &Value) -> Option<Atom> {
    let of = event.get("objectRef")?;
    let text = |key: &str| of[key].as_str().map(str::to_owned);
    let resource = text("resource")?;
    let resource = match text("subresource") {
        Some(subresource) => format!("{resource}/{subresource}"),
        None => resource,
    };
    Some(Atom {
        place: text("namespace"),
        group: text("apiGroup").unwrap_or_default(),
        resource,
        verb: event["verb"].as_str()?.to_owned(),
        name: text("name"),
    })
}
