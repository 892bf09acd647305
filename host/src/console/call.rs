//! One call or one request, record by record.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{Page, Tab, notice};
use super::ledger::{in_short, target, written};
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, Lines, quoted, time};
use crate::domain::name::CallId;
use crate::governance::audit::{AuditLine, CallRecord, Stage};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
) -> Response {
    let unknown = || notice(StatusCode::NOT_FOUND, "No such call", "The log has no record of it.");
    let Ok(id) = id.parse::<CallId>() else { return unknown() };
    let (records, now) = match site.records(id.as_str()).await {
        Ok(records) if records.is_empty() => return unknown(),
        Ok(records) => (records, site.now()),
        Err(error) => {
            tracing::error!(%error, "the console cannot read the audit log");
            let text = "The audit log cannot be read. The log of the server says why.";
            return notice(StatusCode::INTERNAL_SERVER_ERROR, "Not now", text);
        }
    };
    let received = records.iter().find_map(|record| {
        if let Stage::Received(call) = &record.stage { Some(call.as_ref()) } else { None }
    });
    let title = received.map_or_else(|| id.to_string(), |call| call.subject.to_string());
    let content = html! {
        p.back { a href="/trail" { "← Trail" } }
        h1 { "Call of " code.name { (Foreign(&title)) } }
        @if let Some(call) = received { (question(call)) }
        section aria-labelledby="records" {
            h2 #records { "Records" }
            div #stages data-live { (stages(&records, now)) }
            p.quiet { "Call " code { (id) } }
        }
    };
    Page { title: &title, tab: Tab::Trail, is_first: false, content }.render(&session)
}

fn question(call: &CallRecord) -> Markup {
    let arguments = call.arguments.as_ref();
    let pretty = arguments.and_then(|value| serde_json::to_string_pretty(value).ok());
    html! {
        section aria-labelledby="question" {
            h2 #question { "Question" }
            dl.facts-list {
                dt { "Caller" } dd { strong { (Foreign(&call.principal)) } }
                @if !call.groups.is_empty() { dt { "Groups" } dd { (Foreign(&call.groups.join(", "))) } }
                @if let Some(person) = &call.on_behalf_of {
                    dt { "For" } dd { (Foreign(person)) span.quiet { " as the caller says" } }
                }
                @if let Some(client) = &call.client {
                    dt { "Client" } dd { (Foreign(client)) span.quiet { " as it calls itself" } }
                }
                @if let Some(pretty) = &pretty { dt { "Arguments" } dd { pre { (Lines(pretty)) } } }
                @else { dt { "Arguments" } dd { span.quiet { "not recorded" } } }
                @if let Some(trace) = &call.traceparent { dt { "Trace" } dd { code { (Foreign(trace)) } } }
            }
        }
    }
}

/// Records as a list in order of time.
pub(super) fn stages(records: &[AuditLine], now: Timestamp) -> Markup {
    html! {
        table {
            thead { tr { th scope="col" { "Time" } th scope="col" { "Stage" } th scope="col" { "What" } } }
            tbody {
                @for record in records {
                    tr {
                        td { (time(&record.at, now)) }
                        td.tight { (stage(&record.stage)) }
                        td { (what(&record.stage)) }
                    }
                }
            }
        }
    }
}

fn stage(stage: &Stage) -> Markup {
    let tone = match stage {
        Stage::Refused(_) | Stage::Abandoned => "bad",
        Stage::Used(used) if !used.allowed => "bad",
        Stage::Intent(_)
        | Stage::Effect { .. }
        | Stage::ApprovalRequested(_)
        | Stage::ApprovalDecided { .. } => "warn",
        Stage::Received(_) => "now",
        Stage::Opened(_)
        | Stage::Continued { .. }
        | Stage::Torn { .. }
        | Stage::Checkpoint(_)
        | Stage::Admitted { .. }
        | Stage::Used(_)
        | Stage::Request { .. }
        | Stage::Completed(_) => "quiet",
    };
    html! { span class={ "pill " (tone) } { (stage.as_str()) } }
}

fn what(stage: &Stage) -> Markup {
    match stage {
        Stage::Received(call) => html! {
            (Foreign(&call.principal)) " asks for " (Foreign(&call.subject.to_string())) " "
            code { (Foreign(&call.arguments.as_ref().map(in_short).unwrap_or_default())) }
        },
        Stage::Admitted { plugin, digest, tier } => html! {
            "plugin " (Foreign(plugin)) ", " (Foreign(tier)) " "
            code.quiet { "sha256:" (Foreign(digest)) }
        },
        Stage::Refused(refused) => {
            html! { (Foreign(&refused.refusal)) ": " (Foreign(&refused.reason)) }
        }
        Stage::Used(used) => html! {
            code { (Foreign(&used.capability)) } " " (Foreign(&used.verb)) " "
            (Foreign(&target(&used.target)))
            @if !used.allowed { strong.bad { " refused" } }
        },
        Stage::Request { cluster, method, path } => html! {
            span.quiet { (Foreign(method)) " " code { (Foreign(path)) } " in " (Foreign(cluster)) }
        },
        Stage::Intent(write) => html! { (Foreign(&written(write))) },
        Stage::Effect { write, result } => html! {
            (Foreign(&written(write))) ": " strong { (Foreign(result)) }
        },
        Stage::ApprovalRequested(write) => html! {
            (Foreign(&written(write)))
            @if let Some(approval) = &write.approval {
                " as " a href={ "/requests/" (approval) } { (Foreign(approval)) }
            }
        },
        Stage::ApprovalDecided { write, decision, by, reason, .. } => html! {
            (Foreign(&written(write))) ": " strong { (Foreign(decision)) }
            @if let Some(by) = by { " by " (Foreign(by)) }
            @if let Some(reason) = reason { ": " (quoted(reason)) }
        },
        Stage::Completed(outcome) => html! {
            (Foreign(&outcome.outcome)) ", " (outcome.bytes) " bytes in "
            (format!("{:.1}", outcome.duration_ms)) " ms"
            @if let Some(detail) = &outcome.detail { ": " (Foreign(detail)) }
        },
        Stage::Abandoned => html! { "nobody closed the record" },
        // Of the log itself, and of no call.
        Stage::Opened(_) | Stage::Continued { .. } | Stage::Torn { .. } | Stage::Checkpoint(_) => {
            html! {}
        }
    }
}
