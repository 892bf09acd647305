//! Waiting for a record of the log, where a test is about something else.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use toolgate::capability::Clock;
use toolgate::governance::audit::{Arguments, AuditLog, Settings};

/// How long a call waits for its record: other programs may keep the disk busy for longer than an
/// operator wants to wait.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// The configuration, with that much patience.
#[must_use]
pub fn patient(config: &str) -> String {
    let audit = format!("[audit]\ndeadline_ms = {}\n", PATIENCE.as_millis());
    if config.contains("[audit]\n") {
        config.replacen("[audit]\n", &audit, 1)
    } else {
        format!("{config}\n{audit}")
    }
}

/// A log that has as much.
#[must_use]
pub fn patient_log(folder: &Path, instance: &str, clock: &Arc<dyn Clock>) -> AuditLog {
    let usual = Settings::usual(folder, instance, Arguments::Full, Arc::clone(clock));
    AuditLog::with(Settings { deadline: PATIENCE, ..usual }).unwrap()
}
