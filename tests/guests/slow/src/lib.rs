//! Is busy for about `{"ms": N}` milliseconds, without an interpreter and without a clock. A good
//! guest: it answers unless a bound ends it.

use std::hint::black_box;

use toolgate_guest_kit::{Answer, guest, number_in, text};

/// Rounds of the loop in a millisecond, on a machine of today: right to about a factor of two.
const ROUNDS_PER_MS: u64 = 250_000;

fn be_slow(arguments: &str) -> Answer {
    let ms = number_in(arguments).unwrap_or(10);
    let mut sum = 0_u64;
    for round in 0..ms.saturating_mul(ROUNDS_PER_MS) {
        sum = black_box(sum.rotate_left(5) ^ round);
    }
    text(format!("busy for about {ms} ms ({sum:x})"))
}

guest!("be_slow", be_slow);
