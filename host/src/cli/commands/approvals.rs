//! `toolgate approvals`: a person's answer. Everything shown is a typed fact, made by the host; what
//! a caller said stands in quotation marks.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::{Answer, Desk, block_on, interrupted};
use crate::cli::args::ApprovalsCommand;
use crate::cli::complaint::Complaint;
use crate::cli::table::{Cell, Table, Tone, printable};
use crate::config::{Config, ConfigError};
use crate::domain::name::ApprovalId;
use crate::governance::approval::{
    Answer as Reply, AnswerFile, Answers, Approval, ApprovalError, ApprovalFile, Approver,
    BudgetFile, Channel, NoteFile, PlanFile, Status, TermsFile,
};
use crate::wiring::APPROVALS_DIR;

/// How often a watcher looks: what a person does not notice.
const LOOK_EVERY: Duration = Duration::from_millis(300);

pub(super) fn run(desk: &Desk, command: ApprovalsCommand) -> Answer {
    let folder = state_dir(desk)?.join(APPROVALS_DIR);
    let answers = Answers::open(&folder, Arc::new(jiff::Timestamp::now))?;
    match command {
        ApprovalsCommand::List { all } => list(desk, &answers, all),
        ApprovalsCommand::Show { id } => show(desk, &answers.find(&id)?),
        ApprovalsCommand::Watch => {
            block_on(watch(desk, &answers))?;
            Ok(ExitCode::SUCCESS)
        }
        ApprovalsCommand::Approve { id, reason } => answer(desk, &answers, &id, true, reason),
        ApprovalsCommand::Deny { id, reason } => answer(desk, &answers, &id, false, reason),
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

fn tone(status: Status) -> Tone {
    match status {
        Status::Pending => Tone::Strong,
        Status::Approved | Status::Executing | Status::Executed => Tone::Good,
        Status::Denied | Status::Expired => Tone::Faint,
        Status::Failed | Status::Interrupted => Tone::Bad,
    }
}

fn list(desk: &Desk, answers: &Answers, over_too: bool) -> Answer {
    let mut all = answers.list()?;
    all.retain(|approval| over_too || approval.status == Status::Pending);
    if desk.console.is_json() {
        desk.console.json(&json!(all))?;
        return Ok(ExitCode::SUCCESS);
    }
    if all.is_empty() {
        writeln!(desk.console.out(), "Nothing waits for an answer.")?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(["ID", "STATUS", "WHAT", "FOR", "MISSING", "REQUESTED", "EXPIRES"]);
    for Approval { request, status, missing, .. } in &all {
        let missing =
            if *status == Status::Pending { format!("{missing} yes") } else { "-".to_owned() };
        table.row([
            Cell::new(request.id.clone(), Tone::Strong),
            Cell::new(status.to_string(), tone(*status)),
            what(request).into(),
            request.principal.clone().into(),
            missing.into(),
            request.requested.clone().into(),
            request.expires.clone().into(),
        ]);
    }
    desk.console.table(&table)?;
    Ok(ExitCode::SUCCESS)
}

/// Tells of what waits now, and then of every change.
async fn watch(desk: &Desk, answers: &Answers) -> Result<(), Complaint> {
    let mut stop = std::pin::pin!(interrupted());
    let mut seen: Option<BTreeMap<String, (Status, usize)>> = None;
    loop {
        let all = answers.list()?;
        let now = |approval: &Approval| (approval.status, approval.answers.len());
        for approval in all.iter().rev() {
            let is_news = match &seen {
                None => approval.status == Status::Pending,
                Some(seen) => seen.get(&approval.request.id) != Some(&now(approval)),
            };
            if is_news {
                tell(desk, approval)?;
            }
        }
        seen = Some(all.iter().map(|a| (a.request.id.clone(), now(a))).collect());
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = &mut stop => return Ok(()),
        }
    }
}

/// One change, in one line.
fn tell(desk: &Desk, approval: &Approval) -> std::io::Result<()> {
    if desk.console.is_json() {
        return desk.console.json(&json!(approval));
    }
    let Approval { request, status, answers, missing, .. } = approval;
    let last = answers.last().filter(|_| *status != Status::Expired);
    let by = last.map(|answer| format!(", {} by {}", word(answer.approve), answer.by));
    let waits = (*status == Status::Pending).then(|| format!(", {missing} yes missing"));
    let missing = waits.unwrap_or_default();
    let told = format!("{}{}{missing}", what(request), by.unwrap_or_default());
    let status = tone(*status).paint(&format!("{:<11}", status.to_string()));
    writeln!(
        desk.console.out(),
        "{} {status} {}",
        Tone::Strong.paint(&printable(&request.id)),
        printable(&told)
    )
}

fn word(approve: bool) -> &'static str {
    if approve { "approved" } else { "denied" }
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

fn show(desk: &Desk, approval: &Approval) -> Answer {
    if desk.console.is_json() {
        desk.console.json(&json!(approval))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut out = desk.console.out();
    for line in screen(approval) {
        writeln!(out, "{line}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose yes it takes.
fn terms(request: &ApprovalFile, missing: u8) -> String {
    let TermsFile { approvers, reason_required, requester_may_approve: _, caller_may_confirm: _ } =
        &request.terms;
    let people = if *approvers == 1 { "person" } else { "people" };
    let mut told = vec![format!("a yes of {approvers} {people}")];
    if missing < *approvers {
        told.push(format!("{missing} missing"));
    }
    let requester: Option<Approver> = request.principal.parse().ok();
    if requester.is_some_and(|by| !request.may_be_approved_by(&by, Channel::CommandLine)) {
        told.push(format!("not of {}", request.principal));
    }
    if *reason_required {
        told.push("with a reason".to_owned());
    }
    told.push(format!("by rule {}", request.rule));
    told.join(", ")
}

/// What a person reads before they answer.
fn screen(approval: &Approval) -> Vec<String> {
    let Approval { request, status, answers, missing, note, request_sha256: _ } = approval;
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
        fact("needs", &terms(request, *missing)),
    ];
    if let Some(whom) = &request.on_behalf_of {
        lines.push(fact("for", &format!("“{whom}”, as the caller says")));
    }
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
    if !answers.is_empty() {
        lines.push(String::new());
    }
    for AnswerFile { approve, by, reason, at, .. } in answers {
        let word = word(*approve);
        let reason = reason.as_ref().map(|r| format!(": “{r}”")).unwrap_or_default();
        lines.push(printable(&format!("{word} by {by} at {at}{reason}")));
    }
    if let Some(NoteFile { detail: Some(detail), at, status }) = note {
        lines.push(printable(&format!("{status} at {at}: {detail}")));
    }
    lines
}

fn answer(
    desk: &Desk,
    answers: &Answers,
    id: &ApprovalId,
    approve: bool,
    reason: Option<String>,
) -> Answer {
    let by = Approver::local(desk.user()).map_err(|error| {
        Complaint::new(error.to_string(), "the name of this account has other characters in it")
    })?;
    let digest = answers.find(id)?.request_sha256;
    let reply = Reply { approve, by, channel: Channel::CommandLine, reason };
    let Approval { request, missing, status, .. } = answers.answer(id, &digest, reply)?;
    let word = word(approve);
    if desk.console.is_json() {
        let told = json!({"id": id.as_str(), "answer": word, "missing": missing, "status": status});
        desk.console.json(&told)?;
    } else {
        let tone = if approve { Tone::Good } else { Tone::Warning };
        let more = if approve && missing > 0 {
            format!("; {missing} more yes needed")
        } else {
            String::new()
        };
        writeln!(desk.console.out(), "{}: {}{more}", tone.paint(word), printable(&what(&request)))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl From<ApprovalError> for Complaint {
    fn from(error: ApprovalError) -> Self {
        let hint = match &error {
            ApprovalError::Unknown(_) => "`toolgate approvals list --all` shows what there is",
            ApprovalError::Over { .. } | ApprovalError::Expired(_) => {
                "the caller has to ask again for a new one"
            }
            ApprovalError::Altered(_) => "look at it again before you answer",
            ApprovalError::ReasonRequired(_) => "say `--reason TEXT`",
            ApprovalError::Reason => "say it shorter, in one line",
            ApprovalError::SelfApproval { .. } => "another person has to look at it",
            ApprovalError::AlreadyAnswered { .. } => {
                "`toolgate approvals show` says who is missing"
            }
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
        Budget, Change, Owner, Plan, Verb, Version, WorkloadKind, WorkloadRef, WriteTarget,
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
        Plan { changes: change.into_iter().collect(), ..Plan::bare(verb, target) }
    }

    /// What is shown of the plan itself, without the lines that are the same for all.
    fn check(plan: &Plan, expected: &Expect) {
        let request = ApprovalFile {
            id: "k7dm4q2xk7dm4q2x".to_owned(),
            instance: "suite".to_owned(),
            call: "call000000000001".to_owned(),
            principal: "ada@os".to_owned(),
            on_behalf_of: Some("pat".to_owned()),
            plugin: "remediation".to_owned(),
            digest: "0".to_owned(),
            tool: "tool".to_owned(),
            reason: None,
            plan: PlanFile::from(plan),
            rule: "writes-need-approval".to_owned(),
            terms: TermsFile::from(&crate::domain::decision::ApprovalTerms::default()),
            requested: "2026-11-21T02:13:07Z".to_owned(),
            expires: "2026-11-21T02:28:07Z".to_owned(),
        };
        let approval = Approval {
            request,
            request_sha256: String::new(),
            status: Status::Pending,
            answers: Vec::new(),
            missing: 1,
            note: None,
        };
        let same = ["status", "asked by", "through", "code", "requested", "expires", "needs"];
        let lines = screen(&approval);
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
                for        “pat”, as the caller says

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
                for        “pat”, as the caller says

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
                for        “pat”, as the caller says

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
                for        “pat”, as the caller says

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
            had: Vec::new(),
        });
        check(
            &delete,
            &expect![[r#"
                delete Pod shop/web-1 in prod
                object     uid u1, specification sha256:5f2a
                for        “pat”, as the caller says

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
                for        “pat”, as the caller says

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
                for        “pat”, as the caller says

                changes
                  spec.unschedulable
                  - true
                ends 0 pods
            "#]],
        );
    }
}
