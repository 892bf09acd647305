//! The cluster that `cargo xtask e2e` told of: how it is reached, by the tests themselves and by a
//! house under test.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::api::{Api, DynamicObject};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::GroupVersionKind;
use kube::discovery::Scope;
use kube::{Client, Config};
use serde_json::Value;
use tokio::time::Instant;
use toolgate_tests::{Builder, House};

/// What the cluster is called in a house under test.
pub(crate) const NAME: &str = "real";

/// A pod is scheduled, started and seen within seconds; one on a machine that is busy with other
/// tests takes more.
pub(crate) const SOON: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(100);

const NO_AUDIT_LOG: &str =
    "this cluster's audit log is not known; name it with `cargo xtask e2e --audit-log`";

pub(crate) struct Cluster {
    pub(crate) client: Client,
    /// For a client of another runtime: one lives on that of its test.
    pub(crate) config: Config,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) context: String,
    /// An image with a shell, which needs no registry.
    pub(crate) box_image: String,
    /// The API server's own record of requests, one JSON object in a line.
    audit_log: Option<PathBuf>,
}

impl Cluster {
    /// With the rights of an administrator.
    pub(crate) async fn connect() -> Self {
        let kubeconfig = PathBuf::from(told("KUBECONFIG"));
        let context = told("CONTEXT");
        let file = Kubeconfig::read_from(&kubeconfig).expect("a kubeconfig");
        let options =
            KubeConfigOptions { context: Some(context.clone()), ..KubeConfigOptions::default() };
        let config = Config::from_custom_kubeconfig(file, &options).await.expect("a context");
        Self {
            client: Client::try_from(config.clone()).expect("a client"),
            config,
            kubeconfig,
            context,
            box_image: told("BOX_IMAGE"),
            audit_log: asked("AUDIT_LOG").map(PathBuf::from),
        }
    }

    /// A house that reaches this cluster under [`NAME`]. Plugins and grants are the test's.
    pub(crate) fn house(&self) -> Builder {
        self.house_by(&self.kubeconfig)
    }

    /// The same with another kubeconfig, which leads to it another way.
    pub(crate) fn house_by(&self, kubeconfig: &Path) -> Builder {
        let quoted = |text: &str| Value::from(text).to_string();
        House::builder().config(&format!(
            "[clusters.{NAME}]\nkubeconfig = {}\ncontext = {}\n",
            quoted(&kubeconfig.display().to_string()),
            quoted(&self.context),
        ))
    }

    /// Requests for objects of a kind, in a namespace where the kind has them.
    pub(crate) async fn objects(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
    ) -> Api<DynamicObject> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let named = GroupVersionKind::gvk(group, version, kind);
        let found = kube::discovery::pinned_kind(&self.client, &named).await;
        let (resource, can) =
            found.unwrap_or_else(|error| panic!("the cluster has no `{named:?}`: {error}"));
        match can.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => Api::namespaced_with(self.client.clone(), namespace, &resource),
        }
    }

    /// The requests that the API server recorded with this word in them, oldest first.
    pub(crate) fn audited_about(&self, word: &str) -> Vec<Value> {
        let path = self.audit_log.as_ref().expect(NO_AUDIT_LOG);
        let text = std::fs::read_to_string(path).expect("the audit log can be read");
        // Those of other tests are many; and the last line may be under way.
        let lines = text.lines().filter(|line| line.contains(word));
        lines.filter_map(|line| serde_json::from_str::<Value>(line).ok()).collect()
    }

    /// The requests of a user that the API server has answered, or begun to, oldest first.
    pub(crate) fn audited_of(&self, user: &str) -> Vec<Value> {
        let mut known = BTreeSet::new();
        let mut events = self.audited_about(user);
        // One that lasts is recorded at its beginning and at its end.
        events.retain(|event| {
            event["user"]["username"] == user && known.insert(event["auditID"].to_string())
        });
        events
    }
}

/// Asks again until there is an answer; says what was waited for where none comes in time.
pub(crate) async fn wait_for<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < SOON, "{what}: not so after {} s", SOON.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

pub(crate) fn told(name: &str) -> String {
    asked(name).unwrap_or_else(|| {
        panic!("`TOOLGATE_E2E_{name}` is not set: this test wants `cargo xtask e2e`")
    })
}

#[expect(clippy::disallowed_methods, reason = "tests have no configuration but this")]
pub(crate) fn asked(name: &str) -> Option<String> {
    std::env::var(format!("TOOLGATE_E2E_{name}")).ok()
}
