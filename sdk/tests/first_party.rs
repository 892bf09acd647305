//! The first-party plugins, from outside: their manifests and the snapshots of their definitions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its files fails")]

use std::fs;
use std::path::{Path, PathBuf};

/// What the default set may cost in every client's context.
const BYTES_MAX: usize = 16_000;
/// Plugins that an operator adds by folder, beside the default set. The mode of the default set is
/// read-only, in which nothing that writes is listed.
const EXTRA: [&str; 4] = ["capacity", "networking", "node-ops", "remediation"];
/// What the tools of one of them may cost, on average.
const EXTRA_TOOL_BYTES_MAX: usize = 1_100;
/// The names of the fields and the hints that the host derives, for each tool.
const FRAME_BYTES: usize = 150;

struct FirstParty {
    name: String,
    manifest: String,
    definitions: String,
}

/// The plugins that offer something of a sort, in order of name.
fn plugins(file: &str) -> Vec<FirstParty> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut folders: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let of = |path: &PathBuf| {
        let definitions = path.join(file);
        FirstParty {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            manifest: read(&path.join("plugin.toml")),
            definitions: if definitions.exists() { read(&definitions) } else { String::new() },
        }
    };
    folders.iter().map(of).collect()
}

/// How many tools there are, and what listing them costs.
fn cost<'a>(plugins: impl Iterator<Item = &'a FirstParty>) -> (usize, usize) {
    plugins.fold((0, 0), |(n_tools, n_bytes), plugin| {
        let n_more = blocks(&plugin.definitions).count();
        (n_tools + n_more, n_bytes + plugin.definitions.len() + n_more * FRAME_BYTES)
    })
}

fn blocks(definitions: &str) -> impl Iterator<Item = &str> {
    definitions.split("\n\n").filter(|tool| !tool.is_empty())
}

#[test]
fn definitions_of_the_default_set_stay_small() {
    let plugins = plugins("definitions.txt");
    let is_extra = |plugin: &&FirstParty| EXTRA.contains(&plugin.name.as_str());
    let (n_tools, n_bytes) = cost(plugins.iter().filter(|plugin| !is_extra(plugin)));
    assert!(n_tools >= 15, "only {n_tools} tools: a snapshot is missing");
    assert!(n_bytes <= BYTES_MAX, "{n_tools} tools take {n_bytes} bytes, more than {BYTES_MAX}");
    let (n_tools, n_bytes) = cost(plugins.iter().filter(is_extra));
    assert!(n_tools >= 9, "only {n_tools} more tools: a snapshot is missing");
    let bytes_max = n_tools * EXTRA_TOOL_BYTES_MAX;
    assert!(n_bytes <= bytes_max, "{n_tools} more tools take {n_bytes} bytes, not {bytes_max}");
}

#[test]
fn manifests_list_what_is_offered() {
    for (table, file) in
        [("tools", "definitions.txt"), ("prompts", "prompts.txt"), ("resources", "resources.txt")]
    {
        for FirstParty { manifest, definitions, .. } in plugins(file) {
            let header = format!("[{table}.");
            let listed = manifest.lines().filter_map(|line| line.strip_prefix(&header));
            let mut listed: Vec<&str> = listed.filter_map(|line| line.strip_suffix(']')).collect();
            let mut offered: Vec<&str> =
                blocks(&definitions).filter_map(|offer| offer.lines().next()).collect();
            listed.sort_unstable();
            offered.sort_unstable();
            assert_eq!(listed, offered, "{manifest}");
        }
    }
}
