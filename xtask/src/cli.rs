//! The commands and their one line of help each. Parsing only; `chores` does the work.

use anyhow::{Result, bail};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    Demo,
    Test,
    Plugins,
    Bench,
    E2e,
    Check,
    Setup,
}

impl Command {
    /// To those of `cargo test`, a `--` has a meaning of its own.
    fn has_arguments_of_cargo(self) -> bool {
        matches!(self, Self::Test | Self::E2e)
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Run(Command, Vec<String>),
}

const COMMANDS: [(Command, &str, &str); 7] = [
    (
        Command::Demo,
        "demo",
        "set up, build, and serve the embedded demo cluster [-- ARGS of `toolgate demo`]",
    ),
    (
        Command::Test,
        "test",
        "set up, build, and run every test [--no-clients] [--no-browser] [ARGS of `cargo test`]",
    ),
    (
        Command::Plugins,
        "plugins",
        "build plugins and guests into `target/plugins` and `target/guests`",
    ),
    (
        Command::Bench,
        "bench",
        "measure calls, load, start and memory [--only PART] [--json] [--quick]",
    ),
    (
        Command::E2e,
        "e2e",
        "run the tests against a real cluster [up|down|status|kubeconfig] [--kubeconfig FILE]",
    ),
    (Command::Check, "check", "formatting, lints with warnings denied, and dependency rules"),
    (
        Command::Setup,
        "setup",
        "give the toolchain its wasm targets, and fetch test clients and a browser",
    ),
];

/// Reads `<command> [--] <arguments>`; a leading `--` is dropped so that both spellings work.
pub(crate) fn parse(arguments: &[String]) -> Result<Request> {
    let Some((first, rest)) = arguments.split_first() else { return Ok(Request::Help) };
    if matches!(first.as_str(), "help" | "--help" | "-h") {
        return Ok(Request::Help);
    }
    let Some((command, _, _)) = COMMANDS.iter().find(|(_, name, _)| name == first) else {
        bail!("unknown command `{first}`\nhint: {}", help());
    };
    let rest = match rest.split_first() {
        Some((dashes, tail)) if dashes == "--" && !command.has_arguments_of_cargo() => tail,
        _ => rest,
    };
    Ok(Request::Run(*command, rest.to_vec()))
}

pub(crate) fn help() -> String {
    let lines: Vec<String> =
        COMMANDS.iter().map(|(_, name, help)| format!("  {name:<8} {help}")).collect();
    format!("cargo xtask <command>\n\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn passes_what_follows_the_command_on() {
        let table = [
            ("demo", Command::Demo, ""),
            ("demo -- --http 3910", Command::Demo, "--http 3910"),
            ("demo --http 3910", Command::Demo, "--http 3910"),
            ("test --no-clients -- --nocapture", Command::Test, "--no-clients -- --nocapture"),
            ("test -- limits", Command::Test, "-- limits"),
            ("e2e -- --nocapture", Command::E2e, "-- --nocapture"),
        ];
        for (line, command, rest) in table {
            assert_eq!(parse(&words(line)).unwrap(), Request::Run(command, words(rest)), "{line}");
        }
    }

    #[test]
    fn refuses_an_unknown_command_and_lists_the_known_ones() {
        let error = parse(&words("deploy")).unwrap_err().to_string();
        assert!(error.contains("`deploy`"), "{error}");
        for (_, name, _) in COMMANDS {
            assert!(error.contains(name), "{error}");
        }
    }

    #[test]
    fn asks_for_help_when_nothing_is_said() {
        for line in ["", "help", "--help", "-h"] {
            assert_eq!(parse(&words(line)).unwrap(), Request::Help, "{line}");
        }
    }
}
