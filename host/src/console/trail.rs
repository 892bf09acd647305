//! Who called what, and what came of it: the last calls, the newest first.

use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::response::Response;
use jiff::Timestamp;
use maud::{Markup, html};

use super::layout::{Page, Tab, nothing};
use super::ledger::{CALLS_MAX, CallRow, End, Ledger};
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, counted, time};

/// Rows of one page.
const ROWS_MAX: usize = 100;

/// Characters of a search.
const SEARCH_CHARS_MAX: usize = 128;

/// What of the trail is asked for.
#[derive(Default)]
struct Question {
    text: String,
    only: Only,
    before: Option<u64>,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Only {
    #[default]
    All,
    Writes,
    Trouble,
}

impl Only {
    const ALL: [(Self, &'static str, &'static str); 3] = [
        (Self::All, "all", "all calls"),
        (Self::Writes, "writes", "calls of tools that write"),
        (Self::Trouble, "trouble", "refused, failed, or over a limit"),
    ];
}

impl Question {
    fn read(request: &Request) -> Self {
        let mut question = Self::default();
        let query = request.uri().query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "q" => question.text = value.trim().chars().take(SEARCH_CHARS_MAX).collect(),
                "only" => {
                    let known = Only::ALL.iter().find(|(_, word, _)| *word == value);
                    question.only = known.map(|(only, ..)| *only).unwrap_or_default();
                }
                "before" => question.before = value.parse().ok(),
                _ => {}
            }
        }
        question
    }

    fn wants(&self, row: &CallRow) -> bool {
        let kind = match self.only {
            Only::All => true,
            Only::Writes => {
                matches!(row.tier.as_deref(), Some("reversible" | "destructive"))
            }
            Only::Trouble => !matches!(row.end, End::Open | End::Good | End::Asked),
        };
        let text = self.text.to_lowercase();
        let holds = |field: &str| field.to_lowercase().contains(&text);
        kind && (text.is_empty()
            || [&row.id, &row.principal, &row.subject, &row.arguments]
                .into_iter()
                .any(|f| holds(f))
            || [&row.client, &row.plugin, &row.used, &row.approval, &row.outcome, &row.detail]
                .into_iter()
                .flatten()
                .any(|f| holds(f)))
    }

    /// The address of what is older.
    fn older(&self, before: u64) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        if !self.text.is_empty() {
            query.append_pair("q", &self.text);
        }
        if let Some((_, word, _)) = Only::ALL.iter().find(|(only, ..)| *only == self.only) {
            query.append_pair("only", word);
        }
        query.append_pair("before", &before.to_string());
        format!("/trail?{}", query.finish())
    }
}

/// What the ledger says to the question.
struct Found {
    rows: Vec<CallRow>,
    older: Option<u64>,
    n_calls: usize,
    since: Option<String>,
    n_unreadable: u64,
    is_partial: bool,
}

impl Found {
    fn of(ledger: &Ledger, question: &Question) -> Self {
        let mut wanted = ledger.calls(question.before).filter(|(_, row)| question.wants(row));
        let (mut rows, mut last) = (Vec::new(), None);
        for (key, row) in wanted.by_ref().take(ROWS_MAX) {
            last = Some(key);
            rows.push(row.clone());
        }
        let older = wanted.next().and(last);
        Self {
            rows,
            older,
            n_calls: ledger.n_calls(),
            since: ledger.since.clone(),
            n_unreadable: ledger.n_unreadable,
            is_partial: ledger.is_partial || ledger.n_calls() >= CALLS_MAX,
        }
    }
}

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
    request: Request,
) -> Response {
    let question = Question::read(&request);
    let (found, trouble) = site.ledger(|ledger| Found::of(ledger, &question)).await;
    let now = site.now();
    let is_live = question.before.is_none();
    let content = html! {
        h1 { "Trail" }
        (filter(&question))
        @if let Some(trouble) = trouble {
            p.alarm role="alert" { "The audit log cannot be read: " (Foreign(&trouble)) }
        }
        div.wide tabindex="0" role="region" aria-label="Calls, the newest first" {
            table.calls {
                thead { tr {
                    th scope="col" { "Time" } th scope="col" { "Caller" } th scope="col" { "Call" }
                    th scope="col" { "Last used" } th scope="col" { "Outcome" }
                    th.num scope="col" { "ms" }
                } }
                tbody #calls data-live=[is_live.then_some("rows")] {
                    @for row in &found.rows { (line(row, now)) }
                    @if found.rows.is_empty() { (nothing(6, "No such call.")) }
                }
            }
        }
        @if let Some(before) = found.older {
            p { a.button href=(question.older(before)) { "Older calls" } }
        }
        (footnote(&found, now))
        p.hidden #heard role="status" aria-live="polite" data-live=[is_live.then_some("")] {
            @if let Some(row) = found.rows.first() {
                "Latest: " (Foreign(&row.subject)) ", " (word(row))
            }
        }
    };
    let is_first = is_live && question.text.is_empty();
    Page { title: "Trail", tab: Tab::Trail, is_first, content }.render(&session)
}

fn filter(question: &Question) -> Markup {
    html! {
        form.filter method="get" action="/trail" role="search" {
            div {
                label for="q" { "Search" }
                input #q name="q" type="search" maxlength=(SEARCH_CHARS_MAX) value=(question.text);
            }
            div {
                label for="only" { "Show" }
                select #only name="only" {
                    @for (only, word, text) in Only::ALL {
                        option value=(word) selected[only == question.only] { (text) }
                    }
                }
            }
            button type="submit" { "Show" }
            span.quiet { "This page is " span #live-state { "as of now; it follows by itself where scripts run" } "." }
        }
    }
}

fn footnote(found: &Found, now: Timestamp) -> Markup {
    html! {
        p.quiet #sum data-live {
            (counted(found.n_calls as u64, "call"))
            @if let Some(since) = &found.since { " since " (time(since, now)) }
            @if found.is_partial { "; earlier ones by their id, or with " code { "toolgate audit" } }
            @if found.n_unreadable > 0 {
                ". " strong.bad { (counted(found.n_unreadable, "line")) " of the log cannot be read" }
            }
            "."
        }
    }
}

fn line(row: &CallRow, now: Timestamp) -> Markup {
    html! {
        tr id={ "c-" (row.id) } {
            td { a href={ "/calls/" (row.id) } { (time(&row.at, now)) } }
            td {
                (Foreign(&row.principal))
                @if let Some(client) = &row.client { div.quiet { (Foreign(client)) } }
            }
            td {
                strong { (Foreign(&row.subject)) }
                @if !row.arguments.is_empty() { div { code { (Foreign(&row.arguments)) } } }
            }
            td {
                @if let Some(used) = &row.used { (Foreign(used)) }
                @if row.n_uses > 1 { div.quiet { "and " (row.n_uses - 1) " more" } }
                @if row.n_refused > 0 { div.bad { (row.n_refused) " refused" } }
            }
            td {
                (pill(row))
                @if let Some(detail) = &row.detail { div { (Foreign(detail)) } }
                @if let Some(approval) = &row.approval {
                    div { a href={ "/requests/" (approval) } { "request " (Foreign(approval)) } }
                }
            }
            td.num { @if let Some(ms) = row.duration_ms { (format!("{ms:.1}")) } }
        }
    }
}

/// How it ended, in a word.
fn word(row: &CallRow) -> Markup {
    match (row.end, &row.outcome) {
        (End::Open, _) => html! { "under way" },
        (End::Asked, _) => html! { "wants approval" },
        (End::Good, _) => html! { "answered" },
        (_, Some(outcome)) => html! { (Foreign(outcome)) },
        (_, None) => html! { "ended" },
    }
}

pub(super) fn pill(row: &CallRow) -> Markup {
    let tone = match row.end {
        End::Open => "now",
        End::Good => "good",
        End::Asked | End::Limit => "warn",
        End::Failed => "quiet",
        End::Refused | End::Broken => "bad",
    };
    html! { span class={ "pill " (tone) } { (word(row)) } }
}
