//! Many pods: all of them, or those that fail.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toolgate_sdk::kubernetes_read::Pod;
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::Error;

use crate::diagnosis::{self, Finding};
use crate::facts::{Ending, ready, restarts, restarts_text};

/// Rows in one answer: about 20 KB of text.
const ROWS_MAX: usize = 200;

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    label_selector: Option<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct PodRow {
    namespace: String,
    name: String,
    ready: String,
    status: String,
    restarts: u32,
    created: String,
    node: Option<String>,
}

#[output]
pub(crate) struct PodList {
    pods: Vec<PodRow>,
    total: u64,
    by_status: BTreeMap<String, u64>,
}

#[output]
pub(crate) struct FailingRow {
    namespace: String,
    name: String,
    reason: String,
    detail: String,
    container: Option<String>,
    restarts: u32,
    last_termination: Option<Ending>,
    created: String,
    node: Option<String>,
}

#[output]
pub(crate) struct FailingList {
    pods: Vec<FailingRow>,
    failing_total: u64,
    checked: u64,
}

pub(crate) fn list_pods(args: Args) -> Result<Reply<PodList>, ToolError> {
    let place = pages::place(args.namespace.as_deref());
    let mut pods = pages::pods(
        pages::query(args.cluster, args.namespace, args.label_selector),
        pages::OBJECTS_MAX,
    );
    let mut listing = Listing::new();
    for pod in pods.by_ref() {
        listing.add(&pod?);
    }
    Ok(listing.finish(&place, pods.unread().map_or(0, |unread| unread.at_least)))
}

pub(crate) fn list_failing_pods(args: Args) -> Result<Reply<FailingList>, ToolError> {
    let place = pages::place(args.namespace.as_deref());
    let mut pods = pages::pods(
        pages::query(args.cluster, args.namespace, args.label_selector),
        pages::OBJECTS_MAX,
    );
    let found = find(pods.by_ref())?;
    Ok(found.finish(&place, pods.unread().map_or(0, |unread| unread.at_least)))
}

/// `1 pod`, `2 pods`.
fn counted(n: u64) -> String {
    if n == 1 { "1 pod".to_owned() } else { format!("{n} pods") }
}

struct Listing {
    table: Table,
    rows: Vec<PodRow>,
    by_status: BTreeMap<String, u64>,
    total: u64,
}

impl Listing {
    fn new() -> Self {
        let header = ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "NODE"];
        Self {
            table: Table::new(&header)
                .keep(ROWS_MAX)
                .narrow_by("narrow with `namespace` or `label_selector`"),
            rows: Vec::new(),
            by_status: BTreeMap::new(),
            total: 0,
        }
    }

    fn add(&mut self, pod: &Pod) {
        self.total += 1;
        *self.by_status.entry(pod.status.clone()).or_default() += 1;
        let node = pod.node.clone();
        let ready = ready(pod);
        let kept = self.table.row([
            pod.namespace.as_str(),
            &pod.name,
            &ready,
            &pod.status,
            &restarts_text(pod),
            &age(&pod.created),
            node.as_deref().unwrap_or("<none>"),
        ]);
        if kept {
            self.rows.push(PodRow {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                ready,
                status: pod.status.clone(),
                restarts: restarts(pod),
                created: pod.created.at.clone(),
                node,
            });
        }
    }

    fn finish(mut self, place: &str, n_unread: u64) -> Reply<PodList> {
        self.table.leave_out(n_unread);
        let total = self.total.saturating_add(n_unread);
        let text = if total == 0 {
            format!("No pods in {place}.")
        } else {
            let statuses: Vec<String> =
                self.by_status.iter().map(|(status, n)| format!("{n} {status}")).collect();
            let of = if n_unread > 0 {
                format!(" (of the first {})", self.total)
            } else {
                String::new()
            };
            let (n, statuses) = (counted(total), statuses.join(", "));
            format!("{n} in {place}: {statuses}{of}\n\n{}", self.table)
        };
        let truncated = self.table.left_out() > 0;
        Reply::new(text, PodList { pods: self.rows, total, by_status: self.by_status })
            .truncated(truncated)
    }
}

struct Found {
    table: Table,
    rows: Vec<FailingRow>,
    total: u64,
    checked: u64,
}

/// Looks at every pod; only the failing ones are kept in memory.
fn find(pods: impl Iterator<Item = Result<Pod, Error>>) -> Result<Found, Error> {
    let header = ["NAMESPACE", "NAME", "REASON", "READY", "RESTARTS", "AGE", "DETAIL"];
    let mut found = Found {
        table: Table::new(&header)
            .keep(ROWS_MAX)
            .narrow_by("narrow with `namespace` or `label_selector`"),
        rows: Vec::new(),
        total: 0,
        checked: 0,
    };
    for pod in pods {
        let pod = pod?;
        found.checked += 1;
        if let Some(finding) = diagnosis::diagnose(&pod) {
            found.add(&pod, finding);
        }
    }
    Ok(found)
}

impl Found {
    fn add(&mut self, pod: &Pod, finding: Finding) {
        self.total += 1;
        let kept = self.table.row([
            pod.namespace.as_str(),
            &pod.name,
            &finding.reason,
            &ready(pod),
            &restarts_text(pod),
            &age(&pod.created),
            &finding.detail,
        ]);
        if kept {
            let blamed = pod
                .containers
                .iter()
                .find(|container| Some(&container.name) == finding.container.as_ref())
                .and_then(|container| container.last_termination.as_ref());
            self.rows.push(FailingRow {
                namespace: pod.namespace.clone(),
                name: pod.name.clone(),
                reason: finding.reason,
                detail: finding.detail,
                container: finding.container,
                restarts: restarts(pod),
                last_termination: blamed.map(Ending::new),
                created: pod.created.at.clone(),
                node: pod.node.clone(),
            });
        }
    }

    fn finish(self, place: &str, n_unread: u64) -> Reply<FailingList> {
        let (total, checked) = (self.total, self.checked);
        let mut text = match (total, checked) {
            (_, 0) => format!("No pods in {place}."),
            (0, _) => format!("{} in {place}, none failing.", counted(checked)),
            _ => format!("{total} of {} in {place} failing\n\n{}", counted(checked), self.table),
        };
        if n_unread > 0 {
            let _ = write!(
                text,
                "\n\nOnly the first {checked} pods were looked at, at least {n_unread} were not: \
                 narrow with `namespace` or `label_selector`."
            );
        }
        let truncated = n_unread > 0 || self.table.left_out() > 0;
        Reply::new(text, FailingList { pods: self.rows, failing_total: total, checked })
            .truncated(truncated)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::sample::{container, ended, pod, restarted, running, waiting};

    fn crashing() -> Pod {
        let app = container("app", waiting("CrashLoopBackOff", Some("back-off 5m0s")));
        let mut found = pod("Running", vec![restarted(app, 12, ended(137, "OOMKilled", 192))]);
        found.status = "CrashLoopBackOff".to_owned();
        found
    }

    fn healthy() -> Pod {
        pod("Running", vec![container("app", running(3_000))])
    }

    #[test]
    fn lists_pods_as_kubectl_does() {
        let mut listing = Listing::new();
        listing.add(&healthy());
        listing.add(&crashing());
        let reply = listing.finish("`shop`", 0);
        assert!(!reply.truncated);
        expect![[r#"
            2 pods in `shop`: 1 CrashLoopBackOff, 1 Running

            NAMESPACE   NAME                  READY   STATUS             RESTARTS         AGE   NODE
            shop        web-7d9c5b7f6-x2x4q   1/1     Running            0                60m   node-1
            shop        web-7d9c5b7f6-x2x4q   0/1     CrashLoopBackOff   12 (3m12s ago)   60m   node-1"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_what_the_list_leaves_out() {
        let mut listing = Listing::new();
        (0..ROWS_MAX + 5).for_each(|_| listing.add(&healthy()));
        let reply = listing.finish("`shop`", 7);
        assert!(reply.truncated);
        assert_eq!((reply.structured.pods.len(), reply.structured.total), (200, 212));
        assert_eq!(
            reply.text.lines().next(),
            Some("212 pods in `shop`: 205 Running (of the first 205)")
        );
        assert_eq!(
            reply.text.lines().last(),
            Some("… 12 more: narrow with `namespace` or `label_selector`")
        );
    }

    #[test]
    fn lists_failing_pods_with_their_evidence() {
        let reply = find([Ok(healthy()), Ok(crashing())].into_iter()).unwrap().finish("`shop`", 0);
        expect![[r#"
            1 of 2 pods in `shop` failing

            NAMESPACE   NAME                  REASON             READY   RESTARTS         AGE   DETAIL
            shop        web-7d9c5b7f6-x2x4q   CrashLoopBackOff   0/1     12 (3m12s ago)   60m   container `app`: last run: exit code 137 (OOMKilled) 3m12s ago; back-off 5m0s"#]].assert_eq(&reply.text);
        let row = &reply.structured.pods[0];
        assert_eq!((row.restarts, row.last_termination.as_ref().unwrap().exit_code), (12, 137));
    }

    #[test]
    fn says_when_nothing_fails_and_when_not_all_was_looked_at() {
        let none = find([Ok(healthy())].into_iter()).unwrap().finish("`shop`", 0);
        assert_eq!(none.text, "1 pod in `shop`, none failing.");
        let empty = find(std::iter::empty()).unwrap().finish("the granted namespaces", 0);
        assert_eq!(empty.text, "No pods in the granted namespaces.");
        let partly = find([Ok(healthy())].into_iter()).unwrap().finish("`shop`", 3);
        assert!(partly.truncated && partly.text.contains("at least 3 were not"));
    }

    #[test]
    fn passes_on_an_error_of_a_later_page() {
        let pods = [Ok(healthy()), Err(Error::Unavailable("no answer".to_owned()))];
        assert!(matches!(find(pods.into_iter()), Err(Error::Unavailable(_))));
    }
}
