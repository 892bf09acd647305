//! What pods use, what namespaces may use, and how autoscalers decide.
//!
//! This room owns how use is set against requests, limits and quotas. It measures nothing.

mod autoscalers;
mod quotas;
mod top;

toolgate_sdk::plugin! {
    tool(
        "top_pods",
        "Top pods",
        "CPU and memory that pods use now, against what they request and may have, the largest \
         first. Needs metrics in the cluster.",
        top::top_pods
    ),
    tool(
        "list_quotas",
        "List quotas",
        "Resource quotas: what is used of what is allowed, the fullest first.",
        quotas::list_quotas
    ),
    tool(
        "list_autoscalers",
        "List autoscalers",
        "Horizontal pod autoscalers: current and wanted metrics, replicas and bounds, and what \
         keeps them from scaling. Those with a problem come first.",
        autoscalers::list_autoscalers
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
