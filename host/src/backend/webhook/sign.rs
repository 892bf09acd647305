//! The signature of a message, as Standard Webhooks describes it: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, STANDARD};
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// What a secret of that specification begins with; base64 follows.
const PREFIX: &str = "whsec_";

/// The shortest key: 192 bits, as the specification has it.
const KEY_BYTES_MIN: usize = 24;

/// The longest: more is a file that was named by mistake.
const KEY_BYTES_MAX: usize = 1_024;

/// One to sign with, and the one before it for as long as receivers still have that.
const KEYS_MAX: usize = 2;

/// Why a file holds no secret. Nothing of what it holds is in the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum NotASecret {
    #[error("it is empty")]
    Empty,
    #[error("it has more than {KEYS_MAX} lines")]
    Many,
    #[error("what follows `{PREFIX}` is no base64")]
    NotBase64,
    #[error("a key has less than {KEY_BYTES_MIN} bytes")]
    Short,
    #[error("a key has more than {KEY_BYTES_MAX} bytes")]
    Long,
}

/// The keys of a webhook.
#[derive(Clone)]
pub(super) struct Secret(Vec<Vec<u8>>);

/// Receivers' tools leave the padding out as they like.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Secret {
    /// Reads a file's text: a key on each line.
    pub(super) fn parse(text: &str) -> Result<Self, NotASecret> {
        let lines: Vec<&str> =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        match lines.len() {
            0 => return Err(NotASecret::Empty),
            1..=KEYS_MAX => {}
            _ => return Err(NotASecret::Many),
        }
        lines.into_iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    /// The value of `webhook-signature`: a signature by each key.
    pub(super) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let signed = self.0.iter().filter_map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body);
            Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
        });
        signed.collect::<Vec<_>>().join(" ")
    }
}

fn key(line: &str) -> Result<Vec<u8>, NotASecret> {
    let key = match line.strip_prefix(PREFIX) {
        Some(encoded) => LENIENT.decode(encoded).map_err(|_| NotASecret::NotBase64)?,
        None => line.as_bytes().to_vec(),
    };
    match key.len() {
        ..KEY_BYTES_MIN => Err(NotASecret::Short),
        KEY_BYTES_MIN..=KEY_BYTES_MAX => Ok(key),
        _ => Err(NotASecret::Long),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own test suites.
    const SPECIFIED: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNED: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    #[test]
    fn signs_as_the_specification_does() {
        let secret = Secret::parse(SPECIFIED).unwrap();
        let sign = |secret: &Secret| {
            secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#)
        };
        assert_eq!(sign(&secret), SIGNED);
        let both = Secret::parse(&format!("{}\n{SPECIFIED}\n", "n".repeat(24))).unwrap();
        let signed = sign(&both);
        assert!(signed.ends_with(&format!(" {SIGNED}")) && signed.starts_with("v1,"), "{signed}");
    }

    #[test]
    fn takes_secrets_that_are_long_enough() {
        for (text, expected) in [
            (" whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw \n", None),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAA", None),
            ("a text of 24 characters.\n", None),
            ("a text of 23 characters", Some(NotASecret::Short)),
            ("whsec_MfKQ9r8GKYqrTwjU", Some(NotASecret::Short)),
            ("whsec_not base64 at all, whatever it is", Some(NotASecret::NotBase64)),
            ("\n \n", Some(NotASecret::Empty)),
            ("a\nb\nc", Some(NotASecret::Many)),
        ] {
            assert_eq!(Secret::parse(text).err(), expected, "{text:?}");
        }
        assert_eq!(Secret::parse(&"x".repeat(2_000)).err(), Some(NotASecret::Long));
    }
}
