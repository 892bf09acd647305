//! A good guest: calls the function of the host that its arguments name, `{"do": "list", ..}`, and
//! answers with what it got. What tests of the reading doors go through.

use std::fmt::Write as _;

use toolgate_guest_kit::host::kubernetes_metrics;
use toolgate_guest_kit::host::kubernetes_read::{self as kubernetes, Object, ObjectQuery, Rollout};
use toolgate_guest_kit::host::types::{Error, ListQuery, WorkloadKind};
use toolgate_guest_kit::{Answer, guest, text};
use toolgate_sdk::serde_json::{self, Value};

fn read(arguments: &str) -> Answer {
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let done = match arguments.get("do").and_then(Value::as_str) {
        Some("get") => get(&arguments),
        Some("list") => list(&arguments),
        Some("history") => history(&arguments),
        Some("wait") => wait(&arguments),
        Some("pods") => pod_usages(&arguments),
        Some("nodes") => node_usages(),
        _ => Ok("do what?".to_owned()),
    };
    text(done.unwrap_or_else(|error| format!("{error:?}")))
}

fn word(arguments: &Value, key: &str) -> Option<String> {
    arguments.get(key).and_then(Value::as_str).map(str::to_owned)
}

fn number(arguments: &Value, key: &str) -> Option<u32> {
    arguments[key].as_u64().and_then(|n| n.try_into().ok())
}

fn must(arguments: &Value, key: &str) -> String {
    word(arguments, key).unwrap_or_default()
}

fn fields(arguments: &Value) -> Vec<String> {
    let fields = arguments["fields"].as_array().into_iter().flatten();
    fields.filter_map(|field| field.as_str().map(str::to_owned)).collect()
}

fn line(object: &Object) -> String {
    format!("{} redacted={}\n", object.json, object.redacted)
}

fn get(arguments: &Value) -> Result<String, Error> {
    let (kind, name) = (must(arguments, "kind"), must(arguments, "name"));
    let namespace = word(arguments, "namespace");
    kubernetes::get_object(None, &kind, namespace.as_deref(), &name, &fields(arguments))
        .map(|object| line(&object))
}

fn list(arguments: &Value) -> Result<String, Error> {
    let page = kubernetes::list_objects(&ObjectQuery {
        cluster: None,
        kind: must(arguments, "kind"),
        namespace: word(arguments, "namespace"),
        label_selector: word(arguments, "labels"),
        field_selector: word(arguments, "where"),
        fields: fields(arguments),
        limit: number(arguments, "limit"),
        continue_: word(arguments, "continue"),
    })?;
    let mut said = format!("{}: {}\n", page.kind, page.objects.len());
    page.objects.iter().for_each(|object| said.push_str(&line(object)));
    if let Some(next) = page.continue_ {
        let _ = writeln!(said, "next={next}");
    }
    Ok(said)
}

fn workload(arguments: &Value) -> (WorkloadKind, String, String) {
    let kind = match arguments.get("kind").and_then(Value::as_str) {
        Some("StatefulSet") => WorkloadKind::StatefulSet,
        Some("DaemonSet") => WorkloadKind::DaemonSet,
        _ => WorkloadKind::Deployment,
    };
    (kind, must(arguments, "namespace"), must(arguments, "name"))
}

fn history(arguments: &Value) -> Result<String, Error> {
    let (kind, namespace, name) = workload(arguments);
    let mut said = String::new();
    for revision in kubernetes::rollout_history(None, kind, &namespace, &name)? {
        let _ = writeln!(
            said,
            "{} current={} replicas={:?} {} {:?}",
            revision.number,
            revision.current,
            revision.replicas,
            revision.images.join(" "),
            revision.change_cause
        );
        for change in revision.changes {
            let _ = writeln!(said, "  {}: {:?} -> {:?}", change.path, change.before, change.after);
        }
    }
    Ok(said)
}

fn wait(arguments: &Value) -> Result<String, Error> {
    let (kind, namespace, name) = workload(arguments);
    let timeout_s = number(arguments, "timeout_s").unwrap_or(60);
    let Rollout { state, message, .. } =
        kubernetes::await_rollout(None, kind, &namespace, &name, timeout_s)?;
    Ok(format!("{state:?}: {message}"))
}

fn pod_usages(arguments: &Value) -> Result<String, Error> {
    let page = kubernetes_metrics::list_pods(&ListQuery {
        cluster: None,
        namespace: word(arguments, "namespace"),
        label_selector: word(arguments, "labels"),
        limit: number(arguments, "limit"),
        continue_: word(arguments, "continue"),
    })?;
    let mut said = String::new();
    for pod in page.pods {
        let cpu_m: u64 = pod.containers.iter().map(|container| container.cpu_m).sum();
        let memory: u64 = pod.containers.iter().map(|container| container.memory_bytes).sum();
        let _ = writeln!(
            said,
            "{}/{} cpu={} memory={} window={}",
            pod.namespace,
            pod.name,
            cpu_m > 0,
            memory > 0,
            pod.window_s
        );
    }
    if let Some(next) = page.continue_ {
        let _ = writeln!(said, "next={next}");
    }
    Ok(said)
}

fn node_usages() -> Result<String, Error> {
    let nodes = kubernetes_metrics::list_nodes(None)?;
    let line = |node: &kubernetes_metrics::NodeUsage| {
        format!("{} cpu={} memory={}\n", node.name, node.cpu_m > 0, node.memory_bytes > 0)
    };
    Ok(nodes.iter().map(line).collect())
}

guest!("read", read);
