//! Calls the host `{"calls": N}` times, a million times without a word. Expected: ended at the
//! bound of host calls.

use toolgate_guest_kit::host::progress;
use toolgate_guest_kit::{Answer, guest, number_in, text};

fn storm(arguments: &str) -> Answer {
    let calls = number_in(arguments).and_then(|n| u32::try_from(n).ok()).unwrap_or(1_000_000);
    for call in 0..calls {
        progress::report(call, Some(calls), "storming");
    }
    text(format!("called {calls} times"))
}

guest!("storm", storm);
