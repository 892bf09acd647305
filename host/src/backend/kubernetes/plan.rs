//! What a write would change, and whom it would meet: from the object, from the API server's
//! answer to the dry run, and from the pods.

use k8s_openapi::api::core::v1::Pod;
use serde_json::Value;

use super::compare::compare;
use super::convert::{pod, text};
use super::restart::RESTARTED_AT;
use super::warn::ordinal;
use super::workload::Workload;
use crate::domain::write::{Change, PLAN_PODS_MAX};

/// Fields that a plan lists. A restart changes one; more come from admission webhooks.
const CHANGES_MAX: usize = 50;

/// What differs between the object and the object as it would be.
pub(super) struct Diff {
    pub(super) changes: Vec<Change>,
    pub(super) warnings: Vec<String>,
}

/// Compares what somebody specified; what the server keeps for itself always differs.
pub(super) fn diff(before: &Value, after: &Value) -> Diff {
    let mut changes = Vec::new();
    for path in ["/spec", "/metadata/annotations", "/metadata/labels"] {
        let shown = path.trim_start_matches('/').replace('/', ".");
        compare(&shown, before.pointer(path), after.pointer(path), &mut changes);
    }
    let restarted = format!("[{RESTARTED_AT}]");
    let mut warnings = Vec::new();
    if !changes.iter().any(|change| change.path.ends_with(&restarted)) {
        warnings.push(
            "the cluster would not take the restart annotation over, so nothing would restart"
                .to_owned(),
        );
    }
    let others = changes.iter().filter(|change| !change.path.ends_with(&restarted)).count();
    if others > 0 {
        warnings.push(format!(
            "the cluster itself would change {others} more field{} with it (an admission webhook)",
            plural(others)
        ));
    }
    if changes.len() > CHANGES_MAX {
        warnings.push(format!("only {CHANGES_MAX} of {} changed fields are listed", changes.len()));
        changes.truncate(CHANGES_MAX);
    }
    Diff { changes, warnings }
}

/// A pod that matched the workload's selector.
pub(super) enum PodSeen {
    /// It would be replaced.
    Replaced(String),
    /// It runs for a job, and stays.
    OfJob,
}

impl PodSeen {
    /// None for a pod that has ended, is leaving anyway, or is nobody's concern here.
    pub(super) fn of(workload: &Workload, object: &Pod) -> Option<Self> {
        let phase = object.status.as_ref().and_then(|status| status.phase.as_deref());
        let is_leaving = object.metadata.deletion_timestamp.is_some();
        if is_leaving || matches!(phase, Some("Succeeded" | "Failed")) {
            return None;
        }
        let name = object.metadata.name.as_ref()?;
        if workload.owns(object) {
            let is_held = workload.partition() > ordinal(name);
            return (!is_held).then(|| Self::Replaced(text::message(name)));
        }
        let owner = pod::controller(&object.metadata)?;
        (owner.kind == "Job").then_some(Self::OfJob)
    }
}

/// The pods that a restart meets.
pub(super) struct Pods {
    /// In order of name, at most [`PLAN_PODS_MAX`].
    pub(super) named: Vec<String>,
    /// That would be replaced.
    pub(super) total: u32,
    /// That run for jobs under the same labels.
    pub(super) of_jobs: usize,
    /// Whether there are more than were looked at.
    pub(super) truncated: bool,
}

impl Pods {
    pub(super) fn new(seen: Vec<PodSeen>, truncated: bool) -> Self {
        let mut named = Vec::new();
        let mut of_jobs = 0;
        for pod in seen {
            match pod {
                PodSeen::Replaced(name) => named.push(name),
                PodSeen::OfJob => of_jobs += 1,
            }
        }
        named.sort();
        let total = u32::try_from(named.len()).unwrap_or(u32::MAX);
        named.truncate(PLAN_PODS_MAX);
        Self { named, total, of_jobs, truncated }
    }
}

pub(super) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    #[test]
    fn lists_what_differs_and_hides_what_may_be_secret() {
        let before = json!({
            "metadata": { "generation": 3, "annotations": { "team": "web" } },
            "spec": { "replicas": 2, "template": { "spec": { "containers": [
                { "name": "web", "image": "web:1" },
            ] } } },
            "status": { "replicas": 2 },
        });
        let after = json!({
            "metadata": { "generation": 4, "annotations": { "team": "hunter1" } },
            "spec": { "replicas": 3, "template": {
                "metadata": { "annotations": { RESTARTED_AT: "2026-11-21T02:00:00Z" } },
                "spec": { "containers": [
                    { "name": "web", "image": "web:2",
                      "env": [{ "name": "PASSWORD", "value": "hunter2" }] },
                ] },
            } },
            "status": { "replicas": 9 },
        });
        let Diff { changes, warnings } = diff(&before, &after);
        let lines: Vec<String> = changes
            .iter()
            .map(|Change { path, before, after }| {
                let shown = |value: &Option<String>| value.clone().unwrap_or("-".to_owned());
                format!("{path}: {} -> {}", shown(before), shown(after))
            })
            .collect();
        assert_eq!(
            lines,
            [
                "spec.replicas: 2 -> 3",
                "spec.template.spec.containers[0].image: web:1 -> web:2",
                "spec.template.spec.containers[0].env: - -> (a list of 1)",
                "spec.template.metadata.annotations[kubectl.kubernetes.io/restartedAt]: - -> \
                 2026-11-21T02:00:00Z",
                "metadata.annotations.team: (a text of 3 bytes) -> (a text of 7 bytes)",
            ]
        );
        assert_eq!(
            warnings,
            ["the cluster itself would change 4 more fields with it (an admission webhook)"]
        );
    }

    #[test]
    fn says_when_nothing_would_restart() {
        let object = json!({ "spec": { "replicas": 2 } });
        let Diff { changes, warnings } = diff(&object, &object);
        assert!(changes.is_empty());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn lists_a_bounded_number_of_changes() {
        let many: Map<String, Value> =
            (0..1_000).map(|n| (format!("a{n}"), Value::from(n))).collect();
        let Diff { changes, warnings } = diff(&json!({}), &json!({ "spec": many }));
        assert_eq!(changes.len(), CHANGES_MAX);
        assert!(warnings.iter().any(|said| said.contains("1000")), "{warnings:?}");
    }
}
