//! Compiled code on the disk: a private folder, and nothing in it is believed without a seal.
//!
//! Loading compiled code is running it, so a stray or altered file must never be loaded. Each is
//! sealed (HMAC-SHA256, over its name too) with a key that only this host's account can read.

use std::io::{self, Read as _, Write as _};
use std::path::Path;

use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::gate::Digest;
use crate::governance::state;

const KEY_FILE: &str = "key";
const KEY_BYTES: usize = 32;
const SEAL_BYTES: usize = 32;

/// The largest file that is read: a `CPython` guest compiles to 33 MB.
const FILE_BYTES_MAX: u64 = 256 << 20;

/// The cache, for one engine.
pub(super) struct Cache {
    dir: Dir,
    key: [u8; KEY_BYTES],
    /// The engine's version and settings, as a number.
    compatibility: u64,
}

impl Cache {
    pub(super) fn open(folder: &Path, engine: &Engine) -> io::Result<Self> {
        use std::hash::{Hash as _, Hasher as _};
        let dir = state::private_dir(folder)?;
        let key = key(&dir)?;
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { dir, key, compatibility: hasher.finish() })
    }

    fn name(&self, digest: &Digest) -> String {
        format!("{digest}-{:016x}.cwasm", self.compatibility)
    }

    /// The compiled component, where there is one whose seal is right.
    pub(super) fn get(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let name = self.name(digest);
        let code = match self.read(&name) {
            Ok(code) => code?,
            Err(error) => {
                tracing::warn!(%name, %error, "a file of the compiled cache cannot be read");
                return None;
            }
        };
        match load(engine, &code) {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(%name, %error, "a file of the compiled cache does not load");
                None
            }
        }
    }

    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        let file = match self.dir.open(name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        if size > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("it has {size} bytes")));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
        let Some((seal, code)) = bytes.split_at_checked(SEAL_BYTES) else {
            return Err(io::Error::other("it is too short"));
        };
        let sealed = self.seal(name, code)?.verify_slice(seal);
        sealed.map_err(|_| io::Error::other("its seal is wrong; it is compiled again"))?;
        bytes.drain(..SEAL_BYTES);
        Ok(Some(bytes))
    }

    /// Keeps compiled code. A failure costs the next start its time, nothing else.
    pub(super) fn put(&self, digest: &Digest, code: &[u8]) {
        let name = self.name(digest);
        if let Err(error) = self.write(&name, code) {
            tracing::warn!(%name, %error, "compiled code cannot be kept");
        }
    }

    fn write(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let seal = self.seal(name, code)?.finalize().into_bytes();
        let draft = draft(name)?;
        let mut file =
            self.dir.open_with(&draft, state::private_file().write(true).create_new(true))?;
        let written = file.write_all(&seal).and_then(|()| file.write_all(code));
        let made = written.and_then(|()| self.dir.rename(&draft, &self.dir, name));
        if made.is_err() {
            // A disk that is full stays no fuller than it was.
            let _ = self.dir.remove_file(&draft);
        }
        made
    }

    fn seal(&self, name: &str, code: &[u8]) -> io::Result<Hmac<Sha256>> {
        let mut seal = Hmac::<Sha256>::new_from_slice(&self.key).map_err(io::Error::other)?;
        seal.update(name.as_bytes());
        seal.update(&[0]);
        seal.update(code);
        Ok(seal)
    }
}

/// The key; whoever comes first makes it. It appears whole, so that two processes that start at
/// once agree on one.
fn key(dir: &Dir) -> io::Result<[u8; KEY_BYTES]> {
    let mut key = [0; KEY_BYTES];
    let missing = match dir.open(KEY_FILE) {
        Ok(mut file) => return file.read_exact(&mut key).map(|()| key),
        Err(error) => error,
    };
    if missing.kind() != io::ErrorKind::NotFound {
        return Err(missing);
    }
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let draft = draft(KEY_FILE)?;
    let mut file = dir.open_with(&draft, state::private_file().write(true).create_new(true))?;
    let written = file.write_all(&key).and_then(|()| file.sync_all());
    // A link, unlike a rename, fails where the name is taken.
    let made = written.and_then(|()| dir.hard_link(&draft, dir, KEY_FILE));
    dir.remove_file(&draft)?;
    match made {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => {
            dir.open(KEY_FILE)?.read_exact(&mut key)?;
            Ok(key)
        }
    }
}

/// A name that nobody else writes to.
fn draft(name: &str) -> io::Result<String> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    Ok(format!("{name}.{:016x}.draft", u64::from_be_bytes(random)))
}

/// Loads code that this host compiled itself.
#[expect(unsafe_code, reason = "the bytes carry this host's own seal, or come from its compiler")]
pub(super) fn load(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `deserialize` trusts the bytes to be what `precompile_component` made. They come
    // either from the compiler child of this process, or from a file whose seal was just checked
    // against the very bytes in memory, under a key that only this account can read.
    unsafe { Component::deserialize(engine, code) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_start_at_once_agree_on_a_key() {
        let folder = tempfile::tempdir().unwrap();
        let keys: Vec<_> = std::thread::scope(|scope| {
            let open = || key(&state::private_dir(folder.path()).unwrap()).unwrap();
            let threads: Vec<_> = (0..16).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0] && *key != [0; KEY_BYTES]));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no drafts are left");
    }
}
