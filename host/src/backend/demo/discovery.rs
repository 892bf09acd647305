use serde_json::{Value, json};

use super::custom;
use super::kinds::KINDS;
use super::registry::Kind;
use super::store::{Store, set};

/// The version that the cluster claims: the one whose types this crate is built with.
const GIT_VERSION: &str = "v1.34.1";

/// Answers the paths that describe the API itself; `None` if `path` is not one of them.
pub(super) fn answer(store: &Store, path: &str) -> Option<Value> {
    let segments: Vec<&str> =
        path.trim_end_matches('/').split('/').skip(1).filter(|part| !part.is_empty()).collect();
    match segments.as_slice() {
        ["version"] => Some(version()),
        ["api"] => Some(json!({
            "kind": "APIVersions",
            "versions": ["v1"],
            "serverAddressByClientCIDRs": [
                { "clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443" },
            ],
        })),
        ["apis"] => Some(json!({
            "kind": "APIGroupList",
            "apiVersion": "v1",
            "groups": groups(store).iter().map(|(g, v)| group(g, v)).collect::<Vec<_>>(),
        })),
        ["api", version] => resources(store, "", version),
        ["apis", name] => {
            let (name, versions) = groups(store).into_iter().find(|(group, _)| group == name)?;
            let mut found = group(name, &versions);
            set(&mut found, &["kind"], json!("APIGroup"));
            set(&mut found, &["apiVersion"], json!("v1"));
            Some(found)
        }
        ["apis", group, version] => resources(store, group, version),
        _ => None,
    }
}

/// Whether a path lies below a group that has resources, by its second part.
///
/// A group that a definition brings is not among them: another server answers for those.
pub(super) fn is_served(path: &str, second: &str) -> bool {
    if path.starts_with("/api/") {
        return second == "v1";
    }
    path.starts_with("/apis/") && KINDS.iter().any(|k| k.group == second)
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "34",
        "gitVersion": GIT_VERSION,
        "gitCommit": "93248f9ae092f571eb870b7664c534bfc7d00f03",
        "gitTreeState": "clean",
        "buildDate": "2025-09-09T19:37:20Z",
        "goVersion": "go1.24.6",
        "compiler": "gc",
        "platform": "linux/amd64",
    })
}

/// The groups with their versions, the preferred one first.
fn groups(store: &Store) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut groups: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for kind in custom::all(store).into_iter().filter(|kind| !kind.group.is_empty()) {
        match groups.iter_mut().find(|(group, _)| *group == kind.group) {
            Some((_, versions)) if versions.contains(&kind.version) => {}
            Some((_, versions)) => versions.push(kind.version),
            None => groups.push((kind.group, vec![kind.version])),
        }
    }
    groups
}

fn group(name: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "groupVersion": format!("{name}/{version}"), "version": version }))
        .collect();
    json!({ "name": name, "preferredVersion": versions.first(), "versions": versions })
}

fn resources(store: &Store, group: &str, version: &str) -> Option<Value> {
    let kinds: Vec<&Kind> = custom::all(store)
        .into_iter()
        .filter(|kind| kind.group == group && kind.version == version)
        .collect();
    let group_version = kinds.first()?.api_version();
    let mut resources = Vec::new();
    for kind in kinds {
        let mut entry = json!({
            "name": kind.plural,
            "singularName": kind.singular(),
            "namespaced": kind.namespaced,
            "kind": kind.kind,
            "verbs": kind.verbs(),
        });
        if !kind.short_names.is_empty() {
            set(&mut entry, &["shortNames"], json!(kind.short_names));
        }
        if kind.in_all {
            set(&mut entry, &["categories"], json!(["all"]));
        }
        resources.push(entry);
        for (part, verbs) in kind.subresources() {
            let mut entry = json!({
                "name": format!("{}/{part}", kind.plural),
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": verbs,
            });
            let of = match *part {
                "scale" => Some(("autoscaling", "Scale")),
                "eviction" => Some(("policy", "Eviction")),
                _ => None,
            };
            if let Some((group, name)) = of {
                set(&mut entry, &["group"], json!(group));
                set(&mut entry, &["version"], json!("v1"));
                set(&mut entry, &["kind"], json!(name));
            }
            resources.push(entry);
        }
    }
    Some(json!({
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }))
}
