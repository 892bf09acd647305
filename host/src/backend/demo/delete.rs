use jiff::Timestamp;
use serde_json::{Value, json};

use super::Shared;
use super::clock::seconds;
use super::registry::Kind;
use super::request::{Form, Request};
use super::status::{Cause, Failure};
use super::store::{Store, number, set, text};
use super::write::{WriteOptions, Written, body};
use super::{custom, list, pods, table};

/// DELETE of one object.
pub(super) fn answer(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
) -> Written {
    let options: Value = if request.body.is_empty() { json!({}) } else { body(request)? };
    if kind.is("", "pods") {
        return pod(shared, kind, (namespace, name), request, &options);
    }
    let write = WriteOptions::parse("DeleteOptions", request, Some(&options))?;
    let policy = policy(request, &options)?;
    let mut store = shared.store();
    let current = store.find(kind, namespace, name)?;
    check_preconditions(kind, name, &current, &options)?;
    let lingers = has_finalizers(&current) || kind.is("", "namespaces");
    let going = marked(kind, &current, shared.clock.now());
    if !write.dry_run {
        match policy {
            Policy::Orphan => release(&mut store, &current),
            Policy::Cascade => {}
        }
        remove_with_dependents(&mut store, (kind, namespace, name), shared.clock.now());
        shared.wake(&store, kind, &going);
    }
    // Some kinds are shown as they were.
    let told = kind.group.is_empty()
        && matches!(
            kind.plural,
            "persistentvolumes" | "persistentvolumeclaims" | "resourcequotas" | "serviceaccounts"
        );
    if told && !lingers {
        return Ok((200, (*current).clone()));
    }
    if lingers {
        let left = store.read(kind, namespace, name);
        return Ok((200, kind.shown(left.as_deref().unwrap_or(&going))));
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

/// DELETE of all objects of a collection that a request selects.
pub(super) fn collection(
    shared: &Shared,
    kind: &'static Kind,
    namespace: Option<&str>,
    request: &Request,
) -> Written {
    let page = list::page(&shared.store(), kind, namespace, &request.query)?;
    for object in &page.items {
        let place = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        match answer(shared, kind, place, request) {
            // Another may have been quicker.
            Err(failure) if failure.code != 404 => return Err(failure),
            _ => {}
        }
    }
    let shown = table::list(Form::Plain, kind, &page, shared.clock.now());
    Ok((200, shown))
}

/// Asks a pod to end.
pub(super) fn pod(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
    options: &Value,
) -> Written {
    let write = WriteOptions::parse("DeleteOptions", request, Some(options))?;
    let mut store = shared.store();
    let current = store.find(kind, namespace, name)?;
    check_preconditions(kind, name, &current, options)?;
    let asked = request.query.integer("gracePeriodSeconds")?;
    // A pod that no node has yet is gone at once.
    let unplaced = text(&current, "/spec/nodeName").is_empty().then_some(0);
    let grace = number(options, "/gracePeriodSeconds")
        .or(asked)
        .or(unplaced)
        .or_else(|| number(&current, "/spec/terminationGracePeriodSeconds"))
        .unwrap_or(30);
    let going = pods::terminating(&current, shared.clock.now(), grace);
    if write.dry_run {
        return Ok((200, going));
    }
    let going = if pods::is_going(&current) { current } else { store.write(kind, going) };
    if grace == 0 && !has_finalizers(&going) {
        pods::remove(&mut store, namespace, name);
    }
    shared.wake(&store, kind, &going);
    Ok((200, (*going).clone()))
}

fn check_preconditions(
    kind: &Kind,
    name: &str,
    current: &Value,
    options: &Value,
) -> Result<(), Failure> {
    for (field, label, hint) in [
        ("uid", "UID", "The object might have been deleted and then recreated"),
        ("resourceVersion", "ResourceVersion", "The object might have been modified"),
    ] {
        let wanted = text(options, &format!("/preconditions/{field}"));
        let found = text(current, &format!("/metadata/{field}"));
        if !wanted.is_empty() && wanted != found {
            let why = format!(
                "the {label} in the precondition ({wanted}) does not match the {label} in record \
                 ({found}). {hint}"
            );
            return Err(Failure::precondition(kind, name, &why));
        }
    }
    Ok(())
}

/// What becomes of the objects that the deleted one owned.
enum Policy {
    Cascade,
    Orphan,
}

fn policy(request: &Request, options: &Value) -> Result<Policy, Failure> {
    let in_query = request.query.text("propagationPolicy").unwrap_or_default();
    let wanted = match text(options, "/propagationPolicy") {
        "" => in_query,
        some => some,
    };
    match wanted {
        "" | "Background" | "Foreground" => Ok(Policy::Cascade),
        "Orphan" => Ok(Policy::Orphan),
        other => {
            let supported = "\"Foreground\", \"Background\", \"Orphan\", \"nil\"";
            let field = "propagationPolicy";
            let cause = Cause::not_supported(field, &format!("{other:?}"), supported);
            Err(Failure::invalid_options("meta.k8s.io", "DeleteOptions", "", &[cause]))
        }
    }
}

fn has_finalizers(object: &Value) -> bool {
    let finalizers = object.pointer("/metadata/finalizers").and_then(Value::as_array);
    finalizers.is_some_and(|finalizers| !finalizers.is_empty())
}

/// An object that goes as soon as its finalizers are gone.
fn marked(kind: &Kind, object: &Value, now: Timestamp) -> Value {
    let mut going = object.clone();
    if !pods::is_going(object) {
        set(&mut going, &["metadata", "deletionTimestamp"], json!(seconds(now)));
        set(&mut going, &["metadata", "deletionGracePeriodSeconds"], json!(0));
    }
    if kind.is("", "namespaces") {
        set(&mut going, &["status", "phase"], json!("Terminating"));
    }
    going
}

/// Removes an object whose last finalizer has just been taken away.
pub(super) fn finish(store: &mut Store, kind: &'static Kind, object: &Value, now: Timestamp) {
    if pods::is_going(object) && !has_finalizers(object) && !kind.is("", "pods") {
        let place = (text(object, "/metadata/namespace"), text(object, "/metadata/name"));
        remove_with_dependents(store, (kind, place.0, place.1), now);
        if let Some(namespaces) = pods::kind_of("", "namespaces")
            && store.read(namespaces, "", place.0).is_some_and(|home| pods::is_going(&home))
        {
            remove_with_dependents(store, (namespaces, "", place.0), now);
        }
    }
}

/// Takes an owner out of what it owns.
fn release(store: &mut Store, owner: &Value) {
    let uid = text(owner, "/metadata/uid");
    for kind in custom::all(store) {
        let owned: Vec<Value> = store
            .all(kind, None)
            .filter(|(_, object)| kind.alias.is_none() && is_owned_by(object, uid))
            .map(|(_, object)| (**object).clone())
            .collect();
        for mut object in owned {
            let owners = object.pointer_mut("/metadata/ownerReferences");
            if let Some(owners) = owners.and_then(Value::as_array_mut) {
                owners.retain(|owner| text(owner, "/uid") != uid);
            }
            store.write(kind, object);
        }
    }
}

fn is_owned_by(object: &Value, uid: &str) -> bool {
    let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    !uid.is_empty() && owners.is_some_and(|owners| owners.iter().any(|o| text(o, "/uid") == uid))
}

/// Deletes an object and whatever it owned: a namespace its contents, a workload its pods, a
/// definition what it defined. What has finalizers stays, marked, and holds its namespace.
fn remove_with_dependents(
    store: &mut Store,
    (kind, namespace, name): (&'static Kind, &str, &str),
    now: Timestamp,
) {
    let mut doomed = vec![(kind, namespace.to_owned(), name.to_owned())];
    let mut held = Vec::new();
    let mut emptied = false;
    while let Some((kind, namespace, name)) = doomed.pop() {
        let Some(current) = store.read(kind, &namespace, &name) else { continue };
        if has_finalizers(&current) {
            held.push(namespace);
            store.write_changed(kind, marked(kind, &current, now));
            continue;
        }
        let mut brought = Vec::new();
        if kind.is("apiextensions.k8s.io", "customresourcedefinitions") {
            brought = custom::defined(&current);
        }
        let inside = kind.is("", "namespaces").then_some(name.as_str());
        if inside.is_some() && emptied {
            if held.contains(&name) {
                hold_namespace(store, kind, &current, now);
            } else {
                store.remove(kind, &namespace, &name);
            }
            continue;
        }
        if inside.is_none() && store.remove(kind, &namespace, &name).is_none() {
            continue;
        }
        let uid = text(&current, "/metadata/uid");
        for other in custom::all(store).into_iter().chain(brought.iter().copied()) {
            let within = |object: &Value| {
                inside.is_some_and(|inside| text(object, "/metadata/namespace") == inside)
                    || brought.iter().any(|kind| std::ptr::eq(*kind, other))
            };
            doomed.extend(
                store
                    .all(other, None)
                    .filter(|(_, object)| within(object) || is_owned_by(object, uid))
                    .map(|(_, object)| {
                        let at = |field: &str| text(object, field).to_owned();
                        (other, at("/metadata/namespace"), at("/metadata/name"))
                    }),
            );
        }
        if inside.is_some() {
            // The namespace goes last, and only if nothing holds it.
            store.write_changed(kind, marked(kind, &current, now));
            doomed.insert(0, (kind, namespace, name));
            emptied = true;
        }
    }
}

/// Says on a namespace what keeps it.
fn hold_namespace(store: &mut Store, kind: &'static Kind, namespace: &Value, now: Timestamp) {
    let name = text(namespace, "/metadata/name");
    let mut remains = Vec::new();
    let mut finalizers = std::collections::BTreeMap::<String, usize>::new();
    for other in custom::all(store).into_iter().filter(|k| k.namespaced && k.alias.is_none()) {
        let objects: Vec<&Value> = store.all(other, Some(name)).map(|(_, o)| o.as_ref()).collect();
        if !objects.is_empty() {
            remains.push(format!("{} has {} resource instances", other.qualified(), objects.len()));
        }
        for object in objects {
            let list = object.pointer("/metadata/finalizers").and_then(Value::as_array);
            for finalizer in list.into_iter().flatten().filter_map(Value::as_str) {
                *finalizers.entry(finalizer.to_owned()).or_default() += 1;
            }
        }
    }
    let finalizers: Vec<String> = finalizers
        .iter()
        .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
        .collect();
    let condition = |name: &str, reason: &str, message: String| {
        json!({
            "type": name,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastTransitionTime": seconds(now),
        })
    };
    let mut told = marked(kind, namespace, now);
    let remaining = format!("Some resources are remaining: {}", remains.join(", "));
    let waiting = format!(
        "Some content in the namespace has finalizers remaining: {}",
        finalizers.join(", ")
    );
    let well = |name: &str, reason: &str, message: &str| {
        let mut condition = condition(name, reason, message.to_owned());
        set(&mut condition, &["status"], json!("False"));
        condition
    };
    let conditions = json!([
        well(
            "NamespaceDeletionDiscoveryFailure",
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        well(
            "NamespaceDeletionGroupVersionParsingFailure",
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        well(
            "NamespaceDeletionContentFailure",
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        condition("NamespaceContentRemaining", "SomeResourcesRemain", remaining),
        condition("NamespaceFinalizersRemaining", "SomeFinalizersRemain", waiting),
    ]);
    set(&mut told, &["status", "conditions"], conditions);
    store.write_changed(kind, told);
}
