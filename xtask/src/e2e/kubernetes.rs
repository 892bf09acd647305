//! Kubernetes' programs, built once from Debian's source package and kept for every checkout.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::choice::RELEASE;
use super::packages;
use super::place::{self, KUBERNETES, Place, shown};
use crate::debian::Archive;
use crate::{process, progress};

const PROGRAMS: [&str; 5] =
    ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kubectl"];
const GO: &str = "/usr/lib/go-1.19/bin";
const POLL: Duration = Duration::from_millis(200);
/// How often a build that takes minutes says that it goes on.
const SIGN_OF_LIFE: Duration = Duration::from_mins(1);

pub(crate) fn is_built(place: &Place) -> bool {
    PROGRAMS.iter().all(|program| place.program(program).is_file())
}

pub(crate) fn build(place: &Place) -> Result<()> {
    packages::install(&packages::missing(&packages::TO_BUILD))?;
    let work = place.kubernetes().join("build");
    // What an interrupted build left behind is not worth its gigabytes.
    if work.exists() {
        fs::remove_dir_all(&work)
            .with_context(|| format!("could not remove `{}`", shown(&work)))?;
    }
    fs::create_dir_all(&work).with_context(|| format!("could not create `{}`", shown(&work)))?;
    progress::note(&format!("downloading the source of Kubernetes {KUBERNETES}"));
    let tarball = Archive::open(&work)?.source("kubernetes", RELEASE, &work)?;
    if !shown(&tarball).contains(KUBERNETES) {
        bail!("the source in `{RELEASE}` is `{}`, not {KUBERNETES}", shown(&tarball));
    }
    let tree = work.join("tree");
    fs::create_dir_all(&tree)?;
    let mut tar = Command::new("tar");
    tar.arg("-xf").arg(&tarball).args(["--strip-components=1", "-C"]).arg(&tree);
    process::output(&mut tar)?;
    compile(place, &work, &tree)?;
    lay_in(place, &tree)?;
    // Four gigabytes that nobody needs again; failing to remove them fails nothing.
    let _removed = fs::remove_dir_all(&work);
    Ok(())
}

/// Runs the project's own makefile in the shape of a workspace that it expects.
#[expect(clippy::disallowed_methods, reason = "nothing else goes on in this program")]
fn compile(place: &Place, work: &Path, tree: &Path) -> Result<()> {
    let path = tree.join(".go");
    let packages = path.join("src/k8s.io");
    fs::create_dir_all(&packages)?;
    place::link("../../..", &packages.join("kubernetes"))?;
    let log = place.kubernetes().join("build.log");
    let file = File::create(&log).with_context(|| format!("could not write `{}`", shown(&log)))?;
    let mut make = Command::new("make");
    process::prefix_path(&mut make, GO.as_ref())?;
    let what = PROGRAMS.map(|program| format!("cmd/{program}")).join(" ");
    make.current_dir(tree).arg(format!("WHAT={what}"));
    make.env("GOPATH", &path).env("GOCACHE", work.join("go-cache")).env("CGO_ENABLED", "0");
    make.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    progress::note(&format!("compiling; what the compiler says is in `{}`", shown(&log)));
    let mut child = make.spawn().context("could not run `make`")?;
    let since = Instant::now();
    let mut told = 0;
    loop {
        if let Some(status) = child.try_wait()? {
            if status.success() {
                return Ok(());
            }
            bail!("Kubernetes could not be built ({status})\nhint: see `{}`", shown(&log));
        }
        let minutes = since.elapsed().as_secs() / SIGN_OF_LIFE.as_secs();
        if minutes > told {
            told = minutes;
            progress::note(&format!("still compiling after {minutes} min"));
        }
        std::thread::sleep(POLL);
    }
}

/// Fills a folder beside the final one and renames it: all programs are there, or none.
fn lay_in(place: &Place, tree: &Path) -> Result<()> {
    let partial = place.kubernetes().join("partial");
    if partial.exists() {
        fs::remove_dir_all(&partial)?;
    }
    fs::create_dir_all(&partial)?;
    for program in PROGRAMS {
        let built = tree.join("_output/bin").join(program);
        fs::copy(&built, partial.join(program))
            .with_context(|| format!("the build left no `{}`", shown(&built)))?;
    }
    let said = process::output(
        Command::new(partial.join("kubectl")).args(["version", "--client", "--short"]),
    )?;
    if !said.contains(KUBERNETES) {
        bail!("what was built says that it is `{}`, not {KUBERNETES}", said.trim());
    }
    if place.bin().exists() {
        fs::remove_dir_all(place.bin())?;
    }
    Ok(fs::rename(&partial, place.bin())?)
}
