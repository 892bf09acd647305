//! `[clusters.<name>]`: how each is reached, and which one is meant where none is named.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use super::document::{Document, KeyPath};
use super::environment::Environment;
use super::limits::bounded;
use super::problem::shown;
use super::raw::{RawCluster, Table};
use super::validate::place;
use super::{ClusterSource, Requests, rates};
use crate::domain::name::ClusterName;
use crate::domain::rates::CLUSTER_REQUESTS;

/// Slower than any cluster that is worth imitating.
const LATENCY_MS_MAX: i64 = 10_000;

/// Below this, a healthy server across an ocean is a broken one; above, whoever asked is gone.
const REQUEST_DEADLINE_MS: RangeInclusive<i64> = 500..=60_000;

/// No context that a tool wrote has a longer name.
const CONTEXT_BYTES_MAX: usize = 512;

type Clusters = BTreeMap<ClusterName, ClusterSource>;

pub(super) fn validate(
    raw: &BTreeMap<String, Table<RawCluster>>,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> (Clusters, Option<ClusterName>) {
    if raw.is_empty() && document.could_read(path) {
        let hint = "add `[clusters.prod]` and below it `context = \"..\"`, as `kubectl config \
                    get-contexts` names it, or `demo = true` for the embedded one";
        document.problem(path, "there is no cluster", hint);
    }
    let mut clusters = Clusters::new();
    let mut default: Option<ClusterName> = None;
    for (name, Table(raw)) in raw {
        let path = path.key(name);
        let source = source(raw, &path, reach, document);
        let name: ClusterName = match name.parse() {
            Ok(name) => name,
            Err(error) => {
                let hint = "choose a short name: it is what callers say, and what records show";
                document.problem(&path, format!("{error}"), hint);
                continue;
            }
        };
        if raw.default == Some(true) {
            match &default {
                None => default = Some(name.clone()),
                Some(first) => document.problem(
                    &path.key("default"),
                    format!("`{first}` is the default already"),
                    "leave one `default = true`",
                ),
            }
        }
        if let Some(source) = source {
            clusters.insert(name, source);
        }
    }
    let only = || if clusters.len() == 1 { clusters.keys().next().cloned() } else { None };
    let default = default.or_else(only);
    (clusters, default)
}

fn source(
    raw: &RawCluster,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Option<ClusterSource> {
    let RawCluster {
        context,
        kubeconfig,
        in_cluster,
        demo,
        scenario,
        latency_ms,
        request_deadline_ms: _,
        requests_per_s: _,
        requests_burst: _,
        default: _,
    } = raw;
    let in_cluster = in_cluster.unwrap_or(false);
    let demo = demo.unwrap_or(false);
    if !demo {
        let only = |key: &str, document: &mut Document<'_>| {
            let text = "only the embedded cluster has it";
            document.problem(&path.key(key), text, "remove the line, or say `demo = true`");
        };
        if scenario.is_some() {
            only("scenario", document);
        }
        if latency_ms.is_some() {
            only("latency_ms", document);
        }
    }
    let requests = requests(raw, demo, path, document);
    if kubeconfig.is_some() && context.is_none() {
        let hint = "add `context = \"..\"`; the file's current context may change at any time";
        document.problem(&path.key("kubeconfig"), "it is named without a context", hint);
        return None;
    }
    match (context.as_deref(), in_cluster, demo) {
        (Some(context), false, false) => {
            let context = checked_context(context, &path.key("context"), document)?;
            let file = match kubeconfig.as_deref() {
                Some(text) => Some(place(text, &path.key("kubeconfig"), reach, document)?),
                None => None,
            };
            Some(ClusterSource::Kubeconfig { context, file, requests })
        }
        (None, true, false) => Some(ClusterSource::InCluster { requests }),
        (None, false, true) => {
            let scenario = match scenario.as_deref() {
                Some(text) => Some(place(text, &path.key("scenario"), reach, document)?),
                None => None,
            };
            let at = path.key("latency_ms");
            let latency_ms =
                latency_ms.map(|value| bounded(value, 0..=LATENCY_MS_MAX, &at, document));
            let latency = Duration::from_millis(latency_ms.flatten().unwrap_or_default());
            Some(ClusterSource::Embedded { scenario, latency })
        }
        (None, false, false) => {
            // A key that could not be read may have been the one.
            if document.could_read(path) {
                let hint = "say `context = \"..\"` of a kubeconfig, `in_cluster = true`, or \
                            `demo = true`";
                document.problem(path, "it says nowhere how the cluster is reached", hint);
            }
            None
        }
        _ => {
            let hint = "leave one of `context`, `in_cluster` and `demo`";
            document.problem(path, "it says in several ways how the cluster is reached", hint);
            None
        }
    }
}

fn requests(raw: &RawCluster, demo: bool, path: &KeyPath, document: &mut Document<'_>) -> Requests {
    let mut number = |key: &str, said: Option<i64>, bounds: RangeInclusive<i64>| {
        let at = path.key(key);
        if demo && said.is_some() {
            let hint = "remove the line; `latency_ms` makes it slow";
            document.problem(&at, "the embedded cluster has none", hint);
            return None;
        }
        bounded(said?, bounds, &at, document)
    };
    let deadline = number("request_deadline_ms", raw.request_deadline_ms, REQUEST_DEADLINE_MS);
    let mut count = |key: &str, said: Option<i64>| {
        let value = number(key, said, rates::PER_S)?;
        u32::try_from(value).ok().and_then(NonZeroU32::new)
    };
    let per_s = count("requests_per_s", raw.requests_per_s);
    let burst = count("requests_burst", raw.requests_burst);
    Requests {
        deadline: deadline.map(Duration::from_millis),
        rate: rates::rate(per_s, burst, CLUSTER_REQUESTS),
    }
}

fn checked_context(context: &str, path: &KeyPath, document: &mut Document<'_>) -> Option<String> {
    let fits = !context.is_empty()
        && context.len() <= CONTEXT_BYTES_MAX
        && !context.contains(char::is_control);
    if !fits {
        let hint = "`kubectl config get-contexts` lists their names";
        document.problem(path, format!("`{}` is no context", shown(context)), hint);
    }
    fits.then(|| context.to_owned())
}
