//! What the one who asked may read of it: where it stands, who is missing, what came of it. Nothing
//! here is of use for an answer; the digest that one has to carry is not told.

use serde_json::{Value, json};

use super::answers::{Answers, Approval, ApprovalError};
use super::approver::{Approver, Channel};
use super::file::{AnswerFile, ApprovalFile, NoteFile};
use crate::domain::name::ApprovalId;
use crate::domain::principal::Principal;
use crate::governance::text::clean_cow;

/// Requests that one list tells of: more than may wait at once, and the latest of those that ended.
const TOLD_MAX: usize = 200;

impl Answers {
    /// What became of the principal's own requests, the newest first.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn tell_all(&self, principal: &Principal) -> Result<Value, ApprovalError> {
        let all = self.list()?;
        let own = all.iter().filter(|approval| is_of(approval, principal)).take(TOLD_MAX);
        Ok(json!({"approvals": own.map(told).collect::<Vec<_>>()}))
    }

    /// What became of one; nothing where it is another's, as where there is none.
    ///
    /// # Errors
    /// Where its files cannot be read.
    pub fn tell(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Value>, ApprovalError> {
        match self.find(id) {
            Ok(approval) => Ok(Some(approval).filter(|a| is_of(a, principal)).map(|a| told(&a))),
            Err(ApprovalError::Unknown(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn is_of(approval: &Approval, principal: &Principal) -> bool {
    approval.request.principal == principal.to_string()
}

fn told(approval: &Approval) -> Value {
    let Approval { request, request_sha256: _, status, answers, missing, note } = approval;
    let ApprovalFile { id, tool, plan, rule, terms, requested, expires, principal, .. } = request;
    let target = &plan.target;
    let own: Option<Approver> = principal.parse().ok();
    let answered = answers.iter().map(|answer| {
        let AnswerFile { approve, by, reason, at, channel: _, request_sha256: _ } = answer;
        json!({"approve": approve, "by": by.as_str(), "at": at, "reason": words(reason.as_ref())})
    });
    let outcome = note.as_ref().map(|note| {
        let NoteFile { status, detail, at } = note;
        json!({"status": status, "detail": words(detail.as_ref()), "at": at})
    });
    json!({
        "id": id,
        "status": status,
        "tool": tool,
        "verb": plan.verb,
        "replicas": plan.replicas,
        "revision": plan.revision,
        "cluster": target.cluster,
        "kind": target.kind,
        "namespace": target.namespace,
        "name": target.name,
        "requested": requested,
        "expires": expires,
        "needs": {
            "rule": rule,
            "approvers": terms.approvers,
            "missing": missing,
            "reason_required": terms.reason_required,
            "you_may_approve": own
                .is_some_and(|own| request.may_be_approved_by(&own, Channel::CommandLine)),
        },
        "answers": answered.collect::<Vec<_>>(),
        "outcome": outcome,
    })
}

/// People's words, as they may be shown to a model.
fn words(text: Option<&String>) -> Option<String> {
    text.map(|text| clean_cow(text).0.into_owned())
}
