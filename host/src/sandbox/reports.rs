//! What a call tells its client of how far it is: so many reports, each further than the one before.

use std::sync::{Arc, Mutex, PoisonError};

use crate::capability::ProgressSink;

/// Reports of one call: more than a client can show.
const REPORTS_MAX: u32 = 100;

/// The reports of one call: the guest's own, and those of the host while a guest waits for it.
pub(super) struct Reports {
    sink: Arc<dyn ProgressSink>,
    told: Mutex<Told>,
}

#[derive(Default)]
struct Told {
    done: Option<u32>,
    n_reports: u32,
    /// What the host said last.
    last: String,
}

impl Reports {
    pub(super) fn new(sink: Arc<dyn ProgressSink>) -> Self {
        Self { sink, told: Mutex::default() }
    }

    /// The guest's own. One that is not further than the one before is dropped.
    pub(super) fn report(&self, done: u32, total: Option<u32>, message: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let is_further = told.done.is_none_or(|before| done > before);
        if is_further && told.n_reports < REPORTS_MAX {
            told.done = Some(done);
            told.n_reports += 1;
            self.sink.report(done, total, message);
        }
    }

    /// The host's, counted on from the guest's. What was just said is not said again.
    pub(super) fn tell(&self, message: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if message == told.last || told.n_reports >= REPORTS_MAX {
            return;
        }
        let done = told.done.map_or(1, |done| done.saturating_add(1));
        told.done = Some(done);
        told.n_reports += 1;
        message.clone_into(&mut told.last);
        self.sink.report(done, None, message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Kept(Mutex<Vec<(u32, String)>>);

    impl ProgressSink for Kept {
        fn report(&self, done: u32, _total: Option<u32>, message: &str) {
            self.0.lock().unwrap().push((done, message.to_owned()));
        }
    }

    #[test]
    fn each_is_further_than_the_one_before() {
        let kept = Arc::new(Kept::default());
        let reports = Reports::new(Arc::<Kept>::clone(&kept));
        reports.report(3, None, "the guest's");
        reports.report(3, None, "no further");
        for message in ["one", "one", "two"] {
            reports.tell(message);
        }
        reports.report(5, None, "no further than the host's");
        reports.report(9, None, "again the guest's");
        let said = std::mem::take(&mut *kept.0.lock().unwrap());
        let said: Vec<_> = said.iter().map(|(done, text)| (*done, text.as_str())).collect();
        assert_eq!(said, [(3, "the guest's"), (4, "one"), (5, "two"), (9, "again the guest's")]);
        for number in 0..2 * REPORTS_MAX {
            reports.tell(&number.to_string());
        }
        assert_eq!(kept.0.lock().unwrap().len(), REPORTS_MAX as usize - 4);
    }
}
