//! What a caller's client may ask and say about the caller's own requests for writes: the question
//! for its person, the answer, where a request stands, and taking it back. Decides nothing: who may
//! answer is in the terms of each request, and what an answer counts for is found where it is held.

use std::sync::Arc;

use crate::domain::name::ApprovalId;
use crate::domain::principal::Principal;
use crate::governance::approval::Answers;
pub use crate::governance::approval::{ApprovalError, Question, Standing, Status};

/// The door to them. Another caller's request looks like none.
#[derive(Clone)]
pub struct OwnRequests(Arc<Answers>);

impl OwnRequests {
    /// To the requests that these answers are for.
    pub fn new(answers: Arc<Answers>) -> Self {
        Self(answers)
    }

    /// What the person at the client may be asked: nothing where the policy does not let them
    /// answer, where they have, or where nothing waits.
    ///
    /// # Errors
    /// Where the request cannot be read.
    pub async fn question(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Question>, ApprovalError> {
        let (principal, id) = (principal.clone(), id.clone());
        self.look(move |answers| answers.question(&principal, &id)).await
    }

    /// Takes the answer to a question.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn answer(
        &self,
        principal: &Principal,
        id: &ApprovalId,
        request_sha256: &str,
        approve: bool,
        reason: Option<String>,
    ) -> Result<Standing, ApprovalError> {
        let (principal, id, seen) = (principal.clone(), id.clone(), request_sha256.to_owned());
        self.look(move |answers| answers.answer_as_client(&principal, &id, &seen, approve, reason))
            .await
    }

    /// Where a request stands; nothing where there is none of this caller's.
    ///
    /// # Errors
    /// Where the request cannot be read.
    pub async fn standing(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Standing>, ApprovalError> {
        let (principal, id) = (principal.clone(), id.clone());
        self.look(move |answers| answers.standing(&principal, &id)).await
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// Where it is over, or there is none of this caller's.
    pub async fn withdraw(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Standing, ApprovalError> {
        let (principal, id) = (principal.clone(), id.clone());
        self.look(move |answers| answers.withdraw(&principal, &id)).await
    }

    /// Reads and writes files, where that holds up nobody.
    async fn look<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Answers) -> Result<T, ApprovalError> + Send + 'static,
    ) -> Result<T, ApprovalError> {
        let answers = Arc::clone(&self.0);
        let done = tokio::task::spawn_blocking(move || work(&answers)).await;
        done.unwrap_or_else(|error| Err(std::io::Error::other(error).into()))
    }
}
