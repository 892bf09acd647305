//! What a guest returned, checked: it lies until shown otherwise.

use serde_json::Value;

use super::bindings::exports::toolgate::plugin::tools::{Output as GuestOutput, ToolError};
use super::load::Tool;
use super::run::Ended;
use super::state::{State, Stop};
use super::wasi::Streams;
use crate::domain::call::{Outcome, Output};
use crate::domain::limits::Limits;
use crate::governance::audit::Trail;
use crate::governance::redact::{make_json_safe, make_safe};
use crate::governance::text::{clean, cut};
use crate::schema;

/// Bytes of an error that a plugin words itself.
const ERROR_BYTES_MAX: usize = 4_096;

/// Lines of a guest's standard output, or error, that are kept of one call: a record each.
const STREAM_LINES_MAX: usize = 100;

/// Bytes of one line in the plugin's log.
const LINE_BYTES_MAX: usize = 2_048;

/// What came of a run.
pub(super) fn outcome(
    tool: &Tool,
    result: Result<Result<GuestOutput, ToolError>, Ended>,
    trail: &Trail,
) -> Outcome {
    let limits = &tool.plugin.terms.limits;
    match result {
        Ok(Ok(output)) => checked(tool, output, trail),
        Ok(Err(ToolError::InvalidArguments(text) | ToolError::Failed(text))) => {
            let mut text = make_safe(&text).text;
            cut(&mut text, ERROR_BYTES_MAX);
            Outcome::ToolError(text)
        }
        Err(Ended::Stopped(Stop::Limit(name))) => Outcome::LimitExceeded(limit(name, limits)),
        Err(Ended::Deadline) => Outcome::LimitExceeded(limit("deadline_ms", limits)),
        Err(Ended::Stopped(Stop::NotRecorded(internal)) | Ended::HostFailed(internal)) => {
            Outcome::HostFailed { internal }
        }
        Err(ended @ (Ended::Stopped(Stop::CalledWhileListing(_)) | Ended::Trapped(_))) => {
            let mut internal = clean(&ended.to_string()).text;
            cut(&mut internal, ERROR_BYTES_MAX);
            tracing::warn!(plugin = %tool.plugin.manifest.id, tool = %tool.listing.name, %internal, "a guest trapped");
            Outcome::Trapped { internal }
        }
    }
}

fn checked(tool: &Tool, output: GuestOutput, trail: &Trail) -> Outcome {
    let GuestOutput { text, structured, truncated } = output;
    let limits = &tool.plugin.terms.limits;
    let bytes = text.len() + structured.as_ref().map_or(0, String::len);
    if bytes > limits.output_bytes_max {
        return Outcome::LimitExceeded(format!(
            "the tool's answer has {bytes} bytes; its limit `output_bytes_max` is {}; ask for less",
            limits.output_bytes_max
        ));
    }
    let structured = match structured.map(|text| schema::parse(&text)).transpose() {
        Ok(structured) => structured,
        Err(problem) => return broken(&format!("its structured output: {problem}")),
    };
    match (&tool.output, &structured) {
        (Some(schema), Some(value)) => {
            let problems = schema.problems_of(value);
            if !problems.is_empty() {
                return broken(&format!(
                    "its output does not fit its schema: {}",
                    problems.join("; ")
                ));
            }
        }
        (Some(_), None) => {
            return broken("it has an output schema and returned no structured output");
        }
        (None, Some(value)) if !value.is_object() => {
            return broken("its structured output is not an object");
        }
        (None, _) => {}
    }
    let text = make_safe(&text).text;
    let structured = structured.map(|value: Value| make_json_safe(value).0);
    Outcome::Output(Output { text, structured, truncated, provenance: trail.sources() })
}

fn broken(why: &str) -> Outcome {
    Outcome::Trapped { internal: clean(why).text }
}

/// A limit that was reached, in words for the caller.
pub(super) fn limit(name: &'static str, limits: &Limits) -> String {
    let value = match name {
        "deadline_ms" => limits.deadline_ms.to_string(),
        "cpu_ms" => limits.cpu_ms.to_string(),
        "memory_bytes_max" => limits.memory_bytes_max.to_string(),
        "table_elements_max" => limits.table_elements_max.to_string(),
        "host_calls_max" => limits.host_calls_max.to_string(),
        "host_call_bytes_in_max" => limits.host_call_bytes_in_max.to_string(),
        "handles_max" => limits.handles_max.to_string(),
        _ => return format!("the tool was stopped: it went over its limit `{name}`"),
    };
    format!("the tool was stopped: it went over its limit `{name}` of {value}")
}

/// Standard output and error of a guest go to the plugin's own log.
pub(super) fn keep_streams(state: &State) {
    let (plugin, call) = (&state.plugin, state.call_id());
    let contents = state.streams().map(Streams::contents);
    for (stream, bytes) in contents.into_iter().flatten() {
        let text = clean(&String::from_utf8_lossy(&bytes)).text;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for line in lines.take(STREAM_LINES_MAX) {
            let mut line = line.to_owned();
            cut(&mut line, LINE_BYTES_MAX);
            tracing::info!(target: "plugin", %plugin, call, stream, "{line}");
        }
    }
    if state.log_dropped > 0 {
        let n_lines = state.log_dropped;
        tracing::warn!(target: "plugin", %plugin, call, n_lines, "lines beyond `log_bytes_max` are dropped");
    }
}
