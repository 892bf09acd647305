//! The operator's `toolgate.toml`: read once, checked as a whole, and given on in domain words.
//!
//! Owns: the file's keys, their defaults and bounds, and the environment variables. Must not: open
//! anything that the file names, or decide about a call. Read [`Config`] first; `raw.rs` is the file
//! as it is written, `validate.rs` the way from one to the other.

mod audit;
mod clusters;
mod document;
mod environment;
mod grants;
mod limits;
mod problem;
mod rates;
mod raw;
mod redaction;
mod serve;
mod settings;
#[cfg(test)]
mod tests;
mod validate;
mod webhooks;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use document::Document;
pub use environment::{Environment, FILE_NAME};
pub use problem::{ConfigError, PROBLEMS_MAX, Problem};
pub(crate) use problem::{shown, similar};
pub use serve::listen_address;
pub use webhooks::Webhook;

use crate::domain::grant::Grants;
use crate::domain::limits::Limits;
use crate::domain::mode::Mode;
use crate::domain::name::{ClusterName, PluginId, WebhookName};
use crate::domain::rates::{Rate, Rates};
use crate::domain::redaction::Redaction;

/// The largest file that is read: thousands of grants. A larger one is a mistake, or an attack on
/// our memory.
pub const FILE_BYTES_MAX: usize = 1 << 20;

/// Everything that the operator says. Wiring takes it apart field by field, so that a new field
/// cannot be forgotten.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where plugins lie, one folder each.
    pub plugins_dir: PathBuf,
    /// Where approvals and the audit log lie.
    pub state_dir: PathBuf,
    /// Where compiled code lies; may be deleted at any time.
    pub cache_dir: PathBuf,
    /// The HTTP listener.
    pub serve: Serve,
    /// Where the operator's console listens: a loopback address; `None` for no console.
    pub console: Option<SocketAddr>,
    /// The guardrails above everything else.
    pub mode: Mode,
    /// Every cluster that can be named.
    pub clusters: BTreeMap<ClusterName, ClusterSource>,
    /// The cluster of calls that name none. Without one, they have to.
    pub default_cluster: Option<ClusterName>,
    /// What each plugin may use. A plugin that is not in it may use nothing.
    pub grants: BTreeMap<PluginId, Grants>,
    /// What callers may ask of the whole.
    pub rates: Rates,
    /// The bounds of plugins without their own.
    pub limits: Limits,
    /// The bounds of plugins with their own, complete.
    pub plugin_limits: BTreeMap<PluginId, Limits>,
    /// The settings of each plugin: JSON texts by key.
    pub settings: BTreeMap<PluginId, BTreeMap<String, String>>,
    /// The file with the rules about who may do what; `None` means those that come with Toolgate.
    pub policy_file: Option<PathBuf>,
    /// How people are asked.
    pub approvals: Approvals,
    /// What is recorded.
    pub audit: Audit,
    /// What is looked for in texts that leave.
    pub redaction: Redaction,
    /// Where messages go.
    pub webhooks: BTreeMap<WebhookName, Webhook>,
}

/// The HTTP listener. Only `toolgate serve --http` opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serve {
    /// A loopback address: the listener's callers are not authenticated.
    pub listen: SocketAddr,
    /// Values of `Host` beside those of the address itself.
    pub allowed_hosts: Vec<String>,
    /// Web pages that may call, as `Origin` names them.
    pub allowed_origins: Vec<String>,
    /// How often resources that a client watches are read again.
    pub reread_every: Duration,
}

/// What one cluster is asked at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Requests {
    /// How long one request may take, with its retries; `None` for the usual time.
    pub deadline: Option<Duration>,
    /// How many it is sent, by all callers together.
    pub rate: Rate,
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClusterSource {
    /// Through a kubeconfig.
    Kubeconfig {
        /// The context; never the current one, which changes behind our back.
        context: String,
        /// The file; `None` for the usual ones.
        file: Option<PathBuf>,
        /// What it is asked at most.
        requests: Requests,
    },
    /// As the pod that Toolgate runs in.
    InCluster {
        /// What it is asked at most.
        requests: Requests,
    },
    /// The embedded cluster, which needs no network.
    Embedded {
        /// A folder with a scenario, or the name of one in the binary; `None` for its first.
        scenario: Option<PathBuf>,
        /// How long each answer takes.
        latency: Duration,
    },
}

/// How people are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approvals {
    /// How long a question stays open.
    pub expires_after: Duration,
    /// Whether reversible writes ask as well, by the rules that come with Toolgate. Destructive ones
    /// always do.
    pub required: bool,
}

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What of a call's arguments.
    pub arguments: AuditArguments,
    /// Whether to the file in the state folder.
    pub to_file: bool,
    /// Whether to a stream of the process as well, and which.
    pub stream: Option<AuditStream>,
    /// The webhooks that get copies.
    pub webhooks: BTreeSet<WebhookName>,
    /// How long a call waits for its record before it is refused.
    pub deadline: Duration,
    /// How long a file becomes before the next one is begun.
    pub file_bytes_max: u64,
    /// How many full files are kept; all, where nothing is said.
    pub keep_files: Option<u64>,
    /// A file for the signed checkpoints, beside the one in the state folder.
    pub checkpoints: Option<PathBuf>,
}

/// A stream that takes records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditStream {
    /// Standard output, where nobody else writes to it.
    Stdout,
    /// Standard error, where standard output is the protocol's or the answer's.
    Stderr,
}

/// What the audit log keeps of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditArguments {
    /// Nothing: the record says who called which tool, and what it used.
    Metadata,
    /// Them, with salted hashes in place of what looks secret.
    Request,
    /// All of them.
    Full,
}

impl Config {
    /// Reads the file.
    ///
    /// # Errors
    /// The file cannot be read, or every problem that is in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let absolute = std::path::absolute(path).map_err(unreadable)?;
        let base_dir = absolute.parent().unwrap_or(Path::new("/"));
        let origin = format!("`{}`", path.display());
        let file = std::fs::File::open(path).map_err(unreadable)?;
        let mut bytes = Vec::new();
        let bound = u64::try_from(FILE_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(bound + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() > FILE_BYTES_MAX {
            return Err(too_large(origin));
        }
        let text = String::from_utf8(bytes)
            .map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))?;
        Self::parse_in(&text, base_dir, &Environment::of_process(), &origin)
    }

    /// Reads a text as if it lay in the folder.
    ///
    /// # Errors
    /// Every problem that is in it.
    pub fn parse(text: &str, base_dir: &Path) -> Result<Self, ConfigError> {
        Self::parse_in(text, base_dir, &Environment::of_process(), "the configuration")
    }

    /// Reads a text as if it lay in the folder and the process had the environment; `origin` is
    /// what problems call it.
    ///
    /// # Errors
    /// Every problem that is in it.
    pub fn parse_in(
        text: &str,
        base_dir: &Path,
        environment: &Environment,
        origin: &str,
    ) -> Result<Self, ConfigError> {
        let invalid = |(problems, left_out)| ConfigError::Invalid {
            origin: origin.to_owned(),
            problems,
            left_out,
        };
        if text.len() > FILE_BYTES_MAX {
            return Err(too_large(origin.to_owned()));
        }
        let mut document = Document::read(text);
        if document.is_broken() {
            return Err(invalid(document.into_problems()));
        }
        let config = validate::validate(&document.shape(), base_dir, environment, &mut document);
        match (config, document.into_problems()) {
            (Some(config), (problems, 0)) if problems.is_empty() => Ok(config),
            (_, found) => Err(invalid(found)),
        }
    }

    /// The configuration of `toolgate demo`: the embedded cluster, and grants for the plugins that
    /// come with Toolgate.
    ///
    /// # Errors
    /// None: the text is part of the binary and a test reads it.
    pub fn demo(
        plugins_dir: PathBuf,
        state_dir: PathBuf,
        cache_dir: PathBuf,
    ) -> Result<Self, ConfigError> {
        // The text names no folders; where their defaults would be does not matter.
        let environment = Environment { home: Some(state_dir.clone()), ..Environment::default() };
        let origin = "the configuration of the demo";
        let config = Self::parse_in(include_str!("demo.toml"), &state_dir, &environment, origin)?;
        Ok(Self { plugins_dir, state_dir, cache_dir, ..config })
    }

    /// The same with the embedded clusters' scenario chosen: a folder, or a name that the program
    /// knows.
    #[must_use]
    pub fn with_scenario(mut self, place: &Path) -> Self {
        for source in self.clusters.values_mut() {
            if let ClusterSource::Embedded { scenario, .. } = source {
                *scenario = Some(place.to_owned());
            }
        }
        self
    }

    /// The same for a server that leaves standard output to its records.
    #[must_use]
    pub fn with_free_stdout(mut self) -> Self {
        self.audit.stream = self.audit.stream.map(|_| AuditStream::Stdout);
        self
    }

    /// The bounds of one plugin.
    pub fn limits_of(&self, plugin: &PluginId) -> &Limits {
        self.plugin_limits.get(plugin).unwrap_or(&self.limits)
    }
}

fn too_large(origin: String) -> ConfigError {
    let problem = Problem {
        path: String::new(),
        line: None,
        text: format!("it is larger than {FILE_BYTES_MAX} bytes"),
        hint: "name namespaces and objects that are alike with `*`, not one by one".to_owned(),
    };
    ConfigError::Invalid { origin, problems: vec![problem], left_out: 0 }
}
