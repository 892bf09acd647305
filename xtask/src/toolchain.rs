//! The Rust toolchain that is in use, and what it has for WebAssembly. Reads only.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// What a component can be compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WasmTarget {
    /// No WASI at all: what first-party plugins are built for.
    UnknownUnknown,
    /// std with WASI underneath: what many authors will bring.
    Wasip2,
}

impl WasmTarget {
    pub(crate) const ALL: [Self; 2] = [Self::UnknownUnknown, Self::Wasip2];

    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::UnknownUnknown => "wasm32-unknown-unknown",
            Self::Wasip2 => "wasm32-wasip2",
        }
    }

    pub(crate) fn from_triple(triple: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.triple() == triple)
    }
}

pub(crate) struct Toolchain {
    pub(crate) sysroot: PathBuf,
    host: String,
}

impl Toolchain {
    pub(crate) fn detect() -> Result<Self> {
        let mut rustc = Command::new("rustc");
        let printed = process::output(rustc.args(["--print=sysroot", "--print=host-tuple"]))?;
        let mut lines = printed.lines();
        let sysroot = lines.next().context("`rustc --print=sysroot` printed nothing")?;
        let host = lines.next().context("`rustc --print=host-tuple` printed nothing")?;
        Ok(Self { sysroot: sysroot.into(), host: host.into() })
    }

    pub(crate) fn rustc(&self) -> PathBuf {
        self.sysroot.join("bin").join(format!("rustc{}", std::env::consts::EXE_SUFFIX))
    }

    /// `1.95.0`, or with `-nightly` behind it.
    pub(crate) fn release(&self) -> Result<String> {
        let text = process::output(Command::new(self.rustc()).arg("-vV"))?;
        let release = text.lines().find_map(|line| line.strip_prefix("release: "));
        Ok(release.context("`rustc -vV` does not say its release")?.trim().to_owned())
    }

    pub(crate) fn has(&self, target: WasmTarget) -> bool {
        has_std(&self.target_library(target))
    }

    pub(crate) fn target_library(&self, target: WasmTarget) -> PathBuf {
        self.rustlib().join(target.triple()).join("lib")
    }

    /// The linker that writes a component instead of a module; it comes with rustc.
    pub(crate) fn component_linker(&self) -> PathBuf {
        let name = format!("wasm-component-ld{}", std::env::consts::EXE_SUFFIX);
        self.rustlib().join(&self.host).join("bin").join(name)
    }

    /// Where that linker finds the `wasm-ld` that it calls.
    pub(crate) fn module_linkers(&self) -> PathBuf {
        self.rustlib().join(&self.host).join("bin").join("gcc-ld")
    }

    fn rustlib(&self) -> PathBuf {
        self.sysroot.join("lib").join("rustlib")
    }
}

/// A target counts as present when its std is there, whoever put it there.
fn has_std(library: &Path) -> bool {
    let Ok(files) = std::fs::read_dir(library) else { return false };
    files.flatten().any(|file| is_std(&file.file_name().to_string_lossy()))
}

fn is_std(file: &str) -> bool {
    file.starts_with("libstd-") && Path::new(file).extension().is_some_and(|end| end == "rlib")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_present_when_its_std_is() {
        let table = [
            ("libstd-0a1b2c3d.rlib", true),
            ("libstd_detect-0a1b2c3d.rlib", false),
            ("libstd-0a1b2c3d.so", false),
            ("libcore-0a1b2c3d.rlib", false),
        ];
        for (file, present) in table {
            assert_eq!(is_std(file), present, "{file}");
        }
        assert!(!has_std(Path::new("/nowhere")));
    }

    #[test]
    fn finds_a_target_by_its_triple() {
        for target in WasmTarget::ALL {
            assert_eq!(WasmTarget::from_triple(target.triple()), Some(target));
        }
        assert_eq!(WasmTarget::from_triple("wasm32-wasip1"), None);
    }
}
