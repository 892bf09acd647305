//! Which lines are kept: patterns, and the newest that fit.

use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use super::super::super::bindings::toolgate::plugin::kubernetes_logs::LineFilter;
use super::super::{Shut, invalid};
use super::LINE_BYTES_MAX;
use crate::governance::text::CUT;

/// Patterns of one kind.
const PATTERNS_MAX: usize = 8;

/// Bytes of one pattern.
const PATTERN_BYTES_MAX: usize = 512;

/// Bytes of one compiled pattern: `\d{1,3}(\.\d{1,3}){3}` takes 20 KB. The time that one line takes
/// grows with it at worst.
const COMPILED_BYTES_MAX: usize = 128 << 10;

/// Bytes of what the matcher remembers of one pattern. It is faster with more, but there may be 17.
const CACHE_BYTES_MAX: usize = 512 << 10;

/// How deep a pattern nests.
const NESTING_MAX: u32 = 32;

/// Decides on a line.
#[derive(Debug, Default)]
pub(super) struct Filter {
    include: Vec<Regex>,
    exclude: Vec<Regex>,
}

impl Filter {
    pub(super) fn new(filter: &LineFilter) -> Result<Self, Shut> {
        let all = |name: &str, patterns: &[String]| {
            if patterns.len() > PATTERNS_MAX {
                return Err(invalid(format!("`{name}` has more than {PATTERNS_MAX} patterns")));
            }
            patterns.iter().map(|text| pattern(name, text)).collect()
        };
        Ok(Self {
            include: all("include", &filter.include)?,
            exclude: all("exclude", &filter.exclude)?,
        })
    }

    /// Whether every line passes.
    pub(super) fn is_open(&self) -> bool {
        self.include.is_empty() && self.exclude.is_empty()
    }

    pub(super) fn passes(&self, line: &str) -> bool {
        (self.include.is_empty() || self.include.iter().any(|wanted| wanted.is_match(line)))
            && !self.exclude.iter().any(|unwanted| unwanted.is_match(line))
    }
}

/// Compiles a pattern of a guest.
pub(super) fn pattern(name: &str, text: &str) -> Result<Regex, Shut> {
    if text.len() > PATTERN_BYTES_MAX {
        return Err(invalid(format!(
            "a pattern of `{name}` has more than {PATTERN_BYTES_MAX} bytes"
        )));
    }
    let compiled = RegexBuilder::new(text)
        .size_limit(COMPILED_BYTES_MAX)
        .dfa_size_limit(CACHE_BYTES_MAX)
        .nest_limit(NESTING_MAX)
        .build();
    compiled.map_err(|error| {
        // The library draws an arrow below the pattern; its last line says what is wrong.
        let why = match &error {
            regex::Error::CompiledTooBig(_) => "it is too large; repeat less".to_owned(),
            error @ (regex::Error::Syntax(_) | _) => {
                error.to_string().lines().last().unwrap_or_default().to_owned()
            }
        };
        let text = super::super::safe(text);
        invalid(format!("a pattern of `{name}`, `{text}`: {}", why.trim_start_matches("error: ")))
    })
}

/// The newest lines, within bounds.
#[derive(Debug)]
pub(super) struct Newest {
    lines: VecDeque<String>,
    bytes: usize,
    lines_max: usize,
    bytes_max: usize,
    /// Whether a line was cut, or an older one left out.
    pub(super) has_lost: bool,
}

impl Newest {
    pub(super) fn new(lines_max: u32, bytes_max: usize) -> Self {
        let lines_max = usize::try_from(lines_max).unwrap_or(usize::MAX).max(1);
        Self { lines: VecDeque::new(), bytes: 0, lines_max, bytes_max, has_lost: false }
    }

    pub(super) fn push(&mut self, line: &str) {
        let mut kept = String::new();
        let is_full = self.lines.len() >= self.lines_max;
        if is_full && let Some(oldest) = self.drop_oldest() {
            // Its memory is as good as new.
            kept = oldest;
            kept.clear();
        }
        kept.push_str(line);
        self.bytes = self.bytes.saturating_add(line.len());
        self.lines.push_back(kept);
        while self.bytes > self.bytes_max && self.lines.len() > 1 {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) -> Option<String> {
        let oldest = self.lines.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.len());
        self.has_lost = true;
        Some(oldest)
    }

    /// Keeps fewer. A newest line that is by itself too long is cut.
    pub(super) fn shrink(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max && self.lines.len() > 1 {
            self.drop_oldest();
        }
        if self.bytes > bytes_max
            && let Some(line) = self.lines.back_mut()
        {
            self.has_lost |= crate::governance::text::cut(line, bytes_max);
            self.bytes = line.len();
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into()
    }
}

/// As much of a line as is shown. What is not shown is not searched either.
pub(super) fn shown(line: &str) -> (&str, bool) {
    if line.len() <= LINE_BYTES_MAX {
        return (line, false);
    }
    let end = line.floor_char_boundary(LINE_BYTES_MAX.saturating_sub(CUT.len()));
    (line.get(..end).unwrap_or_default(), true)
}

/// A line without the time that the API server wrote before it.
pub(super) fn without_time(line: &str) -> &str {
    match line.split_once(' ') {
        Some((time, rest)) if time.parse::<jiff::Timestamp>().is_ok() => rest,
        _ => line,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::Error;
    use super::*;

    fn filter(include: &[&str], exclude: &[&str]) -> Result<Filter, String> {
        let list = |patterns: &[&str]| patterns.iter().map(|p| (*p).to_owned()).collect();
        match Filter::new(&LineFilter { include: list(include), exclude: list(exclude) }) {
            Ok(filter) => Ok(filter),
            Err(Shut::Told(Error::InvalidArgument(text))) => Err(text),
            Err(Shut::Told(_) | Shut::NotRecorded(_)) => panic!("another error"),
        }
    }

    #[test]
    fn one_of_the_first_must_match_and_none_of_the_second() {
        for (include, exclude, line, passes) in [
            (&[][..], &[][..], "anything", true),
            (&["error", "(?i)warn"], &[], "WARNING: full", true),
            (&["error", "(?i)warn"], &[], "all is well", false),
            (&["error"], &["health"], "error in /healthz", false),
            (&[], &["health"], "error in /cart", true),
            (&["^GET .* 5\\d\\d$"], &[], "GET /cart 503", true),
            (&["(?i)ÜBER"], &[], "über 9000", true),
        ] {
            assert_eq!(filter(include, exclude).unwrap().passes(line), passes, "{line}");
        }
    }

    #[test]
    fn patterns_are_bounded() {
        for (pattern, expected) in [
            ("(", "a pattern of `include`, `(`: unclosed group"),
            (
                "(a{1000}){1000}",
                "a pattern of `include`, `(a{1000}){1000}`: it is too large; repeat less",
            ),
            (
                r"(?:\w{100}){50}",
                r"a pattern of `include`, `(?:\w{100}){50}`: it is too large; repeat less",
            ),
        ] {
            assert_eq!(filter(&[pattern], &[]).unwrap_err(), expected);
        }
        let deep = "(".repeat(200) + &")".repeat(200);
        assert!(filter(&[&deep], &[]).unwrap_err().contains("nest"));
        let long = "a".repeat(513);
        let said = filter(&[&long], &[]).unwrap_err();
        assert_eq!(said, "a pattern of `include` has more than 512 bytes");
        let said = filter(&[], &["a"; 9]).unwrap_err();
        assert_eq!(said, "`exclude` has more than 8 patterns");
    }

    #[test]
    fn the_newest_lines_stay() {
        let mut newest = Newest::new(3, 10);
        for line in ["one", "two", "three", "4", "5"] {
            newest.push(line);
        }
        assert_eq!((newest.bytes(), newest.has_lost), (7, true));
        newest.push("eleven bytes");
        assert_eq!(newest.lines, ["eleven bytes"], "one line is better than none");
        newest.shrink(11);
        assert!(newest.into_lines()[0].ends_with(CUT));
    }

    #[test]
    fn a_time_is_taken_off_and_nothing_else() {
        for (line, expected) in [
            ("2026-11-21T02:13:07.123456789Z  a b", " a b"),
            ("2026-11-21T02:13:07Z", "2026-11-21T02:13:07Z"),
            ("error at 2026-11-21T02:13:07Z", "error at 2026-11-21T02:13:07Z"),
            ("", ""),
        ] {
            assert_eq!(without_time(line), expected);
        }
    }
}
