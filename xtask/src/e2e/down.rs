//! Removing a cluster of ours without a trace, however far it came: also one whose `up` was
//! interrupted, or whose machine was switched off.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::daemon::{self, Daemon, Stat};
use super::place::{Place, shown};
use super::settings::{NODE_BRIDGE, POD_BRIDGE};
use crate::process;

const CGROUPS: &str = "/sys/fs/cgroup";
/// Where the container runtime puts the groups of its containers.
const GROUPS_OF_PODS: &str = "/k8s.io/";

pub(crate) fn own(place: &Place) -> Result<()> {
    if !place.run.exists() {
        return Ok(());
    }
    // The kubelet first: it would start again what is stopped.
    let (kubelet, others): (Vec<Daemon>, Vec<Daemon>) = daemon::all(place)
        .into_iter()
        .filter(Daemon::is_alive)
        .partition(|daemon| daemon.name == "kubelet");
    daemon::kill(&kubelet.iter().map(|daemon| daemon.pid).collect::<Vec<_>>())?;
    let pods = processes_of_pods(&place.containerd_socket());
    let groups: BTreeSet<PathBuf> = pods.iter().flat_map(|pid| cgroups(*pid)).collect();
    daemon::kill(&others.iter().map(|daemon| daemon.pid).collect::<Vec<_>>())?;
    daemon::kill(&pods)?;
    for group in groups {
        // It may be gone already, with its last process.
        let _gone = fs::remove_dir(group);
    }
    // Mounts lie in a namespace that has ended with its last process, and networks of pods with
    // them; what is left is what this machine itself sees.
    for bridge in [NODE_BRIDGE, POD_BRIDGE] {
        if Path::new("/sys/class/net").join(bridge).exists() {
            process::output(Command::new("ip").args(["link", "delete", bridge]))?;
        }
    }
    fs::remove_dir_all(&place.run)
        .with_context(|| format!("could not remove `{}`", shown(&place.run)))
}

/// Those of every container: the shims that this cluster's runtime started, and all below them.
fn processes_of_pods(socket: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let mut parents = BTreeMap::new();
    let mut found = Vec::new();
    for entry in entries.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        if let Some(stat) = Stat::read(&String::from_utf8_lossy(&read("stat"))) {
            parents.insert(pid, stat.parent);
        }
        if is_shim_of(&String::from_utf8_lossy(&read("cmdline")), socket) {
            found.push(pid);
        }
    }
    with_descendants(found, &parents)
}

fn is_shim_of(command_line: &str, socket: &Path) -> bool {
    let words: Vec<&str> = command_line.split('\0').collect();
    let is_shim = words.first().is_some_and(|program| program.contains("containerd-shim"));
    let address = words.windows(2).find(|pair| pair.first() == Some(&"-address"));
    is_shim && address.and_then(|pair| pair.last()).is_some_and(|at| Path::new(at) == socket)
}

fn with_descendants(mut found: Vec<u32>, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut seen = 0;
    while let Some(parent) = found.get(seen).copied() {
        let children = parents.iter().filter(|(_, of)| **of == parent).map(|(pid, _)| *pid);
        let children: Vec<u32> = children.filter(|pid| !found.contains(pid)).collect();
        found.extend(children);
        seen += 1;
    }
    found
}

/// The groups of a process, in every hierarchy that is mounted.
fn cgroups(pid: u32) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    let mut roots = vec![PathBuf::from(CGROUPS)];
    let mounted = fs::read_dir(CGROUPS).into_iter().flatten().flatten();
    roots.extend(mounted.map(|entry| entry.path()).filter(|path| path.is_dir()));
    let groups = text.lines().filter_map(group_of_pod);
    groups.flat_map(|group| roots.iter().map(move |root| root.join(group))).collect()
}

/// The group in a line of `/proc/<pid>/cgroup`, if it is one of a container.
fn group_of_pod(line: &str) -> Option<&str> {
    let group = line.splitn(3, ':').nth(2)?;
    let ours = group.contains(GROUPS_OF_PODS) && !group.contains("..");
    ours.then(|| group.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_its_own_containers_from_those_of_another_runtime() {
        let socket = Path::new("/c/e2e/containerd/containerd.sock");
        let table = [
            (
                "/usr/bin/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0/c/e2e/containerd/containerd.sock\0",
                true,
            ),
            (
                "/usr/bin/containerd-shim-runc-v2\0-address\0/run/containerd/containerd.sock\0",
                false,
            ),
            ("grep\0-address\0/c/e2e/containerd/containerd.sock\0", false),
            ("/usr/bin/containerd-shim-runc-v2\0-address", false),
            ("", false),
        ];
        for (command_line, ours) in table {
            assert_eq!(is_shim_of(command_line, socket), ours, "{command_line:?}");
        }
    }

    #[test]
    fn takes_everything_below_a_shim() {
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 5)]);
        assert_eq!(with_descendants(vec![2], &parents), [2, 3, 4]);
        let circle = BTreeMap::from([(2, 3), (3, 2)]);
        assert_eq!(with_descendants(vec![2], &circle), [2, 3]);
        assert!(with_descendants(Vec::new(), &parents).is_empty());
    }

    #[test]
    fn removes_the_groups_of_containers_only() {
        let table = [
            ("5:memory:/k8s.io/ab12", Some("k8s.io/ab12")),
            ("0::/k8s.io/ab12", Some("k8s.io/ab12")),
            ("0::/user.slice", None),
            ("0::/", None),
            ("3:cpu:/k8s.io/../../etc", None),
            ("", None),
        ];
        for (line, group) in table {
            assert_eq!(group_of_pod(line), group, "{line}");
        }
    }
}
