//! What a record costs: written, brought to the disk, and brought there together with others.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context as _, Result};
use jiff::Timestamp;
use toolgate::governance::audit::{ApprovalRecord, Arguments, AuditLog, FILE, Stage, TargetRecord};

use crate::Rounds;
use crate::figures::{Samples, us};
use crate::report::{Row, Section};

/// Writers of durable records at once.
const WRITERS: [u64; 3] = [1, 64, 256];

/// Durable records that many writers together get onto the disk.
const RECORDS_PER_S_AIM: f64 = 5_000.0;

pub(crate) async fn measure(rounds: Rounds) -> Result<Vec<Section>> {
    let dirs = tempfile::tempdir()?;
    let log = open(&dirs.path().join("single"))?;
    let written = one_by_one(&log, rounds.calls, false).await?;
    // Each of them waits for the disk: fewer show as much.
    let durable = one_by_one(&log, rounds.calls / 5, true).await?;
    log.close().await?;
    let bytes = record_bytes(&dirs.path().join("single"))?;
    let bare = bare(&dirs.path().join("bare"), bytes, rounds.calls / 5)?;
    let row = |what: &str, samples: &Samples| {
        Row::new(what, us(samples.median()), "µs").p99(us(samples.p99()))
    };
    let single = vec![
        row("in the file, as a read's", &written),
        row("on the disk, as a write's intent", &durable),
        row("as many bytes, `write` and `fdatasync` alone", &bare),
    ];

    let mut together = Vec::new();
    for n in WRITERS {
        let log = open(&dirs.path().join(n.to_string()))?;
        let per_s = at_once(&log, n, rounds).await?;
        log.close().await?;
        let row = Row::new(&format!("{n} at once"), per_s, "records/s");
        together.push(if n == 1 { row } else { row.least(RECORDS_PER_S_AIM) });
    }
    Ok(vec![
        Section::new("audit", format!("one record of {bytes} bytes, one after the other"), single),
        Section::new("audit", "intents on the disk, from writers that wait for theirs", together),
    ])
}

fn open(folder: &Path) -> Result<AuditLog> {
    Ok(AuditLog::open(folder, "bench", Arguments::Metadata, Arc::new(Timestamp::now))?)
}

/// What is put on the disk before a restart is sent.
fn intent() -> Stage {
    Stage::Intent(ApprovalRecord {
        approval: Some("h6h3hjnnt4vehcgs".to_owned()),
        principal: "alice@idp".to_owned(),
        on_behalf_of: None,
        plugin: "remediation".to_owned(),
        digest: "0".repeat(64),
        rule: Some("writes-need-approval:31".to_owned()),
        verb: "restart".to_owned(),
        replicas: None,
        revision: None,
        target: TargetRecord {
            cluster: "prod".to_owned(),
            namespace: Some("shop".to_owned()),
            kind: "Deployment".to_owned(),
            name: Some("checkout".to_owned()),
        },
        uid: "5c7dd0ad-7f1d-4c55-9a2d-6d0f3c8d8f61".to_owned(),
        generation: Some(7),
        content: None,
    })
}

async fn one_by_one(log: &AuditLog, n: usize, is_durable: bool) -> Result<Samples> {
    let mut samples = Vec::with_capacity(n);
    for _ in 0..n {
        let stage = intent();
        let begun = Instant::now();
        log.record("xl270n1e", stage, is_durable).await?;
        samples.push(begun.elapsed());
    }
    Ok(Samples::new(samples))
}

/// What one record of the log has, with its line's end.
fn record_bytes(folder: &Path) -> Result<usize> {
    let text = std::fs::read_to_string(folder.join(FILE))?;
    let intent = text.lines().find(|line| line.contains("\"intent\""));
    Ok(intent.context("no intent was written")?.len() + 1)
}

/// The same without a log: what the disk itself takes.
fn bare(path: &Path, bytes: usize, n: usize) -> Result<Samples> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let line = vec![b'x'; bytes];
    let mut samples = Vec::with_capacity(n);
    for _ in 0..n {
        let begun = Instant::now();
        file.write_all(&line)?;
        file.sync_data()?;
        samples.push(begun.elapsed());
    }
    Ok(Samples::new(samples))
}

async fn at_once(log: &AuditLog, n: u64, rounds: Rounds) -> Result<f64> {
    let (is_over, n_records) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let begun = Instant::now();
    let writers: Vec<_> = (0..n)
        .map(|_| {
            let (log, is_over, n_records) =
                (log.clone(), Arc::clone(&is_over), Arc::clone(&n_records));
            tokio::spawn(async move {
                while !is_over.load(Ordering::Relaxed) {
                    log.record("xl270n1e", intent(), true).await?;
                    n_records.fetch_add(1, Ordering::Relaxed);
                }
                anyhow::Ok(())
            })
        })
        .collect();
    tokio::time::sleep(rounds.load).await;
    is_over.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await??;
    }
    #[expect(clippy::cast_precision_loss, reason = "no bench writes 2^52 records")]
    Ok(n_records.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64())
}
