//! `cargo xtask bench`: what one tool call costs, what the program takes to start and to hold.
//!
//! It prints what it measured beside what we aim at, and never fails for a figure: machines differ.
//! It must not measure anything in a way that a user's client could not: calls go through the same
//! transport, gateway and sandbox as in the program, with the log of records on a real disk.

mod audit;
mod backend;
mod calls;
mod figures;
mod house;
mod load;
mod machine;
mod native;
mod policy;
mod redact;
mod report;
mod start;
mod wire;

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Result, bail};
use report::{Section, tell};

const USAGE: &str = "\
cargo xtask bench [--only calls|load|start|redact|policy|audit] [--json] [--quick]
  --only PART  measure one part
  --json       print JSON
  --quick      fewer rounds: to see that it works, not to compare";

/// How often things are done.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) warm_up: usize,
    pub(crate) calls: usize,
    pub(crate) load: Duration,
    pub(crate) bursts: usize,
    pub(crate) starts: usize,
}

const ROUNDS: Rounds =
    Rounds { warm_up: 500, calls: 5_000, load: Duration::from_secs(3), bursts: 10, starts: 5 };

const QUICK: Rounds =
    Rounds { warm_up: 50, calls: 300, load: Duration::from_millis(300), bursts: 2, starts: 1 };

#[derive(Default)]
struct Arguments {
    only: Option<String>,
    json: bool,
    quick: bool,
    help: bool,
}

fn arguments(mut words: impl Iterator<Item = String>) -> Result<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--bench" => {} // Said by cargo.
            "--json" => arguments.json = true,
            "--quick" => arguments.quick = true,
            "--help" | "-h" => arguments.help = true,
            "--only" => match words.next().as_deref() {
                Some(part @ ("calls" | "load" | "start" | "redact" | "policy" | "audit")) => {
                    arguments.only = Some(part.to_owned());
                }
                _ => {
                    bail!("`--only` takes one of the parts\n{USAGE}")
                }
            },
            _ => bail!("unknown argument `{word}`\n{USAGE}"),
        }
    }
    Ok(arguments)
}

fn main() -> Result<()> {
    let arguments = arguments(std::env::args().skip(1))?;
    if arguments.help {
        return print(USAGE);
    }
    let machine = machine::Machine::look();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let sections = runtime.block_on(measure(&arguments));
    runtime.shutdown_background();
    let sections = sections?;
    if arguments.json {
        print(&format!("{:#}", report::json(&machine, &sections)))
    } else {
        print(report::table(&machine, &sections).trim_end())
    }
}

async fn measure(arguments: &Arguments) -> Result<Vec<Section>> {
    let rounds = if arguments.quick { QUICK } else { ROUNDS };
    let wanted = |part: &str| arguments.only.as_deref().is_none_or(|only| only == part);
    let mut sections = Vec::new();
    if wanted("calls") {
        tell("measuring single calls");
        // On a worker, as the program does it; the thread that blocks is not one.
        sections.extend(tokio::spawn(calls::measure(rounds)).await??);
    }
    if wanted("load") {
        tell("measuring many calls at once");
        sections.extend(tokio::spawn(load::measure(rounds)).await??);
    }
    if wanted("start") {
        tell("measuring starts and memory");
        sections.extend(tokio::spawn(start::measure(rounds)).await??);
    }
    if wanted("redact") {
        tell("measuring how fast a log is made safe");
        sections.extend(tokio::task::spawn_blocking(move || redact::measure(rounds)).await??);
    }
    if wanted("policy") {
        tell("measuring verdicts");
        sections.extend(tokio::task::spawn_blocking(move || policy::measure(rounds)).await??);
    }
    if wanted("audit") {
        tell("measuring records");
        sections.extend(tokio::spawn(audit::measure(rounds)).await??);
    }
    Ok(sections)
}

fn print(text: &str) -> Result<()> {
    Ok(writeln!(std::io::stdout(), "{text}")?)
}
