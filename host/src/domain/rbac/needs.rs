//! What each capability asks of the API server.

use std::borrow::Cow;

use super::Right;
use crate::domain::capability::Capability;
use crate::domain::kind::{KINDS, MACHINERY, OwnKind, likely_plural, own};
use crate::domain::scope::Scope;

/// An empty list may mean that there is no such namespace: the host looks.
pub(super) const NAMESPACE_LOOK: Right = Right::new("", "namespaces", "get");

/// Which namespaces match a pattern: the host looks.
pub(super) const NAMESPACES_LOOK: Right = Right::new("", "namespaces", "list");

const PODS_LIST: Right = Right::new("", "pods", "list");
const BUDGETS_LIST: Right = Right::new("policy", "poddisruptionbudgets", "list");
const SETS_LIST: Right = Right::new("apps", "replicasets", "list");
const REVISIONS_LIST: Right = Right::new("apps", "controllerrevisions", "list");

/// What narrows a right to some objects.
pub(super) enum Narrowed {
    /// Nothing: what is asked for is a list, or beside the objects that are granted.
    No,
    /// The names of the grant.
    ByName,
    /// Its namespaces, where the objects are namespaces.
    ByPlace,
}

pub(super) struct Need {
    pub(super) right: Right,
    pub(super) namespaced: bool,
    pub(super) names: Narrowed,
}

/// What one grant needs.
#[derive(Default)]
pub(super) struct Needs {
    pub(super) each: Vec<Need>,
    pub(super) guessed: Vec<String>,
    pub(super) unmapped: Vec<String>,
}

impl Needs {
    /// For one object that the grant names.
    fn one(&mut self, right: Right, namespaced: bool) {
        self.each.push(Need { right, namespaced, names: Narrowed::ByName });
    }

    /// For any object of the place.
    fn any(&mut self, right: Right, namespaced: bool) {
        self.each.push(Need { right, namespaced, names: Narrowed::No });
    }

    /// For a list that the guest asked for.
    fn list(&mut self, right: Right, namespaced: bool) {
        self.any(right, namespaced);
        if namespaced {
            self.each.push(Need { right: NAMESPACE_LOOK, namespaced, names: Narrowed::No });
        }
    }

    fn workload(&mut self, kind: Workload, verbs: &[&'static str]) {
        for verb in verbs {
            self.one(Right::new("apps", kind.plural(), verb), true);
        }
    }

    fn all(&mut self, rights: &[Right]) {
        for right in rights {
            self.any(right.clone(), true);
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Workload {
    Deployment,
    StatefulSet,
    DaemonSet,
}

impl Workload {
    const ALL: [Self; 3] = [Self::Deployment, Self::StatefulSet, Self::DaemonSet];

    fn kind(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Deployment => "deployments",
            Self::StatefulSet => "statefulsets",
            Self::DaemonSet => "daemonsets",
        }
    }

    fn scale(self) -> Option<&'static str> {
        match self {
            Self::Deployment => Some("deployments/scale"),
            Self::StatefulSet => Some("statefulsets/scale"),
            Self::DaemonSet => None,
        }
    }

    /// What keeps its revisions.
    fn revisions(self) -> Right {
        match self {
            Self::Deployment => SETS_LIST,
            Self::StatefulSet | Self::DaemonSet => REVISIONS_LIST,
        }
    }
}

pub(super) fn needs(capability: Capability, scope: &Scope) -> Needs {
    let mut needs = Needs::default();
    let covers = |kind: &str| scope.covers_kind(kind);
    let workloads = || Workload::ALL.into_iter().filter(|kind| covers(kind.kind()));
    match capability {
        Capability::KubernetesRead => {
            read(&mut needs, scope);
            for kind in workloads() {
                needs.any(kind.revisions(), true);
            }
        }
        Capability::KubernetesLogs => {
            if covers("Pod") {
                // The pod itself is read for the container that is meant where none is named.
                needs.one(Right::new("", "pods/log", "get"), true);
                needs.one(Right::new("", "pods", "get"), true);
                needs.list(PODS_LIST, true);
                // Their selectors say which pods are theirs.
                for kind in workloads() {
                    needs.workload(kind, &["get"]);
                }
            }
        }
        // Of events, the kinds of a grant are what they are about.
        Capability::KubernetesEvents => needs.list(Right::new("", "events", "list"), true),
        Capability::KubernetesMetrics => {
            if covers("Pod") {
                needs.list(Right::new("metrics.k8s.io", "pods", "list"), true);
            }
            if covers("Node") {
                needs.list(Right::new("metrics.k8s.io", "nodes", "list"), false);
            }
        }
        Capability::KubernetesSecretValues => {
            if covers("Secret") {
                needs.one(Right::new("", "secrets", "get"), true);
            }
        }
        Capability::KubernetesRestart
        | Capability::KubernetesScale
        | Capability::KubernetesRollback
        | Capability::KubernetesPause
        | Capability::KubernetesDeletePod
        | Capability::KubernetesCordon => write(&mut needs, capability, scope),
        // Every account may ask about itself: `system:basic-user`.
        Capability::Access | Capability::Progress | Capability::Log | Capability::Config => {}
    }
    needs
}

/// A plan names the pods and the disruption budgets that a write would touch.
fn write(needs: &mut Needs, capability: Capability, scope: &Scope) {
    let covers = |kind: &str| scope.covers_kind(kind);
    let surroundings = &[PODS_LIST, BUDGETS_LIST];
    match capability {
        Capability::KubernetesDeletePod => {
            if covers("Pod") {
                needs.one(Right::new("", "pods", "get"), true);
                needs.one(Right::new("", "pods", "delete"), true);
                needs.all(surroundings);
                // Whether its successor is there is theirs to say.
                needs.any(Right::new("apps", "replicasets", "get"), true);
                needs.any(Right::new("apps", "daemonsets", "get"), true);
            }
        }
        Capability::KubernetesCordon => {
            if covers("Node") {
                needs.one(Right::new("", "nodes", "get"), false);
                needs.one(Right::new("", "nodes", "patch"), false);
                // Whether another one takes pods.
                needs.any(Right::new("", "nodes", "list"), false);
            }
        }
        Capability::KubernetesRestart
        | Capability::KubernetesScale
        | Capability::KubernetesRollback
        | Capability::KubernetesPause => {
            for kind in Workload::ALL.into_iter().filter(|kind| covers(kind.kind())) {
                workload(needs, capability, kind, surroundings);
            }
        }
        Capability::KubernetesRead
        | Capability::KubernetesLogs
        | Capability::KubernetesEvents
        | Capability::KubernetesMetrics
        | Capability::KubernetesSecretValues
        | Capability::Access
        | Capability::Progress
        | Capability::Log
        | Capability::Config => {}
    }
}

fn workload(needs: &mut Needs, capability: Capability, kind: Workload, surroundings: &[Right]) {
    match (capability, kind.scale()) {
        (Capability::KubernetesRestart, _) => needs.workload(kind, &["get", "patch"]),
        (Capability::KubernetesRollback, _) => {
            needs.workload(kind, &["get", "patch"]);
            needs.any(kind.revisions(), true);
            if kind == Workload::Deployment {
                needs.any(Right::new("apps", "replicasets", "get"), true);
            }
        }
        (Capability::KubernetesScale, Some(scale)) => {
            needs.workload(kind, &["get"]);
            needs.one(Right::new("apps", scale, "patch"), true);
            // An autoscaler may undo it.
            let autoscalers = Right::new("autoscaling", "horizontalpodautoscalers", "list");
            needs.any(autoscalers, true);
        }
        (Capability::KubernetesPause, _) if kind == Workload::Deployment => {
            needs.workload(kind, &["get", "patch"]);
        }
        _ => return,
    }
    needs.all(surroundings);
}

fn read(needs: &mut Needs, scope: &Scope) {
    let own_kinds = KINDS.iter().chain(MACHINERY);
    for kind in own_kinds.filter(|kind| scope.covers_kind(&kind.canonical())) {
        let OwnKind { group, plural, namespaced, .. } = kind;
        let names = if kind.name == "Namespace" { Narrowed::ByPlace } else { Narrowed::ByName };
        let right = Right::new(group, plural, "get");
        needs.each.push(Need { right, namespaced: *namespaced, names });
        needs.list(Right::new(group, plural, "list"), *namespaced);
    }
    for pattern in scope.kinds.as_slice() {
        let Some((name, group)) = pattern.split_once('.') else { continue };
        if own(pattern).is_some() {
            continue;
        }
        // `*` as a group would mean the core as well, and with it every secret.
        if group.contains('*') {
            needs.unmapped.push(pattern.clone());
            continue;
        }
        let resource = if name.contains('*') { "*".to_owned() } else { likely_plural(name) };
        if resource != "*" {
            needs.guessed.push(format!("{resource}.{group}"));
        } else if name != "*" {
            needs.unmapped.push(pattern.clone());
            continue;
        }
        let right = |verb| Right {
            group: Cow::Owned(group.to_owned()),
            resource: Cow::Owned(resource.clone()),
            verb,
        };
        needs.one(right("get"), true);
        needs.list(right("list"), true);
    }
}
