//! A service account of a test, and the rights that it is given: those that `toolgate rbac` prints.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

use crate::cluster::wait_for;
use crate::space::Space;

/// One thing that may be asked for, as the API server's authorizer sees it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Atom {
    /// A namespace; none where it holds in the whole cluster.
    pub(super) place: Option<String>,
    pub(super) group: String,
    /// `pods/log`
    pub(super) resource: String,
    pub(super) verb: String,
    /// None is any object.
    pub(super) name: Option<String>,
}

pub(super) struct Account {
    /// As the API server records it.
    pub(super) user: String,
    name: String,
    namespace: String,
    /// A kubeconfig.
    file: Value,
    context: String,
}

impl Account {
    /// One without any right, in the namespace of a test and called like it: a role in the whole
    /// cluster has the account's name.
    pub(super) async fn open(space: &Space) -> Self {
        let (name, namespace) = (space.name.clone(), space.name.clone());
        space
            .apply(&format!("apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {name}}}\n"))
            .await;
        let wanted = json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": [], "expirationSeconds": 3600},
        });
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token");
        let made = post(&space.cluster.client, &path, &wanted).await;
        let token = made["status"]["token"].as_str().expect("a token").to_owned();

        let context = space.cluster.context.clone();
        let file = Kubeconfig::read_from(&space.cluster.kubeconfig).expect("a kubeconfig");
        let found = file.contexts.iter().find(|named| named.name == context);
        let user = found.and_then(|named| named.context.as_ref()?.user.clone());
        let mut file = serde_json::to_value(&file).unwrap();
        file["users"] = json!([{"name": user, "user": {"token": token}}]);
        let user = format!("system:serviceaccount:{namespace}:{name}");
        Self { user, name, namespace, file, context }
    }

    /// What `toolgate rbac` is told of it.
    pub(super) fn flags(&self) -> [&str; 4] {
        ["--service-account", &self.name, "--namespace", &self.namespace]
    }

    /// Its way to the cluster, as a file.
    pub(super) fn lay_out(&self, folder: &Path) -> PathBuf {
        let path = folder.join("kubeconfig");
        std::fs::write(&path, self.file.to_string()).unwrap();
        path
    }

    /// A client that sends each request once.
    pub(super) async fn client(&self) -> Client {
        let options = KubeConfigOptions {
            context: Some(self.context.clone()),
            ..KubeConfigOptions::default()
        };
        let file = serde_json::from_value(self.file.clone()).expect("a kubeconfig");
        let config = Config::from_custom_kubeconfig(file, &options).await;
        let mut config = config.expect("a context");
        config.default_retry = false;
        Client::try_from(config).expect("a client")
    }

    /// Applies what was printed, word for word, and waits until the API server goes by it. What is
    /// in no namespace goes with that of the test.
    pub(super) async fn give(&self, space: &Space, printed: &str) {
        let owner = space.owner().await;
        for mut document in documents(printed) {
            let text = |key: &str| document[key].as_str().expect("an object has a kind").to_owned();
            let (api_version, kind) = (text("apiVersion"), text("kind"));
            let name = document["metadata"]["name"].as_str().expect("a name").to_owned();
            let place = document["metadata"]["namespace"].as_str().map(str::to_owned);
            if place.is_none() {
                document["metadata"]["ownerReferences"] = json!([owner]);
            }
            let place = place.unwrap_or_default();
            let objects = space.cluster.objects(&api_version, &kind, &place).await;
            let by = PatchParams::apply("toolgate-e2e").force();
            let applied = objects.patch(&name, &by, &Patch::Apply(&document)).await;
            applied.unwrap_or_else(|error| panic!("could not apply {kind} `{name}`: {error}"));
        }
        // All rules of a role begin to hold at once.
        let mut looked_at = BTreeSet::new();
        for atom in printed_atoms(printed) {
            if looked_at.insert(atom.place.clone()) {
                wait_for("a role holds", async || self.may(space, &atom).await.then_some(())).await;
            }
        }
    }

    /// Asked by an administrator: what the account itself asks is on record as the account's.
    async fn may(&self, space: &Space, atom: &Atom) -> bool {
        let (resource, subresource) = match atom.resource.split_once('/') {
            Some((resource, subresource)) => (resource, Some(subresource)),
            None => (atom.resource.as_str(), None),
        };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "spec": {"user": self.user, "resourceAttributes": {
                "namespace": atom.place, "verb": atom.verb, "group": atom.group, "name": atom.name,
                "resource": resource, "subresource": subresource,
            }},
        });
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        post(&space.cluster.client, path, &review).await["status"]["allowed"] == true
    }
}

/// Sends an object to be made, and gives what was made.
pub(super) async fn post(client: &Client, path: &str, body: &Value) -> Value {
    let request = http::Request::post(path).header("content-type", "application/json");
    let request = request.body(body.to_string().into_bytes()).unwrap();
    client.request(request).await.unwrap_or_else(|error| panic!("`{path}`: {error}"))
}

fn documents(printed: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(printed).expect("what is printed is YAML")
}

/// What the printed roles allow.
pub(super) fn printed_atoms(printed: &str) -> BTreeSet<Atom> {
    let documents = documents(printed);
    let roles = documents.iter().filter(|document| document["rules"].is_array());
    let of_role = |role: &Value| {
        let place = role["metadata"]["namespace"].as_str().map(str::to_owned);
        atoms(&role["rules"], place.as_ref())
    };
    roles.flat_map(of_role).collect()
}

/// Every combination that rules name, as roles have them and as reviews tell of them.
pub(super) fn atoms(rules: &Value, place: Option<&String>) -> BTreeSet<Atom> {
    let words = |rule: &Value, key: &str| -> Vec<String> {
        let list = rule[key].as_array().into_iter().flatten();
        list.map(|word| word.as_str().expect("a word").to_owned()).collect()
    };
    let mut atoms = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten() {
        let names = words(rule, "resourceNames");
        let names =
            if names.is_empty() { vec![None] } else { names.into_iter().map(Some).collect() };
        for group in words(rule, "apiGroups") {
            for resource in words(rule, "resources") {
                for verb in words(rule, "verbs") {
                    atoms.extend(names.iter().map(|name| Atom {
                        place: place.cloned(),
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                        name: name.clone(),
                    }));
                }
            }
        }
    }
    atoms
}

impl Atom {
    /// Whether this right is what allows what was asked for.
    pub(super) fn covers(&self, asked: &Self) -> bool {
        (self.place.is_none() || self.place == asked.place)
            && self.group == asked.group
            && self.resource == asked.resource
            && self.verb == asked.verb
            && (self.name.is_none() || self.name == asked.name)
    }
}

impl std::fmt::Display for Atom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { place, group, resource, verb, name } = self;
        let slash = if group.is_empty() { "" } else { "/" };
        write!(f, "{}: {verb} {group}{slash}{resource}", place.as_deref().unwrap_or("cluster"))?;
        match name {
            Some(name) => write!(f, " `{name}`"),
            None => Ok(()),
        }
    }
}
