//! Writes `{"lines": N}` lines of 1,000 bytes to its log, 200 without a word, then one line of
//! 1 MiB. Expected: the answer comes, the log is cut at its bound and says how much is missing.

use toolgate_guest_kit::host::log;
use toolgate_guest_kit::{Answer, guest, number_in, text};

fn babble(arguments: &str) -> Answer {
    let lines = number_in(arguments).unwrap_or(200);
    let line = "B".repeat(1_000);
    for _ in 0..lines {
        log::write(log::Level::Info, &line);
    }
    log::write(log::Level::Error, &"C".repeat(1 << 20));
    text(format!("wrote {lines} lines"))
}

guest!("babble", babble);
