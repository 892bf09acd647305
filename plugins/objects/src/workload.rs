//! Cells of what runs: pods, workloads, jobs, autoscalers, disruption budgets.

use toolgate_sdk::object::{Clock, Fields as _, seconds};
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::{duration, one_line};

use crate::cluster::{joined, number};

pub(crate) fn pod_ready(v: &Value, _: &Clock) -> String {
    let containers = v.items("status.containerStatuses");
    let n_ready = containers.iter().filter(|container| container.flag("ready")).count();
    // Before the kubelet reports, there are containers without a status.
    format!("{n_ready}/{}", containers.len().max(v.items("spec.containers").len()))
}

/// The word for the pod's state: that of the container which is worst off, before the phase.
pub(crate) fn pod_status(v: &Value, _: &Clock) -> String {
    if !v.text("metadata.deletionTimestamp").is_empty() {
        return "Terminating".to_owned();
    }
    let why = v.text("status.reason");
    let phase = if why.is_empty() { v.text("status.phase") } else { why };
    if phase == "Evicted" {
        return phase.to_owned();
    }
    let init = v.items("status.initContainerStatuses");
    let blocking = init.iter().enumerate().find_map(|(i, container)| {
        let trouble = trouble(container)?;
        Some(match trouble {
            "" | "PodInitializing" => format!("Init:{i}/{}", init.len()),
            reason => format!("Init:{reason}"),
        })
    });
    if let Some(status) = blocking {
        return status;
    }
    let main = v.items("status.containerStatuses");
    let waiting = main.iter().map(|c| c.text("state.waiting.reason")).find(|r| !r.is_empty());
    let ended = main.iter().find_map(ended);
    match (waiting, ended) {
        (Some(reason), _) => reason.to_owned(),
        (None, Some(reason)) if phase != "Succeeded" => reason,
        _ if phase == "Running" && main.iter().any(|c| !c.flag("ready")) => "NotReady".to_owned(),
        _ if phase == "Succeeded" => "Completed".to_owned(),
        _ => phase.to_owned(),
    }
}

/// Why an init container holds the pod up; none if it does not.
fn trouble(container: &Value) -> Option<&str> {
    // A sidecar is done once it runs.
    if container.flag("started") && !container.at("state.running").is_null() {
        return None;
    }
    if let ended @ Value::Object(_) = container.at("state.terminated") {
        let reason = ended.text("reason");
        return (ended.int("exitCode") != Some(0)).then_some(if reason.is_empty() {
            "Error"
        } else {
            reason
        });
    }
    Some(container.text("state.waiting.reason"))
}

fn ended(container: &Value) -> Option<String> {
    let ended = container.at("state.terminated");
    if ended.is_null() {
        return None;
    }
    Some(match (ended.text("reason"), ended.int("exitCode")) {
        ("", Some(code)) => format!("ExitCode:{code}"),
        ("", None) => "Error".to_owned(),
        (reason, _) => reason.to_owned(),
    })
}

/// `12 (3m12s ago)`
pub(crate) fn pod_restarts(v: &Value, clock: &Clock) -> String {
    let containers = v.items("status.containerStatuses");
    let count = containers
        .iter()
        .filter_map(|container| container.int("restartCount"))
        .fold(0_i64, i64::saturating_add);
    let last = containers
        .iter()
        .filter_map(|c| clock.age_s(c.text("lastState.terminated.finishedAt")))
        .min();
    match last {
        Some(age_s) if count > 0 => format!("{count} ({} ago)", duration(age_s)),
        _ => count.to_string(),
    }
}

pub(crate) fn replicas_ready(v: &Value, _: &Clock) -> String {
    // Without a number there is one.
    let desired = v.int("spec.replicas").unwrap_or(1);
    format!("{}/{desired}", number(v, "status.readyReplicas"))
}

pub(crate) fn images(v: &Value, _: &Clock) -> String {
    let containers = v.items("spec.template.spec.containers").iter();
    joined(&containers.map(|container| container.text("image").to_owned()).collect::<Vec<_>>())
}

pub(crate) fn suspended(v: &Value, _: &Clock) -> String {
    v.flag("spec.suspend").to_string()
}

pub(crate) fn job_status(v: &Value, _: &Clock) -> String {
    let ended = v.items("status.conditions").iter().find(|condition| {
        matches!(condition.text("type"), "Complete" | "Failed")
            && condition.text("status") == "True"
    });
    match ended {
        Some(condition) if condition.text("type") == "Failed" => {
            format!("Failed: {}", condition.text("reason"))
        }
        Some(_) => "Complete".to_owned(),
        None if v.flag("spec.suspend") => "Suspended".to_owned(),
        None => "Running".to_owned(),
    }
}

pub(crate) fn job_completions(v: &Value, _: &Clock) -> String {
    let wanted = v.int("spec.completions").map_or_else(|| "1".to_owned(), |n| n.to_string());
    format!("{}/{wanted}", number(v, "status.succeeded"))
}

pub(crate) fn job_duration(v: &Value, clock: &Clock) -> String {
    let started = v.text("status.startTime");
    let ended = v.text("status.completionTime");
    match (seconds(started), seconds(ended)) {
        (Some(from), Some(to)) => duration(u64::try_from(to.saturating_sub(from)).unwrap_or(0)),
        (Some(_), None) => clock.age(started),
        (None, _) => String::new(),
    }
}

pub(crate) fn cron_job_active(v: &Value, _: &Clock) -> String {
    v.items("status.active").len().to_string()
}

pub(crate) fn scale_target(v: &Value, _: &Clock) -> String {
    let target = v.at("spec.scaleTargetRef");
    format!("{}/{}", target.text("kind"), target.text("name"))
}

/// What keeps an autoscaler from scaling.
pub(crate) fn autoscaler_problem(v: &Value, _: &Clock) -> String {
    let bad = v.items("status.conditions").iter().find(|condition| {
        let good = if condition.text("type") == "ScalingLimited" { "False" } else { "True" };
        !condition.text("status").is_empty() && condition.text("status") != good
    });
    bad.map_or_else(String::new, |condition| {
        one_line(&format!("{}: {}", condition.text("reason"), condition.text("message")))
    })
}

pub(crate) fn budget_healthy(v: &Value, _: &Clock) -> String {
    format!("{}/{}", number(v, "status.currentHealthy"), number(v, "status.expectedPods"))
}
