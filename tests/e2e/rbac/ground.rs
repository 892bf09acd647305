//! Three namespaces, what is in them, and a house whose grants reach two of them.

use kube::core::GroupVersionKind;
use serde_json::Value;
use toolgate_tests::repository;

use super::account::Account;
use crate::cluster::{NAME, wait_for};
use crate::program::Home;
use crate::space::Space;
use crate::workloads::{deployment, rolled_out};

/// Every plugin of ours.
const PLUGINS: [&str; 13] = [
    "browse",
    "capacity",
    "diagnose",
    "events",
    "logs",
    "networking",
    "node-ops",
    "nodes",
    "objects",
    "pods",
    "remediation",
    "runbooks",
    "workloads",
];

/// How far the grants reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Namespaces and objects by their names.
    Named,
    /// Namespaces by patterns, and all of them.
    Patterns,
}

pub(super) struct Ground {
    /// Everything is granted here.
    pub(super) one: Space,
    /// Pods may be read and one deployment restarted.
    pub(super) two: Space,
    /// Nothing is.
    pub(super) other: Space,
    pub(super) account: Account,
    pub(super) home: Home,
    /// What `toolgate rbac` printed, which the account has been given.
    pub(super) printed: String,
}

impl Ground {
    /// Namespaces, the account, and its rights.
    pub(super) async fn lay(test: &str, reach: Reach) -> Self {
        let (one, two) = (Space::open(test).await, Space::open(test).await);
        let other = Space::open(test).await;
        let account = Account::open(&one).await;
        let home = Home::new();
        let kubeconfig = Value::from(account.lay_out(home.path()).display().to_string());
        let context = Value::from(one.cluster.context.as_str());
        let sources = PLUGINS.map(|plugin| format!("plugins/{plugin}"));
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        home.furnish(
            &sources,
            &format!(
                "[serve]\nreread_every_s = 1\n[mode]\nread_only = false\n\
                 [approvals]\nrequired = false\n\
                 [clusters.{NAME}]\nkubeconfig = {kubeconfig}\ncontext = {context}\n{}",
                grants(&one.name, &two.name, reach)
            ),
        );
        let printed = home.run(&[&["rbac"], &account.flags()[..]].concat()).good();
        account.give(&one, &printed).await;
        Self { one, two, other, account, home, printed }
    }

    /// What the node that is cordoned is called. Nothing runs on it, so nobody misses it.
    pub(super) fn node(&self) -> &str {
        &self.one.name
    }

    /// The version in which the cluster has a kind that came to be stable in Kubernetes 1.21.
    async fn served(&self, group: &str, kind: &str) -> &'static str {
        let versions = match group {
            "batch" => ["batch/v1", "batch/v1beta1"],
            _ => ["policy/v1", "policy/v1beta1"],
        };
        let [stable, before] = versions;
        let named = GroupVersionKind::gvk(group, "v1", kind);
        let found = kube::discovery::pinned_kind(&self.one.cluster.client, &named).await;
        if found.is_ok() { stable } else { before }
    }

    /// Objects of every kind that the tools look at.
    pub(super) async fn furnish(&self) {
        let script = "echo the shop is open; exec sleep 3600";
        let (one, two) = (&self.one, &self.two);
        one.apply(&deployment(one, "web", 2, script)).await;
        two.apply(&deployment(two, "web", 1, script)).await;
        let owner = one.owner().await;
        let file = repository().join("tests/e2e/rbac/objects.yaml");
        let text = std::fs::read_to_string(file)
            .unwrap()
            .replace("$image", &one.cluster.box_image)
            .replace("$name", &one.name)
            .replace("$owner", &owner.to_string())
            .replace("$batch", self.served("batch", "CronJob").await)
            .replace("$policy", self.served("policy", "PodDisruptionBudget").await);
        let workloads: Vec<&str> = text.split("---\n").take(2).collect();
        two.apply(&workloads.join("---\n")).await;
        one.apply(&text).await;
        rolled_out(one, "web").await;
        rolled_out(two, "web").await;
        // A second revision, to go back from.
        one.apply(&deployment(one, "web", 2, "echo the shop is open again; exec sleep 3600")).await;
        rolled_out(one, "web").await;
        for kind in ["StatefulSet", "DaemonSet"] {
            let name = if kind == "StatefulSet" { "db" } else { "agent" };
            one.wait(("apps/v1", kind, name), "is ready", |object| {
                let status = &object["status"];
                let ready = status["readyReplicas"].as_u64().or(status["numberReady"].as_u64());
                ready.is_some_and(|ready| ready > 0)
            })
            .await;
        }
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{}/pods", one.name);
        wait_for("the pods are measured", async || {
            let request = http::Request::get(&path).body(Vec::new()).unwrap();
            let list: Value = one.cluster.client.request(request).await.expect("a list");
            list["items"].as_array().is_some_and(|items| items.len() >= 3).then_some(())
        })
        .await;
    }
}

/// The kind that the test defines. No object of it is made: a Kubernetes 1.20 that was built with a
/// Go of today dies of it.
pub(super) fn gadget(one: &str) -> String {
    format!("Gadget.{one}.toolgate.test")
}

/// Grants for every plugin of ours.
fn grants(one: &str, two: &str, reach: Reach) -> String {
    let node = one;
    let (one, both) = match reach {
        Reach::Named => (format!("[\"{one}\"]"), format!("[\"{one}\", \"{two}\"]")),
        // A pattern of the two, and every namespace.
        Reach::Patterns => {
            let end = one.len() - 1;
            assert_eq!(one[..end], two[..end], "they differ in the last character");
            (format!("[\"{}*\"]", &one[..end]), "[\"*\"]".to_owned())
        }
    };
    let mut text = String::new();
    let mut grant = |plugin: &str, capability: &str, more: &str| {
        text.push_str(&format!("[grants.{plugin}.{capability}]\n{more}\n"));
    };
    let here = format!("namespaces = {one}");
    let in_both = format!("namespaces = {both}");
    for plugin in ["browse", "capacity", "diagnose", "networking", "runbooks"] {
        grant(plugin, "kubernetes-read", &here);
    }
    grant("workloads", "kubernetes-read", &format!("{here}\nkinds = [\"*\", \"Secret\"]"));
    for plugin in ["diagnose", "events", "node-ops", "workloads"] {
        grant(plugin, "kubernetes-events", &here);
    }
    for plugin in ["browse", "diagnose", "logs"] {
        grant(plugin, "kubernetes-logs", &here);
    }
    grant("capacity", "kubernetes-metrics", &format!("{here}\nkinds = [\"Pod\"]"));
    grant("node-ops", "kubernetes-metrics", &format!("{here}\nkinds = [\"Node\"]"));
    grant("node-ops", "kubernetes-read", &format!("{here}\nkinds = [\"Node\", \"Pod\"]"));
    grant("nodes", "kubernetes-read", &format!("{here}\nkinds = [\"Node\"]"));
    grant("pods", "kubernetes-read", &format!("{in_both}\nkinds = [\"Pod\"]"));
    grant("pods", "kubernetes-events", &in_both);
    let kinds = format!(
        "kinds = [\"*\", \"Secret\", \"Role.rbac.authorization.k8s.io\", \"{}\"]",
        gadget(node)
    );
    grant("objects", "kubernetes-read", &format!("{here}\n{kinds}"));
    grant("objects", "access", "");
    let names = |names: &str| match reach {
        Reach::Named => format!("\nnames = [{names}]"),
        Reach::Patterns => String::new(),
    };
    let workloads = names("\"web\", \"db\", \"agent\"");
    grant("remediation", "kubernetes-restart", &format!("{in_both}{workloads}"));
    for verb in ["scale", "rollback", "pause"] {
        grant("remediation", &format!("kubernetes-{verb}"), &format!("{here}{workloads}"));
    }
    grant("remediation", "kubernetes-delete-pod", &here);
    grant("node-ops", "kubernetes-cordon", &names(&format!("\"{node}\"")));
    text
}
