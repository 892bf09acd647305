//! A yes holds for the object as it was when it was asked for: whatever somebody else changes after
//! it, however late, nothing is done.

use serde_json::{Value, json};
use tempfile::TempDir;
use toolgate::governance::approval::Status;
use toolgate_tests::House;
use toolgate_tests::proxy::{Proxy, Way};

use super::{Write, approve, ask, changes, hollow_node, house, requested, revised, status};
use crate::cluster::wait_for;
use crate::detour::detour;
use crate::space::{Named, Space};
use crate::workloads::deployed;

/// A house whose way to the cluster the test holds.
struct Held {
    space: Space,
    house: House,
    proxy: Proxy,
    _folder: TempDir,
}

impl Held {
    async fn open(test: &str) -> Self {
        let space = Space::open(test).await;
        let folder = tempfile::tempdir().unwrap();
        let (proxy, kubeconfig) = detour(&space.cluster, folder.path()).await;
        let house = house(&space, space.cluster.house_by(&kubeconfig)).await;
        Self { space, house, proxy, _folder: folder }
    }
}

/// A write, the object that it is about, and what somebody else does to that.
struct Crossed {
    write: Write,
    object: (&'static str, &'static str, String),
    change: Value,
}

impl Crossed {
    fn object(&self) -> Named<'_> {
        let (api_version, kind, name) = &self.object;
        (api_version, kind, name)
    }

    /// The path of the object at the API server.
    fn path(&self, space: &Space) -> String {
        let (_, kind, name) = &self.object;
        let of = &space.name;
        match *kind {
            "Node" => format!("/api/v1/nodes/{name}"),
            "Pod" => format!("/api/v1/namespaces/{of}/pods/{name}"),
            _ => format!("/apis/apps/v1/namespaces/{of}/deployments/{name}"),
        }
    }
}

/// Every verb, each about an object of its own.
async fn all(space: &Space) -> Vec<Crossed> {
    for name in ["restart", "scale", "pause", "pod"] {
        deployed(space, name, 1, "exec sleep 3600").await;
    }
    revised(space, "rollback", 1).await;
    hollow_node(space).await;
    let pod = space.pods("app=pod").await.remove(0).metadata.name.unwrap();
    let of_deployment = |tool, name: &str, more: Value| Crossed {
        write: Write::of_deployment(tool, space, name, more),
        object: ("apps/v1", "Deployment", name.to_owned()),
        change: json!({ "spec": { "minReadySeconds": 1 } }),
    };
    let taints = json!([
        { "key": "toolgate.test/hollow", "effect": "NoSchedule" },
        { "key": "toolgate.test/repair", "effect": "NoSchedule" },
    ]);
    vec![
        of_deployment("restart_deployment", "restart", json!({})),
        of_deployment("scale_deployment", "scale", json!({ "replicas": 2 })),
        of_deployment("rollback_deployment", "rollback", json!({})),
        of_deployment("pause_deployment", "pause", json!({ "paused": true })),
        Crossed {
            write: Write {
                tool: "restart_pod",
                arguments: json!({ "namespace": space.name, "pod_name": pod }),
            },
            object: ("v1", "Pod", pod),
            change: json!({ "spec": { "activeDeadlineSeconds": 3600 } }),
        },
        Crossed {
            write: Write {
                tool: "cordon_node",
                arguments: json!({ "node_name": space.name, "cordon": true }),
            },
            object: ("v1", "Node", space.name.clone()),
            change: json!({ "spec": { "taints": taints } }),
        },
    ]
}

/// The yes was taken, and before the host has looked at the object again, somebody changes it.
#[tokio::test]
async fn what_was_changed_after_the_yes_is_left_alone() {
    let held = Held::open("changed").await;
    let Held { space, house, proxy, .. } = &held;
    for crossed in all(space).await {
        let Crossed { write, change, .. } = &crossed;
        let id = requested(house, write).await;
        proxy.make(Way::Held);
        approve(house, &id);
        // The host is about to execute it.
        wait_for("the yes is taken", async || {
            (status(house, &id) == Status::Executing).then_some(())
        })
        .await;
        space.change(crossed.object(), change.clone()).await;
        proxy.make(Way::Open);
        let said = ask(house, write).await.unwrap_err();
        assert!(said.starts_with("denied: "), "{said}");
        assert!(said.contains("was changed since the plan"), "{said}");
        assert!(said.ends_with("Nothing was changed."), "{said}");
        assert_eq!(status(house, &id), Status::Failed);
    }
    assert_eq!(changes(space), [""; 0], "nothing was sent");
}

/// The host has looked at the object, and somebody changes it before the write arrives: then it is
/// the API server that refuses, by the version that goes with the write, and the host looks again.
#[tokio::test]
async fn what_was_changed_at_the_last_moment_is_left_alone() {
    let held = Held::open("late").await;
    let Held { space, house, proxy, .. } = &held;
    let mut refused = Vec::new();
    for crossed in all(space).await {
        let Crossed { write, change, .. } = &crossed;
        let id = requested(house, write).await;
        let path = crossed.path(space);
        let n_looks = looks(space, &path);
        proxy.make(Way::Unanswered);
        approve(house, &id);
        wait_for("the host has looked", async || (looks(space, &path) > n_looks).then_some(()))
            .await;
        space.change(crossed.object(), change.clone()).await;
        let n_changes = changes(space).len();
        proxy.make(Way::Open);
        let said = ask(house, write).await.unwrap_err();
        assert!(said.contains("was changed since the plan"), "{said}");
        assert!(said.ends_with("Nothing was changed."), "{said}");
        assert_eq!(status(house, &id), Status::Failed, "{said}");
        let sent = changes(space).split_off(n_changes).into_iter();
        let (_, kind, name) = crossed.object();
        refused.extend(sent.map(|sent| match kind {
            "Pod" => sent.replace(name, "<pod>"),
            _ => sent,
        }));
    }
    let expected = [
        "patch /apis/apps/v1/namespaces/<space>/deployments/restart 409",
        "patch /apis/apps/v1/namespaces/<space>/deployments/scale/scale 409",
        "patch /apis/apps/v1/namespaces/<space>/deployments/rollback 409",
        "patch /apis/apps/v1/namespaces/<space>/deployments/pause 409",
        "delete /api/v1/namespaces/<space>/pods/<pod> 409",
        "patch /api/v1/nodes/<space> 409",
    ];
    assert_eq!(refused, expected);
}

/// How often the object was read by other than the cluster itself.
fn looks(space: &Space, path: &str) -> usize {
    let events = space.cluster.audited_about(path).into_iter();
    let by_us = events.filter(|event| {
        let user = event["user"]["username"].as_str().unwrap_or_default();
        event["verb"] == "get" && event["requestURI"] == path && !user.starts_with("system:")
    });
    by_us.count()
}
