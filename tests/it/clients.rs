//! Clients that other people wrote, over both transports and in both eras of the protocol. What our
//! own client and our own server misread in the same way shows only here.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};
use toolgate_tests::{grants, repository};

use crate::elicitation_program;
use crate::program::{Home, Http, Printed, TOOLS, foreign, until};

/// The eras, as the Inspector names them, and the version that each ends up with.
const ERAS: [(&str, &str); 2] = [("legacy", "2025-11-25"), ("modern", "2026-07-28")];

/// The same for the Python SDK, which either asks first what the server speaks, or does not ask: then
/// nobody tells it the server's name.
const MODES: [(&str, &str, Option<&str>); 3] = [
    ("legacy", "2025-11-25", Some("toolgate")),
    ("auto", "2026-07-28", Some("toolgate")),
    ("2026-07-28", "2026-07-28", None),
];

/// Every tool with arguments that fit.
fn calls() -> Vec<(&'static str, Value)> {
    let checkout = "checkout-7d9f8b6c54-qp7rj";
    let deployment = json!({"namespace": "shop", "name": "checkout"});
    vec![
        ("check_access", json!({"tool": "restart_deployment", "namespace": "shop"})),
        ("check_services", json!({"namespace": "shop"})),
        ("cordon_node", json!({"node_name": "node-1"})),
        ("describe_node", json!({"node_name": "node-1"})),
        ("describe_pod", json!({"namespace": "shop", "pod_name": checkout})),
        ("diagnose_workload", deployment.clone()),
        ("explain_network_policies", json!({"namespace": "shop", "pod_name": checkout})),
        ("find_recent_changes", json!({"namespace": "shop"})),
        ("get_resource", json!({"kind": "svc", "namespace": "shop", "name": "checkout"})),
        ("get_workload_logs", json!({"namespace": "shop", "label_selector": "app=checkout"})),
        ("list_autoscalers", json!({"namespace": "shop"})),
        ("list_ingresses", json!({"namespace": "shop"})),
        ("list_quotas", json!({"namespace": "shop"})),
        ("list_resources", json!({"kind": "Secret", "namespace": "shop"})),
        ("rollout_status", deployment),
        ("top_nodes", json!({})),
        ("top_pods", json!({"namespace": "shop"})),
        ("get_node_status", json!({})),
        ("get_pod_logs", json!({"namespace": "shop", "pod_name": checkout, "previous": true})),
        ("get_pod_status", json!({"namespace": "shop", "pod_name": "cart-db-0"})),
        ("get_recent_events", json!({"namespace": "shop", "limit": 5})),
        ("list_deployments", json!({"namespace": "shop"})),
        ("list_failing_pods", json!({"namespace": "shop"})),
        ("list_pods", json!({"namespace": "shop", "label_selector": "app=checkout"})),
        (
            "pause_deployment",
            json!({"namespace": "shop", "deployment_name": "checkout", "paused": true}),
        ),
        ("restart_deployment", json!({"namespace": "shop", "deployment_name": "checkout"})),
        ("restart_pod", json!({"namespace": "shop", "pod_name": checkout})),
        ("rollback_deployment", json!({"namespace": "shop", "deployment_name": "checkout"})),
        (
            "scale_deployment",
            json!({"namespace": "shop", "deployment_name": "checkout", "replicas": 5}),
        ),
    ]
}

/// What of the structured content is the same each time, by path.
fn expected(tool: &str) -> Vec<(&'static str, Value)> {
    match tool {
        "describe_pod" => vec![
            ("/owner", json!("ReplicaSet/checkout-7d9f8b6c54")),
            ("/pod/containers/0/last_termination/exit_code", json!(137)),
            ("/labels/team", json!("storefront")),
        ],
        "get_node_status" => {
            vec![("/total", json!(3)), ("/unhealthy", json!(1)), ("/nodes/0/name", json!("node-2"))]
        }
        "get_pod_logs" => vec![
            ("/container", json!("checkout")),
            ("/lines_read", json!(100)),
            ("/truncated", json!(true)),
        ],
        "get_pod_status" => vec![
            ("/phase", json!("Running")),
            ("/failing", json!(false)),
            ("/containers/0/image", json!("registry.example/library/postgres:17.5")),
        ],
        "get_recent_events" => vec![("/total", json!(27)), ("/events/4/namespace", json!("shop"))],
        "list_deployments" => vec![
            ("/total", json!(3)),
            ("/deployments/1/name", json!("checkout")),
            ("/deployments/1/state", json!("progressing")),
        ],
        "list_failing_pods" => vec![
            ("/failing_total", json!(3)),
            ("/pods/1/name", json!("checkout-7d9f8b6c54-qp7rj")),
            ("/pods/1/last_termination/reason", json!("OOMKilled")),
        ],
        "list_pods" => vec![("/total", json!(3)), ("/pods/2/restarts", json!(5))],
        "pause_deployment" | "scale_deployment" => {
            vec![("/outcome", json!("approval_required")), ("/pods_total", json!(0))]
        }
        "restart_pod" => {
            vec![("/outcome", json!("approval_required")), ("/pods_total", json!(1))]
        }
        "restart_deployment" | "rollback_deployment" => vec![
            ("/outcome", json!("approval_required")),
            ("/replicas_left", json!(1)),
            ("/pods_total", json!(3)),
        ],
        "cordon_node" => vec![("/outcome", json!("approval_required"))],
        "check_access" => vec![("/allowed", json!(true))],
        // Their values are the matter of their plugins' tests: here they have to fit their schemas.
        "check_services"
        | "describe_node"
        | "diagnose_workload"
        | "explain_network_policies"
        | "find_recent_changes"
        | "get_resource"
        | "get_workload_logs"
        | "list_autoscalers"
        | "list_ingresses"
        | "list_quotas"
        | "list_resources"
        | "rollout_status"
        | "top_nodes"
        | "top_pods" => Vec::new(),
        other => panic!("`{other}` has no values here"),
    }
}

/// Whether a tool asks a person first.
fn waits(tool: &str) -> bool {
    expected(tool).contains(&("/outcome", json!("approval_required")))
}

/// Compares a tool's result with what it is to hold, and adds what differs.
fn compare(problems: &mut String, tool: &str, result: &Value) {
    if result["isError"].as_bool() == Some(true) || result["structuredContent"].is_null() {
        let _ = writeln!(problems, "{tool}: {result}");
        return;
    }
    if result["content"][0]["text"].as_str().is_none_or(str::is_empty) {
        let _ = writeln!(problems, "{tool}: no text");
    }
    for (path, wanted) in expected(tool) {
        let found = result["structuredContent"].pointer(path);
        if found != Some(&wanted) {
            let _ = writeln!(problems, "{tool}: `{path}` is {found:?} and not {wanted}");
        }
    }
}

fn client(variable: &str) -> Option<PathBuf> {
    foreign(variable, "TOOLGATE_NO_CLIENTS", "--no-clients")
}

const STDIO: [&str; 2] = ["demo", "--stdio"];
const HTTP: [&str; 3] = ["demo", "--http", "127.0.0.1:0"];

fn python(home: &Home, era: &str, target: &[&str]) -> Option<Value> {
    let mut all = calls();
    all.push(("get_pod_status", json!({"namespace": "shop", "pod_name": "nobody"})));
    all.push(("get_pod_status", json!({"namespace": "shop"})));
    all.push(("format_disk", json!({})));
    let mut python = Command::new(client("TOOLGATE_PYTHON")?);
    python.env_clear().envs(home.environment()).current_dir(home.path());
    python.arg(repository().join("tests/clients/every_tool.py"));
    python.arg(era).arg(json!(all).to_string()).args(target);
    Some(Printed::of(&python.output().unwrap()).json())
}

fn check_python(mode: (&str, &str, Option<&str>), http: bool) {
    let (era, version, name) = mode;
    let home = Home::new();
    let seen = if http {
        let server = Http::start(&home, &HTTP);
        python(&home, era, &[&server.url()])
    } else {
        let program = toolgate_tests::toolgate();
        python(&home, era, &[&[program.to_str().unwrap()], &STDIO[..]].concat())
    };
    let Some(seen) = seen else { return };
    assert_eq!((&seen["version"], &seen["server"]), (&json!(version), &json!(name)));
    let names = seen["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap());
    assert_eq!(names.collect::<Vec<_>>(), TOOLS);
    let results = seen["results"].as_array().unwrap();
    let mut problems = String::new();
    for ((tool, _), result) in calls().iter().zip(results) {
        compare(&mut problems, tool, result);
    }
    assert_eq!(problems, "");
    let [nobody, misfit, unknown] = &results[calls().len()..] else { panic!("{results:?}") };
    let said = |result: &Value| result["content"][0]["text"].as_str().unwrap().to_owned();
    assert_eq!(nobody["isError"], true);
    assert!(said(nobody).starts_with("not found: Pod `nobody`"), "{nobody}");
    assert_eq!(misfit["isError"], true);
    assert!(said(misfit).contains(r#""pod_name" is a required property"#), "{misfit}");
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[test]
fn the_python_sdk_calls_every_tool_over_stdio() {
    for mode in MODES {
        check_python(mode, false);
    }
}

#[test]
fn the_python_sdk_calls_every_tool_over_http() {
    for mode in MODES {
        check_python(mode, true);
    }
}

/// Prompts, resources and completions; a restart of what is watched changes it.
const OFFERING: [&str; 3] = ["plugins/runbooks", "plugins/browse", "plugins/remediation"];

const OFFERS: &str = "
    [serve]
    reread_every_s = 1
    [mode]
    read_only = false
    [approvals]
    required = false
    [clusters.demo]
    demo = true
";

fn check_offers(mode: (&str, &str, Option<&str>), http: bool) {
    let (era, version, _) = mode;
    let Some(python) = client("TOOLGATE_PYTHON") else { return };
    let home = Home::new();
    let grants = OFFERING.map(|source| grants(source, "namespaces = [\"shop\"]"));
    home.furnish(&OFFERING, &format!("{OFFERS}{}", grants.concat()));
    let watched = "k8s://demo/namespaces/shop/workloads/deployment/checkout";
    let pods = "k8s://{cluster}/namespaces/{namespace}/pods/{pod}";
    let checkout = json!({"namespace": "shop", "deployment": "checkout"});
    let plan = json!({
        "prompts": [["safe-restart", checkout], ["safe-restart", {}], ["no-such", {}]],
        "resources": [
            "toolgate://permissions",
            "k8s://demo/namespaces",
            "k8s://demo/namespaces/kube-system/workloads",
            "k8s://demo/no-such",
        ],
        "complete": [
            ["safe-restart", "deployment", "ch", {"namespace": "shop"}],
            [pods, "cluster", "", {}],
            [pods, "namespace", "s", {"cluster": "demo"}],
            ["safe-restart", "no-such", "", {}],
        ],
        "watch": watched,
        "change": ["restart_deployment", {"namespace": "shop", "deployment_name": "checkout"}],
    });
    let server = http.then(|| Http::start(&home, &["serve", "--http", "--listen", "127.0.0.1:0"]));
    let target = match &server {
        Some(server) => vec![server.url()],
        None => vec![toolgate_tests::toolgate().to_str().unwrap().to_owned(), "serve".to_owned()],
    };
    let mut command = Command::new(python);
    command.env_clear().envs(home.environment()).current_dir(home.path());
    command.arg(repository().join("tests/clients/offers.py"));
    command.arg(era).arg(plan.to_string()).args(target);
    let seen = Printed::of(&command.output().unwrap()).json();
    assert_eq!(seen["version"], version);
    let names = |list: &str, key: &str| {
        let listed = seen[list].as_array().unwrap().iter();
        listed.map(|one| one[key].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("prompts", "name").len(), 6);
    let own = ["toolgate://approvals", "toolgate://clusters", "toolgate://permissions"];
    assert_eq!(names("resources", "uri"), own);
    assert!(names("templates", "uriTemplate").contains(&pods.to_owned()));
    let text = seen["written"][0]["messages"][0]["content"]["text"].as_str().unwrap();
    assert!(text.starts_with("Restart deployment `checkout` safely."), "{text}");
    let codes = |list: &str| {
        let answers = seen[list].as_array().unwrap().iter();
        answers.map(|answer| answer["error"]["code"].as_i64().unwrap_or(0)).collect::<Vec<_>>()
    };
    assert_eq!(codes("written"), [0, -32602, -32602]);
    let missing = if version == "2026-07-28" { -32602 } else { -32002 };
    assert_eq!(codes("read"), [0, 0, missing, missing]);
    let values = seen["completed"].as_array().unwrap().iter();
    let values: Vec<_> = values.map(|answer| &answer["completion"]["values"]).collect();
    assert_eq!(values, [&json!(["checkout"]), &json!(["demo"]), &json!(["shop"]), &Value::Null]);
    assert_eq!(seen["told"], watched);
}

/// A client whose person says yes to what the server asks, in its own words.
fn check_confirming(mode: (&str, &str, Option<&str>), http: bool) {
    let (era, version, _) = mode;
    let Some(python) = client("TOOLGATE_PYTHON") else { return };
    let home = elicitation_program::home();
    let server = http.then(|| Http::start(&home, &["serve", "--http", "--listen", "127.0.0.1:0"]));
    let target = match &server {
        Some(server) => vec![server.url()],
        None => vec![toolgate_tests::toolgate().to_str().unwrap().to_owned(), "serve".to_owned()],
    };
    let plan = json!({
        "call": ["restart_deployment", {"namespace": "shop", "deployment_name": "checkout"}],
        "answer": {"action": "accept", "content": {"decision": "approve", "reason": "INC-42"}},
    });
    let mut command = Command::new(python);
    command.env_clear().envs(home.environment()).current_dir(home.path());
    command.arg(repository().join("tests/clients/confirm.py"));
    command.arg(era).arg(plan.to_string()).args(target);
    let seen = Printed::of(&command.output().unwrap()).json();
    assert_eq!(seen["version"], version);
    let [asked] = &seen["asked"].as_array().unwrap()[..] else { panic!("asked once: {seen}") };
    let message = asked["message"].as_str().unwrap();
    assert!(message.contains("restart Deployment `checkout` in namespace `shop`"), "{message}");
    assert_eq!(seen["told"]["structuredContent"]["outcome"], "performed", "{seen}");
    drop(server);
    elicitation_program::assert_executed_once(
        &home,
        if http { "anonymous@loopback" } else { "ada@os" },
    );
}

#[test]
fn the_python_sdk_lets_its_person_approve_over_stdio() {
    for mode in MODES {
        check_confirming(mode, false);
    }
}

#[test]
fn the_python_sdk_lets_its_person_approve_over_http() {
    for mode in MODES {
        check_confirming(mode, true);
    }
}

#[test]
fn the_python_sdk_is_offered_prompts_and_resources_over_stdio() {
    for mode in MODES {
        check_offers(mode, false);
    }
}

#[test]
fn the_python_sdk_is_offered_prompts_and_resources_over_http() {
    for mode in MODES {
        check_offers(mode, true);
    }
}

/// One command of the Inspector: each is a client of its own, with a session of its own.
struct Inspector<'a> {
    home: &'a Home,
    node: PathBuf,
    script: PathBuf,
    era: &'a str,
    target: Vec<String>,
}

impl Inspector<'_> {
    fn run(&self, arguments: &[&str]) -> Printed {
        let mut command = Command::new(&self.node);
        command.env_clear().envs(self.home.environment()).current_dir(self.home.path());
        command.arg(&self.script).arg("--cli").args(&self.target);
        if self.target.len() > 1 {
            for (name, value) in self.home.environment() {
                command.arg("-e").arg(format!("{name}={value}"));
            }
        }
        command.args(["--protocol-era", self.era, "--format", "json", "--quiet"]);
        Printed::of(&command.args(arguments).output().unwrap())
    }

    fn call(&self, tool: &str, arguments: &Value) -> Printed {
        let arguments = arguments.to_string();
        self.run(&["--method", "tools/call", "--tool-name", tool, "--tool-args-json", &arguments])
    }

    /// A call that waits for a person, and the person.
    fn answered(&self, tool: &str, arguments: &Value, answer: &str) -> Printed {
        let (_watch, told) = self.home.watch(&["--json"]);
        std::thread::scope(|scope| {
            let call = scope.spawn(|| self.call(tool, arguments));
            let line = until(&told, "\"pending\"").pop().unwrap();
            let waits: Value = serde_json::from_str(&line).unwrap();
            let id = waits["request"]["id"].as_str().unwrap();
            self.home.run(&["approvals", answer, id, "--reason", "INC-42"]).good();
            call.join().unwrap()
        })
    }

    /// Whether what waits for a person is a task to it, which it asks about until it is over.
    fn knows_tasks(&self) -> bool {
        self.era == "modern"
    }

    fn check(&self, version: &str) {
        let hello = self.run(&["--method", "initialize"]);
        assert_eq!(hello.json()["result"]["protocolVersion"], version, "{hello:?}");
        // Strict: what other clients' readings of JSON Schema would stumble over is a failure.
        let listed = self.run(&["--method", "tools/list", "--strict"]);
        assert_eq!(listed.code, Some(0), "{listed:?}");
        let listed = listed.json();
        let tools = listed["result"]["tools"].as_array().unwrap();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        assert_eq!(names.collect::<Vec<_>>(), TOOLS);
        let mut problems = String::new();
        for (tool, arguments) in calls() {
            if self.knows_tasks() && waits(tool) {
                let refused = self.answered(tool, &arguments, "deny");
                let said = format!("Tool call \\\"{tool}\\\" was cancelled.");
                assert!(refused.code == Some(1) && refused.err.contains(&said), "{refused:?}");
                continue;
            }
            let printed = self.call(tool, &arguments);
            assert_eq!(printed.code, Some(0), "{tool}: {printed:?}");
            compare(&mut problems, tool, &printed.json()["result"]);
        }
        assert_eq!(problems, "");
        let nobody =
            self.call("get_pod_status", &json!({"namespace": "shop", "pod_name": "nobody"}));
        assert_eq!((nobody.code, &nobody.json()["result"]["isError"]), (Some(5), &json!(true)));
        if self.knows_tasks() {
            let catalog = json!({"namespace": "shop", "deployment_name": "catalog"});
            let restarted = self.answered("restart_deployment", &catalog, "approve").json();
            let told = &restarted["result"]["structuredContent"];
            assert_eq!(
                (&told["outcome"], &told["state"]),
                (&json!("performed"), &json!("complete"))
            );
        }
    }
}

fn check_inspector(http: bool) {
    for (era, version) in ERAS {
        let (Some(node), Some(script)) = (client("TOOLGATE_NODE"), client("TOOLGATE_INSPECTOR"))
        else {
            return;
        };
        let home = Home::new();
        let server = http.then(|| Http::start(&home, &HTTP));
        let target = if let Some(server) = &server {
            vec![server.url()]
        } else {
            let program = toolgate_tests::toolgate().to_str().unwrap().to_owned();
            [vec![program], STDIO.map(str::to_owned).to_vec()].concat()
        };
        Inspector { home: &home, node, script, era, target }.check(version);
    }
}

#[test]
fn the_inspector_calls_every_tool_over_stdio() {
    check_inspector(false);
}

#[test]
fn the_inspector_calls_every_tool_over_http() {
    check_inspector(true);
}
