//! What a guest returned, checked: it lies until shown otherwise.

use serde_json::Value;

use super::bindings::exports::toolgate::plugin::{prompts, resources, tools};
use super::errand::{Errand, Reply};
use super::load::{Plugin, Tool};
use super::offers::is_mime_type;
use super::run::Ended;
use super::state::{State, Stop};
use super::wasi::Streams;
use crate::domain::call::{Content, Message, Messages, Outcome, Output, Role};
use crate::domain::limits::{COMPLETION_BYTES_MAX, COMPLETIONS_MAX, Limits, MESSAGES_MAX};
use crate::governance::answers::{make_json_safe, make_text_safe};
use crate::governance::audit::Trail;
use crate::governance::redact::make_safe;
use crate::governance::text::cut;
use crate::schema;

/// Bytes of an error that a plugin words itself.
const ERROR_BYTES_MAX: usize = 4_096;

/// Lines of a guest's standard output, or error, that are kept of one call: a record each.
const STREAM_LINES_MAX: usize = 100;

/// Bytes of one line in the plugin's log.
const LINE_BYTES_MAX: usize = 2_048;

/// What came of a run.
pub(super) fn outcome(errand: &Errand, result: Result<Reply, Ended>, trail: &Trail) -> Outcome {
    let plugin = errand.plugin();
    let limits = &plugin.terms.limits;
    match result {
        Ok(reply) => replied(errand, reply, trail),
        Err(Ended::Stopped(Stop::Limit(name))) => Outcome::LimitExceeded(limit(name, limits)),
        Err(Ended::Deadline) => Outcome::LimitExceeded(limit("deadline_ms", limits)),
        Err(Ended::Stopped(Stop::NotRecorded(internal)) | Ended::HostFailed(internal)) => {
            Outcome::HostFailed { internal }
        }
        Err(ended @ (Ended::Stopped(Stop::CalledWhileListing(_)) | Ended::Trapped(_))) => {
            let mut internal = make_safe(&ended.to_string()).text;
            cut(&mut internal, ERROR_BYTES_MAX);
            let of = errand.words();
            tracing::warn!(plugin = %plugin.manifest.id, of, %internal, "a guest trapped");
            Outcome::Trapped { internal }
        }
    }
}

fn replied(errand: &Errand, reply: Reply, trail: &Trail) -> Outcome {
    match (errand, reply) {
        (Errand::Tool(tool), Reply::Tool(Ok(output))) => checked(tool, output, trail),
        (
            _,
            Reply::Tool(Err(
                tools::ToolError::InvalidArguments(text) | tools::ToolError::Failed(text),
            ))
            | Reply::Prompt(Err(
                prompts::PromptError::InvalidArguments(text) | prompts::PromptError::Failed(text),
            ))
            | Reply::Resource(Err(resources::ResourceError::Failed(text))),
        ) => Outcome::ToolError(worded(&text, trail)),
        (_, Reply::Resource(Err(resources::ResourceError::NotFound(text)))) => {
            Outcome::NotFound(worded(&text, trail))
        }
        (_, Reply::Prompt(Ok(messages))) => written(errand.plugin(), messages, trail),
        (Errand::Resource(resource, _), Reply::Resource(Ok(content))) => {
            read(&resource.plugin, resource.listing.mime_type.as_deref(), content, trail)
        }
        (_, Reply::Values(values)) => Outcome::Values(proposed(values)),
        (_, Reply::Tool(Ok(_)) | Reply::Resource(Ok(_))) => {
            Outcome::HostFailed { internal: "an answer to another question".to_owned() }
        }
    }
}

/// A text of a plugin, on its way out.
fn safe(text: &str, trail: &Trail) -> String {
    let (text, withheld) = make_text_safe(text);
    trail.withhold(withheld);
    text
}

fn safe_json(value: Value, trail: &Trail) -> Value {
    let (value, withheld) = make_json_safe(value);
    trail.withhold(withheld);
    value
}

/// A failure in a plugin's own words.
fn worded(text: &str, trail: &Trail) -> String {
    let mut text = safe(text, trail);
    cut(&mut text, ERROR_BYTES_MAX);
    text
}

fn written(plugin: &Plugin, messages: Vec<prompts::Message>, trail: &Trail) -> Outcome {
    if messages.is_empty() || messages.len() > MESSAGES_MAX {
        let n = messages.len();
        return broken(&format!("it wrote {n} messages; a prompt has 1 to {MESSAGES_MAX}"));
    }
    let bytes = messages.iter().map(|message| message.text.len()).sum();
    if let Some(too_much) = too_much("prompt", bytes, &plugin.terms.limits) {
        return too_much;
    }
    let message = |message: prompts::Message| Message {
        role: match message.role {
            prompts::Role::User => Role::User,
            prompts::Role::Assistant => Role::Assistant,
        },
        text: safe(&message.text, trail),
    };
    let messages = messages.into_iter().map(message).collect();
    let (provenance, withheld) = (trail.sources(), trail.withheld());
    Outcome::Messages(Messages { messages, provenance, withheld })
}

fn read(
    plugin: &Plugin,
    promised: Option<&str>,
    content: resources::Content,
    trail: &Trail,
) -> Outcome {
    let resources::Content { text, mime_type, truncated } = content;
    if let Some(too_much) = too_much("resource", text.len(), &plugin.terms.limits) {
        return too_much;
    }
    if !mime_type.as_deref().is_none_or(is_mime_type) {
        return broken("the media type of its content is none");
    }
    let mime_type = mime_type.or_else(|| promised.map(str::to_owned));
    let text = if mime_type.as_deref().is_some_and(is_json) {
        // As a value: what is hidden behind an escape is found, and what is replaced breaks nothing.
        match schema::parse(&text) {
            Ok(value) => safe_json(value, trail).to_string(),
            Err(problem) => return broken(&format!("its content says JSON: {problem}")),
        }
    } else {
        safe(&text, trail)
    };
    let (provenance, withheld) = (trail.sources(), trail.withheld());
    Outcome::Content(Content { text, mime_type, truncated, provenance, withheld })
}

fn is_json(mime_type: &str) -> bool {
    let kind = mime_type.split(';').next().unwrap_or_default().trim();
    kind == "application/json" || kind.ends_with("+json")
}

/// The first values that can be shown in a menu, each once.
fn proposed(values: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for value in values {
        if kept.len() == COMPLETIONS_MAX {
            break;
        }
        if value.is_empty() || value.len() > COMPLETION_BYTES_MAX || value.contains('\n') {
            continue;
        }
        // What had to be changed is not what the plugin would understand.
        if make_safe(&value).text == value && !kept.contains(&value) {
            kept.push(value);
        }
    }
    kept
}

fn too_much(what: &str, bytes: usize, limits: &Limits) -> Option<Outcome> {
    let bytes_max = limits.output_bytes_max;
    (bytes > bytes_max).then(|| {
        Outcome::LimitExceeded(format!(
            "the {what} has {bytes} bytes; its limit `output_bytes_max` is {bytes_max}"
        ))
    })
}

fn checked(tool: &Tool, output: tools::Output, trail: &Trail) -> Outcome {
    let tools::Output { text, structured, truncated } = output;
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
    let text = safe(&text, trail);
    let structured = structured.map(|value| safe_json(value, trail));
    let (provenance, withheld) = (trail.sources(), trail.withheld());
    Outcome::Output(Output { text, structured, truncated, provenance, withheld })
}

fn broken(why: &str) -> Outcome {
    Outcome::Trapped { internal: make_safe(why).text }
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
        let text = make_safe(&String::from_utf8_lossy(&bytes)).text;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proposes_what_a_menu_can_show() {
        let hostile = ["shop", "", "a\nb", "\u{1b}[31mred", "shop", "pay\u{202e}yap"];
        let values = hostile.map(str::to_owned).into_iter().chain(["x".repeat(257), "web".into()]);
        assert_eq!(proposed(values.collect()), ["shop", "web"]);
        let many = (0..200).map(|n| format!("v{n}")).collect();
        assert_eq!(proposed(many).len(), COMPLETIONS_MAX);
    }

    #[test]
    fn knows_json_by_its_media_type() {
        for (text, is) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("application/vnd.x+json", true),
            ("text/plain", false),
        ] {
            assert_eq!(is_json(text), is, "{text}");
        }
    }
}
