//! `toolgate call`: one tool, through the whole path that a client's call takes.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use super::{Answer, Desk, block_on, build, interrupted};
use crate::capability::ProgressSink;
use crate::cli::args::{Arguments, Call};
use crate::cli::arguments::parse_args;
use crate::cli::complaint::Complaint;
use crate::cli::console::Console;
use crate::domain::call::{Call as Asked, Outcome, Output};
use crate::domain::decision::Refusal;
use crate::domain::name::CallId;
use crate::domain::principal::Principal;
use crate::domain::subject::Subject;
use crate::gateway::{CallContext, CallError, Tools as _};
use crate::wiring::House;

/// How often a waiting call looks whether it was answered.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(super) fn run(desk: &Desk, call: Call) -> Answer {
    let config = desk.config()?;
    block_on(async {
        let house = build(config).await?;
        let code = called(desk, &house, call).await;
        house.close().await; // Whatever came of it: an execution that has begun is finished.
        code
    })
}

async fn called(desk: &Desk, house: &House, call: Call) -> Answer {
    let Call { tool, args, args_json, wait, subject } = call;
    let Some(listing) = house.gateway.tool(&tool) else {
        let text = format!("there is no tool `{tool}`");
        return Err(Complaint::new(text, "`toolgate tools` lists them"));
    };
    let arguments = match args_json {
        Some(Arguments(map)) => map,
        None => parse_args(&args, &listing.input_schema).map_err(|problems| {
            let text = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let hint = problems.into_iter().next().map(|p| p.hint).unwrap_or_default();
            Complaint::new(text, hint)
        })?,
    };
    let call = Asked {
        id: new_id()?,
        principal: Principal::local(subject.as_deref().unwrap_or(desk.user())),
        client: Some(concat!("toolgate call ", env!("CARGO_PKG_VERSION")).to_owned()),
        on_behalf_of: None,
        subject: Subject::Tool(tool),
        arguments,
        traceparent: None,
        is_reread: false,
    };
    let outcome = once(desk, house, call.clone()).await?;
    if house.effects.has_open() {
        waited(desk, house, call, wait, outcome).await
    } else {
        print(desk.console, outcome)
    }
}

/// A request waits for a person. It is held by this process, so either we wait, or it lapses.
async fn waited(desk: &Desk, house: &House, mut call: Asked, wait: bool, first: Outcome) -> Answer {
    if !wait {
        let code = print(desk.console, first)?;
        writeln!(
            desk.console.err(),
            "\nnote: the request lapses as this command ends; `--wait` waits for the answer, and a \
             server (`toolgate serve`) holds requests for as long as it runs"
        )?;
        return Ok(code);
    }
    let mut err = desk.console.err();
    if let Outcome::Output(output) = &first {
        writeln!(err, "{}\n", output.text)?;
    }
    writeln!(err, "waiting for the answer; Ctrl-C gives up")?;
    let answered = async {
        while house.effects.has_open() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    tokio::select! {
        () = answered => {}
        () = interrupted() => {
            return Err(Complaint::new("nobody answered yet", "call again to ask again"));
        }
    }
    call.id = new_id()?;
    print(desk.console, once(desk, house, call).await?)
}

async fn once(desk: &Desk, house: &House, call: Asked) -> Result<Outcome, Complaint> {
    let cancel = CancellationToken::new();
    let context =
        CallContext { progress: Arc::new(OnTerminal(desk.console)), cancel: cancel.clone() };
    let work = house.gateway.call(call, context);
    let mut work = std::pin::pin!(work);
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = interrupted() => {
            cancel.cancel();
            work.await
        }
    };
    outcome.map_err(|error| match error {
        CallError::Refused(refusal) => {
            let hint = match &refusal {
                Refusal::InvalidArguments(_) => "`toolgate tools --json` has the tool's schema",
                Refusal::Unknown(_) => "`toolgate tools` lists them",
                Refusal::Denied { .. } => "`toolgate check` shows what is granted",
                Refusal::Busy { .. } => "`rates` in the configuration has the bounds",
            };
            Complaint::new(refusal.to_string(), hint)
        }
        CallError::NoRecord(_) => {
            Complaint::new(error.to_string(), "look at the disk that `state_dir` is on")
        }
    })
}

fn print(console: Console, outcome: Outcome) -> Answer {
    let failed = |text: String, hint: &str| Err(Complaint::new(text, hint));
    match outcome {
        Outcome::Output(output) if console.is_json() => {
            console.json(&as_json(output))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Output(output) => {
            writeln!(console.out(), "{}", output.text.trim_end())?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Messages(_) | Outcome::Content(_) | Outcome::Values(_) => {
            failed("this is no answer of a tool".to_owned(), "please report this")
        }
        Outcome::ToolError(text) | Outcome::NotFound(text) => {
            failed(text, "the tool ran and failed; `toolgate audit --last 1` shows what it used")
        }
        Outcome::LimitExceeded(text) => {
            failed(text, "`[plugins.<name>.limits]` can raise a limit of one plugin")
        }
        Outcome::Trapped { internal } => {
            failed(format!("the plugin failed: {internal}"), "this is for the plugin's author")
        }
        Outcome::HostFailed { internal } => {
            failed(format!("toolgate failed: {internal}"), "please report this")
        }
        Outcome::Cancelled => failed("cancelled".to_owned(), "nothing is left running"),
    }
}

fn as_json(output: Output) -> Value {
    let Output { text, structured, truncated, provenance, withheld: _ } = output;
    let sources = provenance.iter();
    let sources: Vec<_> =
        sources.map(|p| json!({"capability": p.capability.as_str(), "target": p.target})).collect();
    let mut answer = Map::new();
    answer.insert("text".to_owned(), json!(text));
    answer.insert("structured".to_owned(), json!(structured));
    answer.insert("truncated".to_owned(), json!(truncated));
    answer.insert("provenance".to_owned(), json!(sources));
    Value::Object(answer)
}

/// Progress, for a person who waits.
struct OnTerminal(Console);

impl ProgressSink for OnTerminal {
    fn report(&self, done: u32, total: Option<u32>, message: &str) {
        let total = total.map(|total| format!("/{total}")).unwrap_or_default();
        // Progress that nobody takes is no reason to stop.
        let _ = writeln!(self.0.err(), "{done}{total} {message}");
    }
}

fn new_id() -> Result<CallId, Complaint> {
    let failed = |error: &dyn std::fmt::Display| {
        Complaint::new(error.to_string(), "the system gives no random numbers")
    };
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| failed(&error))?;
    format!("{:016x}", u64::from_be_bytes(random)).parse().map_err(|error| failed(&error))
}
