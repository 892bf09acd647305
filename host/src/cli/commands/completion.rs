//! `toolgate completion`

use std::io::Write as _;
use std::process::ExitCode;

use super::{Answer, Desk};
use crate::cli::args::Completion;

pub(super) fn run(desk: &Desk, completion: Completion) -> Answer {
    desk.console.out().write_all(&completion.script())?;
    Ok(ExitCode::SUCCESS)
}
