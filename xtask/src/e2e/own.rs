//! A cluster of one node, assembled on this machine: etcd, the four programs of Kubernetes, a
//! container runtime and real pods. The order of its steps, and nothing of their details.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};

use super::pki::{self, Leaf};
use super::place::{Cluster, KUBERNETES, Origin, Place, shown, write};
use super::{daemon, images, kubernetes, metrics, packages, settings};
use crate::process;
use crate::progress::Steps;
use crate::workspace::Workspace;

/// Folders that the runtime and the kubelet take for granted. They get ones of this cluster under
/// the same name, in a mount namespace: two kubelets that see each other's logs remove them.
const SYSTEM_FOLDERS: [&str; 4] = ["/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet"];

/// Mounts the pairs of folders before `--`, then becomes what is behind it.
const WITH_OWN_FOLDERS: &str = "while [ \"$1\" != -- ]; do mount --bind \"$1\" \"$2\"; shift 2; \
    done; shift; exec \"$@\"";

const SOON: Duration = Duration::from_mins(1);
/// The API server of an empty machine needs a few seconds; one that shares two processors, more.
const API_SERVER_LIMIT: Duration = Duration::from_mins(2);

const PROGRAMS: [&str; 7] = [
    "containerd",
    "controller-manager",
    "etcd",
    "kube-apiserver",
    "kubelet",
    "metrics-api",
    "scheduler",
];

pub(crate) fn is_up(place: &Place) -> bool {
    let alive = |name: &str| daemon::find(place, name).is_some_and(|found| found.is_alive());
    PROGRAMS.iter().all(|name| alive(name)) && is_ready(place)
}

pub(crate) fn up(place: &Place, workspace: &Workspace) -> Result<Cluster> {
    let mut steps = Steps::new(6);
    let missing = packages::missing(&packages::TO_RUN);
    if missing.is_empty() {
        steps.fresh("Debian packages: present");
    } else {
        let step = steps.begin("installing Debian packages");
        packages::install(&missing)?;
        steps.end(&step);
    }
    if kubernetes::is_built(place) {
        steps.fresh(&format!("Kubernetes {KUBERNETES}: present in `{}`", shown(&place.bin())));
    } else {
        let step = steps.begin("building Kubernetes (once; about 12 minutes of one processor)");
        kubernetes::build(place)?;
        steps.end(&step);
    }
    let step = steps.begin("building the server of metrics.k8s.io");
    let metrics_api = metrics::build(workspace)?;
    steps.end(&step);

    let step = steps.begin("writing certificates, configuration and images");
    write_files(place)?;
    let archive = images::archive(place)?;
    steps.end(&step);

    let step = steps.begin("starting etcd, containerd and the API server");
    start_control_plane(place)?;
    import(place, &archive)?;
    let ready = || is_ready(place);
    daemon::wait_for(place, "kube-apiserver", "the API server is ready", API_SERVER_LIMIT, ready)?;
    steps.end(&step);

    let step = steps.begin("starting controllers, the scheduler, the kubelet and metrics");
    start_node(place)?;
    let server = metrics::Server {
        program: &metrics_api,
        address: settings::NODE_ADDRESS,
        upstream: &format!("{}:{}", settings::NODE_ADDRESS, settings::API_PORT),
        authority: "cluster",
    };
    metrics::start(place, &server, &|| kubectl(place))?;
    wait_for_node(place)?;
    metrics::wait(place, &|| kubectl(place))?;
    steps.end(&step);
    Ok(Cluster {
        origin: Origin::Own,
        kubeconfig: place.kubeconfig(),
        context: settings::CONTEXT.to_owned(),
        audit_log: Some(place.audit_log()),
        box_image: settings::BOX_IMAGE.to_owned(),
    })
}

fn kubectl(place: &Place) -> Command {
    let mut kubectl = Command::new(place.program("kubectl"));
    // Its cache of what an API server has would outlive this one.
    kubectl.arg("--kubeconfig").arg(place.kubeconfig());
    kubectl.arg("--cache-dir").arg(place.run.join("kubectl"));
    kubectl
}

fn is_ready(place: &Place) -> bool {
    process::output(kubectl(place).args(["get", "--raw", "/readyz"])).is_ok()
}

fn write_files(place: &Place) -> Result<()> {
    for folder in ["audit", "logs", "pids", "pki"] {
        let path = place.run.join(folder);
        fs::create_dir_all(&path)
            .with_context(|| format!("could not create `{}`", shown(&path)))?;
    }
    // It holds the keys of the cluster.
    process::output(Command::new("chmod").arg("700").arg(&place.run))?;
    write_certificates(place)?;
    for (file, text) in [
        ("audit-policy.yaml", settings::AUDIT_POLICY.to_owned()),
        ("containerd.toml", settings::containerd(place)),
        ("cni/10-pods.conflist", settings::pod_network(place)),
        ("kubelet.yaml", settings::kubelet(place)),
        // Nobody answers names in this cluster.
        ("resolv.conf", String::new()),
    ] {
        write(&place.config(file), &text)?;
    }
    let authority = pki::base64(place, "cluster.crt")?;
    for (user, file) in [
        ("admin", place.kubeconfig()),
        ("controller-manager", place.config("controller-manager.kubeconfig")),
        ("scheduler", place.config("scheduler.kubeconfig")),
        ("kubelet", place.config("kubelet.kubeconfig")),
    ] {
        let certificate = pki::base64(place, &format!("{user}.crt"))?;
        let key = pki::base64(place, &format!("{user}.key"))?;
        write(&file, &settings::kubeconfig(user, &authority, &certificate, &key))?;
    }
    Ok(())
}

fn write_certificates(place: &Place) -> Result<()> {
    pki::authority(place, "cluster")?;
    pki::authority(place, "front-proxies")?;
    pki::key(place, "tokens")?;
    let api_server = [
        settings::NODE_ADDRESS,
        settings::API_SERVICE,
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    let kubelet = [settings::NODE_ADDRESS, settings::NODE];
    let node = format!("/O=system:nodes/CN=system:node:{}", settings::NODE);
    for (file, subject, listens_at, by) in [
        ("api-server", "/CN=kube-apiserver", api_server.as_slice(), "cluster"),
        ("admin", "/O=system:masters/CN=e2e-admin", &[], "cluster"),
        ("kubelet-client", "/O=system:masters/CN=kube-apiserver", &[], "cluster"),
        ("controller-manager", "/CN=system:kube-controller-manager", &[], "cluster"),
        ("scheduler", "/CN=system:kube-scheduler", &[], "cluster"),
        ("kubelet", &node, kubelet.as_slice(), "cluster"),
        ("front-proxy", "/CN=front-proxy", &[], "front-proxies"),
    ] {
        pki::leaf(place, &Leaf { file, subject, listens_at, by })?;
    }
    Ok(())
}

fn start_control_plane(place: &Place) -> Result<()> {
    let bridge = settings::NODE_BRIDGE;
    let address = format!("{}/24", settings::NODE_ADDRESS);
    for arguments in [
        ["link", "add", bridge, "type", "bridge"].as_slice(),
        &["address", "add", &address, "dev", bridge],
        &["link", "set", bridge, "up"],
    ] {
        process::output(Command::new("ip").args(arguments))?;
    }
    daemon::spawn(place, "etcd", Path::new("etcd"), &settings::etcd(place))?;
    start_runtime(place)?;
    let api_server = place.program("kube-apiserver");
    daemon::spawn(place, "kube-apiserver", &api_server, &settings::api_server(place))
}

fn start_runtime(place: &Place) -> Result<()> {
    let mut arguments: Vec<String> =
        ["--mount", "--propagation", "private", "--", "sh", "-ec", WITH_OWN_FOLDERS, "sh"]
            .map(str::to_owned)
            .to_vec();
    for system in SYSTEM_FOLDERS {
        let instead = place.instead_of(system);
        for folder in [&instead, Path::new(system)] {
            fs::create_dir_all(folder)
                .with_context(|| format!("could not create `{}`", shown(folder)))?;
        }
        arguments.extend([shown(&instead), system.to_owned()]);
    }
    arguments.extend(["--", "containerd", "--config"].map(str::to_owned));
    arguments.push(shown(&place.config("containerd.toml")));
    daemon::spawn(place, "containerd", Path::new("unshare"), &arguments)
}

fn import(place: &Place, archive: &Path) -> Result<()> {
    let ctr = || {
        let mut ctr = Command::new("ctr");
        ctr.arg("--address").arg(place.containerd_socket()).args(["--namespace", "k8s.io"]);
        ctr
    };
    daemon::wait_for(place, "containerd", "the container runtime answers", SOON, || {
        process::output(ctr().arg("version")).is_ok()
    })?;
    process::output(ctr().args(["images", "import", "--snapshotter", "native"]).arg(archive))
        .with_context(|| format!("see `{}`", shown(&place.log("containerd"))))?;
    Ok(())
}

fn start_node(place: &Place) -> Result<()> {
    for (name, program, arguments) in [
        ("controller-manager", "kube-controller-manager", settings::controller_manager(place)),
        ("scheduler", "kube-scheduler", settings::scheduler(place)),
    ] {
        daemon::spawn(place, name, &place.program(program), &arguments)?;
    }
    let runtime = daemon::find(place, "containerd").context("the container runtime is gone")?;
    let mut arguments = vec!["--mount".to_owned(), format!("--target={}", runtime.pid)];
    arguments.push(shown(&place.program("kubelet")));
    arguments.extend(settings::kubelet_flags(place));
    daemon::spawn(place, "kubelet", Path::new("nsenter"), &arguments)
}

fn wait_for_node(place: &Place) -> Result<()> {
    const READY: &str = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status}";
    daemon::wait_for(place, "kubelet", "the node is ready", SOON, || {
        let mut kubectl = kubectl(place);
        kubectl.args(["get", "node", settings::NODE, "-o", READY]);
        process::output(&mut kubectl).is_ok_and(|status| status == "True")
    })?;
    let what = "the default service account is there";
    daemon::wait_for(place, "controller-manager", what, SOON, || {
        let mut kubectl = kubectl(place);
        kubectl.args(["--namespace", "default", "get", "serviceaccount", "default"]);
        process::output(kubectl.stderr(Stdio::null())).is_ok()
    })
}
