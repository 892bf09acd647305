//! Deployments, as a list.

use toolgate_sdk::kubernetes_read::Deployment;
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::RolloutState;

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
pub(crate) struct DeploymentRow {
    namespace: String,
    name: String,
    /// complete, progressing, stuck
    state: &'static str,
    message: String,
    desired: u32,
    updated: u32,
    ready: u32,
    available: u32,
    paused: bool,
    revision: Option<String>,
    /// The `label_selector` of its pods
    selector: String,
    images: Vec<String>,
    created: String,
}

#[output]
pub(crate) struct Deployments {
    deployments: Vec<DeploymentRow>,
    total: u64,
}

pub(crate) fn list_deployments(args: Args) -> Result<Reply<Deployments>, ToolError> {
    let place = pages::place(args.namespace.as_deref());
    let mut deployments = pages::deployments(
        pages::query(args.cluster, args.namespace, args.label_selector),
        pages::OBJECTS_MAX,
    );
    let mut listing = Listing::new();
    for deployment in deployments.by_ref() {
        listing.add(deployment?);
    }
    Ok(listing.finish(&place, deployments.unread().map_or(0, |unread| unread.at_least)))
}

struct Listing {
    table: Table,
    rows: Vec<DeploymentRow>,
    total: u64,
    n_unfinished: u64,
}

impl Listing {
    fn new() -> Self {
        let header = [
            "NAMESPACE",
            "NAME",
            "READY",
            "UP-TO-DATE",
            "AVAILABLE",
            "AGE",
            "STATE",
            "IMAGES",
            "MESSAGE",
        ];
        Self {
            table: Table::new(&header)
                .keep(ROWS_MAX)
                .narrow_by("narrow with `namespace` or `label_selector`"),
            rows: Vec::new(),
            total: 0,
            n_unfinished: 0,
        }
    }

    fn add(&mut self, deployment: Deployment) {
        let Deployment { namespace, name, created, selector, images, paused, rollout, .. } =
            deployment;
        self.total += 1;
        let complete = matches!(rollout.state, RolloutState::Complete);
        if !complete {
            self.n_unfinished += 1;
        }
        let state = rollout.state.word();
        let kept = self.table.row([
            namespace.clone(),
            name.clone(),
            format!("{}/{}", rollout.ready, rollout.desired),
            rollout.updated.to_string(),
            rollout.available.to_string(),
            age(&created),
            if paused { format!("{state}, paused") } else { state.to_owned() },
            images.join(","),
            // A complete rollout has nothing to say that the numbers do not.
            if complete { String::new() } else { rollout.message.clone() },
        ]);
        if kept {
            self.rows.push(DeploymentRow {
                namespace,
                name,
                state,
                message: rollout.message,
                desired: rollout.desired,
                updated: rollout.updated,
                ready: rollout.ready,
                available: rollout.available,
                paused,
                revision: rollout.revision,
                selector,
                images,
                created: created.at,
            });
        }
    }

    fn finish(mut self, place: &str, n_unread: u64) -> Reply<Deployments> {
        self.table.leave_out(n_unread);
        let total = self.total.saturating_add(n_unread);
        let text = if total == 0 {
            format!("No deployments in {place}.")
        } else {
            let noun = if total == 1 { "deployment" } else { "deployments" };
            let unfinished = match (self.n_unfinished, n_unread) {
                (0, 0) => "all rolled out".to_owned(),
                (n, 0) => format!("{n} not rolled out"),
                (n, _) => format!("{n} of the first {} not rolled out", self.total),
            };
            format!("{total} {noun} in {place}, {unfinished}\n\n{}", self.table)
        };
        let truncated = self.table.left_out() > 0;
        Reply::new(text, Deployments { deployments: self.rows, total }).truncated(truncated)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::types::{Moment, Rollout, WorkloadKind};

    use super::*;

    fn deployment(name: &str, state: RolloutState, ready: u32, message: &str) -> Deployment {
        let rollout = Rollout {
            kind: WorkloadKind::Deployment,
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            state,
            message: message.to_owned(),
            generation: 2,
            observed_generation: 2,
            desired: 3,
            updated: 3,
            ready,
            available: ready,
            revision: Some("2".to_owned()),
        };
        Deployment {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: "2b0a1d1c-0000-4000-8000-000000000001".to_owned(),
            labels: Vec::new(),
            created: Moment { at: "2026-11-21T02:13:07Z".to_owned(), age_s: 172_800 },
            selector: format!("app={name}"),
            images: vec![format!("example.org/{name}:1")],
            paused: false,
            rollout,
            conditions: Vec::new(),
        }
    }

    #[test]
    fn lists_deployments_with_their_rollouts() {
        let mut listing = Listing::new();
        listing.add(deployment("cart", RolloutState::Complete, 3, "successfully rolled out"));
        listing.add(deployment("web", RolloutState::Stuck, 1, "the progress deadline passed"));
        listing.add(Deployment {
            paused: true,
            ..deployment("old", RolloutState::Progressing, 0, "0 of 3 are available")
        });
        let reply = listing.finish("`shop`", 0);
        assert!(!reply.truncated);
        assert_eq!(reply.structured.deployments[1].state, "stuck");
        expect![[r#"
            3 deployments in `shop`, 2 not rolled out

            NAMESPACE   NAME   READY   UP-TO-DATE   AVAILABLE   AGE   STATE                 IMAGES               MESSAGE
            shop        cart   3/3     3            3           2d    complete              example.org/cart:1
            shop        web    1/3     3            1           2d    stuck                 example.org/web:1    the progress deadline passed
            shop        old    0/3     3            0           2d    progressing, paused   example.org/old:1    0 of 3 are available"#]].assert_eq(&reply.text);
    }

    #[test]
    fn says_what_the_list_leaves_out() {
        let mut listing = Listing::new();
        for _ in 0..=ROWS_MAX {
            listing.add(deployment("cart", RolloutState::Complete, 3, ""));
        }
        let reply = listing.finish("`shop`", 9);
        assert!(reply.truncated);
        assert_eq!((reply.structured.deployments.len(), reply.structured.total), (200, 210));
        assert!(reply.text.ends_with("… 10 more: narrow with `namespace` or `label_selector`"));
    }

    #[test]
    fn says_so_when_there_are_none() {
        assert_eq!(Listing::new().finish("`shop`", 0).text, "No deployments in `shop`.");
    }
}
