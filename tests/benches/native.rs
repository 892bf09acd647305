//! The same tool as a native handler would have it: `plugins/logs`, without a sandbox around it.
//!
//! What it does is what any handler has to: read the arguments, ask the port, make the log safe,
//! and word the answer. The bench checks that both give the same answer.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use toolgate::capability::kubernetes::Kubernetes;
use toolgate::capability::logs::LogQuery;
use toolgate::domain::name::ClusterName;
use toolgate::governance::redact::make_safe;
use toolgate::governance::text::cut;

pub(crate) async fn get_pod_logs(
    kubernetes: &dyn Kubernetes,
    cluster: &ClusterName,
    arguments: &Map<String, Value>,
) -> Result<(String, Value)> {
    let text = |name: &str| arguments.get(name).and_then(Value::as_str);
    let pod = text("pod_name").context("`pod_name` is missing")?;
    let namespace = text("namespace").unwrap_or("default");
    let tail = arguments.get("tail_lines").and_then(Value::as_u64).unwrap_or(100);
    let query = LogQuery {
        cluster: cluster.clone(),
        namespace: namespace.parse()?,
        pod: pod.parse()?,
        container: text("container").map(str::parse).transpose()?,
        previous: false,
        tail_lines: Some(u32::try_from(tail)? + 1),
        since_s: None,
        timestamps: true,
        follow: false,
    };
    let mut log = kubernetes.open_log(&query).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = log.pieces.next().await {
        bytes.extend_from_slice(&piece?);
    }
    let safe = make_safe(&String::from_utf8_lossy(&bytes));
    let mut lines: Vec<String> = safe.text.lines().map(str::to_owned).collect();
    let excess = lines.len().saturating_sub(usize::try_from(tail)?);
    let mut truncated = excess > 0;
    lines.drain(..excess);
    for line in &mut lines {
        truncated |= cut(line, 4_096);
    }
    let mut said = format!(
        "{namespace}/{pod}, container `{}`: {} lines, oldest first.\n",
        log.container,
        lines.len()
    );
    let mut times = Vec::with_capacity(lines.len());
    for line in &lines {
        let (time, rest) = line.split_once(' ').unwrap_or(("", line));
        times.push(time);
        said.push('\n');
        said.push_str(rest);
    }
    let facts = json!({
        "container": log.container,
        "line_count": lines.len(),
        "lines_read": lines.len(),
        "truncated": truncated,
        "secrets_redacted": safe.redacted,
        "characters_removed": safe.removed.total(),
        "first": times.first(),
        "last": times.last(),
    });
    Ok((said, facts))
}
