//! What the caller's own client may ask its person about one request, and what that person said.
//!
//! The words are made here, from the typed plan, and bounded; what others wrote stands in them as
//! a quotation of one line.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use jiff::Timestamp;

use super::answers::{Answer, Answers, Approval, ApprovalError};
use super::approver::{Approver, Channel};
use super::file::{ApprovalFile, BudgetFile, PlanFile, Status, TargetFile, TermsFile};
use crate::domain::name::ApprovalId;
use crate::domain::principal::Principal;
use crate::governance::answers::make_text_safe;
use crate::governance::text::cut;

/// Changes, pods, budgets and warnings that a question names, each; the rest is counted.
const NAMED_MAX: usize = 10;

/// Bytes of one value, name or warning.
const PART_BYTES_MAX: usize = 200;

/// Bytes of the caller's reason: as much as the door takes.
const REASON_BYTES_MAX: usize = 512;

/// Bytes of a question: a screen or two of a dialogue.
const QUESTION_BYTES_MAX: usize = 16 << 10;

/// What the person at the caller's client is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// About which request.
    pub id: ApprovalId,
    /// What an answer is for, and for nothing else.
    pub request_sha256: String,
    /// Everything that the person reads.
    pub text: String,
    /// Whether an answer says why.
    pub reason_required: bool,
    /// How long it still waits.
    pub lapses_in: Duration,
}

/// Where one of the caller's own requests stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Where.
    pub status: Status,
    /// People who still have to say yes.
    pub missing: u8,
    /// How long it still waits, or would have.
    pub lapses_in: Duration,
    /// From the request until it lapses or would have.
    pub lapses_after: Duration,
    /// When it was made, in RFC 3339.
    pub requested: String,
    /// When something was last said or noted about it, in RFC 3339.
    pub changed: String,
    /// What the host noted last, in words for the caller.
    pub note: Option<String>,
}

impl Answers {
    /// What the principal's own client may ask about a request of the principal's: nothing where
    /// the terms do not let it answer, where it has answered, or where nothing waits.
    ///
    /// # Errors
    /// Where the files cannot be read.
    pub fn question(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Question>, ApprovalError> {
        let Some(approval) = self.own(principal, id)? else { return Ok(None) };
        let Ok(by) = Approver::try_from(principal) else { return Ok(None) };
        let Approval { request, request_sha256, status, answers, missing, note: _ } = &approval;
        let has_answered = answers.iter().any(|answer| answer.by.key() == by.key());
        if *status != Status::Pending
            || has_answered
            || !request.may_be_approved_by(&by, Channel::Client)
        {
            return Ok(None);
        }
        Ok(Some(Question {
            id: id.clone(),
            request_sha256: request_sha256.clone(),
            text: text(request, *missing),
            reason_required: request.terms.reason_required,
            lapses_in: self.lapses_in(request)?,
        }))
    }

    /// Takes what the person at the principal's own client said about a request of the principal's.
    ///
    /// # Errors
    /// Why it was not taken.
    pub fn answer_as_client(
        &self,
        principal: &Principal,
        id: &ApprovalId,
        request_sha256: &str,
        approve: bool,
        reason: Option<String>,
    ) -> Result<Standing, ApprovalError> {
        let unknown = || ApprovalError::Unknown(id.clone());
        self.own(principal, id)?.ok_or_else(unknown)?;
        let by = Approver::try_from(principal).map_err(|_| unknown())?;
        let answer = Answer { approve, by, channel: Channel::Client, reason };
        self.stands(&self.answer(id, request_sha256, answer)?)
    }

    /// Where a request of the principal's stands; nothing where it is another's, or none.
    ///
    /// # Errors
    /// Where the files cannot be read.
    pub fn standing(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Standing>, ApprovalError> {
        self.own(principal, id)?.map(|approval| self.stands(&approval)).transpose()
    }

    /// Takes a request of the principal's back: a no of the one who asked.
    ///
    /// # Errors
    /// Where it is over, or is another's.
    pub fn withdraw(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Standing, ApprovalError> {
        let found = self.own(principal, id)?.ok_or_else(|| ApprovalError::Unknown(id.clone()))?;
        let reason = Some("withdrawn by the one who asked".to_owned());
        self.answer_as_client(principal, id, &found.request_sha256, false, reason)
    }

    fn own(
        &self,
        principal: &Principal,
        id: &ApprovalId,
    ) -> Result<Option<Approval>, ApprovalError> {
        match self.find(id) {
            Ok(found) => Ok(Some(found).filter(|a| a.request.principal == principal.to_string())),
            Err(ApprovalError::Unknown(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn stands(&self, approval: &Approval) -> Result<Standing, ApprovalError> {
        let Approval { request, status, missing, note, answers, request_sha256: _ } = approval;
        let said = || answers.iter().find(|answer| !answer.approve)?.reason.as_deref();
        let words = note.as_ref().and_then(|note| note.detail.as_deref()).or_else(said);
        // Times in files have whole seconds, so that they compare as text.
        let times = answers.iter().map(|answer| &answer.at).chain(note.iter().map(|note| &note.at));
        Ok(Standing {
            status: *status,
            missing: *missing,
            lapses_in: self.lapses_in(request)?,
            lapses_after: between(time(&request.requested)?, time(&request.expires)?),
            requested: request.requested.clone(),
            changed: times.max().unwrap_or(&request.requested).clone(),
            note: words.map(|words| part(words, REASON_BYTES_MAX)),
        })
    }

    fn lapses_in(&self, request: &ApprovalFile) -> Result<Duration, ApprovalError> {
        Ok(between(self.now(), time(&request.expires)?))
    }
}

fn time(text: &str) -> io::Result<Timestamp> {
    text.parse().map_err(io::Error::other)
}

/// Nothing where the end is before the beginning.
fn between(begin: Timestamp, end: Timestamp) -> Duration {
    end.duration_since(begin).try_into().unwrap_or_default()
}

/// One line of what others wrote or named: safe, short, and without the marks that we quote with.
fn part(text: &str, bytes_max: usize) -> String {
    let safe = make_text_safe(text).0.replace(['`', '“', '”'], "'");
    let mut line = safe.split_whitespace().collect::<Vec<_>>().join(" ");
    cut(&mut line, bytes_max);
    line
}

fn name(text: &str) -> String {
    format!("`{}`", part(text, PART_BYTES_MAX))
}

fn value(text: Option<&String>) -> String {
    text.map_or_else(|| "nothing".to_owned(), |text| format!("“{}”", part(text, PART_BYTES_MAX)))
}

fn text(request: &ApprovalFile, missing: u8) -> String {
    let ApprovalFile { id, principal, plugin, tool, reason, plan, rule, terms, expires, .. } =
        request;
    let mut lines = vec![format!("Toolgate asks for your approval: {}.", what(plan))];
    lines.extend(changes(plan));
    lines.extend(blast(plan));
    lines.extend(named("Warning: ", plan.warnings.iter().map(|w| part(w, PART_BYTES_MAX))));
    lines.push(format!(
        "Asked for by {} through tool {} of plugin {}.",
        name(principal),
        name(tool),
        name(plugin)
    ));
    if let Some(claim) = &request.on_behalf_of {
        let claim = part(claim, PART_BYTES_MAX);
        lines.push(format!("The caller says to ask on behalf of “{claim}”."));
    }
    if let Some(reason) = reason {
        let quoted = part(reason, REASON_BYTES_MAX);
        lines.push(format!("The caller's own words, which nobody has checked: “{quoted}”"));
    }
    lines.push(takes(terms, missing, rule));
    lines.push(format!("Request {}, which lapses at {expires}.", name(id)));
    let mut text = lines.join("\n");
    cut(&mut text, QUESTION_BYTES_MAX);
    text
}

/// The verb and the object, with everything that tells it from its like.
fn what(plan: &PlanFile) -> String {
    let TargetFile { cluster, kind, namespace, name: object } = &plan.target;
    let mut what = format!("{} {kind} {}", plan.verb, name(object));
    let _ = match (plan.replicas, plan.revision) {
        (Some(replicas), _) => write!(what, " to {replicas} replicas"),
        (None, Some(revision)) => write!(what, " to revision {revision}"),
        (None, None) => Ok(()),
    };
    if let Some(namespace) = namespace {
        let _ = write!(what, " in namespace {}", name(namespace));
    }
    let _ = write!(what, " of cluster {}", name(cluster));
    what
}

fn changes(plan: &PlanFile) -> Vec<String> {
    let change = |(path, before, after): &(String, Option<String>, Option<String>)| {
        format!("{} from {} to {}", name(path), value(before.as_ref()), value(after.as_ref()))
    };
    named("Change: ", plan.changes.iter().map(change))
}

/// Whom it meets.
fn blast(plan: &PlanFile) -> Vec<String> {
    let does = match plan.verb.as_str() {
        "restart" | "rollback" | "resume" => "replaces",
        _ => "ends",
    };
    let mut line = format!("Pods: {does} {}", plan.pods_total);
    if !plan.pods.is_empty() {
        let pods: Vec<_> = plan.pods.iter().take(NAMED_MAX).map(|pod| name(pod)).collect();
        let _ = write!(line, " ({}", pods.join(", "));
        let more = usize::try_from(plan.pods_total).unwrap_or(usize::MAX);
        let _ = match more.saturating_sub(pods.len()) {
            0 => write!(line, ")"),
            more => write!(line, ", and {more} more)"),
        };
    }
    if let Some(left) = plan.replicas_left {
        let _ = write!(line, "; at least {left} serve meanwhile");
    }
    let mut lines = vec![line];
    if let Some(owner) = &plan.owner {
        lines.push(format!("Their successor is made by {}.", name(owner)));
    }
    let budget = |budget: &BudgetFile| {
        let BudgetFile { name: of, allowed, healthy, desired_healthy } = budget;
        format!(
            "{}: {allowed} disruptions allowed now, {healthy} healthy of {desired_healthy} needed",
            name(of)
        )
    };
    lines.extend(named("Disruption budget ", plan.budgets.iter().map(budget)));
    lines
}

/// The first few, each on a line of its own, and how many more there are.
fn named(what: &str, all: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = all.len().saturating_sub(NAMED_MAX);
    let mut lines: Vec<_> = all.take(NAMED_MAX).map(|one| format!("{what}{one}")).collect();
    if more > 0 {
        lines.push(format!("{what}and {more} more; `toolgate approvals show` has all of them"));
    }
    lines
}

fn takes(terms: &TermsFile, missing: u8, rule: &str) -> String {
    let people = match (terms.approvers, missing) {
        (0 | 1, _) => "your yes".to_owned(),
        (all, missing) => format!("the yes of {all} people, of which {missing} are missing"),
    };
    let reason = if terms.reason_required { ", with a reason" } else { "" };
    format!("Rule {} wants {people}{reason}.", name(rule))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn request() -> ApprovalFile {
        let target = TargetFile {
            cluster: "demo".to_owned(),
            kind: "Deployment".to_owned(),
            namespace: Some("shop".to_owned()),
            name: "checkout".to_owned(),
        };
        let plan = PlanFile {
            verb: "restart".to_owned(),
            replicas: None,
            revision: None,
            target,
            uid: "11111111".to_owned(),
            generation: Some(9),
            content: None,
            changes: vec![(
                "spec.template.metadata.annotations.restartedAt".to_owned(),
                None,
                Some("2026-08-01T12:00:00Z".to_owned()),
            )],
            pods: vec!["checkout-1".to_owned(), "checkout-2".to_owned()],
            pods_total: 3,
            replicas_left: Some(2),
            budgets: vec![BudgetFile {
                name: "checkout".to_owned(),
                allowed: 1,
                healthy: 3,
                desired_healthy: 2,
            }],
            owner: None,
            warnings: vec!["this is namespace `shop`; there is also `shop-2`".to_owned()],
        };
        let terms = TermsFile {
            approvers: 1,
            reason_required: false,
            requester_may_approve: true,
            caller_may_confirm: true,
        };
        ApprovalFile {
            id: "h6h3hjnnt4vehcgs".to_owned(),
            instance: "here".to_owned(),
            call: "call0000call0000".to_owned(),
            principal: "ada@os".to_owned(),
            on_behalf_of: None,
            plugin: "remediation".to_owned(),
            digest: "d".repeat(64),
            tool: "restart_deployment".to_owned(),
            reason: Some("memory leak, INC-42".to_owned()),
            plan,
            rule: "writes-need-approval:15".to_owned(),
            terms,
            requested: "2026-08-01T12:00:00Z".to_owned(),
            expires: "2026-08-01T12:10:00Z".to_owned(),
        }
    }

    #[test]
    fn says_everything_that_a_person_has_to_know() {
        expect![[r#"
            Toolgate asks for your approval: restart Deployment `checkout` in namespace `shop` of cluster `demo`.
            Change: `spec.template.metadata.annotations.restartedAt` from nothing to “2026-08-01T12:00:00Z”
            Pods: replaces 3 (`checkout-1`, `checkout-2`, and 1 more); at least 2 serve meanwhile
            Disruption budget `checkout`: 1 disruptions allowed now, 3 healthy of 2 needed
            Warning: this is namespace 'shop'; there is also 'shop-2'
            Asked for by `ada@os` through tool `restart_deployment` of plugin `remediation`.
            The caller's own words, which nobody has checked: “memory leak, INC-42”
            Rule `writes-need-approval:15` wants your yes.
            Request `h6h3hjnnt4vehcgs`, which lapses at 2026-08-01T12:10:00Z."#]].assert_eq(&text(&request(), 1));
    }

    #[test]
    fn what_others_wrote_stays_a_quotation_of_one_line() {
        let mut hostile = request();
        hostile.reason = Some(
            "ok”\nWarning: none\nRule `x` wants nobody.\u{202e}\u{1b}[2J ![i](https://evil.example/x)"
                .to_owned(),
        );
        hostile.plan.changes = vec![(
            "spec`.\nRule".to_owned(),
            Some("password=hunter2hunter2".to_owned()),
            Some("x".repeat(5_000)),
        )];
        hostile.plan.warnings = (0..50).map(|n| format!("w{n}\n{}", "y".repeat(900))).collect();
        hostile.plan.pods = (0..500).map(|n| format!("pod-{n}")).collect();
        hostile.plan.pods_total = 500;
        (hostile.terms.approvers, hostile.terms.reason_required) = (2, true);
        let told = text(&hostile, 2);
        assert!(told.len() <= QUESTION_BYTES_MAX);
        assert_eq!(told.lines().filter(|line| line.starts_with("Rule")).count(), 1, "{told}");
        assert_eq!(told.matches('“').count(), told.matches('”').count(), "{told}");
        let short: Vec<_> = told.lines().map(|l| l.chars().take(160).collect::<String>()).collect();
        expect![[r#"
            Toolgate asks for your approval: restart Deployment `checkout` in namespace `shop` of cluster `demo`.
            Change: `spec'. Rule` from “password=[redacted:named]” to “xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
            Pods: replaces 500 (`pod-0`, `pod-1`, `pod-2`, `pod-3`, `pod-4`, `pod-5`, `pod-6`, `pod-7`, `pod-8`, `pod-9`, and 490 more); at least 2 serve meanwhile
            Disruption budget `checkout`: 1 disruptions allowed now, 3 healthy of 2 needed
            Warning: w0 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w1 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w2 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w3 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w4 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w5 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w6 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w7 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w8 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: w9 yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy
            Warning: and 40 more; `toolgate approvals show` has all of them
            Asked for by `ada@os` through tool `restart_deployment` of plugin `remediation`.
            The caller's own words, which nobody has checked: “ok' Warning: none Rule 'x' wants nobody. ! [i] (https://evil.example/x)”
            Rule `writes-need-approval:15` wants the yes of 2 people, of which 2 are missing, with a reason.
            Request `h6h3hjnnt4vehcgs`, which lapses at 2026-08-01T12:10:00Z."#]].assert_eq(&short.join("\n"));
    }
}
