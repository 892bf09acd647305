//! What changed lately, across kinds: gathers, and shows the newest first.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_events::{self, Event, EventQuery};
use toolgate_sdk::kubernetes_read;
use toolgate_sdk::object::{self, Clock};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::{Error, WorkloadKind};

use crate::changes::{self, Recent, Workload};

const ROWS_MAX: usize = 100;
/// Objects of one kind that are looked at.
const OBJECTS_MAX: usize = 2_000;
/// Workloads whose history is read: each costs a request or two.
const HISTORIES_MAX: usize = 25;
/// What keeps the templates of workloads.
const TEMPLATES: [&str; 2] = ["ReplicaSet.apps", "ControllerRevision.apps"];
/// Kinds whose own times tell that they were touched.
const KINDS: [(&str, &str); 11] = [
    ("ConfigMap", "ConfigMap"),
    ("Secret", "Secret"),
    ("Service", "Service"),
    ("Ingress.networking.k8s.io", "Ingress"),
    ("NetworkPolicy.networking.k8s.io", "NetworkPolicy"),
    ("HorizontalPodAutoscaler.autoscaling", "HorizontalPodAutoscaler"),
    ("PodDisruptionBudget.policy", "PodDisruptionBudget"),
    ("ResourceQuota", "ResourceQuota"),
    ("PersistentVolumeClaim", "PersistentVolumeClaim"),
    ("CronJob.batch", "CronJob"),
    ("Job.batch", "Job"),
];

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    #[serde(default = "default_minutes")]
    #[schemars(range(min = 1, max = 10_080))]
    minutes: u64,
    cluster: Option<String>,
}

fn default_minutes() -> u64 {
    60
}

#[output]
pub(crate) struct Row {
    at: String,
    namespace: String,
    object: String,
    what: &'static str,
}

#[output]
pub(crate) struct Found {
    changes: Vec<Row>,
    total: usize,
    not_looked_at: Vec<String>,
}

/// What was found, and what could not be looked at.
#[derive(Default)]
struct Gathered {
    changes: Vec<Recent>,
    /// Kinds that could not be read, and why.
    gaps: Vec<(String, Error)>,
    /// Sources that could be read.
    n_read: usize,
    cut_short: bool,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every tool")]
pub(crate) fn find_recent_changes(args: Args) -> Result<Reply<Found>, ToolError> {
    let clock = Clock::read()?;
    let window_s = args.minutes.saturating_mul(60);
    let mut gathered = Gathered::default();
    let workloads = gathered.rollouts(&args, &clock, window_s);
    gathered.events(&args, &workloads, window_s);
    gathered.objects(&args, &clock, window_s);
    // Where nothing can be read the namespace is not there, or nothing is granted.
    if gathered.n_read == 0 {
        let first = gathered.gaps.into_iter().next().map(|(_, error)| error.into());
        return Err(first.unwrap_or_else(|| ToolError::Failed("nothing was read".to_owned())));
    }
    Ok(answer(args.namespace.as_deref(), args.minutes, gathered))
}

impl Gathered {
    fn list(&mut self, args: &Args, kind: &str, word: &str, fields: &[&str]) -> Vec<Value> {
        let query = object::query(args.cluster.as_deref(), kind, args.namespace.as_deref(), fields);
        match pages::all(pages::objects(query, OBJECTS_MAX)) {
            Ok((objects, more)) => {
                self.n_read += 1;
                self.cut_short |= more;
                objects
            }
            Err(error) => {
                self.gaps.push((word.to_owned(), error));
                Vec::new()
            }
        }
    }

    fn rollouts(&mut self, args: &Args, clock: &Clock, window_s: u64) -> Vec<Workload> {
        let mut templates = Vec::new();
        for kind in TEMPLATES {
            let word = kind.split('.').next().unwrap_or(kind);
            templates.extend(self.list(args, kind, word, &["metadata.ownerReferences"]));
        }
        let workloads = changes::rolled(&templates, clock, window_s);
        self.cut_short |= workloads.len() > HISTORIES_MAX;
        for workload in workloads.iter().take(HISTORIES_MAX) {
            match history(args, workload) {
                Ok(history) => {
                    self.changes.extend(changes::revisions(workload, &history, window_s));
                }
                Err(error) => {
                    self.gaps.push((format!("{}/{}", workload.kind, workload.name), error));
                }
            }
        }
        workloads
    }

    fn events(&mut self, args: &Args, rolled: &[Workload], window_s: u64) {
        for kind in ["Deployment", "HorizontalPodAutoscaler"] {
            match events(args, kind) {
                Ok(events) => {
                    self.n_read += 1;
                    self.changes.extend(changes::scaled(&events, rolled, window_s));
                }
                Err(error) => self.gaps.push((format!("events of {kind}s"), error)),
            }
        }
    }

    fn objects(&mut self, args: &Args, clock: &Clock, window_s: u64) {
        let fields =
            ["metadata.ownerReferences", "metadata.deletionTimestamp", "metadata.managedFields"];
        for (kind, word) in KINDS {
            let objects = self.list(args, kind, word, &fields);
            let touched =
                objects.iter().filter_map(|object| changes::touched(word, object, clock, window_s));
            self.changes.extend(touched);
        }
    }
}

fn history(args: &Args, of: &Workload) -> Result<Vec<kubernetes_read::Revision>, Error> {
    let kind = match of.kind.as_str() {
        "StatefulSet" => WorkloadKind::StatefulSet,
        "DaemonSet" => WorkloadKind::DaemonSet,
        _ => WorkloadKind::Deployment,
    };
    kubernetes_read::rollout_history(args.cluster.as_deref(), kind, &of.namespace, &of.name)
}

fn events(args: &Args, kind: &str) -> Result<Vec<Event>, Error> {
    let query = EventQuery {
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone(),
        involved_kind: Some(kind.to_owned()),
        involved_name: None,
        warnings_only: false,
        limit: Some(500),
    };
    Ok(kubernetes_events::list(&query)?.events)
}

fn answer(namespace: Option<&str>, minutes: u64, gathered: Gathered) -> Reply<Found> {
    let Gathered { mut changes, gaps, cut_short, .. } = gathered;
    changes.sort_by(|a, b| a.age_s.cmp(&b.age_s).then_with(|| a.object.cmp(&b.object)));
    let header = ["CHANGED", "NAMESPACE", "OBJECT", "WHAT", "DETAIL"];
    let mut table =
        Table::new(&header).keep(ROWS_MAX).narrow_by("narrow with `namespace` or `minutes`");
    let (total, mut rows) = (changes.len(), Vec::new());
    for change in changes {
        let Recent { at, age_s, namespace, object, what, detail } = change;
        let cells = [
            format!("{} ago", duration(age_s)),
            namespace.clone(),
            object.clone(),
            what.to_owned(),
            detail,
        ];
        if table.row(cells) {
            rows.push(Row { at, namespace, object, what });
        }
    }
    let place = pages::place(namespace);
    let noun = if total == 1 { "change" } else { "changes" };
    let mut text = if total == 0 {
        format!("No changes found in {place} in the last {minutes} minutes.")
    } else {
        format!("{total} {noun} in {place} in the last {minutes} minutes, newest first\n\n{table}")
    };
    if cut_short {
        text.push_str("\n\nThere is more than was looked at: narrow with `namespace`.");
    }
    text.push_str(&gaps_text(&gaps));
    let truncated = cut_short || table.left_out() > 0;
    let not_looked_at = gaps.into_iter().map(|(what, _)| what).collect();
    Reply::new(text, Found { changes: rows, total, not_looked_at }).truncated(truncated)
}

/// A change that cannot be seen is worth knowing about.
fn gaps_text(gaps: &[(String, Error)]) -> String {
    let (closed, failed): (Vec<_>, Vec<_>) =
        gaps.iter().partition(|(_, error)| matches!(error, Error::Denied(_) | Error::NotFound(_)));
    let mut text = String::new();
    if !closed.is_empty() {
        let names: Vec<&str> = closed.iter().map(|(what, _)| what.as_str()).collect();
        text = format!("\n\nNot looked at, because not granted: {}", names.join(", "));
    }
    for (what, error) in failed {
        let _ =
            write!(text, "\n\nNot looked at: {what}: {}", ToolError::from(error.clone()).reason());
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn change(object: &str, what: &'static str, age_s: u64) -> Recent {
        Recent {
            at: "2026-11-21T02:13:07Z".to_owned(),
            age_s,
            namespace: "shop".to_owned(),
            object: object.to_owned(),
            what,
            detail: "revision 2:\nweb:1 -> web:2".to_owned(),
        }
    }

    #[test]
    fn shows_the_newest_first_and_what_it_could_not_see() {
        let gathered = Gathered {
            changes: vec![
                change("ConfigMap/web", "created", 1_200),
                change("Deployment/web", "deployed", 120),
            ],
            gaps: vec![
                ("Secret".to_owned(), Error::Denied("no".to_owned())),
                ("Ingress".to_owned(), Error::NotFound("no".to_owned())),
                ("Job".to_owned(), Error::Unavailable("it did not\nanswer".to_owned())),
            ],
            n_read: 1,
            cut_short: true,
        };
        let reply = answer(Some("shop"), 30, gathered);
        assert!(reply.truncated);
        assert_eq!(reply.structured.not_looked_at, ["Secret", "Ingress", "Job"]);
        expect![[r#"
            2 changes in `shop` in the last 30 minutes, newest first

            CHANGED   NAMESPACE   OBJECT           WHAT       DETAIL
            2m ago    shop        Deployment/web   deployed   revision 2: web:1 -> web:2
            20m ago   shop        ConfigMap/web    created    revision 2: web:1 -> web:2

            There is more than was looked at: narrow with `namespace`.

            Not looked at, because not granted: Secret, Ingress

            Not looked at: Job: unavailable: it did not answer"#]]
        .assert_eq(&reply.text);
    }

    #[test]
    fn is_bounded_and_says_so_when_there_is_nothing() {
        let changes = (0..150).map(|i| change("ConfigMap/web", "created", i)).collect();
        let reply = answer(None, 60, Gathered { changes, ..Gathered::default() });
        assert!(reply.truncated && reply.text.contains("… 50 more: narrow with `namespace`"));
        assert_eq!((reply.structured.changes.len(), reply.structured.total), (100, 150));
        let reply = answer(None, 60, Gathered::default());
        assert!(!reply.truncated);
        assert_eq!(
            reply.text,
            "No changes found in the granted namespaces in the last 60 minutes."
        );
    }
}
