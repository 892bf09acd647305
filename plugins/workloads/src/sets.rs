//! What the events of stateful sets and daemon sets amount to: scaled, or back at an older template.
//! Neither makes a revision, and when an object was written the host does not tell.

use std::collections::BTreeMap;

use toolgate_sdk::kubernetes_events::Event;
use toolgate_sdk::kubernetes_read::Revision;
use toolgate_sdk::types::Moment;

use crate::changes::{Recent, Workload};

/// Pods named in one line.
const PODS_MAX: usize = 3;

/// What a controller did to the pods of one set.
#[derive(Debug)]
pub(crate) struct Turnover {
    pub(crate) of: Workload,
    made: Vec<(String, Moment)>,
    deleted: Vec<(String, Moment)>,
}

/// The sets whose pods were made or deleted in the window. `rolled` are the workloads of which there
/// is a new revision: theirs are part of the rollout.
pub(crate) fn turnovers(events: &[Event], rolled: &[Workload], window_s: u64) -> Vec<Turnover> {
    let mut by_set: BTreeMap<(&str, &str, &str), Vec<&Event>> = BTreeMap::new();
    for event in events.iter().filter(|event| event.last_seen.age_s <= window_s) {
        let key = (&*event.involved_kind, &*event.namespace, &*event.involved_name);
        by_set.entry(key).or_default().push(event);
    }
    let turnover = |((kind, namespace, name), events): ((&str, &str, &str), Vec<&Event>)| {
        let of = Workload {
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        // Pods that ended by themselves are replaced as well: that is no change.
        let ended = |event: &&Event| {
            matches!(
                event.reason.as_str(),
                "RecreatingFailedPod"
                    | "RecreatingTerminatedPod"
                    | "FailedDaemonPod"
                    | "SucceededDaemonPod"
            )
        };
        if rolled.contains(&of) || events.iter().any(ended) {
            return None;
        }
        let with = |reason: &str| -> Vec<(String, Moment)> {
            let events = events.iter().filter(|event| event.reason == reason);
            events
                .filter_map(|event| {
                    Some((pod(&event.message)?.to_owned(), event.last_seen.clone()))
                })
                .collect()
        };
        let (made, deleted) = (with("SuccessfulCreate"), with("SuccessfulDelete"));
        (!made.is_empty() || !deleted.is_empty()).then_some(Turnover { of, made, deleted })
    };
    by_set.into_iter().filter_map(turnover).collect()
}

/// `web-2` of `delete Pod web-2 in StatefulSet web successful`. Claims are made too.
fn pod(message: &str) -> Option<&str> {
    let message = message.strip_prefix("(combined from similar events): ").unwrap_or(message);
    let rest = ["create Pod ", "delete Pod ", "Created pod: ", "Deleted pod: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))?;
    rest.split_whitespace().next()
}

impl Turnover {
    /// Whether its revisions have to be known, to see if it went back to one.
    pub(crate) fn is_replacement(&self) -> bool {
        !self.made.is_empty() && !self.deleted.is_empty()
    }

    /// In words. `history` is empty where it is not needed, or cannot be read.
    pub(crate) fn told(&self, history: &[Revision]) -> Option<Recent> {
        let older = older_again(history).filter(|_| self.is_replacement());
        if self.of.kind == "DaemonSet" {
            // Nodes come and go, and its pods with them.
            let (number, at) = (older?, self.deleted.iter().max_by_key(|(_, at)| at.age_s)?);
            return Some(self.recent(&at.1, "rolled back", is_older(number)));
        }
        // A rollout replaces pod after pod; who scales down and up again has them all deleted first.
        let in_turn = self
            .made
            .iter()
            .any(|(_, made)| self.deleted.iter().any(|(_, deleted)| made.age_s > deleted.age_s));
        if let (Some(number), true) = (older, in_turn) {
            let (_, at) = self.deleted.iter().max_by_key(|(_, at)| at.age_s)?;
            return Some(self.recent(at, "rolled back", is_older(number)));
        }
        let (_, at) = self.made.iter().chain(&self.deleted).min_by_key(|(_, at)| at.age_s)?;
        let gone: Vec<&str> = names(&self.deleted)
            .into_iter()
            .filter(|name| !self.made.iter().any(|(made, _)| made == name))
            .collect();
        let (what, detail) = if !gone.is_empty() {
            ("scaled", format!("down: {} deleted", listed(&gone)))
        } else if self.deleted.is_empty() {
            let made = listed(&names(&self.made));
            ("pods made", format!("{made}: scaled up, or in place of pods that were gone"))
        } else {
            let again = listed(&names(&self.deleted));
            let older = older.map_or_else(String::new, |number| format!("; {}", is_older(number)));
            (
                "pods replaced",
                format!("{again} deleted and made again, without a new revision{older}"),
            )
        };
        Some(self.recent(at, what, detail))
    }

    fn recent(&self, at: &Moment, what: &'static str, detail: String) -> Recent {
        Recent {
            at: at.at.clone(),
            age_s: at.age_s,
            namespace: self.of.namespace.clone(),
            object: format!("{}/{}", self.of.kind, self.of.name),
            what,
            detail,
        }
    }
}

/// The current revision, where it was kept before one that has a lower number: a set that goes back
/// gives the old one a new number.
fn older_again(history: &[Revision]) -> Option<u64> {
    let current = history.iter().find(|revision| revision.current)?;
    let younger = |other: &Revision| {
        other.number < current.number && other.created.age_s < current.created.age_s
    };
    history.iter().any(younger).then_some(current.number)
}

fn is_older(number: u64) -> String {
    format!("revision {number} is an older template again")
}

fn names(pods: &[(String, Moment)]) -> Vec<&str> {
    let mut names: Vec<&str> = pods.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn listed(names: &[&str]) -> String {
    let shown: Vec<&str> = names.iter().copied().take(PODS_MAX).collect();
    match names.len().saturating_sub(PODS_MAX) {
        0 => shown.join(", "),
        n_more => format!("{} and {n_more} more", shown.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: u64 = 3_600;

    fn event(kind: &str, reason: &str, message: &str, age_s: u64) -> Event {
        Event {
            namespace: "shop".to_owned(),
            severity: "Normal".to_owned(),
            reason: reason.to_owned(),
            message: message.to_owned(),
            involved_kind: kind.to_owned(),
            involved_name: "web".to_owned(),
            count: 1,
            last_seen: Moment { at: format!("{age_s}"), age_s },
            first_seen: None,
            source: String::new(),
        }
    }

    fn deleted(pod: &str, age_s: u64) -> Event {
        let message = format!("delete Pod {pod} in StatefulSet web successful");
        event("StatefulSet", "SuccessfulDelete", &message, age_s)
    }

    fn made(pod: &str, age_s: u64) -> Event {
        let message = format!("create Pod {pod} in StatefulSet web successful");
        event("StatefulSet", "SuccessfulCreate", &message, age_s)
    }

    fn revision(number: u64, age_s: u64, current: bool) -> Revision {
        Revision {
            number,
            created: Moment { at: String::new(), age_s },
            current,
            kept_by: String::new(),
            replicas: None,
            images: Vec::new(),
            change_cause: None,
            changes: Vec::new(),
        }
    }

    fn told(events: &[Event], history: &[Revision]) -> Vec<String> {
        turnovers(events, &[], HOUR)
            .iter()
            .filter_map(|turnover| turnover.told(history))
            .map(|c| format!("{} {} {}: {}", c.at, c.what, c.object, c.detail))
            .collect()
    }

    #[test]
    fn sees_stateful_sets_being_scaled() {
        let claim = "create Claim data-web-2 Pod web-2 in StatefulSet web success";
        let down = [deleted("web-2", 60), deleted("web-1", 50), made("web-0", HOUR + 1)];
        assert_eq!(told(&down, &[]), ["50 scaled StatefulSet/web: down: web-1, web-2 deleted"]);
        let up = [made("web-2", 60), event("StatefulSet", "SuccessfulCreate", claim, 61)];
        assert_eq!(
            told(&up, &[]),
            ["60 pods made StatefulSet/web: web-2: scaled up, or in place of pods that were gone"]
        );
        let many: Vec<Event> = (0..5).map(|n| deleted(&format!("web-{n}"), 50)).collect();
        let many = told(&many, &[]);
        assert_eq!(
            many,
            ["50 scaled StatefulSet/web: down: web-0, web-1, web-2 and 2 more deleted"]
        );
    }

    #[test]
    fn sees_sets_go_back_to_an_older_revision() {
        let older = [revision(3, 9_000, true), revision(2, 5_000, false)];
        let newer = [revision(3, 5_000, true), revision(2, 9_000, false)];
        let in_turn =
            [deleted("web-1", 80), made("web-1", 70), deleted("web-0", 60), made("web-0", 50)];
        let back = "rolled back StatefulSet/web: revision 3 is an older template again";
        assert_eq!(told(&in_turn, &older), [format!("80 {back}")]);
        let again = "pods replaced StatefulSet/web: web-0, web-1 deleted and made again, \
                     without a new revision";
        assert_eq!(told(&in_turn, &newer), [format!("50 {again}")]);
        // Scaled to none and up again, and at an older revision for a long time.
        let at_once =
            [deleted("web-1", 80), deleted("web-0", 70), made("web-0", 60), made("web-1", 50)];
        assert_eq!(
            told(&at_once, &older),
            [format!("50 {again}; revision 3 is an older template again")]
        );
        let daemons = [
            event("DaemonSet", "SuccessfulDelete", "Deleted pod: web-x1", 80),
            event("DaemonSet", "SuccessfulCreate", "Created pod: web-y2", 70),
        ];
        assert_eq!(
            told(&daemons, &older),
            ["80 rolled back DaemonSet/web: revision 3 is an older template again"]
        );
        assert!(told(&daemons, &newer).is_empty(), "nodes come and go");
    }

    #[test]
    fn leaves_out_rollouts_and_pods_that_failed() {
        let events = [deleted("web-1", 80), made("web-1", 70)];
        let rolled = Workload {
            kind: "StatefulSet".to_owned(),
            namespace: "shop".to_owned(),
            name: "web".to_owned(),
        };
        assert!(turnovers(&events, &[rolled], HOUR).is_empty(), "part of the rollout");
        let mut failed = events.to_vec();
        failed.push(event("StatefulSet", "RecreatingFailedPod", "", 90));
        assert!(turnovers(&failed, &[], HOUR).is_empty());
    }
}
