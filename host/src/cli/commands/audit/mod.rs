//! `toolgate audit`: reads the log, and tells whether it is what was written.

mod show;
mod verify;
mod words;

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use cap_std::ambient_authority;
use cap_std::fs::Dir;

use super::{Answer, Desk};
use crate::cli::args::{Audit, AuditCommand, AuditShow};
use crate::cli::complaint::Complaint;
use crate::governance::audit::{files, fingerprint_in};
use crate::wiring::AUDIT_DIR;

/// The longest value that is fingerprinted: arguments have no longer ones.
const VALUE_BYTES_MAX: u64 = 256 << 10;

pub(super) fn run(desk: &Desk, audit: Audit) -> Answer {
    match audit.command {
        None => show::run(desk, &audit.show),
        Some(AuditCommand::Show(show)) => show::run(desk, &show),
        Some(AuditCommand::Follow(filter)) => {
            // From now on: what was is what `show` is for.
            show::run(desk, &AuditShow { follow: true, filter, last: None })
        }
        Some(AuditCommand::Verify(verify)) => verify::run(desk, verify),
        Some(AuditCommand::Key) => key(desk),
        Some(AuditCommand::Fingerprint) => fingerprint(desk),
    }
}

fn folder(desk: &Desk) -> Result<PathBuf, Complaint> {
    Ok(super::approvals::state_dir(desk)?.join(AUDIT_DIR))
}

fn key(desk: &Desk) -> Answer {
    let key = files::public_key(&folder(desk)?).map_err(|error| {
        Complaint::new(error.to_string(), "the key is made when the program first serves")
    })?;
    if desk.console.is_json() {
        desk.console.json(&serde_json::json!({"key": key.id(), "public_key": key.to_string()}))?;
    } else {
        writeln!(desk.console.out(), "{key}")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn fingerprint(desk: &Desk) -> Answer {
    let folder = folder(desk)?;
    let dir = Dir::open_ambient_dir(&folder, ambient_authority()).map_err(|error| {
        let text = format!("`{}` cannot be opened: {error}", folder.display());
        Complaint::new(text, "the log begins with the first call")
    })?;
    let mut value = String::new();
    std::io::stdin().take(VALUE_BYTES_MAX).read_to_string(&mut value)?;
    let value = value.strip_suffix('\n').unwrap_or(&value);
    writeln!(desk.console.out(), "{}", fingerprint_in(&dir, value)?)?;
    Ok(ExitCode::SUCCESS)
}
