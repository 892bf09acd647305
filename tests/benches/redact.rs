//! What it costs to make a log safe, per byte and core: every byte of a log goes this way.

use std::hint::black_box;

use anyhow::Result;
use rustix::time::{ClockId, clock_gettime};
use toolgate::domain::redaction::{Redaction, RuleSet};
use toolgate::governance::lines::SafeLines;
use toolgate::governance::redact::{configure, make_safe, prepare};
use toolgate::governance::text::clean_cow;

use crate::Rounds;
use crate::report::{Row, Section};

/// Bytes of each log: more than a core's own cache holds.
const LOG_BYTES: usize = 4 << 20;

/// Bytes of one piece as they come from a network.
const PIECE_BYTES: usize = 16 << 10;

/// MB/s of what only looks for control and invisible characters, and of that with the tier that is
/// always on: on logs in ASCII, most of whose lines hold nothing of interest.
const ALWAYS_AIM: f64 = 500.0;

/// MB/s of all rules, on any log that is not made to be slow.
const FULL_AIM: f64 = 30.0;

type Line = fn(usize) -> String;

/// What a log is like.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Ordinary,
    /// Something to look at in every line.
    Full,
    Hostile,
}

/// Logs, and how much one may aim at with them.
const LOGS: [(&str, Kind, Line); 5] = [
    ("ordinary", Kind::Ordinary, |n| {
        format!("2026-11-21T02:13:07.{n:09}Z INFO order placed order=ord_{n} total={}.00\n", n % 97)
    }),
    ("JSON", Kind::Ordinary, |n| {
        format!(
            "{{\"level\":\"info\",\"ts\":\"2026-11-21T02:13:07.{n:09}Z\",\"msg\":\"reconciled\",\"pod\":\
             \"checkout-7d9f8b6c54-mk4zq\",\"key\":\"shop/checkout\",\"took_ms\":{n}}}\n"
        )
    }),
    ("with addresses and hints", Kind::Full, |n| {
        format!("2026-11-21T02:13:07.{n:09}Z GET http://cart.shop.svc:8080/items/{n} token={n}\n")
    }),
    ("coloured, not in ASCII", Kind::Full, |n| {
        format!("\u{1b}[32mINFO\u{1b}[0m 注文 {n} が作成されました – Grüße\u{200b}\r\n")
    }),
    ("hostile: escapes and secrets only", Kind::Hostile, |n| {
        format!(
            "\u{1b}[0m\u{202e}\u{1b}[1mpassword=hunter{n} postgres://app:pw{n}@db/x AKIAIOSFODNN7EXAMPLE\n"
        )
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "the shape of every part")]
pub(crate) fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let mut rows = Vec::new();
    for (name, kind, line) in LOGS {
        let mut log = String::with_capacity(LOG_BYTES + 256);
        for n in 0.. {
            if log.len() >= LOG_BYTES {
                break;
            }
            log.push_str(&line(n));
        }
        let row = |what: &str, aim: Option<f64>, work: fn(&str) -> usize| {
            let row = Row::new(&format!("{what}, {name}"), speed(rounds, &log, work), "MB/s");
            if let Some(aim) = aim { row.least(aim) } else { row }
        };
        let always = (kind == Kind::Ordinary).then_some(ALWAYS_AIM);
        let full = (kind != Kind::Hostile).then_some(FULL_AIM);
        let safe = |log: &str| make_safe(log).text.len();
        rows.push(row("characters", always, |log| clean_cow(log).0.len()));
        hold(RuleSet::AlwaysOn);
        rows.push(row("always-on rules", always, safe));
        hold(RuleSet::Full);
        rows.push(row("all rules, as one text", full, safe));
        rows.push(row("all rules, as a stream of lines", full, stream));
    }
    Ok(vec![Section::new(
        "redact",
        "making a log safe, by the processor time of one core; the best of some rounds",
        rows,
    )])
}

fn hold(rules: RuleSet) {
    configure(&Redaction { rules, own: Vec::new() });
    prepare();
}

fn stream(log: &str) -> usize {
    let mut safe = SafeLines::default();
    let mut n_lines = 0;
    for piece in log.as_bytes().chunks(PIECE_BYTES) {
        safe.push(piece);
        n_lines += fetch(&mut safe);
    }
    safe.finish();
    n_lines + fetch(&mut safe)
}

fn fetch(safe: &mut SafeLines) -> usize {
    std::iter::from_fn(|| safe.next_block()).map(|block| block.lines().count()).sum()
}

/// In MB/s of processor time. The best, because everything else is what the machine did meanwhile.
fn speed(rounds: Rounds, log: &str, work: impl Fn(&str) -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..rounds.starts.max(2) * 4 {
        let began = processor_s();
        black_box(work(black_box(log)));
        best = best.min(processor_s() - began);
    }
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let bytes = log.len() as f64;
    bytes / best.max(1e-9) / 1e6
}

/// What this thread has had of a core so far.
fn processor_s() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    #[expect(clippy::cast_precision_loss, reason = "seconds of a bench")]
    let s = time.tv_sec as f64 + time.tv_nsec as f64 / 1e9;
    s
}
