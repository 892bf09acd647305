//! Offers the same tool as `echo`. Expected: whichever is loaded second is refused.

use toolgate_guest_kit::{Answer, guest, text};

fn echo(_arguments: &str) -> Answer {
    text("the twin")
}

guest!("echo", echo);
