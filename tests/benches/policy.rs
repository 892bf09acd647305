//! What a decision costs: of the shipped rules and of many, remembered and decided anew.

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use anyhow::Result;
use jiff::Timestamp;
use tokio::time::Instant;
use toolgate::domain::capability::Capability;
use toolgate::domain::principal::Principal;
use toolgate::domain::scope::Target;
use toolgate::governance::policy::{Approvals, DEFAULT, Policy, Question};

use crate::Rounds;
use crate::figures::{Samples, us};
use crate::report::{Row, Section};

/// Rules of a company with many teams.
const RULES: usize = 200;

/// The median of any of them, which leaves most of a call's 60 µs to the rest of governance.
const AIM_US: f64 = 60.0;

const APPROVALS: Approvals = Approvals { required: true, expires_after: Duration::from_mins(10) };

/// A rule that looks at the time: nothing is remembered beside it.
const BY_TIME: &str =
    "forbid (principal, action, resource) when { context.weekday == \"doomsday\" };\n";

pub(crate) fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let mut many = DEFAULT.to_owned();
    for team in 0..RULES {
        let _ = write!(
            many,
            "permit (principal in Group::\"team-{team}\", action in Action::\"read\", resource)\n\
             when {{ resource has namespace && resource.namespace == \"team-{team}\" }};\n"
        );
    }
    let mut rows = Vec::new();
    for (name, text) in [("the shipped rules", DEFAULT.to_owned()), ("200 more", many)] {
        for (how, text) in [("remembered", text.clone()), ("decided anew", text + BY_TIME)] {
            let policy = Policy::parse(&text, "of the benchmark", APPROVALS)?;
            let samples = decisions(rounds, &policy)?;
            let row = Row::new(&format!("{name}, {how}"), us(samples.median()), "µs");
            rows.push(row.p99(us(samples.p99())).aim(AIM_US));
        }
    }
    Ok(vec![Section::new("policy", "one verdict of the policy, on one core", rows)])
}

fn decisions(rounds: Rounds, policy: &Policy) -> Result<Samples> {
    let principal = Principal { groups: vec!["team-7".to_owned()], ..Principal::local("alice") };
    let plugin = "logs".parse()?;
    let target = Target {
        cluster: "prod".parse()?,
        namespace: Some("team-7".parse()?),
        kind: "Pod".into(),
        name: Some("web-1".to_owned()),
    };
    let digest = "0".repeat(64);
    let decide = || {
        let began = Instant::now();
        black_box(policy.decide(&Question {
            principal: &principal,
            plugin: &plugin,
            digest: &digest,
            tool: "get_pod_logs",
            capability: Capability::KubernetesLogs,
            verb: "get-log",
            target: &target,
            dry_run: false,
            at: Timestamp::now(),
        }));
        began.elapsed()
    };
    for _ in 0..rounds.warm_up {
        decide();
    }
    Ok(Samples::new((0..rounds.calls).map(|_| decide())))
}
