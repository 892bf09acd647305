//! What was too much: limits that calls ran into, and where the limits are.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Tab, nothing};
use super::ledger::Hit;
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, time};
use crate::domain::limits::Limits;
use crate::sandbox::Plugin;

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
) -> Response {
    let ((hits, since), _) = site
        .ledger(|ledger| (ledger.hits.iter().cloned().collect::<Vec<_>>(), ledger.since.clone()))
        .await;
    let now = site.now();
    let content = html! {
        h1 { "Limits" }
        section aria-labelledby="hit" {
            h2 #hit { "Limits hit" }
            div.wide tabindex="0" role="region" aria-label="Limits hit, the newest first" {
                table {
                    thead { tr {
                        th scope="col" { "Time" } th scope="col" { "Plugin" } th scope="col" { "Call" }
                        th scope="col" { "Caller" } th scope="col" { "What" }
                    } }
                    tbody #hits data-live="rows" {
                        @for hit in &hits { (line(hit, now)) }
                        @if hits.is_empty() { (nothing(5, "No call ran into a limit.")) }
                    }
                }
            }
            @if let Some(since) = &since { p.quiet { "Since " (time(since, now)) "." } }
        }
        section aria-labelledby="bounds" {
            h2 #bounds { "Where the limits are" }
            (bounds(&site.plugins))
        }
    };
    Page { title: "Limits", tab: Tab::Limits, is_first: true, content }.render(&session)
}

fn line(hit: &Hit, now: jiff::Timestamp) -> Markup {
    html! {
        tr id={ "l-" (hit.call) } {
            td { a href={ "/calls/" (hit.call) } { (time(&hit.at, now)) } }
            td { (Foreign(hit.plugin.as_deref().unwrap_or("–"))) }
            td { strong { (Foreign(&hit.subject)) } }
            td { (Foreign(&hit.principal)) }
            td { span.pill.warn { (Foreign(&hit.what)) } " " (Foreign(&hit.detail)) }
        }
    }
}

/// The limits of one call, by name; those of loading are told where a plugin does not load.
fn of_a_call(limits: &Limits) -> [(&'static str, u64); 13] {
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    [
        ("deadline_ms", limits.deadline_ms),
        ("cpu_ms", limits.cpu_ms),
        ("memory_bytes_max", wide(limits.memory_bytes_max)),
        ("table_elements_max", wide(limits.table_elements_max)),
        ("core_instances_max", wide(limits.core_instances_max)),
        ("host_calls_max", u64::from(limits.host_calls_max)),
        ("host_call_bytes_in_max", wide(limits.host_call_bytes_in_max)),
        ("host_call_bytes_out_max", wide(limits.host_call_bytes_out_max)),
        ("output_bytes_max", wide(limits.output_bytes_max)),
        ("log_bytes_max", wide(limits.log_bytes_max)),
        ("handles_max", wide(limits.handles_max)),
        ("concurrency_max", wide(limits.concurrency_max)),
        ("queue_max", wide(limits.queue_max)),
    ]
}

fn bounds(plugins: &[Arc<Plugin>]) -> Markup {
    let defaults = Limits::default();
    let own = |plugin: &Plugin| {
        let pairs = of_a_call(&plugin.terms.limits).into_iter().zip(of_a_call(&defaults));
        pairs.filter(|(is, default)| is != default).map(|(is, _)| is).collect::<Vec<_>>()
    };
    let own: Vec<_> =
        plugins.iter().map(|p| (p, own(p))).filter(|(_, own)| !own.is_empty()).collect();
    html! {
        dl.facts-list.bounds {
            @for (name, value) in of_a_call(&defaults) { dt { code { (name) } } dd { (grouped(value)) } }
        }
        @if own.is_empty() {
            p.quiet { "Every plugin has these." }
        } @else {
            h3 { "Set otherwise" }
            ul { @for (plugin, own) in own {
                li { (Foreign(plugin.manifest.id.as_str())) ": "
                    @for (name, value) in own { code { (name) " " (grouped(value)) } " " } }
            } }
        }
    }
}

/// A number that people can read.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (idx, digit) in digits.chars().enumerate() {
        if idx > 0 && (digits.len() - idx).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        for (number, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (67_108_864, "67,108,864")]
        {
            assert_eq!(grouped(number), text);
        }
    }
}
