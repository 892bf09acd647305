//! A real cluster for the tests. This room owns how one is found or made, what the tests are told
//! of it, and how it goes without a trace. It must not touch a cluster that a person named, and
//! writes nothing into the repository. Read [`up`] first.

mod choice;
mod daemon;
mod down;
mod images;
mod kind;
mod kubernetes;
mod metrics;
mod own;
mod packages;
mod pki;
mod place;
mod request;
mod settings;

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use self::choice::{Choice, Machine};
pub(crate) use self::place::Cluster;
use self::place::{Origin, Place, shown};
use self::request::Named;
pub(crate) use self::request::{Request, What, parse};
use crate::progress;
use crate::workspace::Workspace;

/// What a cluster that is named is asked to pull, where nothing else is said.
const PUBLIC_BOX_IMAGE: &str = "busybox:1.36";

/// Finds or makes a cluster. One that is up already is taken as it is.
pub(crate) fn up(workspace: &Workspace, named: Option<Named>) -> Result<Cluster> {
    let place = Place::of_this_person()?;
    if let Some(named) = named {
        return self::named(named);
    }
    let _lock = place.lock()?;
    if let Some(cluster) = place.recorded().filter(|cluster| is_up(&place, cluster)) {
        progress::note(&format!("the cluster is up: {}", shown(&cluster.kubeconfig)));
        return Ok(cluster);
    }
    let choice = choice::choose(None, &Machine::look())?;
    remove(&place)?;
    let cluster = match choice {
        Choice::Named(named) => return self::named(named),
        Choice::Kind(engine) => kind::up(&place, workspace, engine)?,
        Choice::Own => own::up(&place, workspace)?,
    };
    place.record(&cluster)?;
    Ok(cluster)
}

/// Removes what an earlier `up` made.
pub(crate) fn down() -> Result<()> {
    let place = Place::of_this_person()?;
    let _lock = place.lock()?;
    remove(&place)
}

/// What is there, as text; an error if there is no cluster that could be used.
pub(crate) fn status(named: Option<Named>) -> Result<String> {
    let place = Place::of_this_person()?;
    let cluster = match named {
        Some(named) => self::named(named)?,
        None => place.recorded().context(NOT_UP)?,
    };
    let origin = match &cluster.origin {
        Origin::Named => "named by you".to_owned(),
        Origin::Kind { engine } => format!("by `kind` on `{engine}`"),
        Origin::Own => format!("our own, Kubernetes {}", place::KUBERNETES),
    };
    let audit_log = cluster.audit_log.as_deref().map_or("unknown".to_owned(), shown);
    let mut text = format!(
        "cluster     {origin}\nkubeconfig  {}\ncontext     {}\naudit log   {audit_log}\nbox image   {}",
        shown(&cluster.kubeconfig),
        cluster.context,
        cluster.box_image
    );
    if cluster.origin == Origin::Named {
        return Ok(text);
    }
    for daemon in daemon::all(&place) {
        let state = if daemon.is_alive() { format!("pid {}", daemon.pid) } else { "ended".into() };
        let log = shown(&place.log(&daemon.name));
        text.push_str(&["\n", &format!("{:<19} {state:<10} {log}", daemon.name)].concat());
    }
    if !is_up(&place, &cluster) {
        bail!("{text}\nit is not whole\nhint: `cargo xtask e2e up` makes a new one");
    }
    Ok(text)
}

pub(crate) fn kubeconfig(named: Option<Named>) -> Result<String> {
    let cluster = match named {
        Some(named) => self::named(named)?,
        None => Place::of_this_person()?.recorded().context(NOT_UP)?,
    };
    Ok(shown(&cluster.kubeconfig))
}

const NOT_UP: &str = "no cluster is up\nhint: `cargo xtask e2e up` makes one";

/// Keeps what the programs of the cluster said, for after it is gone.
pub(crate) fn keep_logs(folder: &Path) -> Result<()> {
    let place = Place::of_this_person()?;
    if !place.logs().is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder)?;
    for entry in std::fs::read_dir(place.logs())? {
        let entry = entry?;
        std::fs::copy(entry.path(), folder.join(entry.file_name()))?;
    }
    progress::note(&format!("the logs of the cluster are kept in `{}`", shown(folder)));
    Ok(())
}

impl Cluster {
    /// What the tests read.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env("TOOLGATE_E2E_KUBECONFIG", &self.kubeconfig);
        command.env("TOOLGATE_E2E_CONTEXT", &self.context);
        command.env("TOOLGATE_E2E_BOX_IMAGE", &self.box_image);
        if let Some(audit_log) = &self.audit_log {
            command.env("TOOLGATE_E2E_AUDIT_LOG", audit_log);
        }
    }
}

fn is_up(place: &Place, cluster: &Cluster) -> bool {
    match &cluster.origin {
        Origin::Named => false,
        Origin::Kind { engine } => kind::is_up(engine),
        Origin::Own => own::is_up(place),
    }
}

fn remove(place: &Place) -> Result<()> {
    // One that `kind` began to make is not recorded; its configuration tells.
    let by_kind = place.config("kind.yaml").is_file();
    match place.recorded().map(|cluster| cluster.origin) {
        Some(Origin::Kind { engine }) => kind::down(&engine)?,
        _ if by_kind => match Machine::look().engine {
            Some(engine) => kind::down(engine)?,
            None => progress::note("the engine of the cluster by `kind` does not answer"),
        },
        _ => {}
    }
    down::own(place)
}

/// A cluster of somebody else: nothing is made in it, and nothing of it is removed.
fn named(named: Named) -> Result<Cluster> {
    let kubeconfig = std::path::absolute(&named.kubeconfig)?;
    let text = std::fs::read_to_string(&kubeconfig)
        .with_context(|| format!("could not read `{}`", shown(&kubeconfig)))?;
    let context = named.context.or_else(|| current_context(&text));
    let context = context.with_context(|| {
        format!("`{}` has no current context\nhint: add `--context NAME`", shown(&kubeconfig))
    })?;
    Ok(Cluster {
        origin: Origin::Named,
        kubeconfig,
        context,
        audit_log: named.audit_log.map(std::path::absolute).transpose()?,
        box_image: named.box_image.unwrap_or_else(|| PUBLIC_BOX_IMAGE.to_owned()),
    })
}

/// Every tool writes it as a line of its own.
fn current_context(kubeconfig: &str) -> Option<String> {
    let line = kubeconfig.lines().find_map(|line| line.strip_prefix("current-context:"))?;
    let name = line.trim().trim_matches('"');
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_context_that_a_kubeconfig_is_set_to() {
        let table = [
            ("kind: Config\ncurrent-context: stage\n", Some("stage")),
            ("current-context: \"a b\"", Some("a b")),
            ("current-context: \"\"\n", None),
            ("contexts:\n- name: x\n", None),
        ];
        for (text, context) in table {
            assert_eq!(current_context(text).as_deref(), context, "{text}");
        }
    }
}
