//! The good tiny guest: it answers with its arguments and asks for nothing.

use toolgate_guest_kit::{Answer, guest, text};

fn echo(arguments: &str) -> Answer {
    text(arguments)
}

guest!("echo", echo);
