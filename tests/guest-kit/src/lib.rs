//! What the guests of the test suite share: the macro that turns one function into a plugin with
//! one tool. It goes straight to the raw bindings, because a hostile guest must be able to do what
//! the SDK would not let an honest one do.

pub use toolgate_sdk::bindings;
pub use toolgate_sdk::bindings::exports::toolgate::plugin::tools::{
    Definition, Guest, Output, ToolError,
};
pub use toolgate_sdk::bindings::toolgate::plugin as host;

/// What a tool answers.
pub type Answer = Result<Output, ToolError>;

/// An answer of plain text.
pub fn text(text: impl Into<String>) -> Answer {
    Ok(Output { text: text.into(), structured: None, truncated: false })
}

/// An answer of text and JSON, which may be anything.
pub fn structured(text: impl Into<String>, json: impl Into<String>) -> Answer {
    Ok(Output { text: text.into(), structured: Some(json.into()), truncated: false })
}

/// A definition that promises nothing but an object.
pub fn definition(name: &str, input_schema: &str) -> Definition {
    Definition {
        name: name.to_owned(),
        title: None,
        description: "A guest of the test suite.".to_owned(),
        input_schema: input_schema.to_owned(),
        output_schema: None,
    }
}

/// The first number in the arguments: enough of JSON for guests that should stay tiny.
pub fn number_in(arguments: &str) -> Option<u64> {
    let digits = arguments.chars().skip_while(|c| !c.is_ascii_digit());
    digits.take_while(char::is_ascii_digit).collect::<String>().parse().ok()
}

/// A plugin out of one function: `guest!("echo", call)`, with a second function where `list` is
/// to be something else than one plain definition.
#[macro_export]
macro_rules! guest {
    ($name:literal, $call:path) => {
        fn plain_list() -> Vec<$crate::Definition> {
            vec![$crate::definition($name, r#"{"type":"object"}"#)]
        }
        $crate::guest!(list: plain_list, call: $call);
    };
    (list: $list:path, call: $call:path) => {
        struct Plugin;

        impl $crate::Guest for Plugin {
            fn list() -> Vec<$crate::Definition> {
                $list()
            }

            fn call(_name: String, arguments: String) -> $crate::Answer {
                $call(&arguments)
            }
        }

        $crate::bindings::export!(Plugin with_types_in $crate::bindings);
    };
}
