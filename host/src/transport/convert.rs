//! The one place where what happened becomes words for a client. Internal texts never pass through
//! here: they go to the log, under the call's id.

use rmcp::model::{
    CallToolResult, ContentBlock, ErrorData, Implementation, MetaObject, Tool, ToolAnnotations,
};
use serde_json::{Value, json};

use super::fence;
use crate::domain::call::{Outcome, Output, Provenance};
use crate::domain::capability::Tier;
use crate::domain::decision::Refusal;
use crate::domain::name::CallId;
use crate::domain::subject::Subject;
use crate::domain::withheld::{Removed, Withheld};
use crate::gateway::{CallError, ToolListing};

/// How the client speaks: per request (2026-07-28 and later) or in a session that began with
/// `initialize`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Modern,
    Legacy,
}

/// How much of a name that is none an error repeats.
const SHOWN_CHARS_MAX: usize = 64;

const SERVER_INFO_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// Who answers.
pub(super) fn server_info() -> Implementation {
    Implementation::new("toolgate", env!("CARGO_PKG_VERSION")).with_title("Toolgate")
}

/// The `_meta` of every result: who answers, where the era has no handshake to say it in.
pub(super) fn result_meta(era: Era) -> Option<MetaObject> {
    let mut meta = MetaObject::new();
    if era == Era::Modern
        && let Ok(info) = serde_json::to_value(server_info())
    {
        meta.insert(SERVER_INFO_KEY.to_owned(), info);
    }
    (!meta.is_empty()).then_some(meta)
}

/// A tool as clients see it.
pub(super) fn tool(listing: &ToolListing) -> Tool {
    let mut tool = Tool::new(
        listing.name.as_str().to_owned(),
        listing.description.clone(),
        listing.input_schema.clone(),
    )
    .with_annotations(annotations(listing.tier));
    tool.title.clone_from(&listing.title);
    tool.output_schema.clone_from(&listing.output_schema);
    tool
}

/// Hints, derived from what the tool can do at most. The world is open for every tool, also for one
/// that reaches no cluster: what it answers is made by a plugin from data that others write, and
/// clients treat an open world with the care that this needs.
fn annotations(tier: Tier) -> ToolAnnotations {
    let hints = ToolAnnotations::new().open_world(true);
    match tier {
        Tier::Ambient | Tier::Read => hints.read_only(true).destructive(false).idempotent(true),
        // A second restart restarts again.
        Tier::Reversible => hints.read_only(false).destructive(false).idempotent(false),
        Tier::Destructive => hints.read_only(false).destructive(true).idempotent(false),
    }
}

/// What a client reads of a tool's call: a result, or a protocol error.
pub(super) fn answer(
    came_of_it: Result<Outcome, CallError>,
    call: &CallId,
    era: Era,
) -> Result<CallToolResult, ErrorData> {
    let failure = |text: String| Ok(failed(text, call, era));
    match came_of_it {
        Ok(Outcome::Output(output)) => Ok(answered(output, call, era)),
        Ok(Outcome::ToolError(text) | Outcome::NotFound(text) | Outcome::LimitExceeded(text)) => {
            failure(text)
        }
        Ok(Outcome::Trapped { internal: _ }) => failure(trapped("tool", call)),
        Err(CallError::Refused(refusal)) => match refusal {
            Refusal::Unknown(_) => Err(refused(&refusal)),
            Refusal::InvalidArguments(_) | Refusal::Denied { .. } | Refusal::Busy { .. } => {
                failure(refusal.to_string())
            }
        },
        other => Err(fault(other, call)),
    }
}

/// A call that came to nothing, as an error of the protocol: for what has no result that could say
/// that it failed.
pub(super) fn fault(came_of_it: Result<Outcome, CallError>, call: &CallId) -> ErrorData {
    let text = match came_of_it {
        Ok(Outcome::ToolError(text) | Outcome::NotFound(text) | Outcome::LimitExceeded(text)) => {
            text
        }
        Ok(Outcome::Trapped { internal: _ }) => trapped("plugin", call),
        // Never sent where the client took the call back: the transport drops it.
        Ok(Outcome::Cancelled) => format!("call `{call}` was cancelled"),
        Ok(
            Outcome::HostFailed { internal: _ }
            | Outcome::Output(_)
            | Outcome::Messages(_)
            | Outcome::Content(_)
            | Outcome::Values(_),
        ) => format!(
            "the call failed inside of Toolgate; its operator finds the reason in the log under \
             call `{call}`"
        ),
        Err(CallError::Refused(refusal)) => return refused(&refusal),
        Err(CallError::NoRecord(_)) => format!(
            "the audit log takes no record, so nothing runs; its operator finds the reason in the \
             log under call `{call}`"
        ),
    };
    ErrorData::internal_error(text, None)
}

fn trapped(what: &str, call: &CallId) -> String {
    format!(
        "the {what} stopped because of an error in the plugin; its operator finds the reason in \
         the log under call `{call}`"
    )
}

/// A refusal, as an error of the protocol.
fn refused(refusal: &Refusal) -> ErrorData {
    match refusal {
        Refusal::Unknown(Subject::Tool(name)) => unknown("tool", name.as_str()),
        Refusal::Unknown(Subject::Prompt(name)) => unknown("prompt", name.as_str()),
        Refusal::Unknown(Subject::Resource(uri)) => no_resource(uri.as_str()),
        Refusal::Unknown(Subject::Completion { of, argument }) => {
            let text = format!("Unknown argument: there is no `{argument}` of {of}");
            ErrorData::invalid_params(text, None)
        }
        Refusal::InvalidArguments(_) | Refusal::Denied { .. } => {
            ErrorData::invalid_params(refusal.to_string(), None)
        }
        Refusal::Busy { retry_after, .. } => {
            let data =
                json!({"retryAfterMs": u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX)});
            ErrorData::internal_error(refusal.to_string(), Some(data))
        }
    }
}

/// A name that nobody offers. An error of the protocol, not of a tool.
pub(super) fn unknown(what: &str, name: &str) -> ErrorData {
    ErrorData::invalid_params(format!("Unknown {what}: `{}`", shown(name)), None)
}

/// A resource that nobody offers. Its code differs between the eras: rmcp sees to that.
pub(super) fn no_resource(uri: &str) -> ErrorData {
    let uri = shown(uri);
    let data = json!({"uri": uri});
    ErrorData::resource_not_found(format!("Resource not found: `{uri}`"), Some(data))
}

fn shown(name: &str) -> String {
    name.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect()
}

/// The `_meta` of an answer that a plugin made.
pub(super) fn answer_meta(
    truncated: bool,
    provenance: &[Provenance],
    withheld: &Withheld,
    call: &CallId,
    era: Era,
) -> MetaObject {
    let sources: Vec<Value> = provenance
        .iter()
        .map(|source| json!({"capability": source.capability.as_str(), "target": source.target}))
        .collect();
    let mut meta = result_meta(era).unwrap_or_default();
    meta.insert("toolgate/call".to_owned(), json!(call.as_str()));
    meta.insert("toolgate/untrusted".to_owned(), json!(true));
    meta.insert("toolgate/truncated".to_owned(), json!(truncated));
    meta.insert("toolgate/provenance".to_owned(), Value::Array(sources));
    if *withheld != Withheld::NOTHING {
        meta.insert("toolgate/withheld".to_owned(), said(withheld));
    }
    meta
}

/// What was taken out, never silently: each kind that there was.
fn said(withheld: &Withheld) -> Value {
    let Withheld { secrets, removed, defanged } = *withheld;
    let Removed { escapes, controls, bidi, invisible, tags } = removed;
    let counts = [
        ("secrets", secrets),
        ("escapes", escapes),
        ("controls", controls),
        ("bidi", bidi),
        ("invisible", invisible),
        ("tags", tags),
        ("defanged", defanged),
    ];
    let there = counts.into_iter().filter(|(_, n)| *n > 0);
    Value::Object(there.map(|(name, n)| (name.to_owned(), json!(n))).collect())
}

fn answered(output: Output, call: &CallId, era: Era) -> CallToolResult {
    let Output { text, structured, truncated, provenance, withheld } = output;
    // Legacy clients know structured content only as an object.
    let structured = structured.filter(|value| era == Era::Modern || value.is_object());
    let mut meta = answer_meta(truncated, &provenance, &withheld, call, era);
    let text = match &structured {
        // As JSON, no text leaves its quotes.
        Some(value) if text.is_empty() => value.to_string(),
        // Where nothing of a cluster was read, there are only the plugin's own words.
        _ if provenance.is_empty() => text,
        Some(_) | None => match fence::fenced(&text) {
            Some((fenced, boundary)) => {
                meta.insert("toolgate/fence".to_owned(), json!(boundary));
                fenced
            }
            None => text,
        },
    };
    let mut result = CallToolResult::success(vec![ContentBlock::text(text)]);
    result.structured_content = structured;
    result.meta = Some(meta);
    result
}

fn failed(text: String, call: &CallId, era: Era) -> CallToolResult {
    let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
    let mut meta = result_meta(era).unwrap_or_default();
    meta.insert("toolgate/call".to_owned(), json!(call.as_str()));
    result.meta = Some(meta);
    result
}

/// Text of a stranger on one line: no control characters, and cut at a bound.
pub(super) fn plain(text: &str, bytes_max: usize) -> String {
    let mut plain = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if plain.len() + c.len_utf8() > bytes_max {
            break;
        }
        plain.push(c);
    }
    plain
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use expect_test::{Expect, expect};

    use super::*;
    use crate::domain::capability::Capability;

    fn shown(came_of_it: Result<Outcome, CallError>, era: Era) -> String {
        let call: CallId = "call0000call0000".parse().unwrap();
        let value = match answer(came_of_it, &call, era) {
            Ok(mut result) => {
                if let Some(info) = result.meta.as_mut().and_then(|m| m.get_mut(SERVER_INFO_KEY)) {
                    info["version"] = json!("0");
                }
                tame(&mut result);
                serde_json::to_value(result)
            }
            Err(error) => serde_json::to_value(error),
        };
        value.unwrap().to_string()
    }

    /// Takes out of an answer what is random.
    fn tame(result: &mut CallToolResult) {
        let Some(meta) = result.meta.as_mut() else { return };
        let Some(fence) = meta.get_mut("toolgate/fence") else { return };
        let boundary = fence.as_str().unwrap().to_owned();
        *fence = json!("untrusted-0");
        let ContentBlock::Text(content) = &mut result.content[0] else { return };
        content.text = content.text.replace(&boundary, "untrusted-0");
    }

    fn check(cases: Vec<Result<Outcome, CallError>>, era: Era, expected: &Expect) {
        let mut text = String::new();
        for case in cases {
            writeln!(text, "{}", shown(case, era)).unwrap();
        }
        expected.assert_eq(&text);
    }

    fn output() -> Output {
        Output {
            text: "3 pods".to_owned(),
            structured: Some(json!({"pods": 3})),
            truncated: false,
            provenance: vec![Provenance {
                capability: Capability::KubernetesRead,
                target: "demo/shop".to_owned(),
            }],
            withheld: Withheld::NOTHING,
        }
    }

    #[test]
    fn says_what_came_of_a_call_and_no_more() {
        let secret = || "SECRET /var/lib/x: connection refused".to_owned();
        check(
            vec![
                Ok(Outcome::Output(output())),
                Ok(Outcome::ToolError("there is no pod `web`".to_owned())),
                Ok(Outcome::Trapped { internal: secret() }),
                Ok(Outcome::LimitExceeded("the call took longer than 30 s".to_owned())),
                Ok(Outcome::Cancelled),
                Ok(Outcome::HostFailed { internal: secret() }),
                Err(Refusal::Unknown(Subject::Tool("no_such".parse().unwrap())).into()),
                Err(Refusal::InvalidArguments(vec!["/n: is not a number".to_owned()]).into()),
                Err(Refusal::Denied {
                    rule: crate::domain::decision::Rule::named("mode.read_only"),
                    reason: "reads only".to_owned(),
                }
                .into()),
                Err(Refusal::Busy {
                    reason: "64 calls are waiting".to_owned(),
                    retry_after: std::time::Duration::from_millis(1_200),
                }
                .into()),
                Err(CallError::NoRecord(secret())),
            ],
            Era::Legacy,
            &expect![[r#"
                {"resultType":"complete","content":[{"type":"text","text":"<untrusted-0>\n3 pods\n</untrusted-0>"}],"structuredContent":{"pods":3},"isError":false,"_meta":{"toolgate/call":"call0000call0000","toolgate/untrusted":true,"toolgate/truncated":false,"toolgate/provenance":[{"capability":"kubernetes-read","target":"demo/shop"}],"toolgate/fence":"untrusted-0"}}
                {"resultType":"complete","content":[{"type":"text","text":"there is no pod `web`"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"resultType":"complete","content":[{"type":"text","text":"the tool stopped because of an error in the plugin; its operator finds the reason in the log under call `call0000call0000`"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"resultType":"complete","content":[{"type":"text","text":"the call took longer than 30 s"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"code":-32603,"message":"call `call0000call0000` was cancelled"}
                {"code":-32603,"message":"the call failed inside of Toolgate; its operator finds the reason in the log under call `call0000call0000`"}
                {"code":-32602,"message":"Unknown tool: `no_such`"}
                {"resultType":"complete","content":[{"type":"text","text":"the arguments do not fit: /n: is not a number"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"resultType":"complete","content":[{"type":"text","text":"reads only"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"resultType":"complete","content":[{"type":"text","text":"64 calls are waiting; try again in 2 s"}],"isError":true,"_meta":{"toolgate/call":"call0000call0000"}}
                {"code":-32603,"message":"the audit log takes no record, so nothing runs; its operator finds the reason in the log under call `call0000call0000`"}
            "#]],
        );
    }

    #[test]
    fn says_who_answers_where_there_was_no_handshake() {
        let text_only = Output { structured: None, truncated: true, ..output() };
        let number = Output { text: String::new(), structured: Some(json!(3)), ..output() };
        check(
            vec![
                Ok(Outcome::Output(text_only)),
                Ok(Outcome::Output(number)),
                Ok(Outcome::ToolError("no".to_owned())),
            ],
            Era::Modern,
            &expect![[r#"
                {"resultType":"complete","content":[{"type":"text","text":"<untrusted-0>\n3 pods\n</untrusted-0>"}],"isError":false,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toolgate","title":"Toolgate","version":"0"},"toolgate/call":"call0000call0000","toolgate/untrusted":true,"toolgate/truncated":true,"toolgate/provenance":[{"capability":"kubernetes-read","target":"demo/shop"}],"toolgate/fence":"untrusted-0"}}
                {"resultType":"complete","content":[{"type":"text","text":"3"}],"structuredContent":3,"isError":false,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toolgate","title":"Toolgate","version":"0"},"toolgate/call":"call0000call0000","toolgate/untrusted":true,"toolgate/truncated":false,"toolgate/provenance":[{"capability":"kubernetes-read","target":"demo/shop"}]}}
                {"resultType":"complete","content":[{"type":"text","text":"no"}],"isError":true,"_meta":{"io.modelcontextprotocol/serverInfo":{"name":"toolgate","title":"Toolgate","version":"0"},"toolgate/call":"call0000call0000"}}
            "#]],
        );
    }

    #[test]
    fn derives_hints_from_the_tier() {
        let mut text = String::new();
        for tier in [Tier::Ambient, Tier::Read, Tier::Reversible, Tier::Destructive] {
            let hints = serde_json::to_value(annotations(tier)).unwrap();
            writeln!(text, "{tier} {hints}").unwrap();
        }
        expect![[r#"
            ambient {"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}
            read {"readOnlyHint":true,"destructiveHint":false,"idempotentHint":true,"openWorldHint":true}
            reversible {"readOnlyHint":false,"destructiveHint":false,"idempotentHint":false,"openWorldHint":true}
            destructive {"readOnlyHint":false,"destructiveHint":true,"idempotentHint":false,"openWorldHint":true}
        "#]].assert_eq(&text);
    }

    #[test]
    fn repeats_little_of_a_name_and_escapes_it() {
        let error = unknown("tool", &format!("\u{1b}[31m{}", "x".repeat(10_000)));
        assert!(error.message.len() < 120, "{}", error.message);
        assert!(!error.message.contains('\u{1b}'));
    }

    #[test]
    fn makes_text_plain() {
        assert_eq!(plain("a\u{1b}[0m\r\nb\u{7f}", 10), "a[0mb");
        assert_eq!(plain("ääää", 5), "ää");
    }
}
