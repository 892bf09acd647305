//! Giving the toolchain a wasm target: by rustup where its server can be reached, else from the
//! sources of the same compiler version in Debian's archive.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::debian::Archive;
use crate::process;
use crate::progress;
use crate::std_build::{self, Sources};
use crate::toolchain::{Toolchain, WasmTarget};
use crate::workspace::Workspace;

/// A download of 30 MB over a slow line; where a firewall swallows packets, rustup would wait on.
const RUSTUP_LIMIT: Duration = Duration::from_mins(2);

pub(crate) fn missing(toolchain: &Toolchain, wanted: &[WasmTarget]) -> Vec<WasmTarget> {
    wanted.iter().copied().filter(|target| !toolchain.has(*target)).collect()
}

/// Makes every target in `missing` usable, or says what stands in the way.
pub(crate) fn add(
    workspace: &Workspace,
    toolchain: &Toolchain,
    missing: &[WasmTarget],
) -> Result<()> {
    let triples: Vec<&str> = missing.iter().map(|target| target.triple()).collect();
    let refused = match by_rustup(&triples) {
        Ok(()) => "rustup reported success, but the toolchain in use has no std for it".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    let left = self::missing(toolchain, missing);
    if left.is_empty() {
        return Ok(());
    }
    progress::note(&format!("not by rustup: {refused}"));
    by_debian(workspace, toolchain, &left).with_context(|| {
        let names = left.iter().map(|target| target.triple()).collect::<Vec<_>>().join(" ");
        format!(
            "could not add {names}\nhint: run `rustup target add {names}` where its server can be \
             reached, or use Debian with a `rust-src` package of this compiler's version"
        )
    })
}

fn by_rustup(triples: &[&str]) -> Result<()> {
    if process::find("rustup").is_none() {
        bail!("`rustup` is not installed");
    }
    progress::note(&format!("asking rustup for {}", triples.join(", ")));
    let mut rustup = Command::new("rustup");
    // Failing is expected here, and a backtrace of it tells nobody anything.
    rustup.args(["target", "add"]).args(triples).env("RUST_BACKTRACE", "0");
    process::run_bounded(&mut rustup, RUSTUP_LIMIT)
}

fn by_debian(workspace: &Workspace, toolchain: &Toolchain, targets: &[WasmTarget]) -> Result<()> {
    if process::find("apt-get").is_none() || process::find("dpkg").is_none() {
        bail!("`apt-get` and `dpkg`, the other way to the standard library, are not here");
    }
    let release = toolchain.release()?;
    let work = workspace.target.join("wasm-std");
    fs::create_dir_all(&work).with_context(|| format!("could not create `{}`", work.display()))?;

    let mut archive = Archive::open(&work)?;
    progress::note(&format!("looking for rust-src {release} in Debian's archive"));
    let rust = archive.unpack("rust-src", |version| is_release(version, &release))?;
    let library = rust.join("usr/src").join(format!("rustc-{release}")).join("library");
    if !library.join("std").is_dir() {
        bail!("`{}` is not in Debian's `rust-src`", library.display());
    }
    let wasi = if targets.contains(&WasmTarget::Wasip2) {
        Some(archive.unpack("wasi-libc", is_recent_libc)?)
    } else {
        None
    };
    let sources = Sources { library, wasi };
    for target in targets {
        progress::note(&format!("building std {release} for {}", target.triple()));
        std_build::build(toolchain, *target, &sources, &work)?;
    }
    // Half a gigabyte that nobody needs again; failing to remove it fails nothing.
    let _removed = fs::remove_dir_all(&work);
    Ok(())
}

/// `1.95.0+dfsg1-1~bpo13+1` is of release `1.95.0`; the beta `1.95.0~beta.3+dfsg` is not.
fn is_release(version: &str, release: &str) -> bool {
    let upstream = version.split_once(':').map_or(version, |(_epoch, rest)| rest);
    upstream.strip_prefix(release).is_some_and(|rest| rest.starts_with(['+', '-']))
}

/// wasip2's C runtime is not in the versions of before 2025.
fn is_recent_libc(version: &str) -> bool {
    let year = version.split("git").nth(1).and_then(|rest| rest.get(..4));
    match year.and_then(|year| year.parse::<u32>().ok()) {
        Some(year) => year >= 2025,
        // No date in it: upstream has begun to number its releases, which it did after 2025.
        None => version.split(['.', '-', '~']).next().is_some_and(|major| major != "0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_only_the_sources_of_its_own_release() {
        let table = [
            ("1.95.0+dfsg1-1~bpo13+1", true),
            ("1.95.0-1", true),
            ("1:1.95.0+dfsg1-1", true),
            ("1.95.0~beta.3+dfsg1-1", false),
            ("1.95.01+dfsg1-1", false),
            ("1.94.0+dfsg1-1", false),
        ];
        for (version, same) in table {
            assert_eq!(is_release(version, "1.95.0"), same, "{version}");
        }
    }

    #[test]
    fn takes_only_a_libc_that_knows_wasip2() {
        let table = [
            ("0.0~git20221206.8b7148f-1", false),
            ("0.0~git20250317.7b81bfa-1", true),
            ("0.0~git20260101.7b81bfa-1~bpo13+1", true),
            ("29-1", true),
            ("0.0", false),
        ];
        for (version, recent) in table {
            assert_eq!(is_recent_libc(version), recent, "{version}");
        }
    }
}
