//! The person who answers.

use std::path::Path;
use std::sync::Arc;

use toolgate::capability::Clock;
use toolgate::domain::name::ApprovalId;
use toolgate::governance::approval::{Answer, Answers, Approval, ApprovalError, Channel, Status};

/// Somebody at the command line of the machine that the house stands on.
pub struct Operator {
    /// What they see, and how they answer.
    pub answers: Answers,
}

impl Operator {
    /// At the approvals of a house.
    pub fn at(folder: &Path) -> Self {
        Self::with_clock(folder, Arc::new(jiff::Timestamp::now))
    }

    /// As the clock says.
    pub fn with_clock(folder: &Path, clock: Arc<dyn Clock>) -> Self {
        Self { answers: Answers::open(folder, clock).unwrap() }
    }

    /// Answers what is there, under a login name.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn answer(
        &self,
        id: &ApprovalId,
        approve: bool,
        who: &str,
        reason: Option<&str>,
    ) -> Result<Approval, ApprovalError> {
        let by = format!("{who}@os").parse().unwrap();
        let reason = reason.map(str::to_owned);
        let seen = self.answers.find(id)?.request_sha256;
        self.answers.answer(
            id,
            &seen,
            Answer { approve, by, channel: Channel::CommandLine, reason },
        )
    }

    /// Says yes.
    pub fn approve(&self, id: &ApprovalId, who: &str) {
        self.answer(id, true, who, None).unwrap_or_else(|error| panic!("{error}"));
    }

    /// Where it stands.
    pub fn status(&self, id: &ApprovalId) -> Status {
        self.answers.find(id).unwrap_or_else(|error| panic!("{error}")).status
    }
}
