//! One object, as text.

use toolgate_sdk::kubernetes_read::{self, Object};
use toolgate_sdk::object::{self, Clock, Fields as _};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::yaml;

/// Text of one answer: the largest config maps, less than what the host lets through.
const TEXT_BYTES_MAX: usize = 96 << 10;

#[arguments]
pub(crate) struct Args {
    /// As in kubectl: `cm`, `Deployment`, `Certificate.cert-manager.io`
    kind: String,
    name: String,
    /// Omit for kinds outside of namespaces.
    namespace: Option<String>,
    /// `spec.template.spec.containers.image`; lists need no index. Omit for all.
    #[serde(default)]
    #[schemars(length(max = 64))]
    fields: Vec<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Summary {
    kind: String,
    namespace: Option<String>,
    name: String,
    uid: String,
    created: String,
    deleting: bool,
    owner: Option<String>,
    values_redacted: u32,
}

pub(crate) fn get_resource(args: Args) -> Result<Reply<Summary>, ToolError> {
    let Args { kind, name, namespace, fields, cluster } = args;
    let found = kubernetes_read::get_object(
        cluster.as_deref(),
        &kind,
        namespace.as_deref(),
        &name,
        &fields,
    )?;
    let value = object::parse(&found)?;
    Ok(answer(&kind, &found, &value, &Clock::read()?))
}

fn answer(asked: &str, found: &Object, value: &Value, clock: &Clock) -> Reply<Summary> {
    let owned = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let owner = value.items("metadata.ownerReferences").first();
    let summary = Summary {
        kind: owned(value.text("kind")).unwrap_or_else(|| asked.to_owned()),
        namespace: owned(value.text("metadata.namespace")),
        name: value.text("metadata.name").to_owned(),
        uid: value.text("metadata.uid").to_owned(),
        created: value.text("metadata.creationTimestamp").to_owned(),
        deleting: !value.text("metadata.deletionTimestamp").is_empty(),
        owner: owner.map(|owner| format!("{}/{}", owner.text("kind"), owner.text("name"))),
        values_redacted: found.redacted,
    };
    let mut notes = vec![format!("created {} ago", clock.age(&summary.created))];
    if summary.deleting {
        notes.push(format!("deleting for {}", clock.age(value.text("metadata.deletionTimestamp"))));
    }
    if found.redacted > 0 {
        notes.push(format!("{} values replaced", found.redacted));
    }
    if found.removed > 0 {
        notes.push(format!("{} characters removed", found.removed));
    }
    let (body, whole) = bounded(&yaml::print(value), TEXT_BYTES_MAX);
    let more =
        if whole { "" } else { "# … the rest is left out: name `fields` to see part of it\n" };
    let place =
        summary.namespace.as_ref().map_or_else(String::new, |namespace| format!("{namespace}/"));
    let text =
        format!("# {} {place}{}, {}\n{body}{more}", summary.kind, summary.name, notes.join(", "));
    Reply::new(text.trim_end(), summary).truncated(!whole)
}

/// Whole lines up to the bound, and whether that was all.
fn bounded(text: &str, bytes_max: usize) -> (String, bool) {
    if text.len() <= bytes_max {
        return (text.to_owned(), true);
    }
    let mut kept = String::new();
    for line in text.split_inclusive('\n') {
        if kept.len() + line.len() > bytes_max {
            // One line that is as long as all: show at least its beginning.
            if kept.is_empty() {
                kept = format!("{}\n", cut(line, bytes_max / 4));
            }
            break;
        }
        kept.push_str(line);
    }
    (kept, false)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    fn clock() -> Clock {
        Clock::at("2026-11-21T02:13:07Z").unwrap()
    }

    #[test]
    fn shows_an_object_under_a_line_that_says_what_it_is() {
        let value = json!({
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {
                "name": "web-7d9c", "namespace": "shop", "uid": "1-2",
                "creationTimestamp": "2026-11-21T01:13:07Z",
                "deletionTimestamp": "2026-11-21T02:10:07Z",
                "ownerReferences": [{"kind": "Deployment", "name": "web"}],
            },
            "spec": {"template": {"spec": {"containers": [{
                "name": "app", "env": [{"name": "TOKEN", "value": "[redacted]"}],
            }]}}},
        });
        let found = Object { json: String::new(), redacted: 1, removed: 2 };
        let reply = answer("rs", &found, &value, &clock());
        assert!(!reply.truncated && reply.structured.deleting);
        assert_eq!(reply.structured.owner.as_deref(), Some("Deployment/web"));
        expect![[r##"
            # ReplicaSet shop/web-7d9c, created 60m ago, deleting for 3m, 1 values replaced, 2 characters removed
            apiVersion: apps/v1
            kind: ReplicaSet
            metadata:
              creationTimestamp: "2026-11-21T01:13:07Z"
              deletionTimestamp: "2026-11-21T02:10:07Z"
              name: web-7d9c
              namespace: shop
              ownerReferences:
              - kind: Deployment
                name: web
              uid: "1-2"
            spec:
              template:
                spec:
                  containers:
                  - env:
                    - name: TOKEN
                      value: "[redacted]"
                    name: app"##]].assert_eq(&reply.text);
    }

    #[test]
    fn leaves_out_what_is_too_long() {
        let lines: Vec<String> = (0..20_000).map(|i| format!("line {i}")).collect();
        let value = json!({"metadata": {"name": "big"}, "data": {"log": lines.join("\n")}});
        let found = Object { json: String::new(), redacted: 0, removed: 0 };
        let reply = answer("ConfigMap", &found, &value, &clock());
        assert!(reply.truncated && reply.text.len() < TEXT_BYTES_MAX + 300);
        assert!(reply.text.ends_with("name `fields` to see part of it"));
        let value = json!({"metadata": {"name": "big"}, "data": "ü".repeat(TEXT_BYTES_MAX)});
        let reply = answer("ConfigMap", &found, &value, &clock());
        assert!(reply.truncated && reply.text.contains("üü"));
    }
}
