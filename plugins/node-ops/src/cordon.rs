//! Cordons, as requests.

use toolgate_sdk::kubernetes_cordon::{self, Cordon};
use toolgate_sdk::prelude::*;
use toolgate_sdk::writes::{self, Request};

#[arguments]
pub(crate) struct Args {
    node_name: String,
    /// False lets pods in again.
    #[serde(default = "yes")]
    cordon: bool,
    /// Shown to the approver.
    #[schemars(length(max = 512))]
    reason: Option<String>,
    cluster: Option<String>,
}

fn yes() -> bool {
    true
}

pub(crate) fn cordon_node(args: Args) -> Result<Reply<Request>, ToolError> {
    let verb = if args.cordon { "cordon" } else { "uncordon" };
    let what = format!("{verb} of node `{}`", one_line(&args.node_name));
    let outcome = kubernetes_cordon::request(&Cordon {
        cluster: args.cluster,
        node: args.node_name,
        unschedulable: args.cordon,
        reason: args.reason,
    })?;
    writes::answer(&what, outcome)
}
