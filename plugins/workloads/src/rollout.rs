//! One workload's rollout, and the revisions behind it.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_read::{self, Revision};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::{Change, Error, Rollout};
use toolgate_sdk::workload::Kind;

/// Changes shown of one revision.
const CHANGES_MAX: usize = 12;
const VALUE_CHARS_MAX: usize = 120;

#[arguments]
pub(crate) struct Args {
    /// deployment if omitted
    #[serde(default = "deployment")]
    kind: Kind,
    name: String,
    namespace: String,
    #[serde(default = "default_revisions")]
    #[schemars(range(max = 20))]
    revisions: usize,
    cluster: Option<String>,
}

fn deployment() -> Kind {
    Kind::Deployment
}

fn default_revisions() -> usize {
    5
}

#[output]
pub(crate) struct RevisionRow {
    revision: u64,
    created: String,
    current: bool,
    images: Vec<String>,
}

#[output]
pub(crate) struct Status {
    /// complete, progressing, stuck
    state: &'static str,
    desired: u32,
    updated: u32,
    ready: u32,
    available: u32,
    history: Option<Vec<RevisionRow>>,
}

pub(crate) fn rollout_status(args: Args) -> Result<Reply<Status>, ToolError> {
    let Args { kind, name, namespace, revisions, cluster } = args;
    let (cluster, kind) = (cluster.as_deref(), kind.into());
    let rollout = kubernetes_read::rollout_status(cluster, kind, &namespace, &name)?;
    let history =
        (revisions > 0).then(|| kubernetes_read::rollout_history(cluster, kind, &namespace, &name));
    Ok(answer(&rollout, history, revisions))
}

fn answer(
    rollout: &Rollout,
    history: Option<Result<Vec<Revision>, Error>>,
    revisions_max: usize,
) -> Reply<Status> {
    let mut text = format!(
        "{} `{}/{}`: {}: {}\nReplicas: {} desired, {} updated, {} ready, {} available",
        rollout.kind.word(),
        rollout.namespace,
        rollout.name,
        rollout.state.word(),
        one_line(&rollout.message),
        rollout.desired,
        rollout.updated,
        rollout.ready,
        rollout.available,
    );
    if let Some(revision) = &rollout.revision {
        let _ = write!(text, "; revision {revision}");
    }
    if rollout.observed_generation < rollout.generation {
        text.push_str("\nThe controller has not seen the newest specification yet.");
    }
    let mut truncated = false;
    let history = match history {
        None => None,
        Some(Err(error)) => {
            let why = ToolError::from(error).reason();
            let _ = write!(text, "\n\nRevisions could not be read: {why}");
            None
        }
        Some(Ok(revisions)) => {
            truncated = revisions.len() > revisions_max;
            text.push_str(&history_text(&revisions, revisions_max));
            let kept = revisions.into_iter().take(revisions_max);
            Some(kept.map(RevisionRow::new).collect())
        }
    };
    let &Rollout { desired, updated, ready, available, .. } = rollout;
    let state = rollout.state.word();
    Reply::new(text, Status { state, desired, updated, ready, available, history })
        .truncated(truncated)
}

fn history_text(revisions: &[Revision], revisions_max: usize) -> String {
    if revisions.is_empty() {
        return "\n\nThe cluster keeps no revisions.".to_owned();
    }
    let mut text = "\n\nRevisions, newest first:".to_owned();
    for revision in revisions.iter().take(revisions_max) {
        let _ = write!(text, "\n{}", heading(revision));
        for change in revision.changes.iter().take(CHANGES_MAX) {
            let _ = write!(text, "\n    {}", change_line(change));
        }
        let n_more = revision.changes.len().saturating_sub(CHANGES_MAX);
        if n_more > 0 {
            let _ = write!(text, "\n    … {n_more} more");
        }
    }
    let n_more = revisions.len().saturating_sub(revisions_max);
    if n_more > 0 {
        let _ = write!(text, "\n… {n_more} more: raise `revisions`");
    }
    text
}

fn heading(revision: &Revision) -> String {
    let mut text = format!("{}", revision.number);
    if revision.current {
        text.push_str(" (current)");
    }
    let _ = write!(text, "  {} ago", age(&revision.created));
    if let Some(replicas) = revision.replicas {
        let _ = write!(text, ", {replicas} replicas");
    }
    let _ = write!(text, ", {}: {}", revision.kept_by, revision.images.join(", "));
    if let Some(cause) = &revision.change_cause {
        let _ = write!(text, " ({})", cut(&one_line(cause), VALUE_CHARS_MAX));
    }
    text
}

/// `spec.containers[0].image: web:1 -> web:2`
pub(crate) fn change_line(change: &Change) -> String {
    let shown = |value: &Option<String>| {
        value
            .as_deref()
            .map_or_else(|| "nothing".to_owned(), |text| cut(&one_line(text), VALUE_CHARS_MAX))
    };
    let path = change.path.strip_prefix("spec.template.").unwrap_or(&change.path);
    format!("{}: {} -> {}", one_line(path), shown(&change.before), shown(&change.after))
}

impl RevisionRow {
    fn new(revision: Revision) -> Self {
        let Revision { number, created, current, images, .. } = revision;
        Self { revision: number, created: created.at, current, images }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::types::{Moment, RolloutState, WorkloadKind};

    use super::*;

    fn rollout() -> Rollout {
        Rollout {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
            state: RolloutState::Stuck,
            message: "the progress deadline passed".to_owned(),
            generation: 5,
            observed_generation: 5,
            desired: 3,
            updated: 1,
            ready: 2,
            available: 2,
            revision: Some("4".to_owned()),
        }
    }

    fn revision(number: u64, age_s: u64, changes: Vec<Change>) -> Revision {
        Revision {
            number,
            created: Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s },
            current: number == 4,
            kept_by: format!("web-{number}"),
            replicas: Some(1),
            images: vec![format!("example.org/web:{number}")],
            change_cause: (number == 4).then(|| "kubectl set\nimage".to_owned()),
            changes,
        }
    }

    fn image(before: &str, after: &str) -> Change {
        Change {
            path: "spec.template.spec.containers[0].image".to_owned(),
            before: Some(before.to_owned()),
            after: Some(after.to_owned()),
        }
    }

    #[test]
    fn shows_state_and_history() {
        let env = Change { path: "spec.template.x".to_owned(), before: None, after: None };
        let history = vec![
            revision(4, 192, vec![image("web:3", "web:4"), env]),
            revision(3, 172_800, vec![image("web:2", "web:3"); 14]),
            revision(2, 864_000, Vec::new()),
        ];
        let reply = answer(&rollout(), Some(Ok(history)), 2);
        assert!(reply.truncated);
        assert_eq!(reply.structured.history.as_ref().map(Vec::len), Some(2));
        expect![[r#"
            Deployment `shop/web`: stuck: the progress deadline passed
            Replicas: 3 desired, 1 updated, 2 ready, 2 available; revision 4

            Revisions, newest first:
            4 (current)  3m12s ago, 1 replicas, web-4: example.org/web:4 (kubectl set image)
                spec.containers[0].image: web:3 -> web:4
                x: nothing -> nothing
            3  2d ago, 1 replicas, web-3: example.org/web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                spec.containers[0].image: web:2 -> web:3
                … 2 more
            … 1 more: raise `revisions`"#]]
        .assert_eq(&reply.text);
    }

    #[test]
    fn says_that_there_is_no_history() {
        let mut behind = rollout();
        behind.observed_generation = 4;
        let denied = Err(Error::Denied("`shop` is not granted".to_owned()));
        let texts = [
            answer(&behind, None, 0).text,
            answer(&rollout(), Some(denied), 5).text,
            answer(&rollout(), Some(Ok(Vec::new())), 5).text,
        ];
        expect![[r#"
            Deployment `shop/web`: stuck: the progress deadline passed
            Replicas: 3 desired, 1 updated, 2 ready, 2 available; revision 4
            The controller has not seen the newest specification yet.
            ---
            Deployment `shop/web`: stuck: the progress deadline passed
            Replicas: 3 desired, 1 updated, 2 ready, 2 available; revision 4

            Revisions could not be read: denied: `shop` is not granted
            ---
            Deployment `shop/web`: stuck: the progress deadline passed
            Replicas: 3 desired, 1 updated, 2 ready, 2 available; revision 4

            The cluster keeps no revisions."#]]
        .assert_eq(&texts.join("\n---\n"));
    }
}
