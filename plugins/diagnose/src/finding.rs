//! What a rule says: a cause, how certain it is, and what it was seen by.

use toolgate_sdk::{cut, one_line};

/// Lines of evidence of one finding.
const EVIDENCE_MAX: usize = 8;
const LINE_CHARS_MAX: usize = 300;

/// How certain a cause is. The order is that of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Certainty {
    /// The cluster itself says so.
    Certain,
    /// All that is known fits, and nothing speaks against it.
    Likely,
    /// Worth a look.
    Possible,
}

impl Certainty {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Certain => "certain",
            Self::Likely => "likely",
            Self::Possible => "possible",
        }
    }
}

/// A cause with its evidence.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    /// `oom_killed`
    pub(crate) cause: &'static str,
    pub(crate) certainty: Certainty,
    /// One sentence, without a final stop.
    pub(crate) sentence: String,
    /// The pod that shows it; others may share it.
    pub(crate) pod: Option<String>,
    pub(crate) container: Option<String>,
    /// Where it was seen, and what.
    pub(crate) evidence: Vec<(String, String)>,
    /// What to do next: names a tool.
    pub(crate) next: &'static str,
}

impl Finding {
    pub(crate) fn new(cause: &'static str, certainty: Certainty, sentence: &str) -> Self {
        Self {
            cause,
            certainty,
            sentence: one_line(sentence),
            pod: None,
            container: None,
            evidence: Vec::new(),
            next: "",
        }
    }

    pub(crate) fn of(mut self, pod: &str, container: Option<&str>) -> Self {
        self.pod = Some(pod.to_owned());
        self.container = container.map(str::to_owned);
        self
    }

    pub(crate) fn seen(mut self, source: impl Into<String>, text: &str) -> Self {
        if self.evidence.len() < EVIDENCE_MAX && !text.is_empty() {
            self.evidence.push((source.into(), cut(&one_line(text), LINE_CHARS_MAX)));
        }
        self
    }

    pub(crate) fn all_seen(self, evidence: impl IntoIterator<Item = (String, String)>) -> Self {
        evidence.into_iter().fold(self, |finding, (source, text)| finding.seen(source, &text))
    }

    pub(crate) fn next(mut self, next: &'static str) -> Self {
        self.next = next;
        self
    }
}
