//! The macro that makes a crate a plugin.

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
