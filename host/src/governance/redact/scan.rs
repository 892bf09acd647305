//! Finds secrets: one search for all keywords, and at each of them the rules that it belongs to.
//!
//! Rules are tried where their keyword stands, which is seldom. A text that holds a keyword again and
//! again, to make that costly, has each rule tried so often and then searched once as a whole.

use std::collections::BTreeMap;
use std::ops::Range;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};
use regex::bytes::Captures;

use super::rules::{RULES, Rule};
use super::{named, whole, wrapped};
use crate::domain::redaction::{Redaction, RuleSet};

/// How far behind its keyword a secret is looked at: the token of an account with many roles has
/// some thousand bytes.
const AHEAD_BYTES: usize = 16 << 10;

/// How far one of those goes that may begin before their keyword.
const AROUND_BYTES: usize = 512;

/// How often a rule is tried in a short text, and how many bytes allow it once more.
const TRIES: usize = 32;
const BYTES_PER_TRY: usize = 512;

/// Where a secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) range: Range<usize>,
    /// Of its rule: where two find the same, the lower one says more.
    pub(super) rank: usize,
    /// Whether it goes on what another one began, on the next line.
    pub(super) is_rest: bool,
}

/// What a keyword stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    PrivateKey,
    SecretObject,
    Rule(usize),
    Name,
}

#[derive(Debug, Clone)]
struct Keyword {
    meaning: Meaning,
    /// Where it counts only written so.
    exact: Option<Box<[u8]>>,
    inside: bool,
}

impl Keyword {
    /// Whether what was found at `hit` counts.
    fn is_there(&self, bytes: &[u8], hit: usize) -> bool {
        let is_exact = |exact: &[u8]| bytes.get(hit..).is_some_and(|rest| rest.starts_with(exact));
        self.exact.as_deref().is_none_or(is_exact) && (self.inside || begins_a_word(bytes, hit))
    }
}

/// The rules of a set, ready to search with.
#[derive(Debug)]
pub(super) struct Scanner {
    search: Option<AhoCorasick>,
    /// By pattern of the search.
    keywords: Vec<Vec<Keyword>>,
    rules: Vec<Rule>,
}

/// What stands in the markers of what is no rule of the file.
const SECRET_OBJECT: &str = "secret";
const NAMED: &str = "named";

impl Scanner {
    pub(super) fn new(redaction: &Redaction) -> Self {
        let own = redaction.own.iter().map(Rule::own);
        let is_full = redaction.rules == RuleSet::Full;
        let known = RULES.rule.iter().map(Rule::of).filter(|rule| is_full || rule.always);
        let rules: Vec<Rule> = own.chain(known).collect();
        let mut by_text = BTreeMap::new();
        let mut add = |text: &str, is_loose: bool, meaning: Meaning, inside: bool| {
            let exact = (is_full && !is_loose).then(|| text.as_bytes().into());
            let keyword = Keyword { meaning, exact, inside };
            for text in written(text, is_full, is_loose) {
                by_text.entry(text).or_insert_with(Vec::new).push(keyword.clone());
            }
        };
        add(whole::PRIVATE_KEY_MARK, false, Meaning::PrivateKey, true);
        for mark in whole::SECRET_MARKS {
            add(mark, false, Meaning::SecretObject, true);
        }
        for (idx, rule) in rules.iter().enumerate() {
            for keyword in &rule.keywords {
                let inside = rule.inside || rule.reach > 0;
                add(keyword, rule.loose, Meaning::Rule(idx), inside);
            }
        }
        let names = &RULES.names;
        for word in names.always.iter().chain(names.full.iter().filter(|_| is_full)) {
            add(word, true, Meaning::Name, true);
        }
        // Of keywords that begin alike at one place, only the longest is found.
        let keywords = by_text.keys().map(|text: &String| {
            let begins = by_text.iter().filter(|(other, _)| text.starts_with(other.as_str()));
            begins.flat_map(|(_, keywords)| keywords.iter().cloned()).collect()
        });
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .ascii_case_insensitive(is_full)
            .kind(Some(AhoCorasickKind::DFA))
            .build(by_text.keys());
        let search = search.inspect_err(|error| tracing::error!(%error, "redaction does not work"));
        Self { search: search.ok(), keywords: keywords.collect(), rules }
    }

    /// Compiles every rule now.
    pub(super) fn prepare(&self) {
        self.rules.iter().for_each(Rule::prepare);
    }

    /// What stands in a marker.
    pub(super) fn name(&self, rank: usize) -> &str {
        match rank.checked_sub(FIRST_RULE) {
            None if rank == 0 => whole::PRIVATE_KEY,
            None => SECRET_OBJECT,
            Some(idx) => self.rules.get(idx).map_or(NAMED, |rule| &rule.name),
        }
    }

    /// Every secret, in order, none over another.
    pub(super) fn spans(&self, text: &str) -> Vec<Span> {
        let Some(search) = &self.search else { return Vec::new() };
        let mut scan = Scan { scanner: self, text, spans: Vec::new(), tries: Vec::new() };
        let mut from = 0;
        while let Some(found) = search.find(Input::new(text).range(from..)) {
            let hit = found.start();
            from = hit + 1;
            for keyword in self.keywords.get(found.pattern().as_usize()).into_iter().flatten() {
                scan.look(keyword, hit);
            }
        }
        merged(scan.spans)
    }

    /// Whether a line may end within a secret that goes on in the next: its last word begins one.
    pub(super) fn may_go_on(&self, line: &[u8]) -> bool {
        let word = wrapped::last_word(line);
        let Some(search) = self.search.as_ref().filter(|_| word.len() > 2) else { return false };
        let is_token = |keyword: &Keyword, hit: usize| match keyword.meaning {
            Meaning::Rule(idx) => {
                keyword.is_there(word, hit)
                    && self.rules.get(idx).is_some_and(|rule| rule.reach == 0)
            }
            Meaning::PrivateKey | Meaning::SecretObject | Meaning::Name => false,
        };
        search.find_iter(word).any(|found| {
            let keywords = self.keywords.get(found.pattern().as_usize());
            keywords.into_iter().flatten().any(|keyword| is_token(keyword, found.start()))
        })
    }
}

/// The rank of the first rule: private keys and `Secret` objects come before.
const FIRST_RULE: usize = 2;

/// How a keyword is looked for. The full set does not mind capitals; without that, the search is
/// several times as fast, so that the others are spelled out.
fn written(text: &str, is_full: bool, is_loose: bool) -> Vec<String> {
    let small = text.to_ascii_lowercase();
    match (is_full, is_loose) {
        (true, _) => vec![small],
        (false, false) => vec![text.to_owned()],
        (false, true) => {
            let mut title = small.clone();
            if let Some(first) = title.get_mut(..1) {
                first.make_ascii_uppercase();
            }
            let mut all = vec![text.to_ascii_uppercase(), small, title];
            all.sort();
            all.dedup();
            all
        }
    }
}

struct Scan<'a> {
    scanner: &'a Scanner,
    text: &'a str,
    spans: Vec<Span>,
    /// By rule; empty until one is tried.
    tries: Vec<usize>,
}

impl Scan<'_> {
    fn look(&mut self, keyword: &Keyword, hit: usize) {
        let bytes = self.text.as_bytes();
        if !keyword.is_there(bytes, hit) {
            return;
        }
        match keyword.meaning {
            Meaning::PrivateKey => self.once(0, |scan| whole::private_keys(scan.text)),
            Meaning::SecretObject => self.once(1, |scan| whole::secret_objects(scan.text)),
            Meaning::Rule(idx) => self.rule(idx, hit),
            Meaning::Name => {
                let rank = FIRST_RULE + self.scanner.rules.len();
                if !self.is_covered(hit, rank)
                    && let Some(range) = named::value(bytes, hit)
                {
                    self.push(range, rank, false);
                }
            }
        }
    }

    /// What looks at a text as a whole does so once.
    fn once(&mut self, rank: usize, find: impl Fn(&Self) -> Vec<Range<usize>>) {
        if !self.spend(rank, 1) {
            return;
        }
        for range in find(self) {
            self.push(range, rank, false);
        }
    }

    /// Whether there was still one of so many tries.
    fn spend(&mut self, rank: usize, most: usize) -> bool {
        if self.tries.is_empty() {
            self.tries.resize(FIRST_RULE + self.scanner.rules.len(), 0);
        }
        match self.tries.get_mut(rank) {
            Some(tries) if *tries < most => {
                *tries += 1;
                true
            }
            Some(_) | None => false,
        }
    }

    fn rule(&mut self, idx: usize, hit: usize) {
        let rank = FIRST_RULE + idx;
        let Some(rule) = self.scanner.rules.get(idx) else { return };
        if self.is_covered(hit, rank) {
            return;
        }
        let most = TRIES + self.text.len() / BYTES_PER_TRY;
        if !self.spend(rank, most) {
            // The last one is for all that is left.
            if self.spend(rank, most + 1) {
                self.rest(rule, rank, hit.saturating_sub(rule.reach));
            }
            return;
        }
        let bytes = self.text.as_bytes();
        let found = if rule.reach == 0 { at(rule, bytes, hit) } else { around(rule, bytes, hit) };
        let pieces = match found {
            Some(range) => Some(vec![range]),
            None if rule.reach == 0 => wrapped::pieces(bytes, hit, |joined| at(rule, joined, 0)),
            None => None,
        };
        let Some(mut pieces) = pieces else { return };
        if rule.reach == 0
            && let Some(last) = pieces.last().map(|range| range.end)
        {
            pieces.extend(wrapped::rest(bytes, hit, last));
        }
        for (n, range) in pieces.into_iter().enumerate() {
            self.push(range, rank, n > 0);
        }
    }

    /// One search for all that is left of a text.
    fn rest(&mut self, rule: &Rule, rank: usize, from: usize) {
        let bytes = self.text.as_bytes();
        let (Some(pattern), Some(text)) = (rule.far(), bytes.get(from..)) else { return };
        for found in pattern.captures_iter(text) {
            if let Some(range) = secret(rule, &found, text) {
                self.push(from + range.start..from + range.end, rank, false);
            }
        }
    }

    fn is_covered(&self, hit: usize, rank: usize) -> bool {
        self.spans.last().is_some_and(|span| span.rank <= rank && span.range.contains(&hit))
    }

    fn push(&mut self, range: Range<usize>, rank: usize, is_rest: bool) {
        let range =
            self.text.floor_char_boundary(range.start)..self.text.ceil_char_boundary(range.end);
        if !range.is_empty() {
            self.spans.push(Span { range, rank, is_rest });
        }
    }
}

/// The secret that begins with the keyword at `hit`.
fn at(rule: &Rule, bytes: &[u8], hit: usize) -> Option<Range<usize>> {
    let end = bytes.len().min(hit.saturating_add(AHEAD_BYTES));
    let text = bytes.get(hit..end)?;
    let pattern = rule.near()?;
    // Saying no is several times as fast as saying where the groups are.
    if !pattern.is_match(text) {
        return None;
    }
    let found = secret(rule, &pattern.captures(text)?, text)?;
    let mut found = hit + found.start..hit + found.end;
    if found.end == end {
        let rest = bytes.get(end..).unwrap_or_default();
        found.end += rest.iter().take_while(|b| !b.is_ascii_whitespace()).count();
    }
    Some(found)
}

/// The secret in which the keyword at `hit` stands.
fn around(rule: &Rule, bytes: &[u8], hit: usize) -> Option<Range<usize>> {
    let from = hit.saturating_sub(rule.reach);
    let text = bytes.get(from..bytes.len().min(hit.saturating_add(AROUND_BYTES)))?;
    for found in rule.near()?.captures_iter(text) {
        let is_there = found.get(0).is_some_and(|all| from + all.end() > hit);
        if is_there {
            let range = secret(rule, &found, text)?;
            return Some(from + range.start..from + range.end);
        }
    }
    None
}

/// What of a match is to go.
fn secret(rule: &Rule, found: &Captures<'_>, text: &[u8]) -> Option<Range<usize>> {
    let range = found.iter().skip(1).flatten().next().or_else(|| found.get(0))?.range();
    (!range.is_empty() && rule.accepts(text.get(range.clone())?)).then_some(range)
}

/// Whether no letter or digit stands right before. Those of `\n` and of `%3D` are none.
fn begins_a_word(bytes: &[u8], hit: usize) -> bool {
    let before = |n: usize| hit.checked_sub(n).and_then(|at| bytes.get(at)).copied();
    let Some(last) = before(1) else { return true };
    if !last.is_ascii_alphanumeric() && last != b'_' {
        return true;
    }
    let is_escape = matches!(last, b'n' | b't' | b'r') && before(2) == Some(b'\\');
    let is_hex = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_hexdigit());
    is_escape || (before(3) == Some(b'%') && is_hex(before(2)) && is_hex(Some(last)))
}

/// In order, and what overlaps as one.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_by_key(|span| (span.range.start, span.rank));
    let mut merged: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans {
        match merged.last_mut() {
            Some(last) if span.range.start < last.range.end => {
                last.range.end = last.range.end.max(span.range.end);
                last.rank = last.rank.min(span.rank);
                last.is_rest &= span.is_rest;
            }
            Some(_) | None => merged.push(span),
        }
    }
    merged
}
