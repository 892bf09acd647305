//! Validated names: past the edge of the house there is no bare `String` where one of these fits.

use std::fmt;
use std::str::FromStr;

/// Why a text is not the name it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{shown}` is not a valid {what}: {rule}")]
pub struct NameError {
    what: &'static str,
    rule: &'static str,
    shown: String,
}

/// How much of a wrong name an error repeats: enough to find it, too little to flood a log.
const SHOWN_CHARS_MAX: usize = 64;

fn invalid(what: &'static str, rule: &'static str, text: &str) -> NameError {
    let shown = text.chars().take(SHOWN_CHARS_MAX).flat_map(char::escape_debug).collect();
    NameError { what, rule, shown }
}

fn is_dns(text: &str, bytes_max: usize, dots: bool) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    !text.is_empty()
        && text.len() <= bytes_max
        && if dots { text.split('.').all(label) } else { label(text) }
}

fn is_tool(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// What prompts, resources and their arguments are called: tools' rule, and dashes.
fn is_offer(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-'))
}

fn is_id(text: &str) -> bool {
    (8..=64).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.to_owned())) } else { Err(invalid($what, $rule, text)) }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    )*};
}

names! {
    /// A plugin, by the name of its folder.
    PluginId, "plugin name", "lower-case letters, digits and `-`, at most 63", |t| is_dns(t, 63, false);
    /// A tool, unique over all plugins.
    ToolName, "tool name", "`^[a-z][a-z0-9_]{0,63}$`", is_tool;
    /// A prompt, unique over all plugins.
    PromptName, "prompt name", "`^[a-z][a-z0-9_-]{0,63}$`", is_offer;
    /// A resource or a family of resources, unique in its plugin. Clients ask by URI.
    ResourceName, "resource name", "`^[a-z][a-z0-9_-]{0,63}$`", is_offer;
    /// An argument of a prompt, or a variable of a template.
    ArgumentName, "argument name", "`^[a-z][a-z0-9_-]{0,63}$`", is_offer;
    /// A cluster of the operator's configuration.
    ClusterName, "cluster name", "lower-case letters, digits, `-` and `.`, at most 63", |t| is_dns(t, 63, true);
    /// A Kubernetes namespace (RFC 1123 label).
    Namespace, "namespace", "lower-case letters, digits and `-`, at most 63", |t| is_dns(t, 63, false);
    /// The name of a Kubernetes object (RFC 1123 subdomain). Some kinds allow more; none that we read.
    ObjectName, "object name", "lower-case letters, digits, `-` and `.`, at most 253", |t| is_dns(t, 253, true);
    /// A webhook of the operator's configuration.
    WebhookName, "webhook name", "lower-case letters, digits and `-`, at most 63", |t| is_dns(t, 63, false);
    /// One call.
    CallId, "call id", "8 to 64 lower-case letters and digits", is_id;
    /// One approval.
    ApprovalId, "approval id", "8 to 64 lower-case letters and digits", is_id;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_and_refuses_names() {
        let long = "a".repeat(64);
        for (text, ok) in [
            ("shop", true),
            ("shop-2", true),
            ("", false),
            ("-shop", false),
            ("shop-", false),
            ("Shop", false),
            ("shop.eu", false),
            ("../etc", false),
            ("shop%2f", false),
            ("shop\n", false),
            ("ѕhop", false), // A Cyrillic look-alike.
            (long.as_str(), false),
        ] {
            assert_eq!(text.parse::<Namespace>().is_ok(), ok, "{text:?}");
        }
        assert!("web.v1".parse::<ObjectName>().is_ok());
        assert!("web..v1".parse::<ObjectName>().is_err());
        assert!("get_pod_logs".parse::<ToolName>().is_ok());
        assert!("Get".parse::<ToolName>().is_err());
        assert!("_get".parse::<ToolName>().is_err());
    }

    #[test]
    fn an_error_repeats_little_and_escapes_it() {
        let text = format!("\u{1b}[31m{}", "x".repeat(10_000));
        let error = text.parse::<Namespace>().unwrap_err().to_string();
        assert!(error.len() < 200, "{error}");
        assert!(!error.contains('\u{1b}'));
    }
}
