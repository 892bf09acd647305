//! Objects, before and after.

use serde_json::{Value, json};

use super::make_object_safe;

fn safe(kind: &str, value: Value) -> Value {
    make_object_safe(kind, value).value
}

#[test]
fn a_secret_shows_keys_sizes_and_fingerprints_only() {
    let object = |a: &str, b: &str| {
        json!({
            "kind": "Secret", "type": "Opaque",
            "metadata": {
                "name": "db",
                "managedFields": [{ "manager": "kubectl" }],
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": "{\"data\":\"aHVudGVyMg==\"}",
                    "team": "shop",
                },
            },
            "data": { "password": a, "user": b },
            "stringData": { "plain": "hunter2" },
        })
    };
    let shown = make_object_safe("Secret", object("aHVudGVyMg==", "YXBw"));
    let text = shown.value.to_string();
    for hidden in ["aHVudGVyMg", "hunter2", "YXBw", "managedFields", "last-applied"] {
        assert!(!text.contains(hidden), "{text}");
    }
    assert_eq!(shown.redacted, 3);
    let value = shown.value;
    assert_eq!(value["metadata"]["annotations"], json!({ "team": "shop" }));
    assert_eq!(value["data"]["password"]["size_bytes"], 7);
    let fingerprint = |value: &Value| value["fingerprint"].as_str().unwrap().to_owned();
    let password = fingerprint(&value["data"]["password"]);
    assert_eq!(password.len(), 8);
    // Equal values are told to be equal, however they were written.
    assert_eq!(password, fingerprint(&value["stringData"]["plain"]));
    assert_ne!(password, fingerprint(&value["data"]["user"]));
    // Whatever the object itself says that it is, and wherever it stands.
    let disguised = json!({ "kind": "Pod", "data": { "a": "aHVudGVyMg==" } });
    assert!(!safe("Secret", disguised).to_string().contains("aHVudGVyMg"));
    assert!(!safe("Secret", json!({ "data": ["aHVudGVyMg=="] })).to_string().contains("aHVudGVy"));
    let nested = json!({ "items": [{ "kind": "Secret", "data": { "a": "aHVudGVyMg==" } }] });
    assert!(!safe("Thing.example.com", nested).to_string().contains("aHVudGVyMg"));
}

#[test]
fn environments_keep_names_and_references() {
    let container = json!({ "name": "app", "env": [
        { "name": "MODE", "value": "production" },
        { "name": "EMPTY", "value": "" },
        { "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "db", "key": "password" } } },
    ] });
    let shown = json!({ "name": "app", "env": [
        { "name": "MODE", "value": "[redacted:env]" },
        { "name": "EMPTY", "value": "" },
        { "name": "PASSWORD", "valueFrom": { "secretKeyRef": { "name": "db", "key": "password" } } },
    ] });
    let cron_job = |container: &Value| {
        json!({ "spec": { "jobTemplate": { "spec": { "template": { "spec": {
            "initContainers": [container], "containers": [container],
        } } } } } })
    };
    assert_eq!(safe("CronJob", cron_job(&container)), cron_job(&shown));
    assert_eq!(
        safe("Thing.example.com", json!({ "extraEnv": { "A": "b" }, "env": ["C=d", "E"] })),
        json!({ "extraEnv": { "A": "[redacted:env]" }, "env": ["C=[redacted:env]", "E"] })
    );
}

#[test]
fn credentials_are_found_by_name_and_by_form() {
    for (before, after) in [
        (json!({ "token": "abc", "ttl": 5 }), json!({ "token": "[redacted:named]", "ttl": 5 })),
        (
            json!({ "auth": { "password": 123 } }),
            json!({ "auth": { "password": "[redacted:named]" } }),
        ),
        (json!({ "passwords": ["a", ""] }), json!({ "passwords": ["[redacted:named]", ""] })),
        (json!({ "secrets": ["db"] }), json!({ "secrets": ["db"] })),
        (json!({ "secretName": "db" }), json!({ "secretName": "db" })),
        (
            json!({ "automountServiceAccountToken": false }),
            json!({ "automountServiceAccountToken": false }),
        ),
        (
            json!({ "parameters": [{ "name": "db.password", "value": "swordfish" }] }),
            json!({ "parameters": [{ "name": "db.password", "value": "[redacted:named]" }] }),
        ),
        (
            json!({ "args": ["--password", "swordfish", "--port", "80"] }),
            json!({ "args": ["--password", "[redacted:named]", "--port", "80"] }),
        ),
        (
            json!({ "args": ["--password=swordfish"] }),
            json!({ "args": ["--password=[redacted:named]"] }),
        ),
        (
            json!({ "values": "replicas: 1\npassword: swordfish\n" }),
            json!({ "values": "replicas: 1\npassword: [redacted:named]\n" }),
        ),
        (
            json!({ "annotations": { "applied": "{\"env\":[{\"name\":\"A\",\"value\":\"b\"}]}" } }),
            json!({ "annotations": {
                "applied": "{\"env\":[{\"name\":\"A\",\"value\":\"[redacted:env]\"}]}",
            } }),
        ),
        (
            json!({ "lines": ["-----BEGIN PRIVATE KEY-----", "MIIE", "-----END PRIVATE KEY-----", "b"] }),
            json!({ "lines": [
                "[redacted:private-key]", "[redacted:private-key]", "[redacted:private-key]", "b",
            ] }),
        ),
        (json!({ "note": "a\u{202e}b\u{1b}[31m" }), json!({ "note": "ab" })),
    ] {
        assert_eq!(safe("Thing.example.com", before.clone()), after, "{before}");
    }
}

#[test]
fn a_config_map_is_a_folder_of_files() {
    let before = json!({ "kind": "ConfigMap", "data": {
        "app.properties": "db.user=app\ndb.password=swordfish",
        "password": "swordfish",
        "kubeconfig": "clusters: []\ncontexts: []\nusers: []",
        "tls.key": "-----BEGIN PRIVATE KEY-----\nMIIE",
        "log.level": "debug",
    }, "binaryData": { "keystore": "AAEC" } });
    let after = safe("ConfigMap", before);
    assert_eq!(
        after["data"],
        json!({
            "app.properties": "db.user=app\ndb.password=[redacted:named]",
            "password": "[redacted:named]",
            "kubeconfig": "[redacted:kubeconfig]",
            "tls.key": "[redacted:private-key]",
            "log.level": "debug",
        })
    );
    assert_eq!(after["binaryData"]["keystore"]["size_bytes"], 3);
}

#[test]
fn what_is_deep_ends_the_search_and_not_the_host() {
    let text = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let mut nested = "{\"a\":1}".to_owned();
    for _ in 0..8 {
        nested = json!({ "password": "swordfish", "inner": nested }).to_string();
    }
    let shown = safe("Thing.example.com", json!({ "deep": text, "nested": nested }));
    assert!(!shown["nested"].as_str().unwrap().contains("swordfish"), "{shown}");
}
