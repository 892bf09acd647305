//! What was answered, what lapsed, and what came of it.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Tab};
use super::requests::{status, what};
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, quoted, time};
use crate::governance::approval::AnswerFile;

/// Older ones are in the audit log.
const SHOWN_MAX: usize = 200;

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
) -> Response {
    let (found, now) = (site.history(SHOWN_MAX).await, site.now());
    let content = html! {
        h1 { "History" }
        @match found {
            Err(error) => { p.alarm role="alert" { (Foreign(&error.to_string())) } }
            Ok((all, _)) if all.is_empty() => { p.empty { "Nothing was answered yet." } }
            Ok((all, left_out)) => {
                div.wide tabindex="0" role="region" aria-label="Requests that are over" {
                    table {
                        thead { tr {
                            th scope="col" { "Asked" } th scope="col" { "Request" }
                            th scope="col" { "Status" } th scope="col" { "Caller" }
                            th scope="col" { "Answer" }
                        } }
                        tbody #history data-live="rows" {
                            @for shown in &all {
                                tr id={ "h-" (shown.request.id) } {
                                    td { (time(&shown.request.requested, now)) }
                                    td { a href={ "/requests/" (shown.request.id) } { (what(&shown.request.plan)) } }
                                    td { (status(shown.status)) }
                                    td { (Foreign(&shown.request.principal)) }
                                    td {
                                        @for answer in &shown.answers { div { (said(answer)) } }
                                        @if shown.answers.is_empty() { span.quiet { "none" } }
                                    }
                                }
                            }
                        }
                    }
                }
                @if left_out > 0 {
                    p.quiet { (left_out) " older ones are not shown; the trail has them." }
                }
            }
        }
    };
    Page { title: "History", tab: Tab::History, is_first: true, content }.render(&session)
}

/// Who said what, and why.
fn said(answer: &AnswerFile) -> Markup {
    html! {
        (if answer.approve { "yes, " } else { "no, " }) (Foreign(answer.by.as_str()))
        @if let Some(reason) = &answer.reason { ": " (quoted(reason)) }
    }
}
