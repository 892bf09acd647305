//! A process that puts intents on record and has effects, until somebody ends it: the tests kill it
//! at random points and compare what it did with what it recorded.
//!
//! An effect is a line on standard output: whoever reads it keeps it, whatever becomes of us.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use toolgate::capability::Clock;
use toolgate::governance::audit::{
    ApprovalRecord, Arguments, AuditLog, Rotation, Settings, Stage, TargetRecord,
};
use toolgate_tests::PATIENCE;

/// Writes at once: some wait for the disk while others are recorded.
const TASKS: usize = 4;

/// Small, so that files follow each other while we are killed.
const FILE_BYTES_MAX: u64 = 96 << 10;

fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(instance)) = (arguments.next(), arguments.next()) else {
        return Err("usage: intents FOLDER INSTANCE".to_owned());
    };
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.worker_threads(2).enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(write_on(Path::new(&folder), &instance))
}

async fn write_on(folder: &Path, instance: &str) -> Result<(), String> {
    let clock: Arc<dyn Clock> = Arc::new(jiff::Timestamp::now);
    let log = AuditLog::with(Settings {
        deadline: PATIENCE,
        rotation: Rotation { file_bytes_max: FILE_BYTES_MAX, keep_files: None },
        ..Settings::usual(folder, instance, Arguments::Request, clock)
    });
    let log = log.map_err(|error| error.to_string())?;
    let tasks = (0..TASKS).map(|task| {
        let (log, instance) = (log.clone(), instance.to_owned());
        tokio::spawn(async move {
            for number in 0.. {
                let call = format!("{instance}-{task}-{number}");
                // As `effects.rs` has it: intent, effect, what came of it.
                if log.record(&call, Stage::Intent(write()), true).await.is_err() {
                    return;
                }
                if writeln!(std::io::stdout().lock(), "{call}").is_err() {
                    return;
                }
                let result = "done".to_owned();
                let effect = Stage::Effect { write: write(), result };
                if log.record(&call, effect, true).await.is_err() {
                    return;
                }
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.map_err(|error| error.to_string())?;
    }
    log.close().await.map_err(|error| error.to_string())
}

fn write() -> ApprovalRecord {
    ApprovalRecord {
        approval: None,
        principal: "alice@os".to_owned(),
        on_behalf_of: None,
        plugin: "remediation".to_owned(),
        digest: "0".repeat(64),
        rule: None,
        verb: "restart".to_owned(),
        replicas: None,
        revision: None,
        target: TargetRecord {
            cluster: "demo".to_owned(),
            namespace: Some("shop".to_owned()),
            kind: "Deployment".to_owned(),
            name: Some("checkout".to_owned()),
        },
        uid: "1f0c2a34".to_owned(),
        generation: Some(1),
        content: None,
    }
}
