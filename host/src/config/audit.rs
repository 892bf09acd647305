//! `[audit]`

use std::path::Path;

use super::document::{Document, KeyPath, list_words};
use super::environment::Environment;
use super::limits::bounded;
use super::problem::{shown, similar};
use super::raw::RawAudit;
use super::validate::place;
use super::{Audit, AuditArguments, AuditStream};

/// A file of the log: some 100,000 records.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Less would be a new file for each call.
const FILE_BYTES_MAX_MIN: i64 = 64 << 10;

/// More, no tool opens.
const FILE_BYTES_MAX_MAX: i64 = 16 << 30;

pub(super) fn validate(
    raw: &RawAudit,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Audit {
    let RawAudit { arguments, sinks, file_bytes_max, keep_files, checkpoints } = raw;
    let (to_file, stream) = places(sinks.as_deref(), path, document);
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

/// Standard output is the protocol's or the answer's; a server over HTTP takes it back.
fn places(
    sinks: Option<&[String]>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> (bool, Option<AuditStream>) {
    let words = ["file", "stdout"];
    let Some(sinks) = sinks else { return (true, None) };
    let path = path.key("sinks");
    for (index, sink) in sinks.iter().enumerate() {
        if !words.contains(&sink.as_str()) {
            let text = format!("`{}` is no place for records", shown(sink));
            document.problem(&path.item(index), text, meant(sink, &words));
        }
    }
    if sinks.is_empty() {
        let hint = "say `[\"file\"]`: without a record nothing runs".to_owned();
        document.problem(&path, "there is no place for records".to_owned(), hint);
    }
    let has = |word: &str| sinks.iter().any(|sink| sink == word);
    (has("file"), has("stdout").then_some(AuditStream::Stderr))
}

fn meant(other: &str, words: &[&'static str]) -> String {
    match similar(other, words.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("say one of {}", list_words(words)),
    }
}
