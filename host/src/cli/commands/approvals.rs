//! `toolgate approvals`: a person's answer. Everything shown is a typed fact, made by the host; what
//! a caller said stands in quotation marks.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::json;

use super::{Answer, Desk};
use crate::cli::args::ApprovalsCommand;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone, printable};
use crate::config::{Config, ConfigError};
use crate::domain::name::ApprovalId;
use crate::governance::approval::{
    Answer as Reply, ApprovalError, ApprovalFile, BudgetFile, Ended, Folder, PlanFile, Status,
};
use crate::wiring::APPROVALS_DIR;

pub(super) fn run(desk: &Desk, command: ApprovalsCommand) -> Answer {
    let folder = Folder::open(&state_dir(desk)?.join(APPROVALS_DIR))?;
    let now = now();
    match command {
        ApprovalsCommand::List { all } => list(desk, &folder, &now, all),
        ApprovalsCommand::Show { id } => show(desk, &folder, &id, &now),
        ApprovalsCommand::Approve { id, reason } => answer(desk, &folder, &id, true, reason, &now),
        ApprovalsCommand::Deny { id, reason } => answer(desk, &folder, &id, false, reason, &now),
    }
}

/// Where approvals and the audit log lie: as configured, or where the demo keeps them.
pub(super) fn state_dir(desk: &Desk) -> Result<std::path::PathBuf, Complaint> {
    match desk.environment.find_config(desk.globals.config.as_deref()) {
        Ok(path) => Ok(Config::load(&path)?.state_dir),
        Err(error @ ConfigError::NotFound { .. }) => {
            let demo = super::demo::state_dir(desk).filter(|dir| dir.is_dir());
            demo.ok_or_else(|| error.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn now() -> String {
    let now = jiff::Timestamp::now();
    jiff::Timestamp::from_second(now.as_second()).unwrap_or(now).to_string()
}

fn tone(status: Status) -> Tone {
    match status {
        Status::Pending => Tone::Strong,
        Status::Approved | Status::Executed => Tone::Good,
        Status::Denied | Status::Expired => Tone::Faint,
        Status::Failed | Status::Interrupted => Tone::Bad,
    }
}

fn list(desk: &Desk, folder: &Folder, now: &str, over_too: bool) -> Answer {
    let mut all = folder.list(now)?;
    all.retain(|(_, status)| over_too || *status == Status::Pending);
    if desk.console.is_json() {
        let all: Vec<_> = all
            .iter()
            .map(|(request, status)| json!({"status": status, "request": request}))
            .collect();
        desk.console.json(&json!(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        writeln!(desk.console.out(), "Nothing waits for an answer.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["ID", "STATUS", "WHAT", "FOR", "REQUESTED", "EXPIRES"]);
    for (request, status) in &all {
        table.row([
            Cell::new(request.id.clone(), Tone::Strong),
            Cell::new(status.to_string(), tone(*status)),
            what(request).into(),
            request.principal.clone().into(),
            request.requested.clone().into(),
            request.expires.clone().into(),
        ]);
    }
    desk.console.table(&table)?;
    Ok(ExitCode::SUCCESS)
}

fn what(request: &ApprovalFile) -> String {
    let plan = &request.plan;
    let target = &plan.target;
    let place = target.namespace.as_ref().map(|name| format!("{name}/")).unwrap_or_default();
    let object = format!("{} {place}{} in {}", target.kind, target.name, target.cluster);
    let to = match (plan.replicas, plan.revision) {
        (Some(replicas), _) => format!(" to {}", counted(replicas, "replica")),
        (None, Some(revision)) => format!(" to revision {revision}"),
        (None, None) => String::new(),
    };
    format!("{} {object}{to}", plan.verb)
}

fn counted(n: u32, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

/// Which state of the object was planned with.
fn version(plan: &PlanFile) -> String {
    match (plan.generation, &plan.content) {
        (Some(generation), _) => format!(", generation {generation}"),
        (None, Some(content)) => format!(", specification sha256:{content}"),
        (None, None) => String::new(),
    }
}

/// Whom it meets.
fn blast(plan: &PlanFile) -> Vec<String> {
    let does = match plan.verb.as_str() {
        "restart" | "rollback" | "resume" => "replaces",
        _ => "ends",
    };
    let mut lines = vec![format!("{does} {}", counted(plan.pods_total, "pod"))];
    lines.extend(plan.pods.iter().map(|pod| format!("  {pod}")));
    if let Some(owner) = &plan.owner {
        lines.push(format!("its successor is made by {owner}"));
    }
    if let Some(left) = plan.replicas_left {
        lines.push(format!("leaves at least {} meanwhile", counted(left, "replica")));
    }
    for BudgetFile { name, allowed, healthy, desired_healthy } in &plan.budgets {
        lines.push(format!(
            "disruption budget {name}: {} allowed now, {healthy} healthy of {desired_healthy} \
             needed",
            counted(*allowed, "disruption")
        ));
    }
    lines.iter().map(|line| printable(line)).collect()
}

fn show(desk: &Desk, folder: &Folder, id: &ApprovalId, now: &str) -> Answer {
    let (request, status, reply, _) = folder.show(id, now)?;
    let ended = folder.ended(id)?;
    if desk.console.is_json() {
        let answer = json!({"status": status, "request": request, "answer": reply, "ended": ended});
        desk.console.json(&answer)?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = desk.console.out();
    for line in screen(&request, status, reply.as_ref()) {
        writeln!(out, "{line}")?;
    }
    if let Some(Ended { detail: Some(detail), at, .. }) = ended {
        writeln!(out, "{}", printable(&format!("{status} at {at}: {detail}")))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What a person reads before they answer.
fn screen(request: &ApprovalFile, status: Status, reply: Option<&Reply>) -> Vec<String> {
    let plan = &request.plan;
    let fact = |name: &str, value: &str| format!("{name:<11}{}", printable(value));
    let mut lines = vec![
        Tone::Strong.paint(&printable(&what(request))),
        fact("status", &status.to_string()),
        fact("asked by", &request.principal),
        fact("through", &format!("{} of plugin {}", request.tool, request.plugin)),
        fact("code", &format!("sha256:{}", request.digest)),
        fact("object", &format!("uid {}{}", plan.uid, version(plan))),
        fact("requested", &request.requested),
        fact("expires", &request.expires),
    ];
    if let Some(reason) = &request.reason {
        lines.push(fact("caller says", &format!(" “{reason}”")));
    }
    lines.push(String::new());
    if !plan.changes.is_empty() {
        lines.push("changes".to_owned());
    }
    for (path, before, after) in &plan.changes {
        lines.push(format!("  {}", printable(path)));
        if let Some(before) = before {
            lines.push(Tone::Bad.paint(&format!("  - {}", printable(before))));
        }
        if let Some(after) = after {
            lines.push(Tone::Good.paint(&format!("  + {}", printable(after))));
        }
    }
    lines.extend(blast(plan));
    for warning in &plan.warnings {
        lines.push(Tone::Warning.paint(&format!("! {}", printable(warning))));
    }
    if let Some(Reply { approve, by, reason, at, .. }) = reply {
        let word = if *approve { "approved" } else { "denied" };
        let reason = reason.as_ref().map(|r| format!(": “{r}”")).unwrap_or_default();
        lines.push(String::new());
        lines.push(printable(&format!("{word} by {by} at {at}{reason}")));
    }
    lines
}

fn answer(
    desk: &Desk,
    folder: &Folder,
    id: &ApprovalId,
    approve: bool,
    reason: Option<String>,
    now: &str,
) -> Answer {
    let request = folder.answer(id, approve, desk.user(), reason, now)?;
    let word = if approve { "approved" } else { "denied" };
    if desk.console.is_json() {
        desk.console.json(&json!({"id": id.as_str(), "answer": word}))?;
    } else {
        let tone = if approve { Tone::Good } else { Tone::Warning };
        writeln!(desk.console.out(), "{}: {}", tone.paint(word), printable(&what(&request)))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl From<ApprovalError> for Complaint {
    fn from(error: ApprovalError) -> Self {
        let hint = match &error {
            ApprovalError::Unknown(_) => "`toolgate approvals list --all` shows what there is",
            ApprovalError::Over { .. } => "the caller has to ask again for a new one",
            ApprovalError::Io(_) => "`state_dir` says where approvals lie; only their owner may",
        };
        Self::new(error.to_string(), hint)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::domain::write::{
        Body, Budget, Change, Owner, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget,
    };

    fn web() -> WriteTarget {
        let (cluster, kind) = ("prod".parse().unwrap(), WorkloadKind::Deployment);
        let (namespace, name) = ("shop".parse().unwrap(), "web".parse().unwrap());
        WorkloadRef { cluster, kind, namespace, name }.into()
    }

    fn plan(verb: Verb, target: WriteTarget, change: Option<(&str, &str, &str)>) -> Plan {
        let change = change.map(|(path, before, after)| Change {
            path: path.to_owned(),
            before: (!before.is_empty()).then(|| before.to_owned()),
            after: (!after.is_empty()).then(|| after.to_owned()),
        });
        Plan {
            verb,
            target,
            uid: "u1".to_owned(),
            version: Version::Generation(3),
            changes: change.into_iter().collect(),
            pods: Vec::new(),
            pods_total: 0,
            replicas_left: None,
            budgets: Vec::new(),
            warnings: Vec::new(),
            owner: None,
            body: Body::new("{}"),
        }
    }

    /// What is shown of the plan itself, without the lines that are the same for all.
    fn check(plan: &Plan, expected: &Expect) {
        let request = ApprovalFile {
            id: "k7dm4q2xk7dm4q2x".to_owned(),
            instance: "suite".to_owned(),
            call: "call000000000001".to_owned(),
            principal: "ada@os".to_owned(),
            plugin: "remediation".to_owned(),
            digest: "0".to_owned(),
            tool: "tool".to_owned(),
            reason: None,
            plan: PlanFile::from(plan),
            requested: "2026-11-21T02:13:07Z".to_owned(),
            expires: "2026-11-21T02:28:07Z".to_owned(),
        };
        let same = ["status", "asked by", "through", "code", "requested", "expires"];
        let lines = screen(&request, Status::Pending, None);
        let lines = lines.iter().filter(|line| !same.iter().any(|word| line.starts_with(word)));
        let lines: String = lines.map(|line| format!("{line}\n")).collect();
        expected.assert_eq(&anstream::adapter::strip_str(&lines).to_string());
    }

    #[test]
    fn shows_what_each_verb_does() {
        let budget = Budget { name: "web".to_owned(), allowed: 1, healthy: 4, desired_healthy: 3 };
        let mut scale = plan(Verb::Scale { replicas: 1 }, web(), Some(("spec.replicas", "4", "1")));
        (scale.pods_total, scale.replicas_left) = (3, Some(1));
        scale.budgets.push(budget.clone());
        scale.warnings.push("a single replica is left".to_owned());
        check(
            &scale,
            &expect![[r#"
            scale Deployment shop/web in prod to 1 replica
            object     uid u1, generation 3

            changes
              spec.replicas
              - 4
              + 1
            ends 3 pods
            leaves at least 1 replica meanwhile
            disruption budget web: 1 disruption allowed now, 4 healthy of 3 needed
            ! a single replica is left
        "#]],
        );

        let image = "spec.template.spec.containers[0].image";
        let mut rollback =
            plan(Verb::Rollback { revision: Some(6) }, web(), Some((image, "web:2", "web:1")));
        (rollback.pods, rollback.pods_total) = (vec!["web-1".to_owned()], 1);
        rollback.replicas_left = Some(0);
        check(
            &rollback,
            &expect![[r#"
            rollback Deployment shop/web in prod to revision 6
            object     uid u1, generation 3

            changes
              spec.template.spec.containers[0].image
              - web:2
              + web:1
            replaces 1 pod
              web-1
            leaves at least 0 replicas meanwhile
        "#]],
        );

        check(
            &plan(Verb::Pause, web(), Some(("spec.paused", "", "true"))),
            &expect![[r#"
            pause Deployment shop/web in prod
            object     uid u1, generation 3

            changes
              spec.paused
              + true
            ends 0 pods
        "#]],
        );
        check(
            &plan(Verb::Resume, web(), Some(("spec.paused", "true", ""))),
            &expect![[r#"
            resume Deployment shop/web in prod
            object     uid u1, generation 3

            changes
              spec.paused
              - true
            replaces 0 pods
        "#]],
        );

        let (cluster, namespace) = ("prod".parse().unwrap(), "shop".parse().unwrap());
        let pod = WriteTarget::Pod { cluster, namespace, name: "web-1".parse().unwrap() };
        let mut delete = plan(Verb::Delete, pod, None);
        delete.version = Version::Content("5f2a".to_owned());
        (delete.pods, delete.pods_total) = (vec!["web-1".to_owned()], 1);
        delete.replicas_left = Some(3);
        delete.owner = Some(Owner {
            kind: "ReplicaSet".to_owned(),
            name: "web-5d4f".to_owned(),
            uid: "o1".to_owned(),
            node: None,
        });
        check(
            &delete,
            &expect![[r#"
            delete Pod shop/web-1 in prod
            object     uid u1, specification sha256:5f2a

            ends 1 pod
              web-1
            its successor is made by ReplicaSet web-5d4f
            leaves at least 3 replicas meanwhile
        "#]],
        );

        let node =
            WriteTarget::Node { cluster: "prod".parse().unwrap(), name: "node-1".parse().unwrap() };
        let mut cordon = plan(Verb::Cordon, node.clone(), Some(("spec.unschedulable", "", "true")));
        cordon.version = Version::Content("77aa".to_owned());
        check(
            &cordon,
            &expect![[r#"
            cordon Node node-1 in prod
            object     uid u1, specification sha256:77aa

            changes
              spec.unschedulable
              + true
            ends 0 pods
        "#]],
        );
        let mut uncordon = plan(Verb::Uncordon, node, Some(("spec.unschedulable", "true", "")));
        uncordon.version = Version::Content("77ab".to_owned());
        check(
            &uncordon,
            &expect![[r#"
            uncordon Node node-1 in prod
            object     uid u1, specification sha256:77ab

            changes
              spec.unschedulable
              - true
            ends 0 pods
        "#]],
        );
    }
}
