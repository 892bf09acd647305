//! Ownership as a Mermaid diagram: the workload, its replica sets, its pods.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toolgate_sdk::kubernetes_read::Pod;
use toolgate_sdk::types::WorkloadKind;
use toolgate_sdk::{cut, one_line};

/// Pods in one diagram: more cannot be looked at.
const PODS_MAX: usize = 60;

/// Characters of one label.
const LABEL_CHARS_MAX: usize = 80;

/// A diagram, and how many pods are not in it.
pub(crate) struct Drawn {
    pub(crate) text: String,
    pub(crate) left_out: usize,
}

/// Draws the pods of a workload; the others are passed over.
pub(crate) fn draw(kind: WorkloadKind, name: &str, pods: Vec<Pod>) -> Drawn {
    let mut owners: BTreeMap<String, Vec<Pod>> = BTreeMap::new();
    for pod in pods {
        if let Some(owner) = owner_below(kind, name, &pod) {
            owners.entry(owner).or_default().push(pod);
        }
    }
    let mut text = String::from("graph TD\n");
    let root = format!("{}/{name}", kind.word());
    // Writing to a string does not fail.
    let _ = writeln!(text, "  w[\"{}\"]", label(&root));
    let (mut n_drawn, mut left_out) = (0, 0);
    for (idx, (owner, pods)) in owners.into_iter().enumerate() {
        let above = if owner == root {
            "w".to_owned()
        } else {
            let _ = writeln!(text, "  w --> o{idx}[\"{}\"]", label(&owner));
            format!("o{idx}")
        };
        for pod in pods {
            if n_drawn == PODS_MAX {
                left_out += 1;
                continue;
            }
            let words = format!("Pod/{}: {}", pod.name, pod.status);
            let class = if is_well(&pod) { "" } else { ":::failing" };
            let _ = writeln!(text, "  {above} --> p{n_drawn}[\"{}\"]{class}", label(&words));
            n_drawn += 1;
        }
    }
    if left_out > 0 {
        let _ = writeln!(text, "  w --> more[\"{left_out} more pods\"]");
    }
    text.push_str("  classDef failing stroke:#c00,stroke-width:2px\n");
    Drawn { text, left_out }
}

/// What stands between the workload and the pod, or the workload itself; none where the pod is of
/// another. A deployment's replica sets are called after it, with a hash at the end.
fn owner_below(kind: WorkloadKind, name: &str, pod: &Pod) -> Option<String> {
    let owner = pod.owner.as_ref()?;
    let fits = match kind {
        WorkloadKind::Deployment => {
            let hash = owner.name.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
            let is_hash = |text: &str| {
                !text.is_empty()
                    && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            };
            owner.kind == "ReplicaSet" && hash.is_some_and(is_hash)
        }
        WorkloadKind::StatefulSet | WorkloadKind::DaemonSet => {
            owner.kind == kind.word() && owner.name == name
        }
    };
    fits.then(|| format!("{}/{}", owner.kind, owner.name))
}

fn is_well(pod: &Pod) -> bool {
    let long_running = pod.containers.iter().filter(|container| !container.init);
    pod.status == "Completed" || (pod.status == "Running" && long_running.clone().all(|c| c.ready))
}

/// Text in quotation marks: what would end them, or be read as markup, is written as an entity.
fn label(text: &str) -> String {
    let mut safe = String::new();
    for c in cut(&one_line(text), LABEL_CHARS_MAX).chars() {
        match c {
            '"' => safe.push_str("#quot;"),
            '#' => safe.push_str("#35;"),
            '<' => safe.push_str("#lt;"),
            '>' => safe.push_str("#gt;"),
            '`' => safe.push_str("#96;"),
            c => safe.push(c),
        }
    }
    safe
}
