use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use jiff::Timestamp;
use serde_json::Value;
use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use super::Shared;
use super::clock::{after, before, nanos, parse_length};
use super::request::Query;
use super::status::{Cause, Failure};
use super::store::text;

/// How many lines one log file may hold.
const LINES_MAX: usize = 5_000;

/// How many occurrences of a repeated line are kept, the newest: the kubelet rotates logs too.
const REPEATS_MAX: u32 = 200;

/// How often a followed log is looked at for new lines.
const FOLLOW_PERIOD: Duration = Duration::from_millis(500);

/// Which of a container's two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Run {
    Current,
    Previous,
}

/// A line of a log file and when it appears.
#[derive(Clone, Debug)]
struct Entry {
    when: When,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// `-5m`: before the scenario was loaded.
    BeforeLoad(Duration),
    /// `+5s`: after the container started.
    AfterStart(Duration),
    /// `*15s`: again and again since the container started.
    Every(Duration),
}

/// The log files of a scenario: by namespace, then pod or workload, then container.
#[derive(Default)]
pub(super) struct Logs {
    files: BTreeMap<(String, String, String, Run), Vec<Entry>>,
}

impl Logs {
    /// Takes in one file; the error says which line is wrong and why.
    pub(super) fn add(
        &mut self,
        (namespace, holder, container): (&str, &str, &str),
        run: Run,
        file: &str,
    ) -> Result<(), String> {
        let mut entries = Vec::new();
        for (number, line) in file.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
            let entry = parse_entry(line).ok_or_else(|| {
                format!(
                    "line {} does not begin with a time such as `-12m3.2s`, `+5s` or `*15s`, or holds \
                     a broken `\\u{{1b}}`",
                    number + 1
                )
            })?;
            entries.push(entry);
        }
        if entries.len() > LINES_MAX {
            return Err(format!("has {} lines; at most {LINES_MAX} are read", entries.len()));
        }
        let key = (namespace.to_owned(), holder.to_owned(), container.to_owned(), run);
        self.files.insert(key, entries);
        Ok(())
    }

    /// The lines that a container has written up to `now`, oldest first.
    fn lines(&self, source: &Source, loaded: Timestamp, now: Timestamp) -> Vec<(Timestamp, &str)> {
        let entries = source.holders.iter().find_map(|holder| {
            self.files.get(&(
                source.namespace.clone(),
                holder.clone(),
                source.container.clone(),
                source.run,
            ))
        });
        let end = source.finished.unwrap_or(now).min(now);
        let mut lines = Vec::new();
        for entry in entries.into_iter().flatten() {
            let text = entry.text.as_str();
            match entry.when {
                When::BeforeLoad(by) => {
                    let at = before(loaded, by);
                    // Another container of the same workload wrote what is older than this one.
                    if source.run == Run::Previous || at >= source.started {
                        lines.push((at, text));
                    }
                }
                When::AfterStart(by) => lines.push((after(source.started, by), text)),
                When::Every(period) => {
                    lines.extend(repeats(source.started, end, period).map(|at| (at, text)));
                }
            }
        }
        lines.retain(|(at, _)| *at <= now);
        lines.sort_by_key(|(at, _)| *at);
        lines
    }
}

fn repeats(start: Timestamp, end: Timestamp, period: Duration) -> impl Iterator<Item = Timestamp> {
    let lived = Duration::try_from(end.duration_since(start)).unwrap_or_default();
    let n_past = lived.as_millis().checked_div(period.as_millis()).unwrap_or(0);
    let n_past = u32::try_from(n_past).unwrap_or(u32::MAX);
    let first = n_past.saturating_sub(REPEATS_MAX) + 1;
    (first..=n_past).map(move |n| after(start, period.saturating_mul(n)))
}

fn parse_entry(line: &str) -> Option<Entry> {
    let (when, text) = line.split_once(' ').unwrap_or((line, ""));
    let mut symbols = when.chars();
    let sign = symbols.next()?;
    let length = parse_length(symbols.as_str())?;
    let when = match sign {
        '-' => When::BeforeLoad(length),
        '+' => When::AfterStart(length),
        '*' if !length.is_zero() => When::Every(length),
        _ => return None,
    };
    Some(Entry { when, text: unescape(text)? })
}

/// Undoes `\u{1b}`: what would disturb a terminal or hide in an editor is spelt out in the files.
fn unescape(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\u{") {
        let (code, after) = after.split_once('}')?;
        plain.push_str(before);
        plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
        rest = after;
    }
    plain.push_str(rest);
    Some(plain)
}

/// The parameters of the log endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct LogOptions {
    container: Option<String>,
    follow: bool,
    previous: bool,
    timestamps: bool,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
}

impl LogOptions {
    /// Reads and validates the query of a request for the log of `pod`.
    pub(super) fn parse(pod: &str, query: &Query) -> Result<Self, Failure> {
        let since_time = query
            .text("sinceTime")
            .map(|time| {
                time.parse().map_err(|_| {
                    Failure::bad_request(format!(
                        "parsing time {time:?} as \"2006-01-02T15:04:05Z07:00\": cannot parse \
                         {time:?} as \"2006\""
                    ))
                })
            })
            .transpose()?;
        let options = Self {
            container: query.text("container").map(str::to_owned),
            follow: query.flag("follow"),
            previous: query.flag("previous"),
            timestamps: query.flag("timestamps"),
            since_seconds: query.integer("sinceSeconds")?,
            since_time,
            tail_lines: query.integer("tailLines")?,
            limit_bytes: query.integer("limitBytes")?,
        };
        let causes = options.causes();
        if causes.is_empty() {
            return Ok(options);
        }
        Err(Failure::invalid_options("", "PodLogOptions", pod, &causes))
    }

    fn causes(&self) -> Vec<Cause> {
        let mut causes = Vec::new();
        let mut at_least = |field: &str, value: Option<i64>, least: i64, why: &str| {
            if let Some(value) = value.filter(|value| *value < least) {
                causes.push(Cause::invalid(field, &value.to_string(), why));
            }
        };
        at_least("tailLines", self.tail_lines, 0, "must be greater than or equal to 0");
        at_least("limitBytes", self.limit_bytes, 1, "must be greater than 0");
        if self.since_seconds.is_some() && self.since_time.is_some() {
            causes.push(Cause::forbidden(
                "",
                "at most one of `sinceTime` or `sinceSeconds` may be specified",
            ));
        } else {
            let mut at_least = |value: Option<i64>| {
                if let Some(value) = value.filter(|value| *value < 1) {
                    let value = value.to_string();
                    causes.push(Cause::invalid("sinceSeconds", &value, "must be greater than 0"));
                }
            };
            at_least(self.since_seconds);
        }
        causes
    }

    fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let seconds = self.since_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        seconds.map(|seconds| before(now, Duration::from_secs(seconds))).or(self.since_time)
    }

    /// What of `lines` the client wants. The tail is cut first and the age afterwards, as the
    /// kubelet does it.
    fn cut(&self, lines: &[(Timestamp, &str)], now: Timestamp) -> String {
        let tail = self.tail_lines.and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let since = self.since(now);
        let mut out = String::new();
        for (at, line) in lines.iter().skip(lines.len().saturating_sub(tail)) {
            if since.is_none_or(|since| *at >= since) {
                self.print(*at, line, &mut out);
            }
        }
        out
    }

    fn print(&self, at: Timestamp, line: &str, out: &mut String) {
        if self.timestamps {
            out.push_str(&nanos(at));
            out.push(' ');
        }
        out.push_str(line);
        out.push('\n');
    }
}

/// Which log a request is about.
#[derive(Clone, Debug)]
struct Source {
    namespace: String,
    /// The pod, then the workload that owns it.
    holders: Vec<String>,
    container: String,
    run: Run,
    started: Timestamp,
    /// When the container ended, if it did.
    finished: Option<Timestamp>,
}

/// Answers a request for a pod's log with its whole text or, when it follows, with a stream.
pub(super) fn open(
    shared: &Arc<Shared>,
    pod: &Value,
    options: &LogOptions,
) -> Result<BoxStream<'static, Bytes>, Failure> {
    let container = container(pod, options)?;
    // The API server has no node to ask for the log of a pod that was never scheduled.
    if text(pod, "/spec/nodeName").is_empty() {
        return Ok(stream::empty().boxed());
    }
    let source = source(shared, pod, &container, options.previous)?;
    let now = shared.clock.now();
    let lines = shared.logs.lines(&source, shared.clock.loaded(), now);
    let mut text = options.cut(&lines, now);
    let bytes_max = options.limit_bytes.and_then(|n| usize::try_from(n).ok());
    let mut chunk = Bytes::from(std::mem::take(&mut text));
    chunk.truncate(bytes_max.unwrap_or(usize::MAX));
    if !options.follow || source.finished.is_some() || bytes_max == Some(chunk.len()) {
        return Ok(stream::once(std::future::ready(chunk)).boxed());
    }
    let slot =
        shared.streams.clone().try_acquire_owned().map_err(|_| Failure::too_many_requests())?;
    let follow = Follow {
        shared: shared.clone(),
        source,
        bytes_left: bytes_max.map(|max| max - chunk.len()),
        options: options.clone(),
        uid: super::store::text(pod, "/metadata/uid").to_owned(),
        name: super::store::text(pod, "/metadata/name").to_owned(),
        seen: now,
        _slot: slot,
    };
    let more = stream::unfold(follow, |mut follow| async move {
        let chunk = follow.next().await?;
        Some((chunk, follow))
    });
    Ok(stream::once(std::future::ready(chunk)).chain(more).boxed())
}

struct Follow {
    shared: Arc<Shared>,
    source: Source,
    options: LogOptions,
    uid: String,
    name: String,
    seen: Timestamp,
    bytes_left: Option<usize>,
    _slot: OwnedSemaphorePermit,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if self.bytes_left == Some(0) {
                return None;
            }
            let ended = !self.is_running();
            let now = self.shared.clock.now();
            let mut out = String::new();
            for (at, line) in self.shared.logs.lines(&self.source, self.shared.clock.loaded(), now)
            {
                if at > self.seen {
                    self.options.print(at, line, &mut out);
                }
            }
            self.seen = now;
            if !out.is_empty() {
                let mut chunk = Bytes::from(out);
                if let Some(left) = self.bytes_left.as_mut() {
                    chunk.truncate(*left);
                    *left -= chunk.len();
                }
                return Some(chunk);
            }
            if ended {
                return None;
            }
            sleep(FOLLOW_PERIOD).await;
        }
    }

    /// Whether the container that is followed still runs in the same pod.
    fn is_running(&self) -> bool {
        let Some(kind) = super::registry::find("", "v1", "pods") else { return false };
        let pod = self.shared.store().read(kind, &self.source.namespace, &self.name);
        pod.is_some_and(|pod| {
            text(&pod, "/metadata/uid") == self.uid
                && status(&pod, &self.source.container)
                    .and_then(|status| status.pointer("/state/running/startedAt"))
                    .and_then(Value::as_str)
                    .and_then(|at| at.parse().ok())
                    .is_some_and(|at: Timestamp| at == self.source.started)
        })
    }
}

fn names<'a>(pod: &'a Value, list: &str) -> Vec<&'a str> {
    let containers = pod.pointer(list).and_then(Value::as_array);
    containers.into_iter().flatten().map(|container| text(container, "/name")).collect()
}

fn container(pod: &Value, options: &LogOptions) -> Result<String, Failure> {
    let pod_name = text(pod, "/metadata/name");
    let containers = names(pod, "/spec/containers");
    let inits = names(pod, "/spec/initContainers");
    let Some(wanted) = &options.container else {
        return match containers.as_slice() {
            [only] => Ok((*only).to_owned()),
            [] => Err(Failure::bad_request(format!(
                "a container name must be specified for pod {pod_name}"
            ))),
            several => {
                let mut message = format!(
                    "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                    several.join(" ")
                );
                if !inits.is_empty() {
                    let inits = inits.join(" ");
                    message.push_str(" or one of the init containers: [");
                    message.push_str(&inits);
                    message.push(']');
                }
                Err(Failure::bad_request(message))
            }
        };
    };
    if containers.iter().chain(&inits).any(|name| name == wanted) {
        return Ok(wanted.clone());
    }
    Err(Failure::bad_request(format!("container {wanted} is not valid for pod {pod_name}")))
}

fn status<'a>(pod: &'a Value, container: &str) -> Option<&'a Value> {
    ["/status/containerStatuses", "/status/initContainerStatuses"]
        .iter()
        .filter_map(|list| pod.pointer(list).and_then(Value::as_array))
        .flatten()
        .find(|status| text(status, "/name") == container)
}

/// Picks the run whose log is wanted, or says why there is none, in the kubelet's words.
fn source(
    shared: &Shared,
    pod: &Value,
    container: &str,
    previous: bool,
) -> Result<Source, Failure> {
    let name = text(pod, "/metadata/name");
    let about = format!("container {container:?} in pod {name:?}");
    let Some(status) = status(pod, container) else {
        return Err(Failure::bad_request(format!("{about} is not available")));
    };
    let ran =
        |state: &str| status.pointer(state).filter(|run| !text(run, "/containerID").is_empty());
    let last = ran("/lastState/terminated");
    let terminated = status.pointer("/state/terminated");
    let (run, state) = if previous {
        let why = format!("previous terminated {about} not found");
        (Run::Previous, last.ok_or_else(|| Failure::bad_request(why))?)
    } else if let Some(running) = status.pointer("/state/running") {
        (Run::Current, running)
    } else if let Some(ended) = ran("/state/terminated") {
        (Run::Current, ended)
    } else if let Some(last) = last {
        (Run::Previous, last)
    } else if terminated.is_some() {
        return Err(Failure::bad_request(format!("{about} is terminated")));
    } else {
        let why = match text(status, "/state/waiting/reason") {
            "" => {
                return Err(Failure::bad_request(format!(
                    "{about} is waiting to start - no logs yet"
                )));
            }
            "ErrImagePull" => "image can't be pulled",
            "ImagePullBackOff" => "trying and failing to pull image",
            other => other,
        };
        return Err(Failure::bad_request(format!("{about} is waiting to start: {why}")));
    };
    let time = |field: &str| text(state, field).parse::<Timestamp>().ok();
    let mut holders = vec![name.to_owned()];
    holders.extend(workload(shared, pod));
    Ok(Source {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        holders,
        container: container.to_owned(),
        run,
        started: time("/startedAt").unwrap_or_else(|| shared.clock.loaded()),
        finished: time("/finishedAt"),
    })
}

/// The name of the workload behind a pod: its owner or, through a replica set, its owner's owner.
fn workload(shared: &Shared, pod: &Value) -> Option<String> {
    let owner = pod.pointer("/metadata/ownerReferences/0")?;
    let name = text(owner, "/name");
    if text(owner, "/kind") != "ReplicaSet" {
        return Some(name.to_owned());
    }
    let kind = super::registry::find("apps", "v1", "replicasets")?;
    let set = shared.store().read(kind, text(pod, "/metadata/namespace"), name)?;
    let deployment = text(&set, "/metadata/ownerReferences/0/name");
    (!deployment.is_empty()).then(|| deployment.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts_the_tail_then_the_age_then_prints() {
        let now: Timestamp = "2026-01-01T00:01:00Z".parse().unwrap();
        let lines: Vec<(Timestamp, &str)> = [(50, "a"), (40, "b"), (5, "c")]
            .map(|(ago, text)| (before(now, Duration::from_secs(ago)), text))
            .to_vec();
        for (query, expected) in [
            ("", "a\nb\nc\n"),
            ("tailLines=0", ""),
            ("tailLines=2", "b\nc\n"),
            ("sinceSeconds=10", "c\n"),
            ("tailLines=1&sinceSeconds=45", "c\n"),
            ("sinceTime=2026-01-01T00:00:20Z", "b\nc\n"),
            ("tailLines=1&timestamps=true", "2026-01-01T00:00:55.000000000Z c\n"),
        ] {
            let options = LogOptions::parse("p", &Query::parse(query)).unwrap();
            assert_eq!(options.cut(&lines, now), expected, "{query}");
        }
    }

    #[test]
    fn refuses_bad_parameters_in_the_servers_words() {
        let is_invalid = "PodLogOptions \"p\" is invalid: ";
        for (query, code, expected) in [
            (
                "tailLines=-1",
                422,
                format!(
                    "{is_invalid}tailLines: Invalid value: -1: must be greater than or equal to 0"
                ),
            ),
            (
                "limitBytes=0",
                422,
                format!("{is_invalid}limitBytes: Invalid value: 0: must be greater than 0"),
            ),
            (
                "sinceSeconds=0",
                422,
                format!("{is_invalid}sinceSeconds: Invalid value: 0: must be greater than 0"),
            ),
            ("tailLines=x", 400, "strconv.ParseInt: parsing \"x\": invalid syntax".to_owned()),
        ] {
            let failure = LogOptions::parse("p", &Query::parse(query)).unwrap_err();
            assert_eq!(failure.code, code, "{query}");
            assert_eq!(failure.status()["message"], expected, "{query}");
        }
    }

    #[test]
    fn a_repeated_line_is_bounded() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let end = after(start, Duration::from_secs(10_000));
        let times: Vec<Timestamp> = repeats(start, end, Duration::from_secs(1)).collect();
        assert_eq!(times.len(), 200);
        assert_eq!(times.last(), Some(&end));
    }
}
