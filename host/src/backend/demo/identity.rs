use sha2::{Digest, Sha256};

/// The letters of generated names: without vowels, so that none spells a word.
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A short name part that is always the same for the same seed.
pub(super) fn suffix(seed: &[&str], length: usize) -> String {
    let letters = digest(seed).into_iter().map(|byte| {
        LETTERS.get(usize::from(byte) % LETTERS.len()).map_or('b', |letter| char::from(*letter))
    });
    letters.take(length).collect()
}

/// An object's UID: of version 4 in form, yet always the same for the same seed.
pub(super) fn uid(seed: &[&str]) -> String {
    let mut hex = hex(seed);
    hex.truncate(32);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

/// 64 hexadecimal digits, as in the ids of containers and images.
pub(super) fn hex(seed: &[&str]) -> String {
    let bytes = digest(seed);
    let nibbles = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    nibbles.filter_map(|nibble| char::from_digit(u32::from(nibble), 16)).collect()
}

fn digest(seed: &[&str]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in seed {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().to_vec()
}
