//! Many of the same are told as one: at once, and then with a count.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Who is counted at once: beyond that somebody new is not, until another has been quiet.
const COUNTED_MAX: usize = 1_024;

/// When something is told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    /// So many are told,
    pub(super) n: usize,
    /// where they come within that time.
    pub(super) within: Duration,
    /// How long nothing more is told of the same one; then how many there were meanwhile.
    pub(super) quiet: Duration,
}

/// What is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told<K, T> {
    /// About whom.
    pub(super) who: K,
    /// How many.
    pub(super) n: u64,
    /// Within which time.
    pub(super) over: Duration,
    /// The last of them.
    pub(super) last: T,
}

struct Tally<T> {
    recent: VecDeque<Duration>,
    quiet_until: Option<Duration>,
    /// Since it was told.
    n: u64,
    last: T,
}

/// Counts by whom they are about. Time is since any beginning.
pub(super) struct Tallies<K, T> {
    rule: Rule,
    by: BTreeMap<K, Tally<T>>,
}

impl<K: Ord + Clone, T: Clone> Tallies<K, T> {
    pub(super) fn new(rule: Rule) -> Self {
        Self { rule, by: BTreeMap::new() }
    }

    /// Whether there is something to be told later.
    pub(super) fn is_counting(&self) -> bool {
        !self.by.is_empty()
    }

    /// One more.
    pub(super) fn count(&mut self, who: K, example: T, now: Duration) -> Option<Told<K, T>> {
        let Rule { n: n_told, within, quiet } = self.rule;
        if self.by.len() >= COUNTED_MAX && !self.by.contains_key(&who) {
            return None;
        }
        let new =
            || Tally { recent: VecDeque::new(), quiet_until: None, n: 0, last: example.clone() };
        let tally = self.by.entry(who.clone()).or_insert_with(new);
        tally.last = example;
        if tally.quiet_until.is_some() {
            tally.n = tally.n.saturating_add(1);
            return None;
        }
        tally.recent.push_back(now);
        while tally.recent.front().is_some_and(|at| now.saturating_sub(*at) > within) {
            tally.recent.pop_front();
        }
        if tally.recent.len() < n_told {
            return None;
        }
        let over = tally.recent.front().map_or(Duration::ZERO, |first| now.saturating_sub(*first));
        tally.recent.clear();
        tally.quiet_until = Some(now + quiet);
        Some(Told { who, n: n_told as u64, over, last: tally.last.clone() })
    }

    /// What went on while nothing was told of it. Whoever has stopped is forgotten.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Told<K, T>> {
        let Rule { n: n_told, within, quiet } = self.rule;
        let mut told = Vec::new();
        self.by.retain(|who, tally| {
            let Some(until) = tally.quiet_until else {
                return tally.recent.back().is_some_and(|at| now.saturating_sub(*at) <= within);
            };
            if now < until {
                return true;
            }
            let n = std::mem::take(&mut tally.n);
            if n < n_told as u64 {
                return false;
            }
            tally.quiet_until = Some(now + quiet);
            told.push(Told { who: who.clone(), n, over: quiet, last: tally.last.clone() });
            true
        });
        told
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn storms() -> Tallies<&'static str, u64> {
        Tallies::new(Rule { n: 20, within: at(60), quiet: at(600) })
    }

    #[test]
    fn a_storm_is_told_once_and_then_with_a_count() {
        let mut storms = storms();
        let mut told = Vec::new();
        for second in 0..300 {
            told.extend(storms.count("eve", second, at(second)));
        }
        let first = Told { who: "eve", n: 20, over: at(19), last: 19 };
        assert_eq!(told, [first]);
        assert!(storms.due(at(618)).is_empty());
        let later = Told { who: "eve", n: 280, over: at(600), last: 299 };
        assert_eq!(storms.due(at(619)), [later]);
        assert!(storms.due(at(1_218)).is_empty(), "it is over, and nothing more is said");
        assert!(storms.due(at(1_219)).is_empty());
        assert!(!storms.is_counting(), "and forgotten");
    }

    #[test]
    fn it_takes_many_within_the_time_by_one_and_the_same() {
        for (name, step, who, expected) in [
            ("too slow", 4_u64, 1_u64, 0),
            ("fast enough", 3, 1, 1),
            ("by two", 3, 2, 0),
            ("at once", 0, 1, 1),
        ] {
            let mut storms = Tallies::new(storms().rule);
            let told: usize =
                (0..30).filter_map(|n| storms.count(n % who, n, at(n * step))).count();
            assert_eq!(told, expected, "{name}");
        }
    }

    #[test]
    fn the_first_of_a_limit_is_told_at_once() {
        let mut limits = Tallies::new(Rule { n: 1, within: at(1), quiet: at(600) });
        assert_eq!(limits.count("spin", "cpu", at(5)).map(|told| told.n), Some(1));
        for second in 6..16 {
            assert_eq!(limits.count("spin", "cpu", at(second)), None);
        }
        assert_eq!(limits.count("other", "cpu", at(6)).map(|told| told.n), Some(1));
        let later = limits.due(at(606));
        assert_eq!(later.len(), 1, "{later:?}");
        assert_eq!((later[0].who, later[0].n, later[0].over), ("spin", 10, at(600)));
    }

    #[test]
    fn it_holds_as_many_as_it_may() {
        let mut limits = Tallies::new(Rule { n: 1, within: at(1), quiet: at(600) });
        let told = (0..2_000).filter_map(|who| limits.count(who, (), at(0))).count();
        assert_eq!(told, COUNTED_MAX);
        assert_eq!(limits.due(at(600)).len(), 0);
        assert!(limits.count(5_000, (), at(601)).is_some(), "there is room again");
    }
}
