//! What `cargo xtask e2e` is asked for. Parsing only.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

pub(crate) const USAGE: &str = "cargo xtask e2e [up | down | status | kubeconfig]
                [--kubeconfig FILE [--context NAME] [--audit-log FILE] [--box-image IMAGE]]
                [--down] [ARGS of `cargo test`]";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    /// Bring the cluster up, then run the tests against it.
    Run,
    Up,
    Down,
    Status,
    Kubeconfig,
}

/// A cluster that a person names, and what cannot be known of it without being told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) context: Option<String>,
    pub(crate) audit_log: Option<PathBuf>,
    pub(crate) box_image: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) what: What,
    pub(crate) named: Option<Named>,
    /// Take the cluster down after the run.
    pub(crate) down: bool,
    /// For `cargo test`.
    pub(crate) rest: Vec<String>,
}

pub(crate) fn parse(words: &[String]) -> Result<Request> {
    let mut words = words.iter().peekable();
    let what = match words.peek().map(|word| word.as_str()) {
        Some("up") => What::Up,
        Some("down") => What::Down,
        Some("status") => What::Status,
        Some("kubeconfig") => What::Kubeconfig,
        _ => What::Run,
    };
    if what != What::Run {
        words.next();
    }
    let (mut kubeconfig, mut context, mut audit_log, mut box_image) = (None, None, None, None);
    let mut down = false;
    let mut rest = Vec::new();
    while let Some(word) = words.next() {
        let mut value = || {
            words.next().cloned().with_context(|| format!("`{word}` needs a value\nhint: {USAGE}"))
        };
        match word.as_str() {
            "--kubeconfig" => kubeconfig = Some(PathBuf::from(value()?)),
            "--context" => context = Some(value()?),
            "--audit-log" => audit_log = Some(PathBuf::from(value()?)),
            "--box-image" => box_image = Some(value()?),
            "--down" => down = true,
            "--" => {
                rest.push(word.clone());
                rest.extend(words.by_ref().cloned());
            }
            _ => rest.push(word.clone()),
        }
    }
    if what != What::Run && (down || !rest.is_empty()) {
        let extra = if down { "--down" } else { rest.first().map_or("", String::as_str) };
        bail!("`{extra}` belongs to a run of the tests\nhint: {USAGE}");
    }
    let named = match kubeconfig {
        Some(kubeconfig) => Some(Named { kubeconfig, context, audit_log, box_image }),
        None if context.is_some() || audit_log.is_some() || box_image.is_some() => bail!(
            "`--context`, `--audit-log` and `--box-image` say more about a `--kubeconfig`, and \
             there is none\nhint: {USAGE}"
        ),
        None => None,
    };
    Ok(Request { what, named, down, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn passes_on_what_is_for_cargo_test() {
        let table = [
            ("", What::Run, false, ""),
            ("restart", What::Run, false, "restart"),
            (
                "--down restart -- --nocapture --down",
                What::Run,
                true,
                "restart -- --nocapture --down",
            ),
            ("up", What::Up, false, ""),
            ("kubeconfig", What::Kubeconfig, false, ""),
        ];
        for (line, what, down, rest) in table {
            let request = parsed(line).unwrap();
            assert_eq!((request.what, request.down), (what, down), "{line}");
            assert_eq!(request.rest.join(" "), rest, "{line}");
            assert_eq!(request.named, None, "{line}");
        }
    }

    #[test]
    fn takes_a_cluster_that_is_named() {
        let named = parsed("up --kubeconfig /k --context stage").unwrap().named.unwrap();
        assert_eq!(named.kubeconfig, PathBuf::from("/k"));
        assert_eq!(named.context.as_deref(), Some("stage"));
    }

    #[test]
    fn refuses_words_that_would_be_lost() {
        for line in ["down now", "up --down", "--context x", "--kubeconfig"] {
            let error = parsed(line).unwrap_err().to_string();
            assert!(error.contains("hint:"), "{line}: {error}");
        }
    }
}
