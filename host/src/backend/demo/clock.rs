use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// The one source of time of a demo cluster: the moment of loading plus what tokio's clock has
/// measured since, so that a test which pauses tokio's time also pauses the cluster.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    loaded: Timestamp,
    started: Instant,
}

impl Clock {
    pub(super) fn started_at(loaded: Timestamp) -> Self {
        Self { loaded, started: Instant::now() }
    }

    pub(super) fn loaded(&self) -> Timestamp {
        self.loaded
    }

    pub(super) fn now(&self) -> Timestamp {
        after(self.loaded, self.started.elapsed())
    }
}

/// `at` plus `by`; a sum that no calendar holds stays at `at`.
pub(super) fn after(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_add(by).ok()).unwrap_or(at)
}

/// `at` minus `by`; a difference that no calendar holds stays at `at`.
pub(super) fn before(at: Timestamp, by: Duration) -> Timestamp {
    SignedDuration::try_from(by).ok().and_then(|by| at.checked_sub(by).ok()).unwrap_or(at)
}

/// `metav1.Time` on the wire: whole seconds.
pub(super) fn seconds(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `metav1.MicroTime` on the wire: always six digits.
pub(super) fn micros(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string()
}

/// What the kubelet puts before a log line: nanoseconds, with trailing zeros.
pub(super) fn nanos(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ").to_string()
}

/// Reads `3d4h12m30.25s`: the length of time that scenario files use.
pub(super) fn parse_length(text: &str) -> Option<Duration> {
    let mut total = Duration::ZERO;
    let mut number = String::new();
    for symbol in text.chars() {
        if symbol.is_ascii_digit() || symbol == '.' {
            number.push(symbol);
            continue;
        }
        let unit = match symbol {
            'd' => 86_400.0,
            'h' => 3_600.0,
            'm' => 60.0,
            's' => 1.0,
            _ => return None,
        };
        let amount: f64 = number.parse().ok()?;
        let part = Duration::try_from_secs_f64(amount * unit).ok()?;
        total = total.checked_add(part)?;
        number.clear();
    }
    (number.is_empty() && !text.is_empty()).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_lengths() {
        for (text, expected) in [
            ("12m30s", Some(Duration::from_secs(750))),
            ("3d", Some(Duration::from_secs(259_200))),
            ("1h0.5s", Some(Duration::from_millis(3_600_500))),
            ("", None),
            ("12", None),
            ("s", None),
            ("1.2.3s", None),
            ("5w", None),
        ] {
            assert_eq!(parse_length(text), expected, "{text}");
        }
    }

    #[test]
    fn prints_times_as_the_wire_has_them() {
        let at: Timestamp = "2026-01-02T03:04:05.678901Z".parse().unwrap();
        assert_eq!(seconds(at), "2026-01-02T03:04:05Z");
        assert_eq!(micros(at), "2026-01-02T03:04:05.678901Z");
        assert_eq!(nanos(at), "2026-01-02T03:04:05.678901000Z");
    }
}
