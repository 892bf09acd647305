//! The program itself: how soon it answers, and what memory it holds.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::figures::{Samples, ms};
use crate::report::{Row, Section};
use crate::wire::Client;
use crate::{Rounds, house};

const COUNTS: [usize; 3] = [1, 10, 100];

/// The count that the aims are for.
const AIM_COUNT: usize = 10;

const WARM_MS_AIM: f64 = 150.0;

const IDLE_MB_AIM: f64 = 60.0;

/// How long the program is left alone before its memory is looked at.
const SETTLE: Duration = Duration::from_secs(1);

pub(crate) async fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let (mut starts, mut memory) = (Vec::new(), Vec::new());
    let mut resident = Vec::new();
    for n_plugins in COUNTS {
        let dirs = tempfile::tempdir()?;
        lay_out(dirs.path(), n_plugins)?;
        // A cold start of many plugins takes its time; once says enough.
        let colds = if n_plugins > AIM_COUNT { 1 } else { rounds.starts };
        let mut cold = Vec::new();
        for _ in 0..colds {
            let cache = dirs.path().join("cache");
            if cache.exists() {
                std::fs::remove_dir_all(cache)?;
            }
            cold.push(Program::start(dirs.path()).await?.end().await?);
        }
        let mut warm = Vec::new();
        for _ in 0..rounds.starts {
            warm.push(Program::start(dirs.path()).await?.end().await?);
        }
        let program = Program::start(dirs.path()).await?;
        tokio::time::sleep(SETTLE).await;
        if let Some(bytes) = resident_bytes(program.child.id())? {
            resident.push((n_plugins, bytes));
        }
        program.end().await?;

        let (cold, warm) = (Samples::new(cold), Samples::new(warm));
        let plugins = if n_plugins == 1 { "plugin" } else { "plugins" };
        let row = |cache: &str, samples: &Samples| {
            let what = format!("{n_plugins} {plugins}, {cache} cache");
            Row::new(&what, ms(samples.median()), "ms").most(ms(samples.max()))
        };
        starts.push(row("cold", &cold));
        let warm = row("warm", &warm);
        starts.push(if n_plugins == AIM_COUNT { warm.aim(WARM_MS_AIM) } else { warm });
    }
    for (n_plugins, bytes) in &resident {
        let plugins = if *n_plugins == 1 { "plugin" } else { "plugins" };
        let row = Row::new(&format!("idle, {n_plugins} {plugins}"), megabytes(*bytes), "MB");
        memory.push(if *n_plugins == AIM_COUNT { row.aim(IDLE_MB_AIM) } else { row });
    }
    if let [(few, low), .., (many, high)] = resident.as_slice() {
        #[expect(clippy::cast_precision_loss, reason = "memory of a process fits")]
        let each = (high.saturating_sub(*low)) as f64 / (many - few) as f64 / 1e6;
        memory.push(Row::new("each plugin more", each, "MB"));
    } else {
        memory.push(Row::unknown("idle", "this system does not say what a process holds"));
    }
    Ok(vec![
        Section::new("start", "from starting the program to its answer to `initialize`", starts),
        Section::new("start", "resident memory (`VmRSS`) a second after a warm start", memory),
    ])
}

#[expect(clippy::cast_precision_loss, reason = "memory of a process fits")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// The tools of `logs`, and what they are called in its copies: no longer and no shorter.
const TOOLS: [(&str, &str); 2] =
    [("get_pod_logs", "get_logs_"), ("get_workload_logs", "get_workload_l")];

/// A folder with a configuration and that many plugins: `logs`, each time with other names of its
/// tools, so that each is a component of its own.
fn lay_out(dirs: &Path, n_plugins: usize) -> Result<()> {
    let from = house::layout("plugins/logs")?;
    let manifest = std::fs::read_to_string(from.join("plugin.toml"))?;
    let wasm = std::fs::read(from.join("logs.wasm"))?;
    let mut names = Vec::new();
    for n in 0..n_plugins {
        let name = format!("logs-{n:03}");
        let mut manifest = manifest.replace("\"logs\"", &format!("{name:?}"));
        let mut wasm = wasm.clone();
        for (tool, short) in TOOLS {
            let called = format!("{short}{n:03}");
            manifest = manifest.replace(tool, &called);
            rename(&mut wasm, tool, &called)?;
        }
        let folder = dirs.join("plugins").join(&name);
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join("plugin.toml"), manifest)?;
        std::fs::write(folder.join(format!("{name}.wasm")), wasm)?;
        names.push(name);
    }
    Ok(std::fs::write(dirs.join("toolgate.toml"), house::config(Duration::ZERO, &names))?)
}

/// Gives a tool of the component another name of the same length.
fn rename(wasm: &mut [u8], tool: &str, called: &str) -> Result<()> {
    ensure!(tool.len() == called.len(), "`{called}` is not as long as `{tool}`");
    let found = wasm.windows(tool.len()).position(|bytes| bytes == tool.as_bytes());
    let at = found.context("the component does not hold its tool's name in one piece")?;
    let place = wasm.get_mut(at..at + tool.len()).context("it was found there")?;
    place.copy_from_slice(called.as_bytes());
    Ok(())
}

/// The program, serving on its pipes.
struct Program {
    child: Child,
    took: Duration,
    /// Its input; without it the program ends.
    _client: Client<ChildStdout, ChildStdin>,
}

impl Program {
    /// Returns when it has answered.
    async fn start(dirs: &Path) -> Result<Self> {
        let begun = Instant::now();
        let mut child = Command::new(house::toolgate()?)
            .arg("serve")
            .arg("--config")
            .arg(dirs.join("toolgate.toml"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()?;
        let (write, read) = (child.stdin.take(), child.stdout.take());
        let mut client = Client::new(read.context("no output")?, write.context("no input")?);
        client.initialize().await?;
        let took = begun.elapsed();
        // A plugin that failed was not started at all.
        let listed = client.tools().await?;
        let laid_out = std::fs::read_dir(dirs.join("plugins"))?.count() * TOOLS.len();
        ensure!(listed == laid_out, "{listed} of {laid_out} tools are served");
        Ok(Self { child, took, _client: client })
    }

    /// Ends it; what its start took.
    async fn end(mut self) -> Result<Duration> {
        self.child.kill().await?;
        Ok(self.took)
    }
}

#[cfg(target_os = "linux")]
fn resident_bytes(pid: Option<u32>) -> Result<Option<u64>> {
    let pid = pid.context("the program has ended")?;
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no `VmRSS`")?;
    Ok(Some(kib.trim().parse::<u64>()? * 1_024))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "the shape of the system that has it")]
fn resident_bytes(_: Option<u32>) -> Result<Option<u64>> {
    Ok(None)
}
