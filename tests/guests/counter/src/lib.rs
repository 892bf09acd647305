//! Keeps state between calls, or would. Expected: it answers `1`, however often it is called.

use std::sync::atomic::{AtomicU64, Ordering};

use toolgate_guest_kit::{Answer, guest, text};

static CALLS: AtomicU64 = AtomicU64::new(0);

fn count(_arguments: &str) -> Answer {
    text((CALLS.fetch_add(1, Ordering::Relaxed) + 1).to_string())
}

guest!("count", count);
