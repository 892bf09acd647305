//! A bearer token in a file that somebody else keeps fresh.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use http::HeaderValue;
use tokio::sync::Mutex;

use super::ask::Failure;

/// A service account's token is about a kilobyte, one of an identity provider a few.
const TOKEN_BYTES_MAX: u64 = 64 << 10;

/// The file, read anew for each request: a token that was replaced is used at once, and reading a
/// kilobyte is nothing beside asking a cluster.
pub(super) struct TokenFile {
    path: PathBuf,
    /// For when the file is away, as some take it away after the start. Held while reading, so that
    /// a folder that hangs holds few threads.
    last: Mutex<Option<HeaderValue>>,
}

impl TokenFile {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: Mutex::new(None) }
    }

    /// The value of `Authorization`.
    pub(super) async fn header(&self) -> Result<HeaderValue, Failure> {
        let mut last = self.last.lock().await;
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || read(&path)).await;
        let read = read.unwrap_or_else(|error| Err(error.to_string()));
        match (read, &*last) {
            (Ok(header), _) => {
                *last = Some(header.clone());
                Ok(header)
            }
            (Err(_), Some(header)) => Ok(header.clone()),
            (Err(problem), None) => Err(Failure::Credentials(format!(
                "the token file `{}` cannot be used: {problem}; check that this process may read \
                 it and that it holds one token",
                self.path.display()
            ))),
        }
    }
}

fn read(path: &Path) -> Result<HeaderValue, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut token = String::new();
    // The problem's text never holds a part of the token.
    file.take(TOKEN_BYTES_MAX).read_to_string(&mut token).map_err(|error| error.to_string())?;
    let token = token.trim();
    if token.is_empty() {
        return Err("it is empty".to_owned());
    }
    let header = HeaderValue::try_from(format!("Bearer {token}"));
    let mut header = header.map_err(|_| "what it holds is no token".to_owned())?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reads_the_file_each_time_and_remembers_the_last_that_was_good() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("token");
        let file = TokenFile::new(path.clone());
        let missing = file.header().await.unwrap_err();
        assert!(format!("{missing:?}").contains("cannot be used"), "{missing:?}");
        for (content, expected) in [
            ("one\n", "Bearer one"),
            ("  two\r\n", "Bearer two"),
            ("", "Bearer two"),
            ("th\nree", "Bearer two"),
            ("four", "Bearer four"),
        ] {
            std::fs::write(&path, content).unwrap();
            let header = file.header().await.unwrap();
            assert_eq!(header, expected, "{content:?}");
            assert!(header.is_sensitive());
        }
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.header().await.unwrap(), "Bearer four");
    }
}
