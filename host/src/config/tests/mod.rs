//! What a file says is what the house is made of, and what it leaves out is careful.

use std::path::Path;
use std::time::Duration;

use expect_test::{Expect, expect};

use super::*;
use crate::domain::capability::Capability;
use crate::domain::mode::WriteMode;
use crate::domain::rates::CLUSTER_REQUESTS;

mod problems;

fn environment() -> Environment {
    Environment { home: Some("/home/ada".into()), ..Environment::default() }
}

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse_in(text, Path::new("/etc/toolgate"), &environment(), "the file")
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&parse(text).unwrap_err().to_string());
}

fn id(text: &str) -> PluginId {
    text.parse().unwrap()
}

const FULL: &str = r#"
plugins_dir = "plugins"
state_dir = "/var/lib/toolgate"
cache_dir = "~/cache"

[serve]
listen = "127.0.0.1:9090"
allowed_hosts = ["Toolgate.example:8443"]
allowed_origins = ["https://console.example"]

[console]
listen = "127.0.0.1:9091"

[mode]
read_only = false
dry_run = true
namespaces = ["shop", "bank-*"]

[clusters.prod]
context = "prod"
kubeconfig = "kube/config"
request_deadline_ms = 4000
default = true

[clusters."eu.inside"]
in_cluster = true

[clusters.demo]
demo = true
scenario = "incident"
latency_ms = 20

[grants.pods.kubernetes-read]
clusters = ["prod", "eu.*"]
namespaces = ["shop", "bank-*"]
kinds = ["Pod"]
names = ["web-*"]

[limits]
deadline_ms = 10_000
memory_bytes_max = 16_777_216

[plugins.pods.limits]
deadline_ms = 20_000

[plugins.pods.settings]
team = "sre"
ratio = 0.5
since = 2026-01-02
thresholds = { cpu = [80, 90], quiet = false }

[approvals]
expires_after_s = 60
required = false

[audit]
arguments = "metadata"
sinks = ["file", "stdout"]
deadline_ms = 5_000
file_bytes_max = 1_000_000
keep_files = 30
checkpoints = "/mnt/worm/checkpoints.jsonl"
"#;

#[test]
fn reads_every_key() {
    let config = parse(FULL).unwrap();
    assert_eq!(config.plugins_dir, Path::new("/etc/toolgate/plugins"));
    assert_eq!(config.state_dir, Path::new("/var/lib/toolgate"));
    assert_eq!(config.cache_dir, Path::new("/home/ada/cache"));
    assert_eq!(config.serve.listen.to_string(), "127.0.0.1:9090");
    assert_eq!(config.serve.allowed_hosts, ["toolgate.example:8443"]);
    assert_eq!(config.serve.allowed_origins, ["https://console.example"]);
    assert_eq!(config.console, Some("127.0.0.1:9091".parse().unwrap()));
    assert_eq!(config.mode.writes(), WriteMode::Plan);
    assert_eq!(config.mode.namespaces.as_slice(), ["shop", "bank-*"]);
    assert_eq!(config.default_cluster, Some("prod".parse().unwrap()));
    let sources: Vec<_> = config.clusters.values().collect();
    let embedded = ClusterSource::Embedded {
        scenario: Some("/etc/toolgate/incident".into()),
        latency: Duration::from_millis(20),
    };
    let kubeconfig = ClusterSource::Kubeconfig {
        context: "prod".into(),
        file: Some("/etc/toolgate/kube/config".into()),
        requests: Requests { deadline: Some(Duration::from_secs(4)), rate: CLUSTER_REQUESTS },
    };
    let in_cluster =
        ClusterSource::InCluster { requests: Requests { deadline: None, rate: CLUSTER_REQUESTS } };
    assert_eq!(sources, [&embedded, &in_cluster, &kubeconfig]);

    let scope = config.grants[&id("pods")].scope(Capability::KubernetesRead).unwrap();
    assert_eq!(scope.clusters.as_slice(), ["prod", "eu.*"]);
    assert_eq!(scope.namespaces.as_slice(), ["shop", "bank-*"]);
    assert_eq!(scope.kinds.as_slice(), ["Pod"]);
    assert_eq!(scope.names.as_slice(), ["web-*"]);

    assert_eq!(config.limits.deadline_ms, 10_000);
    assert_eq!(config.limits_of(&id("logs")), &config.limits);
    let own = config.limits_of(&id("pods"));
    assert_eq!((own.deadline_ms, own.memory_bytes_max), (20_000, 16 << 20));
    let settings: Vec<_> =
        config.settings[&id("pods")].iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        settings,
        [
            "ratio=0.5",
            r#"since="2026-01-02""#,
            r#"team="sre""#,
            r#"thresholds={"cpu":[80,90],"quiet":false}"#
        ]
    );
    assert_eq!(config.approvals.expires_after, Duration::from_secs(60));
    assert!(!config.approvals.required);
    let audit = Audit {
        arguments: AuditArguments::Metadata,
        to_file: true,
        stream: Some(AuditStream::Stderr),
        webhooks: BTreeSet::new(),
        deadline: Duration::from_secs(5),
        file_bytes_max: 1_000_000,
        keep_files: Some(30),
        checkpoints: Some("/mnt/worm/checkpoints.jsonl".into()),
    };
    assert_eq!(config.audit, audit);
    assert_eq!(config.with_free_stdout().audit.stream, Some(AuditStream::Stdout));
}

#[test]
fn a_cluster_is_enough_and_everything_else_is_careful() {
    let config = parse("[clusters.prod]\ncontext = \"prod\"").unwrap();
    assert_eq!(config.plugins_dir, Path::new("/etc/toolgate/plugins"));
    assert_eq!(config.state_dir, Path::new("/home/ada/.local/state/toolgate"));
    assert_eq!(config.cache_dir, Path::new("/home/ada/.cache/toolgate"));
    assert_eq!(config.serve.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.mode, Mode::default());
    assert!(config.mode.read_only);
    assert!(config.grants.is_empty());
    assert_eq!(config.limits, Limits::default());
    assert!(config.approvals.required);
    assert_eq!(config.audit.arguments, AuditArguments::Request);
    assert!(config.audit.to_file && config.audit.keep_files.is_none());
    assert_eq!(config.default_cluster, Some("prod".parse().unwrap()));
}

#[test]
fn with_several_clusters_and_no_mark_there_is_no_default() {
    let config = parse("[clusters.a]\ndemo = true\n[clusters.b]\ndemo = true").unwrap();
    assert_eq!(config.default_cluster, None);
}

#[test]
fn the_demo_reads_everything_and_touches_the_shop_only() {
    let config = Config::demo("/p".into(), "/s".into(), "/c".into()).unwrap();
    assert_eq!(config.plugins_dir, Path::new("/p"));
    assert_eq!(config.state_dir, Path::new("/s"));
    assert_eq!(config.cache_dir, Path::new("/c"));
    assert_eq!(config.mode.writes(), WriteMode::Perform);
    assert_eq!(config.default_cluster, Some("demo".parse().unwrap()));
    let mut text = String::new();
    for (plugin, grants) in &config.grants {
        for (capability, scope) in grants.iter() {
            text += &format!("{plugin} {capability} {:?}\n", scope.namespaces.as_slice());
        }
    }
    expect![[r#"
        browse kubernetes-logs ["*"]
        browse kubernetes-read ["*"]
        capacity kubernetes-read ["*"]
        capacity kubernetes-metrics ["*"]
        diagnose kubernetes-logs ["*"]
        diagnose kubernetes-events ["*"]
        diagnose kubernetes-read ["*"]
        events kubernetes-events ["*"]
        logs kubernetes-logs ["*"]
        networking kubernetes-read ["*"]
        node-ops kubernetes-events ["*"]
        node-ops kubernetes-read ["*"]
        node-ops kubernetes-metrics ["*"]
        node-ops kubernetes-cordon []
        nodes kubernetes-read ["*"]
        objects kubernetes-read ["*"]
        objects access []
        pods kubernetes-events ["*"]
        pods kubernetes-read ["*"]
        remediation kubernetes-restart ["shop"]
        remediation kubernetes-scale ["shop"]
        remediation kubernetes-rollback ["shop"]
        remediation kubernetes-pause ["shop"]
        remediation kubernetes-delete-pod ["shop"]
        runbooks kubernetes-read ["*"]
        workloads kubernetes-events ["*"]
        workloads kubernetes-read ["*"]
    "#]]
    .assert_eq(&text);
}

#[test]
fn asks_for_a_cluster() {
    check(
        "",
        &expect![[r#"
        the file has 1 problem

        clusters: there is no cluster
          hint: add `[clusters.prod]` and below it `context = ".."`, as `kubectl config get-contexts` names it, or `demo = true` for the embedded one"#]],
    );
}

#[test]
fn says_nothing_about_what_hangs_on_an_unread_value() {
    check(
        r#"
            [clusters.prod]
            context = 3

            [grants.pods.kubernetes-read]
            clusters = ["prd"]
            namespaces = 3
        "#,
        &expect![[r#"
            the file has 2 problems

            line 3: clusters.prod.context: integer `3` where a text is expected
              hint: write it in quotes: `".."`

            line 7: grants.pods.kubernetes-read.namespaces: integer `3` where a list is expected
              hint: write a list: `[".."]`"#]],
    );
}

#[test]
fn needs_a_home_only_for_folders_that_are_not_named() {
    let homeless =
        |text: &str| Config::parse_in(text, Path::new("/"), &Environment::default(), "the file");
    let text = "[clusters.a]\ndemo = true";
    let error = homeless(text).unwrap_err().to_string();
    expect![[r#"
        the file has 2 problems

        state_dir: it is not set, and there is no home folder
          hint: say `state_dir = "/some/folder"`

        cache_dir: it is not set, and there is no home folder
          hint: say `cache_dir = "/some/folder"`"#]]
    .assert_eq(&error);
    assert!(homeless(&format!("state_dir = \"s\"\ncache_dir = \"c\"\n{text}")).is_ok());
}

#[test]
fn a_hostile_file_is_refused_in_few_words() {
    let many = format!("[clusters.a]\ndemo = true\n{}", "x = 1\n".repeat(10));
    assert!(parse(&many).is_err());
    let keys: String = (0..500).map(|n| format!("key-{n} = 1\n")).collect();
    let error = parse(&keys).unwrap_err().to_string();
    assert!(error.len() < 20_000, "{}", error.len());
    let large = format!("# {}", "x".repeat(FILE_BYTES_MAX));
    expect![[r"
        the file has 1 problem

        it is larger than 1048576 bytes
          hint: name namespaces and objects that are alike with `*`, not one by one"]]
    .assert_eq(&parse(&large).unwrap_err().to_string());
    let deep = format!("a = {}1{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(parse(&deep).unwrap_err().to_string().len() < 20_000);
    let escapes = parse("\"\u{1b}[31m\" = 1\n[clusters.\"\\u001b[2J\"]\ndemo = true").unwrap_err();
    assert!(!escapes.to_string().contains('\u{1b}'), "{escapes}");
    let settings: String = (0..65).map(|n| format!("k{n} = 1\n")).collect();
    let text = format!("[clusters.a]\ndemo = true\n[plugins.p.settings]\n{settings}");
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains("65 settings are too many"), "{error}");
    let text = format!(
        "[clusters.a]\ndemo = true\n[plugins.p.settings]\nk = \"{}\"",
        "x".repeat(16 << 10)
    );
    assert!(parse(&text).unwrap_err().to_string().contains("bytes of settings are too many"));
}

#[test]
fn loads_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let missing = Config::load(&path).unwrap_err();
    assert!(matches!(missing, ConfigError::Unreadable { .. }), "{missing}");
    assert!(missing.hint().is_some());
    std::fs::write(&path, FULL).unwrap();
    let config = Config::load(&path).unwrap();
    assert_eq!(config.plugins_dir, folder.path().join("plugins"));
}

#[test]
fn rates_are_on_by_default_and_within_their_bounds() {
    let parsed = |text: &str| {
        let text = format!("[clusters.demo]\ndemo = true\n{text}");
        Config::parse(&text, Path::new("/etc/toolgate"))
    };
    assert_eq!(parsed("").unwrap().rates, Rates::default());
    let said =
        parsed("[rates]\ncaller_per_s = 5\ntool_burst = 7\ncaller_writes_per_h = 2").unwrap();
    let default = Rates::default();
    let expected = Rates {
        caller: Rate::new(5, 5),
        tool: Rate::new(default.tool.per_s.get(), 7),
        caller_writes_per_h: 2,
        ..default
    };
    assert_eq!(said.rates, expected);
    let error = parsed("[rates]\ncaller_per_s = 0\ncluster_writes_per_h = 99999").unwrap_err();
    expect![[r#"
        the configuration has 2 problems

        line 4: rates.caller_per_s: 0 would let nothing through
          hint: say a number from 1 to 1000000, or leave the line out for the default

        line 5: rates.cluster_writes_per_h: 99999 is out of bounds
          hint: say a number from 1 to 10000, or leave the line out for the default"#]]
    .assert_eq(&error.to_string());
}
