//! One request: what exactly would be done, who asks, and the answer. Everything on it is a typed
//! fact of the host; the caller's own words stand in quotation marks.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use jiff::Timestamp;
use maud::{Markup, html};

use super::call::stages;
use super::form::Form;
use super::layout::{Page, Tab, form_token, notice};
use super::plugins::tier;
use super::requests::{lapses, pods, status, tier_of, what, what_plain};
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, Lines, counted, quoted, time};
use crate::domain::name::ApprovalId;
use crate::governance::approval::{
    Approval, ApprovalError, ApprovalFile, Channel, PlanFile, Status,
};
use crate::governance::audit::AuditLine;

/// A reason is a sentence or two; the ticket has the story. The command line has the same bound.
const REASON_CHARS_MAX: usize = 500;

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
) -> Response {
    let Ok(id) = id.parse::<ApprovalId>() else { return unknown() };
    match site.approval(id).await {
        Ok(shown) => {
            let records = site.records(&shown.request.id).await;
            page(&shown, records.as_deref().unwrap_or_default(), site.now(), &session)
        }
        Err(error) => failed(&error),
    }
}

fn page(shown: &Approval, records: &[AuditLine], now: Timestamp, session: &Session) -> Response {
    let Approval { request, .. } = shown;
    let waits = shown.status == Status::Pending;
    let content = html! {
        p.back { a href=(if waits { "/" } else { "/history" }) { "← " (if waits { "Requests" } else { "History" }) } }
        h1 { (what(&request.plan)) }
        div #state.state data-live aria-live="polite" { (state(shown, now)) }
        div.columns {
            div {
                (warnings(&request.plan))
                (changes(&request.plan))
                (blast(&request.plan))
            }
            div {
                div #answer-part data-live { @if waits { (answer_form(shown, session)) } }
                (asker(request, now))
                (bound(shown))
            }
        }
        section aria-labelledby="records" {
            h2 #records { "Records" }
            div #stages data-live { (stages(records, now)) }
        }
    };
    let title = what_plain(&request.plan);
    let tab = if waits { Tab::Requests } else { Tab::History };
    Page { title: &title, tab, is_first: false, content }.render(session)
}

/// Where it stands, and what came of it.
fn state(shown: &Approval, now: Timestamp) -> Markup {
    let Approval { request, status: is, answers, missing, note, .. } = shown;
    html! {
        p {
            (status(*is)) " " (tier(tier_of(&request.plan))) " "
            @if *is == Status::Pending {
                (lapses(&request.expires, now))
                @if request.terms.approvers > 1 {
                    ", " (missing) " of " (request.terms.approvers) " approvals missing"
                }
            }
        }
        @for answer in answers {
            p {
                (if answer.approve { "approved" } else { "denied" }) " by "
                strong { (Foreign(answer.by.as_str())) }
                span.quiet { " through the " (answer.channel.to_string()) }
                ", " (time(&answer.at, now))
                @if let Some(reason) = &answer.reason { ": " (quoted(reason)) }
            }
        }
        @if let Some(note) = note {
            p {
                (note.status.to_string()) " " (time(&note.at, now))
                @if let Some(detail) = &note.detail { ": " (Foreign(detail)) }
            }
        }
        @if *is == Status::Interrupted {
            p.bad { "Its server ended while it executed the request: look at the cluster." }
        }
    }
}

fn warnings(plan: &PlanFile) -> Markup {
    html! {
        @if !plan.warnings.is_empty() {
            section.warnings aria-labelledby="warnings" {
                h2 #warnings { "Warnings" }
                ul { @for warning in &plan.warnings { li { (Foreign(warning)) } } }
            }
        }
    }
}

fn changes(plan: &PlanFile) -> Markup {
    html! {
        section aria-labelledby="changes" {
            h2 #changes { "What changes" }
            @if plan.changes.is_empty() {
                p { "No field of the object: it " (pods(plan)) "." }
            }
            @for (path, before, after) in &plan.changes {
                div.diff {
                    code.path { (Foreign(path)) }
                    @if let Some(before) = before {
                        del { span.mark aria-hidden="true" { "−" } span.hidden { "before: " } (Lines(before)) }
                    }
                    @if let Some(after) = after {
                        ins { span.mark aria-hidden="true" { "+" } span.hidden { "after: " } (Lines(after)) }
                    }
                }
            }
        }
    }
}

/// Whom it meets.
fn blast(plan: &PlanFile) -> Markup {
    html! {
        section aria-labelledby="blast" {
            h2 #blast { "Blast radius" }
            dl.facts-list {
                dt { "Pods" } dd {
                    (pods(plan))
                    @if !plan.pods.is_empty() {
                        ul.names { @for pod in &plan.pods { li { code { (Foreign(pod)) } } } }
                    }
                    @let left_out = u64::from(plan.pods_total).saturating_sub(plan.pods.len() as u64);
                    @if left_out > 0 { p.quiet { "and " (left_out) " more" } }
                }
                @if let Some(left) = plan.replicas_left {
                    dt { "Serving meanwhile" }
                    dd { "at least " (counted(left, "replica")) }
                }
                @if let Some(owner) = &plan.owner {
                    dt { "Successor" } dd { "made by " (Foreign(owner)) }
                }
            }
            @if !plan.budgets.is_empty() {
                table {
                    caption { "Disruption budgets" }
                    thead { tr {
                        th scope="col" { "Name" } th.num scope="col" { "Allowed now" }
                        th.num scope="col" { "Healthy" } th.num scope="col" { "Needed" }
                    } }
                    tbody { @for budget in &plan.budgets { tr {
                        th scope="row" { (Foreign(&budget.name)) }
                        td.num.warn[budget.allowed == 0] { (budget.allowed) }
                        td.num { (budget.healthy) } td.num { (budget.desired_healthy) }
                    } } }
                }
            }
        }
    }
}

fn asker(request: &ApprovalFile, now: Timestamp) -> Markup {
    html! {
        section aria-labelledby="asker" {
            h2 #asker { "Who asks" }
            dl.facts-list {
                dt { "Caller" } dd { strong { (Foreign(&request.principal)) } }
                @if let Some(whom) = &request.on_behalf_of {
                    dt { "For" } dd {
                        (quoted(whom))
                        p.quiet { "The caller says so. Nobody has checked it." }
                    }
                }
                dt { "Tool" } dd {
                    code { (Foreign(&request.tool)) } span.quiet { " of plugin " } (Foreign(&request.plugin))
                }
                dt { "Policy" } dd { "rule " code { (Foreign(&request.rule)) } }
                dt { "Asked" } dd {
                    (time(&request.requested, now)) " in "
                    a href={ "/calls/" (request.call) } { "this call" }
                }
                dt { "Caller says" } dd {
                    @match &request.reason {
                        Some(reason) => {
                            blockquote { (quoted(reason)) }
                            p.quiet { "The caller’s words, quoted. Nobody has checked them." }
                        }
                        None => { span.quiet { "nothing" } }
                    }
                }
            }
        }
    }
}

/// What a yes is about, exactly.
fn bound(shown: &Approval) -> Markup {
    let (request, plan) = (&shown.request, &shown.request.plan);
    html! {
        section aria-labelledby="bound" {
            h2 #bound { "What a yes is bound to" }
            dl.facts-list {
                dt { "Object" } dd { code { (Foreign(&plan.uid)) } }
                @if let Some(generation) = plan.generation { dt { "Generation" } dd { (generation) } }
                @if let Some(content) = &plan.content {
                    dt { "Specification" } dd { code { "sha256:" (Foreign(content)) } }
                }
                dt { "Code" } dd { code { "sha256:" (Foreign(&request.digest)) } }
                dt { "Request" } dd { code { "sha256:" (shown.request_sha256) } }
                dt { "Approval" } dd { code { (Foreign(&request.id)) } }
            }
        }
    }
}

fn answer_form(shown: &Approval, session: &Session) -> Markup {
    let Approval { request, request_sha256, .. } = shown;
    let terms = &request.terms;
    let may_approve = request.may_be_approved_by(&session.approver, Channel::Console);
    html! {
        section.answer aria-labelledby="answer" {
            h2 #answer { "Your answer" }
            form method="post" action={ "/requests/" (request.id) "/answer" } {
                (form_token(session))
                input type="hidden" name="request_sha256" value=(request_sha256);
                label for="reason" {
                    "Reason" @if terms.reason_required { " (required)" }
                    span.quiet { " for the record, and for the caller after a no" }
                }
                // Not one line: in a field of one, Enter would press the first button.
                textarea #reason name="reason" rows="2" maxlength=(REASON_CHARS_MAX)
                    required[terms.reason_required] {}
                @if !may_approve {
                    p.warn #not-you { "Who asked does not approve: you can only say no." }
                }
                div.buttons {
                    button.approve type="submit" name="answer" value="approve"
                        disabled[!may_approve] aria-describedby=[(!may_approve).then_some("not-you")] {
                        "Approve"
                    }
                    button.deny type="submit" name="answer" value="deny" { "Deny" }
                }
                p.quiet { (after_a_yes(terms.approvers)) }
            }
        }
    }
}

fn after_a_yes(approvers: u8) -> Markup {
    html! {
        "After " @if approvers > 1 { (approvers) " people’s yes" } @else { "a yes" }
        " the host does exactly what is shown, once, if the object is still the same."
    }
}

pub(super) async fn answer(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    let Ok(id) = id.parse::<ApprovalId>() else { return unknown() };
    let form = match Form::of(request, &session).await {
        Ok(form) => form,
        Err(response) => return response,
    };
    let approve = match form.field("answer") {
        "approve" => true,
        "deny" => false,
        _ => return misfit("Say yes or no."),
    };
    let Some(reason) = reason(form.field("reason")) else {
        return misfit("A reason has at most 500 characters.");
    };
    let sha256 = form.field("request_sha256").to_owned();
    match site.answer(id.clone(), sha256, &session, (approve, reason)).await {
        Ok(()) => {
            let place = format!("/requests/{id}");
            (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
        }
        Err(error) => failed(&error),
    }
}

/// One line of it, none where nothing was said; nothing at all where it is too long.
#[expect(clippy::option_option, reason = "a reason that does not fit is not one that is missing")]
fn reason(text: &str) -> Option<Option<String>> {
    let words: Vec<_> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    (line.chars().count() <= REASON_CHARS_MAX).then(|| Some(line).filter(|line| !line.is_empty()))
}

fn misfit(why: &str) -> Response {
    notice(
        StatusCode::BAD_REQUEST,
        "The answer does not fit",
        &format!("{why} Nothing was changed."),
    )
}

fn unknown() -> Response {
    notice(StatusCode::NOT_FOUND, "No such request", "It may have been removed.")
}

fn failed(error: &ApprovalError) -> Response {
    let not_taken = |status, title: &str, why: &str| {
        notice(status, title, &format!("{why} Your answer was not taken."))
    };
    match error {
        ApprovalError::Unknown(_) => unknown(),
        ApprovalError::Over { status, .. } => {
            let why = format!("The request is {status} already.");
            not_taken(StatusCode::CONFLICT, "Too late", &why)
        }
        ApprovalError::Expired(_) => {
            not_taken(StatusCode::CONFLICT, "Too late", "The request is expired already.")
        }
        ApprovalError::Altered(_) => not_taken(
            StatusCode::CONFLICT,
            "Not what you saw",
            "The request is another one than the page showed.",
        ),
        ApprovalError::AlreadyAnswered { .. } => {
            not_taken(StatusCode::CONFLICT, "Once is enough", "You have said that already.")
        }
        ApprovalError::SelfApproval { .. } => not_taken(
            StatusCode::FORBIDDEN,
            "Not you",
            "Who asked for a change does not approve it; the policy wants somebody else.",
        ),
        ApprovalError::ReasonRequired(_) => {
            not_taken(StatusCode::BAD_REQUEST, "Say why", "This request wants a reason.")
        }
        ApprovalError::Reason => not_taken(
            StatusCode::BAD_REQUEST,
            "The reason does not fit",
            "A reason is one line of at most 500 characters.",
        ),
        ApprovalError::Io(error) => {
            tracing::error!(%error, "the console cannot read or write approvals");
            let text = "The folder of the approvals cannot be read or written. The log says why.";
            notice(StatusCode::INTERNAL_SERVER_ERROR, "Not now", text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_one_line() {
        assert_eq!(reason(""), Some(None));
        assert_eq!(reason(" \r\n\t"), Some(None));
        assert_eq!(reason("incident\r\n 4711\u{0}x"), Some(Some("incident 4711 x".to_owned())));
        assert_eq!(reason(&"ä".repeat(500)), Some(Some("ä".repeat(500))));
        assert_eq!(reason(&"a".repeat(501)), None);
    }
}
