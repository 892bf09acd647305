//! Answers with JSON that nests `{"levels": N}` levels deep, 100,000 without a word. Expected: the
//! plugin's error beyond the host's bound, whose parser must not run out of stack.

use toolgate_guest_kit::{Answer, guest, number_in, structured};

fn nest(arguments: &str) -> Answer {
    let levels = number_in(arguments).and_then(|n| usize::try_from(n).ok()).unwrap_or(100_000);
    let (open, close) = ("[".repeat(levels), "]".repeat(levels));
    structured("deep", format!(r#"{{"deep":{open}{close}}}"#))
}

guest!("nest", nest);
