//! The logs of a workload: each container's under a header of its own, in one text.

use std::fmt::Write as _;

use toolgate_sdk::kubernetes_logs::{
    self, ContainerLog, Ending, Pods, Run, WorkloadLog, WorkloadLogQuery,
};
use toolgate_sdk::prelude::*;
use toolgate_sdk::types::WorkloadKind;

use crate::{LINES_BYTES_MAX, default_namespace, filter, lines, removed};

/// Lines of a log that the host looks through for a filter: the newest.
const SEARCHED_MAX: u64 = 100_000;

#[arguments]
pub(crate) struct Args {
    /// A deployment's name, or `statefulset/NAME`, `daemonset/NAME`.
    workload: Option<String>,
    /// Instead of `workload`.
    label_selector: Option<String>,
    #[serde(default = "default_namespace")]
    namespace: String,
    /// Omit for all.
    container: Option<String>,
    #[serde(default = "default_run")]
    run: WhichRun,
    /// Newest lines of each container.
    #[serde(default = "default_tail")]
    #[schemars(range(min = 1, max = 5000))]
    tail_lines: u32,
    since_seconds: Option<u32>,
    /// Regex that lines must match.
    include: Option<String>,
    /// Regex of lines to leave out.
    exclude: Option<String>,
    #[serde(default)]
    timestamps: bool,
    cluster: Option<String>,
}

#[arguments]
#[derive(Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum WhichRun {
    Current,
    Previous,
    Both,
}

fn default_run() -> WhichRun {
    WhichRun::Both
}

fn default_tail() -> u32 {
    50
}

#[output]
pub(crate) struct LogFacts {
    pod: String,
    container: String,
    previous: bool,
    pub(crate) line_count: usize,
    lines_read: u64,
    unavailable: Option<String>,
}

#[output]
pub(crate) struct Facts {
    pods_total: u32,
    pub(crate) logs: Vec<LogFacts>,
    truncated: bool,
    secrets_redacted: u32,
    characters_removed: u32,
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of every tool")]
pub(crate) fn get_workload_logs(args: Args) -> Result<Reply<Facts>, ToolError> {
    let log = kubernetes_logs::read_workload(&WorkloadLogQuery {
        cluster: args.cluster.clone(),
        namespace: args.namespace.clone(),
        pods: pods(&args)?,
        container: args.container.clone(),
        run: match args.run {
            WhichRun::Current => Run::Current,
            WhichRun::Previous => Run::Previous,
            WhichRun::Both => Run::Both,
        },
        tail_lines: Some(args.tail_lines),
        since_s: args.since_seconds,
        timestamps: args.timestamps,
        filter: filter(args.include.as_ref(), args.exclude.as_ref()),
    })?;
    Ok(answer(&args, log))
}

/// Whose pods are meant.
pub(crate) fn pods(args: &Args) -> Result<Pods, ToolError> {
    let invalid = |text: &str| Err(ToolError::InvalidArguments(text.to_owned()));
    let workload = match (&args.workload, &args.label_selector) {
        (Some(workload), None) => workload,
        (None, Some(selector)) => return Ok(Pods::Selector(selector.clone())),
        _ => return invalid("give `workload` or `label_selector`, one of them"),
    };
    let (kind, name) = workload.split_once('/').unwrap_or(("deployment", workload));
    let kind = match kind.to_ascii_lowercase().as_str() {
        "deployment" => WorkloadKind::Deployment,
        "statefulset" => WorkloadKind::StatefulSet,
        "daemonset" => WorkloadKind::DaemonSet,
        _ => {
            return invalid(
                "`workload` is a deployment's name, `statefulset/NAME` or `daemonset/NAME`",
            );
        }
    };
    Ok(Pods::Workload((kind, name.to_owned())))
}

pub(crate) fn answer(args: &Args, log: WorkloadLog) -> Reply<Facts> {
    let WorkloadLog { logs, pods_total, truncated } = log;
    let weigh = |log: &ContainerLog| log.lines.iter().map(|line| line.len() + 1).sum();
    let share = lines::share(logs.iter().map(weigh).collect(), LINES_BYTES_MAX);
    let sum = |part: fn(&ContainerLog) -> u32| logs.iter().map(part).fold(0, u32::saturating_add);
    let mut facts = Facts {
        pods_total,
        logs: Vec::with_capacity(logs.len()),
        truncated,
        secrets_redacted: sum(|log| log.redacted),
        characters_removed: sum(|log| log.removed),
    };
    let mut bodies = String::new();
    let mut pods_shown: Vec<&str> = Vec::new();
    for log in &logs {
        if pods_shown.last() != Some(&log.pod.as_str()) {
            pods_shown.push(&log.pod);
        }
        let shown = lines::newest(&log.lines, share);
        facts.truncated |= shown.len() < log.lines.len();
        bodies.push_str("\n\n");
        bodies.push_str(&header(args, log, shown.len()));
        for line in shown {
            bodies.push('\n');
            bodies.push_str(line);
        }
        facts.logs.push(LogFacts {
            pod: log.pod.clone(),
            container: log.container.clone(),
            previous: log.previous,
            line_count: shown.len(),
            lines_read: log.lines_read,
            unavailable: log.unavailable.clone(),
        });
    }
    let whose = args.workload.as_ref().or(args.label_selector.as_ref());
    let whose = whose.map(|whose| one_line(whose)).unwrap_or_default();
    let mut text = format!(
        "`{whose}` in `{}`: {pods_total} pods, {} shown, failing first. Lines are oldest first.",
        args.namespace,
        pods_shown.len()
    );
    if facts.truncated {
        text.push_str(" More was left out: `include`, `container` and `since_seconds` narrow.");
    }
    text.push_str(&removed(facts.secrets_redacted, facts.characters_removed));
    text.push_str(&bodies);
    let truncated = facts.truncated;
    Reply::new(text, facts).truncated(truncated)
}

fn header(args: &Args, log: &ContainerLog, n_shown: usize) -> String {
    let run = if log.previous { ", previous run" } else { "" };
    let mut text = format!("== {} {}{run}: ", log.pod, log.container);
    let is_search = args.include.is_some() || args.exclude.is_some();
    let _ = match (&log.unavailable, log.lines_matched) {
        (Some(why), _) => write!(text, "{}", one_line(why)),
        (None, 1) if n_shown == 1 => write!(text, "1 line"),
        (None, n) if n == n_shown as u64 => write!(text, "{n_shown} lines"),
        (None, n) if is_search => write!(text, "the newest {n_shown} of {n} matching lines"),
        (None, _) => write!(text, "the newest {n_shown} lines"),
    };
    text.push_str(&unread(log, is_search));
    text
}

/// What was not looked at, so that "0 lines" is not read as "there are none".
fn unread(log: &ContainerLog, is_search: bool) -> String {
    if log.unavailable.is_some() {
        return String::new();
    }
    match log.ending {
        Ending::Time | Ending::Bytes => {
            format!(" among the {} that were read; newer ones were not", log.lines_read)
        }
        Ending::Log | Ending::Matched
            if is_search && log.truncated && log.lines_read >= SEARCHED_MAX =>
        {
            format!(" among the newest {SEARCHED_MAX}; older ones were not searched")
        }
        Ending::Log | Ending::Matched => String::new(),
    }
}
