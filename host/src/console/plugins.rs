//! The plugins: what each asked for, what it was given, and what it used.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::layout::{Page, Tab};
use super::ledger::Used;
use super::sessions::Session;
use super::site::Site;
use super::text::{Foreign, Lines, counted, time};
use crate::domain::capability::{Capability, Tier};
use crate::domain::manifest::highest;
use crate::domain::scope::Scope;
use crate::sandbox::{LoadError, Plugin};

pub(super) async fn show(
    State(site): State<Arc<Site>>,
    Extension(session): Extension<Arc<Session>>,
) -> Response {
    let ((used, since), _) =
        site.ledger(|ledger| (ledger.used.clone(), ledger.since.clone())).await;
    let mode = &site.mode;
    let nobody = Used::default();
    let content = html! {
        h1 { "Plugins" }
        p {
            "Read-only is " strong { (on(mode.read_only)) } ", dry run is " strong { (on(mode.dry_run)) }
            ", namespaces are limited to " code { (mode.namespaces.as_slice().join(", ")) } "."
            @if let Some(since) = &since {
                span.quiet { " What was used is counted since " (time(since, site.now())) "." }
            }
        }
        @for failure in &site.failures { (failed(failure)) }
        div #plugins data-live="rows" {
            @for plugin in &site.plugins {
                (serving(plugin, used.get(plugin.manifest.id.as_str()).unwrap_or(&nobody)))
            }
        }
        @if site.plugins.is_empty() { p.empty { "No plugin serves." } }
    };
    Page { title: "Plugins", tab: Tab::Plugins, is_first: true, content }.render(&session)
}

fn on(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn failed(failure: &LoadError) -> Markup {
    html! {
        section.warnings aria-label={ "Plugin " (failure.plugin) " does not serve" } {
            h2 { (Foreign(&failure.plugin)) " " span.pill.bad { "does not serve" } }
            ul { @for problem in &failure.problems { li { pre { (Lines(problem)) } } } }
        }
    }
}

fn serving(plugin: &Plugin, used: &Used) -> Markup {
    let (manifest, grants) = (&plugin.manifest, &plugin.terms.grants);
    let id = manifest.id.as_str();
    let asked = manifest.capabilities.iter().map(|(capability, why)| (*capability, Some(why)));
    let only_given = grants.iter().map(|(capability, _)| (capability, None));
    let only_given = only_given.filter(|(c, _)| !manifest.capabilities.contains_key(c));
    html! {
        section id={ "p-" (id) } aria-labelledby={ "n-" (id) } {
            h2 id={ "n-" (id) } { (Foreign(id)) " " span.quiet { (Foreign(&manifest.version)) } }
            p { (Foreign(&manifest.description)) }
            p.facts {
                span { (counted(used.n_calls, "call")) }
                @if used.n_failed > 0 { span.bad { (used.n_failed) " broke" } }
                @if used.n_limits > 0 { a href="/limits" { (counted(used.n_limits, "limit")) " hit" } }
                span { span.quiet { "code " } code { "sha256:" (plugin.inspection.digest.to_string()) } }
            }
            div.wide tabindex="0" role="region" aria-label={ "Capabilities of " (id) } {
                table.caps {
                    thead { tr {
                        th scope="col" { "Capability" } th scope="col" { "Asked for, because" }
                        th scope="col" { "Granted" } th.num scope="col" { "Used" }
                        th.num scope="col" { "Refused" }
                    } }
                    tbody {
                        @for (capability, why) in asked.chain(only_given) {
                            (row(capability, why, grants.scope(capability), used))
                        }
                    }
                }
            }
            (offers(plugin))
        }
    }
}

fn row(capability: Capability, why: Option<&String>, scope: Option<&Scope>, used: &Used) -> Markup {
    let (allowed, refused) =
        used.capabilities.get(capability.as_str()).copied().unwrap_or_default();
    html! {
        tr {
            th scope="row" { code { (capability.as_str()) } " " (tier(capability.tier())) }
            td { @match why { Some(why) => { (Foreign(why)) } None => { span.quiet { "not asked for" } } } }
            td {
                @match scope {
                    Some(scope) => { (reach(scope)) }
                    None if capability.needs_grant() => { strong.bad { "not granted" } }
                    None => { span.quiet { "needs no grant" } }
                }
            }
            td.num { (allowed) }
            td.num { @if refused > 0 { strong.bad { (refused) } } @else { "0" } }
        }
    }
}

/// What it can do to the world, in a word.
pub(super) fn tier(tier: Tier) -> Markup {
    let tone = match tier {
        Tier::Ambient | Tier::Read => "quiet",
        Tier::Reversible => "warn",
        Tier::Destructive => "bad",
    };
    html! { span class={ "pill " (tone) } { (tier.as_str()) } }
}

/// How far a grant goes, by the axes that bound it.
fn reach(scope: &Scope) -> Markup {
    let axes = [
        ("clusters", &scope.clusters),
        ("namespaces", &scope.namespaces),
        ("kinds", &scope.kinds),
        ("names", &scope.names),
    ];
    let bounded: Vec<_> = axes
        .iter()
        .filter(|(_, patterns)| !patterns.is_all() || patterns.as_slice().len() > 1)
        .collect();
    html! {
        @if bounded.is_empty() { "everywhere" }
        @for (axis, patterns) in bounded {
            div { span.quiet { (axis) " " } code { (patterns.as_slice().join(", ")) } }
        }
    }
}

fn offers(plugin: &Plugin) -> Markup {
    let manifest = &plugin.manifest;
    let tools = manifest.tools.iter().map(|(n, uses)| (n.to_string(), "tool", highest(uses)));
    let prompts = manifest.prompts.iter().map(|(n, uses)| (n.to_string(), "prompt", highest(uses)));
    let resources = manifest.resources.iter();
    let resources = resources.map(|(n, uses)| (n.to_string(), "resource", highest(uses)));
    let all: Vec<_> = tools.chain(prompts).chain(resources).collect();
    html! {
        details {
            summary { "Offers " (counted(all.len() as u64, "thing")) }
            ul { @for (name, kind, of) in all {
                li { code { (Foreign(&name)) } span.quiet { " " (kind) " " } (tier(of)) }
            } }
        }
    }
}
