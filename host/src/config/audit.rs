//! `[audit]`

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::document::{Document, KeyPath, list_words};
use super::environment::Environment;
use super::limits::bounded;
use super::problem::{shown, similar};
use super::raw::RawAudit;
use super::validate::place;
use super::{Audit, AuditArguments, AuditStream};
use crate::domain::name::WebhookName;

/// How long a call waits for its record. A disk that is well takes a thousandth of that, and a caller
/// who waits learns soon that nothing runs.
const DEADLINE_MS: u64 = 1_000;

/// Less refuses calls whenever the disk is busy; more, and callers give up by themselves.
const DEADLINE_MS_BOUNDS: RangeInclusive<i64> = 100..=60_000;

/// A file of the log: some 100,000 records.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Less would be a new file for each call.
const FILE_BYTES_MAX_MIN: i64 = 64 << 10;

/// More, no tool opens.
const FILE_BYTES_MAX_MAX: i64 = 16 << 30;

pub(super) fn validate(
    raw: &RawAudit,
    webhooks: &BTreeSet<&str>,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Audit {
    let RawAudit { arguments, sinks, deadline_ms, file_bytes_max, keep_files, checkpoints } = raw;
    let Places { to_file, stream, webhooks } = places(sinks.as_deref(), webhooks, path, document);
    let deadline_ms = deadline_ms
        .and_then(|value| bounded(value, DEADLINE_MS_BOUNDS, &path.key("deadline_ms"), document))
        .unwrap_or(DEADLINE_MS);
    let bounds = FILE_BYTES_MAX_MIN..=FILE_BYTES_MAX_MAX;
    let file_bytes_max = file_bytes_max
        .and_then(|value| bounded(value, bounds, &path.key("file_bytes_max"), document))
        .unwrap_or(FILE_BYTES_MAX);
    let keep_files = keep_files
        .and_then(|value| bounded(value, 1..=1_000_000, &path.key("keep_files"), document));
    let checkpoints = checkpoints
        .as_deref()
        .and_then(|text| place(text, &path.key("checkpoints"), reach, document));
    Audit {
        arguments: level(arguments.as_deref(), path, document),
        to_file,
        stream,
        webhooks,
        deadline: Duration::from_millis(deadline_ms),
        file_bytes_max,
        keep_files,
        checkpoints,
    }
}

fn level(text: Option<&str>, path: &KeyPath, document: &mut Document<'_>) -> AuditArguments {
    let words = ["metadata", "request", "full"];
    match text {
        Some("metadata") => AuditArguments::Metadata,
        None | Some("request") => AuditArguments::Request,
        Some("full") => AuditArguments::Full,
        Some(other) => {
            let text = format!("`{}` is no amount of arguments", shown(other));
            document.problem(&path.key("arguments"), text, meant(other, &words));
            AuditArguments::Request
        }
    }
}

struct Places {
    to_file: bool,
    stream: Option<AuditStream>,
    webhooks: BTreeSet<WebhookName>,
}

/// What a place begins with that is a webhook.
const WEBHOOK: &str = "webhook:";

/// Standard output is the protocol's or the answer's; a server over HTTP takes it back.
fn places(
    sinks: Option<&[String]>,
    webhooks: &BTreeSet<&str>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Places {
    let mut places = Places { to_file: false, stream: None, webhooks: BTreeSet::new() };
    let words = ["file", "stdout", "webhook:NAME"];
    let Some(sinks) = sinks else { return Places { to_file: true, ..places } };
    let path = path.key("sinks");
    for (index, sink) in sinks.iter().enumerate() {
        match sink.as_str() {
            "file" => places.to_file = true,
            "stdout" => places.stream = Some(AuditStream::Stderr),
            other => match other.strip_prefix(WEBHOOK) {
                Some(name) if webhooks.contains(name) => {
                    places.webhooks.extend(name.parse::<WebhookName>());
                }
                Some(name) => {
                    let text = format!("there is no webhook `{}`", shown(name));
                    let hint = match similar(name, webhooks.iter().copied()) {
                        Some(meant) => format!("did you mean `webhook:{meant}`?"),
                        None => "describe it under `[webhooks.NAME]`".to_owned(),
                    };
                    document.problem(&path.item(index), text, hint);
                }
                None => {
                    let text = format!("`{}` is no place for records", shown(other));
                    document.problem(&path.item(index), text, meant(other, &words));
                }
            },
        }
    }
    // What is unknown was meant to be one of them, and is told already.
    if !places.to_file && places.stream.is_none() && sinks.len() == places.webhooks.len() {
        let text = if sinks.is_empty() {
            "there is no place for records"
        } else {
            "a webhook gets copies of records, and nothing decides whether there is one"
        };
        let hint = "say `\"file\"` as well: without a record nothing runs";
        document.problem(&path, text, hint);
    }
    places
}

fn meant(other: &str, words: &[&'static str]) -> String {
    match similar(other, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("say one of {}", list_words(words)),
    }
}
