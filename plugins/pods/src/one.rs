//! One pod, closely.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use toolgate_sdk::kubernetes_events::{Event, EventList, EventQuery};
use toolgate_sdk::kubernetes_read::{Container, ContainerState, Pod, Quantity};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::Error;

use crate::diagnosis::{Finding, diagnose, ending};
use crate::facts::{PodFacts, problem, ready, restarts_text};

/// Events at the end of a description: the rest is what `get_recent_events` is for.
const EVENTS_MAX: u32 = 20;

#[arguments]
pub(crate) struct Args {
    pod_name: String,
    namespace: String,
    cluster: Option<String>,
}

#[output]
pub(crate) struct EventRow {
    #[serde(rename = "type")]
    severity: String,
    reason: String,
    message: String,
    count: u32,
    last_timestamp: String,
}

#[output]
pub(crate) struct Description {
    /// As `get_pod_status` returns it.
    // Said once: twice, it would be a tenth of what all tools cost a client.
    #[schemars(with = "BTreeMap<String, toolgate_sdk::serde_json::Value>")]
    pod: PodFacts,
    owner: Option<String>,
    pod_ip: Option<String>,
    qos_class: Option<String>,
    labels: BTreeMap<String, String>,
    // Newest first; none if they could not be read.
    events: Option<Vec<EventRow>>,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every tool")]
pub(crate) fn get_pod_status(args: Args) -> Result<Reply<PodFacts>, ToolError> {
    let pod = kubernetes_read::get_pod(args.cluster.as_deref(), &args.namespace, &args.pod_name)?;
    Ok(status(&pod))
}

pub(crate) fn describe_pod(args: Args) -> Result<Reply<Description>, ToolError> {
    let pod = kubernetes_read::get_pod(args.cluster.as_deref(), &args.namespace, &args.pod_name)?;
    let events = kubernetes_events::list(&EventQuery {
        cluster: args.cluster,
        namespace: Some(args.namespace),
        involved_kind: Some("Pod".to_owned()),
        involved_name: Some(args.pod_name),
        warnings_only: false,
        limit: Some(EVENTS_MAX),
    });
    Ok(description(&pod, events))
}

fn status(pod: &Pod) -> Reply<PodFacts> {
    let finding = diagnose(pod);
    let mut text = summary(pod, finding.as_ref());
    let mut table = Table::new(&["CONTAINER", "READY", "RESTARTS", "STATE", "LAST TERMINATION"]);
    for container in &pod.containers {
        table.row([
            name(container),
            container.ready.to_string(),
            container.restart_count.to_string(),
            state(container),
            container.last_termination.as_ref().map_or_else(|| "-".to_owned(), ending),
        ]);
    }
    let _ = write!(text, "\n{table}\n\n{}", conditions(pod));
    Reply::new(text, PodFacts::new(pod, finding.as_ref())).truncated(table.left_out() > 0)
}

/// An error of the events does not hide the pod: it is said in their place.
fn description(pod: &Pod, events: Result<EventList, Error>) -> Reply<Description> {
    let finding = diagnose(pod);
    let mut text = summary(pod, finding.as_ref());
    let owner = pod.owner.as_ref().map(|owner| format!("{}/{}", owner.kind, owner.name));
    let labels: BTreeMap<String, String> =
        pod.labels.iter().map(|label| (label.key.clone(), label.value.clone())).collect();
    line(&mut text, "Created", &format!("{} ({} ago)", pod.created.at, age(&pod.created)));
    line(&mut text, "Controlled by", owner.as_deref().unwrap_or("<none>"));
    for (label, value) in [
        ("Pod IP", &pod.pod_ip),
        ("Host IP", &pod.host_ip),
        ("QoS class", &pod.qos_class),
        ("Service account", &pod.service_account),
    ] {
        if let Some(value) = value {
            line(&mut text, label, value);
        }
    }
    if !labels.is_empty() {
        let pairs: Vec<String> =
            labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        line(&mut text, "Labels", &pairs.join(", "));
    }
    text.push_str("\nContainers:\n");
    for container in &pod.containers {
        describe_container(&mut text, container);
    }
    let _ = write!(text, "\nConditions:\n{}\n\n", conditions(pod));
    let (events, truncated) = match events {
        Ok(list) => {
            text.push_str(&events_section(&list));
            let truncated = list.truncated || n_of(&list.events) < list.total;
            (Some(list.events.into_iter().map(EventRow::new).collect()), truncated)
        }
        Err(error) => {
            let why = ToolError::from(error).reason();
            let _ = write!(text, "Events: could not be read: {why}");
            (None, false)
        }
    };
    let structured = Description {
        pod: PodFacts::new(pod, finding.as_ref()),
        owner,
        pod_ip: pod.pod_ip.clone(),
        qos_class: pod.qos_class.clone(),
        labels,
        events,
    };
    Reply::new(text, structured).truncated(truncated)
}

fn summary(pod: &Pod, finding: Option<&Finding>) -> String {
    let mut text = String::new();
    line(&mut text, "Pod", &format!("{}/{}", pod.namespace, pod.name));
    let deleting = if pod.deleting { ", being deleted" } else { "" };
    let status = format!("{} (phase {}{deleting})", pod.status, pod.phase);
    line(&mut text, "Status", &status);
    if let Some(finding) = finding {
        line(&mut text, "Problem", &problem(finding));
    }
    if let Some(reason) = &pod.reason {
        let message = pod.message.as_deref().unwrap_or_default();
        line(&mut text, "Reason", &format!("{reason} {message}"));
    }
    let counts =
        format!("{}, restarts {}, age {}", ready(pod), restarts_text(pod), age(&pod.created));
    line(&mut text, "Ready", &counts);
    line(&mut text, "Node", pod.node.as_deref().unwrap_or("<none>"));
    text
}

/// `Label:          value`, on one line whatever the value holds.
fn line(text: &mut String, label: &str, value: &str) {
    let label = format!("{label}:");
    let _ = writeln!(text, "{label:<17}{}", one_line(value));
}

fn name(container: &Container) -> String {
    if container.init { format!("{} (init)", container.name) } else { container.name.clone() }
}

fn state(container: &Container) -> String {
    match &container.state {
        ContainerState::Waiting(waiting) => match &waiting.message {
            Some(message) => format!("waiting, {}: {message}", waiting.reason),
            None => format!("waiting, {}", waiting.reason),
        },
        ContainerState::Running(started) => format!("running for {}", age(started)),
        ContainerState::Terminated(ended) => match &ended.message {
            Some(message) => format!("terminated, {}: {message}", ending(ended)),
            None => format!("terminated, {}", ending(ended)),
        },
        ContainerState::Unknown => "unknown".to_owned(),
    }
}

fn describe_container(text: &mut String, container: &Container) {
    let _ = writeln!(text, "  {}:", one_line(&name(container)));
    let mut field = |label: &str, value: &str| {
        text.push_str("    ");
        line(text, label, value);
    };
    field("Image", &container.image);
    field("State", &state(container));
    if let Some(ended) = &container.last_termination {
        let message = ended.message.as_deref().unwrap_or_default();
        field("Last run", &format!("{} {message}", ending(ended)));
    }
    field("Ready", &container.ready.to_string());
    field("Restarts", &container.restart_count.to_string());
    for (label, quantities) in [("Requests", &container.requests), ("Limits", &container.limits)] {
        if !quantities.is_empty() {
            field(label, &amounts(quantities));
        }
    }
}

fn amounts(quantities: &[Quantity]) -> String {
    let amounts: Vec<String> = quantities
        .iter()
        .map(|quantity| format!("{} {}", quantity.resource, quantity.amount))
        .collect();
    amounts.join(", ")
}

fn conditions(pod: &Pod) -> Table {
    let mut table = Table::new(&["CONDITION", "STATUS", "SINCE", "REASON", "MESSAGE"]);
    for condition in &pod.conditions {
        table.row([
            condition.kind.as_str(),
            &condition.status,
            &condition.changed.as_ref().map_or_else(|| "-".to_owned(), age),
            condition.reason.as_deref().unwrap_or("-"),
            condition.message.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

fn events_section(list: &EventList) -> String {
    if list.events.is_empty() {
        return "Events: none (the cluster forgets them, by default after an hour)".to_owned();
    }
    let more = if list.truncated { " or more" } else { "" };
    let mut table = Table::new(&["LAST SEEN", "TYPE", "REASON", "COUNT", "MESSAGE"]);
    for event in &list.events {
        table.row([
            format!("{} ago", age(&event.last_seen)),
            event.severity.clone(),
            event.reason.clone(),
            event.count.to_string(),
            event.message.clone(),
        ]);
    }
    let shown = list.events.len();
    format!("Events, newest first, {shown} of {}{more}:\n{table}", list.total)
}

fn n_of(events: &[Event]) -> u32 {
    u32::try_from(events.len()).unwrap_or(u32::MAX)
}

impl EventRow {
    fn new(event: Event) -> Self {
        Self {
            severity: event.severity,
            reason: event.reason,
            message: event.message,
            count: event.count,
            last_timestamp: event.last_seen.at,
        }
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::kubernetes_read::Owner;
    use toolgate_sdk::types::Label;

    use super::*;
    use crate::sample::{ago, condition, container, ended, pod, restarted, waiting};

    fn crashing() -> Pod {
        let app = container("app", waiting("CrashLoopBackOff", Some("back-off\n5m0s")));
        let mut found = pod("Running", vec![restarted(app, 12, ended(137, "OOMKilled", 192))]);
        found.status = "CrashLoopBackOff".to_owned();
        found.owner =
            Some(Owner { kind: "ReplicaSet".to_owned(), name: "web-7d9c5b7f6".to_owned() });
        found.labels = vec![Label { key: "app".to_owned(), value: "web".to_owned() }];
        found.qos_class = Some("Burstable".to_owned());
        found.containers[0].limits =
            vec![Quantity { resource: "memory".to_owned(), amount: "64Mi".to_owned() }];
        found.conditions.push(condition("Ready", "False", "ContainersNotReady", 192));
        found
    }

    fn back_off() -> EventList {
        let event = Event {
            namespace: "shop".to_owned(),
            severity: "Warning".to_owned(),
            reason: "BackOff".to_owned(),
            message: "Back-off restarting failed container".to_owned(),
            involved_kind: "Pod".to_owned(),
            involved_name: "web-7d9c5b7f6-x2x4q".to_owned(),
            count: 40,
            last_seen: ago(61),
            first_seen: None,
            source: "kubelet".to_owned(),
        };
        EventList { events: vec![event], total: 3, truncated: false }
    }

    #[test]
    fn shows_the_status_of_a_pod() {
        let reply = status(&crashing());
        assert!(reply.structured.failing);
        expect![[r#"
            Pod:             shop/web-7d9c5b7f6-x2x4q
            Status:          CrashLoopBackOff (phase Running)
            Problem:         CrashLoopBackOff: container `app`: last run: exit code 137 (OOMKilled) 3m12s ago; back-off 5m0s
            Ready:           0/1, restarts 12 (3m12s ago), age 60m
            Node:            node-1

            CONTAINER   READY   RESTARTS   STATE                                      LAST TERMINATION
            app         false   12         waiting, CrashLoopBackOff: back-off 5m0s   exit code 137 (OOMKilled) 3m12s ago

            CONDITION      STATUS   SINCE   REASON               MESSAGE
            PodScheduled   True     60m     -
            Ready          False    3m12s   ContainersNotReady"#]].assert_eq(&reply.text);
    }

    #[allow(clippy::too_many_lines, reason = "a snapshot")]
    #[test]
    fn describes_a_pod_with_its_events() {
        let reply = description(&crashing(), Ok(back_off()));
        assert!(reply.truncated, "two events are missing");
        expect![[r#"
            Pod:             shop/web-7d9c5b7f6-x2x4q
            Status:          CrashLoopBackOff (phase Running)
            Problem:         CrashLoopBackOff: container `app`: last run: exit code 137 (OOMKilled) 3m12s ago; back-off 5m0s
            Ready:           0/1, restarts 12 (3m12s ago), age 60m
            Node:            node-1
            Created:         2026-11-21T02:13:07Z (60m ago)
            Controlled by:   ReplicaSet/web-7d9c5b7f6
            QoS class:       Burstable
            Labels:          app=web

            Containers:
              app:
                Image:           example.org/app:1
                State:           waiting, CrashLoopBackOff: back-off 5m0s
                Last run:        exit code 137 (OOMKilled) 3m12s ago
                Ready:           false
                Restarts:        12
                Limits:          memory 64Mi

            Conditions:
            CONDITION      STATUS   SINCE   REASON               MESSAGE
            PodScheduled   True     60m     -
            Ready          False    3m12s   ContainersNotReady

            Events, newest first, 1 of 3:
            LAST SEEN   TYPE      REASON    COUNT   MESSAGE
            61s ago     Warning   BackOff   40      Back-off restarting failed container"#]].assert_eq(&reply.text);
        expect![[r#"
            {
              "pod": {
                "namespace": "shop",
                "name": "web-7d9c5b7f6-x2x4q",
                "phase": "Running",
                "status": "CrashLoopBackOff",
                "failing": true,
                "problem": "CrashLoopBackOff: container `app`: last run: exit code 137 (OOMKilled) 3m12s ago; back-off 5m0s",
                "node": "node-1",
                "created": "2026-11-21T02:13:07Z",
                "conditions": [
                  {
                    "type": "PodScheduled",
                    "status": "True",
                    "reason": null,
                    "message": null,
                    "since": "2026-11-21T02:13:07Z"
                  },
                  {
                    "type": "Ready",
                    "status": "False",
                    "reason": "ContainersNotReady",
                    "message": null,
                    "since": "2026-11-21T02:13:07Z"
                  }
                ],
                "containers": [
                  {
                    "name": "app",
                    "init": false,
                    "image": "example.org/app:1",
                    "ready": false,
                    "restart_count": 12,
                    "state": "waiting",
                    "reason": "CrashLoopBackOff",
                    "message": "back-off\n5m0s",
                    "exit_code": null,
                    "since": null,
                    "last_termination": {
                      "reason": "OOMKilled",
                      "exit_code": 137,
                      "finished": "2026-11-21T02:13:07Z"
                    }
                  }
                ]
              },
              "owner": "ReplicaSet/web-7d9c5b7f6",
              "pod_ip": null,
              "qos_class": "Burstable",
              "labels": {
                "app": "web"
              },
              "events": [
                {
                  "type": "Warning",
                  "reason": "BackOff",
                  "message": "Back-off restarting failed container",
                  "count": 40,
                  "last_timestamp": "2026-11-21T02:13:07Z"
                }
              ]
            }"#]].assert_eq(&serde_json_of(&reply.structured));
    }

    #[test]
    fn describes_a_pod_whose_events_may_not_be_read() {
        let denied = Error::Denied("`kubernetes-events` does not cover `shop`".to_owned());
        let reply = description(&crashing(), Err(denied));
        assert!(reply.structured.events.is_none());
        assert_eq!(
            reply.text.lines().last(),
            Some("Events: could not be read: denied: `kubernetes-events` does not cover `shop`")
        );
    }

    fn serde_json_of(description: &Description) -> String {
        toolgate_sdk::serde_json::to_string_pretty(description).unwrap()
    }
}
