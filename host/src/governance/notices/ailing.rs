//! When the audit log's failures are told, and when they are over.

use std::collections::BTreeMap;
use std::time::Duration;

use super::notice::{Notice, told};
use crate::governance::audit::{Ailment, Ailments};

/// How long a part has to be well before that is told: one that fails again and again is not.
const WELL_FOR: Duration = Duration::from_secs(30);

/// How often a failure that goes on is told again.
const AGAIN_AFTER: Duration = Duration::from_mins(10);

/// The part that is not the log's: records that came too fast for the notices.
const NOTICES: &str = "notices";

struct Failing {
    since: Duration,
    told: Duration,
    last: Duration,
    fails: bool,
    n_before: u64,
    n_told: u64,
    n: u64,
    why: String,
}

/// What fails, by part. Time is since any beginning.
#[derive(Default)]
pub(super) struct Ailing {
    /// Failures of each part that were seen so far.
    seen: BTreeMap<String, u64>,
    failing: BTreeMap<String, Failing>,
    n_missed: u64,
}

impl Ailing {
    /// Whether it has to be asked from time to time.
    pub(super) fn is_counting(&self) -> bool {
        !self.failing.is_empty()
    }

    /// The log's own words.
    pub(super) fn hear(&mut self, ailments: &Ailments, now: Duration) -> Vec<Notice> {
        let mut notices = Vec::new();
        for (part, Ailment { fails, n_failures, why }) in ailments {
            notices.extend(self.look(&part.to_string(), *fails, *n_failures, why, now));
        }
        notices
    }

    /// Records that no notice could be made of.
    pub(super) fn missed(&mut self, n: u64, now: Duration) -> Option<Notice> {
        self.n_missed = self.n_missed.saturating_add(n);
        let why = "records came faster than they could be told of; the log has them";
        self.look(NOTICES, false, self.n_missed, why, now)
    }

    fn look(
        &mut self,
        part: &str,
        fails: bool,
        n: u64,
        why: &str,
        now: Duration,
    ) -> Option<Notice> {
        let n_before = self.seen.insert(part.to_owned(), n).unwrap_or(0);
        if let Some(failing) = self.failing.get_mut(part) {
            if n > failing.n || fails || failing.fails {
                failing.last = now;
            }
            (failing.n, failing.fails) = (n, fails);
            why.clone_into(&mut failing.why);
            return None;
        }
        if n == n_before {
            return None;
        }
        let (why, part) = (told(why), part.to_owned());
        let failing = Failing {
            since: now,
            told: now,
            last: now,
            fails,
            n_before,
            n_told: n,
            n,
            why: why.clone(),
        };
        self.failing.insert(part.clone(), failing);
        Some(Notice::Trouble { part, n_failures: n - n_before, why })
    }

    /// What goes on, and what is over.
    pub(super) fn due(&mut self, now: Duration) -> Vec<Notice> {
        let mut notices = Vec::new();
        self.failing.retain(|part, failing| {
            let part = part.clone();
            if !failing.fails && now.saturating_sub(failing.last) >= WELL_FOR {
                let n_failures = failing.n - failing.n_before;
                let lasted_s = failing.last.saturating_sub(failing.since).as_secs();
                notices.push(Notice::Recovered { part, n_failures, lasted_s });
                return false;
            }
            if now.saturating_sub(failing.told) >= AGAIN_AFTER {
                failing.told = now;
                let n_failures = failing.n - failing.n_told;
                failing.n_told = failing.n;
                notices.push(Notice::Trouble { part, n_failures, why: told(&failing.why) });
            }
            true
        });
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::governance::audit::Part;

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn state(fails: bool, n_failures: u64) -> Ailments {
        Ailments::from([(Part::Records, Ailment { fails, n_failures, why: "full".to_owned() })])
    }

    fn words(notices: &[Notice]) -> Vec<String> {
        let word = |notice: &Notice| serde_json::to_string(notice).unwrap();
        notices.iter().map(word).collect()
    }

    #[test]
    fn trouble_is_told_at_once_and_its_end_when_it_lasts() {
        let mut ailing = Ailing::default();
        assert!(ailing.hear(&Ailments::new(), at(0)).is_empty());
        let told = words(&ailing.hear(&state(true, 2), at(1)));
        let expected =
            r#"{"type":"audit.trouble","data":{"part":"records","n_failures":2,"why":"full"}}"#;
        assert_eq!(told, [expected]);
        assert!(ailing.hear(&state(true, 5), at(2)).is_empty(), "it is the same trouble");
        assert!(ailing.hear(&state(false, 5), at(10)).is_empty());
        assert!(ailing.due(at(39)).is_empty(), "it may come back");
        let told = words(&ailing.due(at(40)));
        let expected =
            r#"{"type":"audit.recovered","data":{"part":"records","n_failures":5,"lasted_s":9}}"#;
        assert_eq!(told, [expected]);
        assert!(!ailing.is_counting());
        assert_eq!(ailing.hear(&state(true, 6), at(50)).len(), 1, "another trouble");
    }

    #[test]
    fn trouble_that_goes_on_is_told_again_with_what_was_lost_since() {
        let mut ailing = Ailing::default();
        assert_eq!(ailing.hear(&state(true, 1), at(0)).len(), 1);
        for second in 1..1_300 {
            assert!(ailing.hear(&state(true, 1 + second), at(second)).is_empty());
            let told = words(&ailing.due(at(second)));
            let is_told = second == 600 || second == 1_200;
            assert_eq!(told.len(), usize::from(is_told), "{second}: {told:?}");
            assert!(!is_told || told[0].contains("\"n_failures\":600"), "{told:?}");
        }
    }

    #[test]
    fn trouble_that_was_over_before_anybody_looked_is_told_all_the_same() {
        let mut ailing = Ailing::default();
        assert_eq!(ailing.hear(&state(false, 1), at(0)).len(), 1);
        assert_eq!(ailing.due(at(30)).len(), 1);
        assert!(ailing.missed(7, at(31)).is_some());
        assert!(ailing.missed(7, at(32)).is_none());
        assert!(words(&ailing.due(at(62)))[0].contains("\"n_failures\":14"));
    }
}
