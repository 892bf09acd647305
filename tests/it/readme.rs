//! What the README shows is what there is.

use std::path::Path;

use toolgate::config::Config;
use toolgate_tests::repository;

fn read(path: &str) -> String {
    std::fs::read_to_string(repository().join(path)).unwrap()
}

/// The fenced block that begins with the line.
fn block<'a>(text: &'a str, fence: &str, first_line: &str) -> &'a str {
    let begin = text.find(&format!("```{fence}\n{first_line}")).expect("the README has the block");
    let body = &text[begin + fence.len() + 4..];
    &body[..=body.find("\n```").expect("the block ends")]
}

#[test]
fn the_configuration_of_the_readme_is_valid() {
    let readme = read("README.md");
    let text = block(&readme, "toml", "# toolgate.toml");
    let config = Config::parse(text, Path::new("/etc/toolgate")).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.grants.len(), 5);
    assert!(!config.mode.read_only);
}

#[test]
fn the_plugin_of_the_readme_is_the_one_that_the_sdk_compiles() {
    let readme = read("README.md");
    let shown = block(&readme, "rust", "use toolgate_sdk::prelude::*;");
    let sdk = read("sdk/src/lib.rs");
    let compiled: Vec<&str> = sdk
        .lines()
        .skip_while(|line| *line != "//! ```")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| line.trim_start_matches("//!").strip_prefix(' ').unwrap_or_default())
        .filter(|line| !line.starts_with('#') || line.starts_with("#["))
        .collect();
    assert_eq!(shown.trim_end(), compiled.join("\n").trim_end());
}

#[test]
fn every_tool_and_prompt_is_in_the_readme() {
    let readme = read("README.md");
    for entry in std::fs::read_dir(repository().join("plugins")).unwrap() {
        let manifest = entry.unwrap().path().join("plugin.toml");
        let manifest = std::fs::read_to_string(manifest).unwrap();
        for line in manifest.lines() {
            let offer = line.strip_prefix("[tools.").or_else(|| line.strip_prefix("[prompts."));
            if let Some(name) = offer.and_then(|rest| rest.strip_suffix(']')) {
                assert!(readme.contains(&format!("`{name}`")), "README.md does not name `{name}`");
            }
        }
    }
}
