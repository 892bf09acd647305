//! A question in the words of the protocol, and what a person's answer to it says. The form is flat
//! and has no default: who only presses enter has said nothing.

use rmcp::RoleServer;
use rmcp::model::{
    ElicitRequest, ElicitRequestParams, ElicitationSchema, EnumSchema, PrimitiveSchemaDefinition,
};
use rmcp::service::RequestContext;
use serde_json::Value;

use crate::confirm::Question;

/// The longest reason that a form takes: what [`OwnRequests`](crate::confirm::OwnRequests) does.
const REASON_CHARS_MAX: u32 = 500;

/// What stands for a reason where a client has no place for one.
const DECLINED: &str = "declined in the client";

const DECISION: &str = "decision";
const REASON: &str = "reason";
const APPROVE: &str = "approve";
const DENY: &str = "deny";

/// What a person said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// Yes, and why.
    Yes(Option<String>),
    /// No, and why.
    No(Option<String>),
    /// Neither: the dialogue was closed, or the client could not show it.
    Nothing,
    /// The form is not filled in; it may be shown again.
    Incomplete,
}

/// Whether the client has a person to show a form to.
pub(super) fn can_ask(cx: &RequestContext<RoleServer>) -> bool {
    let elicitation = cx.client_capabilities().and_then(|client| client.elicitation);
    // A client that names no way to ask knows forms, and before 2025-11-25 there was no other.
    elicitation.is_some_and(|can| can.form.is_some() || can.url.is_none())
}

/// The form.
pub(super) fn form(question: &Question) -> Result<ElicitRequest, &'static str> {
    let decision = EnumSchema::builder(vec![APPROVE.to_owned(), DENY.to_owned()])
        .title("Decision")
        .description("`approve` lets Toolgate execute exactly this; `deny` ends the request.")
        .build();
    let required = question.reason_required;
    let schema = ElicitationSchema::builder()
        .required_property(DECISION, PrimitiveSchemaDefinition::Enum(decision))
        .string_property(REASON, |reason| {
            let least = u32::from(required);
            reason
                .title("Reason")
                .description("One line, for the record.")
                .length(least, REASON_CHARS_MAX)
        });
    let schema = if required { schema.mark_required(REASON) } else { schema };
    Ok(ElicitRequest::new(ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question.text.clone(),
        requested_schema: schema.build()?,
    }))
}

/// Reads an answer. What it has beyond the form is passed over.
pub(super) fn said(answer: &Value, reason_required: bool) -> Said {
    let content = answer.get("content");
    let field = |name: &str| content.and_then(|content| content.get(name)?.as_str());
    let words = field(REASON).map(|reason| reason.split_whitespace().collect::<Vec<_>>().join(" "));
    let reason = words.filter(|words| !words.is_empty());
    match (answer.get("action").and_then(Value::as_str), field(DECISION)) {
        (Some("accept"), Some(APPROVE | DENY)) if reason_required && reason.is_none() => {
            Said::Incomplete
        }
        (Some("accept"), Some(APPROVE)) => Said::Yes(reason),
        (Some("accept"), Some(DENY)) => Said::No(reason),
        (Some("accept"), _) => Said::Incomplete,
        (Some("decline"), _) => {
            Said::No(reason.or_else(|| reason_required.then(|| DECLINED.to_owned())))
        }
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use expect_test::expect;
    use serde_json::json;

    use super::*;

    fn question(reason_required: bool) -> Question {
        Question {
            id: "h6h3hjnnt4vehcgs".parse().unwrap(),
            request_sha256: "0".repeat(64),
            text: "Toolgate asks for your approval: restart.".to_owned(),
            reason_required,
            lapses_in: Duration::from_mins(10),
        }
    }

    #[test]
    fn a_form_has_two_fields_and_no_default() {
        let shown = [false, true].map(|reason_required| {
            serde_json::to_string(&form(&question(reason_required)).unwrap()).unwrap()
        });
        expect![[r#"
            {"method":"elicitation/create","params":{"mode":"form","message":"Toolgate asks for your approval: restart.","requestedSchema":{"type":"object","properties":{"decision":{"type":"string","title":"Decision","description":"`approve` lets Toolgate execute exactly this; `deny` ends the request.","enum":["approve","deny"]},"reason":{"type":"string","title":"Reason","description":"One line, for the record.","minLength":0,"maxLength":500}},"required":["decision"]}}}
            {"method":"elicitation/create","params":{"mode":"form","message":"Toolgate asks for your approval: restart.","requestedSchema":{"type":"object","properties":{"decision":{"type":"string","title":"Decision","description":"`approve` lets Toolgate execute exactly this; `deny` ends the request.","enum":["approve","deny"]},"reason":{"type":"string","title":"Reason","description":"One line, for the record.","minLength":1,"maxLength":500}},"required":["decision","reason"]}}}"#]].assert_eq(&shown.join("\n"));
    }

    #[test]
    fn only_a_form_that_is_filled_in_says_yes() {
        let yes = Said::Yes(None);
        for (answer, told) in [
            (json!({"action": "accept", "content": {"decision": "approve"}}), yes.clone()),
            (json!({"action": "accept", "content": {"decision": "approve", "x": 1}, "y": {}}), yes),
            (
                json!({"action": "accept", "content": {"decision": "approve", "reason": " a\n b "}}),
                Said::Yes(Some("a b".to_owned())),
            ),
            (json!({"action": "accept", "content": {"decision": "deny"}}), Said::No(None)),
            (json!({"action": "accept", "content": {"decision": "APPROVE"}}), Said::Incomplete),
            (json!({"action": "accept", "content": {"decision": true}}), Said::Incomplete),
            (json!({"action": "accept", "content": {}}), Said::Incomplete),
            (json!({"action": "accept"}), Said::Incomplete),
            (json!({"action": "decline", "content": {"decision": "approve"}}), Said::No(None)),
            (json!({"action": "cancel", "content": {"decision": "approve"}}), Said::Nothing),
            (json!({"action": "Accept", "content": {"decision": "approve"}}), Said::Nothing),
            (json!({"content": {"decision": "approve"}}), Said::Nothing),
            (json!("accept"), Said::Nothing),
            (json!(null), Said::Nothing),
        ] {
            assert_eq!(said(&answer, false), told, "{answer}");
        }
        let bare = json!({"action": "accept", "content": {"decision": "approve", "reason": " "}});
        assert_eq!(said(&bare, true), Said::Incomplete);
        let declined = Said::No(Some(DECLINED.to_owned()));
        assert_eq!(said(&json!({"action": "decline"}), true), declined, "there is no form to fill");
    }
}
