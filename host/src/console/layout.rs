//! What all pages have in common.

use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::sessions::Session;
use super::text::Foreign;

/// A page of the navigation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tab {
    /// What waits for an answer.
    Requests,
    /// What was answered.
    History,
    /// Who called what.
    Trail,
    /// What plugins may, and do.
    Plugins,
    /// What was too much.
    Limits,
}

impl Tab {
    const ALL: [Self; 5] =
        [Self::Requests, Self::History, Self::Trail, Self::Plugins, Self::Limits];

    fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Requests => ("/", "Requests"),
            Self::History => ("/history", "History"),
            Self::Trail => ("/trail", "Trail"),
            Self::Plugins => ("/plugins", "Plugins"),
            Self::Limits => ("/limits", "Limits"),
        }
    }
}

/// A page for who has entered.
pub(super) struct Page<'a> {
    /// Of the window; what matters first, so that a narrow tab shows it.
    pub(super) title: &'a str,
    /// Where it belongs.
    pub(super) tab: Tab,
    /// Whether it is the tab's first page, and not one below it.
    pub(super) is_first: bool,
    /// What it says.
    pub(super) content: Markup,
}

impl Page<'_> {
    pub(super) fn render(self, session: &Session) -> Response {
        let Self { title, tab, is_first, content } = self;
        let nav = html! {
            nav aria-label="Main" {
                ul {
                    @for other in Tab::ALL {
                        @let (path, name) = other.place();
                        @let current = (other == tab).then_some(if is_first { "page" } else { "true" });
                        li { a href=(path) aria-current=[current] { (name) } }
                    }
                }
            }
            form.who method="post" action="/logout" {
                (form_token(session))
                span { span.quiet { "signed in as " } (Foreign(session.approver.as_str())) }
                button.plain type="submit" { "Sign out" }
            }
        };
        document(title, Some(&nav), &content).into_response()
    }
}

/// The row of a table without any, so that a page that follows takes it away with the first.
pub(super) fn nothing(columns: u8, text: &str) -> Markup {
    html! { tr #nothing { td.quiet colspan=(columns) { (text) } } }
}

/// What makes a form one of this session.
pub(super) fn form_token(session: &Session) -> Markup {
    html! { input type="hidden" name="form" value=(session.form_token()); }
}

/// A page for anybody: a few words.
pub(super) fn notice(status: StatusCode, title: &str, text: &str) -> Response {
    let content = html! { h1 { (title) } p { (text) } p { a href="/" { "To the requests" } } };
    (status, document(title, None, &content)).into_response()
}

/// For who followed a link on another site: the browser keeps the session to itself until somebody
/// follows one of ours.
pub(super) fn came_by_link(path: &str) -> Response {
    let content = html! {
        h1 { "You come from another site" }
        p { "Pages of other sites do not open the console by themselves." }
        p { a.button href=(path) { "Go on to " (Foreign(path)) } }
    };
    (StatusCode::FORBIDDEN, document("From another site", None, &content)).into_response()
}

/// A whole document.
pub(super) fn document(title: &str, nav: Option<&Markup>, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (Foreign(title).plain()) " · Toolgate" }
                link rel="stylesheet" href="/style.css";
                link rel="icon" href="/icon.svg" type="image/svg+xml";
                script src="/live.js" defer {}
            }
            body {
                a.skip href="#main" { "Skip to the content" }
                header.top {
                    a.brand href="/" { span aria-hidden="true" { "◧" } " Toolgate" }
                    @if let Some(nav) = nav { (nav) }
                }
                main id="main" tabindex="-1" { (content) }
            }
        }
    }
}

impl Foreign<'_> {
    /// For places without markup, such as a window's title.
    pub(super) fn plain(&self) -> PreEscaped<String> {
        let spelt = maud::Render::render(self).into_string();
        let tags = ["<bdi>", "</bdi>", "<b class=\"odd\">", "</b>"];
        PreEscaped(tags.iter().fold(spelt, |text, tag| text.replace(tag, "")))
    }
}

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("live.js");
const ICON: &str = include_str!("icon.svg");

fn file(media_type: &'static str, text: &'static str) -> (HeaderMap, &'static str) {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    (headers, text)
}

pub(super) async fn style() -> (HeaderMap, &'static str) {
    file("text/css; charset=utf-8", STYLE)
}

pub(super) async fn script() -> (HeaderMap, &'static str) {
    file("text/javascript; charset=utf-8", SCRIPT)
}

pub(super) async fn icon() -> (HeaderMap, &'static str) {
    file("image/svg+xml", ICON)
}
