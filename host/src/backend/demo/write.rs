use jiff::Timestamp;
use serde_json::{Value, json};

use super::Shared;
use super::clock::seconds;
use super::defaults::fill_defaults;
use super::patch::PatchForm;
use super::pods::is_going;
use super::registry::{Kind, find};
use super::request::{Request, unparsable};
use super::status::{Cause, Failure};
use super::store::{Store, number, set, text, unset};
use super::{delete, identity, quotas, validate};

/// The longest `fieldManager` that the server takes.
const FIELD_MANAGER_BYTES_MAX: usize = 128;

/// How a write ended: the answer's code and body.
pub(super) type Written = Result<(u16, Value), Failure>;

/// The parameters that all writes share.
pub(super) struct WriteOptions {
    pub(super) dry_run: bool,
    pub(super) manager: String,
}

impl WriteOptions {
    pub(super) fn parse(
        kind: &str,
        request: &Request,
        body: Option<&Value>,
    ) -> Result<Self, Failure> {
        let mut dry_run = request.query.all("dryRun");
        let in_body = body.and_then(|body| body.get("dryRun")).and_then(Value::as_array);
        dry_run.extend(in_body.into_iter().flatten().filter_map(Value::as_str));
        dry_run.retain(|value| !value.is_empty());
        let manager = request.query.text("fieldManager").unwrap_or_default();
        let mut causes = Vec::new();
        if dry_run.iter().any(|value| *value != "All") {
            let value = format!("{dry_run:?}");
            causes.push(Cause::not_supported("dryRun", &value, "\"All\""));
        }
        if manager.len() > FIELD_MANAGER_BYTES_MAX {
            let why = "may not be more than 128 bytes";
            causes.push(Cause::invalid("fieldManager", &format!("{manager:?}"), why));
        }
        if !causes.is_empty() {
            return Err(Failure::invalid_options("meta.k8s.io", kind, "", &causes));
        }
        Ok(Self { dry_run: !dry_run.is_empty(), manager: manager.to_owned() })
    }
}

/// Which part of an object an update concerns; the rest stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Status,
}

/// PATCH of one object.
pub(super) fn patch(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
    part: Part,
) -> Written {
    let options = WriteOptions::parse("PatchOptions", request, None)?;
    let form = PatchForm::of(request.content_type.as_deref())?;
    let mut store = shared.store();
    let current = store.find(kind, namespace, name)?;
    let patched = form.apply(kind, &kind.shown(&current), &request.body)?;
    decodes(kind, &patched)?;
    let object = update(shared, &mut store, (kind, part), &current, patched, &options)?;
    Ok((200, object))
}

/// PUT of one object.
pub(super) fn replace(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
    part: Part,
) -> Written {
    let options = WriteOptions::parse("UpdateOptions", request, None)?;
    let object = body(request)?;
    let mut store = shared.store();
    let current = store.find(kind, namespace, name)?;
    check_identity(kind, &current, &object)?;
    let object = update(shared, &mut store, (kind, part), &current, object, &options)?;
    Ok((200, object))
}

/// POST to a collection.
pub(super) fn create(
    shared: &Shared,
    kind: &'static Kind,
    namespace: Option<&str>,
    request: &Request,
) -> Written {
    let options = WriteOptions::parse("CreateOptions", request, None)?;
    let mut object = body(request)?;
    let (of, version) = (text(&object, "/kind"), text(&object, "/apiVersion"));
    if !of.is_empty() && of != kind.kind {
        return Err(other_kind(kind, of, version));
    }
    set(&mut object, &["kind"], json!(kind.kind));
    set(&mut object, &["apiVersion"], json!(kind.api_version()));
    let namespace = match (kind.namespaced, namespace) {
        (true, None) => return Err(Failure::method_not_allowed()),
        (_, namespace) => namespace.unwrap_or_default(),
    };
    let generated = text(&object, "/metadata/generateName").to_owned();
    let mut store = shared.store();
    if text(&object, "/metadata/name").is_empty() {
        if generated.is_empty() {
            let why = "name or generateName is required";
            let cause = Cause::required("metadata.name", why);
            return Err(Failure::invalid(kind, "", &[cause]));
        }
        let seed = store.version().to_string();
        let name = format!("{generated}{}", identity::suffix(&[&generated, &seed], 5));
        set(&mut object, &["metadata", "name"], json!(name));
    }
    let name = text(&object, "/metadata/name").to_owned();
    if kind.namespaced {
        match text(&object, "/metadata/namespace") {
            "" => set(&mut object, &["metadata", "namespace"], json!(namespace)),
            same if same == namespace => {}
            _ => return Err(namespace_mismatch()),
        }
        admit(&store, kind, (namespace, &name), &object)?;
    }
    check(kind, &name, &object)?;
    let mut object = kind.kept(object);
    if kind.subresources().iter().any(|(part, _)| *part == "status") {
        unset(&mut object, &["status"]);
    }
    fill_defaults(kind, &mut object, shared.clock.now());
    if !kind.custom && object.get("status").is_none() && !kind.subresources().is_empty() {
        set(&mut object, &["status"], json!({}));
    }
    if store.read(kind, namespace, &name).is_some() {
        return Err(Failure::already_exists(kind, &name));
    }
    if store.is_full() {
        return Err(Failure::unknown("etcdserver: mvcc: database space exceeded"));
    }
    let now = shared.clock.now();
    let uid = identity::uid(&[kind.plural, namespace, &name, &store.version().to_string()]);
    set(&mut object, &["metadata", "uid"], json!(uid));
    set(&mut object, &["metadata", "creationTimestamp"], json!(seconds(now)));
    unset(&mut object, &["metadata", "resourceVersion"]);
    if kind.counts_generation() {
        set(&mut object, &["metadata", "generation"], json!(1));
    }
    own(&mut object, kind, &options.manager, now, None);
    if options.dry_run {
        return Ok((201, kind.shown(&object)));
    }
    let object = store.write(kind, object);
    if kind.is("", "namespaces") {
        furnish(&mut store, &object, now);
    }
    shared.wake(&store, kind, &object);
    Ok((201, kind.shown(&object)))
}

/// Whether the namespace takes a new object.
fn admit(
    store: &Store,
    kind: &Kind,
    (namespace, name): (&str, &str),
    object: &Value,
) -> Result<(), Failure> {
    let namespaces = find("", "v1", "namespaces");
    if let Some(namespaces) = namespaces {
        let home = store.read(namespaces, "", namespace);
        let home = home.ok_or_else(|| Failure::not_found(namespaces, namespace))?;
        if is_going(&home) {
            return Err(Failure::terminating(kind, name, namespace));
        }
    }
    if kind.is("", "pods")
        && let Some(why) = quotas::refusal(store, namespace, object)
    {
        return Err(Failure::forbidden(kind, name, &why));
    }
    Ok(())
}

/// A body that says it is of another kind than its path.
fn other_kind(kind: &Kind, of: &str, version: &str) -> Failure {
    let version = version.rsplit('/').next().unwrap_or_default();
    Failure::bad_request(format!(
        "{of} in version {version:?} cannot be handled as a {}: converting ({version}.{of}): \
         unknown conversion",
        kind.kind
    ))
}

/// Gives a new namespace what the server's controllers put into each.
fn furnish(store: &mut Store, namespace: &Value, now: Timestamp) {
    let namespace = text(namespace, "/metadata/name");
    let certificate = json!({ "ca.crt": "" });
    for (plural, name, data) in [
        ("serviceaccounts", "default", None),
        ("configmaps", "kube-root-ca.crt", Some(certificate)),
    ] {
        let Some(kind) = find("", "v1", plural) else { continue };
        let version = store.version().to_string();
        let mut object = json!({
            "apiVersion": kind.api_version(),
            "kind": kind.kind,
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": identity::uid(&[plural, namespace, name, &version]),
                "creationTimestamp": seconds(now),
            },
        });
        if let Some(data) = data {
            set(&mut object, &["data"], data);
        }
        store.write(kind, object);
    }
}

pub(super) fn body(request: &Request) -> Result<Value, Failure> {
    match request.content_type.as_deref() {
        None | Some("application/json") => {}
        Some(_) => return Err(Failure::unsupported_media_type("application/json")),
    }
    let object: Value = serde_json::from_slice(&request.body).map_err(|error| {
        Failure::bad_request(format!("couldn't get version/kind; json parse error: {error}"))
    })?;
    if object.is_object() {
        Ok(object)
    } else {
        Err(Failure::bad_request("the object provided is unrecognized (must be of type Object)"))
    }
}

fn namespace_mismatch() -> Failure {
    Failure::bad_request(
        "the namespace of the provided object does not match the namespace sent on the request",
    )
}

fn check(kind: &Kind, name: &str, object: &Value) -> Result<(), Failure> {
    if let Some(value) = object.pointer("/spec/replicas").filter(|v| v.is_string()) {
        return Err(Failure::bad_request(format!(
            "{0} in version {1:?} cannot be handled as a {0}: json: cannot unmarshal {value} into \
             Go struct field {0}Spec.spec.replicas of type int32",
            kind.kind, kind.version
        )));
    }
    kind.check(object).map_err(|error| {
        Failure::bad_request(format!(
            "{0} in version {1:?} cannot be handled as a {0}: {error}",
            kind.kind, kind.version
        ))
    })?;
    let faults = validate::faults(kind, object);
    if faults.is_empty() { Ok(()) } else { Err(Failure::invalid(kind, name, &faults)) }
}

/// Whether what a patch made can still be read as its kind.
fn decodes(kind: &Kind, patched: &Value) -> Result<(), Failure> {
    kind.check(patched).map_err(|error| {
        let cause = Cause::invalid("patch", "\"..\"", &error.to_string());
        Failure::invalid_options("", "", "", &[cause])
    })
}

/// A whole object with another UID is another object.
pub(super) fn check_identity(kind: &Kind, current: &Value, object: &Value) -> Result<(), Failure> {
    let (uid, found) = (text(object, "/metadata/uid"), text(current, "/metadata/uid"));
    if uid.is_empty() || uid == found {
        return Ok(());
    }
    let why =
        format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
    Err(Failure::conflict(kind, text(current, "/metadata/name"), &why))
}

/// Puts a changed object in the place of `current`, by the rules that every update obeys.
pub(super) fn update(
    shared: &Shared,
    store: &mut Store,
    (kind, part): (&'static Kind, Part),
    current: &Value,
    object: Value,
    options: &WriteOptions,
) -> Result<Value, Failure> {
    let name = text(current, "/metadata/name");
    let wanted = text(&object, "/metadata/name");
    if wanted != name {
        return Err(Failure::bad_request(format!(
            "the name of the object ({wanted}) does not match the name on the URL ({name})"
        )));
    }
    let namespace = text(current, "/metadata/namespace");
    if !matches!(text(&object, "/metadata/namespace"), same if same == namespace || same.is_empty())
    {
        return Err(namespace_mismatch());
    }
    let version = text(&object, "/metadata/resourceVersion");
    if !version.is_empty() && version.parse::<u64>().is_err() {
        return Err(Failure::unknown(unparsable("ParseUint", version)));
    }
    if !version.is_empty() && version != text(current, "/metadata/resourceVersion") {
        return Err(Failure::modified(kind, name));
    }
    let uid = text(&object, "/metadata/uid");
    if !uid.is_empty() && uid != text(current, "/metadata/uid") {
        let cause = Cause::invalid("metadata.uid", &format!("{uid:?}"), "field is immutable");
        return Err(Failure::invalid(kind, name, &[cause]));
    }
    check(kind, name, &object)?;
    let mut object = kind.kept(object);
    match part {
        Part::Whole => keep(&mut object, current, kind),
        Part::Status => {
            let status = object.get("status").cloned();
            object = current.clone();
            match status {
                Some(status) => set(&mut object, &["status"], status),
                None => unset(&mut object, &["status"]),
            }
        }
    }
    immutable(kind, name, current, &object)?;
    if &object == current {
        return Ok(kind.shown(&object));
    }
    if kind.counts_generation() && is_new_generation(kind, current, &object) {
        let next = number(current, "/metadata/generation").unwrap_or(0) + 1;
        set(&mut object, &["metadata", "generation"], json!(next));
    }
    own(&mut object, kind, &options.manager, shared.clock.now(), Some(current));
    if options.dry_run {
        return Ok(kind.shown(&object));
    }
    let object = store.write(kind, object);
    delete::finish(store, kind, &object, shared.clock.now());
    shared.wake(store, kind, &object);
    Ok(kind.shown(&object))
}

/// Restores what an update of the main resource never changes.
fn keep(object: &mut Value, current: &Value, kind: &Kind) {
    for field in ["kind", "apiVersion"] {
        set(object, &[field], current.get(field).cloned().unwrap_or_default());
    }
    for field in [
        "namespace",
        "uid",
        "resourceVersion",
        "creationTimestamp",
        "generation",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "managedFields",
    ] {
        match current.pointer(&format!("/metadata/{field}")) {
            Some(value) => set(object, &["metadata", field], value.clone()),
            None => unset(object, &["metadata", field]),
        }
    }
    if kind.subresources().iter().any(|(part, _)| *part == "status") {
        match current.get("status") {
            Some(status) => set(object, &["status"], status.clone()),
            None => unset(object, &["status"]),
        }
    }
    // The server drops what is empty when it encodes the typed object again.
    for field in ["annotations", "labels"] {
        let map = object.pointer(&format!("/metadata/{field}")).and_then(Value::as_object);
        if map.is_some_and(serde_json::Map::is_empty) {
            unset(object, &["metadata", field]);
        }
    }
}

fn immutable(kind: &Kind, name: &str, current: &Value, object: &Value) -> Result<(), Failure> {
    let changed = |pointer: &str| current.pointer(pointer) != object.pointer(pointer);
    if kind.group == "apps" && kind.plural != "controllerrevisions" && changed("/spec/selector") {
        let value = object.pointer("/spec/selector").cloned().unwrap_or_default().to_string();
        let cause = Cause::invalid("spec.selector", &value, "field is immutable");
        return Err(Failure::invalid(kind, name, &[cause]));
    }
    if kind.is("", "pods") {
        let rest = |pod: &Value| {
            let mut spec = pod.get("spec").cloned().unwrap_or_default();
            for list in ["containers", "initContainers"] {
                for container in
                    spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
                {
                    unset(container, &["image"]);
                }
            }
            for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
                unset(&mut spec, &[field]);
            }
            spec
        };
        if rest(current) != rest(object) {
            let why = "pod updates may not change fields other than \
                       `spec.containers[*].image`,`spec.initContainers[*].image`,\
                       `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to \
                       existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be \
                       set to 1 if it was previously negative)";
            return Err(Failure::invalid(kind, name, &[Cause::forbidden("spec", why)]));
        }
    }
    Ok(())
}

/// Deployments also count changes of their annotations, which `rollout undo` relies on.
fn is_new_generation(kind: &Kind, current: &Value, object: &Value) -> bool {
    let changed = |pointer: &str| current.pointer(pointer) != object.pointer(pointer);
    changed("/spec") || (kind.is("apps", "deployments") && changed("/metadata/annotations"))
}

/// Notes who wrote: one entry per manager, with the fields that its last write changed.
fn own(object: &mut Value, kind: &Kind, manager: &str, now: Timestamp, before: Option<&Value>) {
    let manager = if manager.is_empty() { "unknown" } else { manager };
    let mut fields = json!({});
    for part in object.as_object().into_iter().flatten() {
        let was = before.and_then(|before| before.get(part.0));
        if !matches!(part.0.as_str(), "kind" | "apiVersion" | "status") && was != Some(part.1) {
            set(&mut fields, &[&format!("f:{}", part.0)], changed_fields(was, part.1));
        }
    }
    for field in ["f:generation", "f:uid", "f:name", "f:namespace", "f:creationTimestamp"] {
        unset(&mut fields, &["f:metadata", field]);
    }
    let entry = json!({
        "manager": manager,
        "operation": "Update",
        "apiVersion": kind.api_version(),
        "time": seconds(now),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    });
    let entries = object.pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
    if let Some(entries) = entries {
        entries.retain(|entry| {
            text(entry, "/manager") != manager || !text(entry, "/subresource").is_empty()
        });
        // Managers beyond the server's own cap are merged; here the oldest gives way.
        if entries.len() >= 10 {
            entries.remove(0);
        }
        entries.push(entry);
    } else {
        set(object, &["metadata", "managedFields"], json!([entry]));
    }
}

fn changed_fields(before: Option<&Value>, now: &Value) -> Value {
    let mut fields = json!({});
    for (name, value) in now.as_object().into_iter().flatten() {
        let was = before.and_then(|before| before.get(name));
        if was != Some(value) {
            set(&mut fields, &[&format!("f:{name}")], changed_fields(was, value));
        }
    }
    fields
}
