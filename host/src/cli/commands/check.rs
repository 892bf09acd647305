//! `toolgate check` and `toolgate plugins`: what is asked for and what is granted. Runs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::{Answer, Desk};
use crate::backend::webhook::Webhooks;
use crate::capability::Clock;
use crate::cli::table::{Cell, Table, Tone, printable};
use crate::config::Config;
use crate::domain::capability::Capability;
use crate::domain::grant::Grants;
use crate::domain::manifest::{Manifest, highest};
use crate::domain::scope::Scope;
use crate::sandbox::{self, Checked, LoadError};
use crate::wiring;

/// What was looked at.
struct Report {
    config: Config,
    plugins: Vec<Checked>,
    failures: Vec<LoadError>,
    /// Grants to plugins that are not there.
    idle: Vec<String>,
}

impl Report {
    fn of(config: Config) -> Result<Self, wiring::WiringError> {
        wiring::policy(config.policy_file.as_deref(), &config.approvals)?;
        let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
        Webhooks::open(wiring::addresses(config.webhooks.clone()), &clock)?;
        let terms = |id: &_| {
            let Config { grants, limits, plugin_limits, settings, .. } = &config;
            wiring::terms(id, grants, limits, plugin_limits, settings)
        };
        let (plugins, failures) = sandbox::check(&config.plugins_dir, terms)?;
        let known = |id: &str| {
            plugins.iter().any(|p| p.manifest.id.as_str() == id)
                || failures.iter().any(|f| f.plugin == id)
        };
        let idle = config.grants.keys().map(ToString::to_string).filter(|id| !known(id)).collect();
        Ok(Self { config, plugins, failures, idle })
    }

    fn code(&self) -> ExitCode {
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn grants(&self, checked: &Checked) -> Grants {
        self.config.grants.get(&checked.manifest.id).cloned().unwrap_or_default()
    }
}

pub(super) fn run(desk: &Desk) -> Answer {
    let report = Report::of(desk.config()?)?;
    if desk.console.is_json() {
        desk.console.json(&as_json(&report))?;
        return Ok(report.code());
    }
    let mut table =
        Table::new(["PLUGIN", "CAPABILITY", "TIER", "CLUSTERS", "NAMESPACES", "KINDS", "NAMES"]);
    for checked in &report.plugins {
        let grants = report.grants(checked);
        for capability in checked.manifest.capabilities.keys() {
            row(&mut table, checked, *capability, grants.scope(*capability));
        }
    }
    desk.console.table(&table)?;
    let mut out = desk.console.out();
    let mode = &report.config.mode;
    let on = |on: bool| if on { "on" } else { "off" };
    writeln!(
        out,
        "\nread-only is {}, dry run is {}, namespaces are limited to {}",
        on(mode.read_only),
        on(mode.dry_run),
        mode.namespaces.as_slice().join(", "),
    )?;
    complain(desk, &report)?;
    Ok(report.code())
}

fn row(table: &mut Table, checked: &Checked, capability: Capability, scope: Option<&Scope>) {
    let tier = capability.tier();
    let tone = if tier.writes() { Tone::Warning } else { Tone::Plain };
    let list = |patterns: &crate::domain::scope::Patterns| patterns.as_slice().join(",");
    let [clusters, namespaces, kinds, names] = match scope {
        Some(Scope { clusters, namespaces, kinds, names }) => {
            [clusters, namespaces, kinds, names].map(list)
        }
        None => ["-", "-", "-", "-"].map(str::to_owned),
    };
    table.row([
        checked.manifest.id.to_string().into(),
        capability.to_string().into(),
        Cell::new(tier.to_string(), tone),
        clusters.into(),
        namespaces.into(),
        kinds.into(),
        names.into(),
    ]);
}

fn complain(desk: &Desk, report: &Report) -> std::io::Result<()> {
    let mut err = desk.console.err();
    for idle in &report.idle {
        let word = Tone::Warning.paint("warning:");
        writeln!(err, "{word} `grants.{idle}` is for a plugin that is not there")?;
    }
    for failure in &report.failures {
        // What a plugin's author wrote is in it: its lines stay, nothing else does.
        let text = failure.to_string();
        let lines: Vec<_> = text.lines().map(printable).collect();
        writeln!(err, "{} {}", Tone::Bad.paint("error:"), lines.join("\n"))?;
    }
    Ok(())
}

pub(super) fn plugins(desk: &Desk) -> Answer {
    let report = Report::of(desk.config()?)?;
    if desk.console.is_json() {
        desk.console.json(&as_json(&report))?;
        return Ok(report.code());
    }
    let mut table = Table::new(["PLUGIN", "VERSION", "DIGEST", "OFFERS", "ASKS FOR", "SIZE"]);
    for Checked { manifest, inspection } in &report.plugins {
        let join = |words: Vec<String>| words.join(", ");
        let digest: String = inspection.digest.to_string().chars().take(12).collect();
        table.row([
            Cell::new(manifest.id.to_string(), Tone::Strong),
            manifest.version.clone().into(),
            digest.into(),
            join(offers(manifest)).into(),
            join(manifest.capabilities.keys().map(ToString::to_string).collect()).into(),
            format!("{} KB", inspection.size_bytes / 1_000).into(),
        ]);
    }
    desk.console.table(&table)?;
    complain(desk, &report)?;
    Ok(report.code())
}

/// Tools by their names alone, as they are most of what is offered; prompts and resources marked.
fn offers(manifest: &Manifest) -> Vec<String> {
    let tools = manifest.tools.keys().map(ToString::to_string);
    let prompts = manifest.prompts.keys().map(|name| format!("prompt {name}"));
    let resources = manifest.resources.keys().map(|name| format!("resource {name}"));
    tools.chain(prompts).chain(resources).collect()
}

/// What is offered, each with what it uses and what it can do at most.
fn uses<N: ToString>(offered: &BTreeMap<N, BTreeSet<Capability>>) -> Map<String, Value> {
    let one = |(name, uses): (&N, &BTreeSet<Capability>)| {
        let words: Vec<_> = uses.iter().map(|capability| capability.as_str()).collect();
        (name.to_string(), json!({"uses": words, "tier": highest(uses).as_str()}))
    };
    offered.iter().map(one).collect()
}

fn as_json(report: &Report) -> Value {
    let plugins = report.plugins.iter().map(|checked| {
        let Checked { manifest, inspection } = checked;
        let grants = report.grants(checked);
        let capabilities = manifest.capabilities.iter().map(|(capability, reason)| {
            let scope = grants.scope(*capability).map(|scope| {
                json!({
                    "clusters": scope.clusters.as_slice(),
                    "namespaces": scope.namespaces.as_slice(),
                    "kinds": scope.kinds.as_slice(),
                    "names": scope.names.as_slice(),
                })
            });
            let tier = capability.tier().as_str();
            (capability.to_string(), json!({"tier": tier, "reason": reason, "scope": scope}))
        });
        json!({
            "name": manifest.id.as_str(),
            "version": manifest.version,
            "description": manifest.description,
            "digest": inspection.digest.to_string(),
            "bytes": inspection.size_bytes,
            "capabilities": capabilities.collect::<Map<_, _>>(),
            "tools": uses(&manifest.tools),
            "prompts": uses(&manifest.prompts),
            "resources": uses(&manifest.resources),
        })
    });
    let failures = report.failures.iter();
    let failures = failures.map(|f| json!({"plugin": f.plugin, "problems": f.problems}));
    let mode = &report.config.mode;
    json!({
        "mode": {
            "read_only": mode.read_only,
            "dry_run": mode.dry_run,
            "namespaces": mode.namespaces.as_slice(),
        },
        "plugins": plugins.collect::<Vec<_>>(),
        "failures": failures.collect::<Vec<_>>(),
        "idle_grants": report.idle,
    })
}
