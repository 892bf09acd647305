//! The key under the mat: how whoever owns the state folder proves that to the console.
//!
//! A console leaves a file with its address and a secret of its own in a folder that only its
//! account can open. Whoever can read it seals a login code: a name, an end, a number used once.
//! No secret is ever in an address, and a code that was seen afterwards opens nothing.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cap_std::fs::Dir;
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use crate::governance::state;

/// The folder of the consoles, in the state folder.
pub const CONSOLE_DIR: &str = "console";

/// How long a code opens: enough to switch to the browser.
pub const CODE_LIVES: SignedDuration = SignedDuration::from_mins(2);

/// The longest name that a code carries.
const USER_BYTES_MAX: usize = 128;

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 << 10;

/// Codes that were used and have not ended. Each was sealed by the account's owner.
const USED_MAX: usize = 1_024;

/// So that nothing that was sealed for another use of the secret fits here.
const PURPOSE: &[u8] = b"toolgate console login 1\n";

const NONCE_BYTES: usize = 16;
const SEAL_BYTES: usize = 32;

/// What a console leaves for whoever may enter.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// Where the console listens.
    pub address: SocketAddr,
    secret: String,
    /// RFC 3339.
    pub since: Timestamp,
}

impl Key {
    /// Every console's key in a state folder, the newest first. Files that make no sense are passed
    /// over: another version of the program may have left them.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn find(state_dir: &Path) -> io::Result<Vec<(String, Self)>> {
        let dir = state::private_dir(&state_dir.join(CONSOLE_DIR))?;
        let mut keys = Vec::new();
        for entry in dir.entries()? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            // A draft begins with a dot.
            if name.starts_with('.') || Path::new(&name).extension() != Some("json".as_ref()) {
                continue;
            }
            let mut bytes = Vec::new();
            let read = dir.open(&name)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes);
            if let (Ok(_), Ok(key)) = (read, serde_json::from_slice::<Self>(&bytes)) {
                keys.push((name, key));
            }
        }
        keys.sort_by_key(|(_, key)| std::cmp::Reverse(key.since));
        Ok(keys)
    }

    /// Removes the key of a console that is gone.
    ///
    /// # Errors
    /// Where it cannot be removed.
    pub fn remove(state_dir: &Path, name: &str) -> io::Result<()> {
        state::private_dir(&state_dir.join(CONSOLE_DIR))?.remove_file(name)
    }

    /// The address that a browser opens to enter as this person.
    ///
    /// # Errors
    /// Where the system gives no random numbers, or the secret is none.
    pub fn login_url(&self, user: &str, now: Timestamp) -> io::Result<String> {
        let secret = URL_SAFE_NO_PAD.decode(&self.secret).map_err(io::Error::other)?;
        let code = seal(&secret, user, now)?;
        Ok(format!("http://{}/login?code={code}", self.address))
    }
}

/// A console's own side: opens codes, each once.
pub(super) struct Door {
    dir: Dir,
    name: String,
    secret: [u8; 32],
    used: Mutex<BTreeMap<[u8; NONCE_BYTES], Timestamp>>,
}

impl Door {
    /// Leaves a key for a console that listens at the address.
    ///
    /// # Errors
    /// Where it cannot be left; nobody could enter.
    pub(super) fn open(state_dir: &Path, address: SocketAddr, now: Timestamp) -> io::Result<Self> {
        let dir = state::private_dir(&state_dir.join(CONSOLE_DIR))?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(io::Error::other)?;
        let key = Key { address, secret: URL_SAFE_NO_PAD.encode(secret), since: now };
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let name = format!("{:016x}.json", u64::from_be_bytes(random));
        let draft = format!(".{name}");
        let options = || {
            let mut options = state::private_file();
            options.write(true).create(true).truncate(true);
            options
        };
        dir.open_with(&draft, &options())?.write_all(&serde_json::to_vec(&key)?)?;
        dir.rename(&draft, &dir, &name)?;
        Ok(Self { dir, name, secret, used: Mutex::default() })
    }

    /// Whom the code lets in. The same code lets nobody in again.
    pub(super) fn admit(&self, code: &str, now: Timestamp) -> Option<String> {
        let sealed = URL_SAFE_NO_PAD.decode(code).ok()?;
        let (body, seal) = sealed.split_at_checked(sealed.len().checked_sub(SEAL_BYTES)?)?;
        sealer(&self.secret, body)?.verify_slice(seal).ok()?; // In constant time.
        let (ends, rest) = body.split_first_chunk::<8>()?;
        let (nonce, user) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let ends = Timestamp::from_second(i64::from_be_bytes(*ends)).ok()?;
        let user = std::str::from_utf8(user).ok()?;
        if ends <= now {
            return None;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, ends| *ends > now);
        if used.len() >= USED_MAX || used.insert(*nonce, ends).is_some() {
            return None;
        }
        Some(user.to_owned())
    }

    /// The secret for what else has to be known as this console's own.
    pub(super) fn secret(&self) -> &[u8; 32] {
        &self.secret
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Err(error) = self.dir.remove_file(&self.name) {
            tracing::debug!(%error, "the console's key is not removed");
        }
    }
}

fn sealer(secret: &[u8], body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
    mac.update(PURPOSE);
    mac.update(body);
    Some(mac)
}

fn seal(secret: &[u8], user: &str, now: Timestamp) -> io::Result<String> {
    if user.len() > USER_BYTES_MAX {
        return Err(io::Error::other(format!("a name has at most {USER_BYTES_MAX} bytes")));
    }
    let ends = now.saturating_add(CODE_LIVES).map_err(io::Error::other)?;
    let mut nonce = [0; NONCE_BYTES];
    getrandom::fill(&mut nonce).map_err(io::Error::other)?;
    let mut body = ends.as_second().to_be_bytes().to_vec();
    body.extend(nonce);
    body.extend(user.as_bytes());
    let mac = sealer(secret, &body).ok_or_else(|| io::Error::other("the secret is none"))?;
    body.extend(mac.finalize().into_bytes());
    Ok(URL_SAFE_NO_PAD.encode(body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn door() -> (tempfile::TempDir, Door) {
        let state = tempfile::tempdir().unwrap();
        let door = Door::open(state.path(), "127.0.0.1:1".parse().unwrap(), at(0)).unwrap();
        (state, door)
    }

    fn code(state: &Path, user: &str) -> String {
        let (_, key) = Key::find(state).unwrap().remove(0);
        key.login_url(user, at(0)).unwrap().split_once("code=").unwrap().1.to_owned()
    }

    #[test]
    fn a_code_opens_once_and_soon() {
        let (state, door) = door();
        let ada = code(state.path(), "ada");
        assert_eq!(door.admit(&ada, at(1)), Some("ada".to_owned()));
        assert_eq!(door.admit(&ada, at(1)), None);
        let late = code(state.path(), "ada");
        assert_eq!(door.admit(&late, at(120)), None);
    }

    #[test]
    fn a_code_that_was_changed_or_made_elsewhere_opens_nothing() {
        let (state, door) = door();
        let good = code(state.path(), "ada");
        for idx in 0..good.len() {
            let mut bytes = good.clone().into_bytes();
            bytes[idx] = if bytes[idx] == b'A' { b'B' } else { b'A' };
            let other = String::from_utf8(bytes).unwrap();
            // Bits beyond the last byte are no part of the code.
            let same = URL_SAFE_NO_PAD.decode(&other).ok() == URL_SAFE_NO_PAD.decode(&good).ok();
            assert!(same || door.admit(&other, at(1)).is_none(), "{idx}");
        }
        for nothing in ["", "A", "%", &"A".repeat(64), &"A".repeat(100_000)] {
            assert_eq!(door.admit(nothing, at(1)), None);
        }
        let (other, _door) = self::door();
        assert_eq!(door.admit(&code(other.path(), "ada"), at(1)), None);
        assert_eq!(door.admit(&good, at(1)), Some("ada".to_owned()));
    }

    #[test]
    fn the_key_is_private_and_goes_with_the_console() {
        let (state, door) = door();
        let (name, _) = Key::find(state.path()).unwrap().remove(0);
        let file = state.path().join(CONSOLE_DIR).join(name);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(file.exists());
        drop(door);
        assert!(!file.exists());
        assert!(Key::find(state.path()).unwrap().is_empty());
    }
}
