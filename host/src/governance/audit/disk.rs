//! The folder that the log lies in, as a port: what a disk may do wrong can be tried.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use cap_std::fs::{Dir, File};

use crate::governance::state;

/// The file's name in the audit folder.
pub const FILE: &str = "audit.jsonl";

/// Where checkpoints are kept beside the log.
pub const CHECKPOINTS_FILE: &str = "checkpoints.jsonl";

/// The name of a file that was full: `audit-000007.jsonl`.
pub fn retired_name(number: u64) -> String {
    format!("audit-{number:06}.jsonl")
}

/// The number in such a name.
pub fn retired_number(name: &str) -> Option<u64> {
    let number = name.strip_prefix("audit-")?.strip_suffix(".jsonl")?.parse().ok()?;
    (retired_name(number) == name).then_some(number)
}

/// Where the log lies.
pub(super) trait Disk: Send + Sync + 'static {
    /// Opens the current file to append to it, and makes it where it is missing.
    fn open(&self) -> io::Result<Arc<dyn LogFile>>;

    /// Gives the file its number; it is not the current one from then on. `false` where another
    /// process is about to do that.
    fn retire(&self, file: &dyn LogFile, number: u64) -> io::Result<bool>;

    /// The numbers of the files that have one.
    fn retired(&self) -> io::Result<Vec<u64>>;

    /// Removes one of them.
    fn remove(&self, number: u64) -> io::Result<()>;

    /// Returns when names that were made or changed are on the disk.
    fn sync_names(&self) -> io::Result<()>;

    /// Appends a line to the checkpoints, on the disk when it returns.
    fn keep_checkpoint(&self, line: &[u8]) -> io::Result<()>;
}

/// The file that is appended to.
pub(super) trait LogFile: Send + Sync {
    /// Appends, as much as the disk takes at once.
    fn append(&self, bytes: &[u8]) -> io::Result<usize>;

    /// Returns when what was appended is on the disk.
    fn sync(&self) -> io::Result<()>;

    /// How long it is; `None` where it is the current file no more.
    fn len_if_current(&self) -> io::Result<Option<u64>>;

    /// Its first line, or the beginning of it.
    fn first_line(&self) -> io::Result<Vec<u8>>;

    /// What stands behind the last line feed: a process died, or a disk filled up, within a line.
    fn unfinished(&self) -> io::Result<Vec<u8>>;
}

/// The most that is read of a first or a last line.
const LINE_BYTES_MAX: u64 = 4 << 20;

/// A folder of this machine.
pub(super) struct Folder {
    dir: Arc<Dir>,
}

impl Folder {
    pub(super) fn new(dir: Dir) -> Self {
        Self { dir: Arc::new(dir) }
    }
}

impl Disk for Folder {
    fn open(&self) -> io::Result<Arc<dyn LogFile>> {
        let mut options = state::private_file();
        let file = self.dir.open_with(FILE, options.create(true).append(true).read(true))?;
        let identity = Identity::of(&file)?;
        Ok(Arc::new(Open { dir: Arc::clone(&self.dir), file, identity }))
    }

    fn retire(&self, file: &dyn LogFile, number: u64) -> io::Result<bool> {
        let Some(_lock) = Lock::take(&self.dir)? else { return Ok(false) };
        if file.len_if_current()?.is_none() {
            return Ok(true); // Somebody else did it.
        }
        let name = retired_name(number);
        if self.dir.symlink_metadata(&name).is_ok() {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("`{name}` exists")));
        }
        self.dir.rename(FILE, &self.dir, name)?;
        Ok(true)
    }

    fn retired(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in self.dir.entries()? {
            numbers.extend(entry?.file_name().to_str().and_then(retired_number));
        }
        Ok(numbers)
    }

    fn remove(&self, number: u64) -> io::Result<()> {
        self.dir.remove_file(retired_name(number))
    }

    #[cfg(unix)]
    fn sync_names(&self) -> io::Result<()> {
        // The folder itself was opened without the right to read it.
        self.dir.open(".")?.sync_all()
    }

    #[cfg(not(unix))]
    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn keep_checkpoint(&self, line: &[u8]) -> io::Result<()> {
        let mut options = state::private_file();
        options.create(true).append(true).read(true);
        let mut file = self.dir.open_with(CHECKPOINTS_FILE, &options)?;
        append_line(&mut file, line)?;
        file.sync_data()
    }
}

/// Appends a line of its own: half a line stands before it where a process died, or a disk was full.
fn append_line(file: &mut (impl Read + Seek + Write), line: &[u8]) -> io::Result<()> {
    let mut last = [b'\n'];
    // What is no file, a pipe, has no end to look at.
    if file.seek(SeekFrom::End(-1)).is_ok() {
        file.read_exact(&mut last)?;
    }
    let break_before: &[u8] = if last == [b'\n'] { b"" } else { b"\n" };
    file.write_all(&[break_before, line].concat())
}

/// Appends a checkpoint to a file that the operator named.
pub(super) fn keep_copy(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.create(true).append(true).read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    let mut file = options.open(path)?;
    append_line(&mut file, line)?;
    file.sync_data()
}

/// One process at a time gives the current file its number.
struct Lock {
    _file: File,
}

impl Lock {
    #[cfg(unix)]
    fn take(dir: &Dir) -> io::Result<Option<Self>> {
        use rustix::fs::{FlockOperation, flock};
        let mut options = state::private_file();
        let file = dir.open_with("audit.lock", options.create(true).write(true))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(error) if error == rustix::io::Errno::WOULDBLOCK => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    #[cfg(not(unix))]
    fn take(dir: &Dir) -> io::Result<Option<Self>> {
        let mut options = state::private_file();
        let file = dir.open_with("audit.lock", options.create(true).write(true))?;
        Ok(Some(Self { _file: file }))
    }
}

/// Tells one file from another of the same name.
struct Identity {
    #[cfg(unix)]
    stat: rustix::fs::Stat,
    #[cfg(not(unix))]
    len: u64,
}

#[cfg(unix)]
impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        Ok(Self { stat: rustix::fs::fstat(file)? })
    }

    /// Of what bears the name now; a link is not followed. One system call, since every record asks:
    /// the folder's own way to ask takes three.
    fn of_name(dir: &Dir, name: &str) -> io::Result<Self> {
        use rustix::fs::{AtFlags, statat};
        Ok(Self { stat: statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)? })
    }

    fn is(&self, other: &Self) -> bool {
        (self.stat.st_dev, self.stat.st_ino) == (other.stat.st_dev, other.stat.st_ino)
    }

    fn len(&self) -> u64 {
        u64::try_from(self.stat.st_size).unwrap_or(0)
    }
}

#[cfg(not(unix))]
impl Identity {
    fn of(file: &File) -> io::Result<Self> {
        Ok(Self { len: file.metadata()?.len() })
    }

    fn of_name(dir: &Dir, name: &str) -> io::Result<Self> {
        Ok(Self { len: dir.symlink_metadata(name)?.len() })
    }

    fn is(&self, _other: &Self) -> bool {
        true
    }

    fn len(&self) -> u64 {
        self.len
    }
}

struct Open {
    dir: Arc<Dir>,
    file: File,
    identity: Identity,
}

impl LogFile for Open {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        (&self.file).write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// A file that was removed still takes what is written, and nobody will ever read it; one that
    /// another process gave a number is full.
    fn len_if_current(&self) -> io::Result<Option<u64>> {
        match Identity::of_name(&self.dir, FILE) {
            Ok(found) if found.is(&self.identity) => Ok(Some(found.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn first_line(&self) -> io::Result<Vec<u8>> {
        let mut line = self.read_from(0)?;
        line.truncate(line.iter().position(|b| *b == b'\n').unwrap_or(line.len()));
        Ok(line)
    }

    fn unfinished(&self) -> io::Result<Vec<u8>> {
        let len = self.file.metadata()?.len();
        let mut bytes = self.read_from(len.saturating_sub(1))?;
        if matches!(bytes.last(), None | Some(b'\n')) {
            return Ok(Vec::new());
        }
        bytes = self.read_from(len.saturating_sub(LINE_BYTES_MAX))?;
        let start = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        Ok(bytes.split_off(start))
    }
}

impl Open {
    fn read_from(&self, start: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&self.file).seek(SeekFrom::Start(start))?;
        (&self.file).take(LINE_BYTES_MAX).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A stream of this process: nothing of it can be read again, and nothing is durable.
pub(super) struct Stream {
    is_stdout: bool,
}

impl Stream {
    pub(super) fn stdout() -> Self {
        Self { is_stdout: true }
    }

    pub(super) fn stderr() -> Self {
        Self { is_stdout: false }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_stdout {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes).and_then(|()| stdout.flush())?;
        } else {
            io::stderr().lock().write_all(bytes)?;
        }
        Ok(bytes.len())
    }
}

impl Disk for Stream {
    fn open(&self) -> io::Result<Arc<dyn LogFile>> {
        Ok(Arc::new(Self { is_stdout: self.is_stdout }))
    }

    fn retire(&self, _file: &dyn LogFile, _number: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn retired(&self) -> io::Result<Vec<u64>> {
        Ok(Vec::new())
    }

    fn remove(&self, _number: u64) -> io::Result<()> {
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn keep_checkpoint(&self, _line: &[u8]) -> io::Result<()> {
        Ok(())
    }
}

impl LogFile for Stream {
    fn append(&self, bytes: &[u8]) -> io::Result<usize> {
        self.write(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn len_if_current(&self) -> io::Result<Option<u64>> {
        Ok(Some(0))
    }

    fn first_line(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }

    fn unfinished(&self) -> io::Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

impl super::sink::Sink for Stream {
    fn name(&self) -> &str {
        if self.is_stdout { "stdout" } else { "stderr" }
    }

    fn take(&mut self, lines: &[u8]) -> io::Result<()> {
        self.write(lines).map(drop)
    }
}
