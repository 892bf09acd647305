//! `kubernetes-logs`: who may read a log.

use super::super::bindings::toolgate::plugin::kubernetes_logs::{
    self as wit, Host, LogQuery, PodLog,
};
use super::super::state::State;
use super::{Answer, Door, Shut, namespace, object, within};
use crate::capability::kubernetes::{self as port, RawLog};
use crate::domain::capability::Capability;
use crate::domain::scope::Target;
use crate::governance::redact::make_safe;
use crate::governance::text::cut;

/// The newest lines where the plugin does not say.
const TAIL_DEFAULT: u32 = 100;

/// Lines of one answer.
const TAIL_MAX: u32 = 5_000;

/// A week.
const SINCE_MAX_S: u32 = 604_800;

/// Bytes of one answer: about 60,000 tokens, more than an agent should read at once.
const LOG_BYTES_MAX: usize = 256 << 10;

/// Bytes of one line. A longer one is a dump, not a line.
const LINE_BYTES_MAX: usize = 4_096;

impl Host for State {
    async fn read(&mut self, query: LogQuery) -> Answer<PodLog> {
        self.through(Capability::KubernetesLogs, |door| read(door, query)).await
    }

    async fn read_workload(&mut self, _query: wit::WorkloadLogQuery) -> Answer<wit::WorkloadLog> {
        super::soon::unavailable()
    }

    async fn search(&mut self, _query: wit::SearchQuery) -> Answer<wit::ContainerLog> {
        super::soon::unavailable()
    }

    async fn follow(
        &mut self,
        _query: LogQuery,
        _filter: wit::LineFilter,
        _for_s: u32,
        _until: Option<String>,
    ) -> Answer<wit::ContainerLog> {
        super::soon::unavailable()
    }
}

async fn read(door: Door, query: LogQuery) -> Result<PodLog, Shut> {
    let LogQuery {
        cluster,
        namespace: place,
        pod,
        container,
        previous,
        tail_lines,
        since_s,
        timestamps,
    } = query;
    let query = port::LogQuery {
        cluster: door.cluster(cluster).await?,
        namespace: namespace(&place)?,
        pod: object(&pod)?,
        container: container.as_deref().map(object).transpose()?,
        previous,
        tail_lines: within("tail-lines", tail_lines, TAIL_DEFAULT, TAIL_MAX)?,
        since_s: since_s.map(|s| within("since-s", Some(s), s, SINCE_MAX_S)).transpose()?,
        timestamps,
        bytes_max: LOG_BYTES_MAX.min(door.scene.limits.host_call_bytes_out_max),
    };
    let target = Target {
        cluster: query.cluster.clone(),
        namespace: Some(query.namespace.clone()),
        kind: "Pod".into(),
        name: Some(query.pod.to_string()),
    };
    door.check("get-log", &target).await?;
    let kubernetes = door.scene.ports.kubernetes.clone();
    let log = door.port(&target, async move { kubernetes.log(&query).await }).await?;
    Ok(shown(log))
}

/// The log as a guest may see it. Made safe as one text, so that a secret over several lines goes
/// as a whole.
fn shown(log: RawLog) -> PodLog {
    let RawLog { container, bytes, mut truncated } = log;
    let safe = make_safe(&String::from_utf8_lossy(&bytes));
    let mut lines: Vec<String> = safe.text.lines().map(str::to_owned).collect();
    for line in &mut lines {
        truncated |= cut(line, LINE_BYTES_MAX);
    }
    PodLog { container, lines, truncated, redacted: safe.redacted, removed: safe.removed }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_made_safe_before_a_guest_sees_it() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let bytes = format!("a\u{1b}[31mb\r\npassword=hunter2\n{long}\n\u{fffd}").into_bytes();
        let log = shown(RawLog { container: "app".to_owned(), bytes, truncated: false });
        assert_eq!(log.lines[0], "ab");
        assert_eq!(log.lines[1], "password=[redacted:named]");
        assert!(log.lines[2].len() <= LINE_BYTES_MAX && log.truncated);
        assert_eq!((log.redacted, log.lines.len()), (1, 4));
    }
}
