//! `[grants.<plugin>.<capability>]`: the operator's key of the two.

use std::collections::{BTreeMap, BTreeSet};

use super::document::{Document, KeyPath, list_words};
use super::problem::{shown, similar};
use super::raw::{RawGrant, Table};
use super::validate::plugin_id;
use crate::domain::capability::Capability;
use crate::domain::grant::Grants;
use crate::domain::kind::{self, AskedKind};
use crate::domain::name::{Namespace, PluginId};
use crate::domain::scope::{PATTERN_BYTES_MAX, Patterns, SECRET, Scope};

/// What a list of patterns is about.
#[derive(Clone, Copy)]
pub(super) enum Axis<'a> {
    Clusters(&'a BTreeSet<&'a str>),
    Namespaces,
    Kinds(Capability),
    Names,
}

/// Each use of a capability compares against all of them.
const PATTERNS_MAX: usize = 256;

pub(super) fn validate(
    raw: &BTreeMap<String, BTreeMap<String, Table<RawGrant>>>,
    clusters: &BTreeSet<&str>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> BTreeMap<PluginId, Grants> {
    let mut grants_of = BTreeMap::new();
    for (plugin, raw) in raw {
        let path = path.key(plugin);
        let id = plugin_id(plugin, &path, document);
        let mut grants = Grants::default();
        for (name, Table(raw)) in raw {
            let path = path.key(name);
            let Some(capability) = capability(name, &path, document) else { continue };
            grants.give(capability, scope(raw, capability, clusters, &path, document));
        }
        if let Some(id) = id {
            grants_of.insert(id, grants);
        }
    }
    grants_of
}

fn capability(name: &str, path: &KeyPath, document: &mut Document<'_>) -> Option<Capability> {
    let known = Capability::ALL.into_iter().filter(|c| c.needs_grant()).map(Capability::as_str);
    match name.parse::<Capability>() {
        Ok(capability) if capability.needs_grant() => Some(capability),
        Ok(capability) => {
            let text = format!("`{capability}` needs no grant: every plugin has it");
            document.problem(path, text, "remove the lines");
            None
        }
        Err(_) => {
            let hint = match similar(name, known.clone()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("there are {}", list_words(&known.collect::<Vec<_>>())),
            };
            document.problem(path, "there is no such capability", hint);
            None
        }
    }
}

fn scope(
    raw: &RawGrant,
    capability: Capability,
    configured: &BTreeSet<&str>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Scope {
    let RawGrant { clusters, namespaces, kinds, names } = raw;
    let mut axis = |key: &str, values: &Option<Vec<String>>, axis: Axis<'_>| match values {
        Some(values) => patterns(values, axis, &path.key(key), document),
        None => Patterns::all(),
    };
    let clusters = axis("clusters", clusters, Axis::Clusters(configured));
    let kinds = match (capability, kinds) {
        // No pattern covers secrets, and there is nothing else to read here.
        (Capability::KubernetesSecretValues, None) => {
            Patterns::new([SECRET.to_owned()]).unwrap_or_default()
        }
        (_, kinds) => axis("kinds", kinds, Axis::Kinds(capability)),
    };
    let names = axis("names", names, Axis::Names);
    if namespaces.is_none() && capability.is_namespaced() {
        let text = format!("it is not said where the plugin may {}", capability.words());
        let hint = "list namespaces, `*` for any letters; `namespaces = [\"*\"]` means all";
        document.problem(&path.key("namespaces"), text, hint);
    }
    let namespaces = match namespaces {
        Some(values) => patterns(values, Axis::Namespaces, &path.key("namespaces"), document),
        None => Patterns::default(),
    };
    Scope { clusters, namespaces, kinds, names }
}

/// The patterns that hold; what does not becomes a problem.
pub(super) fn patterns(
    values: &[String],
    axis: Axis<'_>,
    path: &KeyPath,
    document: &mut Document<'_>,
) -> Patterns {
    if values.is_empty() {
        let hint = "say `[\"*\"]` for all of them";
        document.problem(path, "an empty list allows nothing", hint);
    }
    if values.len() > PATTERNS_MAX {
        let text = format!("{} patterns are too many", values.len());
        let hint = format!("name at most {PATTERNS_MAX}, with `*` for those that are alike");
        document.problem(path, text, hint);
        return Patterns::default();
    }
    let mut fitting = Vec::new();
    for (idx, value) in values.iter().enumerate() {
        let path = path.item(idx);
        // Nothing can be said about clusters if their own lines could not be read.
        let readable = document.could_read(&KeyPath::root().key("clusters"));
        match check(value, axis, readable) {
            Ok(()) => fitting.push(value.clone()),
            Err((text, hint)) => document.problem(&path, text, hint),
        }
    }
    Patterns::new(fitting).unwrap_or_default()
}

fn check(value: &str, axis: Axis<'_>, clusters_known: bool) -> Result<(), (String, String)> {
    let is_literal = !value.contains('*');
    let letters = |fits: fn(u8) -> bool| {
        let fits = |b| b == b'*' || b == b'-' || fits(b);
        !value.is_empty() && value.len() <= PATTERN_BYTES_MAX && value.bytes().all(fits)
    };
    let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let (what, fits, made_of) = match axis {
        Axis::Namespaces => {
            let fits = letters(lower) && (!is_literal || value.parse::<Namespace>().is_ok());
            ("namespace", fits, "lower-case letters, digits and `-`")
        }
        Axis::Clusters(_) => {
            let fits = letters(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.');
            ("cluster", fits, "lower-case letters, digits, `-` and `.`")
        }
        Axis::Names => {
            let fits = letters(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'.');
            ("object name", fits, "lower-case letters, digits, `-` and `.`")
        }
        Axis::Kinds(_) => {
            let fits = letters(|b| b.is_ascii_alphanumeric() || b == b'.');
            ("kind", fits, "letters and digits, with its group behind a `.`")
        }
    };
    if !fits {
        let text = format!("`{}` is no pattern for a {what}", shown(value));
        return Err((text, format!("use {made_of}, and `*` for any run of them")));
    }
    match axis {
        Axis::Clusters(known) if is_literal && clusters_known && !known.contains(value) => {
            let hint = match similar(value, known.iter().copied()) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None if known.is_empty() => "configure one under `[clusters.<name>]`".to_owned(),
                None => {
                    format!("there are {}", list_words(&known.iter().copied().collect::<Vec<_>>()))
                }
            };
            Err((format!("there is no cluster `{}`", shown(value)), hint))
        }
        Axis::Kinds(capability) => kind(value, capability),
        Axis::Clusters(_) | Axis::Namespaces | Axis::Names => Ok(()),
    }
}

/// A kind that nothing is called would silently cover nothing.
fn kind(value: &str, capability: Capability) -> Result<(), (String, String)> {
    if capability == Capability::KubernetesSecretValues && value != SECRET {
        let text = format!("`{}` has no secret values", shown(value));
        return Err((text, format!("leave `kinds` out: it is `{SECRET}` here")));
    }
    if value.contains('*') || kind::own(value).is_some() {
        return Ok(());
    }
    match AskedKind::parse(value) {
        Ok(AskedKind::Own(kind, _)) => {
            let text = format!("`{}` is not how the kind is written", shown(value));
            Err((text, format!("did you mean `{}`?", kind.canonical())))
        }
        Ok(AskedKind::Other { version: Some(_), .. }) => {
            let text = format!("`{}` has a version, which a grant is not about", shown(value));
            Err((text, "write `KIND.GROUP`".to_owned()))
        }
        // Grants compare with the kind, not with its plural.
        Ok(AskedKind::Other { word, .. })
            if !word.starts_with(|c: char| c.is_ascii_uppercase()) =>
        {
            let text = format!("`{}` is not how a kind is written", shown(value));
            Err((text, "a kind begins with a capital: `Certificate.cert-manager.io`".to_owned()))
        }
        Ok(AskedKind::Other { .. }) => Ok(()),
        // What an event is about is told without its group.
        Err(_) if capability == Capability::KubernetesEvents => Ok(()),
        Err(error) => Err((format!("there is no kind `{}`", shown(value)), error.to_string())),
    }
}
