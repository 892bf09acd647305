//! Programs that go on when this one ends: started, found again, waited for and stopped.

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::place::{Place, shown};
use crate::process;

const POLL: Duration = Duration::from_millis(100);
/// Killed programs are gone in milliseconds; only one that hangs in the kernel needs longer.
const GONE_WITHIN: Duration = Duration::from_secs(10);
/// What of a log's end goes into an error.
const TAIL_BYTES: u64 = 2_000;

/// A program by its process and the moment that it started, as numbers are given again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Daemon {
    pub(crate) name: String,
    pub(crate) pid: u32,
    started: u64,
}

/// Starts a program in a session of its own: Ctrl-C and a closed terminal are not for it.
pub(crate) fn spawn(place: &Place, name: &str, program: &Path, arguments: &[String]) -> Result<()> {
    let log = place.log(name);
    let file = File::create(&log).with_context(|| format!("could not write `{}`", shown(&log)))?;
    let mut command = Command::new("setsid");
    command.arg(program).args(arguments).current_dir(&place.run);
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
    if std::env::consts::ARCH != "x86_64" {
        command.env("ETCD_UNSUPPORTED_ARCH", "arm64");
    }
    let child = command.spawn().with_context(|| format!("could not start `{name}`"))?;
    let pid = child.id();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let Some(process) = Stat::read(&stat) else {
        bail!("`{name}` ended at once\nhint: its log is `{}`", shown(&log));
    };
    let text = format!("{pid} {}", process.started);
    super::place::write(&place.run.join("pids").join(name), &text)
}

/// Every program that was started, whether or not it still runs.
pub(crate) fn all(place: &Place) -> Vec<Daemon> {
    let Ok(entries) = fs::read_dir(place.run.join("pids")) else { return Vec::new() };
    let mut found: Vec<Daemon> = entries
        .flatten()
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.path()).ok()?;
            let (pid, started) = text.split_once(' ')?;
            let name = entry.file_name().to_string_lossy().into_owned();
            Some(Daemon { name, pid: pid.parse().ok()?, started: started.parse().ok()? })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

pub(crate) fn find(place: &Place, name: &str) -> Option<Daemon> {
    all(place).into_iter().find(|daemon| daemon.name == name)
}

impl Daemon {
    pub(crate) fn is_alive(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        Stat::read(&stat).is_some_and(|stat| stat.started == self.started && stat.state != 'Z')
    }
}

/// Waits until `ready` says yes; `name` is the program that has to make it so.
#[expect(clippy::disallowed_methods, reason = "nothing else goes on in this program")]
pub(crate) fn wait_for(
    place: &Place,
    name: &str,
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> bool,
) -> Result<()> {
    let since = Instant::now();
    while !ready() {
        let log = place.log(name);
        let said = tail(&log);
        if find(place, name).is_some_and(|daemon| !daemon.is_alive()) {
            bail!("`{name}` ended: {said}\nhint: its log is `{}`", shown(&log));
        }
        if since.elapsed() >= limit {
            let limit_s = limit.as_secs();
            bail!("{what}: not so after {limit_s} s: {said}\nhint: see `{}`", shown(&log));
        }
        std::thread::sleep(POLL);
    }
    Ok(())
}

/// The last line of a log.
fn tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(end.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    text.trim_end().lines().next_back().unwrap_or("it says nothing").to_owned()
}

/// Kills them all and waits until they are gone.
#[expect(clippy::disallowed_methods, reason = "nothing else goes on in this program")]
pub(crate) fn kill(pids: &[u32]) -> Result<()> {
    if pids.is_empty() {
        return Ok(());
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "kill -KILL \"$@\" 2>/dev/null", "sh"]);
    // It fails where one of them has ended by itself; whether all are gone is looked at below.
    let _ended = process::output(shell.args(pids.iter().map(u32::to_string)));
    let since = Instant::now();
    loop {
        let left: Vec<u32> = pids.iter().copied().filter(|pid| runs(*pid)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if since.elapsed() >= GONE_WITHIN {
            bail!("could not kill the processes {left:?}\nhint: look at them with `ps`");
        }
        std::thread::sleep(POLL);
    }
}

fn runs(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    Stat::read(&stat).is_some_and(|stat| stat.state != 'Z')
}

/// What `/proc/<pid>/stat` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    state: char,
    pub(crate) parent: u32,
    started: u64,
}

impl Stat {
    /// The name stands in parentheses and may have any characters, parentheses too.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut words = rest.split_whitespace();
        let state = words.next()?.chars().next()?;
        let parent = words.next()?.parse().ok()?;
        let started = words.nth(17)?.parse().ok()?;
        Some(Self { state, parent, started })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_process_whatever_its_name() {
        let numbers = "0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 20";
        for name in ["sh", "a b", "x) Z (y", "(((", "1 2 3"] {
            let text = format!("42 ({name}) S 7 42 42 {numbers}");
            let stat = Stat::read(&text).unwrap();
            assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 98_765), "{name}");
        }
        for text in ["", "42", "42 (sh)", "42 (sh) S x"] {
            assert_eq!(Stat::read(text), None, "{text}");
        }
    }

    #[test]
    fn a_number_that_was_given_again_is_not_the_same_program() {
        let pid = std::process::id();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // Elsewhere than on Linux there are no such files, and no cluster of ours.
        let Some(stat) = Stat::read(&stat) else { return };
        let this = Daemon { name: "this".to_owned(), pid, started: stat.started };
        assert!(this.is_alive());
        assert!(!Daemon { started: stat.started + 1, ..this }.is_alive());
    }
}
