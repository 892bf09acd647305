//! What the log does beside the calls; that nothing runs without it is shown by `tests/it/audit.rs`.

use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;

use super::{Arguments, AuditLog, Stage};

fn log(folder: &std::path::Path) -> AuditLog {
    let clock = Arc::new(|| jiff::Timestamp::UNIX_EPOCH);
    AuditLog::open(folder, "0123456789abcdef", Arguments::Full, clock).unwrap()
}

async fn record(log: &AuditLog, number: usize) {
    log.record(&format!("call{number}"), Stage::Abandoned, false).await.unwrap();
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
    let mut heard = log.subscribe();
    for number in 0..1_500 {
        record(&log, number).await;
    }
    let Err(RecvError::Lagged(lost)) = heard.recv().await else { panic!("it heard all") };
    assert_eq!(lost, 1_500 - 1_024);
    assert_eq!(heard.recv().await.unwrap().call, Some("call476".to_owned()));
}
