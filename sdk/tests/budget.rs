//! What all first-party tools cost a client's context, from the plugins' snapshots.

use std::fs;
use std::path::Path;

/// A default set of about fourteen tools has to stay below 16 KiB; these are nine of them.
const BYTES_MAX: usize = 11_700;
/// The names of the fields and the hints that the host derives, for each tool.
const FRAME_BYTES: usize = 150;

#[test]
fn definitions_of_all_plugins_stay_small() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
    let (mut n_tools, mut n_bytes) = (0, 0);
    for plugin in fs::read_dir(plugins).unwrap() {
        let Ok(text) = fs::read_to_string(plugin.unwrap().path().join("definitions.txt")) else {
            continue;
        };
        n_tools += text.split("\n\n").filter(|tool| !tool.is_empty()).count();
        n_bytes += text.len();
    }
    assert!(n_tools >= 9, "only {n_tools} tools: a snapshot is missing");
    let total = n_bytes + n_tools * FRAME_BYTES;
    assert!(total <= BYTES_MAX, "{n_tools} tools take {total} bytes, more than {BYTES_MAX}");
}
