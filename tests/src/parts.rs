//! Where components lie, and how they are named: `plugins/pods`, `guests/echo`, `wat/trap`.

use std::path::{Path, PathBuf};

use toolgate::domain::capability::Capability;

use crate::generate;

/// A plugin's two files.
#[derive(Debug, Clone)]
pub struct Part {
    /// The name of its folder.
    pub name: String,
    /// `plugin.toml`
    pub manifest: String,
    /// The component.
    pub wasm: Vec<u8>,
}

impl Part {
    /// Finds a component by where it comes from: a plugin or a guest as it was built, or a guest
    /// written as text.
    pub fn find(source: &str) -> Self {
        let (room, name) = source.split_once('/').expect("a source is `room/name`");
        if room == "wat" {
            let file = repository().join("tests/wat").join(format!("{name}.wat"));
            let text = std::fs::read_to_string(&file)
                .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            return Self::of_text(name, &text);
        }
        let folder = target_dir().join(room).join(name);
        let read = |file: &str| {
            let path = folder.join(file);
            std::fs::read(&path).unwrap_or_else(|error| {
                panic!("{}: {error}; run `cargo xtask plugins` first", path.display())
            })
        };
        let manifest = String::from_utf8(read("plugin.toml")).expect("a manifest is text");
        Self { name: name.to_owned(), manifest, wasm: read(&format!("{name}.wasm")) }
    }

    /// A guest of text in the form of `tests/wat/`.
    pub fn of_text(name: &str, text: &str) -> Self {
        Self {
            name: name.to_owned(),
            manifest: generate::manifest(name, text),
            wasm: generate::guest(text),
        }
    }

    /// The plugin of that name, made of any bytes; its manifest lists one tool, `tool`.
    pub fn of_bytes(name: &str, tool: &str, wasm: Vec<u8>) -> Self {
        let source = format!(";; tool: {tool}\n");
        Self { name: name.to_owned(), manifest: generate::manifest(name, &source), wasm }
    }

    /// The lines of a configuration that grant all that its manifest asks for, each as far as
    /// `reach` says: `namespaces = ["shop"]`.
    pub fn grants(&self, reach: &str) -> String {
        let asked = self.manifest.lines().filter_map(|line| {
            let name = line.trim().strip_prefix("[capabilities.")?.strip_suffix(']')?;
            let capability: Capability = name.parse().expect("a manifest asks for what there is");
            capability.needs_grant().then_some(capability)
        });
        let grants: Vec<_> =
            asked.map(|name| format!("[grants.{}.{name}]\n{reach}\n", self.name)).collect();
        grants.concat()
    }

    /// Lays the files out as the host looks for them.
    pub fn lay_out(&self, plugins_dir: &Path) {
        let folder = plugins_dir.join(&self.name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("plugin.toml"), &self.manifest).unwrap();
        std::fs::write(folder.join(format!("{}.wasm", self.name)), &self.wasm).unwrap();
    }
}

/// [`Part::grants`] of a component, by where it comes from.
pub fn grants(source: &str, reach: &str) -> String {
    Part::find(source).grants(reach)
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the repository")
}

/// The folder that cargo builds into: the one that this very program lies in, wherever that is.
pub fn target_dir() -> PathBuf {
    let program = std::env::current_exe().expect("the system knows this program");
    let built = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    built.map_or_else(|| repository().join("target"), Path::to_owned)
}

/// The program itself, which is also the compiler of components.
pub fn toolgate() -> PathBuf {
    let program =
        target_dir().join("debug").join(format!("toolgate{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.is_file(),
        "{} is not there; run `cargo build -p toolgate` first",
        program.display()
    );
    program
}
