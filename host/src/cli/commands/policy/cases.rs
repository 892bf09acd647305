//! `toolgate policy test`: a table of cases, each with the decision that is expected. Rules only:
//! neither mode nor grants are looked at.

use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{explain::principal, rules, word};
use crate::cli::commands::{Answer, Desk};
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone};
use crate::domain::capability::Capability;
use crate::domain::decision::Verdict;
use crate::domain::scope::Target;
use crate::governance::policy::{self, Policy, Question};

/// The largest table that is read: thousands of cases.
const BYTES_MAX: u64 = 1 << 20;

const HINT: &str = "a table is `[[case]]` with principal, verb, namespace, kind, name and expect; \
                    `[defaults]` says what cases have in common";

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawCases {
    defaults: RawCase,
    case: Vec<RawCase>,
}

/// One case, or what all of them have in common.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawCase {
    title: Option<String>,
    principal: Option<String>,
    groups: Option<Vec<String>>,
    plugin: Option<String>,
    digest: Option<String>,
    tool: Option<String>,
    capability: Option<String>,
    verb: Option<String>,
    cluster: Option<String>,
    namespace: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    at: Option<String>,
    dry_run: Option<bool>,
    expect: Option<String>,
    rule: Option<String>,
    approvers: Option<u8>,
}

/// A case that came out otherwise.
struct Failed {
    at: usize,
    title: String,
    expected: String,
    found: String,
}

pub(super) fn run(desk: &Desk, cases: &Path, policy: Option<&Path>) -> Answer {
    let (policy, origin) = rules(desk, policy).map_err(Complaint::from)?;
    let raw = read(cases)?;
    let mut failed = Vec::new();
    for (idx, case) in raw.case.iter().enumerate() {
        let case = case.clone().or(&raw.defaults);
        let told = |text: String| {
            let case = idx + 1;
            Complaint::new(format!("case {case} of `{}`: {text}", cases.display()), HINT)
        };
        failed.extend(case.failure(idx + 1, &policy).map_err(told)?);
    }
    report(desk, &origin, raw.case.len(), &failed)?;
    Ok(if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(path: &Path) -> Result<RawCases, Complaint> {
    let wrong = |text: String| Complaint::new(text, HINT);
    let unreadable = |error: io::Error| wrong(format!("cannot read `{}`: {error}", path.display()));
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(unreadable)?;
    file.take(BYTES_MAX + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(text.len()).unwrap_or(u64::MAX) > BYTES_MAX {
        return Err(wrong(format!("`{}` is larger than {BYTES_MAX} bytes", path.display())));
    }
    let raw: RawCases = toml::from_str(&text).map_err(|error| {
        wrong(format!("`{}`: {}", path.display(), error.to_string().trim_end()))
    })?;
    if raw.case.is_empty() {
        return Err(wrong(format!("`{}` has no case", path.display())));
    }
    Ok(raw)
}

impl RawCase {
    /// The case, with what it does not say taken from what all have in common.
    fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            title: self.title.or(other.title),
            principal: self.principal.or(other.principal),
            groups: self.groups.or(other.groups),
            plugin: self.plugin.or(other.plugin),
            digest: self.digest.or(other.digest),
            tool: self.tool.or(other.tool),
            capability: self.capability.or(other.capability),
            verb: self.verb.or(other.verb),
            cluster: self.cluster.or(other.cluster),
            namespace: self.namespace.or(other.namespace),
            kind: self.kind.or(other.kind),
            name: self.name.or(other.name),
            at: self.at.or(other.at),
            dry_run: self.dry_run.or(other.dry_run),
            expect: self.expect.or(other.expect),
            rule: self.rule.or(other.rule),
            approvers: self.approvers.or(other.approvers),
        }
    }

    /// How it came out, where that is not what was expected.
    fn failure(&self, at: usize, policy: &Policy) -> Result<Option<Failed>, String> {
        fn said<'a>(key: &str, value: Option<&'a String>) -> Result<&'a str, String> {
            value.map(String::as_str).ok_or_else(|| format!("it says no `{key}`"))
        }
        fn parsed<T: std::str::FromStr<Err: ToString>>(text: &str) -> Result<T, String> {
            text.parse().map_err(|error: T::Err| error.to_string())
        }
        let verb = said("verb", self.verb.as_ref())?;
        let used_with = |c: &Capability| policy::verbs_of(*c).contains(&verb);
        let capability = match &self.capability {
            Some(text) => parsed(text)?,
            None => Capability::ALL
                .into_iter()
                .find(used_with)
                .ok_or_else(|| format!("rules know no verb `{verb}`"))?,
        };
        let expected = said("expect", self.expect.as_ref())?;
        if !["allow", "ask", "deny"].contains(&expected) {
            return Err(format!("`expect` is `{expected}`; say `allow`, `ask` or `deny`"));
        }
        let groups = self.groups.clone().unwrap_or_default();
        let target = Target {
            cluster: parsed(said("cluster", self.cluster.as_ref())?)?,
            namespace: self.namespace.as_deref().map(parsed).transpose()?,
            kind: said("kind", self.kind.as_ref())?.to_owned().into(),
            name: self.name.clone(),
        };
        let verdict = policy.decide(&Question {
            principal: &principal(said("principal", self.principal.as_ref())?, &groups),
            plugin: &parsed(self.plugin.as_deref().unwrap_or("any"))?,
            digest: self.digest.as_deref().unwrap_or_default(),
            tool: self.tool.as_deref().unwrap_or("any"),
            capability,
            verb,
            target: &target,
            dry_run: self.dry_run.unwrap_or_default(),
            at: self.at.as_deref().map_or_else(|| Ok(Timestamp::now()), parsed)?,
        });
        let approvers = match &verdict {
            Verdict::Ask { terms, .. } => Some(terms.approvers),
            Verdict::Allow { .. } | Verdict::Deny { .. } => None,
        };
        let rule = verdict.rule();
        let holds = word(&verdict).0 == expected
            && self.rule.as_ref().is_none_or(|id| *id == rule.id)
            && self.approvers.is_none_or(|n| approvers == Some(n));
        if holds {
            return Ok(None);
        }
        let with = |word: &str, rule: Option<String>, approvers: Option<u8>| {
            let rule = rule.map(|rule| format!(" by {rule}")).unwrap_or_default();
            let approvers = approvers.map(|n| format!(", {n} to approve")).unwrap_or_default();
            format!("{word}{rule}{approvers}")
        };
        let title = self.title.clone().unwrap_or_else(|| {
            format!("{} {verb} {target}", self.principal.as_deref().unwrap_or_default())
        });
        Ok(Some(Failed {
            at,
            title,
            expected: with(expected, self.rule.clone(), self.approvers),
            found: with(word(&verdict).0, Some(rule.to_string()), approvers),
        }))
    }
}

fn report(desk: &Desk, origin: &str, n_cases: usize, failed: &[Failed]) -> io::Result<()> {
    if desk.console.is_json() {
        let failed: Vec<Value> = failed
            .iter()
            .map(|f| json!({"case": f.at, "title": f.title, "expected": f.expected, "found": f.found}))
            .collect();
        return desk.console.json(&json!({"policy": origin, "cases": n_cases, "failed": failed}));
    }
    if !failed.is_empty() {
        let mut table = Table::new(["CASE", "WHAT", "EXPECTED", "FOUND"]);
        for one in failed {
            table.row([
                one.at.to_string().into(),
                one.title.clone().into(),
                one.expected.clone().into(),
                Cell::new(one.found.clone(), Tone::Bad),
            ]);
        }
        desk.console.table(&table)?;
    }
    let n_failed = failed.len();
    let text = match (n_cases, n_failed) {
        (n, 0) => Tone::Good.paint(&format!("{n} of {n} cases hold")),
        (n, failed) => Tone::Bad.paint(&format!("{failed} of {n} cases fail")),
    };
    let break_ = if n_failed == 0 { "" } else { "\n" };
    writeln!(desk.console.out(), "{break_}{text}, by {origin}")
}
