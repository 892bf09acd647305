//! Disruption budgets: how many of their pods may go, and the eviction that asks.

use serde_json::{Value, json};

use super::Shared;
use super::delete;
use super::pods::{Scene, is_going, is_ready, kind_of};
use super::registry::Kind;
use super::request::Request;
use super::select::selected;
use super::status::Failure;
use super::store::{Store, number, set, text};
use super::write::{Written, body};

/// Brings the status of a namespace's budgets in line with its pods.
pub(super) fn sync(scene: &mut Scene<'_>, namespace: &str) -> Option<()> {
    let kind = kind_of("policy", "poddisruptionbudgets")?;
    let budgets: Vec<Value> =
        scene.store.all(kind, Some(namespace)).map(|(_, budget)| (**budget).clone()).collect();
    for budget in budgets {
        let mut told = budget.clone();
        let status = status(scene.store, &budget);
        for (field, value) in status.as_object().into_iter().flatten() {
            set(&mut told, &["status", field], value.clone());
        }
        scene.store.write_changed(kind, told);
    }
    Some(())
}

fn covers(budget: &Value, pod: &Value) -> bool {
    budget.pointer("/spec/selector").is_some_and(|selector| selected(selector, pod))
}

fn status(store: &Store, budget: &Value) -> Value {
    let namespace = text(budget, "/metadata/namespace");
    let pods: Vec<&Value> = kind_of("", "pods")
        .into_iter()
        .flat_map(|kind| store.all(kind, Some(namespace)))
        .map(|(_, pod)| pod.as_ref())
        .filter(|pod| covers(budget, pod))
        .filter(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .collect();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let expected = count(pods.len());
    let healthy = count(pods.iter().filter(|pod| is_ready(pod) && !is_going(pod)).count());
    // A share of the pods is rounded up, in favour of neither side.
    let part = |field: &str| match budget.pointer(&format!("/spec/{field}"))? {
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            Some((expected.saturating_mul(percent.clamp(0, 100)) + 99) / 100)
        }
        value @ Value::Number(_) => value.as_i64(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    let desired = match (part("minAvailable"), part("maxUnavailable")) {
        (Some(least), _) => least,
        (None, Some(most)) => (expected - most).max(0),
        (None, None) => 0,
    };
    let allowed = if expected == 0 { 0 } else { (healthy - desired).max(0) };
    json!({
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "observedGeneration": number(budget, "/metadata/generation").unwrap_or(1),
    })
}

/// POST of an eviction: a deletion that a budget may forbid.
pub(super) fn evict(
    shared: &Shared,
    kind: &'static Kind,
    (namespace, name): (&str, &str),
    request: &Request,
) -> Written {
    let eviction = body(request)?;
    let named = text(&eviction, "/metadata/name");
    if named != name && !named.is_empty() {
        return Err(Failure::bad_request("name in URL does not match name in Eviction object"));
    }
    {
        let store = shared.store();
        let pod = store.find(kind, namespace, name)?;
        let runs = text(&pod, "/status/phase") == "Running" && !is_going(&pod);
        let budgets = kind_of("policy", "poddisruptionbudgets");
        let budgets: Vec<&Value> = budgets
            .into_iter()
            .flat_map(|budgets| store.all(budgets, Some(namespace)))
            .map(|(_, budget)| budget.as_ref())
            .filter(|budget| runs && covers(budget, &pod))
            .collect();
        if budgets.len() > 1 {
            return Err(Failure::unknown(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource \
                 does not support.",
            ));
        }
        for budget in budgets {
            let now = status(&store, budget);
            // A pod that is not ready may go while the others suffice.
            let spare = number(&now, "/currentHealthy") >= number(&now, "/desiredHealthy")
                && number(&now, "/desiredHealthy") > Some(0)
                && !is_ready(&pod);
            if number(&now, "/disruptionsAllowed") == Some(0) && !spare {
                return Err(Failure::disruption_budget(
                    text(budget, "/metadata/name"),
                    number(&now, "/desiredHealthy").unwrap_or(0),
                    number(&now, "/currentHealthy").unwrap_or(0),
                ));
            }
        }
    }
    let options = eviction.get("deleteOptions").cloned().unwrap_or(json!({}));
    delete::pod(shared, kind, (namespace, name), request, &options)?;
    let success =
        json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success" });
    Ok((201, success))
}
