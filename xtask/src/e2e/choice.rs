//! Which cluster a run gets: the one that is named, else `kind`, else one of our own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, bail};

use super::request::Named;
use crate::process;

/// What the recipe of our own cluster was tried with: its archive has Kubernetes' sources, and a
/// compiler of their time.
pub(crate) const RELEASE: &str = "bookworm";

/// An engine that is there answers in a moment; one whose machine is gone never does.
const ENGINE_LIMIT: Duration = Duration::from_secs(15);
const ENGINES: [&str; 3] = ["docker", "podman", "nerdctl"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    Named(Named),
    /// `kind`, on the container engine of that name.
    Kind(&'static str),
    /// Assembled here, from Debian's packages.
    Own,
}

/// What decides it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Machine {
    pub(crate) has_kind: bool,
    pub(crate) engine: Option<&'static str>,
    pub(crate) is_root: bool,
    /// The code name of a Debian release.
    pub(crate) release: Option<String>,
    pub(crate) has_cgroups: bool,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let has_kind = process::find("kind").is_some();
        let os_release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
        Self {
            has_kind,
            // Asked only where it matters: it can take a while to say no.
            engine: if has_kind { ENGINES.into_iter().find(|name| answers(name)) } else { None },
            is_root: process::output(Command::new("id").arg("-u"))
                .is_ok_and(|printed| printed.trim() == "0"),
            release: debian_release(&os_release),
            has_cgroups: ["cgroup.controllers", "memory"]
                .iter()
                .any(|name| Path::new("/sys/fs/cgroup").join(name).exists()),
        }
    }
}

fn answers(engine: &str) -> bool {
    let mut command = Command::new(engine);
    command.arg("info").stdout(Stdio::null()).stderr(Stdio::null());
    process::find(engine).is_some() && process::run_bounded(&mut command, ENGINE_LIMIT).is_ok()
}

fn debian_release(os_release: &str) -> Option<String> {
    let field = |name: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    (field("ID")? == "debian").then(|| field("VERSION_CODENAME"))?
}

/// Decides, or says what this machine lacks for each of the ways.
pub(crate) fn choose(named: Option<Named>, machine: &Machine) -> Result<Choice> {
    if let Some(named) = named {
        return Ok(Choice::Named(named));
    }
    if let (true, Some(engine)) = (machine.has_kind, machine.engine) {
        return Ok(Choice::Kind(engine));
    }
    let mut lacks = Vec::new();
    match &machine.release {
        Some(release) if release == RELEASE => {}
        Some(release) => lacks.push(format!("it runs Debian `{release}`, not `{RELEASE}`")),
        None => lacks.push(format!("it does not run Debian `{RELEASE}`")),
    }
    if !machine.is_root {
        lacks.push("this is not root".to_owned());
    }
    if !machine.has_cgroups {
        lacks.push("`/sys/fs/cgroup` has no `memory` controller".to_owned());
    }
    if lacks.is_empty() {
        return Ok(Choice::Own);
    }
    let kind = if machine.has_kind {
        "`kind` is here, but no container engine answers"
    } else {
        "`kind` is not installed"
    };
    bail!(
        "there is no cluster for the tests: {kind}; and this machine cannot host one of our own: \
         {}\nhint: name a cluster that may be used up, `cargo xtask e2e --kubeconfig FILE \
         --context NAME`; or install `kind` and a container engine; or be root on Debian \
         `{RELEASE}`",
        lacks.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn debian() -> Machine {
        Machine {
            is_root: true,
            release: Some(RELEASE.to_owned()),
            has_cgroups: true,
            ..Machine::default()
        }
    }

    fn named() -> Named {
        Named { kubeconfig: "/k".into(), context: None, audit_log: None, box_image: None }
    }

    #[test]
    fn prefers_what_is_named_then_kind_then_its_own() {
        let with_kind = Machine { has_kind: true, engine: Some("podman"), ..debian() };
        let without_engine = Machine { has_kind: true, ..debian() };
        let table = [
            (Some(named()), with_kind.clone(), Choice::Named(named())),
            (Some(named()), Machine::default(), Choice::Named(named())),
            (None, with_kind, Choice::Kind("podman")),
            (None, without_engine, Choice::Own),
            (None, debian(), Choice::Own),
        ];
        for (named, machine, choice) in table {
            assert_eq!(choose(named, &machine).unwrap(), choice, "{machine:?}");
        }
    }

    #[test]
    fn says_what_a_machine_lacks() {
        let table = [
            (Machine::default(), "`kind` is not installed"),
            (Machine { has_kind: true, ..Machine::default() }, "no container engine answers"),
            (Machine { is_root: false, ..debian() }, "not root"),
            (Machine { has_cgroups: false, ..debian() }, "`memory` controller"),
            (Machine { release: Some("trixie".to_owned()), ..debian() }, "`trixie`"),
            (Machine { release: None, ..debian() }, "does not run Debian"),
        ];
        for (machine, said) in table {
            let error = choose(None, &machine).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("hint:"), "{machine:?}: {error}");
        }
    }

    #[test]
    fn knows_debian_by_what_it_says_of_itself() {
        let table = [
            ("ID=debian\nVERSION_CODENAME=bookworm\n", Some("bookworm")),
            ("ID=\"debian\"\nVERSION_CODENAME=\"trixie\"\n", Some("trixie")),
            ("ID=ubuntu\nVERSION_CODENAME=noble\nID_LIKE=debian\n", None),
            ("", None),
        ];
        for (text, release) in table {
            assert_eq!(debian_release(text).as_deref(), release, "{text}");
        }
    }
}
