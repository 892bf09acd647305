//! Running other programs: shown, captured, or bounded in time.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL: Duration = Duration::from_millis(50);

/// The one place where this crate reads its environment.
#[expect(clippy::disallowed_methods, reason = "xtask has no configuration but its environment")]
pub(crate) fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// The cargo that runs us, so that `cargo +toolchain xtask` stays with its toolchain.
pub(crate) fn cargo() -> Command {
    Command::new(environment("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// The first `program` on the search path, or nothing.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = environment("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Puts `folder` in front of the search path of `command`.
pub(crate) fn prefix_path(command: &mut Command, folder: &OsStr) -> Result<()> {
    let rest = environment("PATH").unwrap_or_default();
    let folders = std::iter::once(PathBuf::from(folder)).chain(std::env::split_paths(&rest));
    let joined = std::env::join_paths(folders)
        .with_context(|| format!("`{}` cannot be put on the search path", folder.display()))?;
    command.env("PATH", joined);
    Ok(())
}

/// Runs to the end, with the program's own output on the terminal.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).status().with_context(|| starting(command))?;
    succeeded(command, status)
}

/// Runs to the end and returns stdout; stderr is part of the error if it fails.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| starting(command))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` failed with {}: {}", shown(command), output.status, said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs for at most `limit`, then kills. For programs that may wait for a server for ever.
#[expect(
    clippy::disallowed_methods,
    reason = "std can wait for a child only for ever or not at all"
)]
pub(crate) fn run_bounded(command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| starting(command))?;
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(|| starting(command))? {
            return succeeded(command, status);
        }
        if since.elapsed() >= limit {
            // It may have ended by itself since; either way it is gone afterwards.
            let _gone = child.kill();
            let _status = child.wait();
            bail!("`{}` did not end within {} s", shown(command), limit.as_secs());
        }
        std::thread::sleep(POLL);
    }
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed with {status}", shown(command));
    }
    Ok(())
}

fn starting(command: &Command) -> String {
    format!("could not run `{}`", shown(command))
}

/// The program's file name and its arguments, cut where nobody would read on.
fn shown(command: &Command) -> String {
    const CHARACTERS_MAX: usize = 200;
    let program = PathBuf::from(command.get_program());
    let mut line =
        program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    for argument in command.get_args() {
        line.push(' ');
        line.push_str(&argument.to_string_lossy());
    }
    if line.chars().count() > CHARACTERS_MAX {
        line = line.chars().take(CHARACTERS_MAX).chain(" …".chars()).collect();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_a_command_by_its_name_and_arguments() {
        assert_eq!(
            shown(Command::new("/usr/bin/cargo").args(["build", "-p", "x"])),
            "cargo build -p x"
        );
        assert!(shown(Command::new("x").arg("y".repeat(500))).chars().count() < 210);
    }

    #[test]
    fn kills_what_does_not_end_in_time() {
        let since = Instant::now();
        let error =
            run_bounded(Command::new("tail").args(["-f", "/dev/null"]), Duration::from_millis(10));
        assert!(error.unwrap_err().to_string().contains("did not end within"));
        assert!(since.elapsed() < Duration::from_secs(30));
    }
}
