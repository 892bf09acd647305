//! Every tool, prompt and resource, called with arguments that fit what is there.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::ground::{Ground, gadget};
use crate::cluster::wait_for;
use crate::program::{Home, Pipe, TOOLS};
use crate::space::Space;

/// Kinds that may be read, each with an object of it; none where a controller names it.
const OBJECTS: [(&str, Option<&str>); 23] = [
    ("Deployment", Some("web")),
    ("StatefulSet", Some("db")),
    ("DaemonSet", Some("agent")),
    ("Pod", None),
    ("ReplicaSet", None),
    ("ControllerRevision", None),
    ("ReplicationController", Some("old")),
    ("Job", Some("once")),
    ("CronJob", Some("nightly")),
    ("Service", Some("web")),
    ("Endpoints", Some("web")),
    ("EndpointSlice", None),
    ("Ingress", Some("web")),
    ("NetworkPolicy", Some("web")),
    ("ConfigMap", Some("settings")),
    ("Secret", Some("key")),
    ("ServiceAccount", Some("default")),
    ("PersistentVolumeClaim", Some("data")),
    ("HorizontalPodAutoscaler", Some("web")),
    ("PodDisruptionBudget", Some("web")),
    ("ResourceQuota", Some("pods")),
    ("LimitRange", Some("claims")),
    ("Role.rbac.authorization.k8s.io", Some("nothing")),
];

/// Kinds in no namespace: an object of each is called like the test's namespace.
const OF_CLUSTER: [&str; 5] =
    ["Namespace", "Node", "PersistentVolume", "StorageClass", "IngressClass"];

const WORKLOADS: [(&str, &str); 3] =
    [("deployment", "web"), ("statefulset", "db"), ("daemonset", "agent")];

/// What a tool says where the account lacks a right that it can do without.
const LACKS: [&str; 3] = ["could not be read", "not allowed", "Not looked at"];

/// A client that wants every answer to be a good one.
struct Client<'a> {
    home: &'a Home,
    session: Pipe,
    called: BTreeSet<String>,
}

impl Client<'_> {
    fn tool(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.session.call(tool, arguments.clone());
        self.good(tool, &arguments, result)
    }

    fn good(&mut self, tool: &str, arguments: &Value, mut result: Value) -> Value {
        let said = result["content"].to_string();
        assert!(result["isError"] != true, "{tool} {arguments}: {said}");
        assert!(!LACKS.iter().any(|lack| said.contains(lack)), "{tool} {arguments}: {said}");
        self.called.insert(tool.to_owned());
        result["structuredContent"].take()
    }

    async fn write(&mut self, tool: &str, arguments: Value) {
        // A controller that writes the object's status at the same moment is a change as well.
        let changed = async || {
            let result = self.session.call(tool, arguments.clone());
            let said = result["content"].to_string();
            let is_changed = ["so nothing was done; ask again", "since the plan; ask again"]
                .iter()
                .any(|told| said.contains(told));
            (!is_changed).then(|| self.good(tool, &arguments, result))
        };
        let mut done = wait_for("a write that nobody comes before", changed).await;
        // A deletion is asked for in every configuration.
        if let Some(id) = done["approval_id"].as_str().filter(|_| tool == "restart_pod") {
            self.home.run(&["approvals", "approve", id]).good();
            done = wait_for("the yes is acted on", async || {
                let done = self.tool(tool, arguments.clone());
                (done["outcome"] != "approval_required").then_some(done)
            })
            .await;
        }
        assert_eq!(done["outcome"], "performed", "{tool} {arguments}: {done}");
    }

    fn ask(&mut self, method: &str, params: Value) -> Value {
        let mut answer = self.session.request(method, params.clone());
        assert!(answer["error"].is_null(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    /// Until a rollout is complete.
    async fn rolled_out(&mut self, of: &Value) {
        wait_for("a rollout is complete", async || {
            (self.tool("rollout_status", of.clone())["state"] == "complete").then_some(())
        })
        .await;
    }
}

/// Calls everything there is, and ends the session.
pub(super) async fn everything(ground: &Ground) {
    let session = Pipe::open(&ground.home, &["serve"]);
    let mut client = Client { home: &ground.home, session, called: BTreeSet::new() };
    reads(&mut client, ground).await;
    objects(&mut client, ground);
    offers(&mut client, ground).await;
    writes(&mut client, ground).await;
    let called: Vec<&str> = client.called.iter().map(String::as_str).collect();
    assert_eq!(called, TOOLS);
    client.session.close();
}

/// The name of a pod that is there and stays for the moment.
async fn pod(space: &Space, labels: &str) -> String {
    wait_for("a pod that runs", async || {
        let mut pods = space.pods(labels).await.into_iter();
        let running = pods.find(|pod| {
            let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
            phase == Some("Running") && pod.metadata.deletion_timestamp.is_none()
        });
        running.and_then(|pod| pod.metadata.name)
    })
    .await
}

async fn reads(client: &mut Client<'_>, ground: &Ground) {
    let (one, two) = (&ground.one.name, &ground.two.name);
    let web = pod(&ground.one, "app=web").await;
    let of_pod = json!({"namespace": one, "pod_name": web});
    for place in [json!({}), json!({"namespace": one}), json!({"namespace": two})] {
        for tool in ["list_pods", "list_failing_pods"] {
            client.tool(tool, place.clone());
        }
    }
    for place in [json!({}), json!({"namespace": one})] {
        for tool in [
            "check_services",
            "find_recent_changes",
            "get_recent_events",
            "list_autoscalers",
            "list_deployments",
            "list_ingresses",
            "list_quotas",
            "top_pods",
        ] {
            client.tool(tool, place.clone());
        }
    }
    // Nothing fits: whether there is such a namespace is looked at as well.
    client.tool("list_pods", json!({"namespace": two, "label_selector": "app=nothing"}));
    let there = json!({"namespace": two, "pod_name": pod(&ground.two, "app=web").await});
    for tool in ["get_pod_status", "describe_pod"] {
        client.tool(tool, of_pod.clone());
        client.tool(tool, there.clone());
    }
    client.tool("explain_network_policies", of_pod.clone());
    for tool in ["top_nodes", "get_node_status"] {
        client.tool(tool, json!({}));
    }
    client.tool("describe_node", json!({"node_name": ground.node()}));
    for (kind, name) in WORKLOADS {
        let of = json!({"namespace": one, "kind": kind, "name": name});
        client.tool("rollout_status", of.clone());
        client.tool("diagnose_workload", of);
        let workload = format!("{kind}/{name}");
        client.tool("get_workload_logs", json!({"namespace": one, "workload": workload}));
    }
    for (kind, name) in [("job", "once"), ("pod", &web)] {
        client.tool("diagnose_workload", json!({"namespace": one, "kind": kind, "name": name}));
    }
    client.tool("get_workload_logs", json!({"namespace": one, "label_selector": "app=web"}));
    for more in [
        json!({}),
        json!({"container": "main"}),
        json!({"include": "open"}),
        json!({"follow_seconds": 1, "tail_lines": 1}),
    ] {
        let mut arguments = of_pod.clone();
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.tool("get_pod_logs", arguments);
    }
    for tool in TOOLS {
        let asked = json!({"tool": tool, "namespace": one});
        let answer = client.tool("check_access", asked);
        assert_eq!(answer["allowed"], true, "{tool}: {answer}");
    }
}

/// Each kind, as a list and one by one.
fn objects(client: &mut Client<'_>, ground: &Ground) {
    let one = &ground.one.name;
    let gadget = gadget(one);
    for (kind, name) in OBJECTS {
        client.tool("list_resources", json!({"kind": kind}));
        let listed = client.tool("list_resources", json!({"kind": kind, "namespace": one}));
        let found = listed["items"][0]["name"].as_str();
        let name = name.or(found).unwrap_or_else(|| panic!("there is no {kind}"));
        client.tool("get_resource", json!({"kind": kind, "namespace": one, "name": name}));
    }
    for kind in OF_CLUSTER {
        client.tool("list_resources", json!({"kind": kind}));
        client.tool("get_resource", json!({"kind": kind, "name": one}));
    }
    client.tool("list_resources", json!({"kind": gadget, "namespace": one}));
    let missing = json!({"kind": gadget, "namespace": one, "name": "none"});
    let answer = client.session.call("get_resource", missing);
    assert!(answer["content"].to_string().contains("not found"), "{answer}");
}

async fn offers(client: &mut Client<'_>, ground: &Ground) {
    let one = &ground.one.name;
    let prompts = [
        ("diagnose-workload", json!({"namespace": one, "workload": "web"})),
        ("cluster-health", json!({})),
        ("incident-triage", json!({"report": "checkout fails"})),
        ("safe-restart", json!({"namespace": one, "deployment": "web"})),
        ("pre-deploy-check", json!({"namespace": one, "deployment": "web"})),
        ("post-incident-summary", json!({"namespace": one, "title": "checkout failed"})),
    ];
    let listed = client.ask("prompts/list", json!({}));
    assert_eq!(listed["prompts"].as_array().unwrap().len(), prompts.len());
    for (name, arguments) in prompts {
        let written = client.ask("prompts/get", json!({"name": name, "arguments": arguments}));
        assert!(!written["messages"].as_array().unwrap().is_empty(), "{name}");
    }
    let web = pod(&ground.one, "app=web").await;
    let root = "k8s://real/namespaces";
    let workload = format!("{root}/{one}/workloads/deployment/web");
    let uris = [
        root.to_owned(),
        format!("{root}/{one}/workloads"),
        workload.clone(),
        format!("{workload}/ownership"),
        format!("{root}/{one}/pods/{web}"),
        format!("{root}/{one}/pods/{web}/log"),
        "toolgate://permissions".to_owned(),
        "toolgate://clusters".to_owned(),
    ];
    for uri in &uris {
        let read = client.ask("resources/read", json!({"uri": uri}));
        assert!(!read["contents"].as_array().unwrap().is_empty(), "{uri}");
    }
    client.ask("resources/subscribe", json!({"uri": workload}));
    let complete = |reference: Value, argument: &str, context: Value| {
        json!({"ref": reference, "argument": {"name": argument, "value": ""},
               "context": {"arguments": context}})
    };
    let within = json!({"cluster": "real", "namespace": one, "kind": "deployment"});
    let of_pod = json!({"type": "ref/resource",
                        "uri": "k8s://{cluster}/namespaces/{namespace}/pods/{pod}"});
    let of_workload = json!({"type": "ref/resource",
        "uri": "k8s://{cluster}/namespaces/{namespace}/workloads/{kind}/{workload}"});
    let restart = json!({"type": "ref/prompt", "name": "safe-restart"});
    for (reference, argument) in [
        (of_pod.clone(), "cluster"),
        (of_pod.clone(), "namespace"),
        (of_pod, "pod"),
        (of_workload, "workload"),
        (restart.clone(), "namespace"),
        (restart, "deployment"),
    ] {
        let asked = complete(reference, argument, within.clone());
        let values = client.ask("completion/complete", asked);
        let values = &values["completion"]["values"];
        assert!(!values.as_array().unwrap().is_empty(), "{argument}: {values}");
    }
}

async fn writes(client: &mut Client<'_>, ground: &Ground) {
    let (one, two) = (&ground.one.name, &ground.two.name);
    let of = |kind: &str, name: &str, more: Value| {
        let mut arguments =
            json!({"namespace": one, "kind": kind, "deployment_name": name, "reason": "a test"});
        arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        arguments
    };
    let status = |kind: &str, name: &str| json!({"namespace": one, "kind": kind, "name": name});
    for paused in [true, false] {
        let arguments = json!({"namespace": one, "deployment_name": "web", "paused": paused});
        client.write("pause_deployment", arguments).await;
    }
    for (kind, name) in [("deployment", "web"), ("statefulset", "db")] {
        for replicas in [3, 1, 2] {
            client.write("scale_deployment", of(kind, name, json!({"replicas": replicas}))).await;
            client.rolled_out(&status(kind, name)).await;
        }
    }
    client.write("rollback_deployment", of("deployment", "web", json!({}))).await;
    client.rolled_out(&status("deployment", "web")).await;
    for (kind, name) in WORKLOADS {
        client.write("restart_deployment", of(kind, name, json!({}))).await;
        client.rolled_out(&status(kind, name)).await;
    }
    for (kind, name) in [("statefulset", "db"), ("daemonset", "agent")] {
        client.write("rollback_deployment", of(kind, name, json!({}))).await;
        client.rolled_out(&status(kind, name)).await;
    }
    for (kind, name) in WORKLOADS {
        let there = json!({"namespace": two, "kind": kind, "deployment_name": name});
        client.write("restart_deployment", there).await;
    }
    for labels in ["app=web", "app=db", "app=agent"] {
        let name = pod(&ground.one, labels).await;
        client.write("restart_pod", json!({"namespace": one, "pod_name": name})).await;
    }
    for cordon in [true, false] {
        client.write("cordon_node", json!({"node_name": ground.node(), "cordon": cordon})).await;
    }
}
