//! The console's way to the approvals. Files are read and written where that holds up nobody.

use std::sync::Arc;

use super::sessions::Session;
use super::site::Site;
use crate::domain::name::ApprovalId;
use crate::governance::approval::{Answer, Answers, Approval, ApprovalError, Channel, Status};

impl Site {
    /// What waits for an answer, the newest first.
    pub(super) async fn pending(&self) -> Result<Vec<Approval>, ApprovalError> {
        self.at_answers(Answers::pending).await
    }

    /// What does not wait, the newest first, and how many are left out.
    pub(super) async fn history(
        &self,
        shown_max: usize,
    ) -> Result<(Vec<Approval>, usize), ApprovalError> {
        let mut over = self.at_answers(Answers::list).await?;
        over.retain(|approval| approval.status != Status::Pending);
        let left_out = over.len().saturating_sub(shown_max);
        over.truncate(shown_max);
        Ok((over, left_out))
    }

    pub(super) async fn approval(&self, id: ApprovalId) -> Result<Approval, ApprovalError> {
        self.at_answers(move |answers| answers.find(&id)).await
    }

    /// Answers what was shown, and nothing else.
    pub(super) async fn answer(
        &self,
        id: ApprovalId,
        request_sha256: String,
        session: &Session,
        (approve, reason): (bool, Option<String>),
    ) -> Result<(), ApprovalError> {
        let (by, channel) = (session.approver.clone(), Channel::Console);
        let answer = Answer { approve, by, channel, reason };
        self.at_answers(move |answers| answers.answer(&id, &request_sha256, answer).map(drop)).await
    }

    async fn at_answers<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Answers) -> Result<T, ApprovalError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let answers = Arc::clone(&self.answers);
        let done = tokio::task::spawn_blocking(move || work(&answers)).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }
}
