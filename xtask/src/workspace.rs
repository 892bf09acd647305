//! What lies in the repository: the components under `plugins/` and `tests/guests/`, found by
//! reading the folders, so that adding a plugin needs no line here.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::toolchain::WasmTarget;

/// A folder of components, and the folder under `target/` that they are laid out in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    Plugins,
    Guests,
}

impl Room {
    pub(crate) const ALL: [Self; 2] = [Self::Plugins, Self::Guests];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plugins => "plugins",
            Self::Guests => "guests",
        }
    }

    fn folder(self) -> &'static str {
        match self {
            Self::Plugins => "plugins",
            Self::Guests => "tests/guests",
        }
    }
}

/// One crate that becomes a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// The folder's name: what the component is called where it is served.
    pub(crate) name: String,
    pub(crate) package: String,
    pub(crate) folder: PathBuf,
    pub(crate) target: WasmTarget,
}

impl Component {
    /// The file that cargo writes for it.
    pub(crate) fn artifact(&self) -> String {
        format!("{}.wasm", self.package.replace('-', "_"))
    }
}

pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target: PathBuf,
}

impl Workspace {
    pub(crate) fn open() -> Result<Self> {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = here.parent().context("the xtask crate lies in no workspace")?.to_path_buf();
        let target = match process::environment("CARGO_TARGET_DIR") {
            Some(folder) => std::path::absolute(PathBuf::from(folder))?,
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// The crates of a room, by name. A folder without a `Cargo.toml` belongs to somebody else.
    pub(crate) fn components(&self, room: Room) -> Result<Vec<Component>> {
        let mut found = Vec::new();
        for folder in folders(&self.root.join(room.folder()))? {
            let manifest = folder.join("Cargo.toml");
            if manifest.is_file() {
                let text = std::fs::read_to_string(&manifest)
                    .with_context(|| format!("could not read `{}`", manifest.display()))?;
                found.push(component(&folder, &text)?);
            }
        }
        Ok(found)
    }

    /// A number that changes when a file that goes into the components of `room` does. Reads no
    /// file: name, size and modification time say enough, and say it in milliseconds.
    pub(crate) fn fingerprint(&self, room: Room, toolchain: &Path) -> Result<u64> {
        let mut hasher = DefaultHasher::new();
        for part in [room.folder(), "sdk", "wit", "Cargo.toml", "Cargo.lock"] {
            hash_tree(&self.root.join(part), &mut hasher)?;
        }
        hash_tree(toolchain, &mut hasher)?;
        Ok(hasher.finish())
    }
}

fn component(folder: &Path, manifest: &str) -> Result<Component> {
    let named = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
    let Some(package) = string_in(manifest, "package", "name") else {
        bail!("`{}/Cargo.toml` has no `name` under `[package]`", folder.display());
    };
    let target = match string_in(manifest, "package.metadata.toolgate", "target") {
        None => WasmTarget::UnknownUnknown,
        Some(triple) => WasmTarget::from_triple(triple).with_context(|| {
            let known = WasmTarget::ALL.map(WasmTarget::triple).join("`, `");
            format!("`{named}` asks for target `{triple}`\nhint: known are `{known}`")
        })?,
    };
    Ok(Component { name: named, package: package.to_owned(), folder: folder.into(), target })
}

/// The string `key = "…"` of `[table]`. Our own manifests are plain enough for reading by line.
fn string_in<'a>(manifest: &'a str, table: &str, key: &str) -> Option<&'a str> {
    let mut inside = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(rest) = line.strip_prefix('[') {
            inside = rest.split(']').next().is_some_and(|name| name.trim() == table);
        } else if inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            return value.split('"').nth(1);
        }
    }
    None
}

fn folders(parent: &Path) -> Result<Vec<PathBuf>> {
    if !parent.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent)
        .with_context(|| format!("could not list `{}`", parent.display()))?
    {
        let path = entry?.path();
        if path.is_dir() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

fn hash_tree(path: &Path, hasher: &mut DefaultHasher) -> Result<()> {
    let Ok(seen) = std::fs::metadata(path) else { return Ok(()) };
    path.hash(hasher);
    if !seen.is_dir() {
        seen.len().hash(hasher);
        seen.modified()?.hash(hasher);
        return Ok(());
    }
    let mut entries = std::fs::read_dir(path)
        .with_context(|| format!("could not list `{}`", path.display()))?
        .collect::<std::io::Result<Vec<_>>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if !name.starts_with('.') && !matches!(&*name, "target" | "node_modules" | "__pycache__") {
            hash_tree(&entry.path(), hasher)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [package]
        name = "toolgate-plugin-pods" # shown to nobody
        version.workspace = true

        [package.metadata.toolgate]
        target = "wasm32-wasip2"

        [dependencies]
        name = "not-this-one"
    "#;

    #[test]
    fn reads_what_a_manifest_says() {
        let table = [
            ("package", "name", Some("toolgate-plugin-pods")),
            ("package.metadata.toolgate", "target", Some("wasm32-wasip2")),
            ("package", "description", None),
            ("lib", "name", None),
        ];
        for (section, key, value) in table {
            assert_eq!(string_in(MANIFEST, section, key), value, "{section}.{key}");
        }
    }

    #[test]
    fn builds_without_wasi_unless_a_crate_asks_for_it() {
        let folder = Path::new("plugins/pods");
        let asked = component(folder, MANIFEST).unwrap();
        assert_eq!((asked.name.as_str(), asked.target), ("pods", WasmTarget::Wasip2));
        assert_eq!(asked.artifact(), "toolgate_plugin_pods.wasm");

        let plain = component(folder, "[package]\nname = \"x\"").unwrap();
        assert_eq!(plain.target, WasmTarget::UnknownUnknown);
    }

    #[test]
    fn refuses_a_target_that_it_cannot_set_up() {
        let text = MANIFEST.replace("wasm32-wasip2", "wasm32-wasip1");
        let error = component(Path::new("plugins/pods"), &text).unwrap_err().to_string();
        assert!(error.contains("`wasm32-wasip1`") && error.contains("hint:"), "{error}");
    }

    #[test]
    fn finds_no_components_where_there_is_no_folder() {
        assert_eq!(folders(Path::new("/nowhere")).unwrap(), Vec::<PathBuf>::new());
    }
}
