//! What it costs to make a log safe, per byte and core: every byte of a log goes this way.

use std::hint::black_box;

use anyhow::Result;
use tokio::time::Instant;
use toolgate::governance::lines::SafeLines;
use toolgate::governance::redact::make_safe;
use toolgate::governance::text::clean_cow;

use crate::Rounds;
use crate::report::{Row, Section};

/// Bytes of each log: more than a core's own cache holds.
const LOG_BYTES: usize = 4 << 20;

/// Bytes of one piece as they come from a network.
const PIECE_BYTES: usize = 16 << 10;

/// MB/s of what only looks for control and invisible characters, on a log that has few.
const CLEAN_AIM: f64 = 500.0;

/// MB/s of all rules, on any log.
const SAFE_AIM: f64 = 30.0;

type Line = fn(usize) -> String;

/// Logs, and how much one may aim at with them.
const LOGS: [(&str, bool, Line); 4] = [
    ("ordinary", true, |n| {
        format!("2026-11-21T02:13:07.{n:09}Z INFO order placed order=ord_{n} total={}.00\n", n % 97)
    }),
    ("with addresses and hints", true, |n| {
        format!("2026-11-21T02:13:07.{n:09}Z GET http://cart.shop.svc:8080/items/{n} token={n}\n")
    }),
    ("coloured, not in ASCII", true, |n| {
        format!("\u{1b}[32mINFO\u{1b}[0m 注文 {n} が作成されました – Grüße\u{200b}\r\n")
    }),
    ("hostile: escapes and secrets only", false, |n| {
        format!(
            "\u{1b}[0m\u{202e}\u{1b}[1mpassword=hunter{n} postgres://app:pw{n}@db/x AKIAIOSFODNN7EXAMPLE\n"
        )
    }),
];

#[expect(clippy::unnecessary_wraps, reason = "the shape of every part")]
pub(crate) fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let mut rows = Vec::new();
    for (name, is_ordinary, line) in LOGS {
        let mut log = String::with_capacity(LOG_BYTES + 256);
        for n in 0.. {
            if log.len() >= LOG_BYTES {
                break;
            }
            log.push_str(&line(n));
        }
        let row = |what: &str, speed: f64| Row::new(&format!("{what}, {name}"), speed, "MB/s");
        let clean = speed(rounds, &log, |log| clean_cow(log).0.len());
        let cleaned = row("characters", clean);
        rows.push(if is_ordinary { cleaned.least(CLEAN_AIM) } else { cleaned });
        let safe = speed(rounds, &log, |log| make_safe(log).text.len());
        rows.push(row("all rules, as one text", safe).least(SAFE_AIM));
        rows.push(
            row("all rules, as a stream of lines", speed(rounds, &log, stream)).least(SAFE_AIM),
        );
    }
    Ok(vec![Section::new(
        "redact",
        "making a log safe, on one core; the best of some rounds",
        rows,
    )])
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

/// In MB/s. The best, because everything else is what the machine did meanwhile.
fn speed(rounds: Rounds, log: &str, work: impl Fn(&str) -> usize) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..rounds.starts.max(2) * 4 {
        let began = Instant::now();
        black_box(work(black_box(log)));
        best = best.min(began.elapsed().as_secs_f64());
    }
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    let bytes = log.len() as f64;
    bytes / best / 1e6
}
