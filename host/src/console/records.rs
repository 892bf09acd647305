//! Reading the audit log as files: what other processes of the same account recorded is in it too,
//! and what was recorded before this one began.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, Metadata};

use crate::governance::audit::AuditLine;

/// What is read of the past at first: some thousand calls.
const PAST_BYTES_MAX: u64 = 16 << 20;

/// What is read at once later on.
const STEP_BYTES_MAX: u64 = 8 << 20;

/// The longest line that is read: arguments have at most 256 KiB.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// Records of one call or request that are shown.
const FOUND_MAX: usize = 1_000;

/// A file, by what it is and not by its name, which changes when a log is rotated.
type Identity = (u64, u64);

/// Follows the files of the audit folder.
pub(super) struct Records {
    dir: Dir,
    read: BTreeMap<Identity, u64>,
    began: bool,
}

/// What was read.
#[derive(Default)]
pub(super) struct Read {
    pub(super) lines: Vec<AuditLine>,
    /// Lines that are no records, or are too long.
    pub(super) n_unreadable: u64,
    /// Bytes before the first that was read.
    pub(super) bytes_left_out: u64,
}

impl Records {
    /// Follows a folder. It is there once a log was opened in it.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let dir = Dir::open_ambient_dir(folder, ambient_authority())?;
        Ok(Self { dir, read: BTreeMap::new(), began: false })
    }

    /// What was appended since the last time; at first, the end of what there is.
    pub(super) fn next(&mut self) -> io::Result<Read> {
        let mut found = Read::default();
        let files = files(&self.dir)?;
        if !self.began {
            self.began = true;
            let mut budget = PAST_BYTES_MAX;
            for Log { identity, size, .. } in files.iter().rev() {
                let from = size.saturating_sub(budget);
                budget -= size - from;
                found.bytes_left_out += from;
                self.read.insert(*identity, from);
            }
        }
        // A file that is gone tells nothing any more, and its number may come back as another's.
        self.read.retain(|known, _| files.iter().any(|log| log.identity == *known));
        for Log { name, identity, size, .. } in files {
            let from = self.read.entry(identity).or_default();
            if *from > size {
                *from = 0; // Cut to nothing by somebody: it is another log now.
            }
            if *from < size {
                *from = read(self.dir.open(&name)?, *from, &mut found)?;
            }
        }
        // Several files, of several processes, are one story.
        found.lines.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(found)
    }

    /// Every record that names the id, wherever it is in the log.
    pub(super) fn find(&self, id: &str) -> io::Result<Vec<AuditLine>> {
        let needle = memchr::memmem::Finder::new(id.as_bytes());
        let mut found = Vec::new();
        for Log { name, .. } in files(&self.dir)? {
            let mut reader = BufReader::with_capacity(1 << 16, self.dir.open(&name)?);
            let mut line = Vec::new();
            while next_line(&mut reader, &mut line)?.is_some() {
                if needle.find(&line).is_none() {
                    continue;
                }
                let record = serde_json::from_slice::<AuditLine>(&line);
                found.extend(record.ok().filter(|record| names(record, id)));
                if found.len() >= FOUND_MAX {
                    return Ok(found);
                }
            }
        }
        found.sort_by(|a, b| a.at.cmp(&b.at));
        Ok(found)
    }
}

/// Whether a record is one of a call, or about a request.
fn names(record: &AuditLine, id: &str) -> bool {
    record.call.as_deref() == Some(id)
        || super::ledger::approval(&record.stage).is_some_and(|approval| approval == id)
}

struct Log {
    name: String,
    identity: Identity,
    size: u64,
    changed: Option<std::time::SystemTime>,
}

/// The files of the log, the one that was written last at the end.
fn files(dir: &Dir) -> io::Result<Vec<Log>> {
    let mut logs = Vec::new();
    for entry in dir.entries()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Checkpoints lie in the folder too, and are in the log as well.
        if !name.starts_with("audit") || Path::new(&name).extension() != Some("jsonl".as_ref()) {
            continue;
        }
        let metadata = entry.metadata()?;
        if metadata.is_file() {
            let changed = metadata.modified().ok().map(cap_std::time::SystemTime::into_std);
            let identity = identity(&metadata, &name);
            logs.push(Log { name, identity, size: metadata.len(), changed });
        }
    }
    logs.sort_by(|a, b| a.changed.cmp(&b.changed).then_with(|| a.name.cmp(&b.name)));
    Ok(logs)
}

#[cfg(unix)]
fn identity(metadata: &Metadata, _name: &str) -> Identity {
    use cap_std::fs::MetadataExt as _;
    (metadata.dev(), metadata.ino())
}

/// By name, where files have no number.
#[cfg(not(unix))]
fn identity(_metadata: &Metadata, name: &str) -> Identity {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    (0, hasher.finish())
}

/// Reads whole lines from there on, and says up to where it came.
fn read(mut file: File, from: u64, found: &mut Read) -> io::Result<u64> {
    // Half a line comes first where the beginning is left out.
    let within_line = from > 0 && {
        file.seek(SeekFrom::Start(from - 1))?;
        let mut before = [0];
        file.read_exact(&mut before)?;
        before != *b"\n"
    };
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let (mut at, mut line) = (from, Vec::new());
    if within_line {
        match next_line(&mut reader, &mut line)? {
            Some(bytes) => at += bytes,
            None => return Ok(from),
        }
    }
    while at - from < STEP_BYTES_MAX.max(PAST_BYTES_MAX)
        && let Some(bytes) = next_line(&mut reader, &mut line)?
    {
        at += bytes;
        match serde_json::from_slice(&line) {
            Ok(record) => found.lines.push(record),
            Err(_) if line.iter().all(u8::is_ascii_whitespace) => {}
            Err(_) => found.n_unreadable += 1,
        }
    }
    Ok(at)
}

/// The next whole line, and its bytes in the file. Half a line is one that is being written; what is
/// longer than any record is passed over, piece by piece.
fn next_line(reader: &mut BufReader<File>, line: &mut Vec<u8>) -> io::Result<Option<u64>> {
    line.clear();
    let bytes = reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', line)? as u64;
    let whole = line.last() == Some(&b'\n') || bytes == LINE_BYTES_MAX;
    Ok(whole.then_some(bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn record(seq: u64) -> String {
        format!(
            "{{\"schema\":\"s\",\"instance\":\"i\",\"seq\":{seq},\"prev\":\"p\",\"at\":\"2026-01-01T00:00:{seq:02}Z\",\
             \"call\":\"c{seq}\",\"stage\":\"abandoned\",\"hash\":\"h\"}}\n"
        )
    }

    fn append(path: &Path, text: &str) {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn seqs(read: &Read) -> Vec<u64> {
        read.lines.iter().map(|line| line.seq).collect()
    }

    #[test]
    fn follows_a_log_through_rotation_and_half_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        append(&log, &record(1));
        let mut records = Records::open(folder.path()).unwrap();
        assert_eq!(seqs(&records.next().unwrap()), [1]);
        assert!(records.next().unwrap().lines.is_empty());
        let two = record(2);
        append(&log, &two[..20]);
        assert!(records.next().unwrap().lines.is_empty());
        append(&log, &two[20..]);
        append(&log, "no record\n\n");
        let read = records.next().unwrap();
        assert_eq!((seqs(&read), read.n_unreadable), (vec![2], 1));
        append(&log, &record(3));
        std::fs::rename(&log, folder.path().join("audit-1.jsonl")).unwrap();
        append(&log, &record(4));
        assert_eq!(seqs(&records.next().unwrap()), [3, 4]);
        assert_eq!(records.find("c3").unwrap().len(), 1);
        assert!(records.find("c").unwrap().is_empty());
    }

    #[test]
    fn begins_near_the_end_and_passes_over_what_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        let long = format!("{}\n", "x".repeat(3 << 20));
        append(&log, &record(1));
        for _ in 0..6 {
            append(&log, &long);
        }
        append(&log, &record(2));
        let mut records = Records::open(folder.path()).unwrap();
        let read = records.next().unwrap();
        assert_eq!(seqs(&read), [2]);
        assert!(read.bytes_left_out > 1 << 20, "{}", read.bytes_left_out);
        assert!(records.next().unwrap().lines.is_empty());
    }
}
