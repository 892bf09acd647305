//! Workflows that a person picks and a model follows: what to look at, in which order, with which
//! tool, and what must not be done.
//!
//! This room owns the texts. It reads the cluster only to propose names while somebody fills a
//! prompt in; what is found on the way is the business of the tools.

mod place;
mod steps;

use toolgate_sdk::prelude::*;

use crate::place::{Place, Workload, checked};
use crate::steps::Runbook;

#[arguments]
struct Diagnosis {
    /// The namespace that the workload is in.
    namespace: String,
    /// The workload's name.
    workload: String,
    /// deployment (the default), statefulset or daemonset.
    kind: Option<String>,
    /// What is wrong, in your words.
    symptom: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

#[arguments]
struct Health {
    /// Leave empty for all that you may see.
    namespace: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

#[arguments]
struct Incident {
    /// What was reported, in your words.
    report: String,
    /// Leave empty if you do not know yet.
    namespace: Option<String>,
    /// How many minutes back it may have begun; 60 if you leave it empty.
    minutes: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

#[arguments]
struct Restart {
    /// The namespace that the deployment is in.
    namespace: String,
    /// The deployment to restart.
    deployment: String,
    /// Why; the approver reads it.
    reason: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

#[arguments]
struct Change {
    /// The namespace that is deployed to.
    namespace: String,
    /// The deployment that is about to change.
    deployment: String,
    /// The image that is about to be deployed.
    image: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

#[arguments]
struct Summary {
    /// The namespace that it was in.
    namespace: String,
    /// What happened, in a sentence.
    title: String,
    /// The workload that it was about.
    workload: Option<String>,
    /// How many minutes back it began; 120 if you leave it empty.
    minutes: Option<String>,
    /// Leave empty for the default cluster.
    cluster: Option<String>,
}

toolgate_sdk::prompts! {
    prompt(
        "diagnose-workload",
        "Diagnose a workload",
        "Find out why one workload does not work: status, pods, events, logs, recent changes, and a \
         cause with its evidence. Changes nothing.",
        diagnose_workload,
        complete::kubernetes
    ),
    prompt(
        "cluster-health",
        "Cluster health",
        "A round through nodes, failing pods, stuck rollouts and warnings, worst first. Changes \
         nothing.",
        cluster_health,
        complete::kubernetes
    ),
    prompt(
        "incident-triage",
        "Incident triage",
        "It is 2 a.m. and something is down: what is affected, what changed, what to do first. \
         Changes nothing without a yes.",
        incident_triage,
        complete::kubernetes
    ),
    prompt(
        "safe-restart",
        "Restart safely",
        "Restart one deployment: look first, show what it would replace, ask, follow it to its end.",
        safe_restart,
        complete::kubernetes
    ),
    prompt(
        "pre-deploy-check",
        "Check before a deployment",
        "Is now a good moment to deploy? Current rollout, failing pods, room on the nodes, recent \
         changes, and a go or no-go. Changes nothing.",
        pre_deploy_check,
        complete::kubernetes
    ),
    prompt(
        "post-incident-summary",
        "Summary after an incident",
        "A timeline from events, changes and logs, with impact, cause, and what to do so that it does \
         not happen again. Changes nothing.",
        post_incident_summary,
        complete::kubernetes
    ),
}

fn diagnose_workload(asked: Diagnosis) -> Result<String, PromptError> {
    let Diagnosis { namespace, workload, kind, symptom, cluster } = asked;
    let place = Place::new(cluster, Some(namespace))?;
    let workload = Workload::new(kind, &workload)?;
    let mut book = Runbook::new(&format!("Find out why {workload} does not work."), &place);
    book.quote("Reported", symptom.as_deref());
    book.look_only();
    book.step(format!(
        "`diagnose_workload` for {workload}: it gathers status, events, the end of \
        the last run's log and recent changes, and names a likely cause. Take it as a hypothesis."
    ));
    book.step(format!(
        "`rollout_status` for {workload} (or `list_deployments`): desired, updated, \
        ready and available replicas, and whether the rollout is complete, progressing or stuck."
    ));
    book.step(
        "`list_failing_pods` in the namespace, then `describe_pod` for the worst pod of this \
        workload: the state and last end of each container, its conditions and its events.",
    );
    book.step(
        "`get_recent_events` in the namespace: look for scheduling, image pulls, probes, \
        mounts and quota.",
    );
    book.step(
        "`get_workload_logs` (or `get_pod_logs`) of a failing pod, and with `previous` where \
        a container restarts: the last lines before it ended.",
    );
    book.step(
        "`find_recent_changes` in the namespace: what was deployed or edited shortly before \
        the first failure.",
    );
    book.step(
        "If something is refused, `check_access` says what is missing. Do not look for a way \
        around it.",
    );
    book.finish("Answer with: the cause in one sentence; the evidence, each with the tool, the object \
        and the time that it comes from; what you ruled out and how; what you could not see; and the \
        smallest change that would repair it, without making it.");
    Ok(book.write())
}

fn cluster_health(asked: Health) -> Result<String, PromptError> {
    let Health { namespace, cluster } = asked;
    let place = Place::new(cluster, namespace)?;
    let mut book = Runbook::new("Say how healthy the cluster is.", &place);
    book.look_only();
    book.step(
        "`get_node_status`: nodes that are not ready, under pressure or cordoned; for each \
        of them `describe_node`.",
    );
    book.step(
        "`top_nodes`: nodes that are nearly full, by what is used now. What is requested of a node \
        `describe_node` says.",
    );
    book.step("`list_failing_pods`: group what fails by cause, not by pod.");
    book.step(
        "`list_deployments`: rollouts that are stuck, and deployments with fewer replicas than \
        they want.",
    );
    book.step("`get_recent_events`: warnings that repeat; name the object and the count.");
    book.step("`top_pods`: the largest users of CPU and memory, where nodes are short of either.");
    book.finish("Answer with one line of verdict (healthy, degraded, failing), then a table of \
        findings, worst first: what, where, since when, how many, and what to look at next. Say which \
        of the steps you could not take.");
    Ok(book.write())
}

fn incident_triage(asked: Incident) -> Result<String, PromptError> {
    let Incident { report, namespace, minutes, cluster } = asked;
    let place = Place::new(cluster, namespace)?;
    let minutes = place::minutes(minutes.as_deref(), 60)?;
    let mut book =
        Runbook::new("Triage an incident. Be quick, be sure, and change nothing yet.", &place);
    book.quote("Reported", Some(&report));
    book.look_only();
    book.step(
        "`list_failing_pods`: what is broken now, and is it one workload, one node, one \
        namespace or everything?",
    );
    book.step(format!(
        "`find_recent_changes` of the last {minutes} minutes: what was deployed or \
        edited before it began. Most incidents follow a change."
    ));
    book.step(format!(
        "`get_recent_events`, newest first, with a `limit` that reaches back {minutes} minutes (at \
        most 500; `warnings_only` reaches further): the first warning dates the beginning."
    ));
    book.step(
        "`get_node_status`: nodes that are gone or under pressure explain many failures at once.",
    );
    book.step(
        "For the workload that most depends on: `diagnose_workload`, then `get_workload_logs` \
        (or `get_pod_logs`, with `previous` where it restarts).",
    );
    book.step(
        "`rollout_status` (or `list_deployments`) of what changed: is a rollout stuck, and is \
        the revision before it still there?",
    );
    book.finish("Answer in this order, short enough to read on a phone: what users notice; what is \
        affected and what is not; since when; the likely cause with its evidence and how sure you are; \
        one first action and its risk; who should know. If the action changes something \
        (`rollback_deployment`, `restart_deployment`, `restart_pod`, `scale_deployment`), propose \
        it and wait: call it only after the person says yes, and a second person may have to approve it.");
    Ok(book.write())
}

fn safe_restart(asked: Restart) -> Result<String, PromptError> {
    let Restart { namespace, deployment, reason, cluster } = asked;
    let place = Place::new(cluster, Some(namespace))?;
    let deployment = checked("deployment", &deployment)?;
    let mut book = Runbook::new(&format!("Restart deployment `{deployment}` safely."), &place);
    book.quote("Reason", reason.as_deref());
    book.constraint(format!(
        "Touch deployment `{deployment}` in this namespace and nothing else. A \
        name that looks alike in another namespace is another deployment."
    ));
    book.constraint(
        "Restart once. If the answer is that a person must approve, tell the user its id \
        and ask again later with exactly the same arguments: it is the same request.",
    );
    book.step(format!(
        "`list_deployments` in the namespace: is `{deployment}` there, and is its \
        rollout complete? If one is under way or stuck, stop and say so."
    ));
    book.step(
        "`list_pods` with the deployment's selector: how many replicas, how many ready. With one \
        replica say that users will notice.",
    );
    book.step(
        "`get_recent_events` in the namespace: a restart does not cure an image that cannot be \
        pulled, a missing config key or a full node. If you see one of these, stop and say so.",
    );
    book.step(
        "`get_workload_logs` (or `get_pod_logs`) of one pod: keep the last lines, since they \
        go with the pod.",
    );
    book.step("Tell the user what you found and what would be replaced, and wait for a yes.");
    book.step(format!(
        "`restart_deployment` for `{deployment}`, with the reason. Repeat the plan and \
        its warnings to the user."
    ));
    book.step(
        "`rollout_status` (or `list_deployments`) until it is complete, stuck or ten minutes have \
        gone. The restart is done when the rollout is complete, not when it was accepted.",
    );
    book.step("`list_failing_pods` in the namespace: are the new pods healthy?");
    book.finish(
        "Answer with what was restarted, when, by whom it was approved, how long it took, and \
        whether the reason for it is gone. If the rollout is stuck, show why and propose \
        `rollback_deployment`; do not call it.",
    );
    Ok(book.write())
}

fn pre_deploy_check(asked: Change) -> Result<String, PromptError> {
    let Change { namespace, deployment, image, cluster } = asked;
    let place = Place::new(cluster, Some(namespace))?;
    let deployment = checked("deployment", &deployment)?;
    let mut book = Runbook::new(
        &format!("Say whether deployment `{deployment}` can be deployed now."),
        &place,
    );
    book.quote("Image to be deployed", image.as_deref());
    book.look_only();
    book.step(format!(
        "`rollout_status` of `{deployment}` (or `list_deployments`): complete, not \
        paused, every replica available. Note the revision and the image that run now."
    ));
    book.step(
        "`list_failing_pods` in the namespace: a deployment on top of a failure hides its cause.",
    );
    book.step("`find_recent_changes` in the namespace, last 60 minutes: is somebody else at work?");
    book.step("`get_recent_events` in the namespace: quota, scheduling, probes.");
    book.step(
        "`get_node_status`, then `describe_node` of the nodes that its pods may run on: do their \
        requests leave room for the surge of a rolling update? `top_nodes` shows what is used now, \
        which is not what decides.",
    );
    book.step(format!(
        "`get_resource` of `{deployment}`: strategy, replicas, probes, requests and \
        limits. No readiness probe, or one replica, means that users notice."
    ));
    book.step(
        "`list_resources` of kind PodDisruptionBudget and HorizontalPodAutoscaler in the \
        namespace: do they fit the replicas?",
    );
    book.finish("Answer with GO, GO WITH CARE or NO GO, then the reasons, each with its evidence; what \
        to watch during the rollout and the value at which to stop; and how to go back: the revision \
        to return to.");
    Ok(book.write())
}

fn post_incident_summary(asked: Summary) -> Result<String, PromptError> {
    let Summary { namespace, title, workload, minutes, cluster } = asked;
    let place = Place::new(cluster, Some(namespace))?;
    let minutes = place::minutes(minutes.as_deref(), 120)?;
    let workload = workload.map(|name| checked("workload", &name)).transpose()?;
    let mut book = Runbook::new("Write the summary of an incident that is over.", &place);
    book.quote("Incident", Some(&title));
    if let Some(workload) = &workload {
        book.fact("Workload", &format!("`{workload}`"));
    }
    book.look_only();
    let of = workload.map_or_else(String::new, |name| format!(" of `{name}`"));
    book.step(format!(
        "`get_recent_events` with `warnings_only` and a `limit` that reaches back {minutes} minutes \
        (at most 500): the first and the last warning, with their times."
    ));
    book.step(format!(
        "`find_recent_changes` of the last {minutes} minutes: deployments, edits and \
        restarts, with who and when."
    ));
    book.step(format!("`rollout_status`{of} (or `list_deployments`): revisions and their times."));
    book.step(format!(
        "`get_workload_logs`{of} (or `get_pod_logs`, with `previous`): the first \
        error, in its own words."
    ));
    book.step("`list_failing_pods` in the namespace: is it over? If not, say so first.");
    book.finish(
        "Answer in Markdown: Summary (three sentences) · Impact (who, what, how long) · \
        Timeline (UTC, one line each, with its source) · Cause and contributing causes, marked as \
        proven or supposed · What went well, what did not · Actions (each with what it prevents). \
        Blame no person. Write \"unknown\" where there is no evidence: Kubernetes keeps \
        events for about an hour, so earlier ones may be gone.",
    );
    Ok(book.write())
}

#[cfg(test)]
mod tests;
