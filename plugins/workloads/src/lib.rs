//! Deployments and other workloads: how far they are rolled out, and what changed lately.
//!
//! This room owns how workloads and changes are shown. Whether a rollout is complete is the host's
//! judgement.

mod changes;
mod deployments;
mod recent;
mod rollout;
mod sets;

toolgate_sdk::plugin! {
    tool(
        "list_deployments",
        "List deployments",
        "Lists deployments with their replicas (ready, up to date, available), images and whether \
         the rollout is complete, progressing or stuck, and why.",
        deployments::list_deployments
    ),
    tool(
        "rollout_status",
        "Rollout status",
        "How far a workload's rollout is, and its revisions, newest first, with what each changed. \
         Use it to follow a restart, or to choose a revision to go back to.",
        rollout::rollout_status
    ),
    tool(
        "find_recent_changes",
        "Find recent changes",
        "What was deployed, restarted, scaled, created or edited in the last minutes, across kinds, \
         newest first.",
        recent::find_recent_changes
    ),
}

#[cfg(test)]
mod tests {
    use toolgate_sdk::Guest as _;

    use super::*;

    #[test]
    fn offers_these_definitions() {
        expect_test::expect_file!["../definitions.txt"]
            .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
    }
}
