//! `toolgate policy explain`: what stands for or against each use that a tool may make.

use std::io::Write as _;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{asks, origin, terms_json, word};
use crate::cli::args::Explain;
use crate::cli::commands::{Answer, Desk};
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone};
use crate::config::Config;
use crate::domain::capability::Capability;
use crate::domain::decision::{Rule, Verdict};
use crate::domain::grant::Grants;
use crate::domain::kind;
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::principal::Principal;
use crate::domain::scope::Target;
use crate::governance::guard::Guard;
use crate::governance::policy::{self, Question};
use crate::sandbox::{self, Checked};
use crate::wiring;

/// One use, and what was decided.
struct Use {
    capability: Capability,
    verb: &'static str,
    target: Target,
    verdict: Verdict,
}

pub(super) fn run(desk: &Desk, asked: &Explain) -> Answer {
    let config = desk.config()?;
    let rules = wiring::policy(config.policy_file.as_deref(), &config.approvals)?;
    let checked = plugin(&config, asked)?;
    let cluster = cluster(&config, asked)?;
    let principal = principal(asked.principal.as_deref().unwrap_or(desk.user()), &asked.groups);
    let id = &checked.manifest.id;
    let grants = config.grants.get(id).cloned().unwrap_or_default();
    let digest = checked.inspection.digest.to_string();
    let decide = |capability: Capability, verb: &'static str, target: Target| {
        let question = Question {
            principal: &principal,
            plugin: id,
            digest: &digest,
            tool: asked.tool.as_str(),
            capability,
            verb,
            target: &target,
            dry_run: config.mode.dry_run,
            at: asked.at.unwrap_or_else(Timestamp::now),
        };
        let guard = Guard { mode: &config.mode, scope: grants.scope(capability), policy: &rules };
        let is_namespaced = kind::own(&target.kind).is_none_or(|kind| kind.namespaced);
        let verdict = guard.decide(&question, is_namespaced);
        Use { capability, verb, target, verdict }
    };
    let uses: Vec<Use> = aims(checked.manifest.tools.get(&asked.tool), asked, &cluster)
        .map(|(capability, verb, target)| decide(capability, verb, target))
        .collect();
    if uses.is_empty() {
        let text = format!("`{}` makes no such use that rules speak of", asked.tool);
        return Err(Complaint::new(text, "leave `--verb` out to see what it may use"));
    }
    show(desk, &config, &grants, (&principal, asked), &uses)
}

/// The plugin that offers the tool.
fn plugin(config: &Config, asked: &Explain) -> Result<Checked, Complaint> {
    let terms = |id: &_| {
        let Config { grants, limits, plugin_limits, settings, .. } = config;
        wiring::terms(id, grants, limits, plugin_limits, settings)
    };
    let (plugins, failures) =
        sandbox::check(&config.plugins_dir, terms).map_err(wiring::WiringError::from)?;
    let found = plugins.into_iter().find(|p| p.manifest.tools.contains_key(&asked.tool));
    found.ok_or_else(|| {
        let hint = match failures.as_slice() {
            [] => "`toolgate tools` lists what there is".to_owned(),
            [first, ..] => {
                format!("plugin `{}` does not load; `toolgate check` says why", first.plugin)
            }
        };
        Complaint::new(format!("no plugin that loads has a tool `{}`", asked.tool), hint)
    })
}

fn cluster(config: &Config, asked: &Explain) -> Result<ClusterName, Complaint> {
    let meant = asked.cluster.as_ref().or(config.default_cluster.as_ref());
    let known = meant.filter(|name| config.clusters.contains_key(*name));
    known.cloned().ok_or_else(|| match meant {
        Some(name) => Complaint::new(
            format!("there is no cluster `{name}`"),
            "`[clusters]` in toolgate.toml says which there are",
        ),
        None => Complaint::new("no cluster is the default one", "say which with `--cluster`"),
    })
}

/// `alice`, or `alice@issuer`: what stands behind the last `@` is the issuer.
pub(super) fn principal(text: &str, groups: &[String]) -> Principal {
    let (subject, issuer) = text.rsplit_once('@').unwrap_or((text, "os"));
    Principal { subject: subject.to_owned(), issuer: issuer.to_owned(), groups: groups.to_vec() }
}

/// Each use that is meant.
fn aims<'a>(
    uses: Option<&'a std::collections::BTreeSet<Capability>>,
    asked: &'a Explain,
    cluster: &'a ClusterName,
) -> impl Iterator<Item = (Capability, &'static str, Target)> + 'a {
    let capabilities = uses.into_iter().flatten().copied();
    let verbs = capabilities.flat_map(|capability| {
        policy::verbs_of(capability).iter().map(move |verb| (capability, *verb))
    });
    let meant = verbs.filter(|(_, verb)| asked.verb.as_ref().is_none_or(|meant| meant == verb));
    meant.filter_map(|(capability, verb)| {
        let kind = asked.kind.clone().map(Into::into).or_else(|| {
            let first = policy::kinds_of(capability).first()?;
            Some((*first).into())
        })?;
        let target = Target {
            cluster: cluster.clone(),
            namespace: asked.namespace.clone().filter(|_| kind != "Node"),
            kind,
            name: asked.name.as_ref().filter(|_| verb != "list").map(ToString::to_string),
        };
        Some((capability, verb, target))
    })
}

/// What decided, in words: a key of toolgate.toml, or a rule with its line.
fn because(rule: &Rule, origin: &str) -> String {
    match (rule.line, rule.id.as_str()) {
        (Some(line), id) => format!("rule `{id}`, line {line} of {origin}"),
        (None, "no-rule") => format!("no rule of {origin} permits it"),
        (None, "destructive-always-asks") => "what cannot be undone always asks".to_owned(),
        (None, "one-namespace-at-a-time") => {
            format!("{origin} judges namespaces, so a list has to name one")
        }
        (None, "policy-error") => "deciding failed; the log says why".to_owned(),
        (None, key) => format!("`{key}` in toolgate.toml does not cover it"),
    }
}

fn show(
    desk: &Desk,
    config: &Config,
    grants: &Grants,
    (principal, asked): (&Principal, &Explain),
    uses: &[Use],
) -> Answer {
    let origin = origin(config.policy_file.as_deref());
    let because = |rule: &Rule| match rule.id.as_str() {
        "mode.read_only" => "`mode.read_only` in toolgate.toml is on".to_owned(),
        _ => because(rule, &origin),
    };
    if desk.console.is_json() {
        let uses = uses.iter().map(|one| {
            let terms = match &one.verdict {
                Verdict::Ask { terms, .. } => Some(terms_json(terms)),
                Verdict::Allow { .. } | Verdict::Deny { .. } => None,
            };
            let rule = one.verdict.rule();
            json!({
                "capability": one.capability.as_str(),
                "verb": one.verb,
                "cluster": one.target.cluster.as_str(),
                "namespace": one.target.namespace.as_ref().map(Namespace::as_str),
                "kind": one.target.kind,
                "name": one.target.name,
                "granted": grants.scope(one.capability).is_some(),
                "decision": word(&one.verdict).0,
                "rule": rule.id,
                "line": rule.line,
                "because": because(rule),
                "approval": terms,
            })
        });
        let uses: Vec<Value> = uses.collect();
        desk.console.json(&json!({
            "principal": principal.to_string(),
            "groups": principal.groups,
            "tool": asked.tool.as_str(),
            "policy": origin,
            "uses": uses,
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["VERB", "OBJECT", "DECISION", "BECAUSE"]);
    for one in uses {
        let (text, tone) = word(&one.verdict);
        table.row([
            one.verb.into(),
            one.target.to_string().into(),
            Cell::new(text, tone),
            because(one.verdict.rule()).into(),
        ]);
    }
    desk.console.table(&table)?;
    let mut out = desk.console.out();
    let groups = match principal.groups.as_slice() {
        [] => String::new(),
        groups => format!(" of {}", groups.join(", ")),
    };
    let line = format!("for {principal}{groups}, with {}", asked.tool);
    writeln!(out, "\n{}", Tone::Faint.paint(&crate::cli::table::printable(&line)))?;
    for one in uses {
        if let Verdict::Ask { terms, .. } = &one.verdict {
            writeln!(out, "{} asks {}", one.verb, asks(terms))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
