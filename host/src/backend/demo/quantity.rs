//! Amounts as resources state them, in thousandths: `250m`, `2`, `1536Mi`.

/// Reads an amount; what does not read counts as nothing.
pub(super) fn milli(text: &str) -> i128 {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end).unwrap_or((text, ""));
    let factor: i128 = match unit {
        "m" => 1,
        "" => 1_000,
        "k" => 1_000_000,
        "M" => 1_000_000_000,
        "G" => 1_000_000_000_000,
        "T" => 1_000_000_000_000_000,
        "Ki" => 1_000 << 10,
        "Mi" => 1_000 << 20,
        "Gi" => 1_000 << 30,
        "Ti" => 1_000 << 40,
        _ => return 0,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = part.get(..part.len().min(9)).unwrap_or_default();
    let scale = 10_i128.pow(u32::try_from(digits.len()).unwrap_or(0));
    let read = |text: &str| text.parse::<u64>().map_or(0, i128::from);
    read(whole).saturating_mul(factor).saturating_add(read(digits) * factor / scale)
}

/// Writes an amount in the largest unit that holds it exactly.
pub(super) fn print(milli: i128) -> String {
    if milli % 1_000 != 0 {
        return format!("{milli}m");
    }
    let whole = milli / 1_000;
    for (unit, shift) in [("Gi", 30), ("Mi", 20), ("Ki", 10)] {
        if whole != 0 && whole % (1 << shift) == 0 {
            return format!("{}{unit}", whole >> shift);
        }
    }
    whole.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_print() {
        for (text, expected, printed) in [
            ("250m", 250, "250m"),
            ("2", 2_000, "2"),
            ("1.5", 1_500, "1500m"),
            ("1Ki", 1_024_000, "1Ki"),
            ("1536Mi", 1_610_612_736_000, "1536Mi"),
            ("2Gi", 2_147_483_648_000, "2Gi"),
            ("x", 0, "0"),
            ("3Parsec", 0, "0"),
            ("", 0, "0"),
        ] {
            assert_eq!(milli(text), expected, "{text}");
            assert_eq!(print(expected), printed);
        }
    }
}
