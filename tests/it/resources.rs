//! Resources that plugins contribute, and those that the house tells of itself.

use std::sync::Arc;
use std::time::Duration;

use expect_test::expect;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use toolgate::domain::principal::Principal;
use toolgate::domain::subject::{Completed, Subject};
use toolgate::gateway::Tools;
use toolgate::transport::serve_io;
use toolgate_tests::{House, grants};

/// Where everything here is granted.
const SHOP: &str = "namespaces = [\"shop\"]";

/// How often what is watched is read again here.
const OFTEN: Duration = Duration::from_millis(50);

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

fn uri(text: &str) -> Subject {
    Subject::Resource(text.parse().unwrap())
}

async fn browse() -> House {
    House::of(&["plugins/browse"], &grants("plugins/browse", SHOP)).await
}

async fn read(house: &House, text: &str) -> String {
    house.get(uri(text), json!({})).await
}

#[tokio::test]
async fn reads_what_is_granted() {
    let house = browse().await;
    assert_eq!(house.failures(), "");
    let names = read(&house, "k8s://demo/namespaces").await;
    assert!(names.contains(r#""name":"shop""#) && !names.contains("kube-system"), "{names}");
    let workloads = read(&house, "k8s://demo/namespaces/shop/workloads").await;
    assert!(workloads.contains(r#""name":"checkout""#), "{workloads}");
    let status = read(&house, "k8s://demo/namespaces/shop/workloads/deployment/checkout").await;
    let status: Value = serde_json::from_str(status.strip_prefix("content: ").unwrap()).unwrap();
    assert_eq!((&status["kind"], &status["name"]), (&json!("Deployment"), &json!("checkout")));
    let diagram =
        read(&house, "k8s://demo/namespaces/shop/workloads/deployment/checkout/ownership").await;
    assert!(diagram.starts_with("content: graph TD\n  w[\"Deployment/checkout\"]\n"), "{diagram}");
    assert!(diagram.contains("Pod/checkout-"), "{diagram}");
    let pod = diagram.split("Pod/").nth(1).unwrap().split(':').next().unwrap().to_owned();
    let facts = read(&house, &format!("k8s://demo/namespaces/shop/pods/{pod}")).await;
    assert!(facts.contains(&format!(r#""name":"{pod}""#)), "{facts}");
    let log = read(&house, &format!("k8s://demo/namespaces/shop/pods/{pod}/log")).await;
    assert!(log.starts_with("content"), "{log}");
    let recorded = house.record().text().await;
    let line = format!("received  eve@os resource k8s://demo/namespaces/shop/pods/{pod}/log {{}}");
    assert!(recorded.contains(&line), "{recorded}");
}

#[tokio::test]
async fn lists_workloads_of_the_kinds_that_are_granted() {
    let kinds = async |granted: &str| {
        let reach = format!("{SHOP}\nkinds = {granted}");
        let config = grants("plugins/browse", SHOP).replacen(SHOP, &reach, 1);
        let house = House::of(&["plugins/browse"], &config).await;
        let found = read(&house, "k8s://demo/namespaces/shop/workloads").await;
        let Some(found) = found.strip_prefix("content: ") else { return found };
        let found: Value = serde_json::from_str(found).unwrap();
        let rows = found["workloads"].as_array().unwrap().iter();
        let mut rows: Vec<_> = rows.map(|row| row["kind"].as_str().unwrap().to_owned()).collect();
        rows.dedup();
        format!("{} without {}", rows.join(" "), found["left_out"])
    };
    expect![[r#"
        Deployment StatefulSet Job CronJob without null
        Deployment Job without ["StatefulSet","DaemonSet","CronJob"]
        not-found: namespace `shop` not found in cluster `demo`, or not granted
    "#]]
    .assert_eq(&format!(
        "{}\n{}\n{}\n",
        kinds(r#"["*"]"#).await,
        kinds(r#"["Deployment", "Job"]"#).await,
        kinds(r#"["Pod"]"#).await
    ));
}

#[tokio::test]
async fn a_pods_manifest_shows_no_value_of_its_environment() {
    let house = browse().await;
    let pod = "k8s://demo/namespaces/shop/pods/checkout-7d9f8b6c54-mk4zq/manifest";
    let manifest = read(&house, pod).await;
    let manifest: Value =
        serde_json::from_str(manifest.strip_prefix("content: ").unwrap()).unwrap();
    assert_eq!(manifest["metadata"]["name"], "checkout-7d9f8b6c54-mk4zq");
    assert!(manifest["status"].is_null() && manifest["metadata"]["resourceVersion"].is_null());
    let env = &manifest["spec"]["containers"][0]["env"];
    expect![[r#"
        [
          {
            "name": "JAVA_TOOL_OPTIONS",
            "value": "[redacted:env]"
          },
          {
            "name": "PAYMENTS_API_KEY",
            "value": "[redacted:env]"
          },
          {
            "name": "DATABASE_PASSWORD",
            "valueFrom": {
              "secretKeyRef": {
                "key": "password",
                "name": "checkout-db"
              }
            }
          },
          {
            "name": "CART_CACHE",
            "value": "[redacted:env]"
          }
        ]
    "#]]
    .assert_eq(&format!("{env:#}\n"));
    assert!(!manifest.to_string().contains("canary"), "{manifest}");
}

#[tokio::test]
async fn what_lies_outside_of_the_grant_is_not_there() {
    let house = browse().await;
    let mut seen = String::new();
    for text in [
        "k8s://demo/namespaces/kube-system/workloads",
        "k8s://demo/namespaces/no-such/workloads",
        "k8s://blue/namespaces",
        "k8s://demo/namespaces/shop/workloads/deployment/no-such",
        "k8s://demo/namespaces/shop/workloads/job/checkout",
        "k8s://demo/namespaces/Shop/workloads",
        "k8s://demo/secrets",
        "toolgate://secrets",
    ] {
        seen.push_str(&format!("{}\n", read(&house, text).await));
    }
    expect![[r#"
        not-found: namespace `kube-system` not found in cluster `demo`, or not granted
        not-found: namespace `no-such` not found in cluster `demo`, or not granted
        not-found: cluster `blue` not found
        not-found: Deployment `no-such` not found in namespace `shop` of cluster `demo`, or not granted
        not-found: the kind of a workload is deployment, statefulset or daemonset
        not-found: `Shop` is not a valid namespace: lower-case letters, digits and `-`, at most 63
        refused, unknown-resource: there is no resource `k8s://demo/secrets`
        refused, unknown-resource: there is no resource `toolgate://secrets`
    "#]].assert_eq(&seen);
}

#[tokio::test]
async fn completes_the_variables_of_a_template() {
    let house = browse().await;
    let ask = async |template: &str, name: &str, given: Value| {
        let of = Completed::Template(template.parse().unwrap());
        house.get(Subject::Completion { of, argument: name.parse().unwrap() }, given).await
    };
    let pods = "k8s://{cluster}/namespaces/{namespace}/pods/{pod}";
    let given = json!({"cluster": "demo", "namespace": "shop", "pod": "check"});
    let found = ask(pods, "pod", given).await;
    assert!(found.starts_with("values: checkout-"), "{found}");
    assert_eq!(ask(pods, "cluster", json!({"cluster": ""})).await, "values: demo");
    let kinds = "k8s://{cluster}/namespaces/{namespace}/workloads/{kind}/{workload}";
    assert_eq!(ask(kinds, "kind", json!({"kind": "d"})).await, "values: daemonset deployment");
    let other = ask("k8s://{a}/namespaces", "a", json!({"a": ""})).await;
    assert!(other.starts_with("refused, unknown-argument: "), "{other}");
}

#[tokio::test]
async fn tells_a_caller_what_it_may_do_and_no_more() {
    let config = r#"
        [mode]
        read_only = true
        [clusters.blue]
        demo = true
        default = true
        [clusters.green]
        demo = true
        [grants.pods.kubernetes-read]
        clusters = ["blue"]
        namespaces = ["shop"]
        kinds = ["Pod"]
        [grants.pods.kubernetes-events]
        clusters = ["blue"]
        namespaces = ["shop"]
    "#;
    let remediation = grants("plugins/remediation", &format!("clusters = [\"blue\"]\n{SHOP}"));
    let config = format!("{config}{remediation}");
    let house = House::of(&["plugins/pods", "plugins/remediation"], &config).await;
    assert_eq!(house.failures(), "");
    let clusters = read(&house, "toolgate://clusters").await;
    assert_eq!(clusters, r#"content: {"clusters":[{"name":"blue","default":true}]}"#);
    let told = read(&house, "toolgate://permissions").await;
    let told: Value = serde_json::from_str(told.strip_prefix("content: ").unwrap()).unwrap();
    expect![[r#"
        {
          "principal": "eve@os",
          "mode": {
            "read_only": true,
            "dry_run": false,
            "namespaces": [
              "*"
            ]
          },
          "tools": [
            {
              "name": "describe_pod",
              "plugin": "pods",
              "tier": "read"
            },
            {
              "name": "get_pod_status",
              "plugin": "pods",
              "tier": "read"
            },
            {
              "name": "list_failing_pods",
              "plugin": "pods",
              "tier": "read"
            },
            {
              "name": "list_pods",
              "plugin": "pods",
              "tier": "read"
            }
          ],
          "plugins": [
            {
              "name": "pods",
              "capabilities": {
                "kubernetes-events": {
                  "tier": "read",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                },
                "kubernetes-read": {
                  "tier": "read",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "Pod"
                  ],
                  "names": [
                    "*"
                  ]
                }
              }
            },
            {
              "name": "remediation",
              "capabilities": {
                "kubernetes-restart": {
                  "tier": "reversible",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                },
                "kubernetes-scale": {
                  "tier": "reversible",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                },
                "kubernetes-rollback": {
                  "tier": "reversible",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                },
                "kubernetes-pause": {
                  "tier": "reversible",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                },
                "kubernetes-delete-pod": {
                  "tier": "destructive",
                  "clusters": [
                    "blue"
                  ],
                  "namespaces": [
                    "shop"
                  ],
                  "kinds": [
                    "*"
                  ],
                  "names": [
                    "*"
                  ]
                }
              }
            }
          ]
        }"#]]
    .assert_eq(&format!("{told:#}"));
    expect![[r#"
        received  eve@os resource toolgate://clusters {}
        admitted  toolgate (ambient)
        completed content
        received  eve@os resource toolgate://permissions {}
        admitted  toolgate (ambient)
        completed content
    "#]]
    .assert_eq(&house.record().text().await);
}

#[tokio::test]
async fn a_hostile_resource_is_bounded_and_made_plain() {
    let grant = "[grants.hostile-offers.kubernetes-read]\nnamespaces = [\"shop\"]\n";
    let house = House::of(&["guests/hostile-offers"], grant).await;
    let mut seen = String::new();
    for what in ["giant", "garbled", "escaped", "no-json", "no-type", "namespaces", "a%20b"] {
        let came = read(&house, &format!("hostile://{what}/text")).await;
        seen.push_str(&format!("{what}: {came}\n"));
    }
    expect![[r#"
        giant: limit-exceeded: the resource has 1048576 bytes; its limit `output_bytes_max` is 262144
        garbled: content: red leftright zerowidth [redacted:aws-access-key]
        escaped: content: {"text":"red","[redacted:aws-access-key]":"[redacted:aws-access-key]"}
        no-json: trapped, for the log: its content says JSON: it is not JSON: EOF while parsing an object at line 1 column 1
        no-type: trapped, for the log: the media type of its content is none
        namespaces: content: shop
        a%20b: content: hostile://a%20b/text
    "#]].assert_eq(&seen);
}

#[tokio::test]
async fn tells_a_subscriber_of_a_restart_and_records_every_look() {
    let plugins = ["plugins/browse", "plugins/remediation"];
    let grants = plugins.map(|source| grants(source, SHOP)).concat();
    let config = format!("[mode]\nread_only = false\n[approvals]\nrequired = false\n{grants}");
    let house = House::of(&plugins, &config).await;
    let (client, server) = tokio::io::duplex(1 << 20);
    let (from, to) = tokio::io::split(server);
    let tools: Arc<dyn Tools> = house.gateway().clone();
    let serving = serve_io(tools, Principal::local("eve"), from, to, OFTEN, std::future::pending());
    let serving = tokio::spawn(serving);
    let (from_server, mut to_server) = tokio::io::split(client);
    let mut lines = BufReader::new(from_server).lines();
    let watched = "k8s://demo/namespaces/shop/workloads/deployment/checkout";
    let hello = json!({"protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": {"name": "test", "version": "0"}});
    for message in [
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": hello}),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
        json!({"jsonrpc": "2.0", "id": 1, "method": "resources/subscribe", "params": {"uri": watched}}),
    ] {
        to_server.write_all(format!("{message}\n").as_bytes()).await.unwrap();
    }
    let mut next = async || {
        let line = tokio::time::timeout(PATIENCE, lines.next_line()).await.expect("a message");
        serde_json::from_str::<Value>(&line.unwrap().expect("the session goes on")).unwrap()
    };
    while next().await["id"] != 1 {}
    let restart = json!({"namespace": "shop", "deployment_name": "checkout"});
    let done = house.ask("eve", "restart_deployment", restart).await;
    assert!(done.starts_with("output: "), "{done}");
    let told = loop {
        let message = next().await;
        if message["method"] == "notifications/resources/updated" {
            break message;
        }
    };
    assert_eq!(told["params"]["uri"], watched, "{told}");
    to_server.shutdown().await.unwrap();
    serving.await.unwrap().unwrap();
    let recorded = house.record().text().await;
    let looks = recorded.matches(&format!("received  eve@os resource {watched}")).count();
    assert!(looks >= 2, "{recorded}");
}
