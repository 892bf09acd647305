//! One tool: from a function with types to what the contract exports, and back.

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::exports::toolgate::plugin::tools::{Definition, Output, ToolError};
use crate::types::Error;
use crate::{cut, one_line, schema};

/// How much of a wrong argument is repeated in an error.
const ECHO_CHARS_MAX: usize = 200;

/// What a tool returns: text to read, and the same facts as data.
///
/// Do not repeat bulk in both: a table and its rows are fine, log lines belong in the text only.
#[derive(Debug)]
pub struct Reply<T> {
    /// For the model and for people.
    pub text: String,
    /// The facts. `()` where there are none beyond the text.
    pub structured: T,
    /// Whether something was left out because of a bound; the text says what.
    pub truncated: bool,
}

impl<T> Reply<T> {
    /// A whole answer.
    pub fn new(text: impl Into<String>, structured: T) -> Self {
        Self { text: text.into(), structured, truncated: false }
    }

    /// The same answer, marked as cut short where `truncated` is true.
    #[must_use]
    pub fn truncated(self, truncated: bool) -> Self {
        Self { truncated, ..self }
    }
}

impl From<Error> for ToolError {
    /// Begins with the kind of failure, so that a model knows whether to ask again. What may help
    /// is in the host's text already: only it knows whether that is time, less, or a person.
    fn from(error: Error) -> Self {
        match error {
            Error::Denied(text) => Self::Failed(labelled("denied", &text)),
            Error::NotFound(text) => Self::Failed(labelled("not found", &text)),
            Error::InvalidArgument(text) => Self::InvalidArguments(text),
            Error::Unavailable(text) => Self::Failed(labelled("unavailable", &text)),
            Error::LimitExceeded(text) => Self::Failed(labelled("limit exceeded", &text)),
        }
    }
}

impl ToolError {
    /// Why, in one line: for an answer that goes on without what failed.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Self::Failed(why) | Self::InvalidArguments(why) => one_line(&why),
        }
    }
}

fn labelled(label: &str, text: &str) -> String {
    if text.starts_with(label) { text.to_owned() } else { format!("{label}: {text}") }
}

/// The definition of a tool, with schemas made from its types.
pub fn define<A: JsonSchema, O: JsonSchema>(
    name: &str,
    title: &str,
    description: &str,
    _run: fn(A) -> Result<Reply<O>, ToolError>,
) -> Definition {
    Definition {
        name: name.to_owned(),
        title: Some(title.to_owned()),
        description: description.to_owned(),
        input_schema: schema::of_arguments::<A>(),
        output_schema: schema::of_output::<O>(),
    }
}

/// Runs a tool: arguments from JSON, output to JSON.
pub fn run<A: DeserializeOwned, O: Serialize>(
    run: fn(A) -> Result<Reply<O>, ToolError>,
    arguments: &str,
) -> Result<Output, ToolError> {
    let invalid = |error: serde_json::Error| {
        ToolError::InvalidArguments(cut(&error.to_string(), ECHO_CHARS_MAX))
    };
    // An object first: by itself, a struct can also be read from a list.
    let arguments: Map<String, Value> = serde_json::from_str(arguments).map_err(invalid)?;
    let arguments = serde_json::from_value(Value::Object(arguments)).map_err(invalid)?;
    let Reply { text, structured, truncated } = run(arguments)?;
    let mut structured = serde_json::to_value(structured)
        .map_err(|error| ToolError::Failed(format!("the output is not JSON: {error}")))?;
    leave_out_nulls(&mut structured);
    let structured = (!structured.is_null()).then(|| structured.to_string());
    Ok(Output { text, structured, truncated })
}

/// What to say when the host asks for a tool that is not there.
#[must_use]
pub fn unknown(name: &str) -> ToolError {
    ToolError::Failed(format!("this plugin has no tool `{}`", cut(name, ECHO_CHARS_MAX)))
}

/// The definitions as lines of text, for a plugin's snapshot: what a change adds to every client's
/// context then shows in its review.
#[must_use]
pub fn print(definitions: &[Definition]) -> String {
    let mut text = String::new();
    for tool in definitions {
        let lines = [
            tool.name.as_str(),
            tool.title.as_deref().unwrap_or_default(),
            &tool.description,
            &tool.input_schema,
            tool.output_schema.as_deref().unwrap_or_default(),
        ];
        text.push_str(&lines.join("\n"));
        text.push_str("\n\n");
    }
    text
}

/// Absent says the same as null in fewer bytes; the schemas are made to match.
fn leave_out_nulls(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|_, member| !member.is_null());
            members.values_mut().for_each(leave_out_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_nulls),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::prelude::*;
    use crate::tool::{define, run};
    use crate::types::Error;

    #[arguments]
    struct Args {
        times: u32,
    }

    #[output]
    struct Out {
        twice: u32,
        note: Option<String>,
    }

    #[expect(clippy::needless_pass_by_value, reason = "the shape of every tool")]
    fn double(args: Args) -> Result<Reply<Out>, ToolError> {
        let twice =
            args.times.checked_mul(2).ok_or_else(|| ToolError::Failed("too large".to_owned()))?;
        Ok(Reply::new(format!("{twice}"), Out { twice, note: None }).truncated(twice > 10))
    }

    #[expect(clippy::unnecessary_wraps, reason = "the shape of every tool")]
    fn nothing(_: Args) -> Result<Reply<()>, ToolError> {
        Ok(Reply::new("done", ()))
    }

    #[test]
    fn runs_a_function_over_json() {
        let output = run(double, r#"{"times": 21}"#).unwrap();
        assert_eq!(output.text, "42");
        assert_eq!(output.structured.as_deref(), Some(r#"{"twice":42}"#));
        assert!(output.truncated);
    }

    #[test]
    fn refuses_arguments_that_do_not_fit() {
        for arguments in ["", "[1]", "{}", r#"{"times":-1}"#, r#"{"times":1,"more":2}"#] {
            let refused = run(double, arguments).unwrap_err();
            assert!(matches!(refused, ToolError::InvalidArguments(_)), "{arguments}: {refused:?}");
        }
    }

    #[test]
    fn has_no_structured_content_where_the_output_is_nothing() {
        assert_eq!(run(nothing, r#"{"times": 1}"#).unwrap().structured, None);
        assert_eq!(define("nothing", "Nothing", "Does nothing.", nothing).output_schema, None);
    }

    #[test]
    fn says_what_kind_of_failure_it_was() {
        let texts: Vec<String> = [
            Error::Denied("`shop` is not granted".to_owned()),
            Error::NotFound("not found: pod `shop/web`".to_owned()),
            Error::Unavailable("no answer in time; try again later".to_owned()),
            Error::LimitExceeded("this call read 64 MiB".to_owned()),
            Error::InvalidArgument("`tail-lines` is above 5000".to_owned()),
        ]
        .into_iter()
        .map(|error| match ToolError::from(error) {
            ToolError::Failed(text) => text,
            ToolError::InvalidArguments(text) => format!("(arguments) {text}"),
        })
        .collect();
        expect_test::expect![[r#"
            denied: `shop` is not granted
            not found: pod `shop/web`
            unavailable: no answer in time; try again later
            limit exceeded: this call read 64 MiB
            (arguments) `tail-lines` is above 5000"#]]
        .assert_eq(&texts.join("\n"));
    }
}
