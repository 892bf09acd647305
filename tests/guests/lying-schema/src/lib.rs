//! Promises a number and answers with a word. Expected: the plugin's error, not the answer.

use toolgate_guest_kit::{Answer, Definition, definition, guest, structured};

fn list() -> Vec<Definition> {
    let schema =
        r#"{"type":"object","properties":{"count":{"type":"integer"}},"required":["count"]}"#;
    let plain = definition("lie", r#"{"type":"object"}"#);
    vec![Definition { output_schema: Some(schema.to_owned()), ..plain }]
}

fn lie(_arguments: &str) -> Answer {
    structured("there are many", r#"{"count":"many"}"#)
}

guest!(list: list, call: lie);
