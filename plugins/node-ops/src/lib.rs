//! Nodes from near: what runs on them, what they use, and cordons as requests.
//!
//! This room owns how one node is shown and what its pods ask of it. It cordons nothing: the host
//! plans, asks and executes.

mod cordon;
mod describe;
mod top;

toolgate_sdk::plugin! {
    tool(
        "describe_node",
        "Describe node",
        "One node as `kubectl describe node` shows it: conditions, taints, capacity, how much of it \
         its pods request, and its recent events.",
        describe::describe_node
    ),
    tool(
        "top_nodes",
        "Top nodes",
        "CPU and memory that nodes use now, in percent of allocatable, the fullest first. Needs \
         metrics in the cluster.",
        top::top_nodes
    ),
    tool(
        "cordon_node",
        "Cordon node",
        "Requests that new pods are kept away from a node, or with `cordon` false let in again. \
         Pods on it stay. It may need a person's approval: the same call again tells what came of \
         it.",
        cordon::cordon_node
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
