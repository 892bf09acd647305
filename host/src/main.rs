//! The `toolgate` program: reads its command line and hands over to a command.

use std::process::ExitCode;

use clap::Parser as _;
use clap::error::ErrorKind;
use toolgate::cli::args::{Cli, Globals};
use toolgate::cli::commands;
use toolgate::cli::complaint::Complaint;
use toolgate::cli::console::Console;
use toolgate::sandbox::{CHILD_ARGUMENT, child_main};

/// A command line that cannot be read, as most programs have it.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    if let Some(code) = compiler_child() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let console = Console::new(&cli.globals);
    match commands::run(cli) {
        Ok(code) => code,
        Err(complaint) => {
            // Nobody is left to complain to where this fails.
            let _ = console.complain(&complaint);
            ExitCode::FAILURE
        }
    }
}

/// This program is its own compiler: `toolgate compile-component CPU_S`.
fn compiler_child() -> Option<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != CHILD_ARGUMENT {
        return None;
    }
    let cpu_s = arguments.next()?.parse().ok()?;
    match child_main(cpu_s) {
        Ok(()) => Some(ExitCode::SUCCESS),
        Err(error) => {
            tell(&format!("{error:#}"));
            Some(ExitCode::FAILURE)
        }
    }
}

fn tell(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn usage(error: &clap::Error) -> ExitCode {
    let asked_for = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    if asked_for.contains(&error.kind()) {
        let _ = error.print();
        return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(USAGE));
    }
    let globals = Globals::for_complaints(std::env::args());
    let _ = Console::new(&globals).complain(&Complaint::of_command_line(error));
    ExitCode::from(USAGE)
}
