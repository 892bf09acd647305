//! The key that checkpoints are signed with, and what a checkpoint is.
//!
//! The private key never leaves the folder of the log. Who owns that folder can sign anew what they
//! changed; against them helps a checkpoint that was kept elsewhere.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cap_std::fs::Dir;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::chain::{Chain, Hash};
use crate::governance::state;

/// The private key's file: 32 bytes in base64.
const KEY_FILE: &str = "signing.key";

/// The public key's file, for people.
pub const PUBLIC_KEY_FILE: &str = "signing.pub";

/// The file of the salt for fingerprints of arguments.
const SALT_FILE: &str = "arguments.salt";

/// What a public key's text begins with.
const ALGORITHM: &str = "ed25519:";

/// What every signed text begins with, so that the key signs nothing else by accident.
const PURPOSE: &str = "toolgate.checkpoint/1";

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// What records call it: 64 bits of its SHA-256.
    pub fn id(&self) -> String {
        Hash::of(self.0.as_bytes()).to_string().chars().take(16).collect()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}{}", BASE64.encode(self.0.as_bytes()))
    }
}

impl FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = || format!("a public key is `{ALGORITHM}` and 44 characters of base64");
        let bytes = text.trim().strip_prefix(ALGORITHM).ok_or_else(wanted)?;
        let bytes = BASE64.decode(bytes).map_err(|_| wanted())?;
        let bytes = bytes.as_slice().try_into().map_err(|_| wanted())?;
        VerifyingKey::from_bytes(bytes).map(Self).map_err(|_| "it is no point of the curve".into())
    }
}

/// What was true of a chain when it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Whose chain.
    pub instance: String,
    /// The number of the log's file that the record is in.
    pub file: u64,
    /// The number of the last record that it covers.
    pub through: u64,
    /// That record's hash.
    pub head: String,
    /// When, RFC 3339.
    pub at: String,
    /// Whether the process ended with it: nothing follows.
    pub closing: bool,
    /// Which key signed it.
    pub key: String,
    /// Ed25519, in base64.
    pub signature: String,
}

impl Checkpoint {
    /// The hash, where it is one.
    pub fn head(&self) -> Option<Hash> {
        Hash::parse(&self.head)
    }

    /// Whether the key signed it.
    pub fn is_signed_by(&self, key: &PublicKey) -> bool {
        let Ok(signature) = BASE64.decode(&self.signature) else { return false };
        let Ok(signature) = Signature::from_slice(&signature) else { return false };
        key.0.verify_strict(self.text().as_bytes(), &signature).is_ok()
    }

    /// What is signed.
    fn text(&self) -> String {
        let Self { instance, file, through, head, at, closing, key, signature: _ } = self;
        format!("{PURPOSE}\n{instance}\n{file}\n{through}\n{head}\n{at}\n{closing}\n{key}\n")
    }
}

/// The private key.
pub(super) struct Signer {
    key: SigningKey,
    public: PublicKey,
    id: String,
}

impl Signer {
    /// The folder's key; a new one where there is none.
    ///
    /// # Errors
    /// Where it can neither be read nor made.
    pub(super) fn of(dir: &Dir) -> io::Result<Self> {
        let seed = secret(dir, KEY_FILE)?;
        let key = SigningKey::from_bytes(&seed);
        let public = PublicKey(key.verifying_key());
        let text = format!("{public}\n");
        let known = read_public(dir)?;
        if known.as_deref() != Some(&text) {
            let mut options = state::private_file();
            let mut file =
                dir.open_with(PUBLIC_KEY_FILE, options.write(true).create(true).truncate(true))?;
            file.write_all(text.as_bytes())?;
        }
        Ok(Self { key, id: public.id(), public })
    }

    /// What others need to check what it signed.
    pub(super) fn public(&self) -> PublicKey {
        self.public
    }

    /// What records call it.
    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// Signs what is true of the chain now.
    pub(super) fn sign(&self, chain: &Chain, file: u64, at: String, closing: bool) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            instance: chain.instance.clone(),
            file,
            through: chain.seq,
            head: chain.head.to_string(),
            at,
            closing,
            key: self.id.clone(),
            signature: String::new(),
        };
        let signature = self.key.sign(checkpoint.text().as_bytes());
        checkpoint.signature = BASE64.encode(signature.to_bytes());
        checkpoint
    }
}

fn read_public(dir: &Dir) -> io::Result<Option<String>> {
    match dir.read_to_string(PUBLIC_KEY_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// The salt of this installation: fingerprints of the same value are alike in its log, and nowhere
/// else.
///
/// # Errors
/// Where it can neither be read nor made.
pub(super) fn salt(dir: &Dir) -> io::Result<[u8; 32]> {
    secret(dir, SALT_FILE)
}

/// 32 random bytes that only their owner may read, drawn where there are none. They are written
/// whole beside their place and linked into it: of two processes, one draws and both read.
fn secret(dir: &Dir, name: &str) -> io::Result<[u8; 32]> {
    if let Some(found) = read_secret(dir, name)? {
        return Ok(found);
    }
    let mut drawn = [0; 32];
    let mut tag = [0; 8];
    for bytes in [&mut drawn[..], &mut tag[..]] {
        getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))?;
    }
    let draft = format!("{name}.{:016x}", u64::from_be_bytes(tag));
    let mut options = state::private_file();
    let mut file = dir.open_with(&draft, options.write(true).create_new(true))?;
    let written = file
        .write_all(format!("{}\n", BASE64.encode(drawn)).as_bytes())
        .and_then(|()| file.sync_all())
        .and_then(|()| match dir.hard_link(&draft, dir, name) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        });
    dir.remove_file(&draft)?;
    written?;
    read_secret(dir, name)?.ok_or_else(|| io::Error::other(format!("`{name}` vanished")))
}

fn read_secret(dir: &Dir, name: &str) -> io::Result<Option<[u8; 32]>> {
    let mut text = String::new();
    match dir.open(name) {
        Ok(file) => file.take(1_024).read_to_string(&mut text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let bytes = BASE64.decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    let bytes = bytes.ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, format!("`{name}` holds no key"))
    })?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn private(folder: &tempfile::TempDir) -> Dir {
        state::private_dir(folder.path()).unwrap()
    }

    #[test]
    fn a_key_is_drawn_once_and_only_its_owner_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let dir = private(&folder);
        let (first, second) = (Signer::of(&dir).unwrap(), Signer::of(&dir).unwrap());
        assert_eq!(first.public(), second.public());
        let text = std::fs::read_to_string(folder.path().join(PUBLIC_KEY_FILE)).unwrap();
        assert_eq!(text.parse::<PublicKey>().unwrap(), first.public());
        assert_eq!(salt(&dir).unwrap(), salt(&dir).unwrap());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = |name| std::fs::metadata(folder.path().join(name)).unwrap().permissions();
            assert_eq!(mode(KEY_FILE).mode() & 0o777, 0o600);
        }
    }

    #[test]
    fn a_signature_is_of_every_field() {
        let folder = tempfile::tempdir().unwrap();
        let signer = Signer::of(&private(&folder)).unwrap();
        let signed = signer.sign(&Chain::new("a"), 1, "now".to_owned(), false);
        assert!(signed.is_signed_by(&signer.public()));
        let alter: [fn(&mut Checkpoint); 7] = [
            |c| c.instance.push('b'),
            |c| c.file += 1,
            |c| c.through += 1,
            |c| c.head = Hash::of(b"other").to_string(),
            |c| c.at.push('s'),
            |c| c.closing = true,
            |c| c.signature = BASE64.encode([0; 64]),
        ];
        for alter in alter {
            let mut altered = signed.clone();
            alter(&mut altered);
            assert!(!altered.is_signed_by(&signer.public()), "{altered:?}");
        }
        let other = tempfile::tempdir().unwrap();
        let stranger = Signer::of(&private(&other)).unwrap();
        assert!(!signed.is_signed_by(&stranger.public()));
    }

    #[test]
    fn a_file_that_holds_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(KEY_FILE), "nonsense").unwrap();
        assert!(Signer::of(&private(&folder)).is_err());
        assert!("ed25519:AAAA".parse::<PublicKey>().is_err());
        assert!("".parse::<PublicKey>().is_err());
    }
}
