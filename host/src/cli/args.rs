//! The grammar of the command line. The texts for people are in `help.rs`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use serde_json::{Map, Value};

use super::help;
use crate::config::{listen_address, shown};
use crate::domain::limits::ARGUMENTS_BYTES_MAX;
use crate::domain::name::{
    ApprovalId, CallId, ClusterName, Namespace, ObjectName, ToolName, WebhookName,
};

/// The whole command line.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "toolgate",
    version,
    about = help::TOOLGATE,
    long_about = help::TOOLGATE_LONG,
    after_long_help = help::TOOLGATE_EXAMPLES,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Globals {
    /// The configuration [default: `$TOOLGATE_CONFIG`, else `./toolgate.toml`, else
    /// `~/.config/toolgate/toolgate.toml`]
    #[arg(long, global = true, value_name = "FILE", help_heading = help::GLOBAL)]
    pub config: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true, help_heading = help::GLOBAL)]
    pub json: bool,
    /// Colours: `auto` (in a terminal, unless `NO_COLOR` is set), `always` or `never`
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help_heading = help::GLOBAL
    )]
    pub color: Color,
    /// Say more in the log on standard error; `-vv` says most
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = help::GLOBAL)]
    pub verbose: u8,
}

impl Globals {
    /// What of a command line that cannot be read says how to complain about it.
    pub fn for_complaints(arguments: impl Iterator<Item = String>) -> Self {
        let json = arguments.take_while(|a| a != "--").any(|argument| argument == "--json");
        Self { config: None, json, color: Color::Auto, verbose: 0 }
    }
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// In a terminal, unless `NO_COLOR` is set or `CLICOLOR` is 0
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// What to do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Serve the tools to MCP clients
    #[command(long_about = help::SERVE_LONG,
              after_long_help = help::SERVE_EXAMPLES)]
    Serve(Serve),
    /// Check configuration, manifests and grants; run nothing
    #[command(long_about = help::CHECK_LONG,
              after_long_help = help::CHECK_EXAMPLES)]
    Check,
    /// List the tools that clients see
    #[command(long_about = help::TOOLS_LONG,
              after_long_help = help::TOOLS_EXAMPLES)]
    Tools,
    /// Call one tool, as a client would
    #[command(long_about = help::CALL_LONG,
              after_long_help = help::CALL_EXAMPLES)]
    Call(Call),
    /// List the plugins, what they ask for and what they got
    #[command(long_about = help::PLUGINS_LONG,
              after_long_help = help::PLUGINS_EXAMPLES)]
    Plugins,
    /// Show what a component could do, without running it
    #[command(long_about = help::INSPECT_LONG,
              after_long_help = help::INSPECT_EXAMPLES)]
    Inspect(Inspect),
    /// Print the smallest Kubernetes roles that the grants need
    #[command(long_about = help::RBAC_LONG,
              after_long_help = help::RBAC_EXAMPLES)]
    Rbac(Rbac),
    /// Check, test and explain the rules about who may do what
    #[command(long_about = help::POLICY_LONG,
              after_long_help = help::POLICY_EXAMPLES)]
    Policy(Policy),
    /// Answer the writes that wait for a person
    #[command(long_about = help::APPROVALS_LONG,
              after_long_help = help::APPROVALS_EXAMPLES)]
    Approvals(Approvals),
    /// List the webhooks, or see whether messages arrive there
    #[command(long_about = help::WEBHOOKS_LONG,
              after_long_help = help::WEBHOOKS_EXAMPLES)]
    Webhooks(Webhooks),
    /// Open the console in a browser: requests, calls, plugins
    #[command(long_about = help::CONSOLE_LONG,
              after_long_help = help::CONSOLE_EXAMPLES)]
    Console,
    /// Show who called what, and what came of it
    #[command(long_about = help::AUDIT_LONG,
              after_long_help = help::AUDIT_EXAMPLES)]
    Audit(Audit),
    /// See it work: an incident in an embedded cluster
    #[command(long_about = help::DEMO_LONG,
              after_long_help = help::DEMO_EXAMPLES)]
    Demo(Demo),
    /// Serve the embedded cluster's Kubernetes API, for kubectl
    #[command(long_about = help::DEMO_CLUSTER_LONG,
              after_long_help = help::DEMO_CLUSTER_EXAMPLES)]
    DemoCluster(DemoCluster),
    /// Print a script that completes commands in a shell
    #[command(long_about = help::COMPLETION_LONG,
              after_long_help = help::COMPLETION_EXAMPLES)]
    Completion(Completion),
}

/// `toolgate serve`
#[derive(Debug, Clone, Args)]
pub struct Serve {
    /// Serve many clients over HTTP instead of one over standard input and output
    #[arg(long)]
    pub http: bool,
    /// Where to listen, instead of `serve.listen` of the configuration
    #[arg(long, requires = "http", value_name = "ADDR", value_parser = address)]
    pub listen: Option<SocketAddr>,
    /// Where the operator's console listens, instead of `console.listen` of the configuration
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub console: Option<SocketAddr>,
}

/// `toolgate call`
#[derive(Debug, Clone, Args)]
pub struct Call {
    /// The tool, as `toolgate tools` lists it
    pub tool: ToolName,
    /// One argument; its type is the schema's. Repeat it for more, and for the items of a list
    #[arg(long = "arg", value_name = "KEY=VALUE", value_parser = pair)]
    pub args: Vec<(String, String)>,
    /// All arguments, as a JSON object
    #[arg(long, value_name = "JSON", value_parser = object, conflicts_with = "args")]
    pub args_json: Option<Arguments>,
    /// Where a person has to approve, wait for the answer
    #[arg(long)]
    pub wait: bool,
    /// Whom to call as, for records and rules [default: your login name]
    #[arg(long = "as", value_name = "NAME", value_parser = subject)]
    pub subject: Option<String>,
}

/// A JSON object from the command line.
#[derive(Debug, Clone, PartialEq)]
pub struct Arguments(pub Map<String, Value>);

/// `toolgate inspect`
#[derive(Debug, Clone, Args)]
pub struct Inspect {
    /// A component
    #[arg(value_name = "FILE.wasm")]
    pub file: PathBuf,
}

/// `toolgate rbac`
#[derive(Debug, Clone, Args)]
pub struct Rbac {
    /// The cluster [default: the default one of the configuration]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<ClusterName>,
    /// The service account that the roles are bound to; the roles have its name too
    #[arg(long, value_name = "NAME", default_value = "toolgate")]
    pub service_account: ObjectName,
    /// The namespace of the service account
    #[arg(long, value_name = "NAME", default_value = "toolgate")]
    pub namespace: Namespace,
}

/// `toolgate policy`
#[derive(Debug, Clone, Args)]
pub struct Policy {
    /// What to do with them.
    #[command(subcommand)]
    pub command: PolicyCommand,
}

/// What to do with the rules.
#[derive(Debug, Clone, Subcommand)]
pub enum PolicyCommand {
    /// Show every problem of the rules with its line, or the rules in short
    Check {
        /// The rules [default: `policy.file` of the configuration, else those that come with Toolgate]
        file: Option<PathBuf>,
    },
    /// Compare what the rules decide with what a table of cases expects
    Test {
        /// The cases, in TOML
        cases: PathBuf,
        /// The rules [default: `policy.file` of the configuration, else those that come with Toolgate]
        #[arg(long, value_name = "FILE")]
        policy: Option<PathBuf>,
    },
    /// Say why something is allowed or not: mode, grant, rule and line
    Explain(Explain),
    /// Print the rules that come with Toolgate
    ShowDefault,
    /// Print what rules can speak of
    ShowSchema,
}

/// `toolgate policy explain`
#[derive(Debug, Clone, Args)]
pub struct Explain {
    /// The tool, as `toolgate tools` lists it
    #[arg(long, value_name = "NAME")]
    pub tool: ToolName,
    /// Who asks: `alice`, or `alice@ISSUER` [default: your login name]
    #[arg(long, value_name = "NAME", value_parser = subject)]
    pub principal: Option<String>,
    /// A group of theirs; repeat it for more
    #[arg(long = "group", value_name = "NAME", value_parser = subject)]
    pub groups: Vec<String>,
    /// The verb [default: every one that the tool's capabilities are used with]
    #[arg(long, value_name = "VERB")]
    pub verb: Option<String>,
    /// The cluster [default: the default one of the configuration]
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<ClusterName>,
    /// The namespace; without it, what lies in none, or a list of all of them
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<Namespace>,
    /// The kind [default: what each capability is mostly used on]
    #[arg(long, value_name = "KIND")]
    pub kind: Option<String>,
    /// The object; without it, a list
    #[arg(long, value_name = "NAME")]
    pub name: Option<ObjectName>,
    /// When, as `2026-11-21T09:00:00Z` [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<jiff::Timestamp>,
}

/// `toolgate approvals`
#[derive(Debug, Clone, Args)]
pub struct Approvals {
    /// What to do about them.
    #[command(subcommand)]
    pub command: ApprovalsCommand,
}

/// What to do about approvals.
#[derive(Debug, Clone, Subcommand)]
pub enum ApprovalsCommand {
    /// List what waits for an answer
    List {
        /// And what was answered, executed, or lapsed
        #[arg(long)]
        all: bool,
    },
    /// Show what exactly would be done, and who asks
    Show {
        /// The approval, as `toolgate approvals list` shows it
        id: ApprovalId,
    },
    /// Show each request as it comes, and what becomes of it, until interrupted
    Watch,
    /// Say yes: the host does what is shown, once
    Approve {
        /// The approval, as `toolgate approvals list` shows it
        id: ApprovalId,
        /// Why, for the record
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,
    },
    /// Say no
    Deny {
        /// The approval, as `toolgate approvals list` shows it
        id: ApprovalId,
        /// Why, for the record and for the caller
        #[arg(long, value_name = "TEXT", value_parser = reason)]
        reason: Option<String>,
    },
}

/// `toolgate webhooks`
#[derive(Debug, Clone, Args)]
pub struct Webhooks {
    /// What to do about them.
    #[command(subcommand)]
    pub command: WebhooksCommand,
}

/// What to do about webhooks.
#[derive(Debug, Clone, Subcommand)]
pub enum WebhooksCommand {
    /// List where messages go, and what each is told of
    List,
    /// Send a signed `webhook.test` once, and tell what came of it
    Test {
        /// The webhook [default: all of them]
        name: Option<WebhookName>,
    },
}

/// `toolgate audit`: to show is what it does where nothing else is said.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Audit {
    /// What to do about the log.
    #[command(subcommand)]
    pub command: Option<AuditCommand>,
    /// What to show.
    #[command(flatten)]
    pub show: AuditShow,
}

/// What to do about the audit log.
#[derive(Debug, Clone, Subcommand)]
pub enum AuditCommand {
    /// Show who called what, and what came of it
    Show(AuditShow),
    /// Show records as they are written
    Follow(AuditFilter),
    /// Tell whether the log is what was written
    #[command(long_about = help::AUDIT_VERIFY_LONG, after_long_help = help::AUDIT_VERIFY_EXAMPLES)]
    Verify(AuditVerify),
    /// Print the key that checkpoints are signed with, to be kept elsewhere
    Key,
    /// Print the fingerprint that a value from standard input has in the log
    Fingerprint,
}

/// What to show.
#[derive(Debug, Clone, Args)]
pub struct AuditShow {
    /// Go on with records as they are written
    #[arg(long, short)]
    pub follow: bool,
    /// Which records.
    #[command(flatten)]
    pub filter: AuditFilter,
    /// Only the last N calls
    #[arg(long, value_name = "N", conflicts_with = "call",
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub last: Option<u32>,
}

/// Which records to show.
#[derive(Debug, Clone, Default, Args)]
pub struct AuditFilter {
    /// Only this call, all of its stages
    #[arg(long, value_name = "ID")]
    pub call: Option<CallId>,
    /// Only calls by this principal: `alice@os`, or `alice`
    #[arg(long, value_name = "NAME")]
    pub principal: Option<String>,
    /// Only calls of this tool
    #[arg(long, value_name = "TOOL")]
    pub tool: Option<ToolName>,
    /// Only calls with this approval
    #[arg(long, value_name = "ID")]
    pub approval: Option<ApprovalId>,
    /// Only records since then: 15m, 2h, 3d, or 2026-01-31T09:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub since: Option<Since>,
}

/// A moment, or how long ago it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    /// Seconds before now.
    Ago(i64),
    /// A moment.
    At(jiff::Timestamp),
}

fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(Since::At(at));
    }
    let wanted =
        || "say how long ago, as 15m, 2h or 3d, or when, as 2026-01-31T09:00:00Z".to_owned();
    let unit = text.chars().last().ok_or_else(wanted)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wanted()),
    };
    let number: u32 = text.trim_end_matches(unit).parse().map_err(|_| wanted())?;
    Ok(Since::Ago(i64::from(number) * seconds))
}

/// `toolgate audit verify`
#[derive(Debug, Clone, Args)]
pub struct AuditVerify {
    /// The number of the first file to read: those before it are kept elsewhere
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// A key whose signatures count, as `toolgate audit key` prints it, or a file that holds it
    /// [default: the one beside the log, which whoever changed the log may have replaced]
    #[arg(long, value_name = "KEY")]
    pub public_key: Vec<String>,
    /// A file with checkpoints that were kept elsewhere
    #[arg(long, value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
    /// The log's folder [default: that of the configuration]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// `toolgate demo`
#[derive(Debug, Clone, Args)]
pub struct Demo {
    /// Where to serve HTTP
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", value_parser = address)]
    pub http: SocketAddr,
    /// Serve one client over standard input and output instead
    #[arg(long, conflicts_with = "http")]
    pub stdio: bool,
    /// Where the operator's console listens; port 0 is any that is free
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0", value_parser = address)]
    pub console: SocketAddr,
    /// What the cluster begins with: checkout-oom, failure-zoo, or a folder
    #[arg(long, value_name = "NAME", default_value = "checkout-oom")]
    pub scenario: PathBuf,
    /// Where the plugins lie [default: those that come with Toolgate]
    #[arg(long, value_name = "DIR")]
    pub plugins: Option<PathBuf>,
}

/// `toolgate demo-cluster`
#[derive(Debug, Clone, Args)]
pub struct DemoCluster {
    /// Where to serve the Kubernetes API
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8001", value_parser = address)]
    pub listen: SocketAddr,
    /// What the cluster begins with: checkout-oom, failure-zoo, or a folder
    #[arg(long, value_name = "NAME", default_value = "checkout-oom")]
    pub scenario: PathBuf,
    /// Write a kubeconfig for it here
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
}

/// `toolgate completion`
#[derive(Debug, Clone, Copy, Args)]
pub struct Completion {
    /// The shell
    pub shell: Shell,
}

impl Completion {
    /// The script.
    pub fn script(self) -> Vec<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "toolgate", &mut script);
        script
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    listen_address(text).map_err(|(text, hint)| format!("{text}\n\nhint: {hint}"))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        Some(_) | None => Err("there is no `=`\n\nhint: say `--arg namespace=shop`".to_owned()),
    }
}

fn object(text: &str) -> Result<Arguments, String> {
    let hint = "\n\nhint: say `--args-json '{\"namespace\": \"shop\"}'`";
    if text.len() > ARGUMENTS_BYTES_MAX {
        return Err(format!("it is larger than {ARGUMENTS_BYTES_MAX} bytes{hint}"));
    }
    match serde_json::from_str(text) {
        Ok(Value::Object(map)) => Ok(Arguments(map)),
        Ok(_) => Err(format!("it is no JSON object{hint}")),
        Err(error) => Err(format!("it is no JSON: {error}{hint}")),
    }
}

/// Longer names are no names.
const SUBJECT_CHARS_MAX: usize = 128;

fn subject(text: &str) -> Result<String, String> {
    bounded(text, SUBJECT_CHARS_MAX)
}

/// A reason is a sentence or two; the ticket has the story.
const REASON_CHARS_MAX: usize = 500;

fn reason(text: &str) -> Result<String, String> {
    bounded(text, REASON_CHARS_MAX)
}

/// A text for records: printable, and short enough.
fn bounded(text: &str, chars_max: usize) -> Result<String, String> {
    let hint = format!("\n\nhint: say 1 to {chars_max} characters in one line");
    if text.trim().is_empty() {
        return Err(format!("it is empty{hint}"));
    }
    if text.chars().count() > chars_max {
        return Err(format!("it is longer than {chars_max} characters{hint}"));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(c) => Err(format!("it has `{}` in it{hint}", shown(&c.to_string()))),
        None => Ok(text.to_owned()),
    }
}
