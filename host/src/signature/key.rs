//! Keys as lines of text: `ed25519:` or `ed25519-secret:` and 32 bytes in base64.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use thiserror::Error;

const PUBLIC: &str = "ed25519:";
const SECRET: &str = "ed25519-secret:";

/// Why a text is not a key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A public key is expected.
    #[error("write a public key: `ed25519:` and 32 bytes in base64, as `cloakroom sign --new-key` prints it")]
    NotPublic,
    /// A secret key is written where everybody can read it.
    #[error(
        "this is the secret half of a key; write the public one, which begins with `ed25519:`, and make a new pair"
    )]
    Secret,
    /// A secret key is expected.
    #[error(
        "this is not a secret key: `ed25519-secret:` and 32 bytes in base64, as `cloakroom sign --new-key` writes it"
    )]
    NotSecret,
}

/// The key that a signature is checked with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Whether this key's owner signed a message. Strict: there is one signature of a message, and no weak keys.
    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.verify_strict(message, &Signature::from_bytes(signature)).is_ok()
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        if text.starts_with(SECRET) {
            return Err(KeyError::Secret);
        }
        let key = bytes(text, PUBLIC).and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok());
        key.filter(|key| !key.is_weak()).map(Self).ok_or(KeyError::NotPublic)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{PUBLIC}{}", BASE64.encode(self.0.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// The key that signs. Wiped from memory when it is dropped; `Debug` is left out on purpose.
pub struct SecretKey(SigningKey);

impl SecretKey {
    /// A new key from the system's random numbers.
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// The half that others may know.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The key as it is kept in a file that nobody else may read.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{SECRET}{}\n", BASE64.encode(self.0.as_bytes()))
    }

    pub(super) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.sign(message).to_bytes()
    }
}

impl FromStr for SecretKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let seed = bytes(text.trim(), SECRET).ok_or(KeyError::NotSecret)?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }
}

fn bytes(text: &str, prefix: &str) -> Option<[u8; 32]> {
    BASE64.decode(text.strip_prefix(prefix)?).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_being_written_and_read() {
        let secret = SecretKey::new().expect("random numbers");
        let read: SecretKey = secret.to_text().parse().expect("a key");
        assert_eq!(read.public(), secret.public());
        assert_eq!(secret.public().to_string().parse(), Ok(secret.public()));
        assert_ne!(SecretKey::new().expect("random numbers").public(), secret.public());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let secret = SecretKey::new().expect("random numbers").to_text();
        assert_eq!(secret.trim().parse::<PublicKey>(), Err(KeyError::Secret));
        for text in ["", "ed25519:", "ed25519:AAAA", "rsa:AAAA", "ed25519:!"] {
            assert_eq!(text.parse::<PublicKey>(), Err(KeyError::NotPublic), "{text}");
            assert_eq!(text.parse::<SecretKey>().err(), Some(KeyError::NotSecret), "{text}");
        }
        // A point of small order, with which a signature can be made that fits any message.
        let weak = format!("ed25519:{}", BASE64.encode([0; 32]));
        assert_eq!(weak.parse::<PublicKey>(), Err(KeyError::NotPublic));
    }
}
