//! Writes in the real cluster: asked for, approved through the files that the command uses, and
//! carried out. `finished` sees each to its end, `broken` what comes to none by itself, `refused`
//! changes the object under it.

mod broken;
mod finished;
mod refused;

use serde_json::{Value, json};
use toolgate::domain::call::Outcome;
use toolgate::domain::name::ApprovalId;
use toolgate::governance::approval::Status;
use toolgate_tests::{Builder, House};

use crate::cluster::wait_for;
use crate::space::{MANAGER, Named, Space};
use crate::workloads::{deployment_of, rolled_out};

/// A write, as a caller asks for it.
struct Write {
    tool: &'static str,
    arguments: Value,
}

impl Write {
    fn of_deployment(tool: &'static str, space: &Space, name: &str, more: Value) -> Self {
        let mut arguments = more;
        arguments["namespace"] = json!(space.name);
        arguments["deployment_name"] = json!(name);
        Self { tool, arguments }
    }
}

/// A house on the way to the cluster that `builder` knows, which may change this namespace and
/// nodes.
async fn house(space: &Space, builder: Builder) -> House {
    let name = &space.name;
    let grants: String = ["restart", "scale", "rollback", "pause", "delete-pod"]
        .iter()
        .map(|verb| format!("[grants.remediation.kubernetes-{verb}]\nnamespaces = [\"{name}\"]\n"))
        .collect();
    let of_nodes = format!(
        "[grants.node-ops.kubernetes-read]\nnamespaces = [\"{name}\"]\nkinds = [\"Node\"]\n\
         [grants.node-ops.kubernetes-events]\nnamespaces = [\"{name}\"]\n\
         [grants.node-ops.kubernetes-metrics]\nnamespaces = [\"{name}\"]\n\
         [grants.node-ops.kubernetes-cordon]\n"
    );
    let config = format!("[mode]\nread_only = false\n{grants}{of_nodes}");
    builder.with("plugins/remediation").with("plugins/node-ops").config(&config).build().await
}

/// What came of the call: the structured answer, or the text of a failure.
async fn ask(house: &House, write: &Write) -> Result<Value, String> {
    match house.call("alice", write.tool, write.arguments.clone()).await {
        Ok(Outcome::Output(output)) => Ok(output.structured.expect("an object")),
        Ok(Outcome::ToolError(text)) => Err(text),
        other => panic!("{}: {other:?}", write.tool),
    }
}

/// Asks for the write, which has to wait for a person.
async fn requested(house: &House, write: &Write) -> ApprovalId {
    let asked = ask(house, write).await.unwrap();
    assert_eq!(asked["outcome"], "approval_required", "{}: {asked}", write.tool);
    asked["approval_id"].as_str().unwrap().parse().unwrap()
}

/// Says yes, as `toolgate approvals approve` does.
fn approve(house: &House, id: &ApprovalId) {
    house.operator().approve(id, "olga");
}

fn status(house: &House, id: &ApprovalId) -> Status {
    house.operator().status(id)
}

/// From the request to the end, by asking again as a caller does.
async fn finish(house: &House, space: &Space, write: &Write) {
    let before = changes(space);
    let id = requested(house, write).await;
    assert_eq!(changes(space), before, "{}: nothing before the yes", write.tool);
    approve(house, &id);
    wait_for(&format!("{} is complete", write.tool), async || {
        let told = ask(house, write).await.unwrap();
        assert_eq!(told["outcome"], "performed", "{}: {told}", write.tool);
        assert_ne!(told["state"], "stuck", "{}: {told}", write.tool);
        (told["state"] == "complete").then_some(())
    })
    .await;
    assert_eq!(status(house, &id), Status::Executed);
}

/// What the API server recorded of changes to what is in the namespace or called as it is, but for
/// rehearsals, the cluster's own and the test's: verb, path and status.
fn changes(space: &Space) -> Vec<String> {
    let name = space.name.as_str();
    let ours = format!("fieldManager={MANAGER}");
    let events = space.cluster.audited_about(name).into_iter();
    let told = events.filter_map(|event| {
        let verb = event["verb"].as_str()?;
        let uri = event["requestURI"].as_str()?;
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let mut parameters = query.split('&');
        let is_change = !matches!(verb, "get" | "list" | "watch");
        let is_meant = parameters.all(|parameter| parameter != "dryRun=All" && parameter != ours);
        let is_clusters = event["user"]["username"].as_str()?.starts_with("system:");
        let is_space = event["objectRef"]["resource"] == "namespaces";
        (is_change && is_meant && !is_clusters && !is_space).then(|| {
            let path = path.replace(name, "<space>");
            format!("{verb} {path} {}", event["responseStatus"]["code"])
        })
    });
    told.collect()
}

/// A deployment of this many pods with two revisions, of which the second runs.
async fn revised(space: &Space, name: &str, replicas: u32) {
    for script in ["echo one; exec sleep 3600", "echo two; exec sleep 3600"] {
        let container = json!({ "args": [script] });
        space.apply(&deployment_of(space, name, replicas, &container).to_string()).await;
        rolled_out(space, name).await;
    }
}

/// A node that no machine stands behind, and that no pod is put on. It goes with the namespace.
async fn hollow_node(space: &Space) {
    let namespaces = space.objects("v1", "Namespace").await;
    let owner = namespaces.get(&space.name).await.unwrap();
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": space.name,
            "ownerReferences": [{
                "apiVersion": "v1",
                "kind": "Namespace",
                "name": space.name,
                "uid": owner.metadata.uid,
            }],
        },
        "spec": { "taints": [{ "key": "toolgate.test/hollow", "effect": "NoSchedule" }] },
    });
    space.apply(&node.to_string()).await;
}

fn deployment(name: &str) -> Named<'_> {
    ("apps/v1", "Deployment", name)
}
