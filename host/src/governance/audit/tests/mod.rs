//! What the log does beside the calls; that nothing runs without it is shown by `tests/it/audit.rs`.

mod faults;
mod tampering;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;

use super::files::{Trust, verify};
use super::verify::Report;
use super::{Arguments, AuditLog, CHECKPOINTS_FILE, FILE, Rotation, Settings, Stage};

fn settings(folder: &Path, rotation: Rotation) -> Settings {
    let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
    let usual = Settings::usual(folder, "0123456789abcdef", Arguments::Full, clock);
    // A busy disk is no matter here.
    Settings { deadline: Duration::from_mins(1), rotation, ..usual }
}

fn log(folder: &Path) -> AuditLog {
    AuditLog::with(settings(folder, Rotation::default())).unwrap()
}

async fn record(log: &AuditLog, number: usize) {
    log.record(&format!("call{number}"), Stage::Abandoned, false).await.unwrap();
}

fn verified(folder: &Path) -> Report {
    verify(folder, Trust::default(), &mut |_, _| ()).unwrap()
}

fn found(report: &Report) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.text.as_str()).collect()
}

#[tokio::test]
async fn a_listener_hears_every_record_from_then_on_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    record(&log, 0).await;
    let mut heard = log.subscribe();
    for number in 1..4 {
        record(&log, number).await;
    }
    for number in 1..4 {
        let line = heard.recv().await.unwrap();
        assert_eq!(line.call, Some(format!("call{number}")));
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn a_listener_that_does_not_listen_loses_and_holds_up_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    record(&log, 0).await;
    let mut heard = log.subscribe();
    for number in 1..=1_500 {
        record(&log, number).await;
    }
    let Err(RecvError::Lagged(lost)) = heard.recv().await else { panic!("it heard all") };
    assert!(lost >= 1_500 - 1_024, "{lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_are_one_chain_with_a_checkpoint_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let log = log(folder.path());
    let tasks = (0..64).map(|task| {
        let log = log.clone();
        tokio::spawn(async move {
            for number in 0..20 {
                let durable = number % 5 == 0;
                log.record(&format!("call{task}"), Stage::Abandoned, durable).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    log.close().await.unwrap();
    let report = verified(folder.path());
    assert_eq!(found(&report), Vec::<&str>::new());
    // The first record, 1,280 of calls, a checkpoint after 1,000 or more and one at the end.
    assert_eq!((report.n_records, report.instances.len()), (1_283, 1));
    let instance = &report.instances[0];
    assert!(instance.is_closed, "{instance:?}");
    assert_eq!(instance.covered, instance.last - 1);
}

#[tokio::test]
async fn a_full_file_gets_a_number_and_the_chain_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { file_bytes_max: 8 << 10, keep_files: None };
    let log = AuditLog::with(settings(folder.path(), rotation)).unwrap();
    for number in 0..100 {
        record(&log, number).await;
    }
    log.close().await.unwrap();
    let names = |folder: &Path| {
        let names = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.retain(|name| name.starts_with("audit-"));
        names.sort();
        names
    };
    let retired = names(folder.path());
    assert!(retired.len() >= 3, "{retired:?}");
    assert_eq!(retired[0], "audit-000001.jsonl");
    assert_eq!(found(&verified(folder.path())), Vec::<&str>::new());

    // Without its first file, a log is not whole; read from the second one on purpose, it is.
    let elsewhere = tempfile::tempdir().unwrap();
    std::fs::rename(folder.path().join(&retired[0]), elsewhere.path().join("moved")).unwrap();
    let report = verified(folder.path());
    assert_eq!(found(&report), ["is the first of its instance: those before it are missing"]);
    let trust = Trust { from: Some(2), ..Trust::default() };
    let report = verify(folder.path(), trust, &mut |_, _| ()).unwrap();
    assert_eq!(found(&report), Vec::<&str>::new());
}

/// A checkpoint that would make a file too long stands in it all the same.
#[tokio::test]
async fn a_checkpoint_stands_behind_what_it_covers_wherever_a_file_ends() {
    let rotation = Rotation { file_bytes_max: 8 << 10, keep_files: None };
    for n_records in 1..60 {
        let folder = tempfile::tempdir().unwrap();
        let log = AuditLog::with(settings(folder.path(), rotation)).unwrap();
        for number in 0..n_records {
            record(&log, number).await;
        }
        log.close().await.unwrap();
        let report = verified(folder.path());
        assert_eq!(found(&report), Vec::<&str>::new(), "{n_records}");
        assert!(report.instances[0].is_closed);
    }
}

/// A disk was full, or a process died, within a line.
#[tokio::test]
async fn half_a_checkpoint_beside_the_log_spoils_no_other() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let copy = elsewhere.path().join("checkpoints.jsonl");
    let own = folder.path().join(CHECKPOINTS_FILE);
    for instance in ["aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"] {
        let usual = settings(folder.path(), Rotation::default());
        let checkpoints = Some(copy.clone());
        let settings = Settings { instance: instance.to_owned(), checkpoints, ..usual };
        let log = AuditLog::with(settings).unwrap();
        record(&log, 0).await;
        log.close().await.unwrap();
        drop(log);
        for file in [&own, &copy] {
            let mut text = std::fs::read(file).unwrap();
            text.extend_from_slice(br#"{"instance":"cccccc"#);
            std::fs::write(file, text).unwrap();
        }
    }
    for file in [&own, &copy] {
        let text = std::fs::read_to_string(file).unwrap();
        let n_whole = text.lines().filter(|line| line.ends_with('}')).count();
        assert_eq!((n_whole, text.lines().count()), (2, 4), "{text}");
    }
    let trust = Trust { checkpoints: vec![copy], ..Trust::default() };
    let report = verify(folder.path(), trust, &mut |_, _| ()).unwrap();
    // The last half of each has no end, as a line that is being written has none.
    assert_eq!((found(&report), report.n_torn), (Vec::<&str>::new(), 2));
}

#[tokio::test]
async fn files_beyond_those_that_are_kept_are_removed_on_record() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { file_bytes_max: 8 << 10, keep_files: Some(2) };
    let log = AuditLog::with(settings(folder.path(), rotation)).unwrap();
    let mut heard = log.subscribe();
    for number in 0..150 {
        record(&log, number).await;
    }
    log.close().await.unwrap();
    let left: Vec<u64> = std::fs::read_dir(folder.path())
        .unwrap()
        .filter_map(|entry| super::retired_number(entry.unwrap().file_name().to_str()?))
        .collect();
    assert_eq!(left.len(), 2, "{left:?}");
    let report = verified(folder.path());
    assert_eq!(found(&report), Vec::<&str>::new());
    assert!(report.instances[0].first > 1);
    let mut told = 0;
    while let Ok(line) = heard.try_recv() {
        told += usize::from(matches!(line.stage, Stage::Continued { removed_to: Some(_), .. }));
    }
    assert!(told > 0);
    // What is left is not whole either where more is missing than was told.
    let first = super::retired_name(*left.iter().min().unwrap());
    std::fs::remove_file(folder.path().join(first)).unwrap();
    assert!(verified(folder.path()).n_findings > 0);
}

#[tokio::test]
async fn processes_that_share_a_file_have_chains_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation { file_bytes_max: 8 << 10, keep_files: None };
    let open = |instance: &str| {
        let settings = settings(folder.path(), rotation);
        AuditLog::with(Settings { instance: instance.to_owned(), ..settings }).unwrap()
    };
    let logs = [open("aaaaaaaaaaaaaaaa"), open("bbbbbbbbbbbbbbbb")];
    for number in 0..120 {
        record(&logs[number % 2], number).await;
    }
    for log in &logs {
        log.close().await.unwrap();
    }
    let report = verified(folder.path());
    assert_eq!(found(&report), Vec::<&str>::new());
    assert_eq!(report.instances.len(), 2);
    assert!(report.instances.iter().all(|instance| instance.is_closed));
}

#[tokio::test]
async fn half_a_line_of_a_process_that_died_is_told_of_by_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    let first = log(folder.path());
    record(&first, 0).await;
    first.close().await.unwrap();
    let mut text = std::fs::read(&path).unwrap();
    let whole = text.len();
    text.extend_from_slice(br#"{"schema":"toolgate.audit/2","instance":"fedcba98"#);
    std::fs::write(&path, &text).unwrap();
    let report = verified(folder.path());
    assert_eq!((report.n_findings, report.is_unfinished), (0, true));

    let other = Settings {
        instance: "fedcba9876543210".to_owned(),
        ..settings(folder.path(), Rotation::default())
    };
    let second = AuditLog::with(other).unwrap();
    record(&second, 1).await;
    second.close().await.unwrap();
    let report = verified(folder.path());
    assert_eq!((found(&report), report.n_torn), (Vec::<&str>::new(), 1));
    assert_eq!(report.instances.len(), 2);
    // Any other half of a line is nobody's.
    let mut text = std::fs::read(&path).unwrap();
    text[whole + 12] ^= 1;
    std::fs::write(&path, &text).unwrap();
    assert_eq!(found(&verified(folder.path())), ["is no record, and no record tells of it"]);
}
