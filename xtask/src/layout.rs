//! Building components and laying them out as the host serves them:
//! `target/plugins/<name>/{plugin.toml,<name>.wasm}`, and the same under `target/guests`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::progress;
use crate::toolchain::{Toolchain, WasmTarget};
use crate::workspace::{Component, Room, Workspace};

/// The first bytes of a component; a core module has another version behind the magic.
const COMPONENT_PREAMBLE: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// What a room looked like when it was last laid out.
pub(crate) struct Stamp {
    fingerprint: u64,
    names: Vec<String>,
}

impl Stamp {
    fn of(text: &str) -> Option<Self> {
        let (fingerprint, names) = text.split_once('\n')?;
        let names = names.lines().map(str::to_owned).collect();
        Some(Self { fingerprint: fingerprint.parse().ok()?, names })
    }

    fn text(&self) -> String {
        format!("{}\n{}\n", self.fingerprint, self.names.join("\n"))
    }
}

/// Where a room is laid out.
pub(crate) fn folder(workspace: &Workspace, room: Room) -> PathBuf {
    workspace.target.join(room.name())
}

/// Whether nothing has changed since the room was laid out; decided without starting a program.
pub(crate) fn is_fresh(
    workspace: &Workspace,
    toolchain: &Toolchain,
    room: Room,
    components: &[Component],
) -> Result<bool> {
    let Some(stamp) = read_stamp(workspace, room) else { return Ok(false) };
    Ok(stamp.names == names(components)
        && stamp.fingerprint == workspace.fingerprint(room, &toolchain.rustc())?
        && components.iter().all(|component| laid(workspace, room, component).is_file()))
}

/// Builds every component of a room, one cargo for each wasm target that is used, and lays the
/// results out. Files whose bytes did not change keep their times: the host watches them.
pub(crate) fn build(
    workspace: &Workspace,
    toolchain: &Toolchain,
    room: Room,
    components: &[Component],
) -> Result<()> {
    // Before the build: a file saved while it runs must not count as built.
    let fingerprint = workspace.fingerprint(room, &toolchain.rustc())?;
    for target in WasmTarget::ALL {
        let chosen: Vec<&Component> =
            components.iter().filter(|component| component.target == target).collect();
        if !chosen.is_empty() {
            compile(workspace, toolchain, target, &chosen)?;
        }
    }
    for component in components {
        lay_out(workspace, room, component)?;
    }
    remove_departed(workspace, room, components)?;
    let stamp = Stamp { fingerprint, names: names(components) };
    write_changed(&stamp_file(workspace, room), stamp.text().as_bytes())
}

/// A table of what is laid out, with sizes.
pub(crate) fn table(workspace: &Workspace, room: Room, components: &[Component]) -> String {
    let width = components.iter().map(|component| component.name.len()).max().unwrap_or(0);
    let rows: Vec<String> = components
        .iter()
        .map(|component| {
            let bytes = fs::metadata(laid(workspace, room, component)).map_or(0, |file| file.len());
            let size = progress::kilobytes(bytes);
            format!("  {:<width$}  {size:>11}  {}", component.name, component.target.triple())
        })
        .collect();
    format!("{} ({})\n{}", room.name(), components.len(), rows.join("\n"))
}

fn compile(
    workspace: &Workspace,
    toolchain: &Toolchain,
    target: WasmTarget,
    components: &[&Component],
) -> Result<()> {
    let mut cargo = process::cargo();
    cargo.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    cargo.args(["build", "--lib", "--profile", "plugin", "--target", target.triple()]);
    for component in components {
        cargo.args(["-p", &component.package]);
    }
    if target == WasmTarget::UnknownUnknown {
        let linker = toolchain.component_linker();
        if !linker.is_file() {
            bail!(
                "`{}`, which writes components, is not there\nhint: use the toolchain of rustup",
                linker.display()
            );
        }
        // This target's own linker writes core modules; the one of wasip2 writes components.
        cargo.env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker);
        process::prefix_path(&mut cargo, toolchain.module_linkers().as_os_str())?;
    }
    process::run(&mut cargo)
}

fn lay_out(workspace: &Workspace, room: Room, component: &Component) -> Result<()> {
    let triple = component.target.triple();
    let artifact = workspace.target.join(triple).join("plugin").join(component.artifact());
    let bytes = read(&artifact)?;
    if !bytes.starts_with(&COMPONENT_PREAMBLE) {
        bail!("`{}` is not a component: does the crate export a world?", artifact.display());
    }
    write_changed(&laid(workspace, room, component), &bytes)?;
    let manifest = component.folder.join("plugin.toml");
    match room {
        Room::Guests if !manifest.is_file() => Ok(()),
        Room::Plugins | Room::Guests => {
            let beside = laid(workspace, room, component).with_file_name("plugin.toml");
            write_changed(&beside, &read(&manifest)?)
        }
    }
}

/// Removes what an earlier build laid out and this one does not have; never a stranger's folder.
fn remove_departed(workspace: &Workspace, room: Room, components: &[Component]) -> Result<()> {
    let Some(stamp) = read_stamp(workspace, room) else { return Ok(()) };
    let present = names(components);
    for name in departed(&stamp.names, &present) {
        let gone = folder(workspace, room).join(name);
        if gone.is_dir() {
            fs::remove_dir_all(&gone)
                .with_context(|| format!("could not remove `{}`", gone.display()))?;
        }
    }
    Ok(())
}

fn departed<'a>(before: &'a [String], now: &[String]) -> Vec<&'a str> {
    // A stamp is a file anybody could have edited: a name with a path in it is no name of ours.
    let ours = |name: &&String| !name.is_empty() && !name.contains(['/', '\\', '.']);
    before.iter().filter(ours).filter(|name| !now.contains(name)).map(String::as_str).collect()
}

fn names(components: &[Component]) -> Vec<String> {
    components.iter().map(|component| component.name.clone()).collect()
}

fn laid(workspace: &Workspace, room: Room, component: &Component) -> PathBuf {
    folder(workspace, room).join(&component.name).join(format!("{}.wasm", component.name))
}

fn stamp_file(workspace: &Workspace, room: Room) -> PathBuf {
    workspace.target.join(format!("{}.stamp", room.name()))
}

fn read_stamp(workspace: &Workspace, room: Room) -> Option<Stamp> {
    Stamp::of(&fs::read_to_string(stamp_file(workspace, room)).ok()?)
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("could not read `{}`", file.display()))
}

/// Writes beside the file and renames, so that a host that is watching never loads half of it.
fn write_changed(file: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    let write = || {
        if let Some(parent) = file.parent() {
            fs::create_dir_all(parent)?;
        }
        let partial = file.with_extension("partial");
        fs::write(&partial, bytes)?;
        fs::rename(&partial, file)
    };
    write().with_context(|| format!("could not write `{}`", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        Workspace { root: "/r".into(), target: "/r/target".into() }
    }

    fn component(name: &str) -> Component {
        Component {
            name: name.into(),
            package: format!("toolgate-plugin-{name}"),
            folder: format!("/r/plugins/{name}").into(),
            target: WasmTarget::UnknownUnknown,
        }
    }

    #[test]
    fn lays_a_component_out_where_the_host_looks() {
        let table = [
            (Room::Plugins, "/r/target/plugins/pods/pods.wasm"),
            (Room::Guests, "/r/target/guests/pods/pods.wasm"),
        ];
        for (room, path) in table {
            assert_eq!(laid(&workspace(), room, &component("pods")), Path::new(path));
        }
    }

    #[test]
    fn a_stamp_survives_being_written() {
        let names = vec!["events".to_owned(), "pods".to_owned()];
        let read = Stamp::of(&Stamp { fingerprint: 7, names: names.clone() }.text()).unwrap();
        assert_eq!((read.fingerprint, read.names), (7, names));
        assert!(Stamp::of("").is_none());
        assert!(Stamp::of("seven\npods").is_none());
    }

    #[test]
    fn removes_only_what_it_laid_out_itself() {
        let before = ["gone", "kept", "../../etc", ""].map(str::to_owned);
        assert_eq!(departed(&before, &["kept".to_owned()]), ["gone"]);
    }

    #[test]
    fn names_every_component_in_the_table() {
        let text = table(&workspace(), Room::Plugins, &[component("pods"), component("logs")]);
        assert!(text.starts_with("plugins (2)"), "{text}");
        assert!(text.contains("pods") && text.contains("wasm32-unknown-unknown"), "{text}");
    }
}
