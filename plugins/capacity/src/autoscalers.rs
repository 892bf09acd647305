//! Horizontal pod autoscalers and what they act on.

use toolgate_sdk::object::{self, Clock, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::serde_json::Value;

const OBJECTS_MAX: usize = 1_000;

#[arguments]
pub(crate) struct Args {
    /// Omit for all granted.
    namespace: Option<String>,
    cluster: Option<String>,
}

#[output]
pub(crate) struct Row {
    namespace: String,
    name: String,
    target: String,
    current_replicas: i64,
    max_replicas: i64,
    at_max: bool,
    problem: bool,
}

#[output]
pub(crate) struct Autoscalers {
    autoscalers: Vec<Row>,
    total: usize,
}

pub(crate) fn list_autoscalers(args: Args) -> Result<Reply<Autoscalers>, ToolError> {
    let Args { namespace, cluster } = args;
    let kind = "HorizontalPodAutoscaler.autoscaling";
    let (cluster, within) = (cluster.as_deref(), namespace.as_deref());
    let (found, more) = object::list(cluster, kind, within, &["spec", "status"], OBJECTS_MAX)?;
    Ok(answer(&pages::place(within), found, more, &Clock::read()?))
}

fn answer(place: &str, found: Vec<Value>, more: bool, clock: &Clock) -> Reply<Autoscalers> {
    let total = found.len();
    let mut found: Vec<(Option<String>, Value)> =
        found.into_iter().map(|object| (problem(&object), object)).collect();
    found.sort_by_key(|(problem, _)| problem.is_none());
    let header = [
        "NAMESPACE",
        "NAME",
        "REFERENCE",
        "METRICS",
        "MIN",
        "MAX",
        "REPLICAS",
        "LAST SCALED",
        "PROBLEM",
    ];
    let mut table = Table::new(&header).narrow_by("narrow with `namespace`");
    let mut rows = Vec::new();
    for (problem, object) in found {
        let row = Row {
            namespace: object.text("metadata.namespace").to_owned(),
            name: object.text("metadata.name").to_owned(),
            target: format!(
                "{}/{}",
                object.text("spec.scaleTargetRef.kind"),
                object.text("spec.scaleTargetRef.name")
            ),
            current_replicas: object.int("status.currentReplicas").unwrap_or(0),
            max_replicas: object.int("spec.maxReplicas").unwrap_or(0),
            at_max: at_max(&object),
            problem: problem.is_some(),
        };
        let last = match object.text("status.lastScaleTime") {
            "" => "never".to_owned(),
            at => format!("{} ago", clock.age(at)),
        };
        let kept = table.row([
            row.namespace.clone(),
            row.name.clone(),
            row.target.clone(),
            metrics(&object),
            object.int("spec.minReplicas").unwrap_or(1).to_string(),
            row.max_replicas.to_string(),
            row.current_replicas.to_string(),
            last,
            problem.unwrap_or_default(),
        ]);
        if kept {
            rows.push(row);
        }
    }
    let text = if total == 0 {
        format!("No autoscalers in {place}.")
    } else {
        let n_bad = rows.iter().filter(|row| row.problem).count();
        let noun = if total == 1 { "autoscaler" } else { "autoscalers" };
        format!("{total} {noun} in {place}, {n_bad} with a problem\n\n{table}")
    };
    let truncated = more || table.left_out() > 0;
    Reply::new(text, Autoscalers { autoscalers: rows, total }).truncated(truncated)
}

fn at_max(object: &Value) -> bool {
    let (now, max) = (object.int("status.desiredReplicas"), object.int("spec.maxReplicas"));
    now.is_some() && now >= max
}

/// Why it does not scale, or cannot any further.
fn problem(object: &Value) -> Option<String> {
    let bad = object.items("status.conditions").iter().find(|condition| {
        matches!(condition.text("type"), "AbleToScale" | "ScalingActive")
            && condition.text("status") == "False"
    });
    if let Some(bad) = bad {
        return Some(one_line(&format!("{}: {}", bad.text("reason"), bad.text("message"))));
    }
    let wants_more = object.items("status.conditions").iter().any(|condition| {
        condition.text("type") == "ScalingLimited"
            && condition.text("status") == "True"
            && condition.text("reason") == "TooManyReplicas"
    });
    (wants_more && at_max(object)).then(|| "at its maximum, and would scale further".to_owned())
}

/// `cpu 85%/80%, memory 300Mi/1Gi`: current and wanted, metric by metric.
fn metrics(object: &Value) -> String {
    let current = object.items("status.currentMetrics");
    let shown = object.items("spec.metrics").iter().map(|metric| {
        let (name, target) = parts(metric, "target");
        let now = current
            .iter()
            .map(|metric| parts(metric, "current"))
            .find(|(other, value)| *other == name && !value.is_empty())
            .map_or_else(|| "<unknown>".to_owned(), |(_, value)| value);
        format!("{name} {now}/{target}")
    });
    let shown: Vec<String> = shown.collect();
    if shown.is_empty() { "<none>".to_owned() } else { shown.join(", ") }
}

/// The name of a metric, and its value under this key.
fn parts(metric: &Value, side: &str) -> (String, String) {
    let body = match metric.text("type") {
        "Resource" => metric.at("resource"),
        "ContainerResource" => metric.at("containerResource"),
        "Pods" => metric.at("pods"),
        "Object" => metric.at("object"),
        "External" => metric.at("external"),
        _ => &Value::Null,
    };
    let name = match body.text("name") {
        "" => body.text("metric.name"),
        name => name,
    };
    let value = body.at(side);
    let value = match value.int("averageUtilization") {
        Some(percent) => format!("{percent}%"),
        None => match scalar(value.at("averageValue")) {
            average if average.is_empty() => scalar(value.at("value")),
            average => average,
        },
    };
    (name.to_owned(), value)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    #[expect(clippy::needless_pass_by_value, reason = "as `json!` makes it")]
    fn autoscaler(name: &str, status: Value) -> Value {
        json!({"metadata": {"namespace": "shop", "name": name}, "status": status, "spec": {
            "scaleTargetRef": {"kind": "Deployment", "name": name}, "maxReplicas": 5,
            "metrics": [
                {"type": "Resource", "resource": {"name": "cpu", "target": {"averageUtilization": 80}}},
                {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"averageValue": "100"}}}]}})
    }

    #[test]
    fn shows_metrics_and_puts_problems_first() {
        let well = json!({"currentReplicas": 2, "desiredReplicas": 2,
            "lastScaleTime": "2026-11-21T01:13:07Z", "currentMetrics": [
                {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 55}}}]});
        let blind = json!({"currentReplicas": 1, "conditions": [{"type": "ScalingActive",
            "status": "False", "reason": "FailedGetResourceMetric", "message": "no\nmetrics"}]});
        let full = json!({"currentReplicas": 5, "desiredReplicas": 5, "conditions": [
            {"type": "ScalingLimited", "status": "True", "reason": "TooManyReplicas"}]});
        let found =
            vec![autoscaler("web", well), autoscaler("cart", blind), autoscaler("pay", full)];
        let clock = Clock::at("2026-11-21T02:13:07Z").unwrap();
        let reply = answer("`shop`", found, false, &clock);
        assert!(!reply.truncated && reply.structured.autoscalers[1].at_max);
        expect![[r#"
            3 autoscalers in `shop`, 2 with a problem

            NAMESPACE   NAME   REFERENCE         METRICS                                MIN   MAX   REPLICAS   LAST SCALED   PROBLEM
            shop        cart   Deployment/cart   cpu <unknown>/80%, rps <unknown>/100   1     5     1          never         FailedGetResourceMetric: no metrics
            shop        pay    Deployment/pay    cpu <unknown>/80%, rps <unknown>/100   1     5     5          never         at its maximum, and would scale further
            shop        web    Deployment/web    cpu 55%/80%, rps <unknown>/100         1     5     2          60m ago"#]].assert_eq(&reply.text);
        assert_eq!(answer("`shop`", Vec::new(), false, &clock).text, "No autoscalers in `shop`.");
    }
}
