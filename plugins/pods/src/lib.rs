//! Pods: list them, find the failing ones, look at one closely.
//!
//! This room owns what makes a pod a failing one ([`diagnosis`]) and how pods are shown. It reads;
//! it changes nothing and knows no other kind of object but the events of a pod.

pub mod diagnosis;
mod facts;
mod list;
mod one;

#[cfg(test)]
mod sample;

toolgate_sdk::plugin! {
    tool(
        "list_pods",
        "List pods",
        "Lists pods as `kubectl get pods` does, with the number in each status. \
         For pods with a problem use list_failing_pods.",
        list::list_pods
    ),
    tool(
        "list_failing_pods",
        "List failing pods",
        "Finds pods that do not work, whatever their phase, with reason and evidence: crash loops, \
         image pulls, OOM kills, failed init containers, unschedulable, stuck, not ready. \
         Completed jobs are not failing. Start here when something is broken.",
        list::list_failing_pods
    ),
    tool(
        "get_pod_status",
        "Get pod status",
        "Phase, conditions and the state of each container of one pod: restarts, last termination, \
         exit code. To see why it restarts, follow with get_pod_logs and `previous`.",
        one::get_pod_status
    ),
    tool(
        "describe_pod",
        "Describe pod",
        "Everything about one pod, as `kubectl describe pod` shows it: status, containers, images, \
         resources, conditions and its recent events.",
        one::describe_pod
    ),
}

#[cfg(test)]
mod tests {
    use toolgate_sdk::Guest;

    use super::*;

    #[test]
    fn offers_these_definitions() {
        expect_test::expect_file!["../definitions.txt"]
            .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
    }
}
