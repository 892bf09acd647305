//! What both servers say that they serve.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::side::Side;

/// What a resource's entry says that a client acts on.
const FIELDS: &[&str] = &["namespaced", "kind", "verbs", "shortNames", "singularName"];

/// Every resource that the embedded cluster claims, as both describe it.
pub(super) async fn differences(embedded: &Side, real: &Side) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut paths = vec!["/api/v1".to_owned()];
    let groups = embedded.send("GET", "/apis", (None, None), None).await.raw("/groups");
    for group in groups.as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            paths.push(format!("/apis/{}", version["groupVersion"].as_str().unwrap()));
        }
    }
    for path in paths {
        // What only this cluster defines says nothing of the API, and metrics come from a server
        // of their own, where there is one.
        if path.contains("cert-manager.io") || path.contains("metrics.k8s.io") {
            continue;
        }
        let here = embedded.send("GET", &path, (None, None), None).await;
        let there = real.send("GET", &path, (None, None), None).await;
        if there.code == 404 {
            found.insert(format!("discovery: {path}"), "    the real one has no such".to_owned());
            continue;
        }
        let there = there.raw("/resources");
        for entry in here.raw("/resources").as_array().unwrap() {
            let name = entry["name"].as_str().unwrap();
            let other = there.as_array().unwrap().iter().find(|other| other["name"] == name);
            let Some(other) = other else {
                found.insert(
                    format!("discovery: {path}/{name}"),
                    "    the real one has no such".to_owned(),
                );
                continue;
            };
            for field in FIELDS {
                let (here, there) = (sorted(&entry[*field]), sorted(&other[*field]));
                if here != there {
                    let how = format!("    embedded {here}\n    real     {there}");
                    found.insert(format!("discovery: {path}/{name} {field}"), how);
                }
            }
        }
    }
    found
}

/// The order of verbs and short names means nothing.
fn sorted(value: &Value) -> Value {
    let Some(list) = value.as_array() else { return value.clone() };
    let mut texts: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
    texts.sort_unstable();
    json!(texts)
}
