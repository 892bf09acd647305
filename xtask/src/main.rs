//! `cargo xtask`: the project's chores. It owns set-up (the wasm targets, the plugins' build, the
//! clients that the tests drive) and the order in which cargo is asked for things. It must not
//! hold anything that a running `toolgate` needs, and must stay compilable in seconds: a person
//! with a fresh machine waits for it before seeing the first line.

mod browser;
mod chores;
mod cli;
mod clients;
mod debian;
mod e2e;
mod layout;
mod process;
mod progress;
mod std_build;
mod toolchain;
mod wasm_target;
mod workspace;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match cli::parse(&arguments) {
        Ok(cli::Request::Help) => {
            progress::result(&cli::help());
            ExitCode::SUCCESS
        }
        Ok(cli::Request::Run(command, rest)) => match chores::run(command, &rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                progress::failure(&error);
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            progress::failure(&error);
            ExitCode::from(2)
        }
    }
}
