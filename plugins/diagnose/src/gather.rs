//! Asks the host for the facts. What cannot be read is noted and left out; only the object itself
//! has to be there.

use toolgate_sdk::kubernetes_events::{self, Event, EventQuery};
use toolgate_sdk::kubernetes_logs::{self, LogQuery};
use toolgate_sdk::kubernetes_read::{self, Container, Pod};
use toolgate_sdk::object::{self, Clock, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;
use toolgate_sdk::types::{Error, WorkloadKind};

use crate::facts::{Facts, Kind, Log, crashed, running_s, waiting, works};
use crate::leftover::is_leftover;

/// Pods that are looked at: a few show what all have.
const PODS_MAX: usize = 250;
/// Pods whose events are read one by one.
const EVENT_PODS_MAX: usize = 4;
const LOGS_MAX: usize = 4;
const LOG_LINES: u32 = 40;
const LEAVING_MAX: usize = 3;
const SERVICES_MAX: usize = 3;
const OBJECTS_MAX: usize = 500;

pub(crate) fn gather(
    cluster: Option<&str>,
    kind: Kind,
    namespace: &str,
    name: &str,
) -> Result<Facts, ToolError> {
    let object = object::get(cluster, qualified(kind), Some(namespace), name, &[])?;
    let template = if kind == Kind::Pod { &object } else { object.at("spec.template") };
    let (spec, labels) = (template.at("spec").clone(), template.at("metadata.labels").clone());
    let asked = Asked { cluster, kind, namespace, name };
    let mut gaps = Vec::new();
    let (rollout, mut history) = asked.rollout(&mut gaps);
    let mut pods = asked.pods(&object, &mut gaps);
    if let (Kind::Pod, Some(pod)) = (kind, pods.first()) {
        history = asked.history_of(pod, &mut gaps);
    }
    // Those that do not work first, and what was replaced last: so they are looked at closely.
    let is_leftover = |pod: &&Pod| is_leftover(kind, &object, &pods, pod);
    let leftovers: Vec<String> = pods.iter().filter(is_leftover).map(|p| p.uid.clone()).collect();
    pods.sort_by_key(|pod| (leftovers.contains(&pod.uid), works(pod)));
    let leaving = asked.leaving(&pods);
    let events = asked.events(&pods, &mut gaps);
    let logs = asked.logs(&pods, &mut gaps);
    let (services, slices) = asked.services(&labels, &mut gaps);
    let claims = asked.claims(&object, &spec, &pods, &mut gaps);
    let quotas = asked.list("ResourceQuota", &["status"], &mut gaps);
    Ok(Facts {
        kind,
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        clock: Clock::read()?,
        object,
        spec,
        labels,
        rollout,
        history,
        pods,
        leaving,
        events,
        logs,
        services,
        slices,
        claims,
        quotas,
        gaps,
    })
}

fn qualified(kind: Kind) -> &'static str {
    match kind {
        Kind::Deployment => "Deployment.apps",
        Kind::StatefulSet => "StatefulSet.apps",
        Kind::DaemonSet => "DaemonSet.apps",
        Kind::Job => "Job.batch",
        Kind::Pod => "Pod",
    }
}

type Gaps = Vec<(String, String)>;

/// Notes what could not be read, once.
fn note(gaps: &mut Gaps, what: &str, error: Error) {
    if gaps.iter().all(|(known, _)| known != what) {
        gaps.push((what.to_owned(), ToolError::from(error).reason()));
    }
}

struct Asked<'a> {
    cluster: Option<&'a str>,
    kind: Kind,
    namespace: &'a str,
    name: &'a str,
}

impl Asked<'_> {
    fn rollout(&self, gaps: &mut Gaps) -> (Option<types::Rollout>, Vec<kubernetes_read::Revision>) {
        let kind = match self.kind {
            Kind::Deployment => WorkloadKind::Deployment,
            Kind::StatefulSet => WorkloadKind::StatefulSet,
            Kind::DaemonSet => WorkloadKind::DaemonSet,
            Kind::Job | Kind::Pod => return (None, Vec::new()),
        };
        let Self { cluster, namespace, name, .. } = *self;
        let rollout = kubernetes_read::rollout_status(cluster, kind, namespace, name)
            .map_err(|error| note(gaps, "rollout", error));
        let history = kubernetes_read::rollout_history(cluster, kind, namespace, name)
            .map_err(|error| note(gaps, "revisions", error));
        (rollout.ok(), history.unwrap_or_default())
    }

    /// The revisions of what made a pod, so that a pod that is asked about by its name is seen as one
    /// of a rollout.
    fn history_of(&self, pod: &Pod, gaps: &mut Gaps) -> Vec<kubernetes_read::Revision> {
        let Some((kind, name)) = made_by(pod) else { return Vec::new() };
        match kubernetes_read::rollout_history(self.cluster, kind, self.namespace, name) {
            Ok(history) => history,
            // Of a replica set without a deployment.
            Err(Error::NotFound(_)) => Vec::new(),
            Err(error) => {
                note(gaps, "revisions", error);
                Vec::new()
            }
        }
    }

    fn pods(&self, object: &Value, gaps: &mut Gaps) -> Vec<Pod> {
        let found = if self.kind == Kind::Pod {
            kubernetes_read::get_pod(self.cluster, self.namespace, self.name).map(|pod| vec![pod])
        } else {
            let selector = selector(object.at("spec.selector"));
            // Without a selector this would be every pod of the namespace.
            if selector.is_empty() {
                return Vec::new();
            }
            let query = pages::query(
                self.cluster.map(str::to_owned),
                Some(self.namespace.to_owned()),
                Some(selector),
            );
            pages::all(pages::pods(query, PODS_MAX)).map(|(mut pods, _)| {
                pods.retain(|pod| is_of(self.kind, self.name, pod));
                pods
            })
        };
        found.unwrap_or_else(|error| {
            note(gaps, "Pod", error);
            Vec::new()
        })
    }

    fn leaving(&self, pods: &[Pod]) -> Vec<Value> {
        let leaving = pods.iter().filter(|pod| pod.deleting).take(LEAVING_MAX);
        leaving
            .filter_map(|pod| {
                let fields = ["metadata.finalizers", "metadata.deletionTimestamp"];
                object::get(self.cluster, "Pod", Some(self.namespace), &pod.name, &fields).ok()
            })
            .collect()
    }

    fn events(&self, pods: &[Pod], gaps: &mut Gaps) -> Vec<Event> {
        let mut events = Vec::new();
        let mut read = |kind: &str, name: Option<&str>, limit| {
            let query = EventQuery {
                cluster: self.cluster.map(str::to_owned),
                namespace: Some(self.namespace.to_owned()),
                involved_kind: Some(kind.to_owned()),
                involved_name: name.map(str::to_owned),
                warnings_only: false,
                limit: Some(limit),
            };
            match kubernetes_events::list(&query) {
                Ok(list) => events.extend(list.events),
                Err(error) => note(gaps, &format!("events of {kind}s"), error),
            }
        };
        for pod in pods.iter().take(EVENT_PODS_MAX) {
            read("Pod", Some(&pod.name), 50);
        }
        if self.kind != Kind::Pod {
            read(self.kind.word(), Some(self.name), 50);
        }
        if self.kind == Kind::Deployment {
            read("ReplicaSet", None, 100);
        }
        if pods.iter().any(|pod| pod.phase == "Pending") {
            read("PersistentVolumeClaim", None, 50);
        }
        events.retain(|event| {
            event.involved_kind != "ReplicaSet"
                || deployment_of(&event.involved_name) == Some(self.name)
        });
        events.sort_by_key(|event| event.last_seen.age_s);
        events
    }

    fn logs(&self, pods: &[Pod], gaps: &mut Gaps) -> Vec<Log> {
        let mut wanted: Vec<(&Pod, &Container, bool)> = Vec::new();
        for pod in pods {
            for container in &pod.containers {
                let known = wanted.iter().any(|(_, other, _)| other.name == container.name);
                if let (false, Some(previous)) = (known, run_of_interest(container)) {
                    wanted.push((pod, container, previous));
                }
            }
        }
        let mut logs = Vec::new();
        for (pod, container, previous) in wanted.into_iter().take(LOGS_MAX) {
            let query = LogQuery {
                cluster: self.cluster.map(str::to_owned),
                namespace: self.namespace.to_owned(),
                pod: pod.name.clone(),
                container: Some(container.name.clone()),
                previous,
                tail_lines: Some(LOG_LINES),
                since_s: None,
                timestamps: false,
            };
            match kubernetes_logs::read(&query) {
                Ok(log) => logs.push(Log {
                    pod: pod.name.clone(),
                    container: container.name.clone(),
                    previous,
                    lines: log.lines,
                }),
                Err(error) => note(gaps, "logs", error),
            }
        }
        logs
    }

    fn list(&self, kind: &str, fields: &[&str], gaps: &mut Gaps) -> Vec<Value> {
        match object::list(self.cluster, kind, Some(self.namespace), fields, OBJECTS_MAX) {
            Ok((objects, _)) => objects,
            Err(error) => {
                let word = kind.split('.').next().unwrap_or(kind);
                note(gaps, word, error);
                Vec::new()
            }
        }
    }

    fn services(&self, labels: &Value, gaps: &mut Gaps) -> (Vec<Value>, Vec<Value>) {
        let mut services = self.list("Service", &["spec"], gaps);
        services.retain(|service| {
            let mut selector = service.entries("spec.selector").peekable();
            let selects =
                selector.peek().is_some() && selector.all(|(key, value)| labels.key(key) == value);
            selects || service.text("metadata.name") == self.name
        });
        services.truncate(SERVICES_MAX);
        let fields = ["metadata.labels", "endpoints.conditions"];
        let mut slices = Vec::new();
        for service in &services {
            let name = service.text("metadata.name");
            let mut query = object::query(
                self.cluster,
                "EndpointSlice.discovery.k8s.io",
                Some(self.namespace),
                &fields,
            );
            query.label_selector = Some(format!("kubernetes.io/service-name={name}"));
            match pages::all(pages::objects(query, OBJECTS_MAX)) {
                Ok((found, _)) => slices.extend(found),
                Err(error) => note(gaps, "EndpointSlice", error),
            }
        }
        (services, slices)
    }

    fn claims(&self, object: &Value, spec: &Value, pods: &[Pod], gaps: &mut Gaps) -> Vec<Value> {
        let mut names: Vec<String> = spec
            .items("volumes")
            .iter()
            .map(|volume| volume.text("persistentVolumeClaim.claimName").to_owned())
            .filter(|name| !name.is_empty())
            .collect();
        for template in object.items("spec.volumeClaimTemplates") {
            let template = template.text("metadata.name");
            names.extend(pods.iter().map(|pod| format!("{template}-{}", pod.name)));
        }
        if names.is_empty() {
            return Vec::new();
        }
        let fields = ["spec.storageClassName", "status.phase"];
        let mut claims = self.list("PersistentVolumeClaim", &fields, gaps);
        claims.retain(|claim| names.iter().any(|name| name == claim.text("metadata.name")));
        claims
    }
}

/// Whether a container's log is of interest, and of which run: the previous one?
fn run_of_interest(container: &Container) -> Option<bool> {
    if crashed(container).is_some() {
        // The log of a run that has ended and was not followed by another is the current one.
        let restarted = waiting(container).is_some() || running_s(container).is_some();
        return Some(restarted);
    }
    if running_s(container).is_some() && container.last_termination.is_some() {
        return Some(true);
    }
    (running_s(container).is_some() && !container.ready).then_some(false)
}

/// The workload that a pod is of, where it is one that keeps revisions. A deployment calls its replica
/// sets by its own name and the hash that their pods have as a label.
fn made_by(pod: &Pod) -> Option<(WorkloadKind, &str)> {
    let owner = pod.owner.as_ref()?;
    match owner.kind.as_str() {
        "StatefulSet" => Some((WorkloadKind::StatefulSet, &owner.name)),
        "DaemonSet" => Some((WorkloadKind::DaemonSet, &owner.name)),
        "ReplicaSet" => {
            let hash = pod.labels.iter().find(|label| label.key == "pod-template-hash")?;
            let name = owner.name.strip_suffix(&hash.value)?.strip_suffix('-')?;
            Some((WorkloadKind::Deployment, name))
        }
        _ => None,
    }
}

/// Whether the pod is one of the workload's: a selector alone also matches pods of another workload
/// that has the same labels and more.
fn is_of(kind: Kind, name: &str, pod: &Pod) -> bool {
    let Some(owner) = &pod.owner else { return false };
    match kind {
        Kind::Deployment => owner.kind == "ReplicaSet" && deployment_of(&owner.name) == Some(name),
        Kind::StatefulSet | Kind::DaemonSet | Kind::Job => {
            owner.kind == kind.word() && owner.name == name
        }
        Kind::Pod => pod.name == name,
    }
}

/// The deployment that a replica set is named after. The hash behind it has no hyphen.
fn deployment_of(replica_set: &str) -> Option<&str> {
    replica_set.rsplit_once('-').map(|(deployment, _)| deployment)
}

/// A label selector as text.
pub(crate) fn selector(selector: &Value) -> String {
    let mut parts: Vec<String> = selector
        .entries("matchLabels")
        .map(|(key, value)| format!("{key}={}", scalar(value)))
        .collect();
    for expression in selector.items("matchExpressions") {
        let key = expression.text("key");
        let values: Vec<String> = expression.items("values").iter().map(scalar).collect();
        let values = values.join(",");
        parts.push(match expression.text("operator") {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use toolgate_sdk::serde_json::json;

    use toolgate_sdk::kubernetes_read::Owner;
    use toolgate_sdk::types::Label;

    use super::*;
    use crate::sample;

    /// What made a pod whose owner and hash are these.
    fn maker(kind: &str, name: &str, hash: Option<&str>) -> Option<(WorkloadKind, String)> {
        let mut pod = sample::pod("web-a", 60);
        pod.owner = Some(Owner { kind: kind.to_owned(), name: name.to_owned() });
        let label =
            |hash: &str| Label { key: "pod-template-hash".to_owned(), value: hash.to_owned() };
        pod.labels.extend(hash.map(label));
        made_by(&pod).map(|(kind, name)| (kind, name.to_owned()))
    }

    #[test]
    fn finds_what_keeps_the_revisions_of_a_pod() {
        let of = |kind, name: &str| Some((kind, name.to_owned()));
        let hash = Some("5d8c9f7b6");
        let web = of(WorkloadKind::Deployment, "web-front");
        assert_eq!(maker("ReplicaSet", "web-front-5d8c9f7b6", hash), web);
        assert_eq!(maker("StatefulSet", "db", None), of(WorkloadKind::StatefulSet, "db"));
        assert_eq!(maker("DaemonSet", "agent", None), of(WorkloadKind::DaemonSet, "agent"));
        // None that a deployment made.
        assert_eq!(maker("ReplicaSet", "web-front", hash), None);
        assert_eq!(maker("ReplicaSet", "web-front-5d8c9f7b6", None), None);
        assert_eq!(maker("Job", "nightly-1", None), None);
    }

    #[test]
    fn leaves_the_pods_of_other_workloads_out() {
        let is_of = |kind, name, owner: Option<(&str, &str)>| {
            let mut pod = sample::pod("web-a", 60);
            pod.owner =
                owner.map(|(kind, name)| Owner { kind: kind.to_owned(), name: name.to_owned() });
            is_of(kind, name, &pod)
        };
        let canary = Some(("ReplicaSet", "web-canary-5d8c9f7b6"));
        assert!(is_of(Kind::Deployment, "web", Some(("ReplicaSet", "web-5d8c9f7b6"))));
        assert!(!is_of(Kind::Deployment, "web", canary));
        assert!(is_of(Kind::Deployment, "web-canary", canary));
        assert!(!is_of(Kind::Deployment, "canary-5d8c9f7b6", canary));
        assert!(!is_of(Kind::Deployment, "web", Some(("Job", "web-29384775"))));
        assert!(!is_of(Kind::Deployment, "web", None), "nobody made it");
        assert!(is_of(Kind::StatefulSet, "web", Some(("StatefulSet", "web"))));
        assert!(!is_of(Kind::StatefulSet, "web", Some(("StatefulSet", "web-2"))));
        assert!(!is_of(Kind::DaemonSet, "web", Some(("StatefulSet", "web"))));
        assert!(is_of(Kind::DaemonSet, "web", Some(("DaemonSet", "web"))));
        assert!(is_of(Kind::Job, "web-1", Some(("Job", "web-1"))));
        assert!(!is_of(Kind::Job, "web", Some(("Job", "web-1"))));
        // As events name what they are about.
        assert_eq!(deployment_of("web-5d8c9f7b6"), Some("web"));
        assert_eq!(deployment_of("web-canary-5d8c9f7b6"), Some("web-canary"));
        assert_eq!(deployment_of("web"), None);
    }

    #[test]
    fn writes_selectors_as_text() {
        let written = selector(&json!({
            "matchLabels": {"app": "web"},
            "matchExpressions": [
                {"key": "tier", "operator": "In", "values": ["a", "b"]},
                {"key": "x", "operator": "NotIn", "values": ["c"]},
                {"key": "y", "operator": "Exists"},
                {"key": "z", "operator": "DoesNotExist"},
            ],
        }));
        assert_eq!(written, "app=web,tier in (a,b),x notin (c),y,!z");
        assert_eq!(selector(&Value::Null), "");
    }
}
