//! Lines of a log that begin with their time.

/// As many of the last lines as fit; at least one.
pub(crate) fn newest(lines: &[String], bytes_max: usize) -> &[String] {
    let mut bytes = 0_usize;
    let mut first = lines.len();
    for (i, line) in lines.iter().enumerate().rev() {
        bytes = bytes.saturating_add(line.len()).saturating_add(1);
        if bytes > bytes_max && first < lines.len() {
            break;
        }
        first = i;
    }
    lines.get(first..).unwrap_or_default()
}

/// The bound of each of some sizes that keeps their sum within `bytes_max`, as large as it can be.
pub(crate) fn share(mut sizes: Vec<usize>, bytes_max: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut n) = (bytes_max, sizes.len());
    for size in sizes {
        if size.saturating_mul(n) > left {
            return left / n;
        }
        left -= size;
        n -= 1;
    }
    bytes_max
}

/// The time that a line begins with.
pub(crate) fn time(line: &str) -> Option<&str> {
    let first = line.split(' ').next()?;
    let looks_so = first.len() >= 20
        && first.ends_with('Z')
        && first.bytes().all(|b| b.is_ascii_digit() || b"-:.TZ".contains(&b));
    looks_so.then_some(first)
}

/// The line as the program wrote it.
pub(crate) fn without_time(line: &str) -> &str {
    match time(line).and_then(|time| line.strip_prefix(time)) {
        Some(rest) => rest.strip_prefix(' ').unwrap_or(rest),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_times_off_and_nothing_else() {
        let time_of = "2026-11-21T02:13:07.123456789Z";
        for (line, expected_time, rest) in [
            ("2026-11-21T02:13:07.123456789Z  GET /", Some(time_of), " GET /"),
            ("2026-11-21T02:13:07.123456789Z", Some(time_of), ""),
            ("GET / 2026-11-21T02:13:07Z", None, "GET / 2026-11-21T02:13:07Z"),
            ("ZZZZZZZZZZZZZZZZZZZZ-é", None, "ZZZZZZZZZZZZZZZZZZZZ-é"),
            ("", None, ""),
        ] {
            assert_eq!((time(line), without_time(line)), (expected_time, rest), "{line}");
        }
    }

    #[test]
    fn keeps_the_newest_lines_that_fit() {
        let lines: Vec<String> = ["aaa", "bbb", "ccc"].map(str::to_owned).to_vec();
        assert_eq!(newest(&lines, 8), ["bbb", "ccc"]);
        assert_eq!(newest(&lines, 100), ["aaa", "bbb", "ccc"]);
        assert_eq!(newest(&lines, 1), ["ccc"], "a line that is too long is better than none");
        assert!(newest(&[], 1).is_empty());
    }
}
