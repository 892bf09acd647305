use serde_json::{Value, json};

use super::Shared;
use super::registry::Kind;
use super::request::Request;
use super::status::Failure;
use super::store::{Store, number, set, text};
use super::write::{WriteOptions, Written, body};
use super::{custom, pods};

/// DELETE of one object.
pub(super) fn answer(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
) -> Written {
    let body: Value = if request.body.is_empty() { json!({}) } else { body(request)? };
    let options = WriteOptions::parse("DeleteOptions", request, Some(&body))?;
    let mut store = shared.store();
    let current =
        store.read(kind, namespace, name).ok_or_else(|| Failure::not_found(kind, name))?;
    for (field, label, meta) in
        [("uid", "UID", "uid"), ("resourceVersion", "ResourceVersion", "resourceVersion")]
    {
        let wanted = text(&body, &format!("/preconditions/{field}"));
        let found = text(&current, &format!("/metadata/{meta}"));
        if !wanted.is_empty() && wanted != found {
            let why = format!(
                "Precondition failed: {label} in precondition: {wanted}, {label} in object meta: \
                 {found}"
            );
            return Err(Failure::conflict(kind, name, &why));
        }
    }
    if kind.is("", "pods") {
        let grace = number(&body, "/gracePeriodSeconds")
            .or_else(|| number(&current, "/spec/terminationGracePeriodSeconds"))
            .unwrap_or(30);
        let going = pods::terminating(&current, shared.clock.now(), grace);
        if options.dry_run {
            return Ok((200, going));
        }
        let already = current.pointer("/metadata/deletionTimestamp").is_some();
        let going = if already { current } else { store.write(kind, going) };
        if grace == 0 {
            pods::remove(&mut store, namespace, name);
        }
        shared.wake(&mut store, kind, &going);
        return Ok((200, (*going).clone()));
    }
    if !options.dry_run {
        remove_with_dependents(&mut store, kind, namespace, name);
    }
    let mut details = json!({
        "name": name,
        "kind": kind.plural,
        "uid": text(&current, "/metadata/uid"),
    });
    if !kind.group.is_empty() {
        set(&mut details, &["group"], json!(kind.group));
    }
    let status = json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": details,
    });
    Ok((200, status))
}

/// Deletes an object and whatever it owned: a namespace its contents, a workload its pods.
fn remove_with_dependents(store: &mut Store, kind: &'static Kind, namespace: &str, name: &str) {
    let mut doomed = vec![(kind, namespace.to_owned(), name.to_owned())];
    while let Some((kind, namespace, name)) = doomed.pop() {
        let Some(gone) = store.remove(kind, &namespace, &name) else { continue };
        let uid = text(&gone, "/metadata/uid");
        for other in custom::all(store) {
            let inside = kind.is("", "namespaces").then_some(name.as_str());
            let owned = |object: &Value| {
                object
                    .pointer("/metadata/ownerReferences")
                    .and_then(Value::as_array)
                    .is_some_and(|owners| owners.iter().any(|o| text(o, "/uid") == uid))
            };
            let within = |object: &Value| {
                inside.is_some_and(|inside| text(object, "/metadata/namespace") == inside)
            };
            doomed.extend(
                store
                    .all(other, None)
                    .filter(|(_, object)| within(object) || (!uid.is_empty() && owned(object)))
                    .map(|(_, object)| {
                        let at = |field: &str| text(object, field).to_owned();
                        (other, at("/metadata/namespace"), at("/metadata/name"))
                    }),
            );
        }
    }
}
