//! Ingresses, and backends that are not there.

use toolgate_sdk::object::{Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

use crate::list;

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Row {
    namespace: String,
    ingress: String,
    host: String,
    path: String,
    backend: String,
    /// Whether service and port exist.
    exists: bool,
}

#[output]
pub(crate) struct Ingresses {
    rules: Vec<Row>,
    broken: usize,
}

pub(crate) fn list_ingresses(args: Args) -> Result<Reply<Ingresses>, ToolError> {
    let Args { namespace, cluster } = args;
    let (cluster, within) = (cluster.as_deref(), namespace.as_deref());
    let (ingresses, more) = list(cluster, "Ingress.networking.k8s.io", within, &["spec"])?;
    let (services, _) = list(cluster, "Service", within, &["spec.ports"])?;
    Ok(answer(&pages::place(within), &ingresses, &services, more))
}

fn answer(place: &str, ingresses: &[Value], services: &[Value], more: bool) -> Reply<Ingresses> {
    let mut rows: Vec<(Row, String)> =
        ingresses.iter().flat_map(|ingress| rows_of(ingress, services)).collect();
    rows.sort_by_key(|(row, _)| row.exists);
    let header = ["NAMESPACE", "INGRESS", "HOST", "PATH", "BACKEND", "PROBLEM"];
    let mut table = Table::new(&header).narrow_by("narrow with `namespace`");
    let (total, broken) = (rows.len(), rows.iter().filter(|(row, _)| !row.exists).count());
    let mut kept = Vec::new();
    for (row, problem) in rows {
        let cells = [
            row.namespace.clone(),
            row.ingress.clone(),
            row.host.clone(),
            row.path.clone(),
            row.backend.clone(),
            problem,
        ];
        if table.row(cells) {
            kept.push(row);
        }
    }
    let text = if total == 0 {
        format!("No ingresses in {place}.")
    } else {
        let n = ingresses.len();
        let noun = if n == 1 { "ingress" } else { "ingresses" };
        format!("{n} {noun} with {total} rules in {place}, {broken} without a backend\n\n{table}")
    };
    let truncated = more || table.left_out() > 0;
    Reply::new(text, Ingresses { rules: kept, broken }).truncated(truncated)
}

fn rows_of(ingress: &Value, services: &[Value]) -> Vec<(Row, String)> {
    let row = |host: &str, path: &str, backend: &Value| {
        let (name, problem) = judge(ingress, backend, services);
        let row = Row {
            namespace: ingress.text("metadata.namespace").to_owned(),
            ingress: ingress.text("metadata.name").to_owned(),
            host: if host.is_empty() { "*".to_owned() } else { host.to_owned() },
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            backend: name,
            exists: problem.is_empty(),
        };
        (row, problem)
    };
    let mut rows = Vec::new();
    let default = ingress.at("spec.defaultBackend");
    if !default.is_null() {
        rows.push(row("", "(default)", default));
    }
    for rule in ingress.items("spec.rules") {
        let host = rule.text("host");
        rows.extend(
            rule.items("http.paths")
                .iter()
                .map(|path| row(host, path.text("path"), path.at("backend"))),
        );
    }
    rows
}

/// The backend in words, and what is wrong with it.
fn judge(ingress: &Value, backend: &Value, services: &[Value]) -> (String, String) {
    let name = backend.text("service.name");
    if name.is_empty() {
        // A resource of another kind: what it leads to is for its controller to say.
        let (kind, name) = (backend.text("resource.kind"), backend.text("resource.name"));
        return (format!("{kind}/{name}"), String::new());
    }
    let port = match scalar(backend.at("service.port.number")) {
        number if number.is_empty() => backend.text("service.port.name").to_owned(),
        number => number,
    };
    let shown = format!("{name}:{port}");
    let service = services.iter().find(|service| {
        service.text("metadata.name") == name
            && service.text("metadata.namespace") == ingress.text("metadata.namespace")
    });
    let Some(service) = service else {
        return (shown, format!("there is no service `{name}`"));
    };
    let ports = service.items("spec.ports");
    let fits = |other: &Value| scalar(other.at("port")) == port || other.text("name") == port;
    if ports.iter().any(fits) {
        return (shown, String::new());
    }
    let known: Vec<String> = ports.iter().map(|port| scalar(port.at("port"))).collect();
    (shown, format!("service `{name}` has no port `{port}`, but {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    #[test]
    fn finds_backends_that_do_not_exist() {
        let backend = |name: &str, port: Value| json!({"service": {"name": name, "port": port}});
        let path = |path: &str, backend: Value| json!({"path": path, "backend": backend});
        let ingress = json!({"metadata": {"namespace": "shop", "name": "front"}, "spec": {
            "defaultBackend": {"resource": {"kind": "Bucket", "name": "static"}},
            "rules": [
                {"host": "shop.example.org", "http": {"paths": [
                    path("/", backend("web", json!({"number": 80}))),
                    path("/api", backend("web", json!({"name": "http"}))),
                    path("/pay", backend("pay", json!({"number": 80})))]}},
                {"http": {"paths": [path("/x", backend("web", json!({"number": 81})))]}}]}});
        let services = [
            json!({"metadata": {"namespace": "shop", "name": "web"},
                "spec": {"ports": [{"port": 80, "name": "http"}]}}),
            json!({"metadata": {"namespace": "bank", "name": "pay"}, "spec": {"ports": [{"port": 80}]}}),
        ];
        let reply = answer("`shop`", &[ingress], &services, false);
        assert_eq!((reply.structured.rules.len(), reply.structured.broken), (5, 2));
        expect![[r#"
            1 ingress with 5 rules in `shop`, 2 without a backend

            NAMESPACE   INGRESS   HOST               PATH        BACKEND         PROBLEM
            shop        front     shop.example.org   /pay        pay:80          there is no service `pay`
            shop        front     *                  /x          web:81          service `web` has no port `81`, but 80
            shop        front     *                  (default)   Bucket/static
            shop        front     shop.example.org   /           web:80
            shop        front     shop.example.org   /api        web:http"#]].assert_eq(&reply.text);
        assert_eq!(answer("`shop`", &[], &[], false).text, "No ingresses in `shop`.");
    }
}
