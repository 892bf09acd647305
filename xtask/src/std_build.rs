//! Building the standard library for a wasm target with the compiler that is in use, and laying it
//! into the toolchain, where plain `cargo build --target` then finds it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::process;
use crate::toolchain::{Toolchain, WasmTarget};

/// The crate that has cargo build std as its dependency; it has nothing of its own.
const CARRIER: &str = "carrier";

pub(crate) struct Sources {
    /// The `library` folder of the compiler's own source.
    pub(crate) library: PathBuf,
    /// An unpacked wasi-libc, for targets that have a C runtime.
    pub(crate) wasi: Option<PathBuf>,
}

pub(crate) fn build(
    toolchain: &Toolchain,
    target: WasmTarget,
    sources: &Sources,
    work: &Path,
) -> Result<()> {
    let carrier = work.join(CARRIER);
    let written = write_carrier(&carrier);
    written.with_context(|| format!("could not write `{}`", carrier.display()))?;

    let mut cargo = process::cargo();
    cargo.current_dir(&carrier);
    cargo.args(["build", "--release", "--target", target.triple(), "-Zbuild-std=std,panic_abort"]);
    // Without the symbolizer of backtraces: a plugin is stripped and could not use it.
    cargo.arg("-Zbuild-std-features=");
    cargo.env("CARGO_TARGET_DIR", carrier.join("target"));
    cargo.env("RUSTC", toolchain.rustc());
    // A stable compiler builds its own std only when it is told that this is what goes on.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("__CARGO_TESTS_ONLY_SRC_ROOT", &sources.library);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags(&sources.library));
    process::run(&mut cargo)?;

    let built = carrier.join("target").join(target.triple()).join("release").join("deps");
    let library = toolchain.target_library(target);
    lay_in(&built, sources.wasi.as_deref(), target, &library).with_context(|| {
        format!("could not lay std into `{}`: is the toolchain writable?", library.display())
    })
}

/// As the official builds are: no unwinding on wasm, bitcode for plugins that use LTO, and in panic
/// messages a path that is the same on every machine.
fn flags(library: &Path) -> OsString {
    let mut flags = OsString::from("-Cpanic=abort\u{1f}-Cembed-bitcode=yes\u{1f}");
    flags.push("--remap-path-prefix=");
    flags.push(library);
    flags.push("=/rust/library");
    flags
}

fn write_carrier(carrier: &Path) -> std::io::Result<()> {
    fs::create_dir_all(carrier.join("src"))?;
    // The empty workspace table keeps it out of the workspace whose target folder it lies in.
    let manifest = format!(
        "[package]\nname = \"{CARRIER}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n"
    );
    fs::write(carrier.join("Cargo.toml"), manifest)?;
    fs::write(carrier.join("src/lib.rs"), "")
}

/// Fills a folder beside the final one and renames it: a target is there completely or not at all.
fn lay_in(built: &Path, wasi: Option<&Path>, target: WasmTarget, library: &Path) -> Result<()> {
    let partial = library.with_extension("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    for entry in fs::read_dir(built)? {
        let entry = entry?;
        if belongs_to_std(&entry.file_name().to_string_lossy()) {
            fs::copy(entry.path(), partial.join(entry.file_name()))?;
        }
    }
    if target == WasmTarget::Wasip2 {
        let Some(wasi) = wasi else { bail!("no C runtime was fetched for `{}`", target.triple()) };
        let runtime = wasi.join("usr/lib").join(target.triple());
        let own = partial.join("self-contained");
        fs::create_dir_all(&own)?;
        for file in ["crt1-command.o", "crt1-reactor.o", "libc.a"] {
            fs::copy(runtime.join(file), own.join(file))
                .with_context(|| format!("`{file}` is not in Debian's `wasi-libc`"))?;
        }
    }
    if library.exists() {
        fs::remove_dir_all(library)?;
    }
    Ok(fs::rename(&partial, library)?)
}

fn belongs_to_std(file: &str) -> bool {
    Path::new(file).extension().is_some_and(|end| end == "rlib")
        && !file.starts_with(&format!("lib{CARRIER}-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_place_of_the_sources_out_of_what_is_built() {
        let flags = flags(Path::new("/some where/library"));
        let words: Vec<&str> = flags.to_str().unwrap().split('\u{1f}').collect();
        assert_eq!(words.last(), Some(&"--remap-path-prefix=/some where/library=/rust/library"));
    }

    #[test]
    fn lays_in_the_libraries_of_std_and_nothing_else() {
        let table = [
            ("libstd-0a.rlib", true),
            ("libcore-0a.rlib", true),
            ("libcore-0a.rmeta", false),
            ("std-0a.d", false),
            ("libcarrier-0a.rlib", false),
        ];
        for (file, belongs) in table {
            assert_eq!(belongs_to_std(file), belongs, "{file}");
        }
    }
}
