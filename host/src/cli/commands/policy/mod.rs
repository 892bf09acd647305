//! `toolgate policy`: what the rules are, what is wrong with them, and what they decide. Runs
//! nothing.

mod cases;
mod explain;

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};

use super::{Answer, Desk};
use crate::cli::args::PolicyCommand;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone};
use crate::config::Approvals;
use crate::domain::decision::{ApprovalTerms, Verdict};
use crate::governance::policy::{self, Policy, PolicyError, RuleFacts};
use crate::wiring::{self, WiringError};

pub(super) fn run(desk: &Desk, command: &PolicyCommand) -> Answer {
    match command {
        PolicyCommand::Check { file } => check(desk, file.as_deref()),
        PolicyCommand::Test { cases, policy } => cases::run(desk, cases, policy.as_deref()),
        PolicyCommand::Explain(asked) => explain::run(desk, asked),
        PolicyCommand::ShowDefault => show(desk, "policy", policy::DEFAULT),
        PolicyCommand::ShowSchema => show(desk, "schema", policy::SCHEMA),
    }
}

fn show(desk: &Desk, key: &str, text: &str) -> Answer {
    if desk.console.is_json() {
        desk.console.json(&json!({key: text}))?;
    } else {
        desk.console.out().write_all(text.as_bytes())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The rules that are meant, and what they are called. A file that is named needs no configuration.
fn rules(desk: &Desk, file: Option<&Path>) -> Result<(Policy, String), WiringOrComplaint> {
    if let Some(path) = file {
        let config = desk.config().ok();
        let approvals = config.map_or(UNSAID, |config| config.approvals);
        return Ok((wiring::policy(Some(path), &approvals)?, format!("`{}`", path.display())));
    }
    let config = desk.config()?;
    let policy = wiring::policy(config.policy_file.as_deref(), &config.approvals)?;
    Ok((policy, origin(config.policy_file.as_deref())))
}

/// What holds where a configuration says nothing.
const UNSAID: Approvals =
    Approvals { expires_after: std::time::Duration::from_mins(10), required: true };

fn origin(file: Option<&Path>) -> String {
    file.map_or_else(|| "the rules of Toolgate".to_owned(), |path| format!("`{}`", path.display()))
}

/// Rules that do not hold are an answer of `check`, and a failure of everything else.
enum WiringOrComplaint {
    Invalid(PolicyError),
    Other(Complaint),
}

impl From<Complaint> for WiringOrComplaint {
    fn from(complaint: Complaint) -> Self {
        Self::Other(complaint)
    }
}

impl From<WiringError> for WiringOrComplaint {
    fn from(error: WiringError) -> Self {
        match error {
            WiringError::Policy(error) => Self::Invalid(error),
            error @ (WiringError::Connect(_)
            | WiringError::Scenario { .. }
            | WiringError::UnreadablePolicy { .. }
            | WiringError::Audit(_)
            | WiringError::Webhook(_)
            | WiringError::Approvals(_)
            | WiringError::Sandbox(_)
            | WiringError::System(_)) => Self::Other(error.into()),
        }
    }
}

impl From<WiringOrComplaint> for Complaint {
    fn from(error: WiringOrComplaint) -> Self {
        match error {
            WiringOrComplaint::Invalid(error) => WiringError::Policy(error).into(),
            WiringOrComplaint::Other(complaint) => complaint,
        }
    }
}

fn check(desk: &Desk, file: Option<&Path>) -> Answer {
    let (policy, origin) = match rules(desk, file) {
        Ok(found) => found,
        Err(WiringOrComplaint::Invalid(error)) if desk.console.is_json() => {
            let problem =
                |p: &policy::PolicyProblem| json!({"line": p.line, "text": p.text, "hint": p.hint});
            let problems: Vec<Value> = error.problems.iter().map(problem).collect();
            desk.console.json(&json!({"policy": error.origin, "problems": problems}))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    if desk.console.is_json() {
        let rules: Vec<Value> = policy.rules().iter().map(rule_json).collect();
        desk.console.json(&json!({"policy": origin, "problems": [], "rules": rules}))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["LINE", "RULE", "EFFECT", "VERBS", "ASKS"]);
    for facts in policy.rules() {
        let effect = if facts.permits { "permit" } else { "forbid" };
        table.row([
            facts.rule.line.map(|line| line.to_string()).unwrap_or_default().into(),
            Cell::new(facts.rule.id.clone(), Tone::Strong),
            effect.into(),
            facts.verbs.join(" ").into(),
            facts.asks.as_ref().map(asks).unwrap_or_default().into(),
        ]);
    }
    desk.console.table(&table)?;
    let n_rules = policy.rules().len();
    let noun = if n_rules == 1 { "rule" } else { "rules" };
    writeln!(desk.console.out(), "\n{origin}: {n_rules} {noun}, no problems")?;
    Ok(ExitCode::SUCCESS)
}

fn rule_json(facts: &RuleFacts) -> Value {
    json!({
        "rule": facts.rule.id,
        "line": facts.rule.line,
        "effect": if facts.permits { "permit" } else { "forbid" },
        "verbs": facts.verbs,
        "approval": facts.asks.as_ref().map(terms_json),
    })
}

fn terms_json(terms: &ApprovalTerms) -> Value {
    let ApprovalTerms {
        approvers,
        reason_required,
        requester_may_approve,
        caller_may_confirm,
        expires_after,
    } = terms;
    json!({
        "approvers": approvers,
        "reason_required": reason_required,
        "requester_may_approve": requester_may_approve,
        "caller_may_confirm": caller_may_confirm,
        "expires_after_s": expires_after.as_secs(),
    })
}

/// The terms in words: `2 people within 10m, with a reason`.
fn asks(terms: &ApprovalTerms) -> String {
    let people = match terms.approvers {
        1 => "1 person".to_owned(),
        n => format!("{n} people"),
    };
    let seconds = terms.expires_after.as_secs();
    let within = match (seconds % 3_600, seconds % 60) {
        (0, _) => format!("{}h", seconds / 3_600),
        (_, 0) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    };
    let more = [
        (terms.reason_required, ", with a reason"),
        (terms.requester_may_approve, ", who asks may be one of them"),
        (terms.caller_may_confirm, ", the client may confirm"),
    ];
    let more: String = more.iter().filter(|(holds, _)| *holds).map(|(_, text)| *text).collect();
    format!("{people} within {within}{more}")
}

/// The word for a verdict.
fn word(verdict: &Verdict) -> (&'static str, Tone) {
    match verdict {
        Verdict::Allow { .. } => ("allow", Tone::Good),
        Verdict::Ask { .. } => ("ask", Tone::Warning),
        Verdict::Deny { .. } => ("deny", Tone::Bad),
    }
}
