//! What plugins get: the operator's key of the two, how far it reaches, and the guardrails above it.
//!
//! Real plugins against the embedded cluster. A snapshot is what the operator or the caller reads,
//! then the record of it.

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use serde_json::{Value, json};
use toolgate_tests::{House, Part};

const PLUGINS: [&str; 6] = [
    "plugins/events",
    "plugins/logs",
    "plugins/nodes",
    "plugins/pods",
    "plugins/remediation",
    "plugins/workloads",
];

/// Asks the plugins of `sources`, with this configuration, and shows answers and record.
async fn check(sources: &[&str], config: &str, questions: &[(&str, Value)], expected: Expect) {
    let house = House::of(sources, config).await;
    let mut seen = String::new();
    if !house.failures().is_empty() {
        let _ = writeln!(seen, "{}\n", house.failures());
    }
    for (tool, arguments) in questions {
        let answer = house.ask("alice", tool, arguments.clone()).await;
        let _ = writeln!(seen, "> {tool} {arguments}\n{}\n", brief(&answer));
    }
    seen.push_str(&house.record().text().await);
    expected.assert_eq(&seen);
}

/// The first lines of an answer: what it is about, not the ages in it.
fn brief(answer: &str) -> String {
    let lines: Vec<&str> = answer.trim_end().lines().collect();
    match lines.as_slice() {
        [first, rest @ ..] if rest.len() > 1 => format!("{first}\n.. {} lines", rest.len()),
        _ => lines.join("\n"),
    }
}

fn grant(plugin: &str, capability: &str, scope: &str) -> String {
    format!("[grants.{plugin}.{capability}]\n{scope}\n")
}

#[tokio::test]
async fn invariant_01_two_keys_a_plugin_without_a_grant_does_not_load() {
    check(&PLUGINS, "", &[("list_pods", json!({}))], expect![[r#"
        plugin `events` does not load: it wants `kubernetes-events`, which is not granted; to let it list events, add to toolgate.toml:
            [grants.events.kubernetes-events]
            namespaces = ["..."]
        plugin `logs` does not load: it wants `kubernetes-logs`, which is not granted; to let it read the logs of pods, add to toolgate.toml:
            [grants.logs.kubernetes-logs]
            namespaces = ["..."]
        plugin `nodes` does not load: it wants `kubernetes-read`, which is not granted; to let it read objects and the state of rollouts, add to toolgate.toml:
            [grants.nodes.kubernetes-read]
            namespaces = ["..."]
        plugin `pods` does not load: it wants `kubernetes-events`, which is not granted; to let it list events, add to toolgate.toml:
            [grants.pods.kubernetes-events]
            namespaces = ["..."]
          and it wants `kubernetes-read`, which is not granted; to let it read objects and the state of rollouts, add to toolgate.toml:
            [grants.pods.kubernetes-read]
            namespaces = ["..."]
        plugin `remediation` does not load: it wants `kubernetes-restart`, which is not granted; to let it request a rolling restart of a workload, add to toolgate.toml:
            [grants.remediation.kubernetes-restart]
            namespaces = ["..."]
          and it wants `kubernetes-scale`, which is not granted; to let it request another number of replicas, add to toolgate.toml:
            [grants.remediation.kubernetes-scale]
            namespaces = ["..."]
          and it wants `kubernetes-rollback`, which is not granted; to let it request that a workload goes back to an older revision, add to toolgate.toml:
            [grants.remediation.kubernetes-rollback]
            namespaces = ["..."]
          and it wants `kubernetes-pause`, which is not granted; to let it request that rollouts of a deployment are held or go on, add to toolgate.toml:
            [grants.remediation.kubernetes-pause]
            namespaces = ["..."]
          and it wants `kubernetes-delete-pod`, which is not granted; to let it request the deletion of a pod, add to toolgate.toml:
            [grants.remediation.kubernetes-delete-pod]
            namespaces = ["..."]
        plugin `workloads` does not load: it wants `kubernetes-events`, which is not granted; to let it list events, add to toolgate.toml:
            [grants.workloads.kubernetes-events]
            namespaces = ["..."]
          and it wants `kubernetes-read`, which is not granted; to let it read objects and the state of rollouts, add to toolgate.toml:
            [grants.workloads.kubernetes-read]
            namespaces = ["..."]

        > list_pods {}
        refused, unknown-tool: there is no tool `list_pods`

        received  alice@os list_pods {}
        refused   unknown-tool: there is no tool `list_pods`
    "#]]).await;
}

#[tokio::test]
async fn invariant_01_two_keys_a_grant_gives_nothing_that_a_manifest_does_not_ask_for() {
    let mut part = Part::find("plugins/pods");
    let asked =
        "[capabilities.kubernetes-events]\nreason = \"describe_pod ends with the pod's events\"\n";
    assert!(part.manifest.contains(asked));
    part.manifest = part.manifest.replace(asked, "");
    part.manifest = part.manifest.replace(", \"kubernetes-events\"]", "]");
    let all = "namespaces = [\"*\"]";
    let config = grant("pods", "kubernetes-read", all) + &grant("pods", "kubernetes-events", all);
    let house = House::builder().with_part(part).config(&config).build().await;
    expect![[r#"
        plugin `pods` does not load: it imports `kubernetes-events`, which its manifest does not ask for; to let it list events, its author adds to plugin.toml:
            [capabilities.kubernetes-events]
            reason = "...""#]].assert_eq(&house.failures());
    assert!(house.tools("alice").is_empty());
}

#[tokio::test]
async fn a_grant_of_one_capability_is_none_of_another() {
    let config = grant("pods", "kubernetes-read", "namespaces = [\"shop\"]");
    check(&["plugins/pods"], &config, &[], expect![[r#"
        plugin `pods` does not load: it wants `kubernetes-events`, which is not granted; to let it list events, add to toolgate.toml:
            [grants.pods.kubernetes-events]
            namespaces = ["..."]

    "#]]).await;
}

#[tokio::test]
async fn invariant_12_what_lies_outside_of_a_grant_looks_like_what_is_not_there() {
    let config = grant("logs", "kubernetes-logs", "namespaces = [\"shop\"]");
    let house = House::of(&["plugins/logs"], &config).await;
    let pods = house.cluster("demo");
    let ask = |namespace: &'static str, pod: &'static str| {
        house.ask("alice", "get_pod_logs", json!({"namespace": namespace, "pod_name": pod}))
    };
    let exists = ask("kube-system", "etcd-node-1").await;
    let missing = ask("kube-system", "etcd-node-9").await;
    let nowhere = ask("no-such-namespace", "etcd-node-1").await;
    let missing_inside = ask("shop", "etcd-node-1").await;
    expect![[r#"
        tool-error: not found: Pod `etcd-node-1` not found in namespace `kube-system` of cluster `demo`, or not granted
        tool-error: not found: Pod `etcd-node-9` not found in namespace `kube-system` of cluster `demo`, or not granted
        tool-error: not found: Pod `etcd-node-1` not found in namespace `no-such-namespace` of cluster `demo`, or not granted
        tool-error: not found: Pod `etcd-node-1` not found in namespace `shop` of cluster `demo`, or not granted
    "#]].assert_eq(&format!("{exists}\n{missing}\n{nowhere}\n{missing_inside}\n"));
    // Nothing was asked of the cluster for what lies outside.
    assert!(pods.requests().iter().all(|request| request.path.contains("/shop/")));
    expect![[r#"
        received  alice@os get_pod_logs {"namespace":"kube-system","pod_name":"etcd-node-1"}
        admitted  logs (read)
        used      kubernetes-logs get-log demo:Pod:kube-system/etcd-node-1 denied
        completed tool-error: not found: Pod `etcd-node-1` not found in namespace `kube-system` of cluster `demo`, or not granted
        received  alice@os get_pod_logs {"namespace":"kube-system","pod_name":"etcd-node-9"}
        admitted  logs (read)
        used      kubernetes-logs get-log demo:Pod:kube-system/etcd-node-9 denied
        completed tool-error: not found: Pod `etcd-node-9` not found in namespace `kube-system` of cluster `demo`, or not granted
        received  alice@os get_pod_logs {"namespace":"no-such-namespace","pod_name":"etcd-node-1"}
        admitted  logs (read)
        used      kubernetes-logs get-log demo:Pod:no-such-namespace/etcd-node-1 denied
        completed tool-error: not found: Pod `etcd-node-1` not found in namespace `no-such-namespace` of cluster `demo`, or not granted
        received  alice@os get_pod_logs {"namespace":"shop","pod_name":"etcd-node-1"}
        admitted  logs (read)
        used      kubernetes-logs get-log demo:Pod:shop/etcd-node-1 allowed
        completed tool-error: not found: Pod `etcd-node-1` not found in namespace `shop` of cluster `demo`, or not granted
    "#]].assert_eq(&house.record().text().await);
}

/// The second capability that `workloads` asks for.
fn granted_events() -> String {
    grant("workloads", "kubernetes-events", "namespaces = [\"*\"]")
}

#[tokio::test]
async fn a_grant_of_literal_namespaces_lists_them_one_by_one() {
    let scope = "namespaces = [\"shop\", \"payments\"]";
    let config = grant("workloads", "kubernetes-read", scope) + &granted_events();
    let questions = [
        ("list_deployments", json!({})),
        ("list_deployments", json!({"namespace": "payments"})),
        ("list_deployments", json!({"namespace": "shop-staging"})),
    ];
    check(&["plugins/workloads"], &config, &questions, expect![[r#"
        > list_deployments {}
        output: 5 deployments in the granted namespaces, 1 not rolled out
        .. 7 lines

        > list_deployments {"namespace":"payments"}
        output: 2 deployments in `payments`, all rolled out
        .. 4 lines

        > list_deployments {"namespace":"shop-staging"}
        tool-error: not found: namespace `shop-staging` not found in cluster `demo`, or not granted

        received  alice@os list_deployments {}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:payments/* allowed
        used      kubernetes-read list demo:Deployment:shop/* allowed
        completed output
        received  alice@os list_deployments {"namespace":"payments"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:payments/* allowed
        completed output
        received  alice@os list_deployments {"namespace":"shop-staging"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:shop-staging/* denied
        completed tool-error: not found: namespace `shop-staging` not found in cluster `demo`, or not granted
    "#]]).await;
}

#[tokio::test]
async fn a_grant_with_a_pattern_lists_what_it_covers() {
    let config =
        grant("workloads", "kubernetes-read", "namespaces = [\"shop*\"]") + &granted_events();
    let questions =
        [("list_deployments", json!({})), ("list_deployments", json!({"namespace": "payments"}))];
    check(&["plugins/workloads"], &config, &questions, expect![[r#"
        > list_deployments {}
        output: 5 deployments in the granted namespaces, 1 not rolled out
        .. 7 lines

        > list_deployments {"namespace":"payments"}
        tool-error: not found: namespace `payments` not found in cluster `demo`, or not granted

        received  alice@os list_deployments {}
        admitted  workloads (read)
        used      kubernetes-read list demo:Namespace:* allowed
        used      kubernetes-read list demo:Deployment:shop/* allowed
        used      kubernetes-read list demo:Deployment:shop-staging/* allowed
        completed output
        received  alice@os list_deployments {"namespace":"payments"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:payments/* denied
        completed tool-error: not found: namespace `payments` not found in cluster `demo`, or not granted
    "#]]).await;
}

#[tokio::test]
async fn a_grant_of_kinds_and_names_covers_no_others() {
    let nodes = grant("nodes", "kubernetes-read", "namespaces = [\"*\"]\nkinds = [\"Pod\"]");
    let pods = grant("workloads", "kubernetes-read", "namespaces = [\"*\"]\nnames = [\"check*\"]");
    let questions = [("get_node_status", json!({})), ("list_deployments", json!({}))];
    let sources = ["plugins/nodes", "plugins/workloads"];
    check(
        &sources,
        &(nodes + &pods + &granted_events()),
        &questions,
        expect![[r#"
        > get_node_status {}
        tool-error: not found: nothing of kind Node is granted in cluster `demo`

        > list_deployments {}
        output: 2 deployments in the granted namespaces, 1 not rolled out
        .. 4 lines

        received  alice@os get_node_status {}
        admitted  nodes (read)
        used      kubernetes-read list demo:Node:* denied
        completed tool-error: not found: nothing of kind Node is granted in cluster `demo`
        received  alice@os list_deployments {}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:* allowed
        completed output
    "#]],
    )
    .await;
}

#[tokio::test]
async fn a_grant_in_one_cluster_is_none_in_another() {
    let clusters = "[clusters.one]\ndemo = true\ndefault = true\n[clusters.two]\ndemo = true\n";
    let scope = "namespaces = [\"payments\"]\nclusters = [\"one\"]";
    let config = clusters.to_owned()
        + &grant("workloads", "kubernetes-read", scope)
        + &grant("workloads", "kubernetes-events", scope);
    let questions = [
        ("list_deployments", json!({})),
        ("list_deployments", json!({"cluster": "two"})),
        ("list_deployments", json!({"cluster": "three"})),
    ];
    check(
        &["plugins/workloads"],
        &config,
        &questions,
        expect![[r#"
            > list_deployments {}
            output: 2 deployments in the granted namespaces, all rolled out
            .. 4 lines

            > list_deployments {"cluster":"two"}
            tool-error: not found: cluster `two` not found

            > list_deployments {"cluster":"three"}
            tool-error: not found: cluster `three` not found

            received  alice@os list_deployments {}
            admitted  workloads (read)
            used      kubernetes-read list one:Deployment:payments/* allowed
            completed output
            received  alice@os list_deployments {"cluster":"two"}
            admitted  workloads (read)
            used      kubernetes-read reach two:Cluster:* denied
            completed tool-error: not found: cluster `two` not found
            received  alice@os list_deployments {"cluster":"three"}
            admitted  workloads (read)
            completed tool-error: not found: cluster `three` not found
        "#]],
    )
    .await;
}

#[tokio::test]
async fn the_modes_namespaces_stand_above_every_grant() {
    let mode = "[mode]\nnamespaces = [\"payments\"]\n";
    let config = mode.to_owned()
        + &grant("workloads", "kubernetes-read", "namespaces = [\"*\"]")
        + &grant("workloads", "kubernetes-events", "namespaces = [\"*\"]");
    let questions =
        [("list_deployments", json!({})), ("list_deployments", json!({"namespace": "shop"}))];
    check(&["plugins/workloads"], &config, &questions, expect![[r#"
        > list_deployments {}
        output: 2 deployments in the granted namespaces, all rolled out
        .. 4 lines

        > list_deployments {"namespace":"shop"}
        tool-error: not found: namespace `shop` not found in cluster `demo`, or not granted

        received  alice@os list_deployments {}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:payments/* allowed
        completed output
        received  alice@os list_deployments {"namespace":"shop"}
        admitted  workloads (read)
        used      kubernetes-read list demo:Deployment:shop/* denied
        completed tool-error: not found: namespace `shop` not found in cluster `demo`, or not granted
    "#]]).await;
}

#[tokio::test]
async fn a_tool_uses_only_what_its_own_line_lists() {
    let mut part = Part::find("plugins/pods");
    let (wide, narrow) = ("[\"kubernetes-read\", \"kubernetes-events\"]", "[\"kubernetes-read\"]");
    assert!(part.manifest.contains(wide));
    part.manifest = part.manifest.replace(wide, narrow);
    let all = "namespaces = [\"*\"]";
    let config = grant("pods", "kubernetes-read", all) + &grant("pods", "kubernetes-events", all);
    let house = House::builder().with_part(part).config(&config).build().await;
    let pod = json!({"namespace": "shop", "pod_name": "checkout-7d9f8b6c54-mk4zq"});
    let answer = house.ask("alice", "describe_pod", pod).await;
    let events = answer.lines().skip_while(|line| !line.to_lowercase().contains("event"));
    expect!["Events: could not be read: denied: the tool `describe_pod` does not list `kubernetes-events` under `uses` in its plugin's manifest"].assert_eq(&events.collect::<Vec<_>>().join("\n"));
    expect![[r#"
        received  alice@os describe_pod {"namespace":"shop","pod_name":"checkout-7d9f8b6c54-mk4zq"}
        admitted  pods (read)
        used      kubernetes-read get demo:Pod:shop/checkout-7d9f8b6c54-mk4zq allowed
        completed output
    "#]]
    .assert_eq(&house.record().text().await);
}

const RESTART: &str = "restart_deployment";

fn checkout() -> Value {
    json!({"namespace": "shop", "deployment_name": "checkout"})
}

fn remediation(mode: &str) -> String {
    let capabilities = ["restart", "scale", "rollback", "pause", "delete-pod"];
    let grants = capabilities
        .map(|name| grant("remediation", &format!("kubernetes-{name}"), "namespaces = [\"shop\"]"));
    mode.to_owned() + &grants.concat()
}

#[tokio::test]
async fn invariant_02_a_tool_that_read_only_mode_hides_is_refused_all_the_same() {
    let house = House::of(&["plugins/remediation"], &remediation("")).await;
    assert!(house.tools("alice").is_empty());
    let answer = house.ask("alice", RESTART, checkout()).await;
    expect!["refused, denied: this server is read-only; its operator can change `mode.read_only`, or set `mode.dry_run` to allow plans"].assert_eq(&answer);
    expect![[r#"
        received  alice@os restart_deployment {"namespace":"shop","deployment_name":"checkout"}
        refused   denied: this server is read-only; its operator can change `mode.read_only`, or set `mode.dry_run` to allow plans
    "#]].assert_eq(&house.record().text().await);
    assert!(house.cluster("demo").requests().is_empty());

    // What is the default can be said as well.
    let house =
        House::of(&["plugins/remediation"], &remediation("[mode]\nread_only = true\n")).await;
    assert!(house.tools("alice").is_empty());
    assert_eq!(house.ask("alice", RESTART, checkout()).await, answer);
}

#[tokio::test]
async fn a_dry_run_plans_in_read_only_mode_and_writes_nothing() {
    let mode = "[mode]\nread_only = true\ndry_run = true\n";
    let house = House::of(&["plugins/remediation"], &remediation(mode)).await;
    assert!(house.tools("alice").iter().any(|tool| tool == RESTART));
    let answer = house.ask("alice", RESTART, checkout()).await;
    let timeless = |line: &str| line.split(" -> ").next().unwrap().to_owned();
    let lines: Vec<_> = answer.lines().map(timeless).collect();
    expect![[r#"
        output: Planned, not executed: restart of deployment `shop/checkout`
        Pods to be replaced: 3: checkout-7d9f8b6c54-mk4zq, checkout-7d9f8b6c54-qp7rj, checkout-7d9f8b6c54-x2v8k
        Replicas left meanwhile, at least: 1
        Disruption budget: checkout: 0 allowed now, 1 healthy of 1 needed
        Change: spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]: nothing
        Warning: not every pod is available now: 1 of 3 new replicas are available
        Warning: disruption budget `checkout` allows no disruption now, and a rolling restart does not ask it
        Next: Nothing: this is a dry run, the operator's configuration executes no writes."#]].assert_eq(&lines.join("\n"));
    expect![[r#"
        received  alice@os restart_deployment {"namespace":"shop","deployment_name":"checkout"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        completed output
    "#]]
    .assert_eq(&house.record().text().await);
    for request in house.cluster("demo").requests() {
        let asks = request.method == "GET" || request.query.contains("dryRun=All");
        assert!(asks, "{request:?}");
    }
    assert!(house.operator().answers.list().unwrap().is_empty());
}

#[tokio::test]
async fn a_restart_outside_of_its_grant_reaches_neither_cluster_nor_approver() {
    let house =
        House::of(&["plugins/remediation"], &remediation("[mode]\nread_only = false\n")).await;
    let outside = json!({"namespace": "payments", "deployment_name": "ledger"});
    let missing = json!({"namespace": "payments", "deployment_name": "no-such-thing"});
    let (outside, missing) =
        (house.ask("alice", RESTART, outside).await, house.ask("alice", RESTART, missing).await);
    expect![[r#"
        tool-error: not found: Deployment `ledger` not found in namespace `payments` of cluster `demo`, or not granted
        tool-error: not found: Deployment `no-such-thing` not found in namespace `payments` of cluster `demo`, or not granted
    "#]].assert_eq(&format!("{outside}\n{missing}\n"));
    expect![[r#"
        received  alice@os restart_deployment {"namespace":"payments","deployment_name":"ledger"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:payments/ledger denied
        completed tool-error: not found: Deployment `ledger` not found in namespace `payments` of cluster `demo`, or not granted
        received  alice@os restart_deployment {"namespace":"payments","deployment_name":"no-such-thing"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:payments/no-such-thing denied
        completed tool-error: not found: Deployment `no-such-thing` not found in namespace `payments` of cluster `demo`, or not granted
    "#]].assert_eq(&house.record().text().await);
    assert!(house.cluster("demo").requests().is_empty());
    assert!(house.operator().answers.list().unwrap().is_empty());
}

#[tokio::test]
async fn invariant_03_without_a_permit_nothing_runs() {
    let config = grant("logs", "kubernetes-logs", "namespaces = [\"*\"]");
    let questions = [
        ("get_pod_logs", json!({})),
        ("get_pod_logs", json!({"namespace": 1, "pod_name": "x", "more": true})),
        ("get_pod_logs", json!({"namespace": "../etc", "pod_name": "x"})),
        ("no_such_tool", json!({})),
    ];
    check(&["plugins/logs"], &config, &questions, expect![[r#"
        > get_pod_logs {}
        refused, invalid-arguments: the arguments do not fit: "pod_name" is a required property

        > get_pod_logs {"namespace":1,"pod_name":"x","more":true}
        refused, invalid-arguments: the arguments do not fit: `/namespace`: 1 is not of type "string"; Additional properties are not allowed ('more' was unexpected)

        > get_pod_logs {"namespace":"../etc","pod_name":"x"}
        tool-error: `../etc` is not a valid namespace: lower-case letters, digits and `-`, at most 63

        > no_such_tool {}
        refused, unknown-tool: there is no tool `no_such_tool`

        received  alice@os get_pod_logs {}
        refused   invalid-arguments: the arguments do not fit: "pod_name" is a required property
        received  alice@os get_pod_logs {"namespace":1,"pod_name":"x","more":true}
        refused   invalid-arguments: the arguments do not fit: `/namespace`: 1 is not of type "string"; Additional properties are not allowed ('more' was unexpected)
        received  alice@os get_pod_logs {"namespace":"../etc","pod_name":"x"}
        admitted  logs (read)
        completed tool-error: `../etc` is not a valid namespace: lower-case letters, digits and `-`, at most 63
        received  alice@os no_such_tool {}
        refused   unknown-tool: there is no tool `no_such_tool`
    "#]]).await;
}
