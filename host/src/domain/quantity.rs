//! Amounts as Kubernetes writes them, `250m` or `1.5Gi`, as whole numbers.

/// Digits of an amount. Kubernetes itself keeps 18.
const DIGITS_MAX: usize = 36;

/// The amount in thousandths, rounded up as Kubernetes does; too large a one is the largest there
/// is. `None` for what is no amount, and for one below zero.
pub fn in_thousandths(text: &str) -> Option<u64> {
    scaled(text, 3)
}

/// The amount in whole units, rounded up.
pub fn in_units(text: &str) -> Option<u64> {
    scaled(text, 0)
}

/// `amount * 10^shift`, rounded up.
fn scaled(text: &str, shift: i32) -> Option<u64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits: String = whole.chars().chain(fraction.chars()).collect();
    if digits.len() > DIGITS_MAX {
        return None;
    }
    let mut numerator: u128 = digits.parse().ok()?;
    if numerator == 0 {
        suffix_of(suffix)?;
        return Some(0);
    }
    let (binary, decimal) = suffix_of(suffix)?;
    let exponent = decimal + shift - i32::try_from(fraction.len()).ok()?;
    let Some(shifted) = numerator.checked_shl(binary).filter(|n| n >> binary == numerator) else {
        return Some(u64::MAX);
    };
    numerator = shifted;
    let power = u128::checked_pow(10, exponent.unsigned_abs());
    let scaled = match (exponent >= 0, power) {
        (true, Some(power)) => numerator.saturating_mul(power),
        (true, None) => u128::MAX,
        (false, Some(power)) => numerator.div_ceil(power),
        (false, None) => 1,
    };
    Some(u64::try_from(scaled).unwrap_or(u64::MAX))
}

/// The powers of two and of ten that a suffix stands for.
fn suffix_of(suffix: &str) -> Option<(u32, i32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (0, -9),
        "u" => (0, -6),
        "m" => (0, -3),
        "k" => (0, 3),
        "M" => (0, 6),
        "G" => (0, 9),
        "T" => (0, 12),
        "P" => (0, 15),
        "E" => (0, 18),
        "Ki" => (10, 0),
        "Mi" => (20, 0),
        "Gi" => (30, 0),
        "Ti" => (40, 0),
        "Pi" => (50, 0),
        "Ei" => (60, 0),
        _ => {
            let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            (0, (-100..=100).contains(&exponent).then_some(exponent)?)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_amounts_exactly() {
        for (text, thousandths, units) in [
            ("0", 0, 0),
            ("0Ki", 0, 0),
            ("1", 1_000, 1),
            ("250m", 250, 1),
            ("1.5", 1_500, 2),
            (".5", 500, 1),
            ("1.", 1_000, 1),
            ("+2", 2_000, 2),
            ("123456789n", 124, 1),
            ("1000000n", 1, 1),
            ("1n", 1, 1),
            ("1500u", 2, 1),
            ("2k", 2_000_000, 2_000),
            ("128Mi", 134_217_728_000, 134_217_728),
            ("1.5Gi", 1_610_612_736_000, 1_610_612_736),
            ("129e6", 129_000_000_000, 129_000_000),
            ("1E3", 1_000_000, 1_000),
            ("100e-3", 100, 1),
            ("1E", u64::MAX, 1_000_000_000_000_000_000),
            ("15Ei", u64::MAX, 17_293_822_569_102_704_640),
            ("16Ei", u64::MAX, u64::MAX),
            ("99999999999999999999999999999999999E", u64::MAX, u64::MAX),
            ("999999999999999999999999999999999999Ei", u64::MAX, u64::MAX),
            ("1e100", u64::MAX, u64::MAX),
            ("1e-100", 1, 1),
        ] {
            assert_eq!(in_thousandths(text), Some(thousandths), "{text}");
            assert_eq!(in_units(text), Some(units), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        let long = "1".repeat(40);
        for text in [
            "", ".", "-1", "m", "1x", "1 Mi", "1.2.3", "1Mim", "e3", "1e", "1e101", "0x", "٣",
            &long,
        ] {
            assert_eq!(in_units(text), None, "{text}");
        }
    }
}
