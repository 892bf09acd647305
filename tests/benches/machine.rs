//! What the figures were measured on: without it they say nothing.

use std::fmt;

use serde_json::{Value, json};

pub(crate) struct Machine {
    cores: usize,
    cpu: Option<String>,
    kernel: Option<String>,
    /// Of the last minute, before the bench began.
    load: Option<String>,
    profile: &'static str,
    at: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        Self {
            cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpu: cpu(),
            kernel: first_line("/proc/sys/kernel/osrelease"),
            load: first_line("/proc/loadavg")
                .and_then(|line| Some(line.split_whitespace().next()?.to_owned())),
            profile: if cfg!(debug_assertions) { "dev: figures say nothing" } else { "release" },
            at: jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M UTC").to_string(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "cores": self.cores, "cpu": self.cpu, "kernel": self.kernel,
            "load_1_min": self.load, "profile": self.profile, "at": self.at,
            "os": std::env::consts::OS, "arch": std::env::consts::ARCH,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "unknown".to_owned());
        write!(
            f,
            "{} cores, {}, {} {} {}, load before {}, build {}, {}",
            self.cores,
            known(&self.cpu),
            std::env::consts::OS,
            std::env::consts::ARCH,
            known(&self.kernel),
            known(&self.load),
            self.profile,
            self.at,
        )
    }
}

/// Files of Linux; elsewhere they are not there, and nothing is known.
fn first_line(path: &str) -> Option<String> {
    let text = std::fs::read_to_string(path).ok()?;
    Some(text.lines().next()?.trim().to_owned())
}

fn cpu() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
