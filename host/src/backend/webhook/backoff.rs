//! How long a webhook is left alone after it failed.

use std::time::Duration;

use jiff::Timestamp;

/// After the first failure: most are over by then.
pub(super) const FIRST: Duration = Duration::from_secs(1);

/// The longest wait: what comes back is told within five minutes.
pub(super) const LONGEST: Duration = Duration::from_mins(5);

/// How long to wait after so many failures in a row. `random` is anything: it takes up to a half
/// off, so that those who failed together do not come back together. What the webhook asked for is
/// the least, within bounds.
pub(super) fn wait(n_failures: u32, asked: Option<Duration>, random: u32) -> Duration {
    let doubled = 1_u32.checked_shl(n_failures.saturating_sub(1)).unwrap_or(u32::MAX);
    let longest = FIRST.saturating_mul(doubled).min(LONGEST);
    let off = longest / 2 * (random % 1_000) / 1_000;
    longest.saturating_sub(off).max(asked.unwrap_or_default().min(LONGEST))
}

/// What `Retry-After` says: seconds, or a date.
pub(super) fn retry_after(value: &str, now: Timestamp) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let at = jiff::fmt::rfc2822::parse(value).ok()?.timestamp();
    Duration::try_from(at.duration_since(now)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_twice_as_long_each_time_up_to_five_minutes() {
        for (n_failures, most) in [
            (1, 1),
            (2, 2),
            (3, 4),
            (4, 8),
            (8, 128),
            (9, 256),
            (10, 300),
            (33, 300),
            (u32::MAX, 300),
        ] {
            assert_eq!(wait(n_failures, None, 0), Duration::from_secs(most), "{n_failures}");
            let least = wait(n_failures, None, 999);
            assert!(least >= Duration::from_secs(most) / 2, "{n_failures}: {least:?}");
        }
    }

    #[test]
    fn waits_as_long_as_it_is_asked_within_bounds() {
        let asked = |seconds| wait(1, Some(Duration::from_secs(seconds)), 0).as_secs();
        assert_eq!((asked(0), asked(30), asked(1_000_000)), (1, 30, 300));
    }

    #[test]
    fn understands_what_it_is_asked() {
        let now: Timestamp = "2026-11-21T02:00:00Z".parse().unwrap();
        for (value, expected) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sat, 21 Nov 2026 02:00:30 GMT", Some(30)),
            ("Sat, 21 Nov 2026 01:00:00 GMT", None),
            ("-1", None),
            ("soon", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(retry_after(value, now).map(|d| d.as_secs()), expected, "{value:?}");
        }
    }
}
