//! What waits for an answer.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{Page, Tab};
use super::plugins::tier;
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, counted, distance, time};
use crate::domain::capability::Tier;
use crate::governance::approval::{Approval, PlanFile, Status};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
) -> Response {
    let (found, now) = (site.pending().await, site.now());
    let title = match &found {
        Ok(all) if !all.is_empty() => format!("({}) Requests", all.len()),
        Ok(_) | Err(_) => "Requests".to_owned(),
    };
    let content = html! {
        h1 { "Requests" }
        section.bare aria-labelledby="waiting" {
            h2 #waiting.quiet { "Waiting for an answer" }
            @match &found {
                Ok(all) => { (list(all, now)) }
                Err(error) => { p.alarm role="alert" { (Foreign(&error.to_string())) } }
            }
        }
    };
    Page { title: &title, tab: Tab::Requests, is_first: true, content }.render(&session)
}

fn list(all: &[Approval], now: Timestamp) -> Markup {
    html! {
        ul.rows #pending data-live="rows" aria-live="polite" aria-relevant="additions" {
            @if all.is_empty() { li #nothing { p.empty { "Nothing waits for an answer." } } }
            @for approval in all {
                li id={ "r-" (approval.request.id) } { (card(approval, now)) }
            }
        }
    }
}

/// Enough to know whether to stop what one is doing.
fn card(approval: &Approval, now: Timestamp) -> Markup {
    let Approval { request, missing, .. } = approval;
    let plan = &request.plan;
    html! {
        article class={ "card " (tier_of(plan).as_str()) } {
            h3 { a href={ "/requests/" (request.id) } { (what(plan)) } }
            p.facts {
                span { (Foreign(&request.principal)) span.quiet { " through " } (Foreign(&request.tool)) }
                span { (tier(tier_of(plan))) }
                span { (pods(plan)) }
                @if !plan.warnings.is_empty() {
                    span.warn { (counted(plan.warnings.len() as u64, "warning")) }
                }
                @if request.terms.approvers > 1 {
                    span { (missing) " of " (request.terms.approvers) " approvals missing" }
                }
                span { span.quiet { "asked " } (time(&request.requested, now)) }
                span { (lapses(&request.expires, now)) }
            }
        }
    }
}

/// Until when an answer counts.
pub(super) fn lapses(expires: &str, now: Timestamp) -> Markup {
    html! {
        span.quiet { "expires " } (time(expires, now))
        @if let Some((true, left)) = distance(expires, now) { " (in " (left) ")" }
    }
}

/// The change in one line.
pub(super) fn what(plan: &PlanFile) -> Markup {
    let target = &plan.target;
    html! {
        strong.verb { (Foreign(&plan.verb)) } " " (Foreign(&target.kind)) " "
        code.name {
            @if let Some(namespace) = &target.namespace { (Foreign(namespace)) "/" }
            (Foreign(&target.name))
        }
        @match (plan.replicas, plan.revision) {
            (Some(replicas), _) => { " to " (counted(replicas, "replica")) }
            (None, Some(revision)) => { " to revision " (revision) }
            (None, None) => {}
        }
        span.quiet { " in " } span.cluster { (Foreign(&target.cluster)) }
    }
}

/// What it does to the world, by its verb; what is not known counts as the worst.
pub(super) fn tier_of(plan: &PlanFile) -> Tier {
    match plan.verb.as_str() {
        "restart" | "scale" | "rollback" | "pause" | "resume" | "cordon" | "uncordon" => {
            Tier::Reversible
        }
        _ => Tier::Destructive,
    }
}

/// The change in one line, for a window's title.
pub(super) fn what_plain(plan: &PlanFile) -> String {
    format!("{} {} {}", plan.verb, plan.target.kind, plan.target.name)
}

/// What happens to pods.
pub(super) fn pods(plan: &PlanFile) -> String {
    let does = match plan.verb.as_str() {
        "restart" | "rollback" | "resume" => "replaces",
        _ => "ends",
    };
    format!("{does} {}", counted(plan.pods_total, "pod"))
}

/// Where a request stands, in a word; the colour says it again.
pub(super) fn status(status: Status) -> Markup {
    let tone = match status {
        Status::Pending | Status::Executing => "now",
        Status::Approved | Status::Executed => "good",
        Status::Denied | Status::Expired => "quiet",
        Status::Failed | Status::Interrupted => "bad",
    };
    html! { span class={ "pill " (tone) } { (status.to_string()) } }
}
