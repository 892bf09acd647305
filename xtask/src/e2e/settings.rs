//! The files that the programs of our own cluster read, as texts. What is odd in them has its
//! reason beside it: machines without systemd, without overlay file systems, and in a container.
#![expect(
    clippy::unnecessary_debug_formatting,
    reason = "a path is quoted as all of these formats quote"
)]

use std::path::Path;

use super::place::Place;

/// Away from what a cluster usually has, so that another one can live beside it.
pub(crate) const API_PORT: u16 = 26_443;
pub(crate) const METRICS_PORT: u16 = 26_444;
pub(crate) const ETCD_PORT: u16 = 22_379;
pub(crate) const ETCD_PEER_PORT: u16 = 22_380;
/// A bridge without any port carries the node's address: the kubelet refuses loopback, and some
/// kernels have no `dummy` links.
pub(crate) const NODE_BRIDGE: &str = "toolgate-node";
pub(crate) const POD_BRIDGE: &str = "toolgate-pods";
pub(crate) const NODE_ADDRESS: &str = "10.98.0.1";
pub(crate) const NODE: &str = "e2e-node";
pub(crate) const PODS: &str = "10.243.0.0/24";
pub(crate) const SERVICES: &str = "10.97.0.0/24";
/// The first of the services is the API server's.
pub(crate) const API_SERVICE: &str = "10.97.0.1";
const DNS_SERVICE: &str = "10.97.0.10";
pub(crate) const CONTEXT: &str = "e2e";
pub(crate) const PAUSE_IMAGE: &str = "toolgate.test/pause:1";
pub(crate) const BOX_IMAGE: &str = "toolgate.test/box:1";

/// Who asked for what and how it ended; no bodies.
pub(crate) const AUDIT_POLICY: &str = "apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
";

pub(crate) fn containerd(place: &Place) -> String {
    let folder = place.run.join("containerd");
    let socket = place.containerd_socket();
    let cni = place.config("cni");
    // An adjusted score would need CAP_SYS_RESOURCE, which a container may not have; and copies of
    // files work where overlays do not.
    format!(
        "version = 2
root = {:?}
state = {:?}
disabled_plugins = [\"io.containerd.internal.v1.opt\"]
[grpc]
  address = {socket:?}
[plugins.\"io.containerd.grpc.v1.cri\"]
  sandbox_image = \"{PAUSE_IMAGE}\"
  restrict_oom_score_adj = true
  [plugins.\"io.containerd.grpc.v1.cri\".containerd]
    snapshotter = \"native\"
  [plugins.\"io.containerd.grpc.v1.cri\".cni]
    bin_dir = \"/usr/lib/cni\"
    conf_dir = {cni:?}
",
        folder.join("root"),
        folder.join("state"),
    )
}

pub(crate) fn pod_network(place: &Place) -> String {
    let addresses = place.run.join("addresses");
    format!(
        "{{\"cniVersion\": \"0.4.0\", \"name\": \"toolgate-e2e\", \"plugins\": [
  {{\"type\": \"bridge\", \"bridge\": \"{POD_BRIDGE}\", \"isGateway\": true, \"ipMasq\": false,
    \"ipam\": {{\"type\": \"host-local\", \"dataDir\": {addresses:?},
      \"ranges\": [[{{\"subnet\": \"{PODS}\"}}]], \"routes\": [{{\"dst\": \"0.0.0.0/0\"}}]}}}},
  {{\"type\": \"loopback\"}}
]}}
"
    )
}

pub(crate) fn kubelet(place: &Place) -> String {
    let file = |name: &str| place.pki(name);
    // Its cgroups need neither systemd nor a hierarchy that is delegated to it. Images are never
    // collected: they cannot be pulled again. Events are not limited: tests look at them.
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {{anonymous: {{enabled: false}}, x509: {{clientCAFile: {:?}}}, webhook: {{enabled: true}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {:?}
tlsPrivateKeyFile: {:?}
address: {NODE_ADDRESS}
healthzPort: 0
cgroupDriver: cgroupfs
cgroupsPerQOS: false
enforceNodeAllocatable: []
failSwapOn: false
makeIPTablesUtilChains: false
maxPods: 200
clusterDNS: [{DNS_SERVICE}]
clusterDomain: cluster.local
resolvConf: {:?}
evictionHard: {{memory.available: 100Mi}}
imageGCHighThresholdPercent: 100
serializeImagePulls: false
syncFrequency: 5s
fileCheckFrequency: 5s
volumeStatsAggPeriod: 10s
nodeStatusUpdateFrequency: 3s
nodeStatusReportFrequency: 30s
eventRecordQPS: 0
kubeAPIQPS: 100
kubeAPIBurst: 200
",
        file("cluster.crt"),
        file("kubelet.crt"),
        file("kubelet.key"),
        place.config("resolv.conf"),
    )
}

/// A kubeconfig with the keys in it: it may be copied elsewhere.
pub(crate) fn kubeconfig(user: &str, authority: &str, certificate: &str, key: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: {CONTEXT}
  cluster:
    server: https://{NODE_ADDRESS}:{API_PORT}
    certificate-authority-data: {authority}
users:
- name: {user}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {CONTEXT}
  context: {{cluster: {CONTEXT}, user: {user}}}
current-context: {CONTEXT}
"
    )
}

pub(crate) fn etcd(place: &Place) -> Vec<String> {
    let clients = format!("http://127.0.0.1:{ETCD_PORT}");
    vec![
        flag("data-dir", place.run.join("etcd").display()),
        flag("listen-client-urls", &clients),
        flag("advertise-client-urls", &clients),
        flag("listen-peer-urls", format!("http://127.0.0.1:{ETCD_PEER_PORT}")),
        // Nobody needs this cluster after a power cut.
        "--unsafe-no-fsync".to_owned(),
    ]
}

pub(crate) fn api_server(place: &Place) -> Vec<String> {
    let pki = |file: &str| place.pki(file).display().to_string();
    let mut flags = vec![
        flag("etcd-servers", format!("http://127.0.0.1:{ETCD_PORT}")),
        flag("bind-address", NODE_ADDRESS),
        flag("advertise-address", NODE_ADDRESS),
        flag("secure-port", API_PORT),
        flag("service-cluster-ip-range", SERVICES),
        flag("authorization-mode", "Node,RBAC"),
        flag("enable-admission-plugins", "NodeRestriction"),
        flag("allow-privileged", true),
        flag("service-account-issuer", "https://kubernetes.default.svc"),
        flag("kubelet-preferred-address-types", "InternalIP"),
        flag("audit-log-path", place.audit_log().display()),
        flag("audit-log-format", "json"),
        flag("audit-policy-file", place.config("audit-policy.yaml").display()),
        // There is no proxy for services on the node: the aggregator asks endpoints themselves.
        flag("enable-aggregator-routing", true),
        flag("requestheader-allowed-names", "front-proxy"),
        flag("requestheader-username-headers", "X-Remote-User"),
        flag("requestheader-group-headers", "X-Remote-Group"),
        flag("requestheader-extra-headers-prefix", "X-Remote-Extra-"),
    ];
    for (name, file) in [
        ("tls-cert-file", "api-server.crt"),
        ("tls-private-key-file", "api-server.key"),
        ("client-ca-file", "cluster.crt"),
        ("service-account-key-file", "tokens.key"),
        ("service-account-signing-key-file", "tokens.key"),
        ("kubelet-certificate-authority", "cluster.crt"),
        ("kubelet-client-certificate", "kubelet-client.crt"),
        ("kubelet-client-key", "kubelet-client.key"),
        ("requestheader-client-ca-file", "front-proxies.crt"),
        ("proxy-client-cert-file", "front-proxy.crt"),
        ("proxy-client-key-file", "front-proxy.key"),
    ] {
        flags.push(flag(name, pki(file)));
    }
    flags
}

/// Waits that are right in production would be most of a test's time.
pub(crate) fn controller_manager(place: &Place) -> Vec<String> {
    vec![
        flag("kubeconfig", place.config("controller-manager.kubeconfig").display()),
        flag("service-account-private-key-file", place.pki("tokens.key").display()),
        flag("root-ca-file", place.pki("cluster.crt").display()),
        flag("use-service-account-credentials", true),
        flag("leader-elect", false),
        flag("port", 0),
        flag("secure-port", 0),
        flag("kube-api-qps", 300),
        flag("kube-api-burst", 600),
        flag("node-monitor-period", "1s"),
        flag("resource-quota-sync-period", "5s"),
        flag("pvclaimbinder-sync-period", "2s"),
        flag("horizontal-pod-autoscaler-sync-period", "5s"),
        flag("horizontal-pod-autoscaler-initial-readiness-delay", "5s"),
        flag("horizontal-pod-autoscaler-cpu-initialization-period", "10s"),
    ]
}

pub(crate) fn scheduler(place: &Place) -> Vec<String> {
    vec![
        flag("kubeconfig", place.config("scheduler.kubeconfig").display()),
        flag("leader-elect", false),
        flag("port", 0),
        flag("secure-port", 0),
    ]
}

pub(crate) fn kubelet_flags(place: &Place) -> Vec<String> {
    vec![
        flag("kubeconfig", place.config("kubelet.kubeconfig").display()),
        flag("config", place.config("kubelet.yaml").display()),
        flag("container-runtime", "remote"),
        flag("container-runtime-endpoint", endpoint(&place.containerd_socket())),
        flag("root-dir", place.run.join("kubelet").display()),
        flag("hostname-override", NODE),
        flag("node-ip", NODE_ADDRESS),
        // With one, the log of the run before is gone for as long as a crashed one is not restarted.
        flag("maximum-dead-containers-per-container", 3),
    ]
}

fn endpoint(socket: &Path) -> String {
    format!("unix://{}", socket.display())
}

fn flag(name: &str, value: impl std::fmt::Display) -> String {
    format!("--{name}={value}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place::at("/c".into())
    }

    #[test]
    fn the_api_server_authenticates_authorises_and_records() {
        let flags = api_server(&place()).join(" ");
        for wanted in [
            "--authorization-mode=Node,RBAC",
            "--client-ca-file=/c/e2e/pki/cluster.crt",
            "--tls-cert-file=/c/e2e/pki/api-server.crt",
            "--service-account-signing-key-file=",
            "--audit-log-path=/c/e2e/audit/audit.log",
            "--requestheader-client-ca-file=",
            "--enable-aggregator-routing=true",
        ] {
            assert!(flags.contains(wanted), "{wanted}: {flags}");
        }
        assert!(!flags.contains("anonymous-auth=true") && !flags.contains("insecure"), "{flags}");
    }

    #[test]
    fn everything_lies_under_one_folder() {
        let place = place();
        let texts = [containerd(&place), kubelet(&place), pod_network(&place)];
        let flags = [etcd(&place), kubelet_flags(&place), scheduler(&place)].concat();
        for text in texts.iter().chain(&flags) {
            for path in text.split(['"', '=']).filter(|word| word.starts_with('/')) {
                let ours = path.starts_with("/c/e2e/") || path == "/usr/lib/cni";
                assert!(ours, "{path} in {text}");
            }
        }
    }

    #[test]
    fn images_that_cannot_be_pulled_again_are_kept() {
        assert!(kubelet(&place()).contains("imageGCHighThresholdPercent: 100\n"));
        assert!(containerd(&place()).contains(PAUSE_IMAGE));
    }

    #[test]
    fn a_kubeconfig_names_its_user_and_carries_its_keys() {
        let text = kubeconfig("admin", "QQ==", "Qg==", "Qw==");
        for wanted in ["server: https://10.98.0.1:26443", "user: admin", "current-context: e2e"] {
            assert!(text.contains(wanted), "{wanted}: {text}");
        }
    }
}
