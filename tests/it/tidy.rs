//! The house rules that a compiler does not know, checked by reading the sources.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use toolgate_tests::repository;

/// Lines of one file: what a reader can hold in mind.
const LINES_MAX: usize = 600;

/// The invariants, as numbered in ARCHITECTURE.md.
const INVARIANTS: usize = 12;

/// One source file of the repository.
struct Source {
    /// From the repository's root, with `/`.
    path: String,
    text: String,
}

impl Source {
    /// The lines of code: no comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(idx, line)| (idx + 1, line));
        lines.filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The lines of code before the file's own tests.
    fn product(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code().take_while(|(_, line)| line.trim() != "#[cfg(test)]")
    }

    /// A file of nothing but tests.
    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }
}

fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    collect(&repository().join(folder), &mut found);
    found.sort();
    let source = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(repository()).unwrap().display().to_string();
        Source { path: path.replace('\\', "/"), text }
    };
    found.into_iter().map(source).collect()
}

fn collect(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "node_modules" {
            collect(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Fails with every line that breaks a rule.
fn require(rule: &str, broken: &[String]) {
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

/// Whether the line names the word as a whole.
fn names(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back().is_none_or(|c| !part(c));
        let after = line[at + word.len()..].chars().next().is_none_or(|c| !part(c));
        before && after
    })
}

/// Crates, and the rooms that may name them.
const CRATES: [(&[&str], &[&str]); 7] = [
    (&["rmcp"], &["transport"]),
    // Two listeners that share nothing: the callers' and the operator's.
    (&["axum"], &["transport", "console"]),
    (&["maud"], &["console"]),
    (&["wasmtime", "wasmtime_wasi", "wasmtime_wasi_io", "wasmparser"], &["sandbox"]),
    (&["kube", "k8s_openapi", "reqwest", "rustls"], &["backend"]),
    (&["cedar_policy"], &["governance/policy"]),
    (&["hyper", "hyper_util"], &["transport", "console", "backend"]),
];

#[test]
fn each_library_is_known_in_one_room() {
    let mut broken = Vec::new();
    for source in sources("host/src") {
        for (crates, rooms) in CRATES {
            if rooms.iter().any(|room| source.path.starts_with(&format!("host/src/{room}/"))) {
                continue;
            }
            for (number, line) in source.code() {
                for name in crates.iter().filter(|name| {
                    line.contains(&format!("{name}::")) || line.contains(&format!("use {name};"))
                }) {
                    if names(line, name) && !line.contains(&format!("::{name}::")) {
                        broken.push(format!("{}:{number} names `{name}`", source.path));
                    }
                }
            }
        }
    }
    require("a library is named outside of its room", &broken);
}

/// Rooms, and the rooms that they never name. Files of a room's own tests may.
const STRANGERS: &[(&str, &[&str])] = &[
    (
        "domain",
        &[
            "backend",
            "capability",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "governance",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    (
        "capability",
        &[
            "backend",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "governance",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    (
        "governance",
        &[
            "backend",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    (
        "sandbox",
        &[
            "backend",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "governance::approval",
            "transport",
            "wiring",
        ],
    ),
    (
        "backend",
        &[
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "governance",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    ("transport", &["backend", "cli", "config", "console", "effects", "sandbox", "wiring"]),
    // It shows, and hands answers on; what runs calls and what carries out writes it never sees.
    (
        "console",
        &["backend", "cli", "config", "effects", "gateway", "permissions", "transport", "wiring"],
    ),
    (
        "config",
        &[
            "backend",
            "cli",
            "console",
            "effects",
            "gateway",
            "governance",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    ("gateway.rs", &["backend", "cli", "config", "console", "effects", "transport", "wiring"]),
    (
        "confirm.rs",
        &[
            "backend",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
    (
        "permissions.rs",
        &["backend", "cli", "config", "console", "effects", "gateway", "transport", "wiring"],
    ),
    (
        "access.rs",
        &[
            "backend",
            "cli",
            "config",
            "console",
            "effects",
            "gateway",
            "sandbox",
            "transport",
            "wiring",
        ],
    ),
];

#[test]
fn rooms_know_only_the_rooms_below_them() {
    let mut broken = Vec::new();
    for source in sources("host/src") {
        let inside = source.path.strip_prefix("host/src/").unwrap();
        let room = inside.split('/').next().unwrap();
        let Some((_, strangers)) = STRANGERS.iter().find(|(name, _)| *name == room) else {
            continue;
        };
        if source.is_test() {
            continue;
        }
        for (number, line) in source.product() {
            if line.contains("crate::{") {
                broken.push(format!("{}:{number} names rooms in a group; one by one", source.path));
            }
            for stranger in *strangers {
                let path = format!("crate::{stranger}");
                if names(line, &path) {
                    broken.push(format!("{}:{number} names `{path}`", source.path));
                }
            }
        }
    }
    require("a room names a room that it must not know", &broken);
}

#[test]
fn adapters_are_seen_by_wiring_and_commands_only() {
    let may = ["host/src/wiring.rs", "host/src/cli/", "host/src/backend/"];
    let mut broken = Vec::new();
    for source in sources("host/src") {
        if may.iter().any(|path| source.path.starts_with(path)) || source.is_test() {
            continue;
        }
        let lines = source.product().filter(|(_, line)| names(line, "crate::backend"));
        broken.extend(lines.map(|(number, line)| format!("{}:{number} {line}", source.path)));
    }
    require("`backend` is named outside of wiring", &broken);
}

#[test]
fn words_of_the_domain_need_no_machine() {
    let mut broken = Vec::new();
    for source in sources("host/src/domain") {
        for (number, line) in source.code() {
            let serde = line.contains("derive(") && line.contains("rialize");
            let foreign = ["async", "tokio", "serde"].iter().any(|word| names(line, word));
            if serde || foreign {
                broken.push(format!("{}:{number} {line}", source.path));
            }
        }
    }
    require("`domain` has something async or a wire format in it", &broken);
}

#[test]
fn plugins_and_their_sdk_know_nothing_of_the_host() {
    let mut broken = Vec::new();
    for folder in ["plugins", "sdk"] {
        for source in sources(folder) {
            let ours = source.code().filter(|(_, line)| {
                line.contains("toolgate::") && !line.contains("toolgate::plugin")
            });
            broken.extend(ours.map(|(number, line)| format!("{}:{number} {line}", source.path)));
        }
    }
    for entry in std::fs::read_dir(repository().join("plugins")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let ours = text.lines().filter(|line| line.starts_with("toolgate"));
        let other = ours.filter(|line| !line.starts_with("toolgate-sdk"));
        broken.extend(other.map(|line| format!("{}: {line}", manifest.display())));
    }
    require("a plugin knows more than the sdk, or the sdk more than the contract", &broken);
}

#[test]
fn files_fit_a_readers_mind() {
    let folders = ["host", "plugins", "sdk", "tests", "xtask"];
    let long = folders.iter().flat_map(|folder| sources(folder)).filter_map(|source| {
        let n_lines = source.text.lines().count();
        (n_lines > LINES_MAX).then(|| format!("{} has {n_lines} lines", source.path))
    });
    require("a file is too long; split it by what it is about", &long.collect::<Vec<_>>());
}

#[test]
fn rooms_say_what_they_are_for() {
    let root = |source: &Source| {
        let (path, name) = source.path.rsplit_once('/').unwrap();
        let room = name == "mod.rs" || name == "lib.rs" || name == "main.rs";
        room || (path == "host/src" && name.len() > ".rs".len())
    };
    let folders = ["host/src", "plugins", "sdk", "tests/it", "tests/src", "xtask/src"];
    let silent = folders.iter().flat_map(|folder| sources(folder));
    let silent = silent.filter(|source| root(source) && !source.text.starts_with("//!"));
    let silent: Vec<_> = silent.map(|source| source.path).collect();
    require("a room does not begin with `//!`: what it owns, and what it must not do", &silent);
}

#[test]
fn unsafe_code_is_in_one_place() {
    let mut found = BTreeMap::new();
    for source in sources("host/src") {
        let lines = source.code().filter(|(_, line)| {
            names(line, "unsafe") || names(line, "unsafe_code") && !line.contains("deny(")
        });
        let n_lines = lines.count();
        if n_lines > 0 {
            found.insert(source.path, n_lines);
        }
    }
    let expected = BTreeMap::from([("host/src/sandbox/cache.rs".to_owned(), 2)]);
    assert_eq!(found, expected, "`unsafe` belongs where compiled code is loaded, and nowhere else");
}

#[test]
fn variables_are_read_with_the_configuration() {
    let words = ["env::var", "env::var_os", "env::vars", "env::set_var"];
    let mut broken = Vec::new();
    for source in sources("host/src") {
        if source.path.starts_with("host/src/config/") {
            continue;
        }
        for (number, line) in source.code() {
            if words.iter().any(|word| names(line, word)) {
                broken.push(format!("{}:{number} {line}", source.path));
            }
        }
    }
    require("a variable of the environment is read outside of `config`", &broken);
}

#[test]
fn a_test_names_each_invariant() {
    let mut named: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for source in ["host", "plugins", "sdk", "tests"].iter().flat_map(|folder| sources(folder)) {
        for (_, line) in source.code() {
            let Some((_, name)) = line.split_once("fn invariant_") else { continue };
            let digits: String = name.chars().take_while(char::is_ascii_digit).collect();
            if let Ok(number) = digits.parse() {
                named.entry(number).or_default().push(source.path.clone());
            }
        }
    }
    let missing: Vec<_> = (1..=INVARIANTS).filter(|number| !named.contains_key(number)).collect();
    let mut text = String::new();
    for number in missing {
        let _ = writeln!(text, "no test is called `invariant_{number:02}_..`");
    }
    assert!(text.is_empty(), "{text}");
    assert!(named.keys().all(|number| (1..=INVARIANTS).contains(number)), "{named:?}");
}
