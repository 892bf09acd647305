//! From configuration to client.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::fake::{clusters, now, prod};
use crate::backend::kubernetes::{Clusters, Connection};
use crate::capability::{Kubernetes, Writer};
use crate::domain::write::{Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget};

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
    let problems =
        Clusters::new(BTreeMap::from([(prod(), connection)]), &BTreeMap::new(), Arc::new(now));
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
    assert_eq!(Clusters::new(connections, &BTreeMap::new(), Arc::new(now)).unwrap_err().len(), 2);
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

/// A server on this machine that gives each connection the next of these answers and ends it;
/// what it was sent comes out of the channel.
async fn serve(answers: Vec<&'static str>) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        for answer in answers {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 64 << 10];
            let n = stream.read(&mut request).await.unwrap();
            sender.send(String::from_utf8_lossy(&request[..n]).into_owned()).unwrap();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (address, requests)
}

const CLOSE: &str = "Connection: close\r\nContent-Length: 0\r\n\r\n";

/// The deployment that [`plan`] is about.
fn found() -> &'static str {
    let found = r#"{"metadata":{"uid":"u","resourceVersion":"1","generation":1}}"#;
    let length = found.len();
    format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{found}")
        .leak()
}

fn plan() -> Plan {
    let target = WriteTarget::Workload(WorkloadRef {
        cluster: prod(),
        kind: WorkloadKind::Deployment,
        namespace: "shop".parse().unwrap(),
        name: "web".parse().unwrap(),
    });
    let version = Version::Generation(1);
    Plan { uid: "u".to_owned(), version, ..Plan::bare(Verb::Restart, target) }
}

#[tokio::test]
async fn kubes_own_retries_are_off() {
    let dir = tempfile::tempdir().unwrap();
    let busy = format!("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\n{CLOSE}").leak();
    let (server, mut requests) = serve(vec![found(), busy, busy, busy]).await;
    let clusters =
        clusters(BTreeMap::from([(prod(), kubeconfig(dir.path(), "token: hunter2", &server))]));
    clusters.execute(&plan()).await.unwrap_err();
    assert!(requests.recv().await.unwrap().starts_with("GET /apis/apps/v1/"));
    assert!(requests.recv().await.unwrap().starts_with("PATCH /apis/apps/v1/"));
    assert!(requests.try_recv().is_err(), "the patch was sent again");
}

#[tokio::test]
async fn a_write_that_was_turned_away_at_the_door_goes_out_once_more() {
    let dir = tempfile::tempdir().unwrap();
    let refused = format!("HTTP/1.1 401 Unauthorized\r\n{CLOSE}").leak();
    let done = format!("HTTP/1.1 200 OK\r\n{CLOSE}").leak();
    for (answers, is_done) in
        [(vec![found(), refused, done], true), (vec![found(), refused, refused, done], false)]
    {
        let (server, mut requests) = serve(answers).await;
        let connection = kubeconfig(dir.path(), "token: hunter2", &server);
        let clusters = clusters(BTreeMap::from([(prod(), connection)]));
        assert_eq!(clusters.execute(&plan()).await.is_ok(), is_done);
        assert!(requests.recv().await.unwrap().starts_with("GET "));
        for _ in 0..2 {
            assert!(requests.recv().await.unwrap().starts_with("PATCH "));
        }
        assert!(requests.try_recv().is_err(), "the patch was sent a third time");
    }
}

#[tokio::test]
async fn refused_credentials_are_read_again_for_the_next_request() {
    let dir = tempfile::tempdir().unwrap();
    let refused = format!("HTTP/1.1 401 Unauthorized\r\n{CLOSE}").leak();
    let (server, mut requests) = serve(vec![refused, refused]).await;
    let connection = kubeconfig(dir.path(), "token: old", &server);
    let clusters = clusters(BTreeMap::from([(prod(), connection)]));
    for token in ["old", "new"] {
        kubeconfig(dir.path(), &format!("token: {token}"), &server);
        let error = clusters.namespaces(&prod()).await.unwrap_err();
        assert!(error.caller_text().contains("credentials"), "{error}");
        let request = requests.recv().await.unwrap().to_lowercase();
        assert!(request.contains(&format!("authorization: bearer {token}")), "{request}");
    }
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

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_credential_program_that_hangs_is_told_by_its_name_and_started_once() {
    let dir = tempfile::tempdir().unwrap();
    let (started, end) = (dir.path().join("started"), dir.path().join("end"));
    // Runs until the test lets it go.
    let status = std::process::Command::new("mkfifo").arg(&end).status().unwrap();
    assert!(status.success());
    let program = format!("echo >>{}; cat {}", started.display(), end.display());
    let user = format!(
        "exec: {{apiVersion: client.authentication.k8s.io/v1, command: sh, \
         args: [-c, \"{program}\"]}}"
    );
    let connection = kubeconfig(dir.path(), &user, "https://127.0.0.1:1");
    let clusters = clusters(BTreeMap::from([(prod(), connection)]));
    let mut said = Vec::new();
    // A blocking task holds paused time still, so the deadline is brought about by hand.
    for _ in 0..2 {
        let request = async { clusters.namespaces(&prod()).await };
        let late = tokio::time::advance(std::time::Duration::from_secs(9));
        let (error, ()) = tokio::join!(request, late);
        said.push(error.unwrap_err().to_string());
    }
    // First of all let it go: the runtime waits for it, also when the test fails.
    std::fs::write(&end, "").unwrap();
    assert!(said.iter().all(|said| said.contains("has not ended within 8 s")), "{said:?}");
    assert_eq!(std::fs::read_to_string(&started).unwrap(), "\n");
}
