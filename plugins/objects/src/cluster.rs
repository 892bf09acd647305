//! Cells that many kinds share, and those of storage, configuration, quotas and nodes.

use toolgate_sdk::object::{Clock, Fields as _, scalar};
use toolgate_sdk::quantity;
use toolgate_sdk::serde_json::Value;

/// Keys in one cell: a config map may have hundreds.
const KEYS_MAX: usize = 12;
const NONE: &str = "<none>";

pub(crate) fn or_none(v: &Value, path: &str) -> String {
    scalar_or(v, path, NONE)
}

pub(crate) fn scalar_or(v: &Value, path: &str, otherwise: &str) -> String {
    let text = scalar(v.at(path));
    if text.is_empty() { otherwise.to_owned() } else { text }
}

/// What is not counted in a status is none.
pub(crate) fn number(v: &Value, path: &str) -> String {
    number_or(v, path, "0")
}

pub(crate) fn number_or(v: &Value, path: &str, otherwise: &str) -> String {
    v.int(path).map_or_else(|| otherwise.to_owned(), |n| n.to_string())
}

pub(crate) fn ago(v: &Value, path: &str, clock: &Clock) -> String {
    match v.text(path) {
        "" => NONE.to_owned(),
        at => clock.age(at),
    }
}

pub(crate) fn texts(v: &Value, path: &str) -> String {
    joined(&v.items(path).iter().map(scalar).collect::<Vec<_>>())
}

pub(crate) fn labels(v: &Value, path: &str) -> String {
    let pairs = v.entries(path).map(|(key, value)| format!("{key}={}", scalar(value)));
    joined(&pairs.collect::<Vec<_>>())
}

pub(crate) fn joined(texts: &[String]) -> String {
    if texts.is_empty() { NONE.to_owned() } else { texts.join(",") }
}

pub(crate) fn owner(v: &Value, _: &Clock) -> String {
    v.items("metadata.ownerReferences").first().map_or_else(
        || NONE.to_owned(),
        |owner| format!("{}/{}", owner.text("kind"), owner.text("name")),
    )
}

pub(crate) fn phase(v: &Value, _: &Clock) -> String {
    if v.text("metadata.deletionTimestamp").is_empty() {
        or_none(v, "status.phase")
    } else {
        "Terminating".to_owned()
    }
}

/// Of a kind that is not known: its phase, else whether it says to be ready.
pub(crate) fn generic_status(v: &Value, clock: &Clock) -> String {
    let phase = phase(v, clock);
    if phase != NONE {
        return phase;
    }
    let conditions = v.items("status.conditions");
    let known = ["Ready", "Available", "Established", "Accepted", "Healthy", "Synced"];
    let found = known
        .iter()
        .find_map(|kind| conditions.iter().find(|condition| condition.text("type") == *kind));
    found.map_or_else(String::new, |condition| {
        let status = format!("{}={}", condition.text("type"), condition.text("status"));
        match condition.text("reason") {
            reason if condition.text("status") != "True" && !reason.is_empty() => {
                format!("{status}: {reason}")
            }
            _ => status,
        }
    })
}

pub(crate) fn claim(v: &Value, _: &Clock) -> String {
    match v.text("spec.claimRef.name") {
        "" => NONE.to_owned(),
        name => format!("{}/{name}", v.text("spec.claimRef.namespace")),
    }
}

/// `cpu 1500m/2, pods 10/10 (full)`
pub(crate) fn quota(v: &Value, _: &Clock) -> String {
    let rows = v.entries("status.hard").map(|(resource, hard)| {
        let (hard, used) = (scalar(hard), scalar(v.at("status.used").key(resource)));
        let used = if used.is_empty() { "0".to_owned() } else { used };
        let full = match (quantity::milli(&used), quantity::milli(&hard)) {
            (Some(used), Some(hard)) if used >= hard => " (full)",
            _ => "",
        };
        format!("{resource} {used}/{hard}{full}")
    });
    rows.collect::<Vec<_>>().join(", ")
}

pub(crate) fn data_count(v: &Value, _: &Clock) -> String {
    (v.entries("data").count() + v.entries("binaryData").count()).to_string()
}

pub(crate) fn data_keys(v: &Value, _: &Clock) -> String {
    let keys = v.entries("data").chain(v.entries("binaryData")).map(|(key, _)| key.to_owned());
    few(keys.collect())
}

/// Keys with what the host tells of their values: sizes and fingerprints.
pub(crate) fn secret_keys(v: &Value, _: &Clock) -> String {
    let told = |value: &Value| {
        let Some(bytes) = value.int("size_bytes") else { return scalar(value) };
        match value.text("fingerprint") {
            "" => format!("{bytes} bytes"),
            fingerprint => format!("{bytes} bytes, fingerprint {fingerprint}"),
        }
    };
    few(v.entries("data").map(|(key, value)| format!("{key} ({})", told(value))).collect())
}

fn few(mut keys: Vec<String>) -> String {
    let n_more = keys.len().saturating_sub(KEYS_MAX);
    keys.truncate(KEYS_MAX);
    let more = if n_more > 0 { format!(", … {n_more} more") } else { String::new() };
    format!("{}{more}", keys.join(", "))
}

pub(crate) fn node_status(v: &Value, _: &Clock) -> String {
    let ready = v
        .items("status.conditions")
        .iter()
        .any(|c| c.text("type") == "Ready" && c.text("status") == "True");
    let ready = if ready { "Ready" } else { "NotReady" };
    let cordon = if v.flag("spec.unschedulable") { ",SchedulingDisabled" } else { "" };
    format!("{ready}{cordon}")
}
