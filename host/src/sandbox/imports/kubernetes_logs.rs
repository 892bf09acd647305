//! `kubernetes-logs`: who may read a log.
//!
//! Every byte goes through `governance::lines` before a pattern of a guest sees it: a pattern that
//! matched what is redacted could ask for a secret letter by letter.

mod filter;
mod gather;
mod workload;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::super::bindings::toolgate::plugin::kubernetes_logs::{
    ContainerLog, Ending, Host, LineFilter, LogQuery, PodLog, SearchQuery, WorkloadLog,
    WorkloadLogQuery,
};
use super::super::bindings::toolgate::plugin::types::Error;
use super::super::state::State;
use super::{Answer, Door, Shut, invalid, namespace, object, within};
use crate::capability::logs as port;
use crate::domain::capability::Capability;
use crate::domain::scope::Target;
use filter::{Filter, pattern};
use gather::{Gathered, Reading, gather};

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

/// The longest that a log is followed: an agent waits as long, and asks again.
const FOLLOW_MAX_S: u32 = 60;

/// What is left of a call's time for the guest to make an answer of what it gets.
const ANSWER_TIME: Duration = Duration::from_secs(1);

impl Host for State {
    async fn read(&mut self, query: LogQuery) -> Answer<PodLog> {
        self.through(Capability::KubernetesLogs, |door| read(door, query)).await
    }

    async fn read_workload(&mut self, query: WorkloadLogQuery) -> Answer<WorkloadLog> {
        self.through(Capability::KubernetesLogs, |door| workload::read(door, query)).await
    }

    async fn search(&mut self, query: SearchQuery) -> Answer<ContainerLog> {
        self.through(Capability::KubernetesLogs, |door| search(door, query)).await
    }

    async fn follow(
        &mut self,
        query: LogQuery,
        filter: LineFilter,
        for_s: u32,
        until: Option<String>,
    ) -> Answer<ContainerLog> {
        let end = (for_s, until);
        self.through(Capability::KubernetesLogs, |door| follow(door, query, filter, end)).await
    }
}

async fn read(door: Door, query: LogQuery) -> Result<PodLog, Shut> {
    let lines_max = within("tail-lines", query.tail_lines, TAIL_DEFAULT, TAIL_MAX)?;
    let mut reading = door.reading(query, Filter::default()).await?;
    // One more tells whether there is more.
    reading.query.tail_lines = Some(lines_max + 1);
    reading.lines_max = lines_max;
    let (_, gathered) = door.gather(reading).await?;
    if !matches!(gathered.ending, Ending::Log) {
        return Err(Shut::Told(Error::LimitExceeded(
            "the log did not end in time; ask for fewer lines, or a smaller `since-s`".to_owned(),
        )));
    }
    Ok(PodLog {
        truncated: gathered.is_truncated(),
        container: gathered.container,
        lines: gathered.newest.into_lines(),
        redacted: gathered.redacted,
        removed: gathered.removed.total(),
    })
}

async fn search(door: Door, query: SearchQuery) -> Result<ContainerLog, Shut> {
    let SearchQuery { query, filter } = query;
    let lines_max = within("tail-lines", query.tail_lines, TAIL_DEFAULT, TAIL_MAX)?;
    let filter = Filter::new(&filter)?;
    let mut reading = door.reading(query, filter).await?;
    // All of it: what matches may be anywhere.
    reading.query.tail_lines = None;
    reading.lines_max = lines_max;
    reading.progress = Some(Arc::clone(&door.scene.progress));
    let (query, gathered) = door.gather(reading).await?;
    Ok(gathered.into_log(&query))
}

async fn follow(
    door: Door,
    query: LogQuery,
    filter: LineFilter,
    (for_s, until): (u32, Option<String>),
) -> Result<ContainerLog, Shut> {
    if query.previous {
        return Err(invalid("a previous run has ended; it cannot be followed".to_owned()));
    }
    let for_s = within("for-s", Some(for_s), for_s, FOLLOW_MAX_S)?;
    let tail_lines = query.tail_lines.map(|n| within("tail-lines", Some(n), n, TAIL_MAX));
    let tail_lines = tail_lines.transpose()?;
    let until = until.map(|text| pattern("until", &text)).transpose()?;
    let filter = Filter::new(&filter)?;
    let mut reading = door.reading(query, filter).await?;
    reading.query.follow = true;
    reading.query.tail_lines = match (tail_lines, reading.query.since_s) {
        // So far back, and all of it.
        (None, Some(_)) => None,
        (tail_lines, _) => Some(tail_lines.unwrap_or(0)),
    };
    reading.lines_max = TAIL_MAX;
    reading.until = until;
    reading.deadline = reading.deadline.min(Instant::now() + Duration::from_secs(for_s.into()));
    reading.progress = Some(Arc::clone(&door.scene.progress));
    let (query, gathered) = door.gather(reading).await?;
    Ok(gathered.into_log(&query))
}

impl Door {
    /// What is to be read, checked as far as a guest's words go, and let through.
    async fn reading(&self, query: LogQuery, filter: Filter) -> Result<Reading, Shut> {
        let LogQuery { cluster, namespace: place, pod, container, previous, since_s, .. } = query;
        let log = port::LogQuery {
            cluster: self.cluster(cluster).await?,
            namespace: namespace(&place)?,
            pod: object(&pod)?,
            container: container.as_deref().map(object).transpose()?,
            previous,
            tail_lines: None,
            since_s: since(since_s)?,
            timestamps: query.timestamps,
            follow: false,
        };
        self.check("get-log", &target(&log)).await?;
        Ok(Reading {
            query: log,
            filter: Arc::new(filter),
            until: None,
            lines_max: TAIL_DEFAULT,
            bytes_max: self.log_bytes_max(),
            deadline: self.reading_deadline(),
            progress: None,
        })
    }

    /// Reads one log where ports are driven.
    async fn gather(&self, reading: Reading) -> Result<(port::LogQuery, Gathered), Shut> {
        let kubernetes = Arc::clone(&self.scene.ports.kubernetes);
        let target = target(&reading.query);
        let work = async move {
            let gathered = gather(&*kubernetes, &reading).await?;
            Ok((reading.query, gathered))
        };
        let (query, gathered) = self.port(&target, work).await?;
        self.scene.trail.withhold(gathered.withheld());
        Ok((query, gathered))
    }

    fn log_bytes_max(&self) -> usize {
        LOG_BYTES_MAX.min(self.scene.limits.host_call_bytes_out_max)
    }

    /// When reading ends, so that the guest can still answer: of a short call half is left to it.
    fn reading_deadline(&self) -> Instant {
        let left = self.scene.deadline.saturating_duration_since(Instant::now());
        self.scene.deadline - ANSWER_TIME.min(left / 2)
    }
}

fn since(since_s: Option<u32>) -> Result<Option<u32>, Shut> {
    since_s.map(|s| within("since-s", Some(s), s, SINCE_MAX_S)).transpose()
}

fn target(log: &port::LogQuery) -> Target {
    Target {
        cluster: log.cluster.clone(),
        namespace: Some(log.namespace.clone()),
        kind: "Pod".into(),
        name: Some(log.pod.to_string()),
    }
}

#[cfg(test)]
mod tests;
