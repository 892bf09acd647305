//! The macros that make a crate a plugin.

/// Makes the crate a plugin that offers these tools: name, title, description, function.
///
/// Each function is `fn(A) -> Result<Reply<O>, ToolError>`, where `A` is [`arguments`] and `O` is
/// [`output`]. The macro defines a type `Plugin`, so that a native test can ask
/// `Plugin::list()` for the definitions.
///
/// [`arguments`]: macro@crate::arguments
/// [`output`]: macro@crate::output
#[macro_export]
macro_rules! plugin {
    ($(tool($name:literal, $title:literal, $description:expr, $run:path)),+ $(,)?) => {
        /// The tools that this plugin offers.
        pub struct Plugin;

        impl $crate::Guest for Plugin {
            fn list() -> ::std::vec::Vec<$crate::Definition> {
                ::std::vec![$($crate::tool::define($name, $title, $description, $run)),+]
            }

            fn call(
                name: ::std::string::String,
                arguments: ::std::string::String,
            ) -> ::core::result::Result<$crate::Output, $crate::ToolError> {
                match name.as_str() {
                    $($name => $crate::tool::run($run, &arguments),)+
                    other => ::core::result::Result::Err($crate::tool::unknown(other)),
                }
            }
        }

        // Natively there is nobody to export to, and the linker does not take the names.
        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the exports of a component take and return raw pointers")]
        mod exports_of_the_plugin {
            use super::Plugin;
            $crate::bindings::export!(Plugin with_types_in $crate::bindings);
        }
    };
}

/// Makes the crate a plugin that offers these prompts: name, title, description, function, and
/// where its arguments can be completed, a second function.
///
/// Each function is `fn(A) -> Result<M, PromptError>`, where `A` is [`arguments`] of texts (an
/// `Option` may be left out; doc comments tell what to fill in) and `M` becomes [`Messages`]: a
/// `String` is one message of the user. The second is `fn(&Asked) -> Vec<String>`, for which
/// [`complete`] has what is usual.
///
/// ```
/// use toolgate_sdk::prelude::*;
///
/// #[arguments]
/// struct Place {
///     /// The namespace to look at.
///     namespace: String,
/// }
///
/// fn look_around(place: Place) -> Result<String, PromptError> {
///     Ok(format!("List the failing pods of namespace `{}`.", place.namespace))
/// }
///
/// toolgate_sdk::prompts! {
///     prompt("look-around", "Look around", "A first look.", look_around, complete::kubernetes),
/// }
/// # fn main() {}
/// ```
///
/// [`arguments`]: macro@crate::arguments
/// [`Messages`]: crate::Messages
/// [`complete`]: mod@crate::complete
#[macro_export]
macro_rules! prompts {
    ($(prompt(
        $name:literal, $title:literal, $description:expr, $write:path $(, $complete:path)? $(,)?
    )),+ $(,)?) => {
        /// The prompts that this plugin offers.
        pub struct Prompts;

        impl $crate::prompt::Guest for Prompts {
            fn list() -> ::std::vec::Vec<$crate::prompt::Definition> {
                ::std::vec![$($crate::prompt::define($name, $title, $description, $write)),+]
            }

            fn get(
                name: ::std::string::String,
                arguments: ::std::vec::Vec<$crate::prompt::Given>,
            ) -> ::core::result::Result<
                ::std::vec::Vec<$crate::prompt::Message>,
                $crate::PromptError,
            > {
                match name.as_str() {
                    $($name => $crate::prompt::run($write, arguments),)+
                    other => ::core::result::Result::Err($crate::prompt::unknown(other)),
                }
            }

            fn complete(
                name: ::std::string::String,
                argument: ::std::string::String,
                value: ::std::string::String,
                given: ::std::vec::Vec<$crate::prompt::Given>,
            ) -> ::std::vec::Vec<::std::string::String> {
                let known: &[(&str, $crate::complete::Complete)] = &[$($(($name, $complete),)?)+];
                let asked = $crate::prompt::asked(argument, value, given);
                $crate::complete::run(known, &name, &asked)
            }
        }

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the exports of a component take and return raw pointers")]
        mod exports_of_the_prompts {
            use super::Prompts;
            $crate::bindings::prompts::export_prompts!(
                Prompts with_types_in $crate::bindings::prompts
            );
        }
    };
}

/// Makes the crate a plugin that offers these resources: name, URI or template, title,
/// description, media type, function, and where its variables can be completed, a second function.
///
/// Each function is `fn(A) -> Result<Content, ResourceError>`, where `A` is [`arguments`] of texts,
/// one for each variable of the template. The second is as for [`prompts!`].
///
/// ```
/// use toolgate_sdk::prelude::*;
///
/// #[arguments]
/// struct Place {
///     cluster: String,
/// }
///
/// fn namespaces(place: Place) -> Result<Content, ResourceError> {
///     let found = kubernetes_read::list_namespaces(Some(&place.cluster))?;
///     Ok(Content::text(found.into_iter().map(|n| n.name).collect::<Vec<_>>().join("\n")))
/// }
///
/// toolgate_sdk::resources! {
///     resource(
///         "namespaces", "k8s://{cluster}/namespaces", "Namespaces", "The namespaces you may see.",
///         "text/plain", namespaces
///     ),
/// }
/// # fn main() {}
/// ```
///
/// [`arguments`]: macro@crate::arguments
#[macro_export]
macro_rules! resources {
    ($(resource(
        $name:literal, $uri:literal, $title:literal, $description:expr, $mime:literal, $read:path
        $(, $complete:path)? $(,)?
    )),+ $(,)?) => {
        /// The resources that this plugin offers.
        pub struct Resources;

        impl $crate::resource::Guest for Resources {
            fn list() -> ::std::vec::Vec<$crate::resource::Definition> {
                ::std::vec![
                    $($crate::resource::define($name, $uri, $title, $description, $mime)),+
                ]
            }

            fn read(
                name: ::std::string::String,
                _uri: ::std::string::String,
                variables: ::std::vec::Vec<$crate::resource::Given>,
            ) -> ::core::result::Result<$crate::Content, $crate::ResourceError> {
                match name.as_str() {
                    $($name => $crate::resource::run($read, variables),)+
                    other => ::core::result::Result::Err($crate::resource::unknown(other)),
                }
            }

            fn complete(
                name: ::std::string::String,
                variable: ::std::string::String,
                value: ::std::string::String,
                given: ::std::vec::Vec<$crate::resource::Given>,
            ) -> ::std::vec::Vec<::std::string::String> {
                let known: &[(&str, $crate::complete::Complete)] = &[$($(($name, $complete),)?)+];
                let asked = $crate::resource::asked(variable, value, given);
                $crate::complete::run(known, &name, &asked)
            }
        }

        #[cfg(target_arch = "wasm32")]
        #[allow(unsafe_code, reason = "the exports of a component take and return raw pointers")]
        mod exports_of_the_resources {
            use super::Resources;
            $crate::bindings::resources::export_resources!(
                Resources with_types_in $crate::bindings::resources
            );
        }
    };
}
