//! From a policy's text to rules: parsed, validated against the schema, annotations understood. All
//! problems at once, each with its line.

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use cedar_policy::pst::Template;
use cedar_policy::{
    ActionConstraint, Effect, PolicyId, PolicySet, PrincipalConstraint, ResourceConstraint, Schema,
    ValidationMode, Validator,
};
use miette::Diagnostic;

use super::annotations::{self, Said};
use super::engine::Words;
use super::mentions::{self, Mentions};
use super::{text, verbs};
use crate::domain::decision::{ApprovalTerms, Rule};

/// What rules can speak of.
pub const SCHEMA: &str = include_str!("schema.cedarschema");

/// The largest text that is read: ten thousand lines of rules.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Rules of one policy. Each is looked at for each decision that is not remembered.
const RULES_MAX: usize = 2_000;

/// Bytes of one rule, so that no expression is a chain of thousands.
const RULE_BYTES_MAX: usize = 16 << 10;

/// Brackets within brackets: people use three.
const DEPTH_MAX: usize = 32;

/// Stack for reading a policy: what the bounds above let through fits many times over.
const STACK_BYTES: usize = 32 << 20;

/// How many problems one report holds.
const PROBLEMS_MAX: usize = 50;

/// One thing that is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PolicyProblem {
    /// The line of the text, from 1, where there is one.
    pub line: Option<u32>,
    /// What is wrong.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl fmt::Display for PolicyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        f.write_str(&self.text)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  hint: {hint}"),
            None => Ok(()),
        }
    }
}

/// A policy that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", report(.origin, .problems))]
pub struct PolicyError {
    /// The file, in words.
    pub origin: String,
    /// What is wrong, in order of the text; never empty.
    pub problems: Vec<PolicyProblem>,
}

fn report(origin: &str, problems: &[PolicyProblem]) -> String {
    let noun = if let [_] = problems { "problem" } else { "problems" };
    let mut text = format!("the policy {origin} has {} {noun}", problems.len());
    for problem in problems {
        text.extend(["\n\n", &problem.to_string()]);
    }
    text
}

/// One rule of a policy.
#[derive(Debug, Clone)]
pub struct RuleFacts {
    /// Its name and line.
    pub rule: Rule,
    /// Whether it permits.
    pub permits: bool,
    /// How a person is asked; none where nobody is.
    pub asks: Option<ApprovalTerms>,
    /// The verbs that it is about.
    pub verbs: Vec<&'static str>,
    /// Whether nothing but principal and verb decides whether it applies.
    pub(super) is_unconditional: bool,
    pub(super) principal: PrincipalConstraint,
}

/// Rules that hold.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) schema: Schema,
    pub(super) words: Words,
    pub(super) set: PolicySet,
    /// In order of the text.
    pub(super) facts: Vec<RuleFacts>,
    pub(super) by_id: HashMap<PolicyId, usize>,
    /// By the verbs' places in their table.
    pub(super) mentions: [Mentions; verbs::VERBS_TOTAL],
}

impl Rules {
    /// Reads a text; `origin` is what problems call it.
    pub(super) fn parse(
        text: &str,
        origin: &str,
        defaults: &ApprovalTerms,
    ) -> Result<Self, PolicyError> {
        stacker::grow(STACK_BYTES, || read(text, defaults)).map_err(|mut problems| {
            problems.sort();
            problems.dedup();
            problems.truncate(PROBLEMS_MAX);
            PolicyError { origin: origin.to_owned(), problems }
        })
    }
}

fn problem(line: Option<u32>, text: impl Into<String>, hint: &str) -> PolicyProblem {
    let hint = (!hint.is_empty()).then(|| hint.to_owned());
    PolicyProblem { line, text: text.into(), hint }
}

fn read(text: &str, defaults: &ApprovalTerms) -> Result<Rules, Vec<PolicyProblem>> {
    let scanned = bounded(text).map_err(|problem| vec![problem])?;
    let internal = |error: String| vec![problem(None, format!("the schema: {error}"), "")];
    let (schema, _) =
        Schema::from_cedarschema_str(SCHEMA).map_err(|error| internal(error.to_string()))?;
    let words = Words::of(&schema).map_err(internal)?;
    let set: PolicySet = text.parse().map_err(|error: cedar_policy::ParseErrors| {
        error.iter().map(|error| told(text, error)).collect::<Vec<_>>()
    })?;
    let mut problems: Vec<PolicyProblem> = Vec::new();
    if set.num_of_templates() > 0 {
        let hint = "say whom and what it is about in the rule itself";
        problems.push(problem(
            None,
            "a rule is a template: it has `?principal` or `?resource`",
            hint,
        ));
        return Err(problems);
    }
    let lines = lines(&set, &scanned.rules).ok_or_else(|| {
        vec![problem(None, "it cannot be told where its rules begin", "end each one with `;`")]
    })?;
    let validated = Validator::new(schema.clone()).validate(&set, ValidationMode::Strict);
    let errors = validated.validation_errors().map(|error| error as &dyn Diagnostic);
    let warnings = validated.validation_warnings().map(|warning| warning as &dyn Diagnostic);
    problems.extend(errors.chain(warnings).map(|found| told(text, found)));

    let (mut facts, mut found) = (Vec::new(), [Mentions::default(); verbs::VERBS_TOTAL]);
    let mut ids: BTreeMap<String, u32> = BTreeMap::new();
    for (id, line) in lines {
        let Some(policy) = set.policy(&id) else { continue };
        match one(policy, line, defaults) {
            Ok(one) => {
                if policy.annotation("id").is_some()
                    && let Some(first) = ids.insert(one.rule.id.clone(), line)
                {
                    let text = format!("line {first} has a rule `{}` already", one.rule.id);
                    problems.push(problem(Some(line), text, "say another name"));
                }
                let mentioned = policy.to_pst().map(|pst| mentions_of(pst.body()));
                let mentioned = mentioned.map_err(|error| {
                    vec![problem(Some(line), error.to_string(), "write it more simply")]
                })?;
                for verb in &one.verbs {
                    if let Some(slot) = verbs::find(verb).and_then(|(at, _)| found.get_mut(at)) {
                        *slot = slot.and(mentioned);
                    }
                }
                facts.push((id, one));
            }
            Err(wrong) => problems.extend(wrong),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let by_id = facts.iter().enumerate().map(|(at, (id, _))| (id.clone(), at)).collect();
    let facts = facts.into_iter().map(|(_, one)| one).collect();
    Ok(Rules { schema, words, set, facts, by_id, mentions: found })
}

fn mentions_of(body: &Template) -> Mentions {
    mentions::of(body)
}

fn bounded(text: &str) -> Result<text::Scanned, PolicyProblem> {
    if text.len() > TEXT_BYTES_MAX {
        let text = format!("it is larger than {TEXT_BYTES_MAX} bytes");
        return Err(problem(None, text, "say what is alike with groups and `like`"));
    }
    let scanned = text::scan(text);
    if scanned.rules.len() > RULES_MAX {
        let text = format!("it has more than {RULES_MAX} rules");
        return Err(problem(None, text, "say what is alike with groups and `like`"));
    }
    if scanned.longest > RULE_BYTES_MAX {
        let text = format!("a rule has more than {RULE_BYTES_MAX} bytes");
        return Err(problem(None, text, "make several of it"));
    }
    if scanned.depth > DEPTH_MAX {
        let text = format!("brackets are nested more than {DEPTH_MAX} deep");
        return Err(problem(None, text, "write it more simply"));
    }
    Ok(scanned)
}

/// Which rule begins on which line. The parser numbers them in order.
fn lines(set: &PolicySet, lines: &[u32]) -> Option<Vec<(PolicyId, u32)>> {
    let ids: Vec<PolicyId> =
        (0..lines.len()).map(|n| PolicyId::new(format!("policy{n}"))).collect();
    let all_there = ids.iter().all(|id| set.policy(id).is_some());
    (set.num_of_policies() == lines.len() && all_there)
        .then(|| ids.into_iter().zip(lines.iter().copied()).collect())
}

/// What the language's own tools say, in our form.
fn told(text: &str, found: &dyn Diagnostic) -> PolicyProblem {
    let offset = found.labels().and_then(|mut labels| labels.next()).map(|label| label.offset());
    let hint = found.help().map(|help| help.to_string());
    // What it calls its rules says nothing to whoever wrote the file.
    let said = found.to_string();
    let said = match said.strip_prefix("for policy `policy").and_then(|rest| rest.split_once("`, "))
    {
        Some((number, rest)) if number.bytes().all(|b| b.is_ascii_digit()) => rest.to_owned(),
        _ => said,
    };
    PolicyProblem { line: offset.map(|offset| text::line(text, offset)), text: said, hint }
}

/// What one rule says.
fn one(
    policy: &cedar_policy::Policy,
    line: u32,
    defaults: &ApprovalTerms,
) -> Result<RuleFacts, Vec<PolicyProblem>> {
    let permits = policy.effect() == Effect::Permit;
    let at = |(text, hint): (String, String)| problem(Some(line), text, &hint);
    let Said { id, asks } = annotations::read(policy.annotations(), permits, defaults)
        .map_err(|problems| problems.into_iter().map(at).collect::<Vec<_>>())?;
    let verbs = match policy.action_constraint() {
        ActionConstraint::Any => verbs::all().collect(),
        ActionConstraint::Eq(action) => covered(&[action]),
        ActionConstraint::In(actions) => covered(&actions),
    };
    let reads = |verb: &&str| verbs::covers("read", verb);
    if asks.is_some() && verbs.iter().any(reads) {
        let hint = "say `action in Action::\"write\"`, or name verbs that write";
        return Err(vec![problem(
            Some(line),
            "it asks a person before a read, which cannot wait",
            hint,
        )]);
    }
    let word = if permits { "permit" } else { "forbid" };
    Ok(RuleFacts {
        rule: Rule { id: id.unwrap_or_else(|| word.to_owned()), line: Some(line) },
        permits,
        asks,
        verbs,
        is_unconditional: !policy.has_non_scope_constraint()
            && policy.resource_constraint() == ResourceConstraint::Any,
        principal: policy.principal_constraint(),
    })
}

fn covered(actions: &[cedar_policy::EntityUid]) -> Vec<&'static str> {
    let in_one = |verb: &&str| actions.iter().any(|a| verbs::covers(a.id().unescaped(), verb));
    verbs::all().filter(in_one).collect()
}
