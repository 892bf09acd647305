//! Resource quotas, row by row.

use std::cmp::Reverse;

use toolgate_sdk::object::{self, Fields as _, scalar};
use toolgate_sdk::prelude::*;
use toolgate_sdk::quantity;
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
    quota: String,
    resource: String,
    used: String,
    hard: String,
    percent: Option<u64>,
}

#[output]
pub(crate) struct Quotas {
    rows: Vec<Row>,
    total: usize,
}

pub(crate) fn list_quotas(args: Args) -> Result<Reply<Quotas>, ToolError> {
    let Args { namespace, cluster } = args;
    let fields = ["status.hard", "status.used"];
    let (cluster, within) = (cluster.as_deref(), namespace.as_deref());
    let (quotas, more) = object::list(cluster, "ResourceQuota", within, &fields, OBJECTS_MAX)?;
    Ok(answer(&pages::place(within), &quotas, more))
}

fn answer(place: &str, quotas: &[Value], more: bool) -> Reply<Quotas> {
    let mut rows: Vec<Row> = quotas.iter().flat_map(rows_of).collect();
    rows.sort_by_key(|row| Reverse(row.percent));
    let header = ["NAMESPACE", "QUOTA", "RESOURCE", "USED", "HARD", "USED%"];
    let mut table = Table::new(&header).narrow_by("narrow with `namespace`");
    let total = rows.len();
    rows.retain(|row| {
        table.row([
            row.namespace.clone(),
            row.quota.clone(),
            row.resource.clone(),
            row.used.clone(),
            row.hard.clone(),
            row.percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent}%")),
        ])
    });
    let text = if total == 0 {
        format!("No resource quotas in {place}.")
    } else {
        let n_full = rows.iter().filter(|row| row.percent.is_some_and(|p| p >= 100)).count();
        format!("{total} limits in {place}, {n_full} used up\n\n{table}")
    };
    let truncated = more || table.left_out() > 0;
    Reply::new(text, Quotas { rows, total }).truncated(truncated)
}

fn rows_of(quota: &Value) -> Vec<Row> {
    let rows = quota.entries("status.hard").map(|(resource, hard)| {
        let (hard, used) = (scalar(hard), scalar(quota.at("status.used").key(resource)));
        let used = if used.is_empty() { "0".to_owned() } else { used };
        let amount =
            |text: &str| u64::try_from(quantity::milli(text)?.clamp(0, i128::from(u64::MAX))).ok();
        let percent = match (amount(&used), amount(&hard)) {
            // Nothing is allowed: that is used up.
            (Some(_), Some(0)) => Some(100),
            (Some(used), Some(hard)) => quantity::percent(used, hard),
            _ => None,
        };
        Row {
            namespace: quota.text("metadata.namespace").to_owned(),
            quota: quota.text("metadata.name").to_owned(),
            resource: resource.to_owned(),
            used,
            hard,
            percent,
        }
    });
    rows.collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use toolgate_sdk::serde_json::json;

    use super::*;

    #[test]
    fn shows_the_fullest_first() {
        let quotas = [json!({"metadata": {"namespace": "shop", "name": "small"}, "status": {
            "hard": {"pods": "10", "requests.cpu": "2", "limits.memory": "1Gi", "count/jobs": "0"},
            "used": {"pods": "10", "requests.cpu": "500m", "limits.memory": "768Mi"}}})];
        let reply = answer("`shop`", &quotas, false);
        assert!(!reply.truncated);
        expect![[r#"
            4 limits in `shop`, 2 used up

            NAMESPACE   QUOTA   RESOURCE        USED    HARD   USED%
            shop        small   count/jobs      0       0      100%
            shop        small   pods            10      10     100%
            shop        small   limits.memory   768Mi   1Gi    75%
            shop        small   requests.cpu    500m    2      25%"#]]
        .assert_eq(&reply.text);
        assert_eq!(answer("`shop`", &[], false).text, "No resource quotas in `shop`.");
    }
}
