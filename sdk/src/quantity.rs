//! Amounts of resources: what Kubernetes writes (`250m`, `1.5Gi`), as numbers and as an operator
//! reads them.

/// Thousandths of the unit: `250m` is 250, `2` is 2,000, `64Mi` is 67,108,864,000. None for what is
/// no quantity, or too large for one.
#[must_use]
pub fn milli(text: &str) -> Option<i128> {
    let text = text.trim();
    let end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    // `1e3` and `1E3` are numbers, `1E` are exa.
    let (number, factor) = match suffix.strip_prefix(['e', 'E']) {
        Some(exponent) if !exponent.is_empty() && exponent != "i" => {
            let exponent: i32 = exponent.parse().ok().filter(|e| (-12..=24).contains(e))?;
            (decimal_nano(number)?, Factor::Ten(exponent))
        }
        _ => (decimal_nano(number)?, Factor::of(suffix)?),
    };
    // From billionths to thousandths, away from zero as Kubernetes rounds.
    let nano = factor.times(number)?;
    Some(nano / 1_000_000 + (nano % 1_000_000).signum())
}

/// Whole units: bytes of memory, numbers of pods. Rounded up.
#[must_use]
pub fn units(text: &str) -> Option<u64> {
    let milli = milli(text)?;
    u64::try_from(milli / 1_000 + (milli % 1_000).signum()).ok()
}

/// Thousandths of a core.
#[must_use]
pub fn cpu_m(text: &str) -> Option<u64> {
    u64::try_from(milli(text)?).ok()
}

/// Thousandths of a core for people: `250m`, `2`, `1.5`.
#[must_use]
pub fn cpu(cpu_m: u64) -> String {
    match (cpu_m / 1_000, cpu_m % 1_000) {
        (cores, 0) => cores.to_string(),
        (cores, rest) if cores >= 1 && rest % 100 == 0 => format!("{cores}.{}", rest / 100),
        _ => format!("{cpu_m}m"),
    }
}

/// Bytes for people: `512B`, `64Mi`, `1.5Gi`.
#[must_use]
pub fn bytes(n: u64) -> String {
    let units = ["B", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut tenths = u128::from(n) * 10;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < units.len() {
        tenths = (tenths + 512) / 1_024;
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    match tenths % 10 {
        // From a hundred on a tenth is noise.
        tenth if tenth > 0 && tenths < 1_000 => format!("{}.{tenth}{name}", tenths / 10),
        _ => format!("{}{name}", (tenths + 5) / 10),
    }
}

/// `used` of `total` in whole percent; none of nothing.
#[must_use]
pub fn percent(used: u64, total: u64) -> Option<u64> {
    let percent = (u128::from(used) * 100).checked_div(u128::from(total))?;
    u64::try_from(percent).ok()
}

enum Factor {
    Ten(i32),
    Two(u32),
}

impl Factor {
    fn of(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "" => Self::Ten(0),
            "n" => Self::Ten(-9),
            "u" => Self::Ten(-6),
            "m" => Self::Ten(-3),
            "k" => Self::Ten(3),
            "M" => Self::Ten(6),
            "G" => Self::Ten(9),
            "T" => Self::Ten(12),
            "P" => Self::Ten(15),
            "E" => Self::Ten(18),
            "Ki" => Self::Two(10),
            "Mi" => Self::Two(20),
            "Gi" => Self::Two(30),
            "Ti" => Self::Two(40),
            "Pi" => Self::Two(50),
            "Ei" => Self::Two(60),
            _ => return None,
        })
    }

    fn times(&self, number: i128) -> Option<i128> {
        match *self {
            Self::Two(exponent) => number.checked_mul(1_i128.checked_shl(exponent)?),
            Self::Ten(exponent) => {
                let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
                if exponent < 0 { number.checked_div(power) } else { number.checked_mul(power) }
            }
        }
    }
}

/// Billionths of a decimal number without exponent; digits beyond them are dropped.
fn decimal_nano(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if (whole.is_empty() && part.is_empty()) || !all_digits(whole) || !all_digits(part) {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: i128 = format!("{part:0<9}").get(..9)?.parse().ok()?;
    whole.checked_mul(1_000_000_000)?.checked_add(part).map(|nano| sign * nano)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_quantities() {
        for (text, expected) in [
            ("0", Some(0)),
            ("250m", Some(250)),
            ("2", Some(2_000)),
            ("1.5", Some(1_500)),
            (".5", Some(500)),
            ("64Mi", Some(67_108_864_000)),
            ("1.5Gi", Some(1_610_612_736_000)),
            ("12345678n", Some(13)),
            ("100u", Some(1)),
            ("1k", Some(1_000_000)),
            ("1e3", Some(1_000_000)),
            ("1E3", Some(1_000_000)),
            ("1E", Some(1_000_000_000_000_000_000_000)),
            ("1Ei", Some(1_152_921_504_606_846_976_000)),
            ("-1", Some(-1_000)),
            ("128974848", Some(128_974_848_000)),
            ("", None),
            ("m", None),
            (".", None),
            ("1mm", None),
            ("1e99", None),
            ("--1", None),
            ("9999999999999999999999999999Ei", None),
            ("ü", None),
        ] {
            assert_eq!(milli(text), expected, "{text}");
        }
        assert_eq!((units("1500m"), units("64Ki"), units("-1")), (Some(2), Some(65_536), None));
    }

    #[test]
    fn prints_amounts_as_people_read_them() {
        let amounts = [0, 250, 1_000, 1_500, 1_234, 64_000].map(cpu);
        assert_eq!(amounts.join(" "), "0 250m 1 1.5 1234m 64");
        let amounts = [0, 512, 1_023, 1_024, 1_536, 67_108_864, 1_610_612_736, 132_070_244_352];
        assert_eq!(amounts.map(bytes).join(" "), "0B 512B 1023B 1Ki 1.5Ki 64Mi 1.5Gi 123Gi");
        assert_eq!(bytes(u64::MAX), "16Ei");
        assert_eq!((percent(1, 3), percent(3, 2), percent(1, 0)), (Some(33), Some(150), None));
    }
}
