//! Ingresses, and backends that are not there.

use std::fmt::Write as _;

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
    exists: Option<bool>,
}

#[output]
pub(crate) struct Ingresses {
    rules: Vec<Row>,
    broken: usize,
}

pub(crate) fn list_ingresses(args: Args) -> Result<Reply<Ingresses>, ToolError> {
    let Args { namespace, cluster } = args;
    let (cluster, within) = (cluster.as_deref(), namespace.as_deref());
    let (ingresses, more_ingresses) =
        list(cluster, "Ingress.networking.k8s.io", within, &["spec"])?;
    let (services, more_services) = list(cluster, "Service", within, &["spec.ports"])?;
    Ok(answer(within, &Objects { ingresses, services, more_ingresses, more_services }))
}

/// What was listed, and of what there is more than that.
#[derive(Default)]
struct Objects {
    ingresses: Vec<Value>,
    services: Vec<Value>,
    more_ingresses: bool,
    more_services: bool,
}

fn answer(within: Option<&str>, found: &Objects) -> Reply<Ingresses> {
    let mut rows: Vec<(Row, String)> =
        found.ingresses.iter().flat_map(|ingress| rows_of(ingress, found)).collect();
    // What is missing, then what is not known, then what is there.
    rows.sort_by_key(|(row, _)| row.exists.map_or(1, |exists| if exists { 2 } else { 0 }));
    let header = ["NAMESPACE", "INGRESS", "HOST", "PATH", "BACKEND", "PROBLEM"];
    let mut table = Table::new(&header).narrow_by("narrow with `namespace`");
    let (total, broken) =
        (rows.len(), rows.iter().filter(|(row, _)| row.exists == Some(false)).count());
    let n_open = rows.iter().filter(|(row, _)| row.exists.is_none()).count();
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
    let place = pages::place(within);
    let mut text = if total == 0 {
        format!("No ingresses in {place}.")
    } else {
        let n = found.ingresses.len();
        let noun = if n == 1 { "ingress" } else { "ingresses" };
        format!("{n} {noun} with {total} rules in {place}, {broken} without a backend\n\n{table}")
    };
    if found.more_ingresses {
        let _ = write!(text, "\n\n{}", crate::more("ingresses", within));
    }
    if n_open > 0 {
        let more = crate::more("services", within);
        let _ = write!(
            text,
            "\n\nOf {n_open} rules it is not known whether the backend exists. {more}"
        );
    }
    let truncated = found.more_ingresses || n_open > 0 || table.left_out() > 0;
    Reply::new(text, Ingresses { rules: kept, broken }).truncated(truncated)
}

fn rows_of(ingress: &Value, found: &Objects) -> Vec<(Row, String)> {
    let row = |host: &str, path: &str, backend: &Value| {
        let (name, exists, problem) = judge(ingress, backend, found);
        let row = Row {
            namespace: ingress.text("metadata.namespace").to_owned(),
            ingress: ingress.text("metadata.name").to_owned(),
            host: if host.is_empty() { "*".to_owned() } else { host.to_owned() },
            path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
            backend: name,
            exists,
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

/// The backend in words, whether it is there, and what is wrong with it.
fn judge(ingress: &Value, backend: &Value, found: &Objects) -> (String, Option<bool>, String) {
    let name = backend.text("service.name");
    if name.is_empty() {
        // A resource of another kind: what it leads to is for its controller to say.
        let (kind, name) = (backend.text("resource.kind"), backend.text("resource.name"));
        return (format!("{kind}/{name}"), Some(true), String::new());
    }
    let port = match scalar(backend.at("service.port.number")) {
        number if number.is_empty() => backend.text("service.port.name").to_owned(),
        number => number,
    };
    let shown = format!("{name}:{port}");
    let service = found.services.iter().find(|service| {
        service.text("metadata.name") == name
            && service.text("metadata.namespace") == ingress.text("metadata.namespace")
    });
    let Some(service) = service else {
        if found.more_services {
            let why = format!("not known: `{name}` is not among the services that were looked at");
            return (shown, None, why);
        }
        return (shown, Some(false), format!("there is no service `{name}`"));
    };
    let ports = service.items("spec.ports");
    let fits = |other: &Value| scalar(other.at("port")) == port || other.text("name") == port;
    if ports.iter().any(fits) {
        return (shown, Some(true), String::new());
    }
    let known: Vec<String> = ports.iter().map(|port| scalar(port.at("port"))).collect();
    let why = format!("service `{name}` has no port `{port}`, but {}", known.join(", "));
    (shown, Some(false), why)
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
        let services = vec![
            json!({"metadata": {"namespace": "shop", "name": "web"},
                "spec": {"ports": [{"port": 80, "name": "http"}]}}),
            json!({"metadata": {"namespace": "bank", "name": "pay"}, "spec": {"ports": [{"port": 80}]}}),
        ];
        let mut found = Objects { ingresses: vec![ingress], services, ..Objects::default() };
        let reply = answer(Some("shop"), &found);
        assert_eq!((reply.structured.rules.len(), reply.structured.broken), (5, 2));
        expect![[r#"
            1 ingress with 5 rules in `shop`, 2 without a backend

            NAMESPACE   INGRESS   HOST               PATH        BACKEND         PROBLEM
            shop        front     shop.example.org   /pay        pay:80          there is no service `pay`
            shop        front     *                  /x          web:81          service `web` has no port `81`, but 80
            shop        front     *                  (default)   Bucket/static
            shop        front     shop.example.org   /           web:80
            shop        front     shop.example.org   /api        web:http"#]].assert_eq(&reply.text);
        assert_eq!(answer(Some("shop"), &Objects::default()).text, "No ingresses in `shop`.");
        // The service may be among those that were not read; the port of one that was, may not.
        found.more_services = true;
        let reply = answer(None, &found);
        assert_eq!((reply.truncated, reply.structured.broken), (true, 1));
        let exists: Vec<_> = reply.structured.rules.iter().map(|row| row.exists).collect();
        assert_eq!(exists, [Some(false), None, Some(true), Some(true), Some(true)]);
        expect![[r#"
            1 ingress with 5 rules in the granted namespaces, 1 without a backend

            NAMESPACE   INGRESS   HOST               PATH        BACKEND         PROBLEM
            shop        front     *                  /x          web:81          service `web` has no port `81`, but 80
            shop        front     shop.example.org   /pay        pay:80          not known: `pay` is not among the services that were looked at
            shop        front     *                  (default)   Bucket/static
            shop        front     shop.example.org   /           web:80
            shop        front     shop.example.org   /api        web:http

            Of 1 rules it is not known whether the backend exists. There are more services than the 2000 that were looked at: name a `namespace`."#]]
        .assert_eq(&reply.text);
    }
}
