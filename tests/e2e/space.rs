//! A namespace for one test. It goes when the test has passed; that of one that failed stays, so
//! that somebody can look.

use std::sync::atomic::{AtomicU32, Ordering};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::cluster::{Cluster, wait_for};

/// Who applies and changes, as the API server records it.
pub(crate) const MANAGER: &str = "toolgate-e2e";

/// An object: its API version, kind and name.
pub(crate) type Named<'a> = (&'a str, &'a str, &'a str);

pub(crate) struct Space {
    pub(crate) cluster: Cluster,
    /// Of the namespace.
    pub(crate) name: String,
}

impl Space {
    /// Makes one; `test` is the beginning of its name.
    pub(crate) async fn open(test: &str) -> Self {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        let cluster = Cluster::connect().await;
        let since = jiff::Timestamp::now().as_second();
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{test}-{since}-{}-{number}", std::process::id());
        let namespace = json!({"metadata": {"name": name, "labels": {"toolgate.test": test}}});
        let namespace: Namespace = serde_json::from_value(namespace).unwrap();
        let all: Api<Namespace> = Api::all(cluster.client.clone());
        all.create(&PostParams::default(), &namespace).await.expect("a namespace");
        let space = Self { cluster, name };
        // Pods are refused until it is there.
        let account = space.objects("v1", "ServiceAccount").await;
        wait_for("the service account `default`", async || {
            account.get_opt("default").await.unwrap()
        })
        .await;
        space
    }

    /// Applies the objects of a YAML text, as `kubectl apply --server-side` would.
    pub(crate) async fn apply(&self, yaml: &str) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
        for document in documents {
            let text = |key: &str| document[key].as_str().expect("an object has a kind").to_owned();
            let name = document["metadata"]["name"].as_str().expect("an object has a name");
            let objects = self.objects(&text("apiVersion"), &text("kind")).await;
            let by = PatchParams::apply(MANAGER).force();
            // Before 1.24 a pod is refused until its account has a token, which comes after the
            // account, and the server says to try again.
            let applied = wait_for("a server that takes the object", async || {
                match objects.patch(name, &by, &Patch::Apply(&document)).await {
                    Err(kube::Error::Api(status)) if status.reason == "ServerTimeout" => None,
                    applied => Some(applied),
                }
            });
            applied.await.unwrap_or_else(|error| panic!("could not apply `{name}`: {error}"));
        }
    }

    /// Changes an object, as a person beside Toolgate does.
    pub(crate) async fn change(&self, (api_version, kind, name): Named<'_>, change: Value) {
        let objects = self.objects(api_version, kind).await;
        let by = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        let changed = objects.patch(name, &by, &Patch::Merge(change)).await;
        changed.unwrap_or_else(|error| panic!("could not change `{name}`: {error}"));
    }

    /// What an object in no namespace says of itself to go when this namespace goes.
    pub(crate) async fn owner(&self) -> Value {
        let all: Api<Namespace> = Api::all(self.cluster.client.clone());
        let namespace = all.get(&self.name).await.expect("the namespace is there");
        json!({
            "apiVersion": "v1", "kind": "Namespace",
            "name": self.name, "uid": namespace.metadata.uid,
        })
    }

    /// Requests for objects of a kind in this namespace, or for those that lie in none.
    pub(crate) async fn objects(&self, api_version: &str, kind: &str) -> Api<DynamicObject> {
        self.cluster.objects(api_version, kind, &self.name).await
    }

    /// Requests for objects of a kind that the tests have a type for.
    pub(crate) fn of<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
        K::DynamicType: Default,
    {
        Api::namespaced(self.cluster.client.clone(), &self.name)
    }

    /// The pods with these labels.
    pub(crate) async fn pods(&self, labels: &str) -> Vec<Pod> {
        self.of::<Pod>().list(&ListParams::default().labels(labels)).await.expect("pods").items
    }

    /// Waits until an object is as `is_so` wants it, and returns it.
    pub(crate) async fn wait(
        &self,
        (api_version, kind, name): Named<'_>,
        what: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Value {
        let objects = self.objects(api_version, kind).await;
        wait_for(&format!("{kind} `{name}` {what}"), async || {
            let object = objects.get_opt(name).await.expect("an answer of the cluster")?;
            Some(serde_json::to_value(object).unwrap()).filter(&is_so)
        })
        .await
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        let name = &self.name;
        if std::thread::panicking() {
            let kubeconfig = self.cluster.kubeconfig.display();
            eprintln!(
                "kept for a look: kubectl --kubeconfig {kubeconfig} -n {name} get all,events"
            );
            return;
        }
        // On a thread of its own: the test's runtime is about to end.
        let (config, name) = (self.cluster.config.clone(), name.clone());
        let removed = std::thread::spawn(move || remove(config, &name)).join();
        if !matches!(removed, Ok(Ok(()))) {
            eprintln!("the namespace `{}` could not be removed: {removed:?}", self.name);
        }
    }
}

fn remove(config: Config, name: &str) -> Result<(), kube::Error> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    // Asked for, not waited for: what is in it goes by itself.
    runtime.expect("a runtime").block_on(async {
        let all: Api<Namespace> = Api::all(Client::try_from(config)?);
        all.delete(name, &DeleteParams::default()).await.map(|_| ())
    })
}
