//! Any kind of object that is granted, and what the caller may do.
//!
//! This room owns how objects are shown. Which kinds may be read, and what in them is replaced, is
//! the host's work.

mod access;
mod cluster;
mod list;
mod network;
mod one;
mod views;
mod workload;
mod yaml;

toolgate_sdk::plugin! {
    tool(
        "get_resource",
        "Get resource",
        "One object of any granted kind as YAML, like `kubectl get -o yaml`. Values of secrets and \
         credentials are replaced. Name `fields` to see only them.",
        one::get_resource
    ),
    tool(
        "list_resources",
        "List resources",
        "Lists objects of any granted kind, with the columns of `kubectl get`, or with the `fields` \
         you name.",
        list::list_resources
    ),
    tool(
        "check_access",
        "Check access",
        "Whether you may use a tool in a namespace, whether a person must approve, and if not, what \
         the operator would change. Changes nothing.",
        access::check_access
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
