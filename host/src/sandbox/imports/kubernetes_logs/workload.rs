//! The logs of all pods of a workload: which ones, and how the room in one answer is shared.

use std::sync::Arc;

use futures::StreamExt as _;

use super::super::super::bindings::toolgate::plugin::kubernetes_logs::{
    ContainerLog, Ending, Pods, Run, WorkloadLog, WorkloadLogQuery,
};
use super::super::super::bindings::toolgate::plugin::types::ListQuery;
use super::super::{
    Door, Shut, convert, invalid, namespace, object, safe, within, workload_target,
};
use super::filter::Filter;
use super::gather::{Gathered, Reading, gather};
use super::{TAIL_DEFAULT, TAIL_MAX, since, target};
use crate::capability::CapabilityError;
use crate::capability::kubernetes::{Container, ContainerState, Pod};
use crate::capability::logs::LogQuery;
use crate::domain::name::{ClusterName, Namespace};
use crate::domain::scope::Target;
use crate::domain::write::WorkloadRef;

/// Pods whose logs are read.
const PODS_MAX: usize = 50;

/// Pods that are looked at to find those that fail.
const PODS_LISTED_MAX: usize = 1_000;

/// Logs that are read: of each pod's containers, of one run or both.
const LOGS_MAX: usize = 200;

/// Logs that are read at once: enough to hide the time that each answer takes.
const AT_ONCE: usize = 8;

/// Lines of each container that a filter looks through: the newest, and more than one call has time
/// for in 50 pods.
const FILTERED_TAIL: u32 = 100_000;

/// Bytes of one log until all are read, where its share is less: others may need less than theirs.
const LOG_BYTES_MIN: usize = 16 << 10;

/// What one log may be left with: a line, cut.
const SHARE_BYTES_MIN: usize = 256;

/// One log of the answer.
struct Planned {
    query: LogQuery,
    /// Why it is not read.
    unavailable: Option<String>,
}

type Read = (LogQuery, Result<Gathered, String>);

pub(super) async fn read(door: Door, query: WorkloadLogQuery) -> Result<WorkloadLog, Shut> {
    let lines_max = within("tail-lines", query.tail_lines, TAIL_DEFAULT, TAIL_MAX)?;
    let filter = Arc::new(Filter::new(&query.filter)?);
    let container = query.container.as_deref().map(object).transpose()?;
    let cluster = door.cluster(query.cluster.clone()).await?;
    let place = namespace(&query.namespace)?;
    // One line more tells whether there is more.
    let looked_at = if filter.is_open() { lines_max } else { FILTERED_TAIL };
    let tail = looked_at + 1;
    let log = |pod: &Pod, container: &Container, previous| {
        Ok::<_, Shut>(LogQuery {
            cluster: cluster.clone(),
            namespace: place.clone(),
            pod: object(&pod.name)?,
            container: Some(object(&container.name)?),
            previous,
            tail_lines: Some(tail),
            since_s: since(query.since_s)?,
            timestamps: query.timestamps,
            follow: false,
        })
    };
    let selector = selector(&door, &cluster, &place, query.pods).await?;
    let (mut pods, mut truncated) = list(&door, &cluster, &place, selector).await?;
    let pods_total = u32::try_from(pods.len()).unwrap_or(u32::MAX);
    pods.sort_by_cached_key(|pod| (trouble(pod), std::cmp::Reverse(pod.created), pod.name.clone()));
    truncated |= pods.len() > PODS_MAX;
    pods.truncate(PODS_MAX);

    let mut plan: Vec<Planned> = Vec::new();
    for pod in &pods {
        let wanted = |c: &&Container| container.as_ref().is_none_or(|name| name.as_str() == c.name);
        for container in pod.containers.iter().filter(wanted) {
            for (previous, unavailable) in runs(container, query.run) {
                plan.push(Planned { query: log(pod, container, previous)?, unavailable });
            }
        }
    }
    if let (Some(name), true, Some(pod)) = (&container, plan.is_empty(), pods.first()) {
        let there: Vec<String> =
            pod.containers.iter().map(|c| format!("`{}`", safe(&c.name))).collect();
        let there = there.join(", ");
        return Err(invalid(format!("no pod has a container `{name}`; there are {there}")));
    }
    truncated |= plan.len() > LOGS_MAX;
    plan.truncate(LOGS_MAX);
    let mut checked = None;
    for planned in plan.iter().filter(|planned| planned.unavailable.is_none()) {
        if checked != Some(&planned.query.pod) {
            door.check("get-log", &target(&planned.query)).await?;
            checked = Some(&planned.query.pod);
        }
    }
    let logs = read_all(&door, plan, filter, lines_max).await?;
    let mut logs = shared(logs, door.log_bytes_max());
    for log in &mut logs {
        log.truncated |= log.lines_read > u64::from(looked_at);
    }
    truncated |= logs.iter().any(|log| log.truncated);
    Ok(WorkloadLog { logs, pods_total, truncated })
}

/// The label selector that is meant.
async fn selector(
    door: &Door,
    cluster: &ClusterName,
    place: &Namespace,
    pods: Pods,
) -> Result<String, Shut> {
    let (kind, name) = match pods {
        Pods::Selector(selector) => return Ok(selector),
        Pods::Workload(workload) => workload,
    };
    let workload = WorkloadRef {
        cluster: cluster.clone(),
        kind: convert::kind_in(kind),
        namespace: place.clone(),
        name: object(&name)?,
    };
    let target = workload_target(&workload);
    door.check("get", &target).await?;
    let kubernetes = Arc::clone(&door.scene.ports.kubernetes);
    door.port(&target, async move { kubernetes.pod_selector(&workload).await }).await
}

/// The pods that match and are granted, and whether there are more.
async fn list(
    door: &Door,
    cluster: &ClusterName,
    place: &Namespace,
    selector: String,
) -> Result<(Vec<Pod>, bool), Shut> {
    let selector = (!selector.is_empty()).then_some(selector);
    let mut pods: Vec<Pod> = Vec::new();
    let mut next = None;
    loop {
        let query = ListQuery {
            cluster: Some(cluster.to_string()),
            namespace: Some(place.to_string()),
            label_selector: selector.clone(),
            limit: None,
            continue_: next,
        };
        let kubernetes = Arc::clone(&door.scene.ports.kubernetes);
        let fetch = |list| {
            let kubernetes = Arc::clone(&kubernetes);
            async move { kubernetes.pods(&list).await }
        };
        let page = door.page(query, "Pod", |pod: &Pod| &pod.name, fetch).await?;
        let read = |pod: &Pod| Target {
            cluster: cluster.clone(),
            namespace: Some(place.clone()),
            kind: "Pod".into(),
            name: Some(pod.name.clone()),
        };
        pods.extend(page.items.into_iter().filter(|pod| door.sees("get-log", || read(pod))));
        next = page.next;
        if next.is_none() || pods.len() >= PODS_LISTED_MAX {
            return Ok((pods, next.is_some()));
        }
    }
}

/// How early a pod's logs are of interest: what fails, by the state of its containers, comes first.
fn trouble(pod: &Pod) -> u8 {
    let fails = |c: &Container| match &c.state {
        ContainerState::Waiting { reason, .. } => {
            !matches!(reason.as_str(), "" | "ContainerCreating" | "PodInitializing")
        }
        ContainerState::Terminated(ended) => ended.exit_code != 0,
        ContainerState::Running(_) | ContainerState::Unknown => false,
    };
    let restarts = |c: &Container| c.restart_count > 0;
    let is_late = |c: &Container| !c.init && !c.ready;
    match pod.phase.as_str() {
        _ if pod.containers.iter().any(fails) => 0,
        "Succeeded" => 4,
        _ if pod.containers.iter().any(is_late) => 1,
        _ if pod.containers.iter().any(restarts) => 2,
        _ => 3,
    }
}

/// The runs of a container that are asked for: whether it is the one before, and why it has no log.
fn runs(container: &Container, run: Run) -> Vec<(bool, Option<String>)> {
    let has_last = container.last_termination.is_some();
    let waits_for = match &container.state {
        ContainerState::Waiting { reason, message } => {
            let colon = if message.is_some() { ": " } else { "" };
            let message = message.as_deref().unwrap_or_default();
            Some(convert::clipped(&format!("waiting, {reason}{colon}{message}")))
        }
        ContainerState::Running(_) | ContainerState::Terminated(_) | ContainerState::Unknown => {
            None
        }
    };
    match run {
        // A kubelet gives the last run where none is under way; that is what is said, then.
        Run::Current if waits_for.is_some() && has_last => vec![(true, None)],
        Run::Previous if !has_last => vec![(true, Some("it has not run before".to_owned()))],
        Run::Previous => vec![(true, None)],
        Run::Both if has_last => vec![(true, None), (false, waits_for)],
        Run::Current | Run::Both => vec![(false, waits_for)],
    }
}

async fn read_all(
    door: &Door,
    plan: Vec<Planned>,
    filter: Arc<Filter>,
    lines_max: u32,
) -> Result<Vec<Read>, Shut> {
    let Some(first) = plan.first() else { return Ok(Vec::new()) };
    let whole = Target { name: None, ..target(&first.query) };
    let total = door.log_bytes_max();
    let bytes_max = (total.saturating_mul(4) / plan.len()).max(LOG_BYTES_MIN).min(total);
    let deadline = door.reading_deadline();
    let kubernetes = Arc::clone(&door.scene.ports.kubernetes);
    let trail = Arc::clone(&door.scene.trail);
    let read = move |planned: Planned| {
        let (kubernetes, filter) = (Arc::clone(&kubernetes), Arc::clone(&filter));
        let trail = Arc::clone(&trail);
        async move {
            let Planned { query, unavailable } = planned;
            if let Some(why) = unavailable {
                return (query, Err(Missing::Told(why)));
            }
            if tokio::time::Instant::now() >= deadline {
                let why = "not read: the time of this call is over";
                return (query, Err(Missing::Told(why.to_owned())));
            }
            let reading = Reading {
                query,
                filter,
                until: None,
                lines_max,
                bytes_max,
                deadline,
                progress: None,
            };
            let gathered = gather(&*kubernetes, &reading).await;
            if let Ok(gathered) = &gathered {
                trail.withhold(gathered.withheld());
            }
            (reading.query, gathered.map_err(Missing::Failed))
        }
    };
    let work = async move {
        let reads: Vec<_> = futures::stream::iter(plan).map(read).buffered(AT_ONCE).collect().await;
        settled(reads)
    };
    door.port(&whole, work).await
}

/// Why there is no log.
enum Missing {
    Told(String),
    Failed(CapabilityError),
}

/// What one container's failure means for all: nothing, unless it is everybody's.
fn settled(
    reads: Vec<(LogQuery, Result<Gathered, Missing>)>,
) -> Result<Vec<Read>, CapabilityError> {
    let has_some = reads.iter().any(|(_, read)| !matches!(read, Err(Missing::Failed(_))));
    let mut settled = Vec::with_capacity(reads.len());
    for (query, read) in reads {
        let read = match read {
            Ok(gathered) => Ok(gathered),
            Err(Missing::Told(why)) => Err(why),
            Err(Missing::Failed(error @ CapabilityError::LimitExceeded(_))) => return Err(error),
            // The container has not started after all, or the pod has gone.
            Err(Missing::Failed(
                error @ (CapabilityError::InvalidArgument(_) | CapabilityError::NotFound(_)),
            )) => Err(safe(&error.caller_text())),
            Err(Missing::Failed(error)) if has_some => {
                tracing::warn!(%error, pod = %query.pod, "a log of several is left out");
                Err(error.caller_text())
            }
            Err(Missing::Failed(error)) => return Err(error),
        };
        settled.push((query, read));
    }
    Ok(settled)
}

/// The logs within a number of bytes, each with its newest lines.
fn shared(mut reads: Vec<Read>, bytes_max: usize) -> Vec<ContainerLog> {
    let weigh = |(_, read): &Read| read.as_ref().map_or(0, |gathered| gathered.newest.bytes());
    let share = share(reads.iter().map(weigh).collect(), bytes_max).max(SHARE_BYTES_MIN);
    for gathered in reads.iter_mut().filter_map(|(_, read)| read.as_mut().ok()) {
        gathered.newest.shrink(share);
    }
    reads
        .into_iter()
        .map(|(query, read)| match read {
            Ok(gathered) => gathered.into_log(&query),
            Err(why) => unavailable(&query, why),
        })
        .collect()
}

/// The bound of each that keeps the sum of all within `bytes_max`, as large as it can be.
fn share(mut sizes: Vec<usize>, bytes_max: usize) -> usize {
    sizes.sort_unstable();
    let (mut left, mut n) = (bytes_max, sizes.len());
    for size in sizes {
        if size.saturating_mul(n) > left {
            return left / n;
        }
        left -= size;
        n -= 1;
    }
    bytes_max
}

fn unavailable(query: &LogQuery, why: String) -> ContainerLog {
    ContainerLog {
        pod: query.pod.to_string(),
        container: query.container.as_ref().map(ToString::to_string).unwrap_or_default(),
        previous: query.previous,
        lines: Vec::new(),
        lines_read: 0,
        lines_matched: 0,
        truncated: false,
        ending: Ending::Log,
        redacted: 0,
        removed: 0,
        unavailable: Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_shared_fairly() {
        for (sizes, bytes_max, expected) in [
            (vec![], 100, 100),
            (vec![10, 20], 100, 100),
            (vec![10, 200], 100, 90),
            (vec![200, 200], 100, 50),
            (vec![0, 30, 200, 200], 100, 35),
            (vec![50, 50], 100, 100),
        ] {
            assert_eq!(share(sizes.clone(), bytes_max), expected, "{sizes:?}");
        }
    }
}
