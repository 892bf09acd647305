//! Panics, with words that only the operator should read. Expected: a trap, the plugin's fault;
//! nothing of the message reaches the caller.

use toolgate_guest_kit::{Answer, guest, text};

fn panic(arguments: &str) -> Answer {
    assert!(arguments.is_empty(), "the secret word is swordfish");
    text("no arguments, no panic")
}

guest!("panic", panic);
