//! Answers with `{"bytes": N}` bytes of text, 16 MiB without a word. Expected: cut at the bound of
//! output; beyond the bound of what an export may return, the call is ended.

use toolgate_guest_kit::{Answer, guest, number_in, text};

fn shout(arguments: &str) -> Answer {
    let bytes = number_in(arguments).and_then(|n| usize::try_from(n).ok()).unwrap_or(16 << 20);
    text("A".repeat(bytes))
}

guest!("shout", shout);
