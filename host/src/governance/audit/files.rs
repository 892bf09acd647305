//! The files of a log, in the order in which they were written, and a reading of all of them.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::disk::{CHECKPOINTS_FILE, FILE, retired_number};
use super::key::{PUBLIC_KEY_FILE, PublicKey};
use super::verify::{Report, Verifier};

/// The longest line that is read. Arguments have at most 256 KiB, in JSON at most six times that.
pub const LINE_BYTES_MAX: u64 = 4 << 20;

/// One of a log's files.
#[derive(Debug)]
pub struct LogPart {
    /// Its name in the folder.
    pub name: String,
    /// Its number, where it has one.
    pub number: Option<u64>,
    /// It, open: a name may lead elsewhere the next moment.
    pub file: File,
    /// Its length when it was opened.
    pub len: u64,
}

/// Opens all files of a log, from the first to the current one.
///
/// # Errors
/// Where one of them, or the folder, cannot be read.
pub fn parts(folder: &Path) -> io::Result<Vec<LogPart>> {
    loop {
        let before = numbers(folder)?;
        let mut parts = Vec::with_capacity(before.len() + 1);
        for number in &before {
            let name = super::disk::retired_name(*number);
            parts.extend(part(folder, name, Some(*number))?);
        }
        parts.extend(part(folder, FILE.to_owned(), None)?);
        // The current file may have been given a number meanwhile.
        if numbers(folder)? == before {
            return Ok(parts);
        }
    }
}

fn part(folder: &Path, name: String, number: Option<u64>) -> io::Result<Option<LogPart>> {
    match File::open(folder.join(&name)) {
        Ok(file) => {
            let len = file.metadata()?.len();
            Ok(Some(LogPart { name, number, file, len }))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        numbers.extend(entry?.file_name().to_str().and_then(retired_number));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// What a log is checked against.
#[derive(Debug, Clone, Default)]
pub struct Trust {
    /// Keys whose signatures count; none for the one that lies beside the log.
    pub keys: Vec<PublicKey>,
    /// Files with checkpoints beside the one in the folder.
    pub checkpoints: Vec<PathBuf>,
    /// The number of the first file that is read; those before it are kept elsewhere.
    pub from: Option<u64>,
}

/// Reads a whole log. `progress` hears how many bytes of how many were read.
///
/// # Errors
/// Where something cannot be read; what is read and wrong is in the report.
pub fn verify(
    folder: &Path,
    trust: Trust,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<Report> {
    let Trust { mut keys, mut checkpoints, from } = trust;
    if keys.is_empty() {
        keys.push(public_key(folder)?);
    }
    let mut verifier = Verifier::new(keys, from.unwrap_or(1).saturating_sub(1));
    // Before the log: a checkpoint stands in the log first.
    checkpoints.insert(0, folder.join(CHECKPOINTS_FILE));
    for (index, path) in checkpoints.iter().enumerate() {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if index == 0 && error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let (name, mut number) = (path.display().to_string(), 0);
        let mut lines = BufReader::new(file);
        while let Some((line, is_ended)) = next_line(&mut lines)? {
            number += 1;
            // Half a line at the end was being written when the process died.
            if is_ended && !line.is_empty() {
                verifier.anchor(&name, number, &line);
            }
        }
    }
    let mut parts = parts(folder)?;
    if let Some(from) = from {
        parts.retain(|part| part.number.is_none_or(|number| number >= from));
    }
    let total = parts.iter().map(|part| part.len).sum();
    let (mut done, n_parts) = (0, parts.len());
    for (index, LogPart { name, number, file, .. }) in parts.into_iter().enumerate() {
        let mut lines = BufReader::with_capacity(1 << 20, file);
        if number.is_none() {
            verifier.file(&name, number_within(&mut lines)?);
        } else {
            verifier.file(&name, number);
        }
        while let Some((line, is_ended)) = next_line(&mut lines)? {
            done += line.len() as u64 + u64::from(is_ended);
            verifier.line(&line, !is_ended && index + 1 == n_parts);
            progress(done, total);
        }
    }
    Ok(verifier.finish())
}

/// The key that lies beside the log.
///
/// # Errors
/// Where there is none.
pub fn public_key(folder: &Path) -> io::Result<PublicKey> {
    let path = folder.join(PUBLIC_KEY_FILE);
    let named =
        |error: io::Error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()));
    let mut text = String::new();
    File::open(&path).and_then(|f| f.take(1_024).read_to_string(&mut text)).map_err(named)?;
    text.parse().map_err(|error: String| named(io::Error::new(io::ErrorKind::InvalidData, error)))
}

/// The number that the current file says it will have.
fn number_within(lines: &mut BufReader<File>) -> io::Result<Option<u64>> {
    #[derive(serde::Deserialize)]
    struct FirstLine {
        file: Option<u64>,
    }
    let seen = lines.fill_buf()?;
    let end = seen.iter().position(|b| *b == b'\n').unwrap_or(seen.len());
    let first = seen.get(..end).and_then(|line| serde_json::from_slice::<FirstLine>(line).ok());
    Ok(first.and_then(|line| line.file))
}

/// The next line without its line feed, and whether it had one.
///
/// # Errors
/// Where it cannot be read.
pub fn next_line(lines: &mut BufReader<File>) -> io::Result<Option<(Vec<u8>, bool)>> {
    let mut line = Vec::new();
    lines.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    let is_ended = line.last() == Some(&b'\n') || line.len() as u64 == LINE_BYTES_MAX;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    Ok(Some((line, is_ended)))
}
