//! The verbs that rules speak of, with the groups that the schema puts them in.

use crate::domain::capability::{Capability, Tier};

/// Each verb and what its use can do to the world: the schema's actions.
const VERBS: [(&str, Tier); 11] = [
    ("get", Tier::Read),
    ("list", Tier::Read),
    ("get-log", Tier::Read),
    ("restart", Tier::Reversible),
    ("scale", Tier::Reversible),
    ("rollback", Tier::Reversible),
    ("pause", Tier::Reversible),
    ("resume", Tier::Reversible),
    ("cordon", Tier::Reversible),
    ("uncordon", Tier::Reversible),
    ("delete", Tier::Destructive),
];

/// How many verbs there are.
pub(super) const VERBS_TOTAL: usize = VERBS.len();

/// Every verb, in the schema's order.
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|(verb, _)| *verb)
}

/// A verb by its word: its place in the table, and its tier.
pub(super) fn find(verb: &str) -> Option<(usize, Tier)> {
    let place = VERBS.iter().position(|(known, _)| *known == verb)?;
    VERBS.get(place).map(|(_, tier)| (place, *tier))
}

/// Whether the action of that name is the verb, or a group with the verb in it.
pub(super) fn covers(action: &str, verb: &str) -> bool {
    let Some((_, tier)) = find(verb) else { return false };
    match action {
        "read" => tier == Tier::Read,
        "write" => tier.writes(),
        "reversible" => tier == Tier::Reversible,
        "destructive" => tier == Tier::Destructive,
        one => one == verb,
    }
}

/// The verbs that a capability is used with. None where rules have no say: a capability that
/// touches only the call, or the operator's own words.
pub fn of(capability: Capability) -> &'static [&'static str] {
    match capability {
        Capability::KubernetesRead => &["get", "list"],
        Capability::KubernetesLogs => &["get-log", "list", "get"],
        Capability::KubernetesEvents | Capability::KubernetesMetrics => &["list"],
        Capability::KubernetesSecretValues => &["get"],
        Capability::KubernetesRestart => &["restart"],
        Capability::KubernetesScale => &["scale"],
        Capability::KubernetesRollback => &["rollback"],
        Capability::KubernetesPause => &["pause", "resume"],
        Capability::KubernetesCordon => &["cordon", "uncordon"],
        Capability::KubernetesDeletePod => &["delete"],
        Capability::Access | Capability::Progress | Capability::Log | Capability::Config => &[],
    }
}

/// The kinds that a capability is mostly used on, the first of all: for questions that name none.
pub fn kinds(capability: Capability) -> &'static [&'static str] {
    match capability {
        Capability::KubernetesRead
        | Capability::KubernetesLogs
        | Capability::KubernetesMetrics
        | Capability::KubernetesDeletePod => &["Pod"],
        Capability::KubernetesEvents => &["Event"],
        Capability::KubernetesSecretValues => &["Secret"],
        Capability::KubernetesRestart | Capability::KubernetesRollback => {
            &["Deployment", "StatefulSet", "DaemonSet"]
        }
        Capability::KubernetesScale => &["Deployment", "StatefulSet"],
        Capability::KubernetesPause => &["Deployment"],
        Capability::KubernetesCordon => &["Node"],
        Capability::Access | Capability::Progress | Capability::Log | Capability::Config => &[],
    }
}
