//! What changed lately, across kinds: gathers, and shows the newest first.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_events::{self, Event, EventList, EventQuery};
use toolgate_sdk::kubernetes_read;
use toolgate_sdk::object::{self, Clock};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::{Error, WorkloadKind};

use crate::changes::{self, Ages, Recent, Workload};
use crate::sets;

const ROWS_MAX: usize = 100;
/// Objects of one kind that are looked at.
const OBJECTS_MAX: usize = 2_000;
/// Workloads whose history is read: each costs a request or two.
const HISTORIES_MAX: usize = 25;
/// What keeps the templates of workloads.
const TEMPLATES: [&str; 2] = ["ReplicaSet.apps", "ControllerRevision.apps"];
/// Events of one kind of object that are looked at.
const EVENTS_MAX: u32 = 500;
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
    let (workloads, ages) = gathered.rollouts(&args, &clock, window_s);
    gathered.scaling(&args, &workloads, &ages, window_s);
    gathered.sets(&args, &workloads, window_s);
    gathered.objects(&args, &clock, window_s);
    // Nodes are in no namespace: who names one does not ask for them.
    if args.namespace.is_none() {
        gathered.nodes(&args, &clock, window_s);
    }
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

    fn rollouts(&mut self, args: &Args, clock: &Clock, window_s: u64) -> (Vec<Workload>, Ages) {
        let mut templates = Vec::new();
        for kind in TEMPLATES {
            let word = kind.split('.').next().unwrap_or(kind);
            templates.extend(self.list(args, kind, word, &["metadata.ownerReferences"]));
        }
        let workloads = changes::rolled(&templates, clock, window_s);
        self.cut_short |= workloads.len() > HISTORIES_MAX;
        for workload in workloads.iter().take(HISTORIES_MAX) {
            let history = self.history(args, workload);
            self.changes.extend(changes::revisions(workload, &history, window_s));
        }
        (workloads, changes::ages(&templates, clock))
    }

    fn history(&mut self, args: &Args, of: &Workload) -> Vec<kubernetes_read::Revision> {
        history(args, of).unwrap_or_else(|error| {
            self.gaps.push((format!("{}/{}", of.kind, of.name), error));
            Vec::new()
        })
    }

    fn scaling(&mut self, args: &Args, rolled: &[Workload], ages: &Ages, window_s: u64) {
        for kind in ["Deployment", "HorizontalPodAutoscaler"] {
            let events = self.events(args, kind, window_s);
            self.changes.extend(changes::scaled(&events, rolled, ages, window_s));
        }
    }

    fn sets(&mut self, args: &Args, rolled: &[Workload], window_s: u64) {
        let mut n_histories = 0;
        for kind in ["StatefulSet", "DaemonSet"] {
            let events = self.events(args, kind, window_s);
            for turnover in sets::turnovers(&events, rolled, window_s) {
                let mut history = Vec::new();
                if turnover.is_replacement() && n_histories < HISTORIES_MAX {
                    n_histories += 1;
                    history = self.history(args, &turnover.of);
                } else if turnover.is_replacement() {
                    self.cut_short = true;
                }
                self.changes.extend(turnover.told(&history));
            }
        }
    }

    fn events(&mut self, args: &Args, kind: &str, window_s: u64) -> Vec<Event> {
        match events(args, kind) {
            Ok(list) => {
                self.n_read += 1;
                self.cut_short |= is_cut(&list, window_s);
                list.events
            }
            Err(error) => {
                self.gaps.push((format!("events of {kind}s"), error));
                Vec::new()
            }
        }
    }

    fn objects(&mut self, args: &Args, clock: &Clock, window_s: u64) {
        let fields = ["spec.paused", "status.conditions"];
        let deployments = self.list(args, "Deployment.apps", "Deployment", &fields);
        let paused = deployments.iter().filter_map(|it| changes::paused(it, clock, window_s));
        self.changes.extend(paused);
        let fields =
            ["metadata.ownerReferences", "metadata.deletionTimestamp", "metadata.managedFields"];
        for (kind, word) in KINDS {
            let objects = self.list(args, kind, word, &fields);
            let touched =
                objects.iter().filter_map(|object| changes::touched(word, object, clock, window_s));
            self.changes.extend(touched);
        }
    }

    fn nodes(&mut self, args: &Args, clock: &Clock, window_s: u64) {
        let nodes = self.list(args, "Node", "Node", &["spec.unschedulable", "spec.taints"]);
        let cordoned = nodes.iter().filter_map(|node| changes::cordoned(node, clock, window_s));
        self.changes.extend(cordoned);
        let events = self.events(args, "Node", window_s);
        self.changes.extend(changes::uncordoned(&events, window_s));
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

/// Whether there are events of the window that were not looked at.
fn is_cut(list: &EventList, window_s: u64) -> bool {
    let shown = u32::try_from(list.events.len()).unwrap_or(u32::MAX);
    let oldest = list.events.iter().map(|event| event.last_seen.age_s).max();
    list.truncated || list.total > shown && oldest.is_some_and(|age_s| age_s <= window_s)
}

fn events(args: &Args, kind: &str) -> Result<EventList, Error> {
    let query = EventQuery {
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone(),
        involved_kind: Some(kind.to_owned()),
        involved_name: None,
        warnings_only: false,
        limit: Some(EVENTS_MAX),
    };
    kubernetes_events::list(&query)
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
    use toolgate_sdk::types::Moment;

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
    fn events_that_were_left_out_count_only_in_the_window() {
        let event = |age_s| Event {
            namespace: "shop".to_owned(),
            severity: String::new(),
            reason: String::new(),
            message: String::new(),
            involved_kind: String::new(),
            involved_name: String::new(),
            count: 1,
            last_seen: Moment { at: String::new(), age_s },
            first_seen: None,
            source: String::new(),
        };
        let list = |total, truncated, ages: [u64; 2]| {
            is_cut(&EventList { events: ages.map(event).to_vec(), total, truncated }, 60)
        };
        assert!(list(3, false, [1, 60]) && list(2, true, [1, 61]));
        assert!(!list(3, false, [1, 61]) && !list(2, false, [1, 2]));
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
