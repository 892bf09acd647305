//! More than a thousand secrets, planted wherever a cluster can hold one: the real program over MCP,
//! and every byte that leaves it.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use toolgate_tests::repository;
use toolgate_tests::secrets::{Planted, Random, STRUCTURES, kinds};

use crate::console::Visitor;
use crate::program::{Home, Pipe, copy_folder};

const PLUGINS: [&str; 13] = [
    "plugins/browse",
    "plugins/capacity",
    "plugins/diagnose",
    "plugins/events",
    "plugins/logs",
    "plugins/networking",
    "plugins/node-ops",
    "plugins/nodes",
    "plugins/objects",
    "plugins/pods",
    "plugins/remediation",
    "plugins/runbooks",
    "plugins/workloads",
];

/// The pod whose log and messages hold secrets.
const POD: &str = "nightly-report-29384775-w8dzx";

/// Secrets of each kind in the log.
const OF_EACH: usize = 9;

/// Lines of the log that one call asks for.
const LINES_AT_ONCE: usize = 100;

/// So much of a secret is looked for: more than chance brings together.
const WINDOW: usize = 10;

/// Everything that was said, cut into pieces that overlap.
struct Said(HashSet<[u8; WINDOW]>);

impl Said {
    fn of(texts: &[Vec<u8>]) -> Self {
        let windows = texts.iter().flat_map(|text| text.windows(WINDOW));
        Self(windows.map(|window| window.try_into().unwrap()).collect())
    }

    fn has(&self, part: &str) -> bool {
        part.as_bytes()
            .windows(WINDOW)
            .any(|w| self.0.contains(&<[u8; WINDOW]>::try_from(w).unwrap()))
    }

    /// Which of them can be seen. Digits alone are in every time.
    fn seen(&self, planted: &[Planted]) -> Vec<String> {
        let is_seen = |part: &&String| {
            part.len() >= WINDOW && part.bytes().any(|b| !b.is_ascii_digit()) && self.has(part)
        };
        let seen = planted.iter().filter(|one| one.parts.iter().any(|part| is_seen(&part)));
        seen.map(|one| format!("{}: {}", one.kind, one.text)).collect()
    }
}

/// A cluster full of secrets, and what they are.
struct Planter {
    random: Random,
    planted: Vec<Planted>,
    objects: Vec<Value>,
}

impl Planter {
    fn plant(&mut self, kind: &str, template: &str) -> String {
        let planted = Planted::of(kind, template, &mut self.random);
        let text = planted.text.clone();
        self.planted.push(planted);
        text
    }

    /// A value that only its place tells to be secret.
    fn value(&mut self, place: &str) -> String {
        self.plant(place, "{alnum:24}")
    }

    fn log(&mut self) -> String {
        let mut log = String::new();
        let mut n = 0;
        for _ in 0..OF_EACH {
            for kind in kinds() {
                let text = self.plant(&kind.name, &kind.hit);
                let _ = writeln!(log, "plant-{n:04} {text}");
                n += 1;
            }
        }
        for (kind, template) in STRUCTURES.iter().cycle().take(3 * STRUCTURES.len()) {
            let text = self.plant(kind, template);
            let _ = writeln!(log, "plant-{n:04}\n{text}\n");
            n += 1;
        }
        // A token that two lines share.
        let broken = self.plant("broken", "ghp_{alnum:36}");
        let (head, tail) = broken.split_at(20);
        let _ = writeln!(log, "plant-{n:04} {head}\n{tail}\nthe end");
        log
    }

    fn objects(&mut self) {
        let metadata = |name: &str, annotations: Value| json!({"name": name, "namespace": "shop", "annotations": annotations});
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": POD});
        for (n, kind) in kinds().iter().enumerate() {
            let message = self.plant(&kind.name, &format!("failed with {}", kind.hit));
            self.objects.push(json!({
                "apiVersion": "v1", "kind": "Event", "metadata": {"name": format!("planted.{n:04x}"), "namespace": "shop"},
                "involvedObject": pod, "type": "Warning", "reason": "Planted", "message": message,
                "firstTimestamp": "$ago(2m)", "lastTimestamp": "$ago(1m)", "count": 1,
                "source": {"component": "test"}, "reportingComponent": "test", "reportingInstance": "",
            }));
        }
        let applied = json!({"stringData": {"a": self.value("last-applied")}}).to_string();
        let (data, text) = (self.value("secret data"), self.value("secret stringData"));
        self.objects.push(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
            "metadata": metadata("planted", json!({"kubectl.kubernetes.io/last-applied-configuration": applied})),
            "data": {"a": data}, "stringData": {"b": text},
        }));
        let release = self.plant("helm", "SDRzSUFBQUFBQUFB{base64:400}");
        self.objects.push(json!({
            "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
            "metadata": metadata("sh.helm.release.v1.shop.v1", json!({})), "data": {"release": release},
        }));
        let mut files = serde_json::Map::new();
        for (n, kind) in kinds().iter().enumerate() {
            files.insert(format!("format-{n}"), json!(self.plant(&kind.name, &kind.hit)));
        }
        for (n, (kind, template)) in STRUCTURES.iter().enumerate() {
            files.insert(format!("structure-{n}"), json!(self.plant(kind, template)));
        }
        files.insert("password".to_owned(), json!(self.value("named key")));
        files.insert(
            "app.yaml".to_owned(),
            json!(self.plant("yaml", "db:\n  password: {alnum:24}\n  host: db\n")),
        );
        files.insert("kubeconfig".to_owned(), json!(self.plant(
            "kubeconfig",
            "apiVersion: v1\nkind: Config\nclusters: []\ncontexts: []\nusers:\n- name: a\n  user:\n    token: {url:60}\n    client-key-data: {base64:200}\n    password: {alnum:20}\n",
        )));
        files.insert(".dockerconfigjson".to_owned(), json!(self.plant(
            "docker", "{\"auths\":{\"registry.example.org\":{\"username\":\"u\",\"auth\":\"{base64:40}\"}}}",
        )));
        let note = self.plant("annotation", "see https://ci:{alnum:24}@git.example.org");
        let env = |name: &str, value: String| json!({"name": name, "value": value});
        let env = json!([
            env("DB_PASSWORD", self.value("env")),
            env("MODE", self.value("env")),
            env("URL", self.plant("env", "postgres://app:{alnum:24}@db/x")),
        ]);
        let args = json!([
            "--password",
            self.value("argument"),
            self.plant("argument", "--token={alnum:30}")
        ]);
        let blob = self.value("binaryData");
        self.objects.push(json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata("planted", json!({"note": note})),
            "data": files, "binaryData": {"blob": blob},
        }));
        let token = self.plant("label", "glpat-{alnum:20}");
        let template = json!({
            "metadata": {"labels": {"app": "planted"}, "annotations": {"api-token": self.value("annotation")}},
            "spec": {"containers": [{"name": "app", "image": "registry.example/planted:1", "env": env, "args": args}]},
        });
        self.objects.push(json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata("planted", json!({"token": token})),
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "planted"}}, "template": template},
        }));
    }
}

/// Every file below a folder.
fn files(folder: &Path, found: &mut Vec<Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(std::fs::read(path).unwrap()) }
    }
}

/// Asks for everything that could tell, and gives the answers' texts.
fn ask(session: &mut Pipe, n_lines: usize) -> String {
    let mut texts = String::new();
    let mut call = |session: &mut Pipe, tool: &str, arguments: Value| {
        let result = session.call(tool, arguments);
        let text = result["content"][0]["text"].as_str().unwrap_or_default();
        assert_ne!(result["isError"], true, "{tool}: {text}");
        texts.push_str(text);
        texts.push('\n');
    };
    for hundred in 0..=n_lines / LINES_AT_ONCE {
        let include = format!("plant-{hundred:02}");
        let arguments =
            json!({"namespace": "shop", "pod_name": POD, "tail_lines": 2000, "include": include});
        call(session, "get_pod_logs", arguments);
    }
    let shop = json!({"namespace": "shop"});
    let pod = json!({"namespace": "shop", "pod_name": POD});
    let mut tail = pod.clone();
    tail["tail_lines"] = json!(400);
    call(session, "get_pod_logs", tail);
    for tool in ["describe_pod", "get_pod_status", "explain_network_policies"] {
        call(session, tool, pod.clone());
    }
    for tool in [
        "list_pods",
        "list_failing_pods",
        "list_deployments",
        "get_recent_events",
        "find_recent_changes",
        "list_ingresses",
        "check_services",
        "list_quotas",
        "list_autoscalers",
    ] {
        call(session, tool, shop.clone());
    }
    let mut many = shop.clone();
    many["limit"] = json!(200);
    call(session, "get_recent_events", many);
    for kind in ["configmaps", "secrets", "deployments", "pods", "replicasets"] {
        call(session, "list_resources", json!({"namespace": "shop", "kind": kind}));
    }
    for (kind, name) in [
        ("configmap", "planted"),
        ("secret", "planted"),
        ("secret", "sh.helm.release.v1.shop.v1"),
        ("deployment", "planted"),
        ("pod", POD),
    ] {
        call(session, "get_resource", json!({"namespace": "shop", "kind": kind, "name": name}));
    }
    call(session, "rollout_status", json!({"namespace": "shop", "name": "planted"}));
    call(session, "get_workload_logs", json!({"namespace": "shop", "workload": "planted"}));
    call(session, "diagnose_workload", json!({"namespace": "shop", "name": "planted"}));
    call(session, "diagnose_workload", json!({"namespace": "shop", "name": POD, "kind": "pod"}));
    for uri in ["logs", "events", ""] {
        let uri = format!("k8s://demo/namespaces/shop/pods/{POD}/{uri}");
        session.request("resources/read", json!({"uri": uri.trim_end_matches('/')}));
    }
    // A plan of what is full of secrets, for the console and for the files of the approval.
    let restart = json!({"namespace": "shop", "deployment_name": "planted"});
    call(session, "restart_deployment", restart);
    // What is refused says why.
    let nothing = json!({"namespace": "shop", "kind": "secret", "name": "no-such"});
    let elsewhere = json!({"namespace": "shop", "kind": "events"});
    for (tool, arguments) in [("get_resource", nothing), ("list_resources", elsewhere)] {
        let result = session.call(tool, arguments);
        assert_eq!(result["isError"], true, "{result}");
        texts.push_str(result["content"][0]["text"].as_str().unwrap());
    }
    texts
}

#[test]
fn invariant_11_no_planted_secret_is_in_any_byte_that_leaves() {
    let home = Home::new();
    let scenario = home.path().join("scenario");
    copy_folder(&repository().join("host/scenarios/checkout-oom"), &scenario);
    let mut planter = Planter { random: Random::new(11), planted: Vec::new(), objects: Vec::new() };
    let log = planter.log();
    let n_lines = log.lines().filter(|line| line.starts_with("plant-")).count();
    planter.objects();
    let folder = scenario.join(format!("logs/shop/{POD}"));
    std::fs::create_dir_all(&folder).unwrap();
    let timed: String = log.lines().map(|line| format!("-2m5s {line}\n")).collect();
    std::fs::write(folder.join("report.log"), timed).unwrap();
    let objects: Vec<String> = planter.objects.iter().map(Value::to_string).collect();
    std::fs::write(scenario.join("objects/planted.yaml"), objects.join("\n---\n")).unwrap();
    let kinds: HashSet<&str> = planter.planted.iter().map(|one| one.kind.as_str()).collect();
    assert!(planter.planted.len() >= 1_000 && kinds.len() >= 40, "{}", planter.planted.len());

    let config = include_str!("../../host/src/config/demo.toml");
    let config = config.replace("demo = true ", &format!("scenario = {scenario:?}\ndemo = true "));
    // The levels of diagnostics each say all that the one before says.
    let runs = [("full", "never"), ("metadata", "always")];
    for (level, color) in runs {
        let console = "[console]\nlisten = \"127.0.0.1:0\"\n";
        home.furnish(&PLUGINS, &format!("{config}\n{console}[audit]\narguments = \"{level}\"\n"));
        let mut session = Pipe::open(&home, &["-vvv", "--color", color, "serve"]);
        let texts = ask(&mut session, n_lines);
        let login = home.run(&["console"]).good();
        let pages = Visitor::with(login.trim()).enter().every_page();
        assert!(pages.len() > n_lines / LINES_AT_ONCE + 40, "{}", pages.len());
        assert!(pages.iter().any(|(page, _)| page.starts_with("/requests/")));
        let lines = session.close();
        assert!(
            texts.matches("[redacted:").count() >= 800,
            "{}",
            texts.matches("[redacted:").count()
        );
        assert!(texts.contains("plant-0000") && texts.contains("the end"));
        let mut said = vec![lines.join("\n").into_bytes()];
        let diagnostics = std::fs::read(home.path().join("stderr.log")).unwrap();
        assert_eq!(diagnostics.contains(&0x1b), color == "always");
        said.push(diagnostics);
        said.extend(pages.into_iter().map(|(_, page)| page.into_bytes()));
        files(&home.path().join("state"), &mut said);
        assert!(said.iter().map(Vec::len).sum::<usize>() > 200_000);
        let seen = Said::of(&said).seen(&planter.planted);
        assert!(
            seen.is_empty(),
            "{} with `{level}`:\n{}",
            seen.len(),
            seen[..30.min(seen.len())].join("\n")
        );
    }
    let audit = std::fs::read_dir(home.path().join("state/audit")).unwrap();
    let audit = audit.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    assert!(audit.collect::<String>().contains("\"redactions\":"), "the record counts them");
}
