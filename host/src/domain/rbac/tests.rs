//! Grants, and the rights that they need.

use super::*;
use crate::domain::capability::Capability;

/// `verb group/resource [names]`, `cluster` or the namespace before it.
fn lines(rights: &Rights) -> Vec<String> {
    let line = |place: &str, right: &Right, names: &Names| {
        let Right { group, resource, verb } = right;
        let slash = if group.is_empty() { "" } else { "/" };
        let names = match names {
            Names::Any => String::new(),
            Names::Only(names) => format!(" {names:?}"),
        };
        format!("{place}: {verb} {group}{slash}{resource}{names}")
    };
    let cluster = rights.cluster.iter().map(|(right, names)| line("cluster", right, names));
    let namespaces = rights.namespaces.iter().flat_map(|(place, rights)| {
        rights.iter().map(move |(right, names)| line(place, right, names))
    });
    cluster.chain(namespaces).collect()
}

fn patterns(words: &[&str]) -> Patterns {
    Patterns::new(words.iter().map(ToString::to_string)).unwrap()
}

fn of(capability: Capability, namespaces: &[&str], kinds: &[&str], names: &[&str]) -> Rights {
    let mut grants = Grants::default();
    let scope = Scope {
        namespaces: patterns(namespaces),
        kinds: patterns(kinds),
        names: patterns(names),
        ..Scope::all()
    };
    grants.give(capability, scope);
    let mode = Mode { read_only: false, ..Mode::default() };
    rights(&"prod".parse().unwrap(), &mode, [("p", &grants)].into_iter())
}

fn check(capability: Capability, scope: [&[&str]; 3], expected: &[&str]) {
    let [namespaces, kinds, names] = scope;
    let rights = of(capability, namespaces, kinds, names);
    assert_eq!(lines(&rights), expected, "{capability} {scope:?}");
}

#[test]
fn a_named_namespace_needs_nothing_of_the_cluster() {
    check(
        Capability::KubernetesLogs,
        [&["shop"], &["Pod"], &["*"]],
        &["shop: get namespaces", "shop: get pods", "shop: list pods", "shop: get pods/log"],
    );
}

#[test]
fn a_pattern_is_said_to_be_widened() {
    let rights = of(Capability::KubernetesEvents, &["shop-*"], &["Pod"], &["*"]);
    assert_eq!(rights.widened.len(), 1);
    assert_eq!(
        lines(&rights),
        ["cluster: list events", "cluster: get namespaces", "cluster: list namespaces"]
    );
    let nodes = of(Capability::KubernetesRead, &["shop-*"], &["Node"], &["*"]);
    assert!(nodes.widened.is_empty());
}

#[test]
fn reading_needs_each_granted_kind_and_no_other() {
    check(
        Capability::KubernetesRead,
        [&["shop"], &["ConfigMap", "Node", "Namespace"], &["*"]],
        &[
            "cluster: list namespaces",
            "cluster: get nodes",
            "cluster: list nodes",
            "shop: get configmaps",
            "shop: list configmaps",
            "shop: get namespaces",
        ],
    );
    check(
        Capability::KubernetesRead,
        [&["shop"], &["StatefulSet"], &["db"]],
        &[
            "shop: get namespaces",
            "shop: list apps/controllerrevisions",
            "shop: get apps/statefulsets {\"db\"}",
            "shop: list apps/statefulsets",
        ],
    );
    let all = lines(&of(Capability::KubernetesRead, &["*"], &["*"], &["*"])).join("\n");
    for absent in ["secrets", "roles", "leases", "customresourcedefinitions", "patch"] {
        assert!(!all.contains(absent), "{all}");
    }
    for present in
        ["batch/cronjobs", "policy/poddisruptionbudgets", "discovery.k8s.io/endpointslices"]
    {
        assert!(all.contains(present), "{all}");
    }
}

#[test]
fn custom_kinds_and_machinery_are_read_by_name() {
    let kinds = &[
        "Certificate.cert-manager.io",
        "*.example.com",
        "ClusterRole.rbac.authorization.k8s.io",
        "Ab*.example.org",
    ];
    let rights = of(Capability::KubernetesRead, &["shop"], kinds, &["*"]);
    assert_eq!(
        lines(&rights),
        [
            "cluster: get rbac.authorization.k8s.io/clusterroles",
            "cluster: list rbac.authorization.k8s.io/clusterroles",
            "shop: get namespaces",
            "shop: get cert-manager.io/certificates",
            "shop: list cert-manager.io/certificates",
            "shop: get example.com/*",
            "shop: list example.com/*",
        ]
    );
    assert_eq!(rights.guessed.iter().collect::<Vec<_>>(), ["certificates.cert-manager.io"]);
    assert_eq!(rights.unmapped.len(), 1, "{:?}", rights.unmapped);
    // A star for every group stands for what is known to have one, and never for the core.
    let all = of(Capability::KubernetesRead, &["*"], &["*.*"], &["*"]);
    assert!(lines(&all).iter().all(|line| !line.contains('*') && !line.contains("pods")));
    assert_eq!(all.unmapped.len(), 1, "{:?}", all.unmapped);
}

#[test]
fn writes_need_what_they_change_and_what_they_look_at() {
    let met = ["shop: list pods", "shop: list policy/poddisruptionbudgets"];
    let deployments = [&["shop"][..], &["Deployment", "Pod", "Node"], &["web"]];
    for (capability, own) in [
        (
            Capability::KubernetesRestart,
            &["shop: get apps/deployments {\"web\"}", "shop: patch apps/deployments {\"web\"}"][..],
        ),
        (
            Capability::KubernetesScale,
            &[
                "shop: get apps/deployments {\"web\"}",
                "shop: patch apps/deployments/scale {\"web\"}",
                "shop: list autoscaling/horizontalpodautoscalers",
            ],
        ),
        (
            Capability::KubernetesRollback,
            &[
                "shop: get apps/deployments {\"web\"}",
                "shop: patch apps/deployments {\"web\"}",
                "shop: get apps/replicasets",
                "shop: list apps/replicasets",
            ],
        ),
        (
            Capability::KubernetesPause,
            &["shop: get apps/deployments {\"web\"}", "shop: patch apps/deployments {\"web\"}"],
        ),
    ] {
        let [pods, budgets] = met;
        let expected: Vec<&str> = [&[pods][..], own, &[budgets]].concat();
        check(capability, deployments, &expected);
    }
    check(
        Capability::KubernetesDeletePod,
        deployments,
        &[
            "shop: delete pods {\"web\"}",
            "shop: get pods {\"web\"}",
            "shop: list pods",
            "shop: get apps/daemonsets",
            "shop: get apps/replicasets",
            "shop: list policy/poddisruptionbudgets",
        ],
    );
    check(
        Capability::KubernetesCordon,
        deployments,
        &["cluster: get nodes {\"web\"}", "cluster: list nodes", "cluster: patch nodes {\"web\"}"],
    );
    check(Capability::KubernetesScale, [&["shop"], &["DaemonSet"], &["*"]], &[]);
    check(Capability::KubernetesPause, [&["shop"], &["StatefulSet"], &["*"]], &[]);
}

#[test]
fn a_plan_looks_for_namespaces_that_are_easily_mistaken() {
    let looks = |namespaces: &[&str]| {
        let rights = of(Capability::KubernetesRestart, namespaces, &["Deployment"], &["*"]);
        let mut lines = lines(&rights);
        lines.retain(|line| line.ends_with(" namespaces"));
        lines
    };
    assert_eq!(looks(&["shop", "bank"]), [""; 0]);
    assert_eq!(
        looks(&["shop", "shop-staging", "bank"]),
        ["shop: get namespaces", "shop-staging: get namespaces"]
    );
    assert_eq!(looks(&["*"]), ["cluster: list namespaces"]);
    assert_eq!(looks(&["shop-*"]), ["cluster: list namespaces"]);
}

#[test]
fn logs_of_a_workload_are_logs_of_pods() {
    check(Capability::KubernetesLogs, [&["shop"], &["Deployment"], &["*"]], &[]);
}

#[test]
fn a_secret_s_value_needs_that_secret() {
    check(
        Capability::KubernetesSecretValues,
        [&["shop"], &["Secret"], &["db", "api"]],
        &["shop: get secrets {\"api\", \"db\"}"],
    );
    check(Capability::KubernetesSecretValues, [&["shop"], &["*"], &["*"]], &[]);
    check(Capability::Access, [&["*"], &["*"], &["*"]], &[]);
}

#[test]
fn what_the_mode_refuses_needs_no_right() {
    let mut grants = Grants::default();
    grants.give(Capability::KubernetesRestart, Scope::all());
    let cluster = "prod".parse().unwrap();
    let refused = rights(&cluster, &Mode::default(), [("p", &grants)].into_iter());
    assert!(lines(&refused).is_empty());
    assert_eq!(refused.refused.len(), 1);
    let planned = Mode { dry_run: true, ..Mode::default() };
    let planned = rights(&cluster, &planned, [("p", &grants)].into_iter());
    // Trying a patch out is a patch to the API server.
    assert!(lines(&planned).iter().any(|line| line.contains("patch")));
}

#[test]
fn only_writes_may_change_anything() {
    for capability in Capability::ALL {
        let rights = lines(&of(capability, &["*"], &["*", "Secret", "*.example.com"], &["*"]));
        let reads = |line: &String| line.contains(": get ") || line.contains(": list ");
        assert_eq!(!rights.iter().all(reads), capability.tier().writes(), "{capability}");
    }
}
