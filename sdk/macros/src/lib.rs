//! The attributes of `toolgate-sdk`, which re-exports them. They only put derives and their
//! options before a type: nothing of the type is read or rewritten.

use proc_macro::TokenStream;

/// Arguments of a tool, or a part of them: readable from JSON, described by a JSON Schema, and
/// closed, so that a misspelt argument is refused instead of ignored.
///
/// Doc comments become descriptions in the schema. An `Option` may be left out.
#[proc_macro_attribute]
pub fn arguments(options: TokenStream, item: TokenStream) -> TokenStream {
    derive(
        &options,
        item,
        "#[derive(::toolgate_sdk::serde::Deserialize, ::toolgate_sdk::schemars::JsonSchema)]
         #[serde(crate = \"::toolgate_sdk::serde\", deny_unknown_fields)]
         #[schemars(crate = \"::toolgate_sdk::schemars\")]",
    )
}

/// What a tool returns as data, or a part of it: writable as JSON and described by a JSON Schema.
///
/// An `Option` that is `None` is left out.
#[proc_macro_attribute]
pub fn output(options: TokenStream, item: TokenStream) -> TokenStream {
    derive(
        &options,
        item,
        "#[derive(::toolgate_sdk::serde::Serialize, ::toolgate_sdk::schemars::JsonSchema)]
         #[serde(crate = \"::toolgate_sdk::serde\")]
         #[schemars(crate = \"::toolgate_sdk::schemars\")]",
    )
}

fn derive(options: &TokenStream, item: TokenStream, attributes: &str) -> TokenStream {
    if !options.is_empty() {
        return message("this attribute takes no options");
    }
    match attributes.parse::<TokenStream>() {
        Ok(mut tokens) => {
            tokens.extend(item);
            tokens
        }
        Err(error) => message(&error.to_string()),
    }
}

fn message(text: &str) -> TokenStream {
    format!("::core::compile_error!({text:?});").parse().unwrap_or_default()
}
