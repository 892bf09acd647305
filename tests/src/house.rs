//! Building a house, calling its tools, and looking at what it keeps.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use toolgate::backend::demo::DemoCluster;
use toolgate::capability::progress::{NoProgress, ProgressSink};
use toolgate::config::Config;
use toolgate::domain::call::{Call, Outcome};
use toolgate::domain::principal::Principal;
use toolgate::domain::rates::Rates;
use toolgate::domain::subject::Subject;
use toolgate::gateway::{CallContext, CallError, Gateway, Tools as _};
use toolgate::governance::rate_limit::WriteBudget;
use toolgate::sandbox::Compiler;
use toolgate::wiring::{self, APPROVALS_DIR, AUDIT_DIR, WiringError};

use crate::operator::Operator;
use crate::parts::{self, Part};
use crate::patience::patient;
use crate::record::Record;

/// The cluster of a configuration that names none.
const CLUSTER: &str = "[clusters.demo]\ndemo = true\n";

/// Writes enough for a test that asks for many.
pub fn ample_budget() -> WriteBudget {
    let rates = Rates {
        caller_writes_per_h: 1_000_000,
        cluster_writes_per_h: 1_000_000,
        ..Rates::default()
    };
    WriteBudget::new(&rates)
}

/// A house to be.
#[derive(Debug)]
pub struct Builder {
    parts: Vec<Part>,
    text: String,
    compiler: Compiler,
    cache_dir: PathBuf,
    state_dir: Option<PathBuf>,
}

/// A house that serves, in folders of its own.
pub struct House {
    /// The house itself.
    pub inner: wiring::House,
    state_dir: PathBuf,
    _dirs: TempDir,
}

impl Builder {
    /// Adds a component by where it comes from: `plugins/pods`, `guests/echo`, `wat/trap`.
    #[must_use]
    pub fn with(self, source: &str) -> Self {
        self.with_part(Part::find(source))
    }

    /// Adds a component.
    #[must_use]
    pub fn with_part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// Adds lines to the configuration. One that names no cluster gets the embedded one, `demo`.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self.text.push('\n');
        self
    }

    /// Compiles with another program than Toolgate's.
    #[must_use]
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// Keeps compiled code in a folder of its own. Others share one, so that each component of the
    /// tests is compiled once.
    #[must_use]
    pub fn cache_dir(mut self, folder: &Path) -> Self {
        folder.clone_into(&mut self.cache_dir);
        self
    }

    /// Keeps records and approvals in a given folder.
    #[must_use]
    pub fn state_dir(mut self, folder: &Path) -> Self {
        self.state_dir = Some(folder.to_owned());
        self
    }

    /// Builds it.
    pub async fn build(self) -> House {
        self.try_build().await.unwrap_or_else(|error| panic!("there is no house: {error}"))
    }

    /// Builds it, or says why not.
    ///
    /// # Errors
    /// Why there is no house.
    pub async fn try_build(self) -> Result<House, WiringError> {
        let dirs = tempfile::tempdir().unwrap();
        let plugins_dir = dirs.path().join("plugins");
        std::fs::create_dir(&plugins_dir).unwrap();
        for part in &self.parts {
            part.lay_out(&plugins_dir);
        }
        let state_dir = self.state_dir.unwrap_or_else(|| dirs.path().join("state"));
        let cluster = if self.text.contains("[clusters.") { "" } else { CLUSTER };
        let text = format!(
            "plugins_dir = {}\nstate_dir = {}\ncache_dir = {}\n{cluster}{}",
            quoted(&plugins_dir),
            quoted(&state_dir),
            quoted(&self.cache_dir),
            self.text
        );
        let config =
            Config::parse(&patient(&text), dirs.path()).unwrap_or_else(|error| panic!("{error}"));
        let inner = wiring::build(config, self.compiler).await?;
        Ok(House { inner, state_dir, _dirs: dirs })
    }
}

/// A path as TOML and JSON write text.
fn quoted(path: &Path) -> String {
    Value::from(path.display().to_string()).to_string()
}

impl House {
    /// A house to be, without any plugin.
    pub fn builder() -> Builder {
        Builder {
            parts: Vec::new(),
            text: String::new(),
            compiler: Compiler::Child(parts::toolgate()),
            cache_dir: parts::target_dir().join("test-cache"),
            state_dir: None,
        }
    }

    /// A house of these components and this configuration.
    pub async fn of(sources: &[&str], config: &str) -> Self {
        let builder = sources.iter().fold(Self::builder(), |builder, source| builder.with(source));
        builder.config(config).build().await
    }

    /// Where calls come in.
    pub fn gateway(&self) -> &Arc<Gateway> {
        &self.inner.gateway
    }

    /// The embedded cluster of that name.
    pub fn cluster(&self, name: &str) -> &DemoCluster {
        self.inner.embedded.get(&name.parse().unwrap()).expect("the cluster is embedded")
    }

    /// Where approvals lie.
    pub fn approvals_dir(&self) -> PathBuf {
        self.state_dir.join(APPROVALS_DIR)
    }

    /// Somebody who may answer.
    pub fn operator(&self) -> Operator {
        Operator::at(&self.approvals_dir())
    }

    /// Where the audit log lies.
    pub fn audit_dir(&self) -> PathBuf {
        self.state_dir.join(AUDIT_DIR)
    }

    /// What was recorded.
    pub fn record(&self) -> Record {
        Record::of(&self.audit_dir())
    }

    /// Why plugins do not serve, one text for all.
    pub fn failures(&self) -> String {
        let failures = self.gateway().sandbox().failures();
        failures.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    /// The names of the tools that the principal sees.
    pub fn tools(&self, subject: &str) -> Vec<String> {
        let listed = self.gateway().list(&Principal::local(subject));
        listed.iter().map(|tool| tool.name.to_string()).collect()
    }

    /// Calls a tool as the local person of that name.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn call(
        &self,
        subject: &str,
        tool: &str,
        arguments: Value,
    ) -> Result<Outcome, CallError> {
        self.call_until(subject, tool, arguments, CancellationToken::new()).await
    }

    /// Calls a tool; the token takes the call back.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn call_until(
        &self,
        subject: &str,
        tool: &str,
        arguments: Value,
        cancel: CancellationToken,
    ) -> Result<Outcome, CallError> {
        let context = CallContext { progress: Arc::new(NoProgress), cancel };
        self.gateway().call(question(subject, tool, arguments), context).await
    }

    /// Calls a tool for a client that is told how far it is.
    ///
    /// # Errors
    /// Why it was not run.
    pub async fn call_reporting(
        &self,
        subject: &str,
        tool: &str,
        arguments: Value,
        progress: Arc<dyn ProgressSink>,
    ) -> Result<Outcome, CallError> {
        let context = CallContext { progress, cancel: CancellationToken::new() };
        self.gateway().call(question(subject, tool, arguments), context).await
    }

    /// Asks for anything and shows what came of it.
    pub async fn get(&self, subject: Subject, arguments: Value) -> String {
        let context =
            CallContext { progress: Arc::new(NoProgress), cancel: CancellationToken::new() };
        shown(&self.gateway().call(asked("eve", subject, arguments), context).await)
    }

    /// Calls a tool and shows what came of it.
    pub async fn ask(&self, subject: &str, tool: &str, arguments: Value) -> String {
        shown(&self.call(subject, tool, arguments).await)
    }
}

/// Numbers the calls of this process: their ids have to differ, nothing else.
static CALLS: AtomicU64 = AtomicU64::new(0);

fn question(who: &str, tool: &str, arguments: Value) -> Call {
    asked(who, Subject::Tool(tool.parse().unwrap()), arguments)
}

fn asked(who: &str, subject: Subject, arguments: Value) -> Call {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    Call {
        id: format!("call{:012}", CALLS.fetch_add(1, Ordering::Relaxed)).parse().unwrap(),
        principal: Principal::local(who),
        client: None,
        on_behalf_of: None,
        subject,
        arguments,
        traceparent: None,
        is_reread: false,
    }
}

/// What came of a call, as text.
pub fn shown(came_of_it: &Result<Outcome, CallError>) -> String {
    match came_of_it {
        Ok(outcome) => match outcome {
            Outcome::Output(output) => {
                let more = if output.truncated { " (truncated)" } else { "" };
                format!("output{more}: {}", output.text)
            }
            Outcome::Messages(written) => {
                let texts = written.messages.iter().map(|message| message.text.as_str());
                format!("messages: {}", texts.collect::<Vec<_>>().join("\n--\n"))
            }
            Outcome::Content(content) => {
                let more = if content.truncated { " (truncated)" } else { "" };
                format!("content{more}: {}", content.text)
            }
            Outcome::Values(values) => format!("values: {}", values.join(" ")),
            Outcome::ToolError(text) | Outcome::NotFound(text) | Outcome::LimitExceeded(text) => {
                format!("{}: {text}", outcome.as_str())
            }
            Outcome::Trapped { internal } | Outcome::HostFailed { internal } => {
                format!("{}, for the log: {internal}", outcome.as_str())
            }
            Outcome::Cancelled => outcome.as_str().to_owned(),
        },
        Err(CallError::Refused(refusal)) => format!("refused, {}: {refusal}", refusal.as_str()),
        Err(CallError::NoRecord(why)) => format!("not recorded, for the log: {why}"),
    }
}
