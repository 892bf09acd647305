//! Where a runbook is at work, said so that nobody can mistake it.

use std::fmt;

use toolgate_sdk::prelude::*;

/// Minutes that a look back may have: a day. Events are gone long before.
const MINUTES_MAX: u32 = 1_440;

/// The longest name of an object in Kubernetes.
const NAME_BYTES_MAX: usize = 253;

/// A cluster and a namespace.
pub(crate) struct Place {
    cluster: Option<String>,
    namespace: Option<String>,
}

impl Place {
    pub(crate) fn new(
        cluster: Option<String>,
        namespace: Option<String>,
    ) -> Result<Self, PromptError> {
        let name =
            |what: &str, name: Option<String>| name.map(|name| checked(what, &name)).transpose();
        Ok(Self { cluster: name("cluster", cluster)?, namespace: name("namespace", namespace)? })
    }

    /// The cluster, in words.
    pub(crate) fn cluster(&self) -> String {
        match &self.cluster {
            Some(name) => format!("`{name}`: give `cluster: \"{name}\"` to every tool"),
            None => "the default one: leave `cluster` out everywhere".to_owned(),
        }
    }

    /// The namespace, in words.
    pub(crate) fn namespace(&self) -> String {
        match &self.namespace {
            Some(name) => format!("`{name}`, and no other: give `namespace: \"{name}\"`"),
            None => "all that you may see: leave `namespace` out, and name the namespace of \
                     everything that you report"
                .to_owned(),
        }
    }
}

/// What a runbook is about.
pub(crate) struct Workload {
    kind: &'static str,
    name: String,
}

impl Workload {
    pub(crate) fn new(kind: Option<String>, name: &str) -> Result<Self, PromptError> {
        let kind = kind.unwrap_or_default().trim().to_lowercase();
        let kind = match kind.as_str() {
            "" | "deployment" => "deployment",
            "statefulset" => "statefulset",
            "daemonset" => "daemonset",
            _ => {
                let text = "`kind` is deployment, statefulset or daemonset".to_owned();
                return Err(PromptError::InvalidArguments(text));
            }
        };
        Ok(Self { kind, name: checked("workload", name)? })
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.kind, self.name)
    }
}

/// A name as Kubernetes has them: whatever else is typed does not become a part of the text.
pub(crate) fn checked(what: &str, name: &str) -> Result<String, PromptError> {
    let name = name.trim();
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
        let text = format!(
            "`{what}` is not the name of a {what}: lower-case letters, digits, `-` and `.`"
        );
        return Err(PromptError::InvalidArguments(text));
    }
    Ok(name.to_owned())
}

/// How far to look back.
pub(crate) fn minutes(text: Option<&str>, usual: u32) -> Result<u32, PromptError> {
    let Some(text) = text else { return Ok(usual) };
    match text.trim().parse::<u32>() {
        Ok(minutes) if (1..=MINUTES_MAX).contains(&minutes) => Ok(minutes),
        Ok(_) | Err(_) => Err(PromptError::InvalidArguments(format!(
            "`minutes` is a number from 1 to {MINUTES_MAX}"
        ))),
    }
}
