//! What our own cluster needs from Debian, installed with its own tools.

use std::process::Command;

use anyhow::{Context, Result};

use crate::{process, progress};

pub(crate) const TO_RUN: [&str; 10] = [
    "busybox-static",
    "conntrack",
    "containerd",
    "containernetworking-plugins",
    "etcd-server",
    "iproute2",
    "iptables",
    "openssl",
    "runc",
    "socat",
];

/// The compiler of the release that Debian built Kubernetes with, and what its makefile calls.
pub(crate) const TO_BUILD: [&str; 5] = ["gcc", "golang-1.19-go", "jq", "make", "rsync"];

pub(crate) fn missing(wanted: &[&'static str]) -> Vec<&'static str> {
    wanted.iter().copied().filter(|package| !is_installed(package)).collect()
}

fn is_installed(package: &str) -> bool {
    let mut dpkg = Command::new("dpkg-query");
    let status = process::output(dpkg.args(["-W", "-f", "${db:Status-Status}", package]));
    status.is_ok_and(|status| status == "installed")
}

pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if packages.is_empty() {
        return Ok(());
    }
    progress::note(&format!("from Debian's archive: {}", packages.join(", ")));
    let apt = || {
        let mut apt = Command::new("apt-get");
        apt.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq");
        apt
    };
    let install = || {
        process::output(apt().arg("update"))?;
        process::output(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
    };
    install().with_context(|| format!("could not install {}", packages.join(", ")))?;
    Ok(())
}
