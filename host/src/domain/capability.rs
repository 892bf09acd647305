//! The authorities that the host can give: one variant for each interface of the contract.

use std::fmt;
use std::str::FromStr;

/// What a capability can do to the world. Hints for clients and the need for approval are derived
/// from it, never claimed by a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// Touches only the call itself: progress, the plugin's log, its settings.
    Ambient,
    /// Reads from a cluster.
    Read,
    /// Changes something that can be changed back.
    Reversible,
    /// Changes something that cannot.
    Destructive,
}

impl Tier {
    /// The word for people and records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ambient => "ambient",
            Self::Read => "read",
            Self::Reversible => "reversible",
            Self::Destructive => "destructive",
        }
    }

    /// Whether it changes anything outside of the call.
    pub fn writes(self) -> bool {
        self >= Self::Reversible
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An interface of the contract, seen as an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Capability {
    /// Read pod logs.
    KubernetesLogs,
    /// List events.
    KubernetesEvents,
    /// Read objects, and the state of rollouts.
    KubernetesRead,
    /// Read what pods and nodes use now.
    KubernetesMetrics,
    /// Read the values of secrets.
    KubernetesSecretValues,
    /// Ask what the caller may do.
    Access,
    /// Request a rolling restart.
    KubernetesRestart,
    /// Request another number of replicas.
    KubernetesScale,
    /// Request an older revision of a workload.
    KubernetesRollback,
    /// Request that rollouts of a deployment are held, or go on.
    KubernetesPause,
    /// Request that new pods are kept away from a node.
    KubernetesCordon,
    /// Request the deletion of one pod.
    KubernetesDeletePod,
    /// Tell the client how far a call is.
    Progress,
    /// Write to the plugin's own log.
    Log,
    /// Read the plugin's own settings.
    Config,
}

impl Capability {
    /// Every capability, in the order in which lists show them.
    pub const ALL: [Self; 15] = [
        Self::KubernetesRead,
        Self::KubernetesLogs,
        Self::KubernetesEvents,
        Self::KubernetesMetrics,
        Self::KubernetesSecretValues,
        Self::Access,
        Self::KubernetesRestart,
        Self::KubernetesScale,
        Self::KubernetesRollback,
        Self::KubernetesPause,
        Self::KubernetesCordon,
        Self::KubernetesDeletePod,
        Self::Progress,
        Self::Log,
        Self::Config,
    ];

    /// The interface's name in the contract and in every file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KubernetesLogs => "kubernetes-logs",
            Self::KubernetesEvents => "kubernetes-events",
            Self::KubernetesRead => "kubernetes-read",
            Self::KubernetesMetrics => "kubernetes-metrics",
            Self::KubernetesSecretValues => "kubernetes-secret-values",
            Self::Access => "access",
            Self::KubernetesRestart => "kubernetes-restart",
            Self::KubernetesScale => "kubernetes-scale",
            Self::KubernetesRollback => "kubernetes-rollback",
            Self::KubernetesPause => "kubernetes-pause",
            Self::KubernetesCordon => "kubernetes-cordon",
            Self::KubernetesDeletePod => "kubernetes-delete-pod",
            Self::Progress => "progress",
            Self::Log => "log",
            Self::Config => "config",
        }
    }

    /// What its use can do to the world.
    pub fn tier(self) -> Tier {
        match self {
            Self::KubernetesLogs
            | Self::KubernetesEvents
            | Self::KubernetesRead
            | Self::KubernetesMetrics
            | Self::KubernetesSecretValues
            | Self::Access => Tier::Read,
            Self::KubernetesRestart
            | Self::KubernetesScale
            | Self::KubernetesRollback
            | Self::KubernetesPause
            | Self::KubernetesCordon => Tier::Reversible,
            Self::KubernetesDeletePod => Tier::Destructive,
            Self::Progress | Self::Log | Self::Config => Tier::Ambient,
        }
    }

    /// The authority in words, to follow "may".
    pub fn words(self) -> &'static str {
        match self {
            Self::KubernetesLogs => "read the logs of pods",
            Self::KubernetesEvents => "list events",
            Self::KubernetesRead => "read objects and the state of rollouts",
            Self::KubernetesMetrics => "read what pods and nodes use now",
            Self::KubernetesSecretValues => "read the values of secrets",
            Self::Access => "ask what the caller may do",
            Self::KubernetesRestart => "request a rolling restart of a workload",
            Self::KubernetesScale => "request another number of replicas",
            Self::KubernetesRollback => "request that a workload goes back to an older revision",
            Self::KubernetesPause => "request that rollouts of a deployment are held or go on",
            Self::KubernetesCordon => "request that new pods are kept away from a node",
            Self::KubernetesDeletePod => "request the deletion of a pod",
            Self::Progress => "tell the client how far a call is",
            Self::Log => "write to its own log",
            Self::Config => "read its own settings",
        }
    }

    /// Whether what it reaches lies in namespaces: then a grant says in which.
    pub fn is_namespaced(self) -> bool {
        match self {
            Self::KubernetesLogs
            | Self::KubernetesEvents
            | Self::KubernetesRead
            | Self::KubernetesMetrics
            | Self::KubernetesSecretValues
            | Self::KubernetesRestart
            | Self::KubernetesScale
            | Self::KubernetesRollback
            | Self::KubernetesPause
            | Self::KubernetesDeletePod => true,
            Self::KubernetesCordon | Self::Access | Self::Progress | Self::Log | Self::Config => {
                false
            }
        }
    }

    /// Whether the operator must grant it. Ambient ones reach nothing but the call itself.
    pub fn needs_grant(self) -> bool {
        self.tier() != Tier::Ambient
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no capability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no capability `{0}`; there are {list}", list = known())]
pub struct UnknownCapability(pub String);

fn known() -> String {
    let names: Vec<_> = Capability::ALL.iter().map(|c| format!("`{c}`")).collect();
    names.join(", ")
}

impl FromStr for Capability {
    type Err = UnknownCapability;

    fn from_str(text: &str) -> Result<Self, UnknownCapability> {
        let shown = || text.chars().take(64).flat_map(char::escape_debug).collect();
        Self::ALL.into_iter().find(|c| c.as_str() == text).ok_or_else(|| UnknownCapability(shown()))
    }
}
