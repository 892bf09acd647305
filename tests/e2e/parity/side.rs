//! One of the two servers: what it is asked through, and what is known of it.

use std::collections::BTreeMap;

use kube::client::Body;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::Value;
use toolgate::backend::demo::DemoCluster;

use super::answer::Answer;
use crate::cluster::{asked, told};

/// Groups whose version depends on the server's age: the name, the resource that is looked for,
/// the versions from the newest.
const VERSIONS: &[(&str, &str, &[&str])] = &[
    ("policy", "poddisruptionbudgets", &["policy/v1", "policy/v1beta1"]),
    ("batch", "cronjobs", &["batch/v1", "batch/v1beta1"]),
    ("discovery", "endpointslices", &["discovery.k8s.io/v1", "discovery.k8s.io/v1beta1"]),
    ("autoscaling", "horizontalpodautoscalers", &["autoscaling/v2", "autoscaling/v2beta2"]),
];

/// The namespaces that the cases work in; the real server's are taken away at the end.
const NAMESPACES: &[&str] = &["parity", "parity-going", "parity-held"];
const CLUSTER_WIDE: &[&str] = &[
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/gadgets.parity.example",
    "/api/v1/nodes/parity-node",
];

pub(super) struct Side {
    client: Client,
    /// What stands for `{name}` and `$name` in a request.
    words: BTreeMap<String, String>,
}

impl Side {
    pub(super) async fn embedded() -> Self {
        let cluster = DemoCluster::builtin().unwrap();
        Self { client: cluster.client(), words: BTreeMap::new() }.versioned().await
    }

    pub(super) async fn real() -> Self {
        let path = told("KUBECONFIG");
        let file = Kubeconfig::read_from(path).unwrap();
        let options = KubeConfigOptions { context: asked("CONTEXT"), ..Default::default() };
        let mut config = Config::from_custom_kubeconfig(file, &options).await.unwrap();
        // What the server says is what is compared, not what a second try would bring.
        config.default_retry = false;
        let client = Client::try_from(config).unwrap();
        let mut side = Self { client, words: BTreeMap::new() }.versioned().await;
        // A run that was broken off has left its objects.
        side.leave().await;
        side
    }

    async fn versioned(mut self) -> Self {
        for (name, resource, versions) in VERSIONS {
            for version in *versions {
                let list = self.send("GET", &format!("/apis/{version}"), (None, None), None).await;
                let resources = list.at("/resources");
                let mut resources = resources.as_array().into_iter().flatten();
                if resources.any(|entry| entry["name"] == **resource) {
                    self.words.insert(format!("{{{name}}}"), (*version).to_owned());
                    break;
                }
            }
        }
        self
    }

    /// Takes away what the cases made, and waits until it is gone.
    pub(super) async fn leave(&mut self) {
        let mut paths: Vec<String> = CLUSTER_WIDE.iter().map(|path| (*path).to_owned()).collect();
        paths.extend(NAMESPACES.iter().map(|name| format!("/api/v1/namespaces/{name}")));
        for path in &paths {
            self.send("DELETE", path, (None, None), None).await;
        }
        let give_up = tokio::time::Instant::now() + super::SOON * 2;
        for path in &paths {
            while self.send("GET", path, (None, None), None).await.code != 404 {
                assert!(tokio::time::Instant::now() < give_up, "`{path}` does not go away");
                tokio::time::sleep(super::POLL).await;
            }
        }
    }

    pub(super) fn keep(&mut self, name: &str, value: &Value) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        self.words.insert(format!("${name}"), text);
    }

    fn filled(&self, text: &str) -> String {
        // The longest first: `$rv` is not the beginning of `$rv2`.
        let mut words: Vec<(&String, &String)> = self.words.iter().collect();
        words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        words.iter().fold(text.to_owned(), |text, (word, value)| text.replace(*word, value))
    }

    pub(super) async fn send(
        &self,
        method: &str,
        path: &str,
        (content, accept): (Option<&str>, Option<&str>),
        body: Option<String>,
    ) -> Answer {
        let content = content.unwrap_or("application/json");
        let request = http::Request::builder()
            .method(method)
            .uri(self.filled(path))
            .header("content-type", content)
            .header("accept", accept.unwrap_or("application/json"))
            .body(Body::from(self.filled(&body.unwrap_or_default()).into_bytes()))
            .unwrap();
        let answered = async {
            let response = self.client.send(request).await.unwrap();
            let code = response.status().as_u16();
            (code, response.into_body().collect_bytes().await.unwrap())
        };
        let answered = tokio::time::timeout(super::SOON, answered).await;
        let (code, bytes) = answered.unwrap_or_else(|_| panic!("`{method} {path}` never ended"));
        Answer::new(code, &String::from_utf8_lossy(&bytes), &self.words)
    }
}
