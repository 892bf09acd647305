//! What the server refuses in an object that reads well: bad names, missing fields, contradictions.

use serde_json::Value;

use super::registry::Kind;
use super::select::{PREFIX_FORM, is_subdomain, label_value_fault, selected};
use super::status::Cause;
use super::store::{number, text};

/// The longest name of an object.
const NAME_BYTES_MAX: usize = 253;

/// Everything that is wrong with an object, in the order in which the server says it.
pub(super) fn faults(kind: &Kind, object: &Value) -> Vec<Cause> {
    let mut faults = Vec::new();
    let name = text(object, "/metadata/name");
    if name.len() > NAME_BYTES_MAX {
        let why = format!("must be no more than {NAME_BYTES_MAX} characters");
        faults.push(Cause::invalid("metadata.name", &format!("{name:?}"), &why));
    } else if !is_subdomain(name) {
        faults.push(Cause::invalid("metadata.name", &format!("{name:?}"), PREFIX_FORM));
    }
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    for value in labels.into_iter().flatten().filter_map(|(_, value)| value.as_str()) {
        if let Some(why) = label_value_fault(value) {
            faults.push(Cause::invalid("metadata.labels", &format!("{value:?}"), &why));
        }
    }
    if number(object, "/spec/replicas").is_some_and(|n| n < 0) {
        let value = object.pointer("/spec/replicas").cloned().unwrap_or_default().to_string();
        let why = "must be greater than or equal to 0";
        faults.push(Cause::invalid("spec.replicas", &value, why));
    }
    let lacks =
        |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    match (kind.group, kind.plural) {
        ("apps", "deployments" | "replicasets" | "statefulsets" | "daemonsets") => {
            selector_faults(object, &mut faults);
            if lacks("/spec/template/spec/containers") {
                faults.push(Cause::required("spec.template.spec.containers", ""));
            }
        }
        ("batch", "jobs") if lacks("/spec/template/spec/containers") => {
            faults.push(Cause::required("spec.template.spec.containers", ""));
        }
        ("", "pods") if lacks("/spec/containers") => {
            faults.push(Cause::required("spec.containers", ""));
        }
        ("", "services") if lacks("/spec/ports") => {
            let headless = text(object, "/spec/clusterIP") == "None";
            if !headless && text(object, "/spec/type") != "ExternalName" {
                faults.push(Cause::required("spec.ports", ""));
            }
        }
        ("autoscaling", _) => {
            let most = number(object, "/spec/maxReplicas").unwrap_or(0);
            let least = number(object, "/spec/minReplicas").unwrap_or(1);
            let field = "spec.maxReplicas";
            if most < 1 {
                faults.push(Cause::invalid(field, &most.to_string(), "must be greater than 0"));
            }
            if most < least {
                let why = "must be greater than or equal to `minReplicas`";
                faults.push(Cause::invalid(field, &most.to_string(), why));
            }
        }
        _ => {}
    }
    faults
}

fn selector_faults(object: &Value, faults: &mut Vec<Cause>) {
    let selector = object.pointer("/spec/selector").filter(|selector| !selector.is_null());
    let template = object.pointer("/spec/template");
    let matches = selector.zip(template).is_some_and(|(s, template)| selected(s, template));
    if selector.is_none() {
        faults.push(Cause::required("spec.selector", ""));
    }
    if !matches {
        let labels = template.and_then(|template| template.pointer("/metadata/labels"));
        let pairs: Vec<String> = labels
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| format!("{key:?}:{value}"))
            .collect();
        let value = format!("map[string]string{{{}}}", pairs.join(", "));
        let why = "`selector` does not match template `labels`";
        faults.push(Cause::invalid("spec.template.metadata.labels", &value, why));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::registry::find;
    use super::*;

    #[test]
    fn says_all_that_is_wrong() {
        let deployments = find("apps", "v1", "deployments").unwrap();
        let containers = json!([{ "name": "c", "image": "i" }]);
        let good = json!({
            "metadata": { "name": "web", "labels": { "a": "b" } },
            "spec": {
                "selector": { "matchLabels": { "app": "web" } },
                "template": {
                    "metadata": { "labels": { "app": "web" } },
                    "spec": { "containers": containers },
                },
            },
        });
        assert_eq!(faults(deployments, &good).len(), 0);
        let bad = json!({
            "metadata": { "name": "Web", "labels": { "a": "b c" } },
            "spec": { "replicas": -1, "template": {} },
        });
        assert_eq!(faults(deployments, &bad).len(), 6);
        let pods = find("", "v1", "pods").unwrap();
        assert_eq!(faults(pods, &json!({ "metadata": { "name": "p" } })).len(), 1);
    }
}
