//! Secrets in text: known formats, and values that a name beside them calls secret.
//!
//! It lowers what leaks by accident; it is no promise against a program that hides a secret on
//! purpose, which is why no plugin has a network. What is looked for is data, in `redact/rules.toml`;
//! `redact/scan.rs` finds it, and this file replaces it.

mod named;
pub(super) mod rules;
mod scan;
pub(super) mod whole;
mod wrapped;

use std::borrow::Cow;
use std::cell::Cell;
use std::sync::{Arc, PoisonError, RwLock};

use scan::{Scanner, Span};

use super::text::clean_cow;
use crate::domain::redaction::Redaction;
use crate::domain::withheld::{Removed, Withheld};

/// A text that may leave the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Safe {
    /// The text.
    pub text: String,
    /// Characters that were removed.
    pub removed: Removed,
    /// Secrets that were replaced.
    pub redacted: u32,
}

/// Removes what must not be seen, then replaces secrets. In this order, so that no invisible
/// character inside of a secret hides it from the second step.
pub fn make_safe(text: &str) -> Safe {
    let (clean, removed) = clean_cow(text);
    let (text, redacted) = redact(&clean);
    if redacted > 0 || removed != Removed::default() {
        let mut tally = TALLY.get();
        tally += Withheld { secrets: redacted, removed, defanged: 0 };
        TALLY.set(tally);
    }
    Safe { text: text.into_owned(), removed, redacted }
}

thread_local! {
    /// What was taken out on this thread, since somebody began to count.
    static TALLY: Cell<Withheld> = const { Cell::new(Withheld::NOTHING) };
}

/// What [`make_safe`] takes out of texts while this thread does some work.
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Withheld) {
    let before = TALLY.replace(Withheld::NOTHING);
    let done = work();
    (done, TALLY.replace(before))
}

/// The rules that hold, for the whole process: a secret has no other owner in another part of it.
static SCANNER: RwLock<Option<Arc<Scanner>>> = RwLock::new(None);

/// Sets the rules. Those of before hold until it is done; without a word, all that come with
/// Toolgate hold.
pub fn configure(redaction: &Redaction) {
    let scanner = Arc::new(Scanner::new(redaction));
    *SCANNER.write().unwrap_or_else(PoisonError::into_inner) = Some(scanner);
}

/// Compiles the rules now, so that the first call does not wait for it.
pub fn prepare() {
    whole::prepare();
    scanner().prepare();
}

fn scanner() -> Arc<Scanner> {
    if let Some(scanner) = SCANNER.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
        return Arc::clone(scanner);
    }
    let scanner = Arc::new(Scanner::new(&Redaction::default()));
    let mut held = SCANNER.write().unwrap_or_else(PoisonError::into_inner);
    Arc::clone(held.get_or_insert(scanner))
}

/// What stands before the end of a line that a secret may go on behind.
pub(super) fn may_go_on(line: &[u8]) -> bool {
    scanner().may_go_on(line)
}

/// How often a text is searched: what is replaced may be what kept its neighbour from being found.
const SEARCHES_MAX: usize = 4;

/// How much longer a text may become. Where short secrets stand close together, their markers say
/// less.
const GROWTH_MAX: usize = 2;

/// The marker that says nothing.
const SHORT_MARKER: &str = "***";

/// Replaces secrets. Idempotent; never makes a text longer than twice what it was.
pub fn redact(text: &str) -> (Cow<'_, str>, u32) {
    let scanner = scanner();
    let (safe, n) = redact_with(&scanner, text, false);
    if safe.len() > GROWTH_MAX * text.len() {
        return redact_with(&scanner, text, true);
    }
    (safe, n)
}

fn redact_with<'a>(scanner: &Scanner, text: &'a str, is_short: bool) -> (Cow<'a, str>, u32) {
    let mut text = Cow::Borrowed(text);
    let mut n = 0_usize;
    for _ in 0..SEARCHES_MAX {
        let spans = scanner.spans(&text);
        if spans.is_empty() {
            break;
        }
        n += spans.iter().filter(|span| !span.is_rest).count();
        text = Cow::Owned(replaced(scanner, &text, &spans, is_short));
    }
    (text, u32::try_from(n).unwrap_or(u32::MAX))
}

fn replaced(scanner: &Scanner, text: &str, spans: &[Span], is_short: bool) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut kept = 0;
    for span in spans {
        safe.push_str(text.get(kept..span.range.start).unwrap_or_default());
        if is_short {
            safe.push_str(SHORT_MARKER);
        } else {
            safe.extend(["[redacted:", scanner.name(span.rank), "]"]);
        }
        kept = span.range.end;
    }
    safe.push_str(text.get(kept..).unwrap_or_default());
    safe
}

#[cfg(test)]
mod tests;
