//! From configuration to client.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::fake::{clusters, now, prod};
use crate::backend::kubernetes::{Clusters, Connection};
use crate::capability::Kubernetes;

fn kubeconfig(dir: &Path, user: &str, server: &str) -> Connection {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: u, user: {{{user}}}}}]\n\
         contexts: [{{name: here, context: {{cluster: c, user: u}}}}]\n"
    );
    let path = dir.join("config");
    std::fs::write(&path, text).unwrap();
    Connection::Kubeconfig { path: Some(path), context: None }
}

fn problems(connection: Connection) -> String {
    let problems = Clusters::new(BTreeMap::from([(prod(), connection)]), Arc::new(now));
    let problems = problems.expect_err("this configuration is wrong");
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_wrong_configuration_is_told_with_its_file_its_context_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let good = kubeconfig(dir.path(), "token: hunter2", "http://127.0.0.1:1");
    let Connection::Kubeconfig { path: Some(path), .. } = good else { panic!("a kubeconfig") };
    let other = Connection::Kubeconfig { path: Some(path), context: Some("there".to_owned()) };
    let said = problems(other);
    assert!(
        said.starts_with("cluster `prod` cannot be connected with context `there` of"),
        "{said}"
    );
    assert!(said.contains("no context `there`; `kubectl config get-contexts`"), "{said}");

    let missing = dir.path().join("missing");
    let said = problems(Connection::Kubeconfig { path: Some(missing), context: None });
    assert!(said.contains("missing") && said.contains("check that the file exists"), "{said}");

    let broken = dir.path().join("broken");
    std::fs::write(&broken, "users: [{name: u, user: {token: hunter2}}, !!]\n\t{").unwrap();
    let said = problems(Connection::Kubeconfig { path: Some(broken), context: None });
    assert!(said.contains("not a kubeconfig") && !said.contains("hunter2"), "{said}");

    let said = problems(Connection::InCluster);
    assert!(said.contains("the pod's service account"), "{said}");
}

#[test]
fn every_problem_is_told() {
    let missing = || Connection::Kubeconfig { path: Some("/nowhere".into()), context: None };
    let connections = BTreeMap::from([(prod(), missing()), ("test".parse().unwrap(), missing())]);
    assert_eq!(Clusters::new(connections, Arc::new(now)).unwrap_err().len(), 2);
}

#[tokio::test]
async fn a_server_that_is_away_is_noticed_at_the_first_request_only() {
    let dir = tempfile::tempdir().unwrap();
    // Port 1 of this machine: refused at once.
    let connection = kubeconfig(dir.path(), "token: hunter2", "https://127.0.0.1:1");
    let clusters = clusters(BTreeMap::from([(prod(), connection)]));
    let error = clusters.namespaces(&prod()).await.unwrap_err();
    assert_eq!(error.caller_text(), "the cluster does not answer; try again later");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_credential_program_is_never_given_our_standard_input_and_its_output_stays_secret() {
    let dir = tempfile::tempdir().unwrap();
    // Prints a token, looks at what it was told, and fails. With a standard input that it shares
    // with us it would wait here.
    let program = "echo hunter2; cat >/dev/null; case $KUBERNETES_EXEC_INFO in \
                   *'\"interactive\":false'*) echo log in first >&2;; esac; exit 3";
    let program = program.replace('"', "\\\"");
    let user = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, \
         interactiveMode: Always, args: [-c, \"{program}\"]}}"
    );
    let connection = kubeconfig(dir.path(), &user, "https://127.0.0.1:1");
    let clusters = clusters(BTreeMap::from([(prod(), connection)]));
    let error = clusters.namespaces(&prod()).await.unwrap_err();
    let said = error.to_string();
    assert!(said.contains("exit status: 3: log in first; run the program by hand"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
    assert_eq!(
        error.caller_text(),
        "this server cannot connect to the cluster; its operator can say more"
    );
}
