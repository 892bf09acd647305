//! The two images that pods run, made from Debian's `busybox` on the spot: a cluster for tests
//! needs no registry, and what is never pulled cannot fail to be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::place::{self, Place, shown, write};
use super::settings::{BOX_IMAGE, PAUSE_IMAGE};
use crate::process;

const BUSYBOX: &str = "/bin/busybox";

/// Sleeps for ever; pods of the image without a command run what their `args` say.
const IMAGES: [(&str, &str); 2] =
    [(PAUSE_IMAGE, r#"["/bin/sleep", "2147483647"]"#), (BOX_IMAGE, r#"["/bin/sh", "-c"]"#)];

/// Writes both into one archive, as `docker save` would.
pub(crate) fn archive(place: &Place) -> Result<PathBuf> {
    let work = place.run.join("images");
    let layer = work.join("layer.tar");
    tar(&root(&work.join("root"))?, &layer)?;
    let layer_digest = digest(&layer)?;
    let parts = work.join("parts");
    fs::create_dir_all(&parts)?;
    fs::rename(&layer, parts.join("layer.tar"))?;
    let mut images = Vec::new();
    for (name, entrypoint) in IMAGES {
        let file = parts.join("config");
        write(&file, &config(entrypoint, &layer_digest)?)?;
        let named = format!("{}.json", digest(&file)?);
        fs::rename(&file, parts.join(&named))?;
        images.push(format!(
            r#"{{"Config": "{named}", "RepoTags": ["{name}"], "Layers": ["layer.tar"]}}"#
        ));
    }
    write(&parts.join("manifest.json"), &format!("[{}]\n", images.join(", ")))?;
    let archive = work.join("images.tar");
    tar(&parts, &archive)?;
    Ok(archive)
}

/// Every tool that busybox has, as links to it.
fn root(root: &Path) -> Result<PathBuf> {
    let bin = root.join("bin");
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(root.join("tmp"))?;
    let fetch = || {
        process::output(Command::new("cp").arg(BUSYBOX).arg(bin.join("busybox")))?;
        process::output(Command::new("chmod").arg("1777").arg(root.join("tmp")))?;
        process::output(Command::new(BUSYBOX).arg("--list"))
    };
    let tools = fetch().context("could not lay out `busybox`\nhint: install `busybox-static`")?;
    for tool in tools.lines().filter(|tool| *tool != "busybox") {
        place::link("busybox", &bin.join(tool))?;
    }
    Ok(root.to_owned())
}

fn config(entrypoint: &str, layer_digest: &str) -> Result<String> {
    let architecture = architecture(std::env::consts::ARCH)
        .with_context(|| format!("no image can be made for `{}`", std::env::consts::ARCH))?;
    Ok(format!(
        r#"{{"architecture": "{architecture}", "os": "linux",
  "config": {{"Entrypoint": {entrypoint}, "Env": ["PATH=/bin"]}},
  "rootfs": {{"type": "layers", "diff_ids": ["sha256:{layer_digest}"]}}}}
"#
    ))
}

/// What Go calls it.
fn architecture(rust: &str) -> Option<&'static str> {
    match rust {
        "x86_64" => Some("amd64"),
        "aarch64" => Some("arm64"),
        "powerpc64" => Some("ppc64le"),
        "s390x" => Some("s390x"),
        _ => None,
    }
}

fn tar(folder: &Path, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--mtime=@0", "--owner=0", "--group=0", "--numeric-owner", "-cf"]);
    process::output(tar.arg(archive).arg("-C").arg(folder).arg("."))?;
    Ok(())
}

fn digest(file: &Path) -> Result<String> {
    let printed = process::output(Command::new("sha256sum").arg(file))?;
    let digest = printed.split_whitespace().next();
    Ok(digest.with_context(|| format!("`{}` has no digest", shown(file)))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_architecture_as_images_do() {
        for (rust, go) in [("x86_64", Some("amd64")), ("aarch64", Some("arm64")), ("z80", None)] {
            assert_eq!(architecture(rust), go);
        }
    }

    #[test]
    fn an_image_says_what_it_runs() {
        // Other machines have no cluster of ours.
        let Ok(text) = config(r#"["/bin/sh", "-c"]"#, "ab12") else { return };
        assert!(text.contains(r#""Entrypoint": ["/bin/sh", "-c"]"#), "{text}");
        assert!(text.contains("sha256:ab12"), "{text}");
    }
}
