//! metrics.k8s.io, served by a small program of the tests (`tests/metrics-api`) beside the API
//! server, which asks it as it would ask any other aggregated API.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::daemon;
use super::pki::{self, Leaf};
use super::place::{Place, shown, write};
use super::settings::METRICS_PORT;
use crate::process;
use crate::workspace::Workspace;

const PACKAGE: &str = "toolgate-metrics-api";
const NAME: &str = "metrics-api";
/// The kubelet measures every ten seconds, and a rate needs two measurements.
const LIMIT: Duration = Duration::from_mins(1);

pub(crate) struct Server<'a> {
    pub(crate) program: &'a Path,
    /// Where it listens, and the cluster reaches it.
    pub(crate) address: &'a str,
    /// `host:port`
    pub(crate) upstream: &'a str,
    /// The name of the authority that signed the API server's certificate.
    pub(crate) authority: &'a str,
}

pub(crate) fn build(workspace: &Workspace) -> Result<PathBuf> {
    let mut cargo = process::cargo();
    cargo.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target);
    process::run(cargo.args(["build", "--quiet", "-p", PACKAGE]))?;
    Ok(workspace.target.join("debug").join(PACKAGE))
}

pub(crate) fn start(
    place: &Place,
    server: &Server<'_>,
    kubectl: &dyn Fn() -> Command,
) -> Result<()> {
    pki::authority(place, "metrics")?;
    let listens_at = ["metrics-api.kube-system.svc"];
    let subject = "/CN=metrics-api";
    pki::leaf(place, &Leaf { file: NAME, subject, listens_at: &listens_at, by: "metrics" })?;
    let manifests = manifests(server.address, &pki::base64(place, "metrics.crt")?);
    let file = place.config("metrics.yaml");
    write(&file, &manifests)?;
    process::output(kubectl().args(["apply", "--filename", &shown(&file)]))?;
    write(&place.pki("metrics-api.token"), &token(place, kubectl)?)?;
    // Whoever asks must be the API server: it has checked who asks it.
    let mut proxies = kubectl();
    proxies.args(["--namespace=kube-system", "get", "configmap"]);
    proxies.args(["extension-apiserver-authentication", "--output"]);
    proxies.arg("jsonpath={.data.requestheader-client-ca-file}");
    write(&place.pki("metrics-clients.crt"), &process::output(&mut proxies)?)?;
    // A copy, so that a build does not pull the program away from under itself.
    let program = place.run.join(PACKAGE);
    fs::copy(server.program, &program)
        .with_context(|| format!("could not copy `{}`", shown(server.program)))?;
    let mut arguments = vec![
        format!("--listen={}:{METRICS_PORT}", server.address),
        format!("--api-server={}", server.upstream),
    ];
    for (name, file) in [
        ("certificate", "metrics-api.crt"),
        ("key", "metrics-api.key"),
        ("clients", "metrics-clients.crt"),
        ("token", "metrics-api.token"),
        ("authority", &format!("{}.crt", server.authority)),
    ] {
        arguments.push(format!("--{name}={}", shown(&place.pki(file))));
    }
    daemon::spawn(place, NAME, &program, &arguments)
}

/// Waits until the API server serves it.
pub(crate) fn wait(place: &Place, kubectl: &dyn Fn() -> Command) -> Result<()> {
    daemon::wait_for(place, NAME, "metrics.k8s.io is served", LIMIT, || {
        let mut kubectl = kubectl();
        kubectl.args(["get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes"]);
        process::output(&mut kubectl).is_ok_and(|nodes| nodes.contains("\"usage\""))
    })
}

/// A token of its own service account, for as long as the cluster is likely to live.
fn token(place: &Place, kubectl: &dyn Fn() -> Command) -> Result<String> {
    let question = place.config("metrics-token.json");
    write(
        &question,
        r#"{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
"spec": {"audiences": null, "expirationSeconds": 2592000}}"#,
    )?;
    let path = "/api/v1/namespaces/kube-system/serviceaccounts/metrics-api/token";
    let mut kubectl = kubectl();
    kubectl.args(["create", "--raw", path, "--filename", &shown(&question)]);
    let answer = process::output(&mut kubectl)?;
    let token = answer.split("\"token\":\"").nth(1).and_then(|rest| rest.split('"').next());
    Ok(token.context("the API server gave no token to the metrics server")?.to_owned())
}

fn manifests(address: &str, authority: &str) -> String {
    format!(
        "apiVersion: v1
kind: ServiceAccount
metadata: {{name: metrics-api, namespace: kube-system}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {{name: metrics-api}}
rules:
- {{apiGroups: [\"\"], resources: [nodes, pods], verbs: [get, list]}}
- {{apiGroups: [\"\"], resources: [nodes/proxy], verbs: [get]}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {{name: metrics-api}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: metrics-api}}
subjects: [{{kind: ServiceAccount, name: metrics-api, namespace: kube-system}}]
---
apiVersion: v1
kind: Service
metadata: {{name: metrics-api, namespace: kube-system}}
spec: {{ports: [{{name: https, port: 443, targetPort: {METRICS_PORT}}}]}}
---
apiVersion: v1
kind: Endpoints
metadata: {{name: metrics-api, namespace: kube-system}}
subsets: [{{addresses: [{{ip: {address}}}], ports: [{{name: https, port: {METRICS_PORT}}}]}}]
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {{name: v1beta1.metrics.k8s.io}}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: {authority}
  service: {{name: metrics-api, namespace: kube-system}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_server_may_read_what_it_serves_and_no_more() {
        let text = manifests("10.98.0.1", "QQ==");
        assert!(text.contains("caBundle: QQ==\n") && text.contains("ip: 10.98.0.1"), "{text}");
        for verb in ["create", "update", "patch", "delete", "'*'", "insecureSkipTLSVerify"] {
            assert!(!text.contains(verb), "{verb}: {text}");
        }
    }
}
