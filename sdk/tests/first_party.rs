//! The first-party plugins, from outside: their manifests and the snapshots of their definitions.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot read its files fails")]

use std::fs;
use std::path::Path;

/// A default set of about fourteen tools has to stay below 16 KiB; these are nine of them.
const BYTES_MAX: usize = 11_700;
/// The names of the fields and the hints that the host derives, for each tool.
const FRAME_BYTES: usize = 150;

/// The manifest of every plugin, and the definitions of its tools, prompts or resources where it has
/// any, in order of name.
fn plugins(offers: &str) -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let mut folders: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    let read = |path: &Path| {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let pair = |path: &Path| {
        let definitions = path.join(offers);
        let definitions = if definitions.exists() { read(&definitions) } else { String::new() };
        (read(&path.join("plugin.toml")), definitions)
    };
    folders.iter().map(|path| pair(path)).collect()
}

fn blocks(definitions: &str) -> impl Iterator<Item = &str> {
    definitions.split("\n\n").filter(|tool| !tool.is_empty())
}

#[test]
fn definitions_of_all_tools_stay_small() {
    let plugins = plugins("definitions.txt");
    let n_tools: usize = plugins.iter().map(|(_, definitions)| blocks(definitions).count()).sum();
    let n_bytes: usize = plugins.iter().map(|(_, definitions)| definitions.len()).sum();
    assert!(n_tools >= 9, "only {n_tools} tools: a snapshot is missing");
    let total = n_bytes + n_tools * FRAME_BYTES;
    assert!(total <= BYTES_MAX, "{n_tools} tools take {total} bytes, more than {BYTES_MAX}");
}

#[test]
fn manifests_list_what_is_offered() {
    for (table, file) in
        [("tools", "definitions.txt"), ("prompts", "prompts.txt"), ("resources", "resources.txt")]
    {
        for (manifest, definitions) in plugins(file) {
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
