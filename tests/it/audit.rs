//! No record, no effect: what happens to calls and writes where the log takes nothing.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use expect_test::expect;
use serde_json::json;
use toolgate::governance::audit::files::{self, Trust};
use toolgate::governance::audit::{FILE, Stage};
use toolgate_tests::{House, Part, changes, grants, line, toolgate};

const READ: &str = "[grants.workloads.kubernetes-read]\nnamespaces = [\"*\"]\n\
    [grants.workloads.kubernetes-events]\nnamespaces = [\"*\"]\n";

#[tokio::test]
async fn invariant_04_the_intent_of_a_write_is_on_record_before_its_effect() {
    let grants = grants("plugins/remediation", "namespaces = [\"shop\"]");
    let config = format!("[mode]\nread_only = false\n[approvals]\nrequired = false\n{grants}");
    let house = House::of(&["plugins/remediation"], &config).await;
    let checkout = json!({"namespace": "shop", "deployment_name": "checkout"});
    house.ask("alice", "restart_deployment", checkout).await;
    expect![[r#"
        received  alice@os restart_deployment {"namespace":"shop","deployment_name":"checkout"}
        admitted  remediation (reversible)
        used      kubernetes-restart restart demo:Deployment:shop/checkout allowed
        intent    restart demo:Deployment:shop/checkout for alice@os
        effect    restart demo:Deployment:shop/checkout for alice@os done
        completed output
    "#]]
    .assert_eq(&house.record().text().await);
    assert_eq!(changes(house.cluster("demo")).len(), 1);
}

#[tokio::test]
async fn invariant_04_without_a_record_nothing_runs() {
    let house = House::of(&["plugins/workloads"], READ).await;
    assert!(house.ask("alice", "list_deployments", json!({})).await.starts_with("output"));
    let n_requests = house.cluster("demo").requests().len();
    // What is being written at the moment may come in between.
    while house.audit_dir().exists() {
        let _not_empty = std::fs::remove_dir_all(house.audit_dir());
    }
    let answer = house.ask("alice", "list_deployments", json!({})).await;
    expect!["not recorded, for the log: the audit log cannot be written: No such file or directory (os error 2)"].assert_eq(&answer);
    assert_eq!(house.cluster("demo").requests().len(), n_requests);
}

#[tokio::test]
async fn a_log_that_was_removed_is_begun_again() {
    let house = House::of(&["guests/echo"], "").await;
    house.ask("alice", "echo", json!({"n": 1})).await;
    house.record().settled().await;
    std::fs::remove_file(house.audit_dir().join(FILE)).unwrap();
    house.ask("alice", "echo", json!({"n": 2})).await;
    let lines = house.record().settled().await;
    // Whoever reads the new file sees by its numbers that there was another.
    let seen: Vec<_> = lines.iter().map(|l| format!("{} {}", l.seq, line(&l.stage))).collect();
    expect![[r#"
        6 received  alice@os echo {"n":2}
        7 admitted  echo (ambient)
        8 completed output"#]]
    .assert_eq(&seen.join("\n"));
}

#[tokio::test]
async fn there_is_no_house_without_its_log() {
    let refused = async |prepare: fn(&Path)| {
        let state = tempfile::tempdir().unwrap();
        prepare(state.path());
        let builder = House::builder().with("guests/echo").state_dir(state.path());
        let Err(error) = builder.try_build().await else { panic!("there is a house") };
        error.to_string().replace(&state.path().display().to_string(), "STATE")
    };
    let folder = refused(|state| std::fs::write(state.join("audit"), "not a folder").unwrap());
    let file = refused(|state| std::fs::create_dir_all(state.join("audit").join(FILE)).unwrap());
    expect![[r#"
        the audit log `STATE/audit/audit.jsonl` cannot be opened: STATE/audit: File exists (os error 17)
        the audit log `STATE/audit/audit.jsonl` cannot be opened: Is a directory (os error 21)
    "#]].assert_eq(&format!("{}\n{}\n", folder.await, file.await));
}

#[cfg(unix)]
#[tokio::test]
async fn a_log_that_is_a_link_to_elsewhere_is_not_written() {
    let (state, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let victim = elsewhere.path().join("victim");
    std::fs::write(&victim, "untouched").unwrap();
    std::fs::create_dir(state.path().join("audit")).unwrap();
    std::os::unix::fs::symlink(&victim, state.path().join("audit").join(FILE)).unwrap();
    let builder = House::builder().with("guests/echo").state_dir(state.path());
    assert!(builder.try_build().await.is_err());
    assert_eq!(std::fs::read_to_string(victim).unwrap(), "untouched");
}

/// The program itself, on a disk that takes no more: the shell bounds the size of its files.
#[cfg(unix)]
#[tokio::test]
async fn a_full_disk_refuses_calls() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    Part::find("guests/echo").lay_out(&path("plugins"));
    std::fs::create_dir_all(path("state/audit")).unwrap();
    let config = "plugins_dir = \"plugins\"\nstate_dir = \"state\"\ncache_dir = \"cache\"\n\
                  [clusters.demo]\ndemo = true\n";
    std::fs::write(path("toolgate.toml"), config).unwrap();
    let call = |blocks: &str| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let program = toolgate();
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).arg(program).arg("--config").arg(path("toolgate.toml"));
        shell.args(["call", "echo", "--args-json", r#"{"a": 1}"#]).output().unwrap()
    };
    let well = call("unlimited");
    assert!(well.status.success(), "{}", String::from_utf8_lossy(&well.stderr));
    assert!(String::from_utf8_lossy(&well.stdout).contains(r#"{"a":1}"#));

    // Just as much as the files have already, in blocks of 512 bytes; some shells take 1,024.
    let log = path("state/audit").join(FILE);
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.resize(1 << 20, b'\n');
    std::fs::write(&log, &bytes).unwrap();
    let full = call("1024");
    assert!(!full.status.success());
    assert!(full.stdout.is_empty(), "{}", String::from_utf8_lossy(&full.stdout));
    let told = String::from_utf8_lossy(&full.stderr).into_owned();
    assert!(told.contains("the audit log takes no record, so nothing runs"), "{told}");
}

#[tokio::test]
async fn arguments_stay_out_of_the_record_where_the_operator_says_so() {
    let house = House::of(&["guests/echo"], "[audit]\narguments = \"metadata\"\n").await;
    house.ask("alice", "echo", json!({"note": "confidential"})).await;
    house.record().settled().await;
    let text = std::fs::read_to_string(house.audit_dir().join(FILE)).unwrap();
    assert!(!text.contains("confidential"), "{text}");
}

#[tokio::test]
async fn what_looks_secret_in_arguments_is_a_salted_hash_unless_all_is_asked_for() {
    let arguments = json!({"note": "mind the gap", "password": "hunter2"});
    let recorded = async |config: &str| {
        let house = House::of(&["guests/echo"], config).await;
        house.ask("alice", "echo", arguments.clone()).await;
        house.record().settled().await;
        std::fs::read_to_string(house.audit_dir().join(FILE)).unwrap()
    };
    let usual = recorded("").await;
    assert!(usual.contains("mind the gap") && usual.contains("hmac-sha256:"), "{usual}");
    assert!(!usual.contains("hunter2"), "{usual}");
    let full = recorded("[audit]\narguments = \"full\"\n").await;
    assert!(full.contains("hunter2"), "{full}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_share_a_log_without_mixing_lines() {
    let state = tempfile::tempdir().unwrap();
    let house = async || {
        let builder = House::builder().with("guests/echo").state_dir(state.path());
        Arc::new(builder.build().await)
    };
    let houses = [house().await, house().await];
    let mut calls = tokio::task::JoinSet::new();
    for number in 0..60 {
        let house = Arc::clone(&houses[number % 2]);
        calls.spawn(async move { house.ask("alice", "echo", json!({"n": number})).await });
    }
    calls.join_all().await;
    let mut seen: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for line in houses[0].record().settled().await {
        assert!(!matches!(line.stage, Stage::Abandoned));
        seen.entry(line.instance).or_default().push(line.seq);
    }
    for numbers in seen.values() {
        // The first one says who records.
        assert_eq!(*numbers, (2..=91).collect::<Vec<_>>());
    }
    assert_eq!(seen.len(), 2);
    let folder = houses[0].audit_dir();
    let report = files::verify(&folder, Trust::default(), &mut |_, _| ()).unwrap();
    assert_eq!(report.findings, []);
}
