//! Time, as `kubectl` prints it.

use crate::types::Moment;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;
const YEAR: u64 = 365 * DAY;

/// How long ago it was: `3m12s`, `5h`, `12d`.
#[must_use]
pub fn age(moment: &Moment) -> String {
    duration(moment.age_s)
}

/// A duration in at most two units, the coarser the longer it is, as `kubectl` prints ages.
#[must_use]
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / MINUTE, seconds / HOUR, seconds / DAY);
    match seconds {
        ..120 => format!("{seconds}s"),
        // Below ten minutes, three and eight hours, two days and eight years the smaller unit
        // still matters.
        120..600 => two(minutes, "m", seconds % MINUTE, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => two(seconds / YEAR, "y", days % 365, "d"),
        252_288_000.. => format!("{}y", seconds / YEAR),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{large}{large_unit}")
    } else {
        format!("{large}{large_unit}{small}{small_unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_ages_as_kubectl_does() {
        let printed: Vec<String> = [
            0,
            59,
            119,
            120,
            192,
            599,
            600,
            3_599,
            10_799,
            10_800,
            11_100,
            28_800,
            172_799,
            172_800,
            176_400,
            691_200,
            63_071_999,
            63_072_000,
            252_288_000,
            u64::MAX,
        ]
        .into_iter()
        .map(duration)
        .collect();
        expect_test::expect![
            "0s 59s 119s 2m 3m12s 9m59s 10m 59m 179m 3h 3h5m 8h 47h 2d 2d1h 8d 729d 2y 8y 584942417355y"
        ]
        .assert_eq(&printed.join(" "));
    }
}
