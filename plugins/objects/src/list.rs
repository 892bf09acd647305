//! Objects of one kind, as a table.

use toolgate_sdk::kubernetes_read::{self, ObjectQuery};
use toolgate_sdk::object::{self, Clock, Fields as _};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::views::{self, View};

#[arguments]
pub(crate) struct Args {
    /// As in kubectl
    kind: String,
    /// Omit for all granted.
    namespace: Option<String>,
    label_selector: Option<String>,
    field_selector: Option<String>,
    /// Columns instead: `spec.nodeName`
    #[serde(default)]
    #[schemars(length(max = 12))]
    fields: Vec<String>,
    #[serde(default = "default_limit")]
    #[schemars(range(min = 1, max = 250))]
    limit: u32,
    /// From the answer before.
    continue_token: Option<String>,
    cluster: Option<String>,
}

fn default_limit() -> u32 {
    50
}

#[output]
pub(crate) struct Item {
    namespace: Option<String>,
    name: String,
}

#[output]
pub(crate) struct Listing {
    kind: String,
    items: Vec<Item>,
    continue_token: Option<String>,
    remaining: Option<u64>,
}

/// What was listed, and how.
struct Found {
    kind: String,
    objects: Vec<Value>,
    continue_token: Option<String>,
    remaining: Option<u64>,
}

pub(crate) fn list_resources(args: Args) -> Result<Reply<Listing>, ToolError> {
    let view = views::of(&args.kind);
    let fields = if args.fields.is_empty() {
        view.fields.iter().map(|&field| field.to_owned()).collect()
    } else {
        args.fields.clone()
    };
    let place = args
        .namespace
        .as_ref()
        .map_or_else(|| "all that is granted".to_owned(), |name| format!("`{name}`"));
    let page = kubernetes_read::list_objects(&ObjectQuery {
        cluster: args.cluster,
        kind: args.kind,
        namespace: args.namespace,
        label_selector: args.label_selector,
        field_selector: args.field_selector,
        fields,
        limit: Some(args.limit),
        continue_: args.continue_token,
    })?;
    let objects = page.objects.iter().map(object::parse).collect::<Result<_, _>>()?;
    let found = Found {
        kind: page.kind,
        objects,
        continue_token: page.continue_.filter(|token| !token.is_empty()),
        remaining: page.remaining,
    };
    Ok(answer(&place, view, &args.fields, found, &Clock::read()?))
}

fn answer(
    place: &str,
    view: &View,
    fields: &[String],
    found: Found,
    clock: &Clock,
) -> Reply<Listing> {
    let Found { kind, objects, continue_token, remaining } = found;
    let namespaced = objects.iter().any(|o| !o.text("metadata.namespace").is_empty());
    let mut header = if namespaced { vec!["NAMESPACE", "NAME"] } else { vec!["NAME"] };
    if fields.is_empty() {
        header.push("AGE");
        header.extend(view.columns.iter().map(|(name, _)| *name));
    } else {
        header.extend(fields.iter().map(String::as_str));
    }
    let mut table = Table::new(&header).keep(objects.len()).narrow_by(
        "ask again with `continue_token`, or narrow with `namespace` or `label_selector`",
    );
    let mut items = Vec::new();
    for object in &objects {
        let name = object.text("metadata.name").to_owned();
        let namespace = object.text("metadata.namespace").to_owned();
        let mut cells = if namespaced { vec![namespace.clone()] } else { Vec::new() };
        cells.push(name.clone());
        if fields.is_empty() {
            cells.push(clock.age(object.text("metadata.creationTimestamp")));
            cells.extend(view.columns.iter().map(|(_, cell)| cell(object, clock)));
        } else {
            cells.extend(fields.iter().map(|field| picked(object, field)));
        }
        table.row(cells);
        items.push(Item { namespace: (!namespace.is_empty()).then_some(namespace), name });
    }
    if continue_token.is_some() {
        table.leave_out(remaining.unwrap_or(1).max(1));
    }
    let n = objects.len();
    let noun = if n == 1 { "object" } else { "objects" };
    let text = if n == 0 && continue_token.is_none() {
        format!("No objects of kind {kind} in {place} match.")
    } else {
        format!("{n} {noun} of kind {kind} in {place}\n\n{table}")
    };
    let truncated = continue_token.is_some();
    Reply::new(text, Listing { kind, items, continue_token, remaining }).truncated(truncated)
}

/// What is at a path that leads through lists.
fn picked(object: &Value, path: &str) -> String {
    let mut values = vec![object];
    for key in path.split('.') {
        values = values
            .into_iter()
            .flat_map(|value| value.as_array().map_or_else(|| vec![value], |v| v.iter().collect()))
            .map(|value| value.key(key))
            .filter(|value| !value.is_null())
            .collect();
    }
    let shown = |value: &&Value| {
        if value.is_array() || value.is_object() {
            value.to_string()
        } else {
            object::scalar(value)
        }
    };
    values.iter().map(shown).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use toolgate_sdk::serde_json::json;

    use super::*;

    fn made(name: &str, mut object: Value) -> Value {
        object["metadata"]["name"] = json!(name);
        object["metadata"]["namespace"] = json!("shop");
        object["metadata"]["creationTimestamp"] = json!("2026-11-21T01:13:07Z");
        object
    }

    fn table(kind: &str, fields: &[&str], objects: Vec<Value>) -> String {
        let found = Found { kind: kind.to_owned(), objects, continue_token: None, remaining: None };
        let clock = Clock::at("2026-11-21T02:13:07Z").unwrap();
        let fields: Vec<String> = fields.iter().map(|&field| field.to_owned()).collect();
        let text = answer("`shop`", views::of(kind), &fields, found, &clock).text;
        text.split_once("\n\n").unwrap().1.to_owned()
    }

    #[expect(clippy::needless_pass_by_value, reason = "as `expect!` makes them")]
    fn check(kind: &str, objects: Vec<Value>, expected: Expect) {
        let objects =
            objects.into_iter().enumerate().map(|(i, o)| made(&format!("web-{i}"), o)).collect();
        expected.assert_eq(&table(kind, &[], objects));
    }

    #[test]
    fn shows_pods_by_the_states_of_their_containers() {
        check(
            "pods",
            vec![
                json!({"spec": {"nodeName": "n1"}, "status": {"phase": "Running", "containerStatuses": [
                    {"ready": false, "restartCount": 12, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                     "lastState": {"terminated": {"finishedAt": "2026-11-21T02:10:07Z"}}},
                    {"ready": true, "restartCount": 0, "state": {"running": {}}}]}}),
                json!({"status": {"phase": "Pending", "initContainerStatuses": [
                    {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                    {"state": {"waiting": {"reason": "ImagePullBackOff"}}}]}}),
                json!({"status": {"phase": "Pending", "initContainerStatuses": [
                    {"state": {"running": {}}}, {"state": {"waiting": {"reason": "PodInitializing"}}}]}}),
                json!({"status": {"phase": "Running", "containerStatuses": [
                    {"ready": false, "state": {"running": {}}}]}}),
                json!({"status": {"phase": "Failed", "reason": "Evicted"}}),
                json!({"status": {"phase": "Succeeded", "containerStatuses": [
                    {"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}}),
                json!({"status": {"phase": "Running", "initContainerStatuses": [
                    {"started": true, "state": {"running": {}}}], "containerStatuses": [
                    {"ready": true, "state": {"running": {}}}]}}),
                json!({"metadata": {"deletionTimestamp": "2026-11-21T02:10:07Z"}, "status": {"phase": "Running"}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   READY   STATUS                  RESTARTS      NODE
                shop        web-0   60m   1/2     CrashLoopBackOff        12 (3m ago)   n1
                shop        web-1   60m   0/0     Init:ImagePullBackOff   0             <none>
                shop        web-2   60m   0/0     Init:0/2                0             <none>
                shop        web-3   60m   0/1     NotReady                0             <none>
                shop        web-4   60m   0/0     Evicted                 0             <none>
                shop        web-5   60m   0/1     Completed               0             <none>
                shop        web-6   60m   1/1     Running                 0             <none>
                shop        web-7   60m   0/0     Terminating             0             <none>"#]],
        );
    }

    #[test]
    fn shows_workloads() {
        let template = json!({"spec": {"containers": [{"image": "web:1"}, {"image": "proxy:2"}]}});
        let deployment = json!({"spec": {"replicas": 3, "template": template},
            "status": {"readyReplicas": 1, "updatedReplicas": 2}});
        check(
            "deploy",
            vec![deployment.clone(), json!({})],
            expect![[r#"
            NAMESPACE   NAME    AGE   READY   UP-TO-DATE   AVAILABLE   IMAGES
            shop        web-0   60m   1/3     2            0           web:1,proxy:2
            shop        web-1   60m   0/1     0            0           <none>"#]],
        );
        check(
            "sts",
            vec![deployment],
            expect![[r#"
            NAMESPACE   NAME    AGE   READY   UP-TO-DATE   IMAGES
            shop        web-0   60m   1/3     2            web:1,proxy:2"#]],
        );
        check(
            "DaemonSet.apps",
            vec![json!({"status": {"desiredNumberScheduled": 4, "numberReady": 3}})],
            expect![[r#"
                NAMESPACE   NAME    AGE   DESIRED   READY   UP-TO-DATE   AVAILABLE   IMAGES
                shop        web-0   60m   4         3       0            0           <none>"#]],
        );
    }

    #[test]
    fn shows_jobs_and_what_scales_and_guards() {
        check(
            "jobs",
            vec![
                json!({"status": {"succeeded": 1, "startTime": "2026-11-21T02:00:07Z",
                    "completionTime": "2026-11-21T02:03:07Z",
                    "conditions": [{"type": "Complete", "status": "True"}]},
                    "metadata": {"ownerReferences": [{"kind": "CronJob", "name": "report"}]}}),
                json!({"spec": {"completions": 4}, "status": {"startTime": "2026-11-21T02:10:07Z",
                    "conditions": [{"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded"}]}}),
                json!({"spec": {"suspend": true}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   STATUS                         COMPLETIONS   DURATION   OWNER
                shop        web-0   60m   Complete                       1/1           3m         CronJob/report
                shop        web-1   60m   Failed: BackoffLimitExceeded   0/4           3m         <none>
                shop        web-2   60m   Suspended                      0/1                      <none>"#]],
        );
        check(
            "cj",
            vec![json!({"spec": {"schedule": "*/5 * * * *"}, "status": {"active": [{}],
                "lastScheduleTime": "2026-11-21T02:10:07Z"}})],
            expect![[r#"
                NAMESPACE   NAME    AGE   SCHEDULE      SUSPEND   ACTIVE   LAST SCHEDULE   LAST SUCCESS
                shop        web-0   60m   */5 * * * *   false     1        3m              <none>"#]],
        );
        check(
            "hpa",
            vec![
                json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 9},
                "status": {"currentReplicas": 3, "conditions": [
                    {"type": "AbleToScale", "status": "True"},
                    {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric",
                     "message": "no metrics"}]}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   REFERENCE        MINPODS   MAXPODS   REPLICAS   PROBLEM
                shop        web-0   60m   Deployment/web   1         9         3          FailedGetResourceMetric: no metrics"#]],
        );
        check(
            "pdb",
            vec![json!({"spec": {"maxUnavailable": "25%"},
                "status": {"disruptionsAllowed": 1, "currentHealthy": 4, "expectedPods": 4}})],
            expect![[r#"
                NAMESPACE   NAME    AGE   MIN AVAILABLE   MAX UNAVAILABLE   ALLOWED DISRUPTIONS   HEALTHY
                shop        web-0   60m   N/A             25%               1                     4/4"#]],
        );
    }

    #[test]
    fn shows_the_network() {
        check(
            "svc",
            vec![
                json!({"spec": {"type": "NodePort", "clusterIP": "10.0.0.1", "selector": {"app": "web"},
                    "ports": [{"port": 80, "targetPort": "http", "nodePort": 30080, "protocol": "TCP"},
                              {"port": 53, "targetPort": 53, "protocol": "UDP"}]}}),
                json!({"spec": {"type": "LoadBalancer"}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   TYPE           CLUSTER-IP   EXTERNAL-IP   PORTS                       SELECTOR
                shop        web-0   60m   NodePort       10.0.0.1     <none>        80:30080/TCP->http,53/UDP   app=web
                shop        web-1   60m   LoadBalancer   <none>       <pending>     <none>                      <none>"#]],
        );
        check(
            "Ingress.networking.k8s.io",
            vec![
                json!({"spec": {"rules": [{"host": "shop.example.org"}, {}], "tls": [{"secretName": "tls"}]}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   CLASS    HOSTS                ADDRESS   TLS
                shop        web-0   60m   <none>   shop.example.org,*   <none>    tls"#]],
        );
        check(
            "endpointslices",
            vec![json!({"addressType": "IPv4", "ports": [{"port": 80}],
                "endpoints": [{"conditions": {"ready": false}}, {}]})],
            expect![[r#"
                NAMESPACE   NAME    AGE   TYPE   PORTS   READY
                shop        web-0   60m   IPv4   80      1/2"#]],
        );
        check(
            "netpol",
            vec![
                json!({"spec": {"podSelector": {"matchLabels": {"app": "web"}, "matchExpressions": [
                    {"key": "tier", "operator": "In", "values": ["a", "b"]}]}, "policyTypes": ["Ingress"]}}),
                json!({"spec": {"podSelector": {}}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   POD-SELECTOR            TYPES
                shop        web-0   60m   app=web,tier In (a,b)   Ingress
                shop        web-1   60m   <all pods>              <none>"#]],
        );
    }

    #[test]
    fn shows_storage_configuration_and_quotas() {
        check(
            "pvc",
            vec![json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast"},
                "status": {"phase": "Pending"}})],
            expect![[r#"
                NAMESPACE   NAME    AGE   STATUS    VOLUME   CAPACITY   ACCESS MODES    STORAGECLASS
                shop        web-0   60m   Pending   <none>   <none>     ReadWriteOnce   fast"#]],
        );
        check(
            "quota",
            vec![
                json!({"status": {"hard": {"cpu": "2", "pods": "10"}, "used": {"cpu": "1500m", "pods": "10"}}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   USED/HARD
                shop        web-0   60m   cpu 1500m/2, pods 10/10 (full)"#]],
        );
        check(
            "cm",
            vec![json!({"data": {"a": "1"}, "binaryData": {"b": "eA=="}})],
            expect![[r#"
                NAMESPACE   NAME    AGE   DATA   KEYS
                shop        web-0   60m   2      a, b"#]],
        );
        check(
            "secrets",
            vec![
                json!({"type": "Opaque", "data": {"password": "12 bytes", "token": {"size_bytes": 5, "fingerprint": "3fa9"}}}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   TYPE     DATA   KEYS
                shop        web-0   60m   Opaque   2      password (12 bytes), token (5 bytes, fingerprint 3fa9)"#]],
        );
    }

    #[test]
    fn shows_what_it_does_not_know_by_its_conditions() {
        check(
            "Certificate.cert-manager.io",
            vec![
                json!({"status": {"conditions": [{"type": "Issuing", "status": "True"},
                    {"type": "Ready", "status": "False", "reason": "DoesNotExist"}]}}),
                json!({"status": {"phase": "Bound"}}),
                json!({}),
            ],
            expect![[r#"
                NAMESPACE   NAME    AGE   STATUS
                shop        web-0   60m   Ready=False: DoesNotExist
                shop        web-1   60m   Bound
                shop        web-2   60m"#]],
        );
    }

    #[test]
    fn shows_the_fields_that_are_named() {
        let containers = json!([{"image": "a:1", "ports": [{"p": 1}, {"p": 2}]}, {"image": "b:2"}]);
        let object = made("web", json!({"spec": {"containers": containers, "x": {"y": 1}}}));
        let fields = ["spec.containers.image", "spec.containers.ports.p", "spec.x", "spec.none"];
        expect![[r#"
            NAMESPACE   NAME   spec.containers.image   spec.containers.ports.p   spec.x    spec.none
            shop        web    a:1,b:2                 1,2                       {"y":1}"#]]
        .assert_eq(&table("Pod", &fields, vec![object]));
    }

    #[test]
    fn says_that_there_is_more() {
        let found = |objects, token: Option<&str>, remaining| Found {
            kind: "v1 ConfigMap".to_owned(),
            objects,
            continue_token: token.map(str::to_owned),
            remaining,
        };
        let clock = Clock::at("2026-11-21T02:13:07Z").unwrap();
        let object = json!({"metadata": {"name": "web"}});
        let reply =
            answer("`shop`", views::of("cm"), &[], found(vec![object], Some("n"), None), &clock);
        assert!(
            reply.truncated && reply.text.contains("… 1 more: ask again with `continue_token`")
        );
        let reply = answer("`shop`", views::of("cm"), &[], found(Vec::new(), None, None), &clock);
        assert_eq!(reply.text, "No objects of kind v1 ConfigMap in `shop` match.");
    }
}
