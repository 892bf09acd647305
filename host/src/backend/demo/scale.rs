use serde_json::{Value, json};

use super::Shared;
use super::patch::PatchForm;
use super::registry::Kind;
use super::request::Request;
use super::status::{Cause, Failure};
use super::store::{number, set, text};
use super::write::{Part, WriteOptions, Written, body, check_identity, update};

/// GET, PUT and PATCH of the `scale` subresource.
pub(super) fn answer(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
) -> Written {
    let mut store = shared.store();
    let current =
        store.find(kind, namespace, name).map_err(|failure| failure.of_part(kind, "scale"))?;
    let now = scale_of(&current);
    let (wanted, options) = match request.method {
        http::Method::GET => return Ok((200, now)),
        http::Method::PUT => (body(request)?, WriteOptions::parse("UpdateOptions", request, None)?),
        _ => {
            let options = WriteOptions::parse("PatchOptions", request, None)?;
            let form = PatchForm::of(request.content_type.as_deref())?;
            (form.apply(kind, &now, &request.body)?, options)
        }
    };
    let replicas = wanted.pointer("/spec/replicas").cloned().unwrap_or(json!(0));
    if !replicas.is_i64() && !replicas.is_u64() {
        let why = format!(
            "json: cannot unmarshal {replicas} into Go struct field ScaleSpec.spec.replicas of \
             type int32"
        );
        if request.method == http::Method::PATCH {
            let cause = Cause::invalid("patch", "\"..\"", &why);
            return Err(Failure::invalid_options("", "", "", &[cause]));
        }
        let handled = "Scale in version \"v1\" cannot be handled as a Scale";
        return Err(Failure::bad_request(format!("{handled}: {why}")));
    }
    if number(&wanted, "/spec/replicas").is_some_and(|n| n < 0) {
        let why = "must be greater than or equal to 0";
        let cause = Cause::invalid("spec.replicas", &replicas.to_string(), why);
        return Err(Failure::invalid_options("autoscaling", "Scale", name, &[cause]));
    }
    let mut object = (*current).clone();
    set(&mut object, &["spec", "replicas"], replicas);
    for field in ["resourceVersion", "uid"] {
        let sent = text(&wanted, &format!("/metadata/{field}"));
        if !sent.is_empty() {
            set(&mut object, &["metadata", field], json!(sent));
        }
    }
    check_identity(kind, &current, &object).map_err(|failure| failure.of_part(kind, "scale"))?;
    let object = update(shared, &mut store, (kind, Part::Whole), &current, object, &options)?;
    Ok((200, scale_of(&object)))
}

fn scale_of(object: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        set(
            &mut metadata,
            &[field],
            object.pointer(&format!("/metadata/{field}")).cloned().unwrap_or_default(),
        );
    }
    let labels = object.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let selector: Vec<String> = labels
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    // None is not written out.
    let spec = match number(object, "/spec/replicas").unwrap_or(1) {
        0 => json!({}),
        replicas => json!({ "replicas": replicas }),
    };
    json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": metadata,
        "spec": spec,
        "status": {
            "replicas": number(object, "/status/replicas").unwrap_or(0),
            "selector": selector.join(","),
        },
    })
}
