//! Amounts as resources state them, in thousandths: `250m`, `2`, `1536Mi`.

use crate::domain::quantity;

/// Reads an amount; what does not read counts as nothing.
pub(super) fn milli(text: &str) -> i128 {
    i128::from(quantity::in_thousandths(text).unwrap_or(0))
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
