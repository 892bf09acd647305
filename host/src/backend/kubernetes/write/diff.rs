//! What a write would change: from the object, and from the API server's answer to the dry run.

use serde_json::Value;

use super::super::compare::compare;
use super::restart::RESTARTED_AT;
use super::rollback::CHANGE_CAUSE;
use crate::domain::write::{Change, Verb};

/// Fields that a plan lists. Most writes change one; a rollback several, and webhooks add theirs.
const CHANGES_MAX: usize = 50;

/// What differs between the object and the object as it would be.
pub(super) struct Diff {
    pub(super) changes: Vec<Change>,
    pub(super) warnings: Vec<String>,
}

/// Compares what somebody specified; what the server keeps for itself always differs.
pub(super) fn diff(verb: Verb, before: &Value, after: &Value) -> Diff {
    let mut changes = Vec::new();
    for path in ["/spec", "/metadata/annotations", "/metadata/labels"] {
        let shown = path.trim_start_matches('/').replace('/', ".");
        compare(&shown, before.pointer(path), after.pointer(path), &mut changes);
    }
    let mut warnings = Vec::new();
    let others = changes.iter().filter(|change| !is_asked_for(verb, &change.path)).count();
    if others == changes.len() {
        warnings.push(
            match verb {
                Verb::Restart => {
                    "the cluster would not take the restart annotation over, so nothing would \
                     restart"
                }
                Verb::Scale { .. }
                | Verb::Rollback { .. }
                | Verb::Pause
                | Verb::Resume
                | Verb::Delete
                | Verb::Cordon
                | Verb::Uncordon => "nothing would change: it is so already",
            }
            .to_owned(),
        );
    }
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

/// Whether a change is what the verb is for.
fn is_asked_for(verb: Verb, path: &str) -> bool {
    match verb {
        Verb::Restart => path.ends_with(&format!("[{RESTARTED_AT}]")),
        Verb::Scale { .. } => path == "spec.replicas",
        Verb::Rollback { .. } => {
            path.starts_with("spec.template") || path.ends_with(&format!("[{CHANGE_CAUSE}]"))
        }
        Verb::Pause | Verb::Resume => path == "spec.paused",
        Verb::Delete => false,
        Verb::Cordon | Verb::Uncordon => path == "spec.unschedulable",
    }
}

pub(super) fn plural(n: usize) -> &'static str {
    if n == 1 { "" } else { "s" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::backend::kubernetes::compare::tests::lines;

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
        let Diff { changes, warnings } = diff(Verb::Restart, &before, &after);
        assert_eq!(
            lines(&changes),
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
        let Diff { changes, warnings } = diff(Verb::Restart, &object, &object);
        assert!(changes.is_empty());
        assert_eq!(warnings.len(), 1, "{warnings:?}");
    }

    #[test]
    fn lists_a_bounded_number_of_changes() {
        let many: Map<String, Value> =
            (0..1_000).map(|n| (format!("a{n}"), Value::from(n))).collect();
        let Diff { changes, warnings } = diff(Verb::Restart, &json!({}), &json!({ "spec": many }));
        assert_eq!(changes.len(), CHANGES_MAX);
        assert!(warnings.iter().any(|said| said.contains("1000")), "{warnings:?}");
    }
}
