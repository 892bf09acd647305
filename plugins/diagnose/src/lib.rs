//! Why a workload does not work: the same answer for the same facts, each cause with its evidence.
//!
//! This room owns the causes and what tells them from their look-alikes. Read [`facts::Facts`]
//! first, then the table in `rules`. Rules see facts only; `gather` alone asks the host.

mod facts;
mod finding;
mod gather;
mod leftover;
mod report;
mod rules;
#[cfg(test)]
mod sample;

use toolgate_sdk::prelude::*;

use crate::facts::Kind;
use crate::report::Diagnosis;

#[arguments]
struct Args {
    /// deployment if omitted
    #[serde(default = "deployment")]
    kind: Kind,
    name: String,
    namespace: String,
    cluster: Option<String>,
}

fn deployment() -> Kind {
    Kind::Deployment
}

toolgate_sdk::plugin! {
    tool(
        "diagnose_workload",
        "Diagnose workload",
        "Why a workload or pod does not work: from status, events, logs, revisions, services, volumes \
         and quotas it names the causes, most certain first, with evidence and a next step.",
        diagnose_workload
    ),
}

fn diagnose_workload(args: Args) -> Result<Reply<Diagnosis>, ToolError> {
    let Args { kind, name, namespace, cluster } = args;
    let facts = gather::gather(cluster.as_deref(), kind, &namespace, &name)?;
    let findings = rules::diagnose(&facts);
    Ok(report::tell(&facts, findings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offers_these_definitions() {
        expect_test::expect_file!["../definitions.txt"]
            .assert_eq(&toolgate_sdk::tool::print(&Plugin::list()));
    }
}
