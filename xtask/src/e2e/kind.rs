//! A cluster by `kind`, with the API server's audit log on and the images of the tests in it.
#![expect(
    clippy::unnecessary_debug_formatting,
    reason = "a path is quoted as all of these formats quote"
)]

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::place::{Cluster, Origin, Place, shown, write};
use super::{images, metrics, settings};
use crate::process;
use crate::progress::{self, Steps};
use crate::workspace::Workspace;

const NAME: &str = "toolgate-e2e";
/// An image of a node is some hundred megabytes, which come over any line.
const CREATE_LIMIT: Duration = Duration::from_mins(15);

pub(crate) fn is_up(engine: &str) -> bool {
    process::output(kind(engine).args(["get", "clusters"]))
        .is_ok_and(|names| names.lines().any(|name| name == NAME))
        && process::output(kubectl(engine).args(["get", "--raw", "/readyz"])).is_ok()
}

pub(crate) fn up(place: &Place, workspace: &Workspace, engine: &str) -> Result<Cluster> {
    let mut steps = Steps::new(4);
    let step = steps.begin("building the server of metrics.k8s.io");
    let metrics_api = metrics::build(workspace)?;
    steps.end(&step);

    let step = steps.begin(&format!("creating a cluster by `kind` on `{engine}`"));
    for folder in ["audit", "logs", "pids", "pki"] {
        let path = place.run.join(folder);
        fs::create_dir_all(&path)
            .with_context(|| format!("could not create `{}`", shown(&path)))?;
    }
    write(&place.config("audit-policy.yaml"), settings::AUDIT_POLICY)?;
    write(&place.config("kind.yaml"), &config(place))?;
    let mut create = kind(engine);
    create.args(["create", "cluster", "--name", NAME, "--wait", "3m"]);
    create.arg("--kubeconfig").arg(place.kubeconfig());
    create.arg("--config").arg(place.config("kind.yaml"));
    process::run_bounded(&mut create, CREATE_LIMIT)
        .context("hint: `kind export logs` shows what its node says")?;
    steps.end(&step);

    let step = steps.begin("loading the images of the tests");
    let archive = images::archive(place)?;
    let mut load = kind(engine);
    process::output(load.args(["load", "image-archive", "--name", NAME]).arg(&archive))?;
    steps.end(&step);

    let step = steps.begin("starting metrics");
    start_metrics(place, engine, &metrics_api)?;
    steps.end(&step);
    Ok(Cluster {
        origin: Origin::Kind { engine: engine.to_owned() },
        kubeconfig: place.kubeconfig(),
        context: format!("kind-{NAME}"),
        audit_log: Some(place.audit_log()),
        box_image: settings::BOX_IMAGE.to_owned(),
    })
}

pub(crate) fn down(engine: &str) -> Result<()> {
    progress::note("removing the cluster of `kind`");
    process::output(kind(engine).args(["delete", "cluster", "--name", NAME]))?;
    Ok(())
}

fn start_metrics(place: &Place, engine: &str, program: &std::path::Path) -> Result<()> {
    let kubeconfig =
        fs::read_to_string(place.kubeconfig()).context("`kind` wrote no kubeconfig")?;
    let field = |name: &str| {
        let found = kubeconfig.lines().find_map(|line| line.trim().strip_prefix(name));
        found.map(str::trim).with_context(|| format!("the kubeconfig of `kind` has no `{name}`"))
    };
    let upstream = field("server: https://")?;
    let encoded = place.pki("cluster.base64");
    write(&encoded, field("certificate-authority-data:")?)?;
    let mut openssl = Command::new("openssl");
    openssl.args(["base64", "-d", "-A", "-in", &shown(&encoded)]);
    write(&place.pki("cluster.crt"), &process::output(&mut openssl)?)?;
    let mut inspect = Command::new(engine);
    inspect.args(["network", "inspect", "kind", "--format"]);
    let networks = process::output(inspect.arg("{{range .IPAM.Config}}{{.Gateway}} {{end}}"))?;
    let Some(address) = networks.split_whitespace().find(|address| !address.contains(':')) else {
        bail!("the network of `kind` has no gateway by which its node could reach this machine");
    };
    let server = metrics::Server { program, address, upstream, authority: "cluster" };
    let kubectl = || kubectl(engine);
    metrics::start(place, &server, &kubectl)?;
    metrics::wait(place, &kubectl)
}

fn kind(engine: &str) -> Command {
    let mut kind = Command::new("kind");
    kind.env("KIND_EXPERIMENTAL_PROVIDER", engine);
    kind
}

/// The one in the node: the machine need not have any. Files are seen there under their own names.
fn kubectl(engine: &str) -> Command {
    let mut kubectl = Command::new(engine);
    kubectl.args(["exec", &format!("{NAME}-control-plane"), "kubectl"]);
    kubectl.arg("--kubeconfig=/etc/kubernetes/admin.conf");
    kubectl
}

fn config(place: &Place) -> String {
    let settings = place.config("");
    let audit = place.run.join("audit");
    format!(
        "kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
  extraMounts:
  - {{hostPath: {settings:?}, containerPath: {settings:?}, readOnly: true}}
  - {{hostPath: {audit:?}, containerPath: {audit:?}}}
  kubeadmConfigPatches:
  - |
    kind: ClusterConfiguration
    apiServer:
      extraArgs:
        audit-log-path: {:?}
        audit-policy-file: {:?}
        enable-aggregator-routing: \"true\"
      extraVolumes:
      - {{name: audit-policy, hostPath: {settings:?}, mountPath: {settings:?}, readOnly: true}}
      - {{name: audit-log, hostPath: {audit:?}, mountPath: {audit:?}}}
",
        place.audit_log(),
        place.config("audit-policy.yaml"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_sees_the_files_of_the_audit_under_their_own_names() {
        let text = config(&Place::at("/c".into()));
        for wanted in [
            "audit-log-path: \"/c/e2e/audit/audit.log\"",
            "audit-policy-file: \"/c/e2e/config/audit-policy.yaml\"",
            "hostPath: \"/c/e2e/config/\", containerPath: \"/c/e2e/config/\"",
        ] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }
}
