//! What the answers that have come amount to.

use super::approver::{Channel, may_approve};
use super::file::AnswerFile;
use crate::domain::decision::ApprovalTerms;
use crate::domain::principal::Principal;

/// The answers that count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tally {
    /// So many people still have to say yes.
    Missing(u8),
    /// Everybody whom the terms ask said yes.
    Yes(Vec<AnswerFile>),
    /// Somebody said no, which ends it whoever it was.
    No(AnswerFile),
    /// Somebody said yes to another request under this one's name.
    Foreign(AnswerFile),
}

impl Tally {
    /// Counts the answers to the request of that digest. A yes that the terms do not take counts as
    /// none; how many are enough is never less than one.
    pub(super) fn of(
        terms: &ApprovalTerms,
        requester: &Principal,
        request_sha256: &str,
        answers: &[AnswerFile],
    ) -> Self {
        if let Some(no) = answers.iter().find(|answer| !answer.approve) {
            return Self::No(no.clone());
        }
        if let Some(yes) = answers.iter().find(|yes| yes.request_sha256 != request_sha256) {
            return Self::Foreign(yes.clone());
        }
        let mut yes: Vec<AnswerFile> = Vec::new();
        // The caller's client last: where the one who asked has said yes elsewhere, it is the same
        // person's yes, under whatever name.
        let (client, others): (Vec<_>, Vec<_>) =
            answers.iter().partition(|answer| answer.channel == Channel::Client);
        for answer in others.into_iter().chain(client) {
            let has_reason = answer.reason.as_ref().is_some_and(|text| !text.trim().is_empty());
            let counts = may_approve(terms, requester, &answer.by, answer.channel)
                && (has_reason || !terms.reason_required)
                && yes.iter().all(|other| !is_same_person(requester, other, answer));
            if counts {
                yes.push(answer.clone());
            }
        }
        let n_yes = u8::try_from(yes.len()).unwrap_or(u8::MAX);
        match terms.approvers.max(1).saturating_sub(n_yes) {
            0 => Self::Yes(yes),
            missing => Self::Missing(missing),
        }
    }

    /// People who still have to say yes.
    pub(super) fn missing(&self, terms: &ApprovalTerms) -> u8 {
        match self {
            Self::Missing(missing) => *missing,
            Self::Yes(_) => 0,
            Self::No(_) | Self::Foreign(_) => terms.approvers.max(1),
        }
    }
}

/// Whether two answers may be one person's. Who answers in the caller's client is the one who asked.
fn is_same_person(requester: &Principal, one: &AnswerFile, other: &AnswerFile) -> bool {
    let is_requester =
        |answer: &AnswerFile| answer.channel == Channel::Client || answer.by.may_be(requester);
    let any_client = [one, other].iter().any(|answer| answer.channel == Channel::Client);
    one.by.key() == other.by.key() || (any_client && is_requester(one) && is_requester(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(text: &str) -> AnswerFile {
        let mut words = text.split(' ');
        let (word, by) = (words.next().unwrap(), words.next().unwrap());
        AnswerFile {
            approve: word != "no",
            by: by.parse().unwrap(),
            channel: if word == "client" { Channel::Client } else { Channel::Console },
            reason: words.next().map(str::to_owned),
            at: String::new(),
            request_sha256: if word == "foreign" { "other" } else { "this" }.to_owned(),
        }
    }

    #[test]
    fn counts_people_and_not_answers() {
        for (terms, answers, told) in [
            ("0", "", "1 missing"),
            ("1", "", "1 missing"),
            ("1", "yes bob@x", "yes"),
            ("2", "yes bob@x", "1 missing"),
            ("2", "yes bob@x, yes Bob@x", "1 missing"),
            ("2", "yes bob@x, yes eve@x", "yes"),
            ("2", "yes bob@x, yes alice@x", "1 missing"),
            ("1", "yes alice@x", "1 missing"),
            ("1", "no alice@x", "no"),
            ("1", "yes bob@x, no eve@x", "no"),
            ("1", "foreign bob@x", "foreign"),
            ("2", "yes bob@x, foreign eve@x", "foreign"),
            ("1", "foreign bob@x, no eve@x", "no"),
            ("1 reason", "yes bob@x", "1 missing"),
            ("1 reason", "yes bob@x incident", "yes"),
            ("1 reason", "no bob@x", "no"),
        ] {
            let terms = ApprovalTerms {
                approvers: terms.split(' ').next().unwrap().parse().unwrap(),
                reason_required: terms.ends_with("reason"),
                requester_may_approve: true,
                ..ApprovalTerms::default()
            };
            let alice = Principal {
                subject: "alice".to_owned(),
                groups: Vec::new(),
                issuer: "x".to_owned(),
            };
            let given: Vec<_> =
                answers.split(", ").filter(|text| !text.is_empty()).map(answer).collect();
            let tally = match Tally::of(&terms, &alice, "this", &given) {
                Tally::Missing(missing) => format!("{missing} missing"),
                Tally::Yes(_) => "yes".to_owned(),
                Tally::No(_) => "no".to_owned(),
                Tally::Foreign(_) => "foreign".to_owned(),
            };
            assert_eq!(tally, told, "{answers} under {terms:?}");
        }
    }

    #[test]
    fn a_yes_in_the_client_is_no_second_persons() {
        for (requester, answers, told) in [
            ("ada@os", "client ada@os", "1 missing"),
            ("ada@os", "client ada@os, yes ada@os", "1 missing"),
            ("ada@os", "client ada@os, yes bob@os", "yes"),
            // Whoever sits at this machine may be the caller whom nobody knows.
            ("anonymous@loopback", "client anonymous@loopback, yes ada@os", "1 missing"),
            ("anonymous@loopback", "client anonymous@loopback, yes ada@tickets", "yes"),
            ("anonymous@loopback", "client anonymous@loopback, yes ada@os, yes bob@os", "yes"),
            ("ada@corp", "client ada@corp, yes bob@corp", "1 missing"),
        ] {
            let terms = ApprovalTerms {
                approvers: 2,
                requester_may_approve: true,
                caller_may_confirm: true,
                ..ApprovalTerms::default()
            };
            let (subject, issuer) = requester.split_once('@').unwrap();
            let (subject, issuer) = (subject.to_owned(), issuer.to_owned());
            let requester = Principal { subject, groups: Vec::new(), issuer };
            let given: Vec<_> = answers.split(", ").map(answer).collect();
            let tally = match Tally::of(&terms, &requester, "this", &given) {
                Tally::Missing(missing) => format!("{missing} missing"),
                Tally::Yes(_) => "yes".to_owned(),
                Tally::No(_) | Tally::Foreign(_) => "no".to_owned(),
            };
            assert_eq!(tally, told, "{answers} to {requester}");
        }
    }
}
