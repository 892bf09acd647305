//! From the file to the configuration. Goes on after a problem, so that all of them are found.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Document, KeyPath};
use super::environment::Environment;
use super::grants::{Axis, patterns};
use super::limits::bounded;
use super::problem::shown;
use super::raw::{RawApprovals, RawConfig, RawMode, RawPlugin, RawPolicy, Table};
use super::{
    Approvals, Config, audit, clusters, grants, limits, rates, redaction, serve, settings, webhooks,
};
use crate::domain::limits::Limits;
use crate::domain::mode::Mode;
use crate::domain::name::PluginId;
use crate::domain::scope::Patterns;

/// The configuration, where the document holds no problem; `None` only where it does.
pub(super) fn validate(
    raw: &RawConfig,
    base_dir: &Path,
    environment: &Environment,
    document: &mut Document<'_>,
) -> Option<Config> {
    let RawConfig {
        plugins_dir,
        state_dir,
        cache_dir,
        serve: Table(serve),
        console: Table(console),
        mode: Table(mode),
        clusters,
        grants,
        rates: Table(rates),
        limits: Table(limits),
        plugins,
        policy: Table(policy),
        approvals: Table(approvals),
        audit: Table(audit),
        redaction: Table(redaction),
        webhooks,
    } = raw;
    let root = KeyPath::root();
    let mut folder = |key: &str, text: &Option<String>, default: Option<PathBuf>| {
        folder(text.as_deref(), default, &root.key(key), (base_dir, environment), document)
    };
    let plugins_dir = folder("plugins_dir", plugins_dir, Some(base_dir.join("plugins")));
    let state_dir = folder("state_dir", state_dir, environment.state_dir());
    let cache_dir = folder("cache_dir", cache_dir, environment.cache_dir());
    let serve = serve::validate(serve, &root.key("serve"), document);
    let console = serve::validate_console(console, serve.as_ref(), &root.key("console"), document);
    let mode = validate_mode(mode, &root.key("mode"), document);
    let reach = (base_dir, environment);
    let (clusters, default_cluster) =
        clusters::validate(clusters, &root.key("clusters"), reach, document);
    let names = raw.clusters.keys().map(String::as_str).collect();
    let grants = grants::validate(grants, &names, &root.key("grants"), document);
    let rates = rates::validate(rates, &root.key("rates"), document);
    let base = limits::merge(limits, &Limits::default(), &root.key("limits"), document);
    let (plugin_limits, settings) =
        validate_plugins(plugins, &base, &root.key("plugins"), document);
    let policy_file = validate_policy(policy, approvals, (base_dir, environment), document);
    let approvals = validate_approvals(approvals, &root.key("approvals"), document);
    let named = webhooks.keys().map(String::as_str).collect();
    let audit = audit::validate(audit, &named, &root.key("audit"), reach, document);
    let webhooks = webhooks::validate(webhooks, &root.key("webhooks"), reach, document);
    let redaction = redaction::validate(redaction, &root.key("redaction"), document);
    Some(Config {
        plugins_dir: plugins_dir?,
        state_dir: state_dir?,
        cache_dir: cache_dir?,
        serve: serve?,
        console,
        mode,
        clusters,
        default_cluster,
        grants,
        rates,
        limits: base,
        plugin_limits,
        settings,
        policy_file,
        approvals,
        audit,
        redaction,
        webhooks,
    })
}

/// A folder, from the one that the file lies in.
fn folder(
    text: Option<&str>,
    default: Option<PathBuf>,
    path: &KeyPath,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Option<PathBuf> {
    if let Some(text) = text {
        return place(text, path, reach, document);
    }
    if default.is_none() {
        let hint = format!("say `{path} = \"/some/folder\"`");
        document.problem(path, "it is not set, and there is no home folder", hint);
    }
    default
}

/// A file or a folder that the file names.
pub(super) fn place(
    text: &str,
    path: &KeyPath,
    (base_dir, environment): (&Path, &Environment),
    document: &mut Document<'_>,
) -> Option<PathBuf> {
    if text.is_empty() || text.contains('\0') {
        document.problem(path, format!("`{}` is no path", shown(text)), "name a file or a folder");
        return None;
    }
    let place = environment.resolve(text, base_dir);
    if place.is_none() {
        document.problem(path, "there is no home folder for `~`", "write the whole path");
    }
    place
}

/// The name of a plugin, which is the name of its folder.
pub(super) fn plugin_id(
    text: &str,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Option<PluginId> {
    match text.parse() {
        Ok(id) => Some(id),
        Err(error) => {
            let hint = "say the name of the plugin's folder; `toolgate plugins` lists them";
            document.problem(path, format!("{error}"), hint);
            None
        }
    }
}

fn validate_mode(raw: &RawMode, path: &KeyPath, document: &mut Document<'_>) -> Mode {
    let RawMode { read_only, dry_run, namespaces } = raw;
    let default = Mode::default();
    Mode {
        read_only: read_only.unwrap_or(default.read_only),
        dry_run: dry_run.unwrap_or(default.dry_run),
        namespaces: match namespaces {
            Some(names) => patterns(names, Axis::Namespaces, &path.key("namespaces"), document),
            None => Patterns::all(),
        },
    }
}

type OfPlugins<T> = BTreeMap<PluginId, T>;

fn validate_plugins(
    raw: &BTreeMap<String, Table<RawPlugin>>,
    base: &Limits,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> (OfPlugins<Limits>, OfPlugins<BTreeMap<String, String>>) {
    let mut limits_of = BTreeMap::new();
    let mut settings_of = BTreeMap::new();
    for (name, Table(RawPlugin { limits: Table(limits), settings })) in raw {
        let path = path.key(name);
        let id = plugin_id(name, &path, document);
        let limits = limits::merge(limits, base, &path.key("limits"), document);
        let settings = settings::validate(settings, &path.key("settings"), document);
        let Some(id) = id else { continue };
        if limits != *base {
            limits_of.insert(id.clone(), limits);
        }
        if !settings.is_empty() {
            settings_of.insert(id, settings);
        }
    }
    (limits_of, settings_of)
}

/// Where the rules are. Those of a file say themselves which writes need a person.
fn validate_policy(
    raw: &RawPolicy,
    approvals: &RawApprovals,
    reach: (&Path, &Environment),
    document: &mut Document<'_>,
) -> Option<PathBuf> {
    let RawPolicy { file } = raw;
    let path = KeyPath::root().key("policy").key("file");
    let file = file.as_deref().and_then(|text| place(text, &path, reach, document));
    if file.is_some() && approvals.required.is_some() {
        let path = KeyPath::root().key("approvals").key("required");
        let text = "it is about the rules that come with Toolgate, and `policy.file` names others";
        document.problem(
            &path,
            text,
            "remove it; a rule says `@approval(\"required\")`, or does not",
        );
    }
    file
}

/// An approval that nobody gave within a day is about a cluster that looks different by now.
const APPROVAL_EXPIRES_AFTER_S_MAX: i64 = 86_400;

/// Nobody reads a plan in less than a minute.
const APPROVAL_EXPIRES_AFTER_S_MIN: i64 = 60;

/// Long enough to find the person, short enough that the cluster is still the one they see.
const APPROVAL_EXPIRES_AFTER: Duration = Duration::from_mins(10);

fn validate_approvals(
    raw: &RawApprovals,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Approvals {
    let RawApprovals { expires_after_s, required } = raw;
    let bounds = APPROVAL_EXPIRES_AFTER_S_MIN..=APPROVAL_EXPIRES_AFTER_S_MAX;
    let expires_after = expires_after_s
        .and_then(|value| bounded(value, bounds, &path.key("expires_after_s"), document))
        .map_or(APPROVAL_EXPIRES_AFTER, Duration::from_secs);
    Approvals { expires_after, required: required.unwrap_or(true) }
}
