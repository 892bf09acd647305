//! Where a cluster of ours lies, outside of the repository, and what is known of one that is up.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::{process, progress};

/// The version that is built and cached; what the source package calls `1.20.5+really1.20.2`.
pub(crate) const KUBERNETES: &str = "1.20.2";

pub(crate) struct Place {
    cache: PathBuf,
    /// Everything of the cluster that is up, and nothing else: `down` removes it.
    pub(crate) run: PathBuf,
}

impl Place {
    pub(crate) fn of_this_person() -> Result<Self> {
        let cache = match process::environment("XDG_CACHE_HOME") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(process::environment("HOME").context(
                "neither `XDG_CACHE_HOME` nor `HOME` is set\nhint: set one; the cluster lies there",
            )?)
            .join(".cache"),
        };
        Ok(Self::at(std::path::absolute(cache)?.join("toolgate")))
    }

    pub(crate) fn at(cache: PathBuf) -> Self {
        Self { run: cache.join("e2e"), cache }
    }

    /// The programs that were built from source.
    pub(crate) fn bin(&self) -> PathBuf {
        self.kubernetes().join("bin")
    }

    pub(crate) fn kubernetes(&self) -> PathBuf {
        self.cache.join(format!("kubernetes-{KUBERNETES}"))
    }

    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.bin().join(name)
    }

    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.run.join("kubeconfig")
    }

    pub(crate) fn audit_log(&self) -> PathBuf {
        self.run.join("audit").join("audit.log")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.run.join("logs")
    }

    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.logs().join(format!("{name}.log"))
    }

    pub(crate) fn pki(&self, file: &str) -> PathBuf {
        self.run.join("pki").join(file)
    }

    pub(crate) fn config(&self, file: &str) -> PathBuf {
        self.run.join("config").join(file)
    }

    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.run.join("containerd").join("containerd.sock")
    }

    /// The folder in which the container runtime and the kubelet see one of the system's.
    pub(crate) fn instead_of(&self, system: &str) -> PathBuf {
        self.run.join("instead").join(system.trim_matches('/').replace('/', "-"))
    }

    /// One terminal at a time makes or removes a cluster, whichever checkout it works in.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.cache.join("e2e.lock");
        let open = || {
            fs::create_dir_all(&self.cache)?;
            File::create(&path)
        };
        let file = open().with_context(|| format!("could not open `{}`", path.display()))?;
        if file.try_lock().is_err() {
            progress::note("waiting for another `cargo xtask e2e` to be done with the cluster");
            file.lock().with_context(|| format!("could not lock `{}`", path.display()))?;
        }
        Ok(file)
    }

    /// The cluster that was brought up last, if its `up` came to an end.
    pub(crate) fn recorded(&self) -> Option<Cluster> {
        Cluster::read(&fs::read_to_string(self.run.join("cluster")).ok()?)
    }

    pub(crate) fn record(&self, cluster: &Cluster) -> Result<()> {
        write(&self.run.join("cluster"), &cluster.written())
    }
}

/// What a test has to know of a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cluster {
    pub(crate) origin: Origin,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) context: String,
    /// The API server's own record of requests, where it can be had.
    pub(crate) audit_log: Option<PathBuf>,
    /// An image with a shell, which the cluster has or can pull.
    pub(crate) box_image: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Named,
    Kind { engine: String },
    Own,
}

impl Cluster {
    fn written(&self) -> String {
        let origin = match &self.origin {
            Origin::Named => "named",
            Origin::Kind { engine } => engine,
            Origin::Own => "own",
        };
        let audit_log = self.audit_log.as_deref().map_or(String::new(), shown);
        let kubeconfig = shown(&self.kubeconfig);
        [origin, &kubeconfig, &self.context, &self.box_image, &audit_log].join("\n")
    }

    fn read(text: &str) -> Option<Self> {
        let mut lines = text.split('\n').map(str::to_owned);
        let origin = match lines.next()?.as_str() {
            "named" => Origin::Named,
            "own" => Origin::Own,
            engine => Origin::Kind { engine: engine.to_owned() },
        };
        Some(Self {
            origin,
            kubeconfig: lines.next()?.into(),
            context: lines.next()?,
            box_image: lines.next()?,
            audit_log: Some(lines.next()?).filter(|path| !path.is_empty()).map(PathBuf::from),
        })
    }
}

pub(crate) fn shown(path: &Path) -> String {
    path.display().to_string()
}

/// Writes a file and the folders above it.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let write = || {
        fs::create_dir_all(path.parent().unwrap_or(path))?;
        fs::write(path, text)
    };
    write().with_context(|| format!("could not write `{}`", path.display()))
}

#[cfg(unix)]
pub(crate) fn link(to: &str, at: &Path) -> Result<()> {
    std::os::unix::fs::symlink(to, at).with_context(|| format!("could not link `{}`", shown(at)))
}

#[cfg(not(unix))]
pub(crate) fn link(_to: &str, at: &Path) -> Result<()> {
    anyhow::bail!("`{}` has to be a link, which this system does not have", shown(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_wrote() {
        for (origin, audit_log) in [
            (Origin::Own, Some("/a/audit.log".into())),
            (Origin::Named, None),
            (Origin::Kind { engine: "podman".to_owned() }, Some("/b c".into())),
        ] {
            let cluster = Cluster {
                origin,
                kubeconfig: "/k".into(),
                context: "e2e".to_owned(),
                audit_log,
                box_image: "toolgate.test/box:1".to_owned(),
            };
            assert_eq!(Cluster::read(&cluster.written()), Some(cluster));
        }
        assert_eq!(Cluster::read("own\n/k"), None);
    }
}
